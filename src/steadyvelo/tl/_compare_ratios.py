"""Tests of differences between the steady-state ratios of conditions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import warn
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import GIVEN, ErrorChoice, note_made
from steadyvelo._adata._groups import group_masks, sample_codes
from steadyvelo._arguments import public

from ._limits import Limits
from ._multiple_tests import benjamini_hochberg
from ._uncertainty import Errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._choices import Uncertainty
    from steadyvelo.engine._progress import ShowProgress
    from steadyvelo.model import GroupRatios

__all__ = ["compare_ratios"]

_REST = "rest"


@public
def compare_ratios(
    adata: AnnData,
    condition_key: str,
    *,
    conditions: str | Sequence[str] | None = None,
    groupby: str | None = None,
    groups: str | Sequence[str] | None = None,
    sample_key: str | None = None,
    uncertainty: Uncertainty = "crossfit",
    velocity_key: str = "velocity",
    rng: int | np.random.Generator | None = 0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Test whether the steady-state ratios of genes differ between conditions.

    Every gene is fitted in each condition separately, with the options of the fit and the quantiles
    of that condition. Each pair of conditions is compared, and with more than two conditions also
    each condition with all others:

    .. math::
        z = (\gamma_1 - \gamma_2) \Big/
            \sqrt{\textstyle\sum_c (\psi_{1c} / D_1 - \psi_{2c} / D_2)^2}

    with the scores ψ of all cells. Cells of different conditions can be neighbours, so the two
    ratios are not independent. The test compares the slopes of the lines through the extreme cells.
    These can also differ if the conditions have the same γ but their cells have not reached steady
    state, or if an offset is not fitted. If the neighbours of a cell come from all conditions
    equally, smoothing mixes their counts, and the test detects hardly any difference.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`, with counts.
    condition_key
        Column of ``obs`` with the conditions.
    conditions
        Conditions to compare; None means all. The cells of all others belong to the rest.
    groupby
        Column of ``obs`` with clusters. Conditions are compared within each cluster, and only its
        cells are fitted. None compares conditions over all cells.
    groups
        Clusters in which conditions are compared; None means all.
    sample_key
        Column of ``obs`` with samples (donors, replicates). Samples are then the units of the test:
        scores are summed over the cells of each sample (CR3), and the degrees of freedom are the
        number of samples of the condition with fewer samples, minus one. With None, cells are the
        units, and the result does not generalise to other samples.
    uncertainty, rng
        As in :func:`steadyvelo.tl.velocity`.
    velocity_key
        Prefix of the fit.
    max_memory
        Memory for gene blocks, in bytes or as ``"8GB"``; None means ``settings.max_memory``, or a
        quarter of the available memory, at most the larger of 1.5 GB and 2,400 bytes for each cell.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar, None follows ``settings.progress``; a function is called with the share of
        the work that is done, in (0, 1].

    Returns
    -------
    None. Sets ``uns["velocity_ratio_differences"]``, which :func:`steadyvelo.get.ratio_differences`
    reads: one row for every gene and comparison, with columns

    ``group``
        With `groupby`: the cluster within which conditions are compared.
    ``gene``, ``condition``, ``reference``
        The gene and the two conditions that are compared; the reference may be ``"rest"``.
    ``gamma``, ``gamma_reference``, ``difference``, ``se``
        The two ratios, their difference and its standard error.
    ``statistic``, ``p``, ``fdr``
        Wald statistic, two-sided p-value (t distribution), and the false discovery rate over the
        genes of a comparison (Benjamini and Hochberg).
    ``molecules``
        Effective number of unspliced molecules of the ratio with fewer of them. Below 10 the test
        is not reliable.

    Raises
    ------
    KeyError
        If there is no fit, or a column or group is missing.
    ValueError
        If there are fewer than two conditions, cells or counts have changed since the fit, or
        weights were given as an array.

    Warns
    -----
    SteadyveloWarning
        If a cluster has cells of fewer than two conditions; no ratios are compared in it.

    References
    ----------
    ``docs/uncertainty.md`` derives the test and measures its error rates and power.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=400, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata)
    >>> sv.tl.compare_ratios(adata, "branch", uncertainty=sv.CrossFit(n_repeats=1))
    >>> sorted(sv.get.ratio_differences(adata)["reference"].unique())
    ['branch 2', 'rest', 'trunk']
    """
    choice = ErrorChoice.asked(uncertainty, adata.n_obs, rng=rng)
    if groups is not None and groupby is None:
        msg = f"groups={groups!r} needs groupby=, the column of obs that has the groups."
        raise ValueError(msg)
    if choice.method is None:
        msg = "uncertainty=None gives no standard errors for a test; use 'crossfit' or 'sandwich'."
        raise ValueError(msg)
    fit = Fit.read(adata, velocity_key)
    fit.check_counts_known()
    if fit.options.weights == GIVEN:
        msg = (
            "the weights of the fit were given as an array and cannot be computed for each "
            "condition; rerun tl.velocity with weights='extremes' or another rule."
        )
        raise ValueError(msg)
    masks = group_masks(adata, condition_key, conditions, what="conditions")
    every = {"": fit.inputs.cells}
    within = every if groupby is None else group_masks(adata, groupby, groups, least=1)
    genes, samples = fit.fitted_genes, sample_codes(adata, sample_key)
    tables = []
    with Limits.of_call("conditions", max_memory, n_threads, progress) as limits:
        errors = Errors.of_fit(fit, choice, n_threads=limits.n_threads)
        source = fit.counts(genes)
        for number, (group, cells) in enumerate(within.items()):
            part = limits.part(number / len(within), (number + 1) / len(within))
            compared = _comparisons(masks, cells & fit.inputs.cells)
            if compared is None:
                warn(
                    f"cluster {group!r} of obs[{groupby!r}] has cells of fewer than two conditions "
                    f"of obs[{condition_key!r}]: no ratios are compared in it."
                )
                continue
            rules = [replace(fit.rule(genes), fit_cells=chosen) for chosen in compared.cells]
            ratios = errors.ratios(source, rules, part, samples)
            gene_names = adata.var_names[genes]
            found = [_table(ratios, gene_names, *names, pair) for names, pair in compared.pairs]
            columns = {} if groupby is None else {"group": group}
            tables += [table.assign(**columns)[[*columns, *table]] for table in found]
    if not tables:
        msg = (
            f"no cluster of obs[{groupby!r}] has cells of two conditions of "
            f"obs[{condition_key!r}]; compare over all cells, with groupby=None."
        )
        raise ValueError(msg)
    _keys.RATIO_DIFFERENCES.write(adata, pd.concat(tables, ignore_index=True), velocity_key)
    made = {
        "condition_key": condition_key,
        "groupby": groupby or "",
        "sample_key": sample_key or "",
    }
    note_made(adata, velocity_key, "ratio_differences", {**made, **choice.encode()})


