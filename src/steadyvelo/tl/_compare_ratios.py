"""Tests of differences between the steady-state ratios of conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import GIVEN, ErrorChoice, note_made
from steadyvelo._adata._groups import group_masks
from steadyvelo._arguments import public

from ._comparisons import Comparisons
from ._extremes_contrast import extremes_tables
from ._limits import Limits
from ._matched_contrast import matched_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._choices import Uncertainty
    from steadyvelo.engine._progress import ShowProgress

__all__ = ["compare_ratios"]


@public
def compare_ratios(
    adata: AnnData,
    condition_key: str,
    *,
    contrast: Literal["matched", "extremes"] = "matched",
    conditions: str | Sequence[str] | None = None,
    groupby: str | None = None,
    groups: str | Sequence[str] | None = None,
    sample_key: str | None = None,
    strata: str | None = None,
    uncertainty: Uncertainty = "crossfit",
    velocity_key: str = "velocity",
    rng: int | np.random.Generator | None = 0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Test whether the ratios of unspliced to spliced mRNA differ between conditions.

    Each pair of conditions is compared, and with more than two conditions also each condition with
    the pooled cells of all others.

    ``contrast="matched"`` compares u/s **between cells in the same state**. Cells are divided into
    strata of about 50 similar cells; with the sums U and S of raw counts of conditions b and r in
    stratum k, the ratio of b is

    .. math::
        \theta = \sum_k \frac{U_{bk} S_{rk}}{S_{bk} + S_{rk}} \Big/
            \sum_k \frac{U_{rk} S_{bk}}{S_{bk} + S_{rk}}

    times that of r (Mantel–Haenszel). The standard error of log θ is from the deviations of cells
    within stratum and condition, or from those around the pooled ratio of the stratum if it is
    larger. No size factors are needed, because the size of a cell cancels in u/s. No smoothing is
    needed either, so conditions may share a neighbour graph. But their cells must be comparable:
    if conditions differ strongly in expression, find neighbours in an integrated representation.

    ``contrast="extremes"`` compares **the slopes of the lines through the extreme cells**: every
    gene is fitted in each condition separately, with the options of the fit and the quantiles of
    that condition. Neighbours are searched within conditions, so that smoothing does not mix their
    counts. The test compares :math:`\gamma_1 - \gamma_2` with the sum of both variances.

    Neither proves a change of γ or of β. Both reject also if cells in the same state move faster
    in one condition, if all rates are twice as large while cells are not at steady state, and if
    unspliced mRNA is captured better in one condition. Such a technical factor is common to most
    genes: look at the median of ``log2_ratio`` over genes.

    If ratios of lineages differ, ``tl.velocity(gamma_by=...)`` fits each lineage separately.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`, with counts.
    condition_key
        Column of ``obs`` with the conditions.
    contrast
        What is compared, see above. ``"matched"`` needs raw counts and cells of both conditions in
        similar states, and detects smaller differences; ``"extremes"`` compares also conditions
        that have no state in common.
    conditions
        Conditions to compare; None means all. The cells of all others belong to the rest.
    groupby
        Column of ``obs`` with clusters, within each of which conditions are compared. With
        ``"matched"``, they are also compared over all clusters, with a test that the ratio of
        conditions is the same in all clusters.
    groups
        Clusters in which conditions are compared; None means all.
    sample_key
        Column of ``obs`` with samples (donors, replicates). Samples are then the units of the test
        (see References): the log ratio of each sample is weighted by its precision and the
        variation between samples, whose estimate is shared over genes. Each of the two conditions
        needs two samples. If at least two samples have cells of both conditions, differences
        within these samples are tested. With None, cells are the units, and the result does not
        generalise to other samples.
    strata
        With ``"matched"``: column of ``obs`` with groups of similar cells. None divides cells by
        k-means in the representation of the neighbour graph, within each cluster of `groupby`.
    uncertainty
        With ``"extremes"``: as in :func:`steadyvelo.tl.velocity`.
    rng
        Seed of strata and folds, as in :func:`steadyvelo.tl.velocity`.
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
        With `groupby`: the cluster within which conditions are compared, or ``"all clusters"``.
    ``gene``, ``condition``, ``reference``
        The gene and the two conditions that are compared; the reference may be ``"rest"``.
    ``log2_ratio``, ``se``
        Binary logarithm of the ratio of the condition divided by that of the reference, and its
        standard error.
    ``statistic``, ``p``, ``fdr``
        Test statistic, two-sided p-value (normal distribution for ``"matched"``, otherwise t), and
        the false discovery rate over the genes of a comparison (Benjamini and Hochberg).
    ``molecules``
        Effective number of unspliced molecules. With ``"matched"``, that of the comparison,
        :math:`\sum_k (U_b + U_r) S_b S_r / (S_b + S_r)^2`; genes with fewer than 5 are not tested
        (NaN). With ``"extremes"``, that of the ratio with fewer of them; the test is not reliable
        below 10.
    ``homogeneity_statistic``, ``homogeneity_df``, ``homogeneity_p``
        With ``"matched"`` and `groupby`, over all clusters: χ² test over cells that the ratio of
        conditions is the same in all clusters. It cannot tell a technical factor from biology that
        all clusters share. Not computed with `sample_key`.
    ``gamma``, ``gamma_reference``, ``difference``, ``difference_se``
        With ``"extremes"`` and without `sample_key`: the two slopes, and their difference, which is
        tested.
    ``df``, ``samples``, ``samples_reference``
        With `sample_key`: degrees of freedom, and the number of samples of each condition in which
        the gene has enough molecules.

    ``uns["velocity_params"]["ratio_differences"]`` has the options.

    Raises
    ------
    KeyError
        If there is no fit, or a column, group or representation is missing.
    ValueError
        If there are fewer than two conditions, cells or counts have changed since the fit, or no
        comparison is possible: no stratum has cells of two conditions, there are too few samples,
        counts were normalised (``"matched"``), or the fit is stochastic, its lines have bounds, or
        its weights were given as an array (``"extremes"``).

    Warns
    -----
    SteadyveloWarning
        If some comparisons are not possible, or fewer than half of a condition's cells are in
        strata with the other condition.

    References
    ----------
    Mantel and Haenszel (1959), https://doi.org/10.1093/jnci/22.4.719; Smyth (2004),
    https://doi.org/10.2202/1544-6115.1027, for variances that are shared over genes.
    ``docs/uncertainty.md`` derives the tests and measures their error rates and power.

    Examples
    --------
    >>> import numpy as np
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=400, n_genes=40, rng=0)
    >>> adata.obs["treatment"] = np.where(np.arange(400) % 2, "control", "treated")
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata)
    >>> sv.tl.compare_ratios(adata, "treatment")
    >>> table = sv.get.ratio_differences(adata)
    >>> len(table), int((table["fdr"] < 0.05).sum())
    (40, 0)
    """
    if groups is not None and groupby is None:
        msg = f"groups={groups!r} needs groupby=, the column of obs that has the groups."
        raise ValueError(msg)
    choice = ErrorChoice.asked(uncertainty, adata.n_obs, rng=rng)
    fit = Fit.read(adata, velocity_key)
    fit.check_counts_known()
    keys = {"groupby": groupby, "sample_key": sample_key}
    comparisons = Comparisons.of(adata, condition_key, conditions, **keys)
    clusters = _clusters(fit, groupby, groups)
    with Limits.of_call("conditions", max_memory, n_threads, progress) as limits:
        if contrast == "matched":
            tables = matched_tables(
                fit, comparisons, clusters, strata, rng=choice.rng, limits=limits
            )
        else:
            _check_extremes(fit, strata)
            tables = extremes_tables(fit, comparisons, clusters, choice, limits)
    named = tables if groupby is None else [(group, _of_group(group, x)) for group, x in tables]
    table = pd.concat([table for _, table in named], ignore_index=True)
    _keys.RATIO_DIFFERENCES.write(adata, table, velocity_key)
    made = {"condition_key": condition_key, **keys, "contrast": contrast, "strata": strata}
    errors = {"rng": choice.rng} if contrast == "matched" else choice.encode()
    texts = {name: value or "" for name, value in made.items()}
    note_made(adata, velocity_key, "ratio_differences", {**texts, **errors})


