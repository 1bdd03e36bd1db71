"""Files for other packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from steadyvelo._arguments import public
from steadyvelo._log import say
from steadyvelo.io._anndata_files import write_into
from steadyvelo.io._files import check_target, replacing

from ._cellrank import for_cellrank
from ._cellxgene import for_cellxgene
from ._loom import write_loom
from ._scvelo import for_scvelo

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["export"]

_LOOM, _H5AD = ".loom", ".h5ad"


@public
def export(
    adata: AnnData,
    path: str | os.PathLike[str],
    *,
    tool: Literal["scvelo", "cellrank", "cellxgene", "loom"],
    velocity_key: str = "velocity",
    n_threads: int | None = None,
) -> list[str]:
    """Write a result to a file for another package.

    The file has what the package reads, under the names and in the types that it reads. What was
    changed or left out is reported, with the reason.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.run`, or of :func:`steadyvelo.tl.velocity_graph`.
    path
        The file. An existing file is replaced when the new one is complete.
    tool
        ``"scvelo"``, ``"cellrank"`` and ``"cellxgene"`` write an h5ad file; see :func:`to_scvelo`,
        :func:`to_cellrank` and :func:`to_cellxgene`. ``"loom"`` writes a loom file, which velocyto,
        scVelo and loompy read: counts and smoothed layers as layers, columns and embeddings as
        attributes, graphs as column graphs.
    velocity_key
        Prefix of the result.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    What was changed or left out, and why: one sentence each. They are also reported.

    Raises
    ------
    KeyError
        If there is no fit; for scVelo and CellRank also if there is no velocity graph.
    ValueError
        If the file has another ending than the format, cells, counts, size factors or neighbours
        have changed since the fit, or there is no embedding for cellxgene.
    MemoryError
        If the dense layers for scVelo or CellRank do not fit into memory.
    OSError
        If the file cannot be written.

    References
    ----------
    The loom format: https://linnarssonlab.org/loompy/format/.

    Examples
    --------
    >>> import tempfile, steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=60)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     notes = sv.interop.export(adata, f"{folder}/counts.loom", tool="loom")
    ...     sv.io.read_loom(f"{folder}/counts.loom").shape == adata.shape
    True
    """
    target = check_target(path)
    ending = _LOOM if tool == "loom" else _H5AD
    if target.suffix.lower() != ending:
        msg = (
            f"path={str(path)!r} does not end in {ending}, and tool={tool!r} writes such a file; "
            f"write it to {str(Path(path).with_suffix(ending))!r}."
        )
        raise ValueError(msg)
    if tool == "loom":
        with replacing(target) as temporary:
            notes = write_loom(adata, temporary, velocity_key, n_threads)
    else:
        if tool == "cellxgene":
            copy, notes = for_cellxgene(adata, velocity_key)
        elif tool == "cellrank":
            copy, notes = for_cellrank(adata, velocity_key, n_threads)
        else:
            copy, notes = for_scvelo(adata, velocity_key, n_threads)
        with replacing(target) as temporary:
            write_into(copy, temporary)
    for note in notes:
        say(note)
    return notes
