"""The command that runs all steps from counts to arrows."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import plain_errors
from ._imports import importing
from ._options import (
    AmbiguousChoice,
    AmbiguousOption,
    CellAttribute,
    Cells,
    CountsChoice,
    CountsOption,
    Filtered,
    GeneAttribute,
    MinMolecules,
    Rng,
    SplicedLayer,
    SplicedSize,
    UnsplicedLayer,
    UnsplicedSize,
)
from ._reading import read_counts
from ._speech import AsJson, Quiet, Speech

if TYPE_CHECKING:
    from steadyvelo._choices import CrossFit, Extremes, Neighbors, Sandwich, Stochastic

__all__ = ["run"]


Uncertainty = StrEnum("Uncertainty", ["none", "sandwich", "crossfit"])
Mode = StrEnum("Mode", ["deterministic", "stochastic"])
Moments = StrEnum("Moments", ["scvelo", "exact"])
Offset = StrEnum("Offset", ["none", "free", "nonnegative"])
Bounds = StrEnum("Bounds", ["velocyto"])
SizeFactorMethod = StrEnum("SizeFactorMethod", ["per_layer", "common"])
Metric = StrEnum("Metric", ["euclidean", "cosine", "correlation"])


def run(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(metavar="COUNTS", help="h5ad file, or output of a counting program."),
    ],
    out: Annotated[
        Path, typer.Option(help="h5ad file to write; pictures and report go to its folder.")
    ],
    groupby: Annotated[
        str,
        typer.Option(help="Column of obs with clusters; auto finds one, none uses none."),
    ] = "auto",
    basis: Annotated[
        str, typer.Option(help="Embedding for the arrows; auto finds one or computes a UMAP.")
    ] = "auto",
    min_shared_counts: Annotated[
        float,
        typer.Option(help="Smallest number of shared counts of a gene that is used."),
    ] = 20,
    min_shared_cells: Annotated[
        int, typer.Option(help="Smallest number of cells with both kinds of counts of a gene.")
    ] = 0,
    min_spliced_counts: Annotated[
        float, typer.Option(help="Smallest number of spliced counts of a gene.")
    ] = 0,
    min_unspliced_counts: Annotated[
        float, typer.Option(help="Smallest number of unspliced counts of a gene.")
    ] = 0,
    min_spliced_cells: Annotated[
        int, typer.Option(help="Smallest number of cells with spliced counts of a gene.")
    ] = 0,
    min_unspliced_cells: Annotated[
        int, typer.Option(help="Smallest number of cells with unspliced counts of a gene.")
    ] = 0,
    retain: Annotated[
        list[str] | None, typer.Option(help="A gene to use in any case; can be repeated.")
    ] = None,
    size_factors: Annotated[
        SizeFactorMethod, typer.Option(help="Per-layer size factors, or one for both layers.")
    ] = SizeFactorMethod.per_layer,
    spliced_size: SplicedSize = None,
    unspliced_size: UnsplicedSize = None,
    counts: CountsOption = CountsChoice.auto,
    neighbors_key: Annotated[
        str | None, typer.Option(help="Name of the neighbour graph in uns to use, or of a new one.")
    ] = None,
    new_neighbors: Annotated[
        bool, typer.Option("--new-neighbors", help="Find neighbours even if a graph exists.")
    ] = False,
    n_neighbors: Annotated[int, typer.Option(help="Number of neighbours of a new graph.")] = 30,
    n_pcs: Annotated[
        int, typer.Option(help="Number of principal components for a new graph.")
    ] = 30,
    use_rep: Annotated[
        str | None, typer.Option(help="Array in obsm in which a new graph is found.")
    ] = None,
    metric: Annotated[
        Metric, typer.Option(help="Distance between cells for a new graph.")
    ] = Metric.euclidean,
    within: Annotated[
        str | None,
        typer.Option(help="Column of obs with batches; a new graph has no edges between them."),
    ] = None,
    mode: Annotated[
        Mode,
        typer.Option(help="Fit of means over neighbours, or (stochastic) also of second moments."),
    ] = Mode.deterministic,
    moments: Annotated[
        Moments,
        typer.Option(help="Second moments as scVelo's, or corrected for the sizes of cells."),
    ] = Moments.scvelo,
    fit_offset: Annotated[
        bool, typer.Option("--fit-offset", help="Fit an offset of first moments (stochastic).")
    ] = False,
    fit_offset2: Annotated[
        bool, typer.Option("--fit-offset2", help="Fit an offset of second moments (stochastic).")
    ] = False,
    weights: Annotated[
        str, typer.Option(help="Rule for the cells that are assumed to be at steady state.")
    ] = "extremes",
    low: Annotated[float | None, typer.Option(help="Quantile of the lower extreme cells.")] = None,
    high: Annotated[float | None, typer.Option(help="Quantile of the upper extreme cells.")] = None,
    offset: Annotated[
        Offset, typer.Option(help="Fit an offset: free, or nonnegative.")
    ] = Offset.none,
    gamma_by: Annotated[
        str | None,
        typer.Option(
            help="Column of obs whose categories, such as lineages, get separate ratios. It needs "
            "--uncertainty sandwich or none, and --mode deterministic."
        ),
    ] = None,
    gamma_bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="Lowest and highest γ, such as 0 1.5; inf for no bound. They need the same as "
            "--bounds."
        ),
    ] = None,
    offset_bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Lowest and highest offset; they need --offset free, too."),
    ] = None,
    bounds: Annotated[
        Bounds | None,
        typer.Option(
            help="Bounds of lines. With velocyto: γ from 0 to 20, an offset from 0 to twice the "
            "mean of u. They need --uncertainty none and --mode deterministic."
        ),
    ] = None,
    min_r2: Annotated[
        float, typer.Option(help="R² of velocity genes is larger; -inf for no threshold.")
    ] = 0.01,
    min_gamma: Annotated[
        float, typer.Option(help="γ of velocity genes is larger; -inf for no threshold.")
    ] = 0.01,
    uncertainty: Annotated[
        Uncertainty, typer.Option(help="Method of standard errors; directions need crossfit.")
    ] = Uncertainty.crossfit,
    n_repeats: Annotated[
        int | None,
        typer.Option(
            help="Number of repeats that crossfit averages over; by default 5, 3 with more than "
            "5,000 cells, and 2 with more than 500,000."
        ),
    ] = None,
    gene_clusters: Annotated[
        str | None, typer.Option(help="Column of var with gene clusters that stay in one fold.")
    ] = None,
    level: Annotated[float, typer.Option(help="Coverage of the intervals.")] = 0.95,
    sample_key: Annotated[
        str | None, typer.Option(help="Column of obs with samples, the units of standard errors.")
    ] = None,
    color: Annotated[
        str, typer.Option(help="Column of obs for colours of pictures; auto uses clusters.")
    ] = "auto",
    dense: Annotated[
        bool | None,
        typer.Option(
            "--dense/--no-dense",
            help="Write the layers velocity, Ms and Mu, which scVelo reads "
            "(default: if they need at most 1 GB).",
        ),
    ] = None,
    ambiguous: AmbiguousOption = AmbiguousChoice.default,
    spliced: SplicedLayer = None,
    unspliced: UnsplicedLayer = None,
    filtered: Filtered = None,
    cell_attribute: CellAttribute = None,
    gene_attribute: GeneAttribute = None,
    cells: Cells = None,
    min_molecules: MinMolecules = 0,
    rng: Rng = 0,
    max_memory: Annotated[
        str | None, typer.Option(help="Memory for layers and blocks of genes, such as 8GB.")
    ] = None,
    n_threads: Annotated[
        int | None, typer.Option(help="Number of threads (default: all processors).")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Run even if the verdict of a quality check is stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its memory; compute nothing.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Also write a report next to the result.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compute velocities and arrows from COUNTS, and test which of them the data support.

    COUNTS are read as by the command import. The other options and defaults are those of the Python
    function steadyvelo.run. The exit code is 0
    after success, 2 for wrong usage, 3 for wrong input, 4 if the data have too little splicing
    signal for velocities, 130 after Ctrl-C, 129 and 143 after SIGHUP and SIGTERM, and 141 if the
    result is complete, but the reader of the output has closed it.

    Example: steadyvelo run counts.h5ad --out result.h5ad --report

    Example: steadyvelo run counts.h5ad --out result.h5ad --json --quiet > summary.json
    """
    with plain_errors(quiet=quiet):
        with importing():
            from steadyvelo.io._files import check_target  # noqa: PLC0415

        target = check_target(out, [path, cells])
        speech = Speech(quiet, as_json)
        given = {name for name in context.params if _is_given(context, name)}
        found_anew = {
            "n_neighbors": n_neighbors,
            "n_pcs": n_pcs,
            "use_rep": use_rep,
            "metric": metric.value,
            "within": within,
            "key_added": neighbors_key,
        }
        asked = new_neighbors or bool(given & {*found_anew})
        of_folds = {"n_repeats": n_repeats, "gene_clusters": gene_clusters}
        of_moments = {"moments": moments, "fit_offset": fit_offset, "fit_offset2": fit_offset2}
        options = {
            "min_shared_counts": min_shared_counts,
            "min_shared_cells": min_shared_cells,
            "min_spliced_counts": min_spliced_counts,
            "min_unspliced_counts": min_unspliced_counts,
            "min_spliced_cells": min_spliced_cells,
            "min_unspliced_cells": min_unspliced_cells,
            "retain": list(retain or []),
            "size_factors": _sizes(size_factors, spliced_size, unspliced_size, counts),
            "neighbors": _neighbors(**found_anew) if asked else neighbors_key,
            "mode": _mode(mode, of_moments, given),
            "weights": _weights(weights, low, high),
            "offset": {"none": False, "free": True}.get(offset.value, offset.value),
            "gamma_by": gamma_by,
            "gamma_bounds": gamma_bounds,
            "offset_bounds": offset_bounds,
            "bounds": None if bounds is None else bounds.value,
            "min_r2": min_r2,
            "min_gamma": min_gamma,
            "uncertainty": _errors(uncertainty, level, of_folds, given),
            "sample_key": sample_key,
            "dense": dense,
            "rng": rng,
            "max_memory": max_memory,
            "n_threads": n_threads,
        }
        speech.say(f"reading {path}")
        with speech.heard():
            adata = read_counts(
                path,
                ambiguous,
                spliced=spliced,
                unspliced=unspliced,
                filtered=filtered,
                cell_attribute=cell_attribute,
                gene_attribute=gene_attribute,
                cells=cells,
                min_molecules=min_molecules,
            )

        with importing():
            from ._analysis import analyse  # noqa: PLC0415

        analyse(
            adata,
            target,
            context=context,
            speech=speech,
            dry_run=dry_run,
            page=report,
            color=None if color == "none" else color,
            groupby=None if groupby == "none" else groupby,
            basis=basis,
            force=force,
            **options,
        )


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _sizes(
    method: SizeFactorMethod,
    spliced_size: str | None,
    unspliced_size: str | None,
    counts: CountsChoice,
) -> Any:
    from steadyvelo._choices import SizeFactors  # noqa: PLC0415

    sizes = {"spliced_size": spliced_size, "unspliced_size": unspliced_size}
    return SizeFactors(method=method.value, counts=counts.value, **sizes)


