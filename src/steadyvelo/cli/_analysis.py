"""What `run` and `demo` do with an AnnData: checks, all steps, result and pictures."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from steadyvelo import _keys
from steadyvelo._adata._groups import check_clusters, cluster_column
from steadyvelo._run import _run
from steadyvelo._run._chosen_genes import plan_of_run
from steadyvelo.io import write_h5ad
from steadyvelo.io._files import replacing
from steadyvelo.pp import qc

from ._pictures import PICTURES, write_pictures
from ._progress import showing
from ._summary import json_summary
from ._verdicts import refuse_stop, reliability_lines, verdict_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anndata import AnnData

    from ._speech import Speech

__all__ = ["analyse", "inspect_first"]


def inspect_first(adata: AnnData, *, force: bool, speech: Speech, **columns: str | None) -> None:
    """Print what the quality checks found, and refuse to go on where one says stop."""
    table = qc(adata, **columns)
    # sizes of a selection of genes are warned of where they are taken
    told = table[(table["verdict"] != "ok") & (table.index != "library sizes")]
    for line in verdict_lines(told):
        speech.aside(line)
    if not force:
        refuse_stop(table, remedy="; --force runs all the same")


def analyse(
    adata: AnnData,
    target: Path,
    *,
    color: str | None,
    clusters: str | None,
    command: str,
    speech: Speech,
    dry_run: bool = False,
    page: bool = False,
    **options: Any,
) -> AnnData | None:
    """Run every step, write result and pictures, and print what is supported and the summary.

    `command` is written into the result; `page` asks for a report as well. With `dry_run` the plan
    is printed and nothing else is done.
    """
    clusters = _checked_columns(adata, color, clusters, page=page)
    beside = [target.with_name(f"{target.stem}_{name}.png") for name in PICTURES]
    if page:
        beside.append(target.with_name(f"{target.stem}_report.html"))
    written = [target, *beside]
    if dry_run:
        _say_plan(str(plan_of_run(adata, **options)), written, speech)
        return None
    with showing(quiet=speech.quiet) as report:
        result = _run.run(
            adata,
            report=report,
            announce=lambda plan: speech.aside(f"plan: {plan}"),
            groupby=clusters,
            **options,
        )
        _keys.RUN.read(result)["command"] = command
        report("writing", 0.0)
        write_h5ad(result, target)
        report("writing", 1.0)
        try:
            _write_beside(result, beside, clusters=clusters, color=color, report=report, **options)
        except (ValueError, KeyError, TypeError, OSError, MemoryError) as error:
            # hours of work are not lost for a picture
            msg = f"{target} is written, but what belongs beside it is not: {error}"
            raise ValueError(msg) from error
    for line in reliability_lines(result, options.get("basis", "umap")):
        speech.say(line)
    speech.say(_run.summary(result))
    for path in written:
        speech.say(f"wrote {path}")
    speech.sum_up(json_summary(result, written))
    return result


def _checked_columns(
    adata: AnnData, color: str | None, clusters: str | None, *, page: bool
) -> str | None:
    """Return the column of clusters; refuse, before anything is computed, what is not there."""
    if color is not None:
        from steadyvelo.pl._colors import color_column  # noqa: PLC0415

        color_column(adata, color)
    if clusters is None:
        return cluster_column(adata)
    if page:
        check_clusters(adata, clusters)
    return clusters


def _say_plan(plan: str, files: list[Path], speech: Speech) -> None:
    speech.say(f"plan: {plan}")
    speech.say("would write " + ", ".join(map(str, files)))
    speech.sum_up({"plan": plan, "would_write": [str(path) for path in files]})


def _write_beside(
    result: AnnData,
    paths: list[Path],
    *,
    clusters: str | None,
    color: str | None,
    report: Callable[[str, float], None],
    **options: Any,
) -> None:
    """Write pictures and, where its name is among the paths, the page: all of them or none."""
    basis = options.get("basis", "umap")
    with ExitStack() as files:
        # they get their names together, when all are complete
        temporary = [files.enter_context(replacing(path)) for path in paths]
        report("pictures", 0.0)
        write_pictures(result, temporary[: len(PICTURES)], color=color, basis=basis)
        report("pictures", 1.0)
        for path, named in zip(temporary[len(PICTURES) :], paths[len(PICTURES) :], strict=True):
            from steadyvelo.report import write  # noqa: PLC0415

            write(
                result,
                path,
                groupby=clusters,
                basis=basis,
                title=f"RNA velocity of {named.stem.removesuffix('_report')}",
                max_memory=options.get("max_memory"),
                n_threads=options.get("n_threads"),
                report=lambda step, share: report(f"report: {step}", share),
            )
