"""Verdicts on the directions of clusters, with reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._embeddings import found_basis
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo._log import done
from steadyvelo.get._direction_support import smallest_changes

from ._agreement import cosines
from ._ahead import forget_instruments, instruments_of
from ._carrying_genes import carrying_genes
from ._check_model import make_checks
from ._data_checks import checks_of_data
from ._direction import DirectionChoice, make_directions, tested_clusters
from ._folds import Graphs
from ._kept import TestedDirections, kept_results, now_kept
from ._limits import Limits
from ._sensitivity import compare_variants, store_variants
from ._uncertainty import Errors
from ._variant import Variant, fit_variant, other_size_factors
from ._verdicts import LEVEL, SIZES_IN_WORDS, judge

if TYPE_CHECKING:
    from anndata import AnnData

    from steadyvelo.engine._progress import ShowProgress

__all__ = ["directions_ahead", "reliability"]

_N_CONTROLS = 50
# repeats of the cross-fit in which directions with the other size factors are tested
_OTHER_REPEATS = 2


@public
def reliability(
    adata: AnnData,
    groupby: str,
    *,
    basis: str = "auto",
    velocity_key: str = "velocity",
    n_controls: int = _N_CONTROLS,
    sensitivity: bool = True,
    rng: int | np.random.Generator | None = 0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Give a verdict on the direction of every cluster, with the reason.

    Runs :func:`steadyvelo.tl.check_model`, :func:`steadyvelo.tl.direction` with controls and
    :func:`steadyvelo.tl.sensitivity`, repeats the fit with the other size factors, and summarises
    the results. The direction of a cluster is

    ``"supported"``
        if it is significant (5 %, Holm over clusters) in the data and in at most 15 % of the
        sign-flipped controls; if it is also significant, and within 60°, with the other size
        factors (common or per-layer); if no other setting changes the arrows of most of its cells
        by more than 60°; if at least a tenth of its cells are significant individually; and if a
        retest without the assumption of a steady state confirms it (t ≥ 3 or z ≥ 2.5);
    ``"weak"``
        if it is significant, but another of these conditions is not met;
    ``"contradicted"``
        if it is significant, but the retest finds the opposite direction (z ≤ −2);
    ``"not supported"``
        if it is not significant.

    If the cells of a cluster move in opposite directions, no common direction is detected, even if
    single cells are significant.

    Parameters
    ----------
    adata
        Result of ``tl.velocity(uncertainty="crossfit")``, with an embedding.
    groupby
        Column of ``obs`` with the clusters.
    basis
        Name of the embedding; ``"auto"`` uses the one whose arrows were computed last, or else the
        first usual one (``"umap"``, ``"tsne"`` …).
    velocity_key
        Prefix of the fit.
    n_controls
        Number of sign-flipped controls; see :func:`steadyvelo.tl.direction`.
    sensitivity
        Test how arrows change under other settings. With False, verdicts depend on this fit only.
    rng
        Seed of the random signs: a whole number, a `numpy.random.Generator` that draws one, or None
        to let the system draw one. The seed is recorded. The signs of a cell depend on its name,
        not on the order of cells.
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
    None. Sets, in addition to the results of the functions named above:

    ``uns["velocity_reliability"]``, which :func:`steadyvelo.get.verdicts` reads
        One row per cluster, with the columns of ``uns["velocity_direction_umap"]`` that
        :func:`steadyvelo.tl.direction` describes, and

        - ``verdict``, ``reason``: the verdict, and a sentence that gives the reason;
        - ``borderline``: whether another run, with other folds and with nine tenths of the cells,
          may give another verdict, because one of the numbers is near its limit;
        - ``reversal_se``: smallest joint change of all γ that reverses the direction, in standard
          errors;
        - ``genes``: the three genes with the largest contributions to the arrow, with their shares
          of its length;
        - ``only_gene``: the gene with more than two thirds of the arrow, or an empty text;
        - ``effective_genes``: effective number of genes that carry the arrow,
          :math:`(\sum_g |s_g|)^2 / \sum_g s_g^2` with the share :math:`s_g` of each gene;
        - ``rising``: share of the arrow from genes with a positive mean velocity in the cluster;
          the rest is from genes that fall;
        - ``growth``, ``growth_z``: rate at which the RNA content of the cluster grows, relative to
          the mean of all clusters and divided by the median γ, a typical rate of degradation; and
          the same divided by its standard error (see :func:`steadyvelo.tl.check_model`). With
          per-layer size factors, growth that all genes share is removed;
        - ``other_sizes_p_holm``, and the same with ``_low`` and ``_high``: p-value (Holm) of the
          direction with the other size factors, and its range;
        - ``other_sizes_cosine``: cosine between the arrows of the cluster with either kind of size
          factors;
        - ``most_sensitive_to``: setting that changes the arrows of the cluster most;
        - ``least_cosine``: median cosine between the arrows of its cells under this setting and
          those of the fit.

        The last six need ``sensitivity=True``, and are NaN or empty if too few genes can be used.
    ``uns["velocity_direction_umap_genes"]``
        The columns ``other_sizes_arrow_1`` and so on are added: each gene's part of the cluster's
        mean arrow with the other size factors.
    ``uns["velocity_reliability_checks"]``
        One row per check of the whole data set: value, verdict, reason.
    ``uns["velocity_sensitivity"]``, which :func:`steadyvelo.get.sensitivity` reads
        The table of :func:`steadyvelo.tl.sensitivity`.
    ``uns["velocity_params"]["reliability"]``
        Embedding and column of the clusters, and whether sensitivity was computed.

    Raises
    ------
    KeyError
        If the fit, the embedding or the column is missing.
    ValueError
        If the fit has no cross-fitted errors, or cells or counts have changed since the fit.

    References
    ----------
    ``docs/uncertainty.md`` derives the tests and measures their error rates.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=400, n_genes=80, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1))
    >>> sv.tl.reliability(adata, "branch", basis="pca", n_controls=5, sensitivity=False)
    >>> bool(sv.get.verdicts(adata)["verdict"].isin(["supported", "weak"]).any())
    True
    """
    fit = Fit.read(adata, velocity_key)
    basis = found_basis(adata, basis, velocity_key)
    choice = DirectionChoice(basis, groupby, LEVEL, n_controls, rng)
    choice.check(fit)
    shown = Limits.of_call("reliability", max_memory, n_threads, progress)
    with shown as limits, kept_results():
        tested, share = _tested_before(fit, choice), 0.0
        if tested is None:
            share = 0.8
            tested = _test(fit, choice, limits.part(0.0, share), other_sizes=sensitivity)
        checked = 0.85 + 0.12 * share if sensitivity else 1.0
        growth = make_checks(fit, groupby, choice.basis, limits.part(share, checked))
        table = _clusters(fit, choice.basis)
        table["growth"] = growth["growth"]
        table["growth_z"] = growth["growth"] / growth["growth_se"]
        variants = None
        if sensitivity:
            _with_other_sizes(fit, choice.basis, table, tested.other_sizes)
            variants = compare_variants(fit, groupby, choice.basis, limits.part(checked, 1.0))
            _with_variants(table, variants)
    other_sizes = other_size_factors(fit)
    judge(table, choice.basis, SIZES_IN_WORDS[other_sizes])
    _keys.RELIABILITY.write(adata, table, velocity_key)
    checks = checks_of_data(adata, velocity_key, choice.basis, table, other_sizes)
    _keys.RELIABILITY_CHECKS.write(adata, checks, velocity_key)
    _keys.SENSITIVITY.drop(adata, velocity_key)
    if variants is not None:
        store_variants(fit, groupby, choice.basis, variants)
    made = {"basis": choice.basis, "groupby": groupby, "sensitivity": sensitivity}
    note_made(adata, velocity_key, "reliability", made)
    counts = table["verdict"].value_counts()
    found = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    done(f"directions of {len(table)} clusters: {found}; get.verdicts has the reasons")


