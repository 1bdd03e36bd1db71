"""What `run` and `demo` do with an AnnData: checks, all steps, result and pictures."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["analyse", "inspect_first"]


def inspect_first(adata: Any, *, spliced: str, unspliced: str, force: bool) -> None:
    """Print what the quality checks found, and refuse to go on where one says stop."""
    from steadyvelo.pp import qc  # noqa: PLC0415

    from ._verdicts import refuse_stop, verdict_lines  # noqa: PLC0415

    table = qc(adata, spliced=spliced, unspliced=unspliced)
    for line in verdict_lines(table[table["verdict"] != "ok"]):
        typer.echo(line, err=True)
    if not force:
        refuse_stop(table, remedy="; --force runs all the same")


def analyse(
    adata: Any, target: Path, *, color: str | None, clusters: str | None, **options: Any
) -> Any:
    """Run every step, write result and pictures, and print what is supported and the summary."""
    from steadyvelo import _keys  # noqa: PLC0415
    from steadyvelo._run import run as run_steps  # noqa: PLC0415
    from steadyvelo._run import summary  # noqa: PLC0415
    from steadyvelo.io import write_h5ad  # noqa: PLC0415
    from steadyvelo.io._files import replacing  # noqa: PLC0415

    from ._pictures import write_pictures  # noqa: PLC0415
    from ._progress import showing  # noqa: PLC0415
    from ._verdicts import reliability_lines  # noqa: PLC0415

    if color is not None:
        # before anything is computed
        from steadyvelo.pl._colors import color_column  # noqa: PLC0415

        color_column(adata, color)
    if clusters is None:
        there = [name for name in _keys.CLUSTER_COLUMNS if name in adata.obs]
        clusters = next((name for name in there if adata.obs[name].notna().any()), None)
    with showing() as report, ExitStack() as files:
        result = run_steps(
            adata,
            report=report,
            announce=lambda plan: typer.echo(f"plan: {plan}", err=True),
            groupby=clusters,
            **options,
        )
        report("writing", 0.0)
        # result and pictures get their names together, when all are complete
        write_h5ad(result, files.enter_context(replacing(target)))
        report("writing", 1.0)
        report("pictures", 0.0)
        pictures = write_pictures(
            result, target, files, color=color, basis=options.get("basis", "umap")
        )
        report("pictures", 1.0)
    for line in reliability_lines(result, options.get("basis", "umap")):
        typer.echo(line)
    typer.echo(summary(result))
    for path in [target, *pictures]:
        typer.echo(f"wrote {path}")
    return result
