"""A fit of every gene, from options that were checked to columns, layers and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import warn, writable
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import FitParams, MadeFrom
from steadyvelo._adata._groups import in_groups
from steadyvelo._adata._moments import has_moments, smoothing_record
from steadyvelo._adata._provenance import stamp
from steadyvelo.engine import FitRule, check_dense_fits, fit_ratios, genes_per_block

from ._fit_inputs import fit_source, genes_left_out, record_of_layers
from ._fit_results import DenseLayers, gene_columns, write_weights
from ._stale import clear_fit
from ._uncertainty import Errors, bytes_per_value, folds_hash

if TYPE_CHECKING:
    from steadyvelo._adata._fit_params import FitOptions
    from steadyvelo._adata._inputs import Inputs
    from steadyvelo.engine._threads import Progress

__all__ = ["make_fit"]


def make_fit(
    inputs: Inputs,
    options: FitOptions,
    weights: Any,
    *,
    key: str,
    max_memory: float | None,
    n_threads: int,
    report: Progress | None = None,
) -> Fit:
    """Do what :func:`steadyvelo.tl.velocity` says, and return the fit.

    Parameters
    ----------
    inputs
        The data.
    options
        What is asked for.
    weights
        The rule by name, or weights as an array, shape (cells,) or (cells, genes).
    key
        Prefix of what is written.
    max_memory, n_threads
        As the arguments of that function.
    report
        Called with the share of genes done.
    """
    adata, choice = inputs.adata, options.errors
    fit_cells = inputs.cells & in_groups(adata, options.groups, options.groupby)
    left_out = genes_left_out(adata)
    from_layers = has_moments(adata)
    if options.dense:
        n_layers = 1 if from_layers else 3
        remedy = "use tl.velocity(dense=False)"
        check_dense_fits(n_layers, adata.shape, max_memory, remedy=remedy)
    # smoothed layers are written for all genes, velocities only for the used ones
    every = options.dense and not from_layers
    genes = np.arange(adata.n_vars) if every else np.flatnonzero(left_out == "")
    made_from: dict[str, Any] = stamp(adata, inputs.cells_hash)
    if from_layers:
        smoothed, record = record_of_layers(inputs, options), None
    else:
        named = options.spliced, options.unspliced, options.neighbors_key
        record = smoothing_record(inputs, *named)
        smoothed = record.params
    if smoothed is not None:
        made_from |= {name: smoothed[name] for name in ("neighbors_hash", "factors_hash")}
    source = fit_source(inputs, genes, options, from_layers=from_layers)
    uncertainty = None
    if choice.method is not None:
        uncertainty = Errors.make(inputs, choice, options.spliced, options.neighbors_key).of(source)
    if choice.method == "crossfit":
        made_from["folds_hash"] = folds_hash(adata, choice.gene_clusters)
    layers = DenseLayers(adata.shape, genes, moments=not from_layers) if options.dense else None
    by_gene = not isinstance(weights, str) and weights.ndim > 1
    fit = fit_ratios(
        source,
        FitRule(
            weights[:, genes] if by_gene else weights,
            options.quantiles,
            options.offset,
            inputs.cells,
            fit_cells,
            options.r2,
        ),
        genes_per_block=genes_per_block(adata.n_obs, max_memory, bytes_per_value(choice)),
        uncertainty=uncertainty,
        n_threads=n_threads,
        consume=None if layers is None else layers.take,
        progress=report,
    )
    columns = gene_columns(adata, genes, fit, left_out, options)

    writable(adata)
    clear_fit(adata, key)
    for field, column in columns.items():
        field.write(adata, column, key)
    if record is not None:
        record.write_sums(adata, key)
    if not isinstance(weights, str):
        write_weights(adata, weights, key)
    if layers is not None:
        layers.write(adata, key, left_out != "", record)
    params = FitParams(options, MadeFrom(from_layers=from_layers, **made_from))
    params.write(adata, key)
    n_velocity_genes = int(columns[_keys.VELOCITY_GENES].sum())
    if n_velocity_genes < 2:
        warn(
            f"{n_velocity_genes} of {len(genes):,} genes meet min_r2={options.min_r2:g} and "
            f"min_gamma={options.min_gamma:g}: the data hold little splicing signal. See "
            f"var[{_keys.REASON.of(key)!r}]."
        )
    return Fit.read(adata, key, inputs)
