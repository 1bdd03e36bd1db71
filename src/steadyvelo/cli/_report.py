"""A page about a result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steadyvelo._version import __version__

from ._errors import plain_errors
from ._speech import AsJson, Quiet, Speech

__all__ = ["report"]


def report(
    result: Annotated[Path, typer.Argument(help="h5ad file that `steadyvelo run` wrote.")],
    out: Annotated[Path, typer.Option(help="html file to write.")],
    clusters: Annotated[
        str | None, typer.Option(help="Column of obs with clusters (found if not given).")
    ] = None,
    basis: Annotated[str, typer.Option(help="Embedding of the arrows.")] = "umap",
    velocity_key: Annotated[str, typer.Option(help="Prefix of the result.")] = "velocity",
    title: Annotated[str | None, typer.Option(help="What stands at the top.")] = None,
    portraits: Annotated[int, typer.Option(help="Best and worst genes that are drawn.")] = 8,
    seed: Annotated[int, typer.Option(help="Seed of the control, where there is none.")] = 0,
    max_memory: Annotated[
        float | None, typer.Option(help="Gigabytes that gene blocks may take.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads (all processors).")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write one page about RESULT: what the data support first, arrows second.

    The page needs no other file and asks for none. RESULT stays as it is.

    Example: steadyvelo report result.h5ad --out report.html --title "Mouse pancreas"
    """
    with plain_errors(quiet=quiet):
        from steadyvelo.io._anndata_files import load_h5ad  # noqa: PLC0415
        from steadyvelo.io._files import check_target  # noqa: PLC0415

        speech = Speech(quiet, as_json)
        target = check_target(out)
        adata = load_h5ad(result)
        import matplotlib as mpl  # noqa: PLC0415

        mpl.use("agg")
        from steadyvelo.report import headline, write  # noqa: PLC0415

        with speech.heard():
            write(
                adata,
                target,
                groupby=clusters,
                basis=basis,
                velocity_key=velocity_key,
                title=title or f"RNA velocity of {result.stem}",
                n_portraits=portraits,
                rng=seed,
                max_memory=None if max_memory is None else max_memory * 1e9,
                n_threads=threads,
                progress=speech.bars,
            )
        speech.say(f"wrote {target}")
        said = headline(adata, velocity_key, basis.removeprefix("X_"))
        written = {"files": [str(target)], "bytes": target.stat().st_size}
        speech.sum_up({"version": __version__, **written, "headline": said})
