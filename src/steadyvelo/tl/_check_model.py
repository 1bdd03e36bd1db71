"""Checks of the steady-state model for each gene."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from steadyvelo import _keys
from steadyvelo._adata._categories import check_one_line
from steadyvelo._adata._coordinates import all_bases
from steadyvelo._adata._embeddings import check_finite_embedding, found_basis
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._groups import AUTO, cluster_codes
from steadyvelo._arguments import public
from steadyvelo.engine import BYTES_PER_VALUE, Lines, check_genes
from steadyvelo.model import FEWEST_MOLECULES
from steadyvelo.model._motion import ClusterMoments, Motion, explain_velocities

from ._direction import dimensions_to_test
from ._fit_results import over_all_genes
from ._limits import Limits
from ._multiple_tests import benjamini_hochberg
from ._stale import clear

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import GeneChecks
    from steadyvelo.engine._progress import ShowProgress

__all__ = ["check_model", "make_checks"]

_NEARLY_ALL = 0.9
# a ratio that is too large by a smaller part of itself is no failure of the model
_SOME_EXCESS = 0.15
# counts and smoothed abundances of both layers, and the arrays of a task
_BYTES_PER_VALUE = BYTES_PER_VALUE + 8
_FDR = 0.05


@public
def check_model(
    adata: AnnData,
    groupby: str | None = None,
    *,
    basis: str = "auto",
    velocity_key: str = "velocity",
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Check for each gene whether the counts contradict the steady-state model.

    The model assumes that the cells with the highest expression of a gene are at steady state. If
    transcription has increased recently (a boost, or an induction that is not complete), they still
    gain spliced mRNA: then γ is too large, and other cells seem to lose mRNA. This can be seen
    without a steady state, because expression changes along the embedding as cells move. The mean
    velocity of gene g in cluster k is

    .. math:: \bar v_{kg} = c_k \cdot p_{kg} + (\lambda_k - \delta_g)\, \bar s_{kg},

    with the slope :math:`p_{kg}` of s along the embedding within the cluster. The velocity
    :math:`c_k` of the cluster on the embedding and the growth :math:`\lambda_k` of its RNA content
    are the same for all genes, and :math:`\delta_g` is by how much γ is too large. All of them are
    estimated from the counts of all velocity genes together.

    A gene that fails a check keeps its velocity; ``var["velocity_model"]`` names the check.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`, with counts.
    groupby
        Column of ``obs`` with clusters; with None, the checks *one cluster* and *boost* are left
        out.
    basis
        Name of the embedding along which expression changes; ``"auto"`` uses the one whose arrows
        were computed last, or else the first usual one (``"umap"``, ``"tsne"`` …). Without any
        embedding, the check *boost* is left out. If it has more than three dimensions, as
        principal components do, the first two are used.
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
    None. Sets, for ``velocity_key="velocity"``, with NaN for genes without a fit:

    ``var["velocity_boost"]``, and the same with ``_p`` and ``_fdr``
        With `groupby` and an embedding: δ / γ, the part of γ by which it is too large; the p-value
        of the hypothesis that this is not more than 0.15 (a normal distribution), and the p-value
        adjusted over genes. NaN for genes that are not velocity genes, and for all genes with fewer
        than three clusters of 20 cells or fewer than 30 genes (40 in three dimensions).
    ``var["velocity_spliced_overdispersion"]``, ``var["velocity_unspliced_overdispersion"]``
        φ of the variance μ + φμ² around the mean of the neighbours; 0 for Poisson counts.
    ``var["velocity_upper_cluster"]``, ``var["velocity_upper_share"]``
        With `groupby`: the cluster with the largest share of the weights at the upper end, and this
        share. If the fit has a lower end, ``lower`` fields have the same for it.
    ``var["velocity_model"]``
        ``"holds"`` if all checks pass, otherwise the checks that fail, joined by ``"; "``: ``"few
        molecules"`` (fewer than 10 effective molecules), ``"one cluster"`` (one cluster has nine
        tenths of the weights at the upper end), ``"boost"`` (γ is too large by more than 0.15 of
        itself, with a false discovery rate below 5 %). Empty for genes without a fit.

    Raises
    ------
    KeyError
        If there is no fit, `groupby` is no column of ``obs``, or the embedding is missing.
    ValueError
        If cells or counts have changed since the fit, the fit used layers of another tool, or
        categories of cells have separate ratios (`gamma_by`).

    References
    ----------
    ``docs/uncertainty.md`` describes what each check can and cannot detect.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, uncertainty="sandwich")
    >>> sv.tl.check_model(adata, "branch")
    >>> bool(adata.var["velocity_upper_share"].max() <= 1)
    True
    """
    fit = Fit.read(adata, velocity_key)
    check_one_line(fit.options, "model checks")
    fit.check_counts_known()
    there = basis != AUTO or len(all_bases(adata)) > 0
    found = found_basis(adata, basis, velocity_key) if groupby is not None and there else None
    with Limits.of_call("model checks", max_memory, n_threads, progress) as limits:
        make_checks(fit, groupby, found, limits)


