"""One picture of a result."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steadyvelo._version import __version__

from ._errors import plain_errors
from ._speech import AsJson, Quiet, Speech

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["plot"]


Picture = StrEnum(
    "Picture", "stream grid arrows control graph phase gene heatmap rank proportions reliability"
)


def plot(
    result: Annotated[Path, typer.Argument(help="h5ad file that `steadyvelo run` wrote.")],
    picture: Annotated[Picture, typer.Argument(help="What to draw.")],
    out: Annotated[Path, typer.Option(help="File to write; its ending decides the format.")],
    genes: Annotated[
        list[str] | None, typer.Option("--gene", help="A gene; may be given several times.")
    ] = None,
    cells: Annotated[
        list[str] | None, typer.Option("--cell", help="A cell whose edges are drawn.")
    ] = None,
    basis: Annotated[str, typer.Option(help="Embedding.")] = "umap",
    color: Annotated[
        str | None, typer.Option(help="Column of obs to colour or group by (found if not given).")
    ] = None,
    velocity_key: Annotated[str, typer.Option(help="Prefix of the result.")] = "velocity",
    dpi: Annotated[float, typer.Option(min=20, help="Points per inch of pixels.")] = 150,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Draw a picture of RESULT and write it to a png, svg, pdf or any other format of matplotlib.

    Example: steadyvelo plot result.h5ad stream --out stream.pdf --color clusters

    Example: steadyvelo plot result.h5ad phase --gene Ins2 --gene Gcg --out portraits.png
    """
    with plain_errors(quiet=quiet):
        import matplotlib as mpl  # noqa: PLC0415

        mpl.use("agg")
        from steadyvelo._adata._groups import cluster_column  # noqa: PLC0415
        from steadyvelo.io._anndata_files import load_h5ad  # noqa: PLC0415
        from steadyvelo.io._files import check_target, replacing  # noqa: PLC0415

        speech = Speech(quiet, as_json)
        target = check_target(out)
        _check_format(target)
        adata = load_h5ad(result)
        if color is None:
            color = cluster_column(adata)
        named = list(genes or [])
        where = {"basis": basis.removeprefix("X_"), "velocity_key": velocity_key}
        _check_named(picture, named, color)
        _compute_missing(adata, picture, speech, **where)
        axes = _draw(adata, picture, named, list(cells or []), {"color": color, **where})
        figure = getattr(axes, "figure", None) or axes.ravel()[0].figure
        with replacing(target) as file:
            figure.savefig(file, dpi=dpi, format=target.suffix.removeprefix("."))
        speech.say(f"wrote {target}")
        speech.sum_up({"version": __version__, "files": [str(target)]})


def _check_format(target: Path) -> None:
    """Refuse a file whose ending names no format, before anything is read."""
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415

    formats = FigureCanvasBase.get_supported_filetypes()
    if target.suffix.removeprefix(".").lower() not in formats:
        msg = f"{target.name} ends in no format of a picture; choose from {', '.join(formats)}."
        raise ValueError(msg)


def _check_named(picture: Picture, genes: list[str], color: str | None) -> None:
    """Refuse a picture of genes or groups where none are named."""
    if picture in {Picture.phase, Picture.gene, Picture.heatmap} and not genes:
        msg = f"{picture.value} needs genes: name them as --gene NAME, several times for several."
        raise ValueError(msg)
    if picture is Picture.rank and color is None:
        msg = "rank needs groups: name their column as --color."
        raise ValueError(msg)


def _compute_missing(
    adata: AnnData, picture: Picture, speech: Speech, *, basis: str, velocity_key: str
) -> None:
    """Compute what a picture shows and `run` did not."""
    from steadyvelo import _keys, tl  # noqa: PLC0415

    if picture is Picture.control and not _keys.RANDOMIZED.is_in(adata, velocity_key, basis):
        speech.aside("randomising velocities")
        tl.randomized_velocity(adata, basis=basis, velocity_key=velocity_key)
    if picture is Picture.heatmap and not _keys.PSEUDOTIME.is_in(adata, velocity_key):
        speech.aside("finding pseudotime")
        tl.velocity_pseudotime(adata, velocity_key=velocity_key)


def _draw(
    adata: AnnData, picture: Picture, genes: list[str], cells: list[str], here: dict[str, Any]
) -> Any:
    """Return the axes of a picture; `here` are basis, colour and prefix of the result."""
    from steadyvelo import pl  # noqa: PLC0415

    color, key = here["color"], {"velocity_key": here["velocity_key"]}
    pictures: dict[Picture, Any] = {
        Picture.stream: lambda: pl.velocity_stream(adata, **here),
        Picture.grid: lambda: pl.velocity_grid(adata, **here),
        Picture.arrows: lambda: pl.velocity_arrows(adata, **here),
        Picture.control: lambda: pl.control(adata, **here),
        Picture.graph: lambda: pl.velocity_graph(adata, cells or None, **here),
        Picture.phase: lambda: pl.phase_portrait(adata, genes, color=color, **key),
        Picture.gene: lambda: pl.gene_velocity(adata, genes, **here),
        Picture.heatmap: lambda: pl.heatmap(adata, genes, color=color, **key),
        Picture.rank: lambda: pl.rank_genes(adata, str(color), **key),
        Picture.proportions: lambda: pl.proportions(adata, color),
        Picture.reliability: lambda: pl.reliability(adata, **key),
    }
    return pictures[picture]()
