"""The sums per gene from which all fits are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

from ._centred_sums import CentredSums, two_sum
from ._join import joined
from ._kernels._statistics import weighted_sums
from ._ratio import Bound, OffsetMode, RatioFit, fit_ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._typing import Float64Array, GeneRows, Matrix

__all__ = ["SufficientStatistics"]

# number of genes converted to dense arrays at a time: limits the memory for sparse input
_GENES_AT_ONCE = 64


class SufficientStatistics(CentredSums):
    r"""Centred sums over cells, and the fit that is computed from them.

    With weights :math:`w_i \ge 0`, spliced :math:`s_i` and unspliced :math:`u_i`:

    .. math::
        n = \sum w, \quad \bar s = \sum w s / n, \quad \bar u = \sum w u / n, \\
        C_{ss} = \sum w (s - \bar s)^2, \quad
        C_{su} = \sum w (s - \bar s)(u - \bar u), \quad
        C_{uu} = \sum w (u - \bar u)^2

    The ``+`` of two objects gives the sums over the cells of both, which must be disjoint; ``-``
    removes some of the cells.

    Attributes
    ----------
    total_weight
        n, shape (genes,).
    spliced_mean, unspliced_mean
        s̄ and ū, shape (genes,).
    spliced_squares, cross_products, unspliced_squares
        C_ss, C_su and C_uu, shape (genes,).
    spliced_mean_rest, unspliced_mean_rest
        The rounding errors of the means, shape (genes,). With them, sums can be merged without loss
        of digits, even if means are a million times larger than the spread.

    Examples
    --------
    >>> spliced = np.array([[1.0], [2.0], [3.0], [6.0]])
    >>> unspliced = 0.25 * spliced + 1.0
    >>> first = SufficientStatistics.from_arrays(spliced[:2], unspliced[:2])
    >>> second = SufficientStatistics.from_arrays(spliced[2:], unspliced[2:])
    >>> fit = (first + second).solve(offset=True)
    >>> fit.gamma.round(12).tolist(), fit.offset.round(12).tolist()
    ([0.25], [1.0])
    """

    @classmethod
    def from_arrays(cls, spliced: Matrix, unspliced: Matrix, weights: Matrix | None = None) -> Self:
        """Compute the sums over the cells of two matrices.

        Parameters
        ----------
        spliced, unspliced
            Abundances, shape (cells, genes), dense or CSR or CSC.
        weights
            Weight of each cell, shape (cells,) or (cells, genes), not negative; None means 1.

        Returns
        -------
        The sums of every gene.

        Raises
        ------
        ValueError
            If shapes differ, a value is not finite, or a weight is negative.
        """
        shape = spliced.shape
        if len(shape) != 2 or unspliced.shape != shape:
            msg = (
                "spliced and unspliced must have the same shape (cells, genes); "
                f"they have the shapes {shape} and {unspliced.shape}."
            )
            raise ValueError(msg)
        if weights is not None and weights.shape not in {shape, shape[:1]}:
            msg = f"weights must have shape {shape[:1]} or {shape}; they have {weights.shape}."
            raise ValueError(msg)
        spliced, unspliced = _by_gene(spliced), _by_gene(unspliced)
        weights = None if weights is None else _by_gene(weights)
        return joined(
            [
                cls.from_gene_rows(
                    _gene_rows(spliced, genes),
                    _gene_rows(unspliced, genes),
                    None if weights is None else _gene_rows(weights, genes),
                )
                for genes in _gene_slices(shape[1])
            ]
        )

    @classmethod
    def from_gene_rows(
        cls, spliced: GeneRows, unspliced: GeneRows, weights: NDArray[Any] | None = None
    ) -> Self:
        """Compute the sums of (genes, cells) arrays; `weights` may have one row for all genes."""
        n_genes, n_cells = spliced.shape
        if weights is None:
            weights = np.ones((1, n_cells))
        elif weights.dtype != np.bool_ and weights.min(initial=0.0) < 0:
            msg = f"weights must not be negative; the smallest given is {weights.min():g}."
            raise ValueError(msg)
        sums = np.empty((n_genes, 8))
        weighted_sums(spliced, unspliced, weights, sums)
        n, s_mean, u_mean, s_left, u_left, ss, su, uu = sums.T.copy()
        for name, mean in (("spliced", s_mean), ("unspliced", u_mean), ("weights", n)):
            if not np.isfinite(mean).all():
                gene = int(np.flatnonzero(~np.isfinite(mean))[0])
                msg = f"{name} has NaN or infinite values, first in gene number {gene}."
                raise ValueError(msg)
        # the rounding errors of the means; correcting for them keeps all digits where a mean is
        # much larger than the spread (corrected two-pass algorithm)
        divisor = np.where(n > 0, n, 1.0)
        s_mean, s_rest = two_sum(s_mean, s_left / divisor)
        u_mean, u_rest = two_sum(u_mean, u_left / divisor)
        return cls(
            n,
            s_mean,
            u_mean,
            np.maximum(ss - s_left * s_left / divisor, 0.0),
            su - s_left * u_left / divisor,
            np.maximum(uu - u_left * u_left / divisor, 0.0),
            s_rest,
            u_rest,
        )

    def solve(
        self,
        *,
        offset: OffsetMode = False,
        gamma_bounds: tuple[float, float] | None = None,
        offset_bounds: tuple[Bound, Bound] | None = None,
    ) -> RatioFit:
        r"""Fit the steady-state ratio of every gene by weighted least squares.

        Minimises :math:`\sum w (u - \gamma s - o)^2`:

        - ``offset=False``: :math:`o = 0`,
          :math:`\gamma = \sum w s u / \sum w s^2
          = (C_{su} + n \bar s \bar u) / (C_{ss} + n \bar s^2)`
        - ``offset=True``: :math:`\gamma = C_{su} / C_{ss}`, :math:`o = \bar u - \gamma \bar s`
        - ``offset="nonnegative"``: with an offset; genes whose offset is negative are fitted again
          through the origin (scVelo's rule)

        Parameters
        ----------
        offset
            One of the three modes.
        gamma_bounds, offset_bounds
            Lowest and highest value allowed, as numbers or one per gene; None means no bounds. The
            objective is convex, so its constrained minimum is the free minimum or lies on the
            boundary of the allowed rectangle.

        Returns
        -------
        Ratio, offset, and the reason if a gene has no fit.

        Raises
        ------
        ValueError
            If `offset` is not one of the three modes, or there are bounds for an offset but no
            offset.

        References
        ----------
        La Manno et al. (2018), https://doi.org/10.1038/s41586-018-0414-6.
        """
        return fit_ratio(
            self, offset=offset, gamma_bounds=gamma_bounds, offset_bounds=offset_bounds
        )


def _gene_slices(n_genes: int) -> list[slice]:
    starts = range(0, max(n_genes, 1), _GENES_AT_ONCE)
    return [slice(start, min(start + _GENES_AT_ONCE, n_genes)) for start in starts]


def _by_gene(x: Matrix) -> Matrix:
    """Convert a sparse matrix to CSC, from which columns are read fast."""
    return x.tocsc() if sp.issparse(x) else x


def _gene_rows(x: Matrix, genes: slice) -> Float64Array:
    """Return some genes of a cells × genes matrix as a dense (genes, cells) float64 array."""
    if x.ndim == 1:
        return np.asarray(x, dtype=np.float64)[None, :]
    block = x[:, genes]
    dense = block.toarray() if sp.issparse(block) else block
    return np.ascontiguousarray(np.asarray(dense, dtype=np.float64).T)
