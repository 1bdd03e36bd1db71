"""Ratios of conditions at matched state: sums over strata, from raw counts in gene blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo._adata._checks import warn
from steadyvelo.engine import weighted_row_sums
from steadyvelo.engine._gather import readable
from steadyvelo.model import (
    Homogeneity,
    MatchedRatios,
    SampleRatios,
    StratumSums,
    homogeneity,
)

from ._comparisons import LeftOut
from ._ratio_tables import matched_table, sample_table
from ._strata import Strata

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit
    from steadyvelo.model._typing import Matrix

    from ._comparisons import Comparison, Comparisons, SampleGroups
    from ._limits import Limits

__all__ = ["ALL_CLUSTERS", "matched_tables"]

# comparison over all clusters
ALL_CLUSTERS = "all clusters"
# float64 sums of each unit, stratum and gene, with those that are made of them
_BYTES_PER_VALUE = 8 * 15
# share of a condition's cells that should be in strata with both conditions
_LEAST_SHARED = 0.5


@dataclass(frozen=True, eq=False)
class _Task:
    """A comparison in some strata, and its results for one gene block after the other.

    `strata` has a mask of the strata for the genes of each fold. With `alike`, it is tested that
    all clusters are alike.
    """

    group: str
    comparison: Comparison
    strata: list[NDArray[np.bool_]]
    samples: SampleGroups | None
    alike: bool
    ratios: list[MatchedRatios] = field(default_factory=list)
    of_samples: list[SampleRatios] = field(default_factory=list)
    homogeneities: list[Homogeneity] = field(default_factory=list)

    def add(self, units: list[StratumSums], fold: int, clusters: NDArray[np.intp]) -> None:
        """Compare the genes of a block, given the sums of every unit and each stratum's cluster."""
        strata = self.strata[fold]

        def total(numbers: tuple[int, ...]) -> StratumSums:
            return reduce(add, [units[number] for number in numbers]).of_strata(strata)

        first, second = total(self.comparison.first), total(self.comparison.second)
        found = MatchedRatios.of(first, second)
        self.ratios.append(found)
        if self.samples is not None:
            samples = ([total(s) for s in side] for side in self.samples[:2])
            self.of_samples.append(SampleRatios.of(first, second, *samples))
        elif self.alike:
            tested = homogeneity(first, second, found.log_ratio, clusters[strata])
            self.homogeneities.append(tested)

    def table(self, genes: pd.Index[str]) -> pd.DataFrame:
        """Return the results of all genes, in the order in which they were computed."""
        found, names = MatchedRatios.join(self.ratios), self.comparison[:2]
        if self.samples is not None:
            values = SampleRatios.join(self.of_samples)
            tested = np.where(np.isfinite(found.statistic), values.log_ratio, np.nan)
            return sample_table(genes, names, self.samples, tested, values.se, found.molecules)
        table = matched_table(genes, names, found)
        if self.alike:
            columns = Homogeneity.join(self.homogeneities)._asdict()
            table = table.assign(**{f"homogeneity_{name}": x for name, x in columns.items()})
        return table


def matched_tables(
    fit: Fit,
    comparisons: Comparisons,
    clusters: tuple[list[str], NDArray[np.intp]],
    strata: str | None,
    *,
    rng: int,
    limits: Limits,
) -> list[tuple[str, pd.DataFrame]]:
    """Compare conditions over all cells, and within each cluster if there are clusters.

    `clusters` are their names and the number of each cell's cluster; −1 for cells that are left
    out. Returns the table of every comparison with the name of its cluster.
    """
    counts = _raw_counts(fit)
    names, cluster_of = clusters
    folds = Strata.of(fit, strata, cluster_of, rng=rng, n_threads=limits.n_threads)
    tasks = _tasks(comparisons, folds, names)
    depth = np.zeros(fit.adata.n_obs)
    for layer in counts:
        ones = np.ones((layer.shape[1], 1))
        depth += weighted_row_sums(layer, ones, limits.n_threads)[:, 0]
    done: list[NDArray[np.int64]] = []
    for number, fold in enumerate(folds):
        n_strata, n_units = len(fold.clusters), len(comparisons.conditions)
        genes = fit.fitted_genes[fold.genes[fit.fitted_genes]]
        size = limits.genes_per_block(n_units * n_strata, _BYTES_PER_VALUE)
        for start in range(0, len(genes), size):
            done.append(genes[start : start + size])
            u, s = (layer[:, done[-1]] for layer in counts)
            codes, n_codes = fold.numbers(comparisons.units), n_units * n_strata
            sums = StratumSums.of(u, s, depth, strata=codes, n_strata=n_codes)
            ends = range(0, n_codes, n_strata)
            units = [sums.of_strata(slice(end, end + n_strata)) for end in ends]
            for task in tasks:
                task.add(units, number, fold.clusters)
            limits.tell(sum(map(len, done)) / len(fit.fitted_genes))
    order = np.concatenate(done)
    gene_names = fit.adata.var_names[order]
    return [(task.group, task.table(gene_names).iloc[np.argsort(order)]) for task in tasks]