@dataclass(frozen=True)
class _Comparisons:
    """Masks of the compared groups, and names and indices of the two groups of each comparison."""

    cells: list[NDArray[np.bool_]]
    pairs: list[tuple[tuple[str, str], tuple[int, int]]]


def _comparisons(
    masks: dict[str, NDArray[np.bool_]], cells: NDArray[np.bool_]
) -> _Comparisons | None:
    """Return the comparisons among some cells; None if these have fewer than two conditions."""
    sides = {name: mask & cells for name, mask in masks.items() if (mask & cells).any()}
    if len(sides) < 2:
        return None
    names, chosen = list(sides), list(sides.values())
    pairs = [((names[a], names[b]), (a, b)) for a, b in combinations(range(len(names)), 2)]
    if len(names) > 2 or (~np.any(chosen, axis=0) & cells).any():
        chosen += [~side & cells for side in sides.values()]
        pairs += [((name, _REST), (a, len(names) + a)) for a, name in enumerate(names)]
    return _Comparisons(chosen, pairs)


def _table(
    ratios: GroupRatios, genes: pd.Index[str], condition: str, reference: str, pair: tuple[int, int]
) -> pd.DataFrame:
    contrast = ratios.contrast(*pair)
    gamma, molecules = ratios.gamma[list(pair)], ratios.molecules[list(pair)]
    return pd.DataFrame(
        {
            "gene": genes,
            "condition": condition,
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
