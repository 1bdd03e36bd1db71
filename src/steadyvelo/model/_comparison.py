"""Comparison of the ratios of groups of cells, from the influence of every cell on each ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr

from ._kernels._comparison import add_influence_products
from ._ratio_errors import FEWEST_MOLECULES, RatioErrors

if TYPE_CHECKING:
    from ._instruments import Instruments, OverRows
    from ._typing import Float64Array, IntArray

__all__ = ["Contrast", "GroupRatios"]

_FEW_MOLECULES = 20.0


@dataclass(frozen=True, eq=False)
class Contrast:
    """Differences between the ratios of two groups, each of shape (genes,).

    Attributes
    ----------
    difference
        γ of the first group minus γ of the second.
    se
        Its standard error.
    statistic
        The difference divided by its standard error.
    p
        Two-sided p-value.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import GroupRatios, Instruments
    >>> spliced, unspliced = np.array([[20.0, 40, 20, 40], [11, 19, 6, 9]])[:, :, None]
    >>> counts = np.ones((4, 1)), spliced, unspliced, np.ones((4, 2))
    >>> members = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])[:, :, None]
    >>> groups = [Instruments(spliced * cells, *counts) for cells in members]
    >>> contrast = GroupRatios.from_instruments(groups, centred=False).contrast(0, 1)
    >>> contrast.difference.round(5).tolist()
    [0.25]
    """

    difference: Float64Array
    se: Float64Array
    statistic: Float64Array
    p: Float64Array


@dataclass(frozen=True, eq=False)
class GroupRatios:
    r"""Ratios of groups of cells for some genes, and the sums from which any two are compared.

    Cell c has the influence :math:`q_{kc}(\tilde u_c - \gamma_k \tilde s_c) / D_k` on the ratio of
    group k. Smoothing crosses the borders of groups, so one cell may influence the ratios of two
    groups. The variance of a difference is therefore the sum over all cells of the squared
    difference between the two influences.

    Attributes
    ----------
    gamma
        Ratios, shape (groups, genes); NaN if a group has none.
    products
        Sums over cells of products of influences, shape (genes, groups, groups).
    poisson
        The same from the variance of Poisson counts given their sum, per unit of the ratio.
    molecules
        Effective number of unspliced molecules, shape (groups, genes).
    df
        Degrees of freedom of each ratio, shape (groups, genes).

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import GroupRatios, Instruments
    >>> spliced, unspliced = np.array([[20.0, 40, 20, 40], [10, 20, 5, 10]])[:, :, None]
    >>> counts = np.ones((4, 1)), spliced, unspliced, np.ones((4, 2))
    >>> members = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])[:, :, None]
    >>> groups = [Instruments(spliced * cells, *counts) for cells in members]
    >>> GroupRatios.from_instruments(groups, centred=False).gamma.tolist()
    [[0.5], [0.25]]
    """

    gamma: Float64Array
    products: Float64Array
    poisson: Float64Array
    molecules: Float64Array
    df: Float64Array

    @classmethod
    def from_instruments(
        cls,
        groups: list[Instruments],
        *,
        centred: bool,
        over_rows: OverRows | None = None,
    ) -> GroupRatios:
        """Compute the influences of all cells on the ratios of some genes.

        Parameters
        ----------
        groups
            The instruments of each group, for the same genes.
        centred
            Whether the lines have an offset.
        over_rows
            Calls ``work(start, stop)`` for chunks that cover all cells, possibly in threads; None
            processes all cells at once.
        """
        errors = [
            RatioErrors.from_sums(group.sums(centred=centred, over_rows=over_rows))
            for group in groups
        ]
        products, poisson = _products(groups, errors, centred=centred, over_rows=over_rows)
        df = np.stack([np.maximum(found.effective_cells - 1.0, 1.0) for found in errors])
        return cls(
            np.stack([found.gamma for found in errors]),
            products,
            poisson,
            np.stack([found.molecules for found in errors]),
            df,
        )

    @classmethod
    def join(cls, parts: list[GroupRatios]) -> GroupRatios:
        """Join the ratios of several sets of genes."""
        return cls(
            np.concatenate([part.gamma for part in parts], axis=1),
            np.concatenate([part.products for part in parts]),
            np.concatenate([part.poisson for part in parts]),
            np.concatenate([part.molecules for part in parts], axis=1),
            np.concatenate([part.df for part in parts], axis=1),
        )

    def of_genes(self, genes: IntArray) -> GroupRatios:
        """Return the ratios of some genes."""
        return GroupRatios(
            self.gamma[:, genes],
            self.products[genes],
            self.poisson[genes],
            self.molecules[:, genes],
            self.df[:, genes],
        )

    def se(self, group: int) -> Float64Array:
        """Return the standard error of a group's ratio; NaN with fewer than 10 molecules."""
        variance, molecules = self.products[:, group, group], self.molecules[group]
        floor = np.maximum(self.gamma[group], 0.0) * self.poisson[:, group, group]
        variance = np.where(molecules < _FEW_MOLECULES, np.maximum(variance, floor), variance)
        return np.sqrt(np.where(molecules < FEWEST_MOLECULES, np.nan, variance))

    def contrast(self, first: int, second: int) -> Contrast:
        """Compare two groups by a Wald test of the hypothesis that their ratios are equal."""
        gamma = self.gamma[first], self.gamma[second]
        pooled = np.maximum(0.5 * (gamma[0] + gamma[1]), 0.0)
        variance = _difference(self.products, first, second)
        # with few molecules, the squared scores do not estimate their variance well
        few = np.minimum(self.molecules[first], self.molecules[second]) < _FEW_MOLECULES
        floor = pooled * _difference(self.poisson, first, second)
        variance = np.where(few, np.maximum(variance, floor), variance)
        difference = gamma[0] - gamma[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            se = np.sqrt(np.where(variance > 0, variance, np.nan))
            statistic = difference / se
        df = np.minimum(self.df[first], self.df[second])
        return Contrast(difference, se, statistic, 2 * stdtr(df, -np.abs(statistic)))


def _products(
    groups: list[Instruments],
    errors: list[RatioErrors],
    *,
    centred: bool,
    over_rows: OverRows | None,
) -> tuple[Float64Array, Float64Array]:
    """Return the products of influences and of weights, each of shape (genes, groups, groups)."""
    n_groups, (n_cells, n_genes) = len(groups), groups[0].h.shape
    lines = np.zeros((n_groups, 5, n_genes))
    for line, group, found in zip(lines, groups, errors, strict=True):
        sums = group.means(over_rows)
        line[:3] = sums.centres(np.full(n_genes, centred))
        total = sums.h_spliced - line[0] * sums.h0_spliced
        # a gene without an estimate has no influences, nor has one whose sum is rounding alone
        with np.errstate(divide="ignore"):
            line[3:] = (
                found.gamma,
                np.where(np.isnan(found.gamma) | (total == 0), np.nan, 1 / total),
            )
    none = np.zeros((n_cells, 0), dtype=groups[0].h0.dtype)
    h = tuple(np.ascontiguousarray(group.h) for group in groups)
    h0 = tuple(np.ascontiguousarray(group.h0) if centred else none for group in groups)
    first = groups[0]
    spliced, unspliced = np.ascontiguousarray(first.spliced), np.ascontiguousarray(first.unspliced)
    counts = spliced, unspliced, np.ascontiguousarray(first.scales)
    added: dict[int, Float64Array] = {}

    def work(start: int, stop: int) -> None:
        sums = np.zeros((2, n_groups, n_groups, n_genes))
        add_influence_products(h, h0, *counts, lines, sums[0], sums[1], start, stop)
        added[start] = sums

    if over_rows is None:
        work(0, n_cells)
    else:
        over_rows(work)
    # added in the order of the cells, so that results do not depend on the order of threads
    upper = np.sum([added[start] for start in sorted(added)], axis=0)
    for k in range(n_groups):
        for m in range(k):
            upper[:, k, m] = upper[:, m, k]
    products, poisson = np.moveaxis(upper, 3, 1)
    return products, poisson


def _difference(products: Float64Array, k: int, l: int) -> Float64Array:  # noqa: E741
    return products[:, k, k] + products[:, l, l] - 2 * products[:, k, l]
