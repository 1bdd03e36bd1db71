"""What `run` and `demo` do with an AnnData: checks, all steps, result and pictures."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ._speech import Speech

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["analyse", "inspect_first"]


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
    page: bool = False,
    **options: Any,
) -> Any:
    """Run every step, write result and pictures, and print what is supported and the summary.

    `command` is written into the result; `page` asks for a report as well. With `dry_run` the plan
    is printed and nothing else is done.
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

    if page:
        from steadyvelo.report import write as write_report  # noqa: PLC0415
    if color is not None:
        # before anything is computed
        from steadyvelo.pl._colors import color_column  # noqa: PLC0415

        color_column(adata, color)
    if clusters is None:
        there = [name for name in _keys.CLUSTER_COLUMNS if name in adata.obs]
        clusters = next((name for name in there if adata.obs[name].notna().any()), None)
    if dry_run:
        speech.say(f"plan: {plan_of_run(adata, **options)}")
        beside = "pictures and a report" if page else "pictures"
        speech.say(f"would write {target}, and {beside} beside it")
        return None
    basis = options.get("basis", "umap")
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
        beside = write_pictures(result, target, files, color=color, basis=basis)
        report("pictures", 1.0)
        if page:
            beside.append(target.with_name(f"{target.stem}_report.html"))
            write_report(
                result,
                files.enter_context(replacing(beside[-1])),
                groupby=clusters,
                basis=basis,
                title=f"RNA velocity of {target.stem}",
                max_memory=options.get("max_memory"),
                n_threads=options.get("n_threads"),
                report=lambda step, share: report(f"report: {step}", share),
            )
    for line in reliability_lines(result, basis):
        speech.say(line)
    speech.say(summary(result))
    written = [target, *beside]
    for path in written:
        speech.say(f"wrote {path}")
    speech.sum_up(json_summary(result, written))
    return result
