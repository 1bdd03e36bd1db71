"""How arrows change under other settings."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._embeddings import check_finite_embedding, found_basis
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import ErrorChoice, note_made
from steadyvelo._adata._groups import cluster_codes, within_codes
from steadyvelo._adata._neighbor_graph import external, neighbor_params, search_options
from steadyvelo._arguments import public
from steadyvelo._warnings import SteadyveloWarning
from steadyvelo.model import resolve_quantiles

from ._agreement import cosines
from ._ambiguous import other_assignments
from ._limits import Limits
from ._sampled_fit import sampled_fit
from ._variant import Variant, fit_variant, other_size_factors
from ._velocity_embedding import make_arrows
from ._velocity_graph import make_graph

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine._progress import ShowProgress

__all__ = ["compare_variants", "sensitivity", "store_variants"]


@public
def sensitivity(
    adata: AnnData,
    groupby: str | None = None,
    *,
    basis: str = "auto",
    velocity_key: str = "velocity",
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    """Compute the arrows under other settings, and compare their directions.

    The settings are half and twice the number of neighbours, other quantiles, with or without an
    offset, common or per-layer size factors, ambiguous molecules counted in another layer (if
    `adata` has them), and a deterministic fit if the fit is stochastic. Each is changed alone;
    everything else is as in the fit. The fits are ordinary fits, without cross-fitting, and are
    compared with an ordinary fit under the original settings.

    Of more than 4,500 cells, 3,000 are compared, drawn by name, with at least 50 of each cluster.
    Their neighbours are found among them.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`, with counts and an embedding.
    groupby
        Column of ``obs`` with clusters; None compares all cells together.
    basis
        Name of the embedding; ``"auto"`` uses the one whose arrows were computed last, or else the
        first usual one (``"umap"``, ``"tsne"`` …).
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
    None. Sets ``uns["velocity_sensitivity"]``, which :func:`steadyvelo.get.sensitivity` reads: one
    row for every setting, with the median cosine between its arrows and those of the fit, over all
    cells (``"all"``) and in each cluster. A cosine is NaN if fewer than two genes meet the criteria
    for velocity genes. Neighbours are not changed if they were found in a representation that was
    not computed from these counts. ``uns["velocity_params"]["sensitivity"]`` has the number of
    compared cells.

    Raises
    ------
    KeyError
        If the embedding, the fit or the column is missing.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata)
    >>> sv.tl.sensitivity(adata, "branch", basis="pca")
    >>> bool((sv.get.sensitivity(adata)["all"] > 0).all())
    True
    """
    basis = found_basis(adata, basis, velocity_key)
    fit = Fit.read(adata, velocity_key)
    check_finite_embedding(adata, basis)
    with Limits.of_call("sensitivity", max_memory, n_threads, progress) as limits:
        table = compare_variants(fit, groupby, basis, limits)
    store_variants(fit, groupby, basis, table)


def store_variants(fit: Fit, groupby: str | None, basis: str, table: pd.DataFrame) -> None:
    """Write the table of :func:`sensitivity`, and its embedding and clusters."""
    made = {"basis": basis, "groupby": groupby or "", "n_cells": table.attrs.pop("n_cells")}
    _keys.SENSITIVITY.write(fit.adata, table, fit.key)
    note_made(fit.adata, fit.key, "sensitivity", made)


def compare_variants(fit: Fit, groupby: str | None, basis: str, limits: Limits) -> pd.DataFrame:
    """Do the work of :func:`sensitivity`."""
    fit.check_counts_known()
    names, groups = cluster_codes(fit.adata, groupby)
    fit, cells = sampled_fit(fit, groups, basis)
    groups = groups[cells]
    usual = _arrows(fit, Variant(), basis, limits.silent())
    parts = [groups >= 0 if names else fit.inputs.cells]
    parts += [groups == g for g in range(len(names))]
    rows: dict[str, list[float]] = {}
    variants = _variants(fit)
    for number, (name, variant) in enumerate(variants.items()):
        other = _arrows(fit, variant, basis, limits.silent())
        if usual is None or other is None:
            rows[name] = [np.nan] * len(parts)
        else:
            cosine = cosines(usual, other)
            rows[name] = [_median(cosine[part]) for part in parts]
        limits.tell((number + 1) / len(variants))
    # "all" is the column of all cells
    columns = [f"cluster {name}" if name == "all" else name for name in names]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["all", *columns])
    table.attrs["n_cells"] = len(cells)
    return table.rename_axis("setting")


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan


def _variants(fit: Fit) -> dict[str, Variant]:
    """Return the other settings, by the names that the table shows."""
    options = fit.options
    neighbors = neighbor_params(fit.adata, options.neighbors_key)
    made: dict[str, Variant] = {}
    if not external(neighbors) and "n_neighbors" in neighbors:
        k = int(neighbors["n_neighbors"])
        codes = within_codes(fit.adata, search_options(neighbors)["within"])
        largest = fit.adata.n_obs if codes is None else int(np.bincount(codes).min())
        for n in (max(k // 2, 5), min(2 * k, largest - 1)):
            made[f"{n} neighbours"] = Variant(n_neighbors=n)
    if options.weights == "extremes":
        low, high = options.quantiles
        for q in (0.9, 0.99) if high is None or abs(high - 0.9) > 0.01 else (0.95, 0.99):
            pair = (None if low is None else round(1 - q, 4), q)
            made[f"quantile {q:g}"] = Variant({"quantiles": pair})
    offset = not options.has_offset
    line: dict[str, Any] = {
        "offset": offset,
        "quantiles": resolve_quantiles(None, offset=offset),
    }
    if options.stochastic is not None:
        line["stochastic"] = replace(options.stochastic, fit_offset=offset)
        made["deterministic"] = Variant({"stochastic": None})
    made["with an offset" if offset else "through the origin"] = Variant(line)
    common = other_size_factors(fit) == "common"
    name = "common size factors" if common else "per-layer size factors"
    made[name] = Variant(other_sizes=True)
    for kind in other_assignments(fit):
        made[f"ambiguous as {kind}"] = Variant(ambiguous=kind)
    return made


def _arrows(fit: Fit, variant: Variant, basis: str, limits: Limits) -> NDArray[np.float64] | None:
    """Return the arrows of an ordinary fit; None if there are too few velocity genes."""
    ordinary = replace(variant, options={**variant.options, "errors": ErrorChoice()})
    other = fit_variant(fit, ordinary, basis, limits)
    if other.velocity_genes.sum() < 2:
        return None
    with warnings.catch_warnings():
        # the fit of the user has given the same warnings
        warnings.simplefilter("ignore", SteadyveloWarning)
        make_graph(other, limits)
        make_arrows(other, basis, limits.n_threads)
    return np.asarray(_keys.VELOCITY_EMBEDDING.read(other.adata, other.key, basis))