def make_checks(fit: Fit, groupby: str | None, basis: str | None, limits: Limits) -> pd.DataFrame:
    """Do the work of :func:`check_model`, and return the growth of every cluster.

    The table has a row per cluster with the columns ``growth``, relative to the mean of all
    clusters, and ``growth_se``, both divided by the median γ: u, v and γ change alike with the
    share of unspliced mRNA that is captured.
    """
    adata, genes = fit.adata, fit.fitted_genes
    source, rule = fit.counts(genes), fit.rule(genes)
    lines = Lines(fit.gamma[genes], fit.offset[genes])
    names, clusters = cluster_codes(adata, groupby)
    places = _places(adata, basis, clusters, len(names))
    blocks = limits.of_blocks(adata.n_obs, _BYTES_PER_VALUE)
    checks = check_genes(source, rule, lines, clusters, places, **blocks)
    motion = _motion(fit, checks, clusters, places)
    columns = _columns(fit, checks, motion, names, tested=basis is not None)
    clear(_keys.CHECK_FIELDS, adata, fit.key)
    for field, values in columns.items():
        field.write(adata, values, fit.key)
    unit = np.median(fit.gamma[fit.velocity_genes]) if fit.velocity_genes.any() else np.nan
    growth = {"growth": motion.growth / unit, "growth_se": motion.growth_se / unit}
    return pd.DataFrame(growth, index=pd.Index(names, name="cluster"))


def _places(
    adata: AnnData, basis: str | None, clusters: NDArray[np.intp], n_clusters: int
) -> NDArray[np.float64]:
    """Return the coordinates of cells around the mean of their cluster, (cells, dimensions)."""
    if basis is None:
        return np.zeros((adata.n_obs, 0))
    places = dimensions_to_test(check_finite_embedding(adata, basis))
    places = (places - places.mean(axis=0)) / max(places.std(), np.finfo(np.float64).tiny)
    inside = clusters >= 0
    total = np.zeros((n_clusters, places.shape[1]))
    np.add.at(total, clusters[inside], places[inside])
    n = np.bincount(clusters[inside], minlength=n_clusters)
    places[inside] -= (total / n[:, None])[clusters[inside]]
    return places


def _motion(
    fit: Fit, checks: GeneChecks, clusters: NDArray[np.intp], places: NDArray[np.float64]
) -> Motion:
    """Explain the velocities of clusters; the results have all fitted genes."""
    n_genes, n_clusters = checks.sums.shape[:2]
    n_dims, chosen = places.shape[1], fit.velocity_genes[fit.fitted_genes]
    excess, excess_se = np.full((2, n_genes), np.nan)
    if n_dims == 0 or not chosen.any():
        return Motion(*np.full((2, n_clusters), np.nan), excess, excess_se)
    inside = clusters >= 0
    spread = np.zeros((n_clusters, n_dims, n_dims))
    squares = places[inside, :, None] * places[inside, None, :]
    np.add.at(spread, clusters[inside], squares)
    n = np.bincount(clusters[inside], minlength=n_clusters)
    moments = ClusterMoments.of_sums(checks.sums[chosen], n, spread)
    motion = explain_velocities(moments, fit.gamma[fit.fitted_genes][chosen])
    excess[chosen], excess_se[chosen] = motion.excess, motion.excess_se
    return motion._replace(excess=excess, excess_se=excess_se)


def _columns(
    fit: Fit, checks: GeneChecks, motion: Motion, names: list[str], *, tested: bool
) -> dict[_keys.Field, Any]:
    """Return the columns of `var`, with one row for every gene of `adata`.

    `tested` tells whether there is an embedding, with which boosts are tested.
    """
    adata, genes, key = fit.adata, fit.fitted_genes, fit.key
    everywhere = partial(over_all_genes, adata, genes)
    columns: dict[_keys.Field, Any] = {
        _keys.SPLICED_DISPERSION: everywhere(checks.spliced_overdispersion),
        _keys.UNSPLICED_DISPERSION: everywhere(checks.unspliced_overdispersion),
    }
    failed: dict[str, NDArray[np.bool_]] = {}
    if _keys.GAMMA_MOLECULES.is_in(adata, key):
        molecules = _keys.GAMMA_MOLECULES.values(adata, key)[genes]
        failed["few molecules"] = ~(molecules >= FEWEST_MOLECULES)
    ends = [(checks.upper, _keys.UPPER_CLUSTER, _keys.UPPER_SHARE)]
    if fit.options.quantiles[0] is not None:
        ends.append((checks.lower, _keys.LOWER_CLUSTER, _keys.LOWER_SHARE))
    if len(names) > 1:
        failed["one cluster"] = checks.upper.max(axis=1) >= _NEARLY_ALL
    for shares, cluster, share in ends if names else []:
        known = np.isfinite(shares).all(axis=1)
        first = np.where(known, np.argmax(np.nan_to_num(shares), axis=1), -1)
        codes = np.nan_to_num(everywhere(first), nan=-1).astype(int)
        columns[cluster] = pd.Categorical.from_codes(codes, categories=names)
        columns[share] = everywhere(np.where(known, shares.max(axis=1), np.nan))
    if names and tested:
        gamma = fit.gamma[genes]
        p = ndtr((_SOME_EXCESS * gamma - motion.excess) / motion.excess_se)
        fdr = benjamini_hochberg(p)
        columns[_keys.BOOST] = everywhere(motion.excess / gamma)
        columns[_keys.BOOST_P], columns[_keys.BOOST_FDR] = everywhere(p), everywhere(fdr)
        failed["boost"] = fdr < _FDR
    verdict = np.full(adata.n_vars, "", dtype=object)
    verdict[genes] = [
        "; ".join(name for name, fails in failed.items() if fails[g]) or "holds"
        for g in range(len(genes))
    ]
    return {**columns, _keys.MODEL: pd.Categorical(verdict)}
