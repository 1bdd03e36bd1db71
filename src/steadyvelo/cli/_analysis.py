"""What `run` and `demo` do with an AnnData: checks, all steps, result and pictures."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Speech", "analyse", "inspect_first"]


@dataclass(frozen=True)
class Speech:
    """What is printed: lines for people, one summary for programs, or nothing but errors."""

    quiet: bool = False
    as_json: bool = False

    def say(self, line: str) -> None:
        """Print a line to standard output, which belongs to the summary where one is asked for."""
        if not (self.quiet or self.as_json):
            typer.echo(line)

    def aside(self, line: str) -> None:
        """Print a line to standard error."""
        if not self.quiet:
            typer.echo(line, err=True)


def inspect_first(adata: Any, *, spliced: str, unspliced: str, force: bool, speech: Speech) -> None:
    """Print what the quality checks found, and refuse to go on where one says stop."""
    from steadyvelo.pp import qc  # noqa: PLC0415

    from ._verdicts import refuse_stop, verdict_lines  # noqa: PLC0415

    table = qc(adata, spliced=spliced, unspliced=unspliced)
    for line in verdict_lines(table[table["verdict"] != "ok"]):
        speech.aside(line)
    if not force:
        refuse_stop(table, remedy="; --force runs all the same")


def analyse(
    adata: Any,
    target: Path,
    *,
    color: str | None,
    clusters: str | None,
    command: str,
    speech: Speech | None = None,
    dry_run: bool = False,
    **options: Any,
) -> Any:
    """Run every step, write result and pictures, and print what is supported and the summary.

    `command` is written into the result. With `dry_run` the plan is printed and nothing else
    is done.
    """
    speech = speech or Speech()
    from steadyvelo import _keys  # noqa: PLC0415
    from steadyvelo._chosen_genes import plan_of_run  # noqa: PLC0415
    from steadyvelo._run import run as run_steps  # noqa: PLC0415
    from steadyvelo._run import summary  # noqa: PLC0415
    from steadyvelo.io import write_h5ad  # noqa: PLC0415
    from steadyvelo.io._files import replacing  # noqa: PLC0415

    from ._pictures import write_pictures  # noqa: PLC0415
    from ._progress import showing  # noqa: PLC0415
    from ._summary import json_summary  # noqa: PLC0415
    from ._verdicts import reliability_lines  # noqa: PLC0415

    if color is not None:
        # before anything is computed
        from steadyvelo.pl._colors import color_column  # noqa: PLC0415

        color_column(adata, color)
    if clusters is None:
        there = [name for name in _keys.CLUSTER_COLUMNS if name in adata.obs]
        clusters = next((name for name in there if adata.obs[name].notna().any()), None)
    if dry_run:
        speech.say(f"plan: {plan_of_run(adata, **options)}")
        speech.say(f"would write {target} and pictures beside it")
        return None
    with showing(quiet=speech.quiet) as report, ExitStack() as files:
        result = run_steps(
            adata,
            report=report,
            announce=lambda plan: speech.aside(f"plan: {plan}"),
            groupby=clusters,
            **options,
        )
        result.uns[_keys.RUN.of()]["command"] = command
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
        speech.say(line)
    speech.say(summary(result))
    written = [target, *pictures]
    for path in written:
        speech.say(f"wrote {path}")
    if speech.as_json:
        typer.echo(json.dumps(json_summary(result, written), indent=1))
    return result
