"""Shares over data sets with their Monte Carlo errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEWEST_MOLECULES = 20


@dataclass(frozen=True)
class Share:
    """How often something holds, and three standard errors of that.

    The errors are taken over data sets, since genes of one share cells and graphs.
    """

    share: float
    three_errors: float
    n: int

    @classmethod
    def of(cls, per_data_set) -> Share:
        """Pool marks of several data sets, one array for each."""
        sizes = np.array([len(marks) for marks in per_data_set])
        held = np.array([np.sum(marks) for marks in per_data_set])
        n, pooled = int(sizes.sum()), held.sum() / sizes.sum()
        over_data_sets = np.sqrt(np.sum((held - sizes * pooled) ** 2)) / n
        binomial = np.sqrt(pooled * (1 - pooled) / n)
        return cls(float(pooled), 3 * float(max(over_data_sets, binomial)), n)

    def may_be(self, *, least=0.0, most=1.0) -> bool:
        """Whether the share lies within two bounds, give or take its errors."""
        return least - self.three_errors <= self.share <= most + self.three_errors

    def __str__(self) -> str:
        return f"{self.share:.3f} ± {self.three_errors:.3f}"


def enough(table) -> np.ndarray:
    """Genes with a ratio and enough molecules behind it."""
    return (np.isfinite(table.gamma) & (table.molecules >= FEWEST_MOLECULES)).to_numpy()


def score(table, truth, genes) -> tuple[np.ndarray, np.ndarray]:
    """Whether intervals hold the truth, and relative errors of the ratios, of some genes."""
    covered = (table.low <= truth) & (truth <= table.high)
    return np.asarray(covered)[genes], np.asarray(table.gamma / truth - 1)[genes]


def median_bias(per_data_set) -> float:
    """Median of relative errors."""
    return float(np.median(np.concatenate(list(per_data_set))))