def _neighbors(**options: Any) -> Neighbors:
    from steadyvelo._choices import Neighbors  # noqa: PLC0415

    return Neighbors(**options)


def _weights(rule: str, low: float | None, high: float | None) -> str | Extremes:
    """Return the rule, or extreme cells with quantiles."""
    if low is None and high is None:
        return rule
    from steadyvelo._choices import Extremes  # noqa: PLC0415

    if rule != "extremes":
        msg = f"--low and --high need --weights extremes; it is {rule!r}."
        raise ValueError(msg)
    return Extremes(low, high)


def _mode(mode: Mode, of_moments: dict[str, Any], given: set[str]) -> str | Stochastic:
    """Return the mode; raise an error for options that it does not have."""
    if mode is Mode.stochastic:
        from steadyvelo._choices import Stochastic  # noqa: PLC0415

        return Stochastic(**of_moments | {"moments": of_moments["moments"].value})
    _refuse_unused(given & {*of_moments}, f"--mode {mode.value}")
    return mode.value


def _errors(
    method: Uncertainty, level: float, of_folds: dict[str, Any], given: set[str]
) -> CrossFit | Sandwich | None:
    """Return the method of errors; raise an error for options that it does not have."""
    from steadyvelo._choices import CrossFit, Sandwich  # noqa: PLC0415

    if method is Uncertainty.crossfit:
        return CrossFit(level=level, **of_folds)
    unused = given & ({*of_folds, "level"} if method is Uncertainty.none else {*of_folds})
    _refuse_unused(unused, f"--uncertainty {method.value}")
    return None if method is Uncertainty.none else Sandwich(level=level)


def _refuse_unused(unused: set[str], choice: str) -> None:
    """Raise an error for options that have no effect on a choice."""
    if unused:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(unused))
        msg = f"{choice} does not use {names}; leave it out."
        raise ValueError(msg)
