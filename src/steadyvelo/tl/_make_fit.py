"""A fit of every gene: from checked options to columns, layers and parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import warn
from steadyvelo._adata._fit import Fit, fit_rule
from steadyvelo._adata._fit_params import FitParams, MadeFrom
from steadyvelo._adata._moments import counts_source, has_moments, layer_source, smoothing_record
from steadyvelo._adata._provenance import gene_checksums, stamp
from steadyvelo.engine import check_dense_fits, fit_ratios

from ._ahead import CLUSTERS, NOTHING, Ahead, Wanted, wanted
from ._category_ratios import category_fits, category_record, category_values
from ._fit_inputs import genes_left_out, record_of_layers
from ._fit_results import DenseLayers, gene_columns
from ._folds import Graphs, folds_hash
from ._kept import now_kept
from ._second_order import second_order
from ._stale import clear_fit
from ._uncertainty import Errors, bytes_per_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steadyvelo._adata._fit_params import FitOptions
    from steadyvelo._adata._inputs import Inputs
    from steadyvelo.engine import (
        CategoryFits,
        FitResult,
        FitRule,
        KnownInstruments,
        MomentBlock,
        MomentSource,
        SecondOrder,
    )
    from steadyvelo.model import Instruments

    from ._limits import Limits

__all__ = ["make_fit"]


def make_fit(
    inputs: Inputs,
    options: FitOptions,
    weights: Any,
    key: str,
    limits: Limits,
    *,
    known: KnownInstruments | None = None,
) -> Fit:
    """Do the work of :func:`steadyvelo.tl.velocity`, and return the fit.

    `weights` is the name of a rule, or an array of shape (cells,) or (cells, genes); `key` is the
    prefix of everything that is written. With `known` instruments, offsets are not tested.
    """
    adata = inputs.adata
    left_out = genes_left_out(adata)
    from_layers = has_moments(adata)
    if options.dense:
        n_layers, remedy = 1 if from_layers else 3, "use tl.velocity(dense=False)"
        check_dense_fits(n_layers, adata.shape, limits.max_memory, remedy=remedy)
    # smoothed layers are written for all genes, velocities only for genes that are used
    every = options.dense and not from_layers
    genes = np.arange(adata.n_vars) if every else np.flatnonzero(left_out == "")
    rule = fit_rule(inputs, options, weights, genes)
    smoothed = record_of_layers(inputs, options) if from_layers else None
    if from_layers and not options.needs_counts:
        source: MomentSource = layer_source(adata, genes)
    else:
        source = counts_source(inputs, genes, **options.smoothed, keep_counts=options.needs_counts)
    second = second_order(inputs, options, source, left_out)
    # after the counts were checked
    record = None if from_layers else smoothing_record(inputs, **options.smoothed)
    smoothed = smoothed if record is None else record.params
    layers = DenseLayers(adata.shape, genes, moments=not from_layers) if options.dense else None
    what = wanted() if known is None else CLUSTERS
    kept = now_kept()
    if kept is not None:
        kept.directions.pop(key, None)
    by_category = category_fits(inputs, options, source, rule)
    fit, ahead = _fit(
        inputs, options, source, rule, second, layers, by_category, what, known, limits
    )
    if ahead is not None:
        ahead.store(key)
    written: dict[_keys.Field, Any] = {}
    if by_category is not None:
        ratios = by_category.ratios()
        fit = replace(fit, r2=ratios.r2_of_all)
        written = category_values(ratios, genes, left_out == "", options)
    columns = gene_columns(adata, genes, fit, left_out, options)
    params = FitParams(options, _made_from(inputs, options, smoothed, from_layers=from_layers))

    clear_fit(adata, key)
    for field, column in {**columns, **written}.items():
        field.write(adata, column, key)
    if record is not None:
        record.write_sums(adata, key)
    if not isinstance(weights, str):
        by_cell = weights.ndim == 1
        field = _keys.WEIGHTS_COLUMN if by_cell else _keys.WEIGHTS_LAYER
        field.write(adata, weights.astype(np.float64) if by_cell else weights, key)
        sums = gene_checksums(weights)
        _keys.WEIGHTS_CHECKSUM.write(adata, np.broadcast_to(sums, adata.n_vars).copy(), key)
    if layers is not None:
        layers.write(adata, key, left_out != "", record)
    params.write(adata, key)
    found = int(columns[_keys.VELOCITY_GENES].sum())
    if found < 2:
        warn(
            f"{found} of {len(genes):,} genes meet min_r2={options.min_r2:g} and "
            f"min_gamma={options.min_gamma:g}: the data have little splicing signal. See "
            f"var[{_keys.REASON.of(key)!r}] for the reason of each gene."
        )
    return Fit.read(adata, key, inputs)


def _fit(
    inputs: Inputs,
    options: FitOptions,
    source: MomentSource,
    rule: FitRule,
    second: SecondOrder | None,
    layers: DenseLayers | None,
    by_category: CategoryFits | None,
    what: Wanted,
    known: KnownInstruments | None,
    limits: Limits,
) -> tuple[FitResult, Ahead | None]:
    """Fit all genes, fill the layers, and compute what checks and directions will need."""
    choice, n_cells = options.errors, inputs.adata.n_obs
    crossfit = choice.method == "crossfit"
    what = what if crossfit else NOTHING
    ahead = Ahead.of(source, rule, limits.n_threads) if what.directions and known is None else None

    def consume(block: MomentBlock, fit: FitResult, made: list[Instruments]) -> None:
        velocity = None if by_category is None else by_category.take(block, fit, limits.n_threads)
        if layers is not None:
            layers.take(block, fit, velocity, limits.n_threads)
        if ahead is not None:
            ahead.take(block, fit, made)

    errors, share = None, 0.0
    if choice.method is not None:
        graphs = Graphs(known is None or not known.has(source.genes), what.directions)
        # neighbours of folds take a third of the time
        share = 0.3 if crossfit and graphs.ratios else 0.0
        report = limits.part(0.0, share).report if share else None
        made_with = options, source.order, graphs, limits.n_threads, report
        of_genes = None if known is None else known.of_genes(source.genes)
        errors = Errors.make(inputs, choice, *made_with).of(source, of_genes)
    asked = [rule] if errors is None or not what.offset else errors.rules_for(rule)
    by_categories = by_category is not None
    bytes_each = bytes_per_value(choice, asked, options.stochastic, by_category=by_categories)
    how: dict[str, Any] = {
        "uncertainty": errors,
        "test_offset": what.offset,
        "consume": consume,
        **limits.part(share, 1.0).of_blocks(n_cells, bytes_each),
    }
    fit = fit_ratios(source, rule, second=second, **how)
    if second is not None and not fit.refitted.any():
        # as in scVelo, all genes are fitted again if there are no velocity genes
        how["progress"] = None
        fit = fit_ratios(source, rule, second=replace(second, every=True), **how)
    kept = now_kept()
    if kept is not None and ahead is not None and ahead.kept is not None:
        # what follows uses the instruments that were kept
        errors = None
        kept.forget("ratios")
    return fit, ahead


def _made_from(
    inputs: Inputs, options: FitOptions, smoothed: Mapping[str, Any] | None, *, from_layers: bool
) -> MadeFrom:
    """Return the record of what a fit is made from, given the record of the smoothing."""
    choice = options.errors
    names = () if smoothed is None else ("neighbors_hash", "factors_hash")
    hashes = {name: smoothed[name] for name in names}
    hashes |= category_record(inputs, options)
    if choice.method == "crossfit":
        hashes["folds_hash"] = folds_hash(inputs.adata, choice.gene_clusters)
    moments = "layers" if from_layers else "counts"
    return MadeFrom(moments=moments, **stamp(inputs.adata, inputs.cells_hash), **hashes)
