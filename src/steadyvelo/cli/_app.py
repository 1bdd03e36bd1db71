"""The program `steadyvelo` and its commands."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from steadyvelo._version import __version__

from ._analysis import Speech, analyse, inspect_first
from ._errors import INTERRUPTED, plain_errors
from ._plot import plot

__all__ = ["main"]


app = typer.Typer(
    help="Steady-state RNA velocity: from spliced and unspliced counts to arrows.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


class Uncertainty(StrEnum):
    """How errors of the ratios are found."""

    none = "none"
    sandwich = "sandwich"
    crossfit = "crossfit"


class Offset(StrEnum):
    """How the fit treats unspliced signal without spliced transcript."""

    none = "none"
    free = "free"
    nonnegative = "nonnegative"


class SizeFactors(StrEnum):
    """One size factor per layer, or one for both."""

    per_layer = "per_layer"
    common = "common"


class AmbiguousChoice(StrEnum):
    """What becomes of ambiguous molecules."""

    default = "default"
    drop = "drop"
    spliced = "spliced"
    unspliced = "unspliced"
    keep = "keep"


def main() -> None:
    """Run the program."""
    try:
        app()
    except KeyboardInterrupt:
        # before or after a command's own handling: while modules are imported, say
        typer.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def run(
    counts: Annotated[Path, typer.Argument(help="h5ad file with spliced and unspliced counts.")],
    out: Annotated[Path, typer.Option(help="h5ad file to write; pictures go beside it.")],
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
        str | None,
        typer.Option(help="Column of obs with clusters to judge (found if not given)."),
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a summary for programs instead of lines.")
    ] = False,
) -> None:
    """Compute velocities and arrows from COUNTS.

    Ends with 0 when all is done, 2 for wrong usage, 3 for input that cannot be used, 4 where the
    data hold too little splicing signal for velocities, 130 after Ctrl-C.

    Example: steadyvelo run counts.h5ad --out result.h5ad

    Example: steadyvelo run counts.h5ad --out result.h5ad --json --quiet > summary.json
    """
    with plain_errors(quiet=quiet):
        from steadyvelo.io._files import check_target  # noqa: PLC0415
        from steadyvelo.io._h5ad import load_h5ad  # noqa: PLC0415

        target = check_target(out)
        if target.exists() and counts.exists() and target.samefile(counts):
            msg = f"{out} is the input, whose unused genes would be lost; name another file."
            raise ValueError(msg)
        speech = Speech(quiet, as_json)
        speech.say(f"reading {counts}")
        adata = load_h5ad(counts)
        inspect_first(adata, spliced=spliced, unspliced=unspliced, force=force, speech=speech)
        analyse(
            adata,
            target,
            speech=speech,
            dry_run=dry_run,
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


@app.command()
def inspect(
    counts: Annotated[Path, typer.Argument(help="h5ad file, or what a counter wrote.")],
    groupby: Annotated[str | None, typer.Option(help="Column of obs to compare.")] = None,
    spliced: Annotated[str | None, typer.Option(help="Layer of spliced counts.")] = None,
    unspliced: Annotated[str | None, typer.Option(help="Layer of unspliced counts.")] = None,
) -> None:
    """Check the counts before anything is fitted, a verdict a line.

    Ends with 3 where a verdict is "stop".

    Example: steadyvelo inspect counts.h5ad --groupby sample
    """
    with plain_errors():
        from steadyvelo.io import read  # noqa: PLC0415
        from steadyvelo.pp import qc  # noqa: PLC0415

        from ._verdicts import proportion_lines, refuse_stop, verdict_lines  # noqa: PLC0415

        adata = read(counts, spliced=spliced, unspliced=unspliced)
        table = qc(adata, groupby=groupby)
        typer.echo("\n".join(verdict_lines(table)))
        if groupby is not None:
            typer.echo("\n".join(proportion_lines(adata)))
        refuse_stop(table)


@app.command("import")
def import_counts(
    path: Annotated[Path, typer.Argument(help="File or folder that a counter wrote.")],
    out: Annotated[Path, typer.Option(help="h5ad file to write.")],
    ambiguous: Annotated[
        AmbiguousChoice,
        typer.Option(help="What becomes of ambiguous molecules; default is what the tool means."),
    ] = AmbiguousChoice.default,
    spliced: Annotated[str | None, typer.Option(help="Layer of spliced counts.")] = None,
    unspliced: Annotated[str | None, typer.Option(help="Layer of unspliced counts.")] = None,
) -> None:
    """Read the counts at PATH, whichever tool wrote them, and write them as h5ad.

    STARsolo (Velocyto), kb-python (nac, lamanno), alevin-fry (USA mode), velocyto's loom, h5ad
    and zarr are recognised by their content.

    Example: steadyvelo import Solo.out --out counts.h5ad
    """
    with plain_errors():
        import logging  # noqa: PLC0415

        from steadyvelo.io import read, write_h5ad  # noqa: PLC0415
        from steadyvelo.io._files import check_target  # noqa: PLC0415

        logging.basicConfig(level=logging.INFO, format="%(message)s")
        target = check_target(out)
        adata = read(path, ambiguous=ambiguous.value, spliced=spliced, unspliced=unspliced)
        write_h5ad(adata, target)
        typer.echo(f"wrote {target}: {adata.n_obs:,} cells × {adata.n_vars:,} genes")


@app.command()
def attach(
    analysed: Annotated[Path, typer.Argument(help="h5ad file that was analysed without counts.")],
    counts: Annotated[
        list[str],
        typer.Argument(help="What a counter wrote; for several samples SAMPLE=PATH of each."),
    ],
    out: Annotated[Path, typer.Option(help="h5ad file to write.")],
    sample: Annotated[
        str | None, typer.Option(help="Column of obs that holds the sample of each cell.")
    ] = None,
    min_overlap: Annotated[float, typer.Option(help="Share of cells that must be found.")] = 0.9,
    ambiguous: Annotated[
        AmbiguousChoice, typer.Option(help="What becomes of ambiguous molecules.")
    ] = AmbiguousChoice.default,
) -> None:
    """Bring spliced and unspliced counts to the cells of ANALYSED.

    Example: steadyvelo attach cells.h5ad lung=run1/Solo.out liver=run2/Solo.out --sample organ
    --out counts.h5ad
    """
    with plain_errors():
        from steadyvelo.io import attach_counts, read, write_h5ad  # noqa: PLC0415
        from steadyvelo.io._files import check_target  # noqa: PLC0415
        from steadyvelo.io._h5ad import load_h5ad  # noqa: PLC0415

        target = check_target(out)
        named = [entry.partition("=") for entry in counts]
        if len(counts) > 1 and not all(separator for _, separator, _ in named):
            msg = f"several counts need names, as in SAMPLE=PATH; got {' '.join(counts)}."
            raise ValueError(msg)
        adata = load_h5ad(analysed)
        # a path may hold "=" itself
        if len(counts) == 1 and (Path(counts[0]).exists() or not named[0][1]):
            tables = read(counts[0], ambiguous=ambiguous.value)
        else:
            tables = {name: read(path, ambiguous=ambiguous.value) for name, _, path in named}
        attach_counts(adata, tables, sample=sample, min_overlap=min_overlap)
        write_h5ad(adata, target)
        typer.echo(f"wrote {target}")


app.command()(plot)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("demo"),
    cells: Annotated[int, typer.Option(min=100, help="Cells to simulate.")] = 2000,
    genes: Annotated[int, typer.Option(min=50, help="Genes to simulate.")] = 400,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> None:
    """Simulate data with known truth, run everything on them, and compare.

    Example: steadyvelo demo --out demo
    """
    with plain_errors():
        from steadyvelo import _keys  # noqa: PLC0415
        from steadyvelo.datasets import simulate  # noqa: PLC0415
        from steadyvelo.metrics import (  # noqa: PLC0415
            agreement_with_truth,
            cross_boundary_direction,
        )

        if out.exists() and not out.is_dir():
            msg = f"{out} is a file; name a folder."
            raise NotADirectoryError(msg)
        out.mkdir(parents=True, exist_ok=True)
        typer.echo(f"simulating {cells:,} cells × {genes:,} genes")
        adata = simulate(n_cells=cells, n_genes=genes, rng=seed)
        result = analyse(
            adata,
            out / "result.h5ad",
            color="clusters",
            clusters="clusters",
            uncertainty="crossfit",
            rng=seed,
        )
        close = agreement_with_truth(result)
        edges = [tuple(edge) for edge in result.uns[_keys.TRUE_EDGES.of()]]
        along = cross_boundary_direction(result, edges)
        typer.echo("\nagreement with the truth (1 is perfect)")
        for what, value in (
            ("ratios, rank correlation", close["gamma_rank_correlation"]),
            ("velocities per gene, correlation", close["velocity_correlation"]),
            ("velocities per cell, cosine", close["cell_cosine"]),
            ("arrows at cluster borders, cosine", along["cosine"].mean()),
        ):
            typer.echo(f"  {what:<38} {value:.3f}")
