"""Slopes of conditions over their extreme cells, smoothed within conditions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo.engine import SmoothingOperator

from ._comparisons import LeftOut
from ._fold_neighbors import neighbors_within
from ._ratio_tables import sample_table, slope_table
from ._uncertainty import Errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit
    from steadyvelo._adata._fit_params import ErrorChoice
    from steadyvelo.engine import CountsSource
    from steadyvelo.model import GroupRatios

    from ._comparisons import Comparison, Comparisons, SampleGroups
    from ._limits import Limits

__all__ = ["extremes_tables"]


def extremes_tables(
    fit: Fit,
    comparisons: Comparisons,
    clusters: tuple[list[str], NDArray[np.intp]],
    choice: ErrorChoice,
    limits: Limits,
) -> list[tuple[str, pd.DataFrame]]:
    """Compare the slopes of conditions over all cells, or within each cluster if there are any.

    `clusters` are their names and the number of each cell's cluster; −1 for cells that are left
    out. Returns the table of every comparison with the name of its cluster.
    """
    genes, within = fit.fitted_genes, _searched_within(fit, comparisons)
    source = fit.counts(genes)
    if choice.method == "sandwich":
        source = _smoothed_within(fit, source, choice, within, limits.n_threads)
    errors = Errors.of_fit(fit, choice, n_threads=limits.n_threads, within=within)
    names, cluster_of = clusters
    groups = dict(enumerate(names)) if names else {0: ""}
    left_out, tasks = LeftOut(comparisons), {}
    for number, name in groups.items():
        cells = cluster_of == number
        there = np.bincount(comparisons.units[cells], minlength=len(comparisons.conditions)) > 0
        pairs = _testable(comparisons, comparisons.among(there), name or None, left_out)
        if pairs:
            tasks[number] = pairs
    left_out.say(any_left=bool(tasks))
    tables = []
    for done, (number, pairs) in enumerate(tasks.items()):
        part = limits.part(done / len(tasks), (done + 1) / len(tasks))
        sides = dict.fromkeys(side for pair in pairs for side in _fitted(*pair))
        rules = [
            replace(
                fit.rule(genes),
                fit_cells=(cluster_of == number) & np.isin(comparisons.units, side),
            )
            for side in sides
        ]
        ratios = errors.ratios(source, rules, part)
        place = {side: k for k, side in enumerate(sides)}
        gene_names = fit.adata.var_names[genes]
        tables += [(groups[number], _table(gene_names, ratios, place, *pair)) for pair in pairs]
    return tables


def _searched_within(fit: Fit, comparisons: Comparisons) -> NDArray[np.intp]:
    """Return the groups within which neighbours are searched: conditions, or samples of them."""
    column = fit.adata.obs[comparisons.condition_key]
    # every condition by itself, whether it is compared or belongs to the rest
    condition = pd.factorize(column.astype(str).where(column.notna()), use_na_sentinel=False)[0]
    groups = np.stack([condition, comparisons.units])
    return np.unique(groups, axis=1, return_inverse=True)[1].ravel()


def _smoothed_within(
    fit: Fit,
    source: CountsSource,
    choice: ErrorChoice,
    within: NDArray[np.intp],
    n_threads: int,
) -> CountsSource:
    """Return a source whose counts are smoothed over the nearest cells of the same group."""
    found = neighbors_within(fit.inputs, fit.options, within, choice.rng, n_threads)
    near = found.nearest_alone()
    ones = np.ones(len(near.indices), dtype=np.int8)
    pattern = sp.csr_array((ones, near.indices, near.indptr), shape=(near.n_cells,) * 2)
    smoothing = SmoothingOperator.from_connectivities(pattern + pattern.T, fit.inputs.cells)
    return replace(source, smoothing=smoothing.reordered(source.order))


def _testable(
    comparisons: Comparisons, pairs: list[Comparison], cluster: str | None, left_out: LeftOut
) -> list[tuple[Comparison, SampleGroups | None]]:
    """Return the comparisons that can be made, with their samples."""
    if not pairs:
        left_out.few_conditions(cluster)
    if comparisons.samples is None:
        return [(pair, None) for pair in pairs]
    found = []
    for pair in pairs:
        samples = comparisons.sample_groups(pair)
        if samples is None:
            left_out.few_samples(pair, cluster)
        else:
            found.append((pair, samples))
    return found


def _fitted(pair: Comparison, samples: SampleGroups | None) -> list[tuple[int, ...]]:
    """Return the units of every line that a comparison needs, those of the first side first."""
    if samples is None:
        return [pair.first, pair.second]
    return [*samples.first, *samples.second]


def _table(
    genes: pd.Index[str],
    ratios: GroupRatios,
    place: dict[tuple[int, ...], int],
    pair: Comparison,
    samples: SampleGroups | None,
) -> pd.DataFrame:
    rows = [place[side] for side in _fitted(pair, samples)]
    if samples is None:
        return slope_table(genes, pair[:2], ratios, (rows[0], rows[1]))
    gamma = ratios.gamma[rows]
    positive = np.where(gamma > 0, gamma, np.nan)
    se = np.stack([ratios.se(row) for row in rows]) / positive
    n_first = len(samples.first)
    molecules = np.minimum(
        ratios.molecules[rows[:n_first]].sum(axis=0), ratios.molecules[rows[n_first:]].sum(axis=0)
    )
    return sample_table(genes, pair[:2], samples, np.log(positive), se, molecules)
