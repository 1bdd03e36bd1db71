"""Tests whether the ratios of groups of cells differ."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import GIVEN, ErrorChoice
from steadyvelo._adata._groups import group_masks, sample_codes

from ._limits import Limits
from ._multiple_tests import benjamini_hochberg
from ._uncertainty import Errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from steadyvelo.engine._progress import ShowProgress
    from steadyvelo.model import GroupRatios

__all__ = ["compare_ratios"]

_REST = "rest"


def compare_ratios(
    adata: AnnData,
    groupby: str,
    *,
    groups: str | Sequence[str] | None = None,
    sample_key: str | None = None,
    uncertainty: Literal["sandwich", "crossfit"] = "crossfit",
    n_splits: int = 5,
    gene_clusters: str | None = None,
    velocity_key: str = "velocity",
    rng: int = 0,
    max_memory: float | None = None,
    n_threads: int | None = None,
    progress: ShowProgress = False,
) -> pd.DataFrame:
    r"""Test whether slopes over the extreme cells differ between groups of cells.

    Every gene is fitted in each group alone, by the rule of the fit, with the quantiles of that
    group; each pair of groups and each group against all others is compared,

    .. math::
        z = (\gamma_1 - \gamma_2) \Big/
            \sqrt{\textstyle\sum_c (\psi_{1c} / D_1 - \psi_{2c} / D_2)^2}

    with the scores ψ of all cells: smoothing crosses the borders of groups, so the two ratios are
    not independent. What differs is the slope over the extreme cells. Groups with one kinetic γ
    whose cells have not reached steady state differ as well, and so do those with an offset that
    is not fitted.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity` with counts.
    groupby
        Column of ``obs`` with the groups.
    groups
        Which of them to compare; None means all. All others are in the rest.
    sample_key
        Column of ``obs`` with samples (donors, replicates): they are the units then, scores are
        summed over the cells of each (CR3), with as many degrees of freedom as the smaller group
        has samples, less one. None takes cells as units, which says nothing about other samples.
    uncertainty, n_splits, gene_clusters, rng
        As in :func:`steadyvelo.tl.velocity`.
    velocity_key
        Prefix of the fit.
    max_memory
        Bytes that gene blocks may take; None means a quarter of what is available, at most 1.5 GB.
    n_threads
        Number of threads; None means all processors.
    progress
        True shows a bar; a function is called with the share of genes done, in (0, 1].

    Returns
    -------
    A row for every gene and comparison, with columns

    ``gene``, ``group``, ``reference``
        What is compared; the reference of a group may be ``"rest"``.
    ``gamma``, ``gamma_reference``, ``difference``, ``se``
        Ratios, their difference and its standard error.
    ``statistic``, ``p``, ``fdr``
        Wald statistic, two-sided p-value (t), and the same adjusted for false discoveries over the
        genes of a comparison (Benjamini and Hochberg).
    ``molecules``
        Effective number of unspliced molecules behind the ratio that has fewer; under 10 the test
        is not to be trusted.

    Raises
    ------
    KeyError
        If there is no fit, or a column or group is missing.
    ValueError
        If there are fewer than two groups, cells or counts have changed since the fit, or weights
        were given as an array.

    References
    ----------
    ``docs/uncertainty.md`` derives the test and measures its size and power.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=400, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata)
    >>> table = sv.tl.compare_ratios(adata, "branch", n_splits=1)
    >>> sorted(table["reference"].unique())
    ['branch 2', 'rest', 'trunk']
    """
    choice = ErrorChoice(
        method=uncertainty, n_splits=n_splits, gene_clusters=gene_clusters, rng=rng
    )
    choice.check()
    fit = Fit.read(adata, velocity_key)
    fit.check_counts_known()
    if fit.options.weights == GIVEN:
        msg = "weights were given as an array, which has no rule for groups; fit with a rule."
        raise ValueError(msg)
    masks = group_masks(adata, groupby, groups)
    names = list(masks)
    cells, genes = fit.inputs.cells, fit.fitted_genes
    fit_cells = [mask & cells for mask in masks.values()]
    pairs = [(a, b, names[b]) for a, b in combinations(range(len(names)), 2)]
    if len(names) > 2 or (~np.any(fit_cells, axis=0) & cells).any():
        fit_cells += [~mask & cells for mask in masks.values()]
        pairs += [(a, len(names) + a, _REST) for a in range(len(names))]
    rules = [replace(fit.rule(genes), fit_cells=chosen) for chosen in fit_cells]
    samples = sample_codes(adata, sample_key)
    with Limits.of_call("groups", max_memory, n_threads, progress) as limits:
        ratios = Errors.of_fit(fit, choice).ratios(fit.counts(genes), rules, limits, samples)
    gene_names = adata.var_names[genes]
    tables = [_table(ratios, gene_names, names[a], other, (a, b)) for a, b, other in pairs]
    return pd.concat(tables, ignore_index=True)


def _table(
    ratios: GroupRatios, genes: pd.Index[str], group: str, reference: str, pair: tuple[int, int]
) -> pd.DataFrame:
    contrast = ratios.contrast(*pair)
    gamma, molecules = ratios.gamma[list(pair)], ratios.molecules[list(pair)]
    return pd.DataFrame(
        {
            "gene": genes,
            "group": group,
            "reference": reference,
            "gamma": gamma[0],
            "gamma_reference": gamma[1],
            "difference": contrast.difference,
            "se": contrast.se,
            "statistic": contrast.statistic,
            "p": contrast.p,
            "fdr": benjamini_hochberg(contrast.p),
            "molecules": np.minimum(*molecules),
        }
    )
