"""The command that draws one picture of a result."""

from __future__ import annotations

import inspect
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steadyvelo._log import remark
from steadyvelo._version import __version__

from ._errors import plain_errors
from ._imports import importing
from ._options import VelocityKey, seed
from ._speech import AsJson, Quiet, Speech

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["plot"]

# function of `pl` for each picture
_FUNCTIONS = {
    "stream": "velocity_stream",
    "grid": "velocity_grid",
    "arrows": "velocity_arrows",
    "control": "control",
    "graph": "velocity_graph",
    "flows": "cluster_graph",
    "paths": "paths",
    "phase": "phase_portrait",
    "gene": "gene_velocity",
    "heatmap": "heatmap",
    "rank": "rank_genes",
    "proportions": "proportions",
    "reliability": "reliability",
}
Picture = StrEnum("Picture", list(_FUNCTIONS))

# names of options that can be repeated
_WRITTEN = {"genes": "--gene", "cells": "--cell", "groups": "--group"}
# options of functions of tl that compute what a picture shows, which functions of pl do not have
_COMPUTED = {
    Picture.control: ("rng", "n_controls"),
    Picture.heatmap: ("rng",),
    Picture.flows: ("groupby", "rng", "n_controls"),
    Picture.paths: ("start", "groupby", "n_paths", "n_steps", "backward", "rng"),
}
# options of tl.rank_velocity_genes, which pl.rank_genes does not have
_OF_RANKING = ("groupby", "sample_key", "min_expression", "min_r2")

_CELLS, _ARROWS, _GENES = "Cells and names", "Arrows and lines", "Genes"


def _option(text: str, panel: str, *names: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False)


