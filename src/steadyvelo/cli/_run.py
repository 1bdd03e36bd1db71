"""From counts to arrows."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ._errors import plain_errors
from ._speech import AsJson, Quiet, Speech

__all__ = ["run"]


Uncertainty = StrEnum("Uncertainty", ["none", "sandwich", "crossfit"])
Offset = StrEnum("Offset", ["none", "free", "nonnegative"])
SizeFactors = StrEnum("SizeFactors", ["per_layer", "common"])


def run(
    context: typer.Context,
    counts: Annotated[Path, typer.Argument(help="h5ad file with spliced and unspliced counts.")],
    out: Annotated[
        Path, typer.Option(help="h5ad file to write; pictures and report go beside it.")
    ],
    min_shared_counts: Annotated[float, typer.Option(help="Use genes with so many.")] = 20,
    spliced_size: Annotated[
        str | None, typer.Option(help="Column of obs with a cell's spliced molecules.")
    ] = None,
    unspliced_size: Annotated[
        str | None, typer.Option(help="Column of obs with a cell's unspliced molecules.")
    ] = None,
    size_factors: Annotated[
        SizeFactors, typer.Option(help="One size factor per layer, or one for both.")
    ] = SizeFactors.per_layer,
    n_neighbors: Annotated[int, typer.Option(help="Neighbours, where there are none yet.")] = 30,
    new_neighbors: Annotated[
        bool, typer.Option("--new-neighbors", help="Find neighbours even where a graph exists.")
    ] = False,
    n_pcs: Annotated[int, typer.Option(help="Principal components for neighbours.")] = 30,
    offset: Annotated[Offset, typer.Option(help="Fit with an offset.")] = Offset.none,
    uncertainty: Annotated[
        Uncertainty, typer.Option(help="Errors of the ratios; crossfit also of the directions.")
    ] = Uncertainty.crossfit,
    splits: Annotated[int, typer.Option(help="Random cuts that crossfit averages over.")] = 5,
    clusters: Annotated[
        str | None, typer.Option(help="Column of obs with clusters to judge (found if not given).")
    ] = None,
    basis: Annotated[str, typer.Option(help="Embedding for the arrows.")] = "umap",
    color: Annotated[
        str | None, typer.Option(help="Column of obs to colour pictures by (found if not given).")
    ] = None,
    dense: Annotated[
        bool, typer.Option(help="Write the layers velocity, Ms and Mu, which scVelo reads.")
    ] = True,
    spliced: Annotated[str, typer.Option(help="Layer of spliced counts.")] = "spliced",
    unspliced: Annotated[str, typer.Option(help="Layer of unspliced counts.")] = "unspliced",
    seed: Annotated[int, typer.Option(help="Seed of neighbours and embedding.")] = 0,
    max_memory: Annotated[
        float | None, typer.Option(help="Gigabytes that layers and gene blocks may take.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads (all processors).")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Run although a quality check says stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan with its memory; compute nothing.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write a page about the result beside it, too.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compute velocities and arrows from COUNTS.

    Ends with 0 when all is done, 2 for wrong usage, 3 for input that cannot be used, 4 where the
    data hold too little splicing signal for velocities, 130 after Ctrl-C.

    Example: steadyvelo run counts.h5ad --out result.h5ad --report

    Example: steadyvelo run counts.h5ad --out result.h5ad --json --quiet > summary.json
    """
    with plain_errors(quiet=quiet):
        from steadyvelo.io._anndata_files import load_h5ad  # noqa: PLC0415
        from steadyvelo.io._files import check_target  # noqa: PLC0415

        target = check_target(out)
        if target.exists() and counts.exists() and target.samefile(counts):
            msg = f"{out} is the input, whose unused genes would be lost; name another file."
            raise ValueError(msg)
        speech = Speech(quiet, as_json)
        speech.say(f"reading {counts}")
        adata = load_h5ad(counts)

        from ._analysis import analyse, inspect_first  # noqa: PLC0415

        inspect_first(
            adata,
            force=force,
            speech=speech,
            spliced=spliced,
            unspliced=unspliced,
            spliced_size=spliced_size,
            unspliced_size=unspliced_size,
        )
        analyse(
            adata,
            target,
            context=context,
            speech=speech,
            dry_run=dry_run,
            page=report,
            color=color,
            min_shared_counts=min_shared_counts,
            size_factor_method=size_factors.value,
            spliced_size=spliced_size,
            unspliced_size=unspliced_size,
            n_neighbors=n_neighbors,
            n_pcs=n_pcs,
            new_neighbors=new_neighbors,
            offset={"none": False, "free": True, "nonnegative": "nonnegative"}[offset.value],
            uncertainty=None if uncertainty is Uncertainty.none else uncertainty.value,
            n_splits=splits,
            clusters=clusters,
            basis=basis,
            dense=dense,
            spliced=spliced,
            unspliced=unspliced,
            rng=seed,
            max_memory=None if max_memory is None else max_memory * 1e9,
            n_threads=threads,
        )
