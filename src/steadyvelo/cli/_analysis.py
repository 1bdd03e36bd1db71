"""What `run` and `demo` do with an AnnData: checks, all steps, result and pictures."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._groups import check_clusters, cluster_column
from steadyvelo._run import _run
from steadyvelo._run._chosen_genes import plan_of_run
from steadyvelo.io import write_h5ad
from steadyvelo.io._files import replacing
from steadyvelo.pp import qc

from ._summary import json_summary, refuse_stop, reliability_lines, verdict_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import typer
    from anndata import AnnData

    from ._speech import Speech

__all__ = ["analyse", "inspect_first"]

# the pictures beside a result, by the end of their names
_PICTURES = ("stream", "phase_portraits")
_N_PORTRAITS = 8


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
    context: typer.Context,
    speech: Speech,
    dry_run: bool = False,
    page: bool = False,
    **options: Any,
) -> AnnData | None:
    """Run every step, write result and pictures, and print what is supported and the summary.

    The command of the context is written into the result; `page` asks for a report as well. With
    `dry_run` the plan is printed and nothing else is done.
    """
    clusters = _checked_columns(adata, color, clusters, page=page)
    beside = [target.with_name(f"{target.stem}_{name}.png") for name in _PICTURES]
    if page:
        beside.append(target.with_name(f"{target.stem}_report.html"))
    written = [target, *beside]
    if dry_run:
        plan = str(plan_of_run(adata, **options))
        speech.say(f"plan: {plan}")
        speech.say("would write " + ", ".join(map(str, written)))
        speech.sum_up({"plan": plan, "would_write": [str(path) for path in written]})
        return None
    with speech.progress() as report:
        result = _run.run(
            adata,
            report=report,
            announce=lambda plan: speech.aside(f"plan: {plan}"),
            groupby=clusters,
            **options,
        )
        _keys.RUN.read(result)["command"] = _command_line(context)
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
        _write_pictures(result, temporary[: len(_PICTURES)], color=color, basis=basis)
        report("pictures", 1.0)
        for path, named in zip(temporary[len(_PICTURES) :], paths[len(_PICTURES) :], strict=True):
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


def _write_pictures(result: AnnData, paths: list[Path], *, color: str | None, basis: str) -> None:
    """Write the stream, and phase portraits of the well-counted genes that fit best.

    Without `color` a column with a usual name is taken.
    """
    mpl.use("agg")
    from steadyvelo import pl  # noqa: PLC0415 (after the backend is chosen)

    if color is None:
        color = cluster_column(result)
    good = result.var[_keys.VELOCITY_GENES.values(result)]
    # a gene seen in a handful of cells can fit best of all, and shows nothing
    seen = good[_keys.SHARED_COUNTS.of()] >= good[_keys.SHARED_COUNTS.of()].median()
    best = good[seen].sort_values(_keys.R2.of(), ascending=False).index[:_N_PORTRAITS]
    drawings = (
        pl.velocity_stream(result, basis=basis, color=color),
        pl.phase_portrait(result, list(best), color=color),
    )
    for axes, path in zip(drawings, paths, strict=True):
        figure = pd.Series(axes, dtype=object).iloc[0].figure
        figure.savefig(path, dpi=150)
        mpl.pyplot.close(figure)


def _command_line(context: typer.Context) -> str:
    """Return the command as it can be pasted: all that was named, options by their long names."""
    words = ["steadyvelo", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        if parameter.param_type_name == "argument":
            words += map(str, values)
        else:
            for one in values:
                words += _option(parameter, one)
    return shlex.join(words)


def _option(parameter: Any, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [parameter.opts[0] if value else parameter.secondary_opts[0]]
    return [parameter.opts[0], str(value)]