def directions_ahead(
    adata: AnnData,
    groupby: str | None,
    *,
    basis: str,
    rng: int,
    max_memory: float | None,
    n_threads: int | None,
    progress: ShowProgress | None,
) -> None:
    """Test directions in a run before :func:`reliability` needs them, and keep the results.

    This needs much memory, so a run does it before it computes the velocity graph, which is large.
    What it needs is freed at the end.
    """
    fit = Fit.read(adata, "velocity")
    choice = DirectionChoice(basis, groupby, LEVEL, _N_CONTROLS, rng)
    choice.check(fit)
    kept = now_kept()
    with Limits.of_call("directions", max_memory, n_threads, progress) as limits:
        tested = _test(fit, choice, limits, other_sizes=groupby is not None)
    if kept is not None:
        kept.directions[fit.key] = tested
        kept.forget()
        forget_instruments(fit)


def _tested_before(fit: Fit, choice: DirectionChoice) -> TestedDirections | None:
    """Return what :func:`directions_ahead` kept for this choice; None if it was not called."""
    kept = now_kept()
    tested = None if kept is None else kept.directions.get(fit.key)
    return tested if tested is not None and tested.choice == choice else None


def _test(
    fit: Fit, choice: DirectionChoice, limits: Limits, *, other_sizes: bool
) -> TestedDirections:
    """Test directions, and those of the clusters with the other size factors."""
    share = 0.8 if other_sizes else 1.0
    make_directions(fit, choice, limits.part(0.0, share))
    other = _other_sizes(fit, choice, limits.part(share, 1.0)) if other_sizes else None
    return TestedDirections(choice, other)


