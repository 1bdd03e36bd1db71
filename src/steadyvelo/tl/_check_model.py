"""Checks of the steady-state model for each gene."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._groups import cluster_codes
from steadyvelo._arguments import public
from steadyvelo.engine import BYTES_PER_VALUE, check_genes
from steadyvelo.model import FEWEST_MOLECULES

from ._ahead import halves_of, of_fit
from ._fit_results import over_all_genes
from ._limits import Limits
from ._multiple_tests import benjamini_hochberg
from ._stale import clear
from ._uncertainty import Errors

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import GeneChecks
    from steadyvelo.engine._progress import ShowProgress
    from steadyvelo.model import Contrast

__all__ = ["check_model", "make_checks"]

# shares of cells that are called extreme, for each of which γ is computed
_SHARES = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
# a gene fails the check if γ changes between these shares by more than this part of itself
_STEADY = (_SHARES >= 0.02) & (_SHARES <= 0.2)
_MOST_CHANGE = 0.5
_NEARLY_ALL = 0.9
# counts and smoothed abundances of both layers, and the arrays of a task
_BYTES_PER_VALUE = BYTES_PER_VALUE + 8
_FDR = 0.05


@public
def check_model(
    adata: AnnData,
    groupby: str | None = None,
    *,
    velocity_key: str = "velocity",
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Check for each gene whether the counts contradict the steady-state model.

    The model assumes that the cells with extreme expression are at steady state and that a straight
    line passes through them. A gene that fails a check keeps its velocity; the verdict names the
    part of its phase portrait to look at.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`, with counts.
    groupby
        Column of ``obs`` with clusters; with None, the check *one cluster* is left out.
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

    ``var["velocity_curvature"]``, and the same with ``_p`` and ``_fdr``
        (γ of the more extreme half of the upper extreme cells − γ of the other half) / γ, the
        p-value of the hypothesis that both are equal, and the p-value adjusted over genes. Standard
        errors are computed as in the fit, or as a sandwich if the fit has none.
    ``var["velocity_path_change"]``, ``varm["velocity_gamma_path"]``
        γ if 1, 2, 5, 10, 20, 50 or 100 % of the cells at an end are called extreme
        (``gamma_path``), and its largest difference between 2 and 20 %, divided by γ
        (``path_change``).
    ``var["velocity_spliced_overdispersion"]``, ``var["velocity_unspliced_overdispersion"]``
        φ of the variance μ + φμ² around the mean of the neighbours; 0 for Poisson counts.
    ``var["velocity_upper_cluster"]``, ``var["velocity_upper_share"]``
        With `groupby`: the cluster with the largest share of the weights at the upper end, and this
        share. If the fit has a lower end, ``lower`` fields have the same for it.
    ``var["velocity_model"]``
        ``"holds"`` if all checks pass, otherwise the checks that fail, joined by ``"; "``: ``"few
        molecules"`` (fewer than 10 effective molecules), ``"one cluster"`` (one cluster has nine
        tenths of the weights at the upper end), ``"curved"`` (false discovery rate below 5 %),
        ``"offset"`` (the fit has no offset, and the test of the offset has a false discovery rate
        below 5 %), ``"depends on quantile"`` (γ changes by more than half of itself). Empty for
        genes without a fit.

    Raises
    ------
    KeyError
        If there is no fit, or `groupby` is no column of ``obs``.
    ValueError
        If cells or counts have changed since the fit, or the fit used layers of another tool.

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
    fit.check_counts_known()
    with Limits.of_call("model checks", max_memory, n_threads, progress) as limits:
        make_checks(fit, groupby, limits)


def make_checks(fit: Fit, groupby: str | None, limits: Limits) -> None:
    """Do the work of :func:`check_model`."""
    adata, genes = fit.adata, fit.fitted_genes
    source, rule = fit.counts(genes), fit.rule(genes)
    names, clusters = cluster_codes(adata, groupby)
    blocks = limits.silent().of_blocks(adata.n_obs, _BYTES_PER_VALUE)
    ahead = of_fit(fit)
    # folds that cannot be made again are refused before anything is computed
    errors = Errors.of_fit(fit, n_threads=limits.n_threads) if ahead is None else None
    checks = check_genes(source, rule, clusters, _SHARES, **blocks)
    if ahead is not None:
        ratios = ahead.halves(genes)
    elif errors is not None:
        ratios = errors.ratios(source, halves_of(rule), limits)
    columns = _columns(fit, checks, ratios.contrast(1, 0), names)
    shares = [f"{share:.0%}" for share in _SHARES]
    path = over_all_genes(adata, genes, checks.path)
    columns[_keys.GAMMA_PATH] = pd.DataFrame(path, index=adata.var_names, columns=shares)
    clear(_keys.CHECK_FIELDS, adata, fit.key)
    for field, values in columns.items():
        field.write(adata, values, fit.key)


def _columns(
    fit: Fit, checks: GeneChecks, halves: Contrast, names: list[str]
) -> dict[_keys.Field, Any]:
    """Return the columns of `var`, with one row for every gene of `adata`."""
    adata, genes, key = fit.adata, fit.fitted_genes, fit.key
    everywhere = partial(over_all_genes, adata, genes)
    gamma = fit.gamma[genes]
    fdr = benjamini_hochberg(halves.p)
    steady = checks.path[:, _STEADY]
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.where(gamma == 0, np.nan, np.abs(gamma))
        change = (steady.max(axis=1) - steady.min(axis=1)) / size
        curvature = halves.difference / size
    columns: dict[_keys.Field, Any] = {
        _keys.CURVATURE: everywhere(curvature),
        _keys.CURVATURE_P: everywhere(halves.p),
        _keys.CURVATURE_FDR: everywhere(fdr),
        _keys.PATH_CHANGE: everywhere(change),
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
    failed["curved"] = fdr < _FDR
    if fit.options.offset is False and _keys.OFFSET_FDR.is_in(adata, key):
        failed["offset"] = _keys.OFFSET_FDR.values(adata, key)[genes] < _FDR
    failed["depends on quantile"] = change > _MOST_CHANGE
    verdict = np.full(adata.n_vars, "", dtype=object)
    verdict[genes] = [
        "; ".join(name for name, fails in failed.items() if fails[g]) or "holds"
        for g in range(len(genes))
    ]
    return {**columns, _keys.MODEL: pd.Categorical(verdict)}
