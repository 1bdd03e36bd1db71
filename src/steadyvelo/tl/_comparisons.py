"""Which conditions are compared, over which cells and samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steadyvelo._adata._checks import warn
from steadyvelo._adata._groups import group_masks, sample_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["Comparison", "Comparisons", "LeftOut", "SampleGroups"]

_REST = "rest"


class Comparison(NamedTuple):
    """Two sides that are compared, each with the numbers of its units."""

    condition: str
    reference: str
    first: tuple[int, ...]
    second: tuple[int, ...]


class SampleGroups(NamedTuple):
    """The samples of a comparison, each by the numbers of its units on the first and second side.

    If samples are `paired`, each has cells of both sides, and the two lists have the same samples.
    """

    first: list[tuple[int, ...]]
    second: list[tuple[int, ...]]
    paired: bool


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Cells by condition, or by condition and sample: the units of which both sides are made.

    Attributes
    ----------
    units
        Number of each cell's unit, shape (cells,).
    conditions
        Number of each unit's condition, shape (units,); `len(names)` for cells of other conditions.
    samples
        Number of each unit's sample, shape (units,); None if cells are independent.
    names
        Names of the compared conditions.
    condition_key, groupby, sample_key
        Columns of ``obs``.
    """

    units: NDArray[np.intp]
    conditions: NDArray[np.intp]
    samples: NDArray[np.intp] | None
    names: list[str]
    condition_key: str
    groupby: str | None
    sample_key: str | None

    @classmethod
    def of(
        cls,
        adata: AnnData,
        condition_key: str,
        conditions: str | Sequence[str] | None,
        *,
        groupby: str | None,
        sample_key: str | None,
    ) -> Comparisons:
        """Read the conditions and samples of all cells."""
        masks = group_masks(adata, condition_key, conditions, what="conditions")
        condition = np.full(adata.n_obs, len(masks), dtype=np.intp)
        for number, mask in enumerate(masks.values()):
            condition[mask] = number
        sample = sample_codes(adata, sample_key)
        n_samples = 1 if sample is None else int(sample.max()) + 1
        codes = condition * n_samples + (0 if sample is None else sample)
        there, units = np.unique(codes, return_inverse=True)
        samples = None if sample is None else there % n_samples
        keys = condition_key, groupby, sample_key
        return cls(units.astype(np.intp), there // n_samples, samples, list(masks), *keys)

    def among(self, there: NDArray[np.bool_]) -> list[Comparison]:
        """Return the comparisons among some units; none if these have fewer than two conditions."""
        of: dict[int, tuple[int, ...]] = {}
        for number in range(len(self.names) + 1):
            units = np.flatnonzero(there & (self.conditions == number))
            if len(units):
                of[number] = tuple(units.tolist())
        named = [number for number in of if number < len(self.names)]
        if len(named) < 2:
            return []
        found = [
            Comparison(self.names[a], self.names[b], of[a], of[b])
            for a, b in combinations(named, 2)
        ]
        if len(of) > 2:
            for a in named:
                others = [unit for number, units in of.items() if number != a for unit in units]
                found.append(Comparison(self.names[a], _REST, of[a], tuple(others)))
        return found

    def sample_groups(self, comparison: Comparison) -> SampleGroups | None:
        """Return the samples of a comparison; None without samples or with too few for a test.

        If at least two samples have cells of both sides, these are compared in pairs, and samples
        with cells of one side are left out.
        """
        if self.samples is None:
            return None
        sides = [_by_sample(self.samples, units) for units in comparison[2:]]
        both = [sample for sample in sides[0] if sample in sides[1]]
        if len(both) >= 2:
            first, second = ([side[sample] for sample in both] for side in sides)
            return SampleGroups(first, second, paired=True)
        first, second = (
            [units for sample, units in side.items() if sample not in both] for side in sides
        )
        if min(len(first), len(second)) < 2:
            return None
        return SampleGroups(first, second, paired=False)


def _by_sample(samples: NDArray[np.intp], units: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Return the units of each sample."""
    found: dict[int, tuple[int, ...]] = {}
    for unit in units:
        sample = int(samples[unit])
        found[sample] = (*found.get(sample, ()), unit)
    return found


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Comparisons that cannot be made, and why."""

    comparisons: Comparisons
    reasons: list[str] = field(default_factory=list)

    def few_conditions(self, cluster: str | None) -> None:
        """Note cells of fewer than two conditions, in a cluster or in all (None)."""
        of, column = self.comparisons, f"obs[{self.comparisons.condition_key!r}]"
        if cluster is None:
            self.reasons.append(
                f"the compared cells have fewer than two conditions of {column}; give another "
                "column as condition_key=, or more clusters as groups=."
            )
        else:
            self.reasons.append(
                f"cluster {cluster!r} of obs[{of.groupby!r}] has cells of fewer than two "
                f"conditions of {column}: no ratios are compared in it."
            )

    def no_shared_stratum(self, pair: Comparison, cluster: str | None) -> None:
        """Note two conditions that have no cells in similar states."""
        of = "" if cluster is None else f" of cluster {cluster!r}"
        self.reasons.append(
            f"no stratum{of} has two cells each of {pair.condition!r} and "
            f"{pair.reference!r}, so their ratios are not compared at matched state. Find "
            "neighbours in a representation in which the conditions are integrated "
            "(pp.neighbors(adata, use_rep=...) and tl.velocity), give other strata=, or use "
            "contrast='extremes'."
        )

    def few_samples(self, pair: Comparison, cluster: str | None) -> None:
        """Note two conditions with too few samples for a test over samples."""
        where = "" if cluster is None else f" in cluster {cluster!r}"
        self.reasons.append(
            f"{pair.condition!r} and {pair.reference!r} are not compared{where}: a "
            f"test over samples needs two samples of obs[{self.comparisons.sample_key!r}] of each, "
            "or two samples with cells of both. sample_key=None compares cells, which does not "
            "tell whether other samples would be alike."
        )

    def say(self, *, any_left: bool) -> None:
        """Warn of what is left out; raise an error if nothing is left."""
        if not any_left:
            raise ValueError(self.reasons[0])
        for reason in self.reasons:
            warn(reason)