def _clusters(fit: Fit, basis: str) -> pd.DataFrame:
    """Return the table of clusters, with the genes that carry each arrow.

    And with the change of γ that would reverse it.
    """
    table = _keys.CLUSTER_DIRECTIONS.read(fit.adata, fit.key, basis).copy()
    contributions = _keys.GENE_CONTRIBUTIONS.read(fit.adata, fit.key, basis)
    found = carrying_genes(contributions)
    found.insert(0, "reversal_se", smallest_changes(contributions))
    found.index = found.index.astype(str)
    return table.assign(**found.reindex(table.index.astype(str)).set_axis(table.index))


def _other_sizes(
    fit: Fit, choice: DirectionChoice, limits: Limits
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Repeat the fit with the other size factors, and test its clusters; None with few genes."""
    first, second = limits.part(0.0, 0.6), limits.part(0.6, 1.0)
    variant = Variant(other_sizes=True)
    # the counts are the same, so the cells that determine a line need not be found again
    known = instruments_of(fit)
    other = fit_variant(fit, variant, choice.basis, first, known)
    if other.velocity_genes.sum() < 2:
        return None
    graphs = Graphs(ratios=not known.has(other.graph_genes), directions=True)
    errors = Errors.of_fit(other, graphs=graphs, n_threads=limits.n_threads)
    errors = replace(errors, repeats=errors.repeats[:_OTHER_REPEATS])
    return tested_clusters(other, errors, known, choice, second)


def _with_other_sizes(
    fit: Fit, basis: str, table: pd.DataFrame, other: tuple[pd.DataFrame, pd.DataFrame] | None
) -> None:
    """Add the results with the other size factors: of the clusters, and of their genes."""
    p_values = [f"p_holm{end}" for end in ("", "_low", "_high")]
    names = [f"other_sizes_{name}" for name in p_values]
    table[[*names, "other_sizes_cosine"]] = np.nan
    if other is None:
        return
    clusters, genes = other
    found = clusters.reindex(table.index)
    table[names] = found[p_values].to_numpy()
    arrows = [str(name) for name in table if str(name).startswith("arrow_")]
    table["other_sizes_cosine"] = cosines(table[arrows].to_numpy(), found[arrows].to_numpy())
    by_gene = _keys.GENE_CONTRIBUTIONS.read(fit.adata, fit.key, basis)
    # a gene that is no velocity gene with the other size factors has no part in the arrows
    of_genes = genes.set_index(["cluster", "gene"])[arrows]
    rows = pd.MultiIndex.from_frame(by_gene[["cluster", "gene"]])
    parts = of_genes.reindex(rows, fill_value=0.0).add_prefix("other_sizes_")
    columns = {name: parts[name].to_numpy() for name in parts}
    _keys.GENE_CONTRIBUTIONS.write(fit.adata, by_gene.assign(**columns), fit.key, basis)


def _with_variants(table: pd.DataFrame, variants: pd.DataFrame) -> None:
    """Add the setting that changes the arrows of each cluster most."""
    # a setting with too few velocity genes, or a cluster without arrows, has no cosine
    cosine = variants.iloc[:, 1:].to_numpy()
    known = np.where(np.isnan(cosine), np.inf, cosine)
    least = known.min(axis=0)
    names = np.asarray(variants.index, dtype=object)[known.argmin(axis=0)]
    table["most_sensitive_to"] = np.where(np.isfinite(least), names, "")
    table["least_cosine"] = np.where(np.isfinite(least), least, np.nan)
