"""Principal components of log-normalised expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.blas import dsyrk, ssyrk

from steadyvelo.engine._precision import MOST_PRECISE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float32Array, Float64Array, IntArray

    from ._expression import LogExpression

__all__ = ["MOST_GENES", "Components", "Covariance", "components", "iterated_components"]

# up to this number of genes their covariance is computed, in 200 MB: faster than iterations
MOST_GENES = 5_000
_CELLS_AT_ONCE = 2_000


@dataclass(frozen=True, eq=False)
class Covariance:
    """Covariance of genes over some cells.

    Attributes
    ----------
    products
        Sums of products of centred values, of which only the upper triangle is set, (genes, genes).
    mean
        Means, shape (genes,).
    n_cells
        Number of cells.
    in_float32
        Whether float32 is precise enough; axes then depend on the order of the cells by about 1e-6
        of their length.
    """

    products: Float64Array
    mean: Float64Array
    n_cells: int
    in_float32: bool

    @classmethod
    def of(cls, values: LogExpression, cells: IntArray, *, in_float32: bool = False) -> Self:
        """Sum the products over the cells in parts, in float64.

        If `in_float32`, those of a part are summed in float32, which takes half the time.
        """
        n_genes = values.shape[1]
        products, sums = np.zeros((n_genes, n_genes), order="F"), np.zeros(n_genes)
        for start in range(0, len(cells), _CELLS_AT_ONCE):
            part = values.rows(cells[start : start + _CELLS_AT_ONCE], in_float32=in_float32)
            if in_float32:
                products += ssyrk(1.0, part.T)
            else:
                products = dsyrk(1.0, part.T, beta=1.0, c=products, overwrite_c=1)
            sums += part.sum(axis=0, dtype=np.float64)
        mean = sums / len(cells)
        products -= len(cells) * np.outer(mean, mean)
        return cls(products, mean, len(cells), in_float32)

    def deviations(self) -> Float64Array:
        """Return the standard deviation of every gene."""
        return np.sqrt(np.maximum(np.diag(self.products), 0.0) / self.n_cells)

    def axes(self, n: int, scale: Float32Array | None = None) -> Float64Array:
        """Return the first n axes of values that are multiplied by a scale of each gene.

        They have the shape (genes, n), and are to be applied to the values themselves.
        """
        factor = np.ones(len(self.mean)) if scale is None else scale.astype(np.float64)
        products = self.products * factor[:, None] * factor
        if self.in_float32:
            # scaled, so that squares of large values stay finite
            products = (products / max(np.diag(products).max(), 1e-300)).astype(np.float32)
        first = len(factor) - n
        _, vectors = eigh(products, lower=False, subset_by_index=(first, len(factor) - 1))
        return np.asarray(vectors[:, ::-1] * factor[:, None])


class Components(NamedTuple):
    """Principal components.

    Attributes
    ----------
    of_cells
        Coordinates of the cells, float32, shape (cells, components).
    loadings
        Axes in the space of the genes, (genes, components): the products of centred values with
        them are the coordinates.
    """

    of_cells: NDArray[np.float32]
    loadings: Float64Array


def components(
    values: LogExpression, n_components: int, *, cells: IntArray | None = None, rng: int = 0
) -> Components:
    """Return the first principal components of centred values.

    Components are sorted by decreasing variance. They are eigenvectors of the covariance of genes
    over some `cells`, or all of them; with too many genes for that, scanpy's iterative solver is
    used.
    """
    if values.shape[1] > MOST_GENES:
        return _iterated(values, n_components, rng)
    in_float32 = values.shape[0] > MOST_PRECISE
    chosen = np.arange(values.shape[0]) if cells is None else cells
    covariance = Covariance.of(values, chosen, in_float32=in_float32)
    axes = covariance.axes(n_components)
    projected = values.projected(axes, covariance.mean @ axes, in_float32=in_float32)
    # the sign of a component is arbitrary: its largest value becomes positive
    largest = projected[np.argmax(np.abs(projected), axis=0), np.arange(projected.shape[1])]
    sign = np.where(largest < 0, np.float32(-1), np.float32(1))
    return Components(np.asarray(projected * sign, dtype=np.float32), axes * sign)


def iterated_components(values: LogExpression, n_components: int, *, rng: int) -> NDArray[Any]:
    """Return the first principal components by iterations, for many genes."""
    return _iterated(values, n_components, rng).of_cells


def _iterated(values: LogExpression, n_components: int, rng: int) -> Components:
    import scanpy as sc  # noqa: PLC0415 (slow to import)

    options = {"n_comps": n_components, "random_state": rng, "return_info": True}
    of_cells, axes, *_ = sc.pp.pca(values.matrix(), **options)
    return Components(np.asarray(of_cells), np.asarray(axes, dtype=np.float64).T)
