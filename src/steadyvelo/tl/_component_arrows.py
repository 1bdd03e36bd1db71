"""Linear arrows on principal components, from their loadings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn, Self

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._embeddings import check_finite_embedding
from steadyvelo._log import done
from steadyvelo.engine import component_arrows
from steadyvelo.pp._neighbors import log_expression

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit

    from ._limits import Limits

__all__ = ["PCA", "PROJECTION", "TRANSITIONS", "Loadings", "drawn_by"]

# methods of tl.velocity_embedding
TRANSITIONS, PROJECTION = "transitions", "projection"
# cells in which loadings are compared with coordinates, and the largest share of the variance by
# which they may differ
_SAMPLE, _TOLERANCE = 500, 1e-4
# name of the embedding
PCA = "pca"


@dataclass(frozen=True, eq=False)
class Loadings:
    """Loadings of principal components for some velocity genes.

    Attributes
    ----------
    genes
        Indices of the velocity genes that have a loading, ascending.
    values
        Their loadings, shape (genes, components).
    share
        The share of these genes in the squared loadings of all genes.
    embedding
        Coordinates of the cells, float64, shape (cells, components).
    """

    genes: NDArray[np.int64]
    values: NDArray[np.float64]
    share: float
    embedding: NDArray[np.float64]

    @classmethod
    def of(cls, fit: Fit) -> Self:
        """Read the loadings; refuse those that do not belong to the coordinates of the cells."""
        adata, embedding = fit.adata, check_finite_embedding(fit.adata, PCA)
        fit.check_unchanged()
        if not _keys.PCS.is_in(adata):
            _refuse("adata.varm has no {loadings!r}, the loadings of {coordinates}")
        values = np.asarray(_keys.PCS.read(adata), dtype=np.float64)
        if values.shape[1] != embedding.shape[1] or not np.isfinite(values).all():
            _refuse(
                f"varm[{{loadings!r}}] has {values.shape[1]} columns and {{coordinates}} has "
                f"{embedding.shape[1]}, or values are not finite"
            )
        left = _left_over(fit, values, embedding)
        if left > _TOLERANCE:
            _refuse(
                f"varm[{{loadings!r}}] does not give {{coordinates}} (it leaves {left:.2%} of the "
                "variance): the loadings belong to other genes or cells, or the components were "
                "computed from other values than log(1 + s / size factor)"
            )
        genes = fit.graph_genes[values[fit.graph_genes].any(axis=1)]
        if len(genes) == 0:
            _refuse("no velocity gene has a loading in varm[{loadings!r}]")
        share = float(np.square(values[genes]).sum() / np.square(values).sum())
        return cls(genes, values[genes], share, embedding)

    def project(
        self,
        blocks: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]],
        row_of_cell: NDArray[np.int32],
        used: NDArray[np.bool_],
        n_threads: int,
    ) -> NDArray[np.float64]:
        """Return the arrows of velocities, (cells, components); NaN for cells that are not used.

        Blocks have the expression and velocities of the genes, with rows in an order.
        """
        rows = component_arrows(blocks, self.values, len(used), n_threads)
        arrows = rows[row_of_cell]
        arrows[~used] = np.nan
        return arrows

    def arrows(self, fit: Fit, limits: Limits) -> NDArray[np.float64]:
        """Return the arrows of the velocities of a fit."""
        velocities = fit.velocities(self.genes)
        size = limits.genes_per_block(fit.adata.n_obs)
        blocks = velocities.blocks(size, limits.n_threads, limits.report)
        given = velocities.order.row_of_cell, fit.inputs.cells, limits.n_threads
        arrows = self.project(blocks, *given)
        done(
            f"velocities of {len(self.genes):,} genes, which have {self.share:.0%} of the squared "
            "loadings, are projected on principal components"
        )
        return arrows


def drawn_by(fit: Fit, basis: str) -> str:
    """Return the method by which the arrows on an embedding were computed."""
    made = fit.params.made.get("arrows", {}).get(basis, {})
    return str(made.get("method", TRANSITIONS))


def _left_over(fit: Fit, loadings: NDArray[np.float64], embedding: NDArray[np.float64]) -> float:
    """Return the share of the coordinates' variance that log expression does not give."""
    genes = loadings.any(axis=1)
    if not genes.any():
        return 1.0
    n_cells = len(embedding)
    cells = np.unique(np.linspace(0, n_cells - 1, min(n_cells, _SAMPLE)).astype(np.intp))
    values = log_expression(fit.adata, fit.options.spliced, genes)
    some = replace(values, counts=values.counts[cells], inverse=values.inverse[cells])
    found = some.projected(loadings[genes], np.zeros(loadings.shape[1]))
    there = embedding[cells] - embedding[cells].mean(axis=0)
    # coordinates are those of values around their means
    left = found - found.mean(axis=0) - there
    total = float(np.square(there).sum())
    return float(np.square(left).sum()) / total if total > 0 else 1.0


def _refuse(why: str) -> NoReturn:
    """Refuse a projection, with the reason and what computes components and loadings."""
    names = {"loadings": _keys.PCS.of(), "coordinates": f"obsm[{_keys.PCA.of()!r}]"}
    msg = (
        f"velocities cannot be projected on principal components: {why.format(**names)}. Remove "
        f"the components (del adata.obsm[{_keys.PCA.of()!r}]) and compute them again by "
        "pp.neighbors(adata, key_added='new'), which leaves the neighbours of the fit as they are."
    )
    raise ValueError(msg)
