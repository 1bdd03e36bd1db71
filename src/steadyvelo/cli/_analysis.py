"""The work of the commands `run` and `demo`: all steps, the result file and pictures."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._groups import check_clusters, cluster_column
from steadyvelo._log import remark
from steadyvelo._run._planned import plan
from steadyvelo._run._run import run
from steadyvelo._run._used_part import sharing_counts
from steadyvelo.io._anndata_files import write_into
from steadyvelo.io._files import check_target, replacing_together

from ._summary import json_summary

if TYPE_CHECKING:
    from pathlib import Path

    import typer
    from anndata import AnnData

    from ._speech import Speech

__all__ = ["analyse"]

# ends of the file names of pictures
_PICTURES = ("stream", "phase_portraits")
_N_PORTRAITS = 8


def analyse(
    adata: AnnData,
    target: Path,
    *,
    color: str | None,
    groupby: str | None,
    context: typer.Context,
    speech: Speech,
    dry_run: bool = False,
    page: bool = False,
    **options: Any,
) -> AnnData | None:
    """Run every step, write result and pictures, and print verdicts and a summary.

    The command line of `context` is recorded in the result. `page` also writes a report. `dry_run`
    only prints the plan.
    """
    _check_columns(adata, color, groupby, page=page)
    beside = [target.with_name(f"{target.stem}_{name}.png") for name in _PICTURES]
    report = target.with_name(f"{target.stem}_report.html")
    if page:
        beside.append(report)
    written = [target, *(check_target(path) for path in beside)]
    if dry_run:
        with speech.heard():
            planned = str(plan(adata, groupby=groupby, **options))
        speech.say(f"plan: {planned}")
        speech.say("would write " + ", ".join(map(str, written)))
        speech.sum_up({"plan": planned, "would_write": [str(path) for path in written]})
        return None
    with speech.heard():
        # the counts are read for this command only
        with sharing_counts():
            result = run(adata, groupby=groupby, progress=speech.bars, **options)
        _keys.RUN.read(result)["command"] = _command_line(context)
        failed = _write(result, written, color=color, speech=speech, **options)
        if isinstance(failed, KeyboardInterrupt):
            remark(f"{target} was written, but its pictures and report were not")
            raise failed
        if failed is not None:
            msg = f"{target} was written, but its pictures and report were not: {failed}"
            raise ValueError(msg) from failed
        if report not in written and report.exists():
            again = f"steadyvelo report {shlex.quote(str(target))} --out {shlex.quote(str(report))}"
            remark(f"{report} is that of an earlier result; write it again: {again}")
    for path in written:
        speech.say(f"wrote {path}")
    speech.sum_up(json_summary(result, written))
    return result


def _check_columns(adata: AnnData, color: str | None, groupby: str | None, *, page: bool) -> None:
    """Raise an error, before anything is computed, for columns that are missing or no clusters."""
    if color not in {None, "auto"}:
        from steadyvelo.pl._colors import color_column  # noqa: PLC0415

        color_column(adata, color)
    if page and groupby not in {None, "auto"}:
        check_clusters(adata, groupby)


def _write(
    result: AnnData, paths: list[Path], **options: Any
) -> Exception | KeyboardInterrupt | None:
    """Write the result and the files beside it; return why these could not be written.

    The result stays if a picture fails, because it may have taken hours; pictures and report of an
    earlier result do not stay beside it.
    """
    with replacing_together(paths) as temporary:
        write_into(result, temporary[0])
        try:
            _write_beside(result, temporary[1:], paths[1:], **options)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (told, see above)
            for path in temporary[1:]:
                path.unlink()
            return error
    return None


def _write_beside(
    result: AnnData,
    paths: list[Path],
    names: list[Path],
    *,
    color: str | None,
    speech: Speech,
    **options: Any,
) -> None:
    """Write pictures and, if there is one more path, the report, whose target has a name."""
    basis = str(_keys.RUN.read(result)["basis"])
    params = _keys.PARAMS.read(result)
    judged = params.get("reliability", {}).get("groupby")
    of_lines = color
    if color == "auto" and color not in result.obs:
        color = judged or cluster_column(result)
        # the lines of categories of cells have the colours of their cells
        of_lines = params.get("gamma_by", color)
    remark("pictures …")
    pictures = paths[: len(_PICTURES)]
    _write_pictures(result, pictures, color=color, of_lines=of_lines, basis=basis)
    for path, named in zip(paths[len(_PICTURES) :], names[len(_PICTURES) :], strict=True):
        from steadyvelo.report._write import write_page  # noqa: PLC0415

        write_page(
            result,
            path,
            groupby=judged or "auto",
            basis=basis,
            title=f"RNA velocity of {named.stem.removesuffix('_report')}",
            max_memory=options.get("max_memory"),
            n_threads=options.get("n_threads"),
            progress=speech.bars,
        )


def _write_pictures(
    result: AnnData, paths: list[Path], *, color: str | None, of_lines: str | None, basis: str
) -> None:
    """Write the stream, and phase portraits of genes with many counts and the largest R²."""
    mpl.use("agg")
    from steadyvelo import pl  # noqa: PLC0415 (after the backend is chosen)
    from steadyvelo.pl._save import save_png  # noqa: PLC0415

    good = result.var[_keys.VELOCITY_GENES.values(result)]
    # genes with counts in only a few cells can have the largest R², but show nothing
    seen = good[_keys.SHARED_COUNTS.of()] >= good[_keys.SHARED_COUNTS.of()].median()
    best = good[seen].sort_values(_keys.R2.of(), ascending=False).index[:_N_PORTRAITS]
    drawings = (
        pl.velocity_stream(result, basis=basis, color=color),
        pl.phase_portrait(result, list(best), color=of_lines),
    )
    for axes, path in zip(drawings, paths, strict=True):
        figure = pd.Series(axes, dtype=object).iloc[0].figure
        save_png(figure, path, dpi=150)
        mpl.pyplot.close(figure)


def _command_line(context: typer.Context) -> str:
    """Return the command line for a shell: all given arguments, options by their long names."""
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
        elif parameter.nargs > 1:
            words += [parameter.opts[0], *map(str, values)]
        else:
            for one in values:
                words += _option(parameter, one)
    return shlex.join(words)


def _option(parameter: Any, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [parameter.opts[0] if value else parameter.secondary_opts[0]]
    return [parameter.opts[0], str(value)]
