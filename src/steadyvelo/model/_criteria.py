"""Criteria for velocity genes, and the reason why a gene does not meet them."""

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
        R² is above the threshold.
    gamma_passes
        The ratio γ is above the threshold.
    spliced_seen, unspliced_seen
        Some smoothed values are above zero.
    highly_variable
        The gene is highly variable, or this was not required.
    reason
        The first criterion that the gene does not meet; the empty string for velocity genes.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import gene_criteria
    >>> gamma, r2, one = np.array([0.2, 0.2]), np.array([0.5, -0.1]), np.ones(2)
    >>> criteria = gene_criteria(gamma, r2, spliced_max=one, unspliced_max=one)
    >>> criteria.velocity_genes.tolist()
    [True, False]
    """

    r2_passes: BoolArray
    gamma_passes: BoolArray
    spliced_seen: BoolArray
    unspliced_seen: BoolArray
    highly_variable: BoolArray
    reason: TextArray

    @property
    def velocity_genes(self) -> BoolArray:
        """The genes that meet every criterion, shape (genes,)."""
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
    """Find the velocity genes.

    A velocity gene has R² > `min_r2`, γ > `min_gamma`, and spliced and unspliced mRNA. Thresholds
    are not relaxed if few genes meet them.

    Parameters
    ----------
    gamma, r2
        Fitted ratio and R², shape (genes,); NaN meets no threshold.
    spliced_max, unspliced_max
        Largest smoothed abundances, shape (genes,).
    min_r2, min_gamma
        Thresholds; values must be larger.
    highly_variable
        Genes that may be velocity genes, shape (genes,); None means all.
    no_fit
        The reason if a gene has no fit, otherwise the empty string, shape (genes,).

    Returns
    -------
    The criteria and the reasons.

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
    # later lines overwrite earlier ones: the most basic cause is reported
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
