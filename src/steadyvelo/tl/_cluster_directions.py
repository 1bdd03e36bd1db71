"""Directions of clusters, and the contribution of each gene to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo.model import angle_interval, hotelling_p

from ._multiple_tests import holm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.engine import Directions

__all__ = ["cluster_directions", "contributions_by_gene"]

_PLANE = 2


def cluster_directions(
    directions: Directions,
    names: list[str],
    groups: NDArray[np.intp],
    determined: NDArray[np.bool_],
    controls: NDArray[np.bool_],
    signs: NDArray[np.int8],
    level: float,
) -> pd.DataFrame:
    """Return the table of clusters; `groups` has the index in `names` of the cluster of each cell.

    `determined`, of shape (cells,), is True for cells with a significant direction in the data, and
    `controls`, of shape (controls, cells), for those with one in each sign-flipped control. `signs`
    are the signs of the controls, of the same shape. `level` is the level of the intervals.
    """
    n_cells = np.bincount(groups[groups >= 0], minlength=len(names))
    scores = directions.group_scores
    p, covariance, n = _summed_test(directions.group_arrows, scores)
    adjusted = holm(p)
    n_dims = scores.shape[1]
    table = pd.DataFrame({"cells": n_cells}, index=pd.Index(names, name="cluster"))
    for d in range(n_dims):
        table[f"arrow_{d + 1}"] = directions.group_arrows[:, d] / np.maximum(n_cells, 1)
    table["p"], table["p_holm"] = p, adjusted
    if n_dims == _PLANE:
        ends = angle_interval(directions.group_arrows, covariance, n, level)
        table["angle"], table["angle_low"], table["angle_high"] = ends
    table["determined"] = _share(determined, groups, len(names))
    if len(signs) > 0:
        # the sign of a cell applies to its contributions in all genes
        flipped = np.einsum("kdc,rc->rkd", scores, signs.astype(np.float64), optimize=True)
        null = np.array([_summed_test(arrows, scores)[0] for arrows in flipped])
        significant = np.array([holm(row) for row in null]) < 1 - level
        table["control_determined"] = _share(controls.mean(axis=0), groups, len(names))
        table["control_significant"] = significant.mean(axis=0)
        table["control_any_significant"] = float(significant.any(axis=1).mean())
    return table


def _summed_test(
    arrows: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the p-value, covariance and effective number of cells of each summed arrow."""
    covariance = np.einsum("kdc,kfc->kdf", scores, scores, optimize=True)
    size = (scores * scores).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = size.sum(axis=1) ** 2 / (size * size).sum(axis=1)
    return hotelling_p(arrows, covariance, n), covariance, n


def _share(values: NDArray[np.generic], groups: NDArray[np.intp], n: int) -> NDArray[np.float64]:
    inside = groups >= 0
    total = np.bincount(groups[inside], weights=values[inside], minlength=n)
    return np.asarray(total / np.maximum(np.bincount(groups[inside], minlength=n), 1))


def contributions_by_gene(
    directions: Directions, names: list[str], genes: pd.Index[str]
) -> pd.DataFrame:
    """Return each gene's contribution along the arrow of each cluster, and its change with γ."""
    length = np.linalg.norm(directions.group_arrows, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        along = directions.group_arrows / length
        share = np.einsum("kd,kdg->kg", along, directions.group_contributions) / length
        slope = -np.einsum("kd,kdg->kg", along, directions.group_slopes) / length
    return pd.DataFrame(
        {
            "cluster": pd.Categorical(np.repeat(names, len(genes)), categories=names),
            "gene": np.tile(np.asarray(genes, dtype=object), len(names)),
            "share": share.ravel(),
            "share_per_gamma": slope.ravel(),
            "gamma_se": np.tile(directions.gamma_se, len(names)),
        }
    )