def plot(
    context: typer.Context,
    result: Annotated[Path, typer.Argument(help="h5ad file that `steadyvelo run` wrote.")],
    picture: Annotated[Picture, typer.Argument(help="What to draw.")],
    out: Annotated[Path, typer.Option(help="File to write; its ending is the format.")],
    basis: Annotated[
        str | None, typer.Option(help="Embedding (default: found in obsm).", show_default=False)
    ] = None,
    color: Annotated[
        str | None,
        typer.Option(help="Column of obs for colours (default: clusters); none for grey."),
    ] = None,
    groupby: Annotated[
        str | None,
        typer.Option(help="Column of obs with groups, for proportions, rank, flows and paths."),
    ] = None,
    genes: Annotated[
        list[str] | None, typer.Option("--gene", help="A gene to draw; can be repeated.")
    ] = None,
    cells: Annotated[
        list[str] | None,
        typer.Option("--cell", help="A cell whose edges are drawn; can be repeated."),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", help="A group whose genes are drawn; can be repeated."),
    ] = None,
    sample_key: Annotated[
        str | None, typer.Option(help="Column of obs with samples, for rank.")
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(help="A cell, or a cluster of --groupby, where paths begin; can be repeated."),
    ] = None,
    velocity_key: VelocityKey = "velocity",
    title: Annotated[str | None, _option("Title of the picture.", _CELLS)] = None,
    components: Annotated[
        tuple[int, int] | None, _option("Dimensions to draw, from 0.", _CELLS)
    ] = None,
    size: Annotated[float | None, _option("Area of a point, points².", _CELLS)] = None,
    alpha: Annotated[float | None, _option("Strength of colours, 0 to 1.", _CELLS)] = None,
    legend_loc: Annotated[str | None, _option("Place of the legend.", _CELLS)] = None,
    smoothing: Annotated[float | None, _option("Width of the kernel.", _ARROWS)] = None,
    min_cells: Annotated[int | None, _option("Fewest cells near an arrow.", _ARROWS)] = None,
    density: Annotated[float | None, _option("Density of lines.", _ARROWS)] = None,
    n_grid: Annotated[int | None, _option("Arrows along the larger side.", _ARROWS)] = None,
    spacing: Annotated[float | None, _option("Smallest distance of arrows.", _ARROWS)] = None,
    arrow_length: Annotated[float | None, _option("Length of long arrows.", _ARROWS)] = None,
    threshold: Annotated[
        float | None, _option("Smallest correlation of an edge, or net flow.", _ARROWS)
    ] = None,
    n_paths: Annotated[int | None, _option("Number of paths.", _ARROWS)] = None,
    n_steps: Annotated[int | None, _option("Steps of a path.", _ARROWS)] = None,
    backward: Annotated[bool | None, _option("Paths against the arrows.", _ARROWS)] = None,
    n_controls: Annotated[int | None, _option("Number of controls.", _ARROWS)] = None,
    rng: Annotated[
        int | None,
        typer.Option(
            parser=seed,
            metavar="<int>|none",
            help="Seed, for control (default: that of the tests), flows, paths and heatmap; none "
            "draws one.",
            rich_help_panel=_ARROWS,
            show_default=False,
        ),
    ] = None,
    n_columns: Annotated[int | None, _option("Columns of the figure.", _GENES)] = None,
    show_fit_cells: Annotated[bool | None, _option("Mark the cells of the fit.", _GENES)] = None,
    hexagons: Annotated[bool | None, _option("Hexagons instead of points.", _GENES)] = None,
    sortby: Annotated[str | None, _option("Column of obs to sort cells by.", _GENES)] = None,
    n_bins: Annotated[int | None, _option("Number of bins of a heatmap.", _GENES)] = None,
    sort_genes: Annotated[bool | None, _option("Sort genes by their highest bins.", _GENES)] = None,
    cmap: Annotated[str | None, _option("Colour map of a heatmap, or of steps.", _GENES)] = None,
    n_genes: Annotated[int | None, _option("Number of genes per group.", _GENES)] = None,
    level: Annotated[float | None, _option("Coverage of intervals.", _GENES)] = None,
    fdr: Annotated[float | None, _option("False discovery rate for colours.", _GENES)] = None,
    min_expression: Annotated[
        float | None, _option("Smallest share of the largest mean, for rank.", _GENES)
    ] = None,
    min_r2: Annotated[float | None, _option("Smallest R² of a gene, for rank.", _GENES)] = None,
    dpi: Annotated[float, typer.Option(min=20, help="Pixels per inch.")] = 150,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Draw a picture of RESULT and write it as png, svg, pdf or any other format of matplotlib.

    The defaults of options are those of the functions of steadyvelo.pl.

    Example: steadyvelo plot result.h5ad stream --out stream.pdf --color clusters

    Example: steadyvelo plot result.h5ad phase --gene Ins2 --gene Gcg --out portraits.png
    """
    speech = Speech(quiet, as_json)
    with plain_errors(quiet=quiet), speech.heard():
        with importing():
            import matplotlib as mpl  # noqa: PLC0415

            mpl.use("agg")
            from steadyvelo import pl  # noqa: PLC0415
            from steadyvelo.io._analysed import load_analysed  # noqa: PLC0415
            from steadyvelo.io._files import check_target, replacing  # noqa: PLC0415

        target = check_target(out, [result])
        _check_format(target)
        function = getattr(pl, _FUNCTIONS[picture.value])
        given = _given(context)
        takes = inspect.signature(function).parameters
        _check_given(picture, given, set(takes))
        adata = load_analysed(result)
        _compute_missing(adata, picture, given, velocity_key=velocity_key)
        axes = function(adata, **{name: x for name, x in given.items() if name in takes})
        figure = getattr(axes, "figure", None) or axes.ravel()[0].figure
        with replacing(target) as file:
            figure.savefig(file, dpi=dpi, format=target.suffix.removeprefix("."))
        speech.say(f"wrote {target}")
        if figure.get_supxlabel():
            # the note of the control: how much it agrees with the data by chance
            speech.say(" ".join(figure.get_supxlabel().split()))
        speech.sum_up({"version": __version__, "files": [str(target)]})


def _given(context: typer.Context) -> dict[str, Any]:
    """Return the given options of pictures, as arguments of functions."""
    others = {"result", "picture", "out", "dpi", "quiet", "as_json"}
    given = {}
    for name, value in context.params.items():
        source = context.get_parameter_source(name)
        if name in others or source is None or source.name != "COMMANDLINE":
            continue
        none = name in {"color", "groupby", "legend_loc"} and value == "none"
        given[name] = None if none else value
    return given


def _check_format(target: Path) -> None:
    """Raise an error, before anything is read, if the ending of a file is no format."""
    from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415

    formats = FigureCanvasBase.get_supported_filetypes()
    if target.suffix.removeprefix(".").lower() not in formats:
        msg = f"{target.name} has no ending of a picture format; use one of {', '.join(formats)}."
        raise ValueError(msg)


def _check_given(picture: Picture, given: dict[str, Any], takes: set[str]) -> None:
    """Raise an error for options that a picture does not have, and for missing genes."""
    more = set(_OF_RANKING if picture is Picture.rank else _COMPUTED.get(picture, ()))
    unknown = [name for name in given if name not in takes | more | {"velocity_key"}]
    if unknown:
        option = _WRITTEN.get(unknown[0], "--" + unknown[0].replace("_", "-"))
        msg = f"the picture {picture.value} has no option {option}; leave it out."
        raise ValueError(msg)
    if "genes" in takes and not given.get("genes"):
        msg = f"the picture {picture.value} needs genes; name each with --gene NAME."
        raise ValueError(msg)


def _compute_missing(
    adata: AnnData, picture: Picture, given: dict[str, Any], *, velocity_key: str
) -> None:
    """Compute results that a picture needs and `run` did not compute."""
    from steadyvelo import _keys, tl  # noqa: PLC0415
    from steadyvelo._adata._controls import seed_of_tests  # noqa: PLC0415
    from steadyvelo._adata._embeddings import found_basis  # noqa: PLC0415
    from steadyvelo._adata._groups import AUTO, cluster_column  # noqa: PLC0415

    key = {"velocity_key": velocity_key}
    seed = {"rng": given["rng"]} if "rng" in given else {}
    if picture is Picture.control:
        basis = found_basis(adata, given.get("basis", AUTO), velocity_key)
        asked = {name: given[name] for name in ("rng", "n_controls") if name in given}
        if asked or not _keys.RANDOMIZED.is_in(adata, velocity_key, basis):
            remark("sign-flipped controls …")
            tested = seed_of_tests(adata, basis, velocity_key)
            known = {} if tested is None else {"rng": tested}
            tl.randomized_velocity(adata, basis=basis, **key, **{**known, **asked})
    if picture in {Picture.flows, Picture.paths}:
        _compute_walks(adata, picture, given, key)
    if picture is Picture.heatmap and not _keys.PSEUDOTIME.is_in(adata, velocity_key):
        remark("pseudotime …")
        tl.velocity_pseudotime(adata, **key, **seed)
    ranked = _keys.RANKED_GENES.is_in(adata, velocity_key) and not set(_OF_RANKING) & set(given)
    if picture is Picture.rank and not ranked:
        groupby = given["groupby"] if "groupby" in given else cluster_column(adata)
        if groupby is None:
            msg = "the picture rank needs groups; name their column of obs with --groupby."
            raise ValueError(msg)
        remark("ranking genes …")
        options = {name: given[name] for name in _OF_RANKING[1:] if name in given}
        tl.rank_velocity_genes(adata, groupby, **options, **key)


def _compute_walks(
    adata: AnnData, picture: Picture, given: dict[str, Any], key: dict[str, str]
) -> None:
    """Compute flows between clusters, or paths, if they are missing or options are given."""
    from steadyvelo import _keys, tl  # noqa: PLC0415
    from steadyvelo._adata._groups import cluster_column  # noqa: PLC0415

    asked = {name: given[name] for name in _COMPUTED[picture] if name in given}
    field = _keys.CLUSTER_GRAPH if picture is Picture.flows else _keys.PATHS
    if not asked and field.is_in(adata, key["velocity_key"]):
        return
    if picture is Picture.paths:
        if "start" not in asked:
            msg = "the picture paths needs cells to begin in; name them with --start NAME."
            raise ValueError(msg)
        remark("paths …")
        tl.paths(adata, **asked, **key)
        return
    groupby = asked.pop("groupby") if "groupby" in asked else cluster_column(adata)
    if groupby is None:
        msg = "the picture flows needs clusters; name their column of obs with --groupby."
        raise ValueError(msg)
    remark("flows between clusters …")
    tl.cluster_graph(adata, groupby, **asked, **key)
