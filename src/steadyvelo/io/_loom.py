"""Loom files from velocyto and other tools, read with h5py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo._adata._checks import listed
from steadyvelo._arguments import public

from ._count_table import Ambiguous, CountTable
from ._hdf5 import opened_hdf5
from ._molecule_sums import chosen_kinds

if TYPE_CHECKING:
    import os

    from anndata import AnnData

__all__ = ["read_loom"]

_CELL_NAMES = ("CellID", "cell_id", "obs_names", "barcode", "barcodes", "cell_names", "cell")
_GENE_NAMES = ("Gene", "gene_name", "GeneName", "gene_names", "var_names", "Symbol", "gene_symbol")
_GENE_IDS = ("Accession", "gene_id", "GeneID", "gene_ids", "EnsemblID", "ensembl_id", "target_name")
# bytes of rows that are converted to sparse at a time
_ROW_BYTES = 64_000_000


@public
def read_loom(
    path: str | os.PathLike[str],
    *,
    ambiguous: Ambiguous = "default",
    spliced: str | None = None,
    unspliced: str | None = None,
    cell_attribute: str | None = None,
    gene_attribute: str | None = None,
) -> AnnData:
    """Read a loom file from velocyto, kb-python or another tool.

    Parameters
    ----------
    path
        The file.
    ambiguous
        See :func:`read`. ``"default"`` keeps ambiguous molecules, but counts them as spliced if the
        layers are named mature and nascent (kb-python).
    spliced, unspliced
        Names of the layers, or ``"X"`` for the matrix of the file. None means ``spliced`` and
        ``unspliced``, or ``mature`` and ``nascent``. Names joined by + or − are added or
        subtracted.
    cell_attribute, gene_attribute
        Column and row attributes that contain the names of cells and genes. None looks for the
        usual attributes.

    Returns
    -------
    An AnnData as from :func:`read_starsolo`. If cells have velocyto's names ``sample:BARCODEx``,
    the barcode becomes the name, ``obs["sample"]`` contains the sample and ``obs["cell_id"]`` the
    original name. Other attributes of cells and genes become columns of ``obs`` and ``var``.

    Raises
    ------
    FileNotFoundError, ValueError
        See :func:`read`; also if layers or attributes are missing.

    References
    ----------
    La Manno et al. (2018), https://doi.org/10.1038/s41586-018-0414-6.

    Examples
    --------
    >>> read_loom("absent.loom")
    Traceback (most recent call last):
    FileNotFoundError: there is no file absent.loom.
    """
    source = Path(path)
    with opened_hdf5(source, "a loom", by_rows=("matrix", "layers/")) as file:
        table = _read(file, source, (spliced, unspliced), (cell_attribute, gene_attribute))
    return table.to_anndata(ambiguous)


def _read(
    file: Any,
    source: Path,
    layers: tuple[str | None, str | None],
    attributes: tuple[str | None, str | None],
) -> CountTable:
    missing = [name for name in ("matrix", "row_attrs", "col_attrs") if name not in file]
    if missing:
        msg = f"{source} has no {' and no '.join(missing)}, so it is not a loom file."
        raise ValueError(msg)
    stored = {name: file["layers"][name] for name in file.get("layers", ())}
    there = {**stored, "X": file["matrix"]}
    pair = chosen_kinds(there, source, *layers)
    cells = _attribute(file["col_attrs"], source, "column", attributes[0], _CELL_NAMES)
    if cells is None:
        msg = (
            f"{source} has column attributes {listed(file['col_attrs'])}; give the one that "
            "contains the names of the cells as cell_attribute=."
        )
        raise ValueError(msg)
    ids, names = _genes(file["row_attrs"], source, attributes[1])
    both = "ambiguous" in there
    kinds = [*pair.names, *(["ambiguous"] if both else [])]
    shape = len(ids or names or []), len(cells)
    _check_shapes(there, kinds, source, shape)
    matrices = {kind: _sparse(there[kind]) for kind in kinds}
    return CountTable(
        "kb-python nac" if pair.kb else "velocyto",
        source,
        pair.spliced.read(matrices.__getitem__, source),
        pair.unspliced.read(matrices.__getitem__, source),
        matrices["ambiguous"] if both else None,
        cells=cells,
        gene_ids=ids,
        gene_names=names,
        ambiguous_default="spliced" if pair.kb else "keep",
        of_cells=_columns(file["col_attrs"], source, shape[1], cells),
        of_genes=_columns(file["row_attrs"], source, shape[0], ids, names),
    )


def _columns(
    attributes: Any, source: Path, length: int, *known: list[str] | None
) -> dict[str, Any]:
    """Return attributes with one number or text per cell or gene, except those that are known."""
    columns = {}
    for name, data in attributes.items():
        if getattr(data, "shape", None) != (length,):
            continue
        if data.dtype.kind in "iufb":
            columns[name] = data[()]
        elif data.dtype.kind in "OS":
            values = _attribute(attributes, source, "", name, ())
            if values not in known:
                columns[name] = values
    return columns


def _genes(
    attributes: Any, source: Path, wanted: str | None
) -> tuple[list[str] | None, list[str] | None]:
    """Return the ids and the names of genes; one of them may be None."""
    names = _attribute(attributes, source, "row", wanted, _GENE_NAMES)
    ids = _attribute(attributes, source, "row", None, _GENE_IDS)
    others = [name for name in _GENE_NAMES if name in attributes]
    if wanted is None and names is not None and names == ids and len(others) > 1:
        # some programs write ids to "Gene", too
        names = _attribute(attributes, source, "row", others[1], _GENE_NAMES)
    if names is None and ids is None:
        msg = (
            f"{source} has row attributes {listed(attributes)}; give the one that contains the "
            "names of the genes as gene_attribute=."
        )
        raise ValueError(msg)
    if ids is not None and names is not None and len(ids) != len(names):
        msg = (
            f"{source} has {len(ids):,} gene ids but {len(names):,} gene names; the file is "
            "corrupt."
        )
        raise ValueError(msg)
    return ids, names


def _check_shapes(
    layers: dict[str, Any], kinds: list[str], source: Path, shape: tuple[int, int]
) -> None:
    """Refuse layers of a wrong shape before they are read into memory."""
    for kind in kinds:
        found = getattr(layers[kind], "shape", "a group")
        if found != shape:
            msg = (
                f"{source}: layer {kind!r} is {found}, but the file names {shape[0]:,} genes and "
                f"{shape[1]:,} cells; the file is corrupt."
            )
            raise ValueError(msg)


def _attribute(
    group: Any, source: Path, axis: str, wanted: str | None, usual: tuple[str, ...]
) -> list[str] | None:
    if wanted is not None and wanted not in group:
        msg = f"{source} has no {axis} attribute {wanted!r}; it has {listed(group)}."
        raise ValueError(msg)
    name = wanted or next((name for name in usual if name in group), None)
    if name is None:
        return None
    values = group[name][()]
    if np.ndim(values) != 1:
        msg = f"{source}: {axis} attribute {name!r} is {np.shape(values)}, not a list of names."
        raise ValueError(msg)
    try:
        return [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in values]
    except UnicodeDecodeError as error:
        msg = f"{source}: {axis} attribute {name!r} is not text in UTF-8: {error}"
        raise ValueError(msg) from error


def _sparse(layer: Any) -> sp.csr_matrix[Any]:
    """Return a genes × cells data set as a sparse matrix of cells × genes."""
    n_rows, n_columns = layer.shape
    if layer.id.get_storage_size() == 0:  # never written: all zero
        return sp.csr_matrix((n_columns, n_rows), dtype=np.int32)
    step = max(1, _ROW_BYTES // max(1, n_columns * layer.dtype.itemsize))
    parts = [
        sp.csr_matrix(np.asarray(layer[start : start + step])) for start in range(0, n_rows, step)
    ]
    return sp.vstack(parts, format="csr").T.tocsr()