def _raw_counts(fit: Fit) -> tuple[Matrix, Matrix]:
    """Return the unspliced and spliced counts; refuse normalised values."""
    layers = fit.options.unspliced, fit.options.spliced
    for layer in layers:
        if fit.inputs.molecules(layer) is None:
            msg = (
                f"layer {layer!r} was taken as normalised, but contrast='matched' adds up "
                "molecules, and needs raw counts: cells with few molecules would count as much as "
                "cells with many. Give layers with raw counts as spliced= and unspliced= of "
                "tl.velocity, say counts='raw' in pp.size_factors if these are raw, or use "
                "contrast='extremes'."
            )
            raise ValueError(msg)
    unspliced, spliced = (readable(fit.inputs.counts(layer)) for layer in layers)
    return unspliced, spliced


def _tasks(comparisons: Comparisons, folds: list[Strata], clusters: list[str]) -> list[_Task]:
    """Return the comparisons over all strata and over those of each cluster."""
    groups: dict[str, int | None] = {ALL_CLUSTERS if clusters else "": None}
    groups |= {name: number for number, name in enumerate(clusters)}
    found, left_out = [], LeftOut(comparisons)
    n_units = len(comparisons.conditions)
    cells = [fold.cells_of(comparisons.units, n_units) for fold in folds]
    for group, number in groups.items():
        own = None if number is None else group
        strata = [fold.of_cluster(number) for fold in folds]
        there = [n[:, mask] for n, mask in zip(cells, strata, strict=True)]
        pairs = comparisons.among(there[0].any(axis=1))
        if not pairs:
            left_out.few_conditions(own)
        for pair in pairs:
            shares = np.min([_shares(n, pair) for n in there], axis=0)
            samples = comparisons.sample_groups(pair)
            if not shares.all():
                left_out.no_shared_stratum(pair, own)
            elif comparisons.samples is not None and samples is None:
                left_out.few_samples(pair, own)
            else:
                if number is None:
                    _look_shared(pair, shares)
                alike = bool(clusters) and number is None and samples is None
                found.append(_Task(group, pair, strata, samples, alike))
    left_out.say(any_left=bool(found))
    return found


def _shares(n_cells: NDArray[np.intp], pair: Comparison) -> NDArray[np.float64]:
    """Return the share of each side's cells that are in strata with cells of the other side.

    `n_cells` has the number of cells of every unit in every stratum, (units, strata).
    """
    sides = np.stack([n_cells[list(units)].sum(axis=0) for units in pair[2:]])
    shared = (sides >= 2).all(axis=0)
    share: NDArray[np.float64] = sides[:, shared].sum(axis=1) / sides.sum(axis=1)
    return share


def _look_shared(pair: Comparison, shares: NDArray[np.float64]) -> None:
    """Warn of a comparison that concerns fewer than half of a condition's cells."""
    for name, other, share in zip(pair[:2], pair[1::-1], shares, strict=True):
        if share < _LEAST_SHARED:
            warn(
                f"only {share:.0%} of the cells of {name!r} are in strata that also have cells of "
                f"{other!r}: ratios of "
                f"{pair.condition!r} and {pair.reference!r} are compared in these only."
            )
