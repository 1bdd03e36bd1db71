"""Which genes' velocities can be used: one yes or no per criterion, and the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._typing import BoolArray, Float64Array, TextArray

__all__ = ["GeneCriteria", "gene_criteria"]


@dataclass(frozen=True, eq=False)
class GeneCriteria:
    """Criteria for velocity genes, each of shape (genes,).

    Attributes
    ----------
    r2_passes
        R² is above its threshold.
    gamma_passes
        The ratio γ is above its threshold.
    spliced_seen, unspliced_seen
        Some smoothed value is above zero.
    highly_variable
        Marked by the user as highly variable, or the user did not ask for it.
    reason
        The first criterion that failed, in words; the empty string for velocity genes.
    """

    r2_passes: BoolArray
    gamma_passes: BoolArray
    spliced_seen: BoolArray
    unspliced_seen: BoolArray
    highly_variable: BoolArray
    reason: TextArray

    @property
    def velocity_genes(self) -> BoolArray:
        """Genes that meet every criterion, shape (genes,)."""
        return np.asarray(self.reason == "")


def gene_criteria(
    gamma: Float64Array,
    r2: Float64Array,
    *,
    spliced_max: Float64Array,
    unspliced_max: Float64Array,
    min_r2: float = 0.01,
    min_gamma: float = 0.01,
    highly_variable: BoolArray | None = None,
    no_fit: TextArray | None = None,
) -> GeneCriteria:
    """Decide which genes' velocities can be used.

    A velocity gene has R² > `min_r2`, γ > `min_gamma` and both kinds of mRNA. Thresholds are
    taken as given, however few genes pass.

    Parameters
    ----------
    gamma, r2
        Fitted ratio and share of spread explained, shape (genes,); NaN passes no threshold.
    spliced_max, unspliced_max
        Largest smoothed abundances, shape (genes,).
    min_r2, min_gamma
        Thresholds, passed by larger values.
    highly_variable
        Genes to keep, shape (genes,); None means all.
    no_fit
        Why a gene has no fit, the empty string where it has one, shape (genes,).

    Returns
    -------
    Criteria and reasons per gene.

    Examples
    --------
    >>> one = np.ones(2)
    >>> criteria = gene_criteria(
    ...     np.array([0.2, 0.2]), np.array([0.5, -0.1]), spliced_max=one, unspliced_max=one
    ... )
    >>> criteria.reason.tolist()
    ['', 'R² is not above 0.01']
    """
    variable = np.ones(gamma.shape, dtype=bool) if highly_variable is None else highly_variable
    r2_passes, gamma_passes = r2 > min_r2, gamma > min_gamma
    spliced_seen, unspliced_seen = spliced_max > 0, unspliced_max > 0
    reason = np.full(gamma.shape, "", dtype=object)
    # later lines win: the deepest cause is the one to report
    reason[~variable] = "not highly variable"
    reason[~r2_passes] = f"R² is not above {min_r2:g}"
    reason[~gamma_passes] = f"gamma is not above {min_gamma:g}"
    reason[~unspliced_seen] = "no unspliced counts"
    reason[~spliced_seen] = "no spliced counts"
    if no_fit is not None:
        reason = np.where(no_fit != "", no_fit, reason)
    return GeneCriteria(
        r2_passes, gamma_passes, spliced_seen, unspliced_seen, np.asarray(variable), reason
    )
