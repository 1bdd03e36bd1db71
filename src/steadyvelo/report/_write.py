"""A self-contained HTML page about a result."""

from __future__ import annotations

import base64
import hashlib
from datetime import date
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2

from steadyvelo import _keys, tl
from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._controls import seed_of_tests
from steadyvelo._adata._embeddings import check_arrows, found_basis
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._groups import check_clusters, cluster_column, is_auto
from steadyvelo._adata._light_copy import light_copy
from steadyvelo._arguments import public
from steadyvelo._printable import printable_lines
from steadyvelo._run._steps import shown_steps
from steadyvelo._version import __version__
from steadyvelo.io._files import check_target, replacing

from . import _clusters, _figures, _fit, _flows, _genes, _methods, _verdicts
from ._verdicts import Judged

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import numpy as np
    from anndata import AnnData

    from steadyvelo._run._steps import Steps
    from steadyvelo.engine._progress import ShowProgress

__all__ = ["write"]

# how long the steps take, in per cent of all
_SHARES = {"confidence": 15, "controls": 25, "transitions": 5, "pictures": 50, "page": 5}
_CONFIDENCE = (_keys.LENGTH, _keys.CONFIDENCE, _keys.CONFIDENCE_TRANSITION)


@public
def write(
    adata: AnnData,
    path: str | os.PathLike[str],
    *,
    groupby: str | None = "auto",
    basis: str = "auto",
    velocity_key: str = "velocity",
    title: str = "RNA velocity",
    n_portraits: int = 8,
    rng: int | np.random.Generator | None = 0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> Path:
    """Write a page about a result: the verdicts first, then the arrows.

    The page is one HTML file that loads no other file. It contains the verdicts, the velocity field
    beside sign-flipped controls, how the model was fitted, shares of spliced and unspliced
    molecules, phase portraits, a table of genes that can be sorted and searched, the confidence of
    clusters and the transitions between them, the flows of :func:`steadyvelo.tl.cluster_graph` if
    they were computed, and a paragraph of methods with its references.
    Confidence, controls and transitions that `adata` lacks are computed for the page and not
    written to `adata`. Names of cells, genes and clusters are shown as text and never run as code.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.run`, or of :func:`steadyvelo.tl.velocity_embedding`.
    path
        File to write; its name ends in ``.html``.
    groupby
        Column of ``obs`` with clusters. ``"auto"`` takes the column that the verdicts used or,
        without verdicts, the first column with a usual name (``"clusters"``, ``"leiden"``,
        ``"cell_type"`` …); None takes none.
    basis
        Name of the embedding; ``"auto"`` takes the one that got its arrows last.
    velocity_key
        Prefix of the result.
    title
        Title of the page.
    n_portraits
        Number of phase portraits of genes with the highest R², and of genes with the lowest.
    rng
        Seed of the controls if there are none yet: a whole number, a `numpy.random.Generator` that
        gives one, or None for one from the system. If directions were tested in controls, those
        with the same signs are drawn.
    max_memory
        Memory that gene blocks may take, in bytes or as ``"8GB"``; None means
        ``settings.max_memory``, or a quarter of what is available, at most the
        larger of 1.5 GB and 2,400 bytes for each cell.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar, None follows ``settings.progress``; a function is called with the share
        done, in (0, 1].

    Returns
    -------
    The path. Nothing is written to `adata`.

    Raises
    ------
    KeyError
        If there is no fit, no arrows on the embedding, or no such column.
    ValueError
        If the name does not end in ``.html``, if cells or counts have changed since the fit, or if
        `adata` lacks genes that the velocity graph was made from.

    Examples
    --------
    >>> import tempfile
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = sv.report.write(adata, f"{folder}/report.html", n_portraits=2)
    ...     "Directions were not tested" in page.read_text(encoding="utf-8")
    True
    """
    check_adata(adata)
    target = _page_file(path)
    with replacing(target) as file:
        write_page(
            adata,
            file,
            groupby=groupby,
            basis=basis,
            velocity_key=velocity_key,
            title=title,
            n_portraits=n_portraits,
            rng=rng,
            max_memory=max_memory,
            n_threads=n_threads,
            progress=progress,
        )
    return target


def write_page(
    adata: AnnData,
    file: Path,
    *,
    groupby: str | None,
    basis: str,
    title: str,
    velocity_key: str = "velocity",
    n_portraits: int = 8,
    rng: int = 0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    """Do the work of :func:`write`, into a file that is there already."""
    fit = Fit.read(adata, velocity_key)
    basis = found_basis(adata, basis, velocity_key)
    check_arrows(adata, basis, velocity_key)
    _check_genes(fit)
    judged = Judged.read(adata, velocity_key, basis)
    groupby = _clusters_column(adata, groupby, judged)

    with shown_steps("report", _SHARES, progress) as steps:
        work = light_copy(adata)
        _compute_missing(work, fit, basis, rng, steps, max_memory=max_memory, n_threads=n_threads)
        with steps("transitions"):
            clusters = _clusters.section(work, groupby, velocity_key, basis, n_threads)
            flows = _flows.section(work, groupby, basis, velocity_key, n_threads)
        with steps("pictures"):
            genes = _genes.section(work, velocity_key, n_portraits)
            figures = _figures.all_figures(work, groupby, basis, fit, genes, judged)
        with steps("page"):
            page = _render(
                title=title,
                basis=basis,
                groupby=groupby,
                verdicts=_verdicts.section(work, judged),
                fit=_fit.section(work, velocity_key),
                clusters=clusters,
                flows=flows,
                genes=genes,
                figures=figures,
                methods=_methods.section(fit, basis, judged),
            )
            file.write_text(page, encoding="utf-8")


def _page_file(path: str | os.PathLike[str]) -> Path:
    """Return the file to write; refuse another file type or a path that cannot be written."""
    target = check_target(path)
    if target.suffix.lower() not in {".html", ".htm"}:
        msg = f"path must end in .html; it is {target.name!r}."
        raise ValueError(msg)
    return target


def _clusters_column(adata: AnnData, groupby: str | None, judged: Judged) -> str | None:
    """Return the column of clusters: as given, as in the verdicts, or one with a usual name."""
    if is_auto(groupby, adata.obs):
        groupby = judged.groupby if judged.groupby in adata.obs else cluster_column(adata)
    if groupby is not None:
        check_clusters(adata, groupby)
    return groupby


def _check_genes(fit: Fit) -> None:
    """Refuse a graph of some of the velocity genes: the page would describe other genes than it."""
    graph, there = fit.params.graph, int(fit.velocity_genes.sum())
    if graph is not None and graph.genes is not None:
        msg = (
            f"the velocity graph was made from a gene programme ({graph.n_genes:,} genes), but the "
            "page is about all velocity genes; rerun tl.velocity_graph without genes=, or analyse "
            "a copy of adata that has only the genes of the programme."
        )
        raise ValueError(msg)
    if graph is not None and graph.n_genes != there:
        msg = (
            f"adata has {there:,} of the {graph.n_genes:,} genes that the velocity graph was made "
            "from; write the report before subsetting genes."
        )
        raise ValueError(msg)


def _compute_missing(
    work: AnnData, fit: Fit, basis: str, rng: int, steps: Steps, **limits: Any
) -> None:
    """Compute confidence and controls if missing, with the settings of the data's arrows."""
    if not all(field.is_in(work, fit.key) for field in _CONFIDENCE):
        with steps("confidence") as progress:
            tl.velocity_confidence(work, velocity_key=fit.key, progress=progress, **limits)
    # sign-flipped controls need counts; layers smoothed by another tool come without them
    if not fit.params.made_from.counts_known:
        return
    made = fit.params.made.get("arrows", {}).get(basis, {})
    alike = {name: made[name] for name in ("scale", "self_transitions") if name in made}
    tested = seed_of_tests(work, basis, fit.key)
    if tested is not None:
        alike["rng"] = tested
    there = fit.params.made.get("randomized", {}).get(basis)
    drawn = _keys.RANDOMIZED.is_in(work, fit.key, basis)
    if drawn and there is not None and alike.items() <= there.items():
        return
    options = {"basis": basis, "velocity_key": fit.key, "rng": rng, **alike, **limits}
    with steps("controls") as progress:
        tl.randomized_velocity(work, progress=progress, **options)


def _shown(value: object) -> object:
    """Return a text of the page with escapes for what cannot be seen; line breaks do no harm."""
    # style and script are of another type
    return printable_lines(value) if type(value) is str else value


def _render(**contents: Any) -> str:
    folder = resources.files(__package__) / "page"
    style, script = ((folder / name).read_text("utf-8") for name in ("page.css", "page.js"))
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text("utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )
    # the browser runs only the script and style of the page, whatever the data contain
    hashes = {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in (("style", style), ("script", script))
    }
    template = environment.get_template("page.html.j2")
    return template.render(
        today=date.today().isoformat(),
        version=__version__,
        style=style,
        script=script,
        hashes=hashes,
        **contents,
    )
