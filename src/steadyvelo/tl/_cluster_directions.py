"""Directions of clusters, and the contribution of each gene to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo.model import angle_interval, chance_of_repeats, hotelling_p, p_of_longer

from ._multiple_tests import holm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.engine import Directions, GroupDirections

__all__ = ["cluster_directions", "contributions_by_gene", "gene_arrows", "tested_groups"]

_PLANE = 2
# standard deviation of an arrow, in standard errors, if a tenth of the cells is left out at random
_TENTH_LEFT_OUT = 1 / 3
# and if cells and genes are divided once, where this cannot be estimated
_ONE_DIVISION = 0.9
# standard deviations of the range of p-values
_RANGE = 1.5


def cluster_directions(
    directions: Directions,
    names: list[str],
    groups: NDArray[np.intp],
    determined: NDArray[np.bool_],
    controls: NDArray[np.bool_],
    level: float,
) -> pd.DataFrame:
    """Return the table of clusters; `groups` has the index in `names` of the cluster of each cell.

    `determined`, of shape (cells,), is True for cells with a significant direction in the data, and
    `controls`, of shape (controls, cells), for those with one in each sign-flipped control. `level`
    is the level of the intervals.
    """
    of_groups = directions.groups
    arrows, covariances, n = of_groups.arrows, of_groups.covariances, of_groups.n
    table = tested_groups(of_groups, names, groups)
    if arrows.shape[1] == _PLANE:
        ends = angle_interval(arrows, covariances, n, level)
        table["angle"], table["angle_low"], table["angle_high"] = ends
    table["retest_t"], table["retest_z"] = directions.retest
    table["determined"] = _share(determined, groups, len(names))
    if len(controls) > 0:
        # the sign of a cell applies to its contributions in all genes
        null = np.array([hotelling_p(flipped, covariances, n) for flipped in of_groups.controls])
        significant = np.array([holm(row) for row in null]) < 1 - level
        table["control_determined"] = _share(controls.mean(axis=0), groups, len(names))
        table["control_significant"] = significant.mean(axis=0)
        table["control_any_significant"] = float(significant.any(axis=1).mean())
    return table


def tested_groups(
    of_groups: GroupDirections, names: list[str], groups: NDArray[np.intp]
) -> pd.DataFrame:
    """Return the mean arrow of every cluster and its p-values."""
    n_cells = _sizes(groups, len(names))
    p = hotelling_p(of_groups.arrows, of_groups.covariances, of_groups.n)
    table = pd.DataFrame({"cells": n_cells}, index=pd.Index(names, name="cluster"))
    for d in range(of_groups.arrows.shape[1]):
        table[f"arrow_{d + 1}"] = of_groups.arrows[:, d] / np.maximum(n_cells, 1)
    table["p"], table["p_holm"] = p, holm(p)
    chance = chance_of_repeats(of_groups.by_repeat, of_groups.covariances)
    by = _RANGE * np.hypot(_TENTH_LEFT_OUT, chance if np.isfinite(chance) else _ONE_DIVISION)
    # the adjustment is that of the p-value itself
    with np.errstate(invalid="ignore", divide="ignore"):
        adjusted = np.where(p > 0, table["p_holm"] / p, 1.0)
    for name, change in (("p_holm_low", by), ("p_holm_high", -by)):
        other = p_of_longer(of_groups.arrows, of_groups.covariances, of_groups.n, change)
        table[name] = np.minimum(other * adjusted, 1.0)
    return table


def _share(values: NDArray[np.generic], groups: NDArray[np.intp], n: int) -> NDArray[np.float64]:
    inside = groups >= 0
    total = np.bincount(groups[inside], weights=values[inside], minlength=n)
    return np.asarray(total / np.maximum(_sizes(groups, n), 1))


def _sizes(groups: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    return np.bincount(groups[groups >= 0], minlength=n)


def contributions_by_gene(
    directions: Directions, names: list[str], groups: NDArray[np.intp], genes: pd.Index[str]
) -> pd.DataFrame:
    """Return each gene's contribution along the arrow of each cluster, and its change with γ.

    And the contribution to every component of the cluster's mean arrow.
    """
    of_groups = directions.groups
    length = np.linalg.norm(of_groups.arrows, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        along = of_groups.arrows / length
        share = np.einsum("kd,kdg->kg", along, of_groups.gene_contributions) / length
        slope = -np.einsum("kd,kdg->kg", along, directions.gene_slopes) / length
    arrows = gene_arrows(of_groups, names, groups, genes)
    return arrows.assign(
        share=share.ravel(),
        share_per_gamma=slope.ravel(),
        gamma_se=np.tile(directions.gamma_se, len(names)),
        velocity=directions.velocities.ravel(),
    )


def gene_arrows(
    of_groups: GroupDirections, names: list[str], groups: NDArray[np.intp], genes: pd.Index[str]
) -> pd.DataFrame:
    """Return each gene's part of the mean arrow of every cluster, a row per cluster and gene."""
    mean = of_groups.gene_contributions / np.maximum(_sizes(groups, len(names)), 1)[:, None, None]
    table = pd.DataFrame(
        {
            "cluster": pd.Categorical(np.repeat(names, len(genes)), categories=names),
            "gene": np.tile(np.asarray(genes, dtype=object), len(names)),
        }
    )
    for d in range(mean.shape[1]):
        table[f"arrow_{d + 1}"] = mean[:, d].ravel()
    return table