def _of_group(group: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the name of its cluster in the first column."""
    return table.assign(group=group)[["group", *table]]


def _clusters(
    fit: Fit, groupby: str | None, groups: str | Sequence[str] | None
) -> tuple[list[str], NDArray[np.intp]]:
    """Return the names of clusters, and the number of each cell's; −1 for cells left out."""
    if groupby is None:
        return [], np.where(fit.inputs.cells, 0, -1)
    masks = group_masks(fit.adata, groupby, groups, least=1)
    codes = np.full(fit.adata.n_obs, -1, dtype=np.intp)
    for number, mask in enumerate(masks.values()):
        codes[mask & fit.inputs.cells] = number
    return list(masks), codes


def _check_extremes(fit: Fit, strata: str | None) -> None:
    """Refuse options that slopes of conditions cannot be computed with."""
    if strata is not None:
        msg = (
            f"strata={strata!r} has no effect on contrast='extremes'; leave it out, or use "
            "contrast='matched'."
        )
        raise ValueError(msg)
    if fit.options.bounded:
        msg = (
            "the lines of the fit have bounds, and slopes of conditions are compared without "
            "bounds; use contrast='matched', or rerun tl.velocity without bounds."
        )
        raise ValueError(msg)
    if fit.options.stochastic is not None:
        msg = (
            "contrast='extremes' compares slopes of deterministic fits, and the fit is stochastic; "
            "rerun tl.velocity with mode='deterministic', or use contrast='matched'."
        )
        raise ValueError(msg)
    if fit.options.weights == GIVEN:
        msg = (
            "the weights of the fit were given as an array and cannot be computed for each "
            "condition; rerun tl.velocity with weights='extremes' or another rule."
        )
        raise ValueError(msg)
