"""What the data support, cluster by cluster, with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo.get import direction_support

from ._check_model import make_checks
from ._direction import DirectionChoice, cosines, make_directions
from ._limits import Limits
from ._sensitivity import compare_variants, store_variants
from ._uncertainty import Errors
from ._variant import Variant, fit_variant, other_size_factors
from ._verdicts import LEVEL, SIZES_IN_WORDS, checks_of_data, judge

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from steadyvelo.engine._progress import ShowProgress

__all__ = ["reliability"]


@public
def reliability(
    adata: AnnData,
    groupby: str,
    *,
    basis: str = "umap",
    velocity_key: str = "velocity",
    n_controls: int = 50,
    sensitivity: bool = True,
    rng: int | np.random.Generator | None = 0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    """Say for every cluster whether its direction is supported, and why not.

    Does :func:`steadyvelo.tl.check_model`, :func:`steadyvelo.tl.direction` with controls and
    :func:`steadyvelo.tl.sensitivity`, fits again with the other size factors, and draws the
    conclusions. A direction is

    ``"supported"``
        if the summed contributions of the cluster have a direction (5 %, Holm over clusters), have
        the same (within 60°) with size factors common to both layers and with those of each layer,
        no other choice turns the arrows of most of its cells by more than 60°, and at least a tenth
        of its cells have a direction of their own;
    ``"weak"``
        if they have one, but one of the others fails;
    ``"not supported"``
        if they do not.

    Clusters whose cells go apart have no summed direction, whatever their cells do.

    Parameters
    ----------
    adata
        Result of ``tl.velocity(uncertainty="crossfit")`` with an embedding.
    groupby
        Column of ``obs`` with the clusters.
    basis
        Name of the embedding.
    velocity_key
        Prefix of the fit.
    n_controls
        Controls with turned signs; see :func:`steadyvelo.tl.direction`.
    sensitivity
        Ask what changes with other choices; without it a direction rests on the fit alone.
    rng
        Seed of the signs: a whole number, a `numpy.random.Generator` that gives one, or None for
        one from the system. It is recorded, and each cell draws its signs by its name.
    max_memory
        Memory that gene blocks may take, in bytes or as ``"8GB"``; None means
        ``settings.max_memory``, or a quarter of what is available, at most 1.5 GB.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar, None follows ``settings.progress``; a function is called with the share
        done, in (0, 1].

    Returns
    -------
    None. Sets, besides what the functions named above do:

    ``uns["velocity_reliability"]``, which :func:`steadyvelo.get.verdicts` reads
        A row per cluster: verdict, reason, cells, p-value (Holm), share of cells with a direction
        in the data and in the controls, p-value and cosine with the other size factors, the choice
        that turns it most and the median cosine under it, and the smallest change of all γ, in
        standard errors, that reverses it.
    ``uns["velocity_reliability_checks"]``
        A row per check of the data set: value, verdict, reason.
    ``uns["velocity_sensitivity"]``, which :func:`steadyvelo.get.sensitivity` reads
        The table of :func:`steadyvelo.tl.sensitivity`.
    ``uns["velocity_params"]["reliability"]``
        Embedding and clusters that the verdicts are about, and whether other choices were asked.

    Raises
    ------
    KeyError
        If the fit, the embedding or the column is missing.
    ValueError
        If the fit has no cross-fitted errors, or cells or counts have changed since.

    References
    ----------
    ``docs/uncertainty.md`` derives and measures what this rests on.

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
    choice = DirectionChoice(basis.removeprefix("X_"), groupby, LEVEL, n_controls, rng)
    choice.check(fit)
    # other choices take half of the time
    whole = 0.5 if sensitivity else 1.0
    with Limits.of_call("reliability", max_memory, n_threads, progress) as limits:
        errors = Errors.of_fit(fit)
        make_directions(fit, errors, choice, limits.part(0.0, 0.4 * whole))
        make_checks(fit, errors, groupby, limits.part(0.4 * whole, whole))
        table = _clusters(fit, choice.basis)
        variants = None
        if sensitivity:
            _with_other_sizes(table, fit, choice, limits.silent())
            limits.tell(0.75)
            variants = compare_variants(fit, groupby, choice.basis, limits.part(0.75, 1.0))
            _with_variants(table, variants)
    judge(table, choice.basis, SIZES_IN_WORDS[other_size_factors(fit)])
    _keys.RELIABILITY.write(adata, table, velocity_key)
    checks = checks_of_data(adata, velocity_key, choice.basis, table)
    _keys.RELIABILITY_CHECKS.write(adata, checks, velocity_key)
    _keys.SENSITIVITY.drop(adata, velocity_key)
    if variants is not None:
        store_variants(fit, groupby, choice.basis, variants)
    made = {"basis": choice.basis, "groupby": groupby, "sensitivity": sensitivity}
    note_made(adata, velocity_key, "reliability", made)


def _clusters(fit: Fit, basis: str) -> pd.DataFrame:
    """Return the table of clusters with how much of a change of γ would turn each round."""
    adata, where = fit.adata, {"basis": basis, "velocity_key": fit.key}
    table = _keys.CLUSTER_DIRECTIONS.read(adata, fit.key, basis).copy()
    table["reversal_se"] = [
        direction_support(adata, str(name), **where).standard_errors for name in table.index
    ]
    return table


def _with_other_sizes(
    table: pd.DataFrame, fit: Fit, choice: DirectionChoice, limits: Limits
) -> None:
    """Fit again with the other size factors and add what the clusters do then."""
    other = fit_variant(fit, Variant(other_sizes=True), choice.basis, limits)
    table["other_sizes_p_holm"] = table["other_sizes_cosine"] = np.nan
    if other.velocity_genes.sum() < 2:
        return
    make_directions(other, Errors.of_fit(other), replace(choice, n_controls=0), limits)
    found = _keys.CLUSTER_DIRECTIONS.read(other.adata, other.key, choice.basis)
    found = found.reindex(table.index)
    table["other_sizes_p_holm"] = found["p_holm"]
    arrows = [name for name in table if str(name).startswith("arrow_")]
    first, second = table[arrows].to_numpy(), found[arrows].to_numpy()
    table["other_sizes_cosine"] = cosines(first, second)


def _with_variants(table: pd.DataFrame, variants: pd.DataFrame) -> None:
    """Add the choice that turns each cluster's arrows most."""
    # a choice that leaves too few velocity genes, or a cluster without arrows, turns nothing
    cosine = variants.iloc[:, 1:].to_numpy()
    known = np.where(np.isnan(cosine), np.inf, cosine)
    least = known.min(axis=0)
    names = np.asarray(variants.index, dtype=object)[known.argmin(axis=0)]
    table["most_sensitive_to"] = np.where(np.isfinite(least), names, "")
    table["least_cosine"] = np.where(np.isfinite(least), least, np.nan)
