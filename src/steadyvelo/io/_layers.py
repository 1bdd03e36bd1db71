"""Layers of counts: their names, their format, and the molecules of each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import check_sparse

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = [
    "KB_LAYERS",
    "TOTALS",
    "added",
    "as_counts",
    "cell_totals",
    "counts_of_kinds",
    "placed",
    "write_totals",
]

# kb-python's names
KB_LAYERS = ("mature", "nascent")
TOTALS = {"spliced": _keys.SPLICED_TOTAL, "unspliced": _keys.UNSPLICED_TOTAL}


def counts_of_kinds(
    layers: dict[str, Any], ambiguous: Any | None, choice: str, source: str
) -> dict[str, sp.csr_matrix[Any]]:
    """Return layers as counts, with ambiguous molecules added to the layer of the user's choice.

    They also stay in a separate layer, unless they are dropped.
    """
    if ambiguous is not None and choice != "drop":
        layers = {**layers, "ambiguous": ambiguous}
    # converted first, because a sum in the stored type could overflow
    counts = {name: as_counts(matrix, f"{source}: {name}") for name, matrix in layers.items()}
    if choice in TOTALS and "ambiguous" in counts:
        # the layer stays, so that they can be counted otherwise
        counts[choice] = added(counts[choice], counts["ambiguous"], f"{source}: {choice}")
    return counts


def cell_totals(adata: AnnData, kind: str) -> NDArray[np.float64]:
    """Return the molecules of each cell over all genes, from `obs` if stored, or from the layer."""
    name = TOTALS[kind].of()
    if name in adata.obs:
        return adata.obs[name].to_numpy(dtype=np.float64)
    return np.asarray(adata.layers[kind].sum(axis=1, dtype=np.float64)).ravel()


def write_totals(adata: AnnData) -> None:
    """Write the molecules of each cell over all genes, unless they are stored."""
    for kind, field in TOTALS.items():
        if not field.is_in(adata):
            field.write(adata, cell_totals(adata, kind))
    both = _keys.AMBIGUOUS.read(adata, default=None)
    if both is not None and not _keys.AMBIGUOUS_TOTAL.is_in(adata):
        total = np.asarray(both.sum(axis=1, dtype=np.float64)).ravel()
        _keys.AMBIGUOUS_TOTAL.write(adata, total)


def placed(layer: Any, cells: NDArray[np.int64], genes: NDArray[np.int64]) -> sp.csr_matrix[Any]:
    """Return the given rows and columns of a layer; those at −1 are empty."""
    csr = sp.csr_matrix(layer)
    rows, columns = np.flatnonzero(cells >= 0), np.flatnonzero(genes >= 0)
    coo = csr[cells[rows]].tocsc()[:, genes[columns]].tocoo()
    return sp.csr_matrix(
        (coo.data, (rows[coo.row], columns[coo.col])),
        shape=(len(cells), len(genes)),
        dtype=csr.dtype,
    )


def as_counts(matrix: Any, what: str) -> sp.csr_matrix[Any]:
    """Return CSR without stored zeros, int32 if values are whole numbers, otherwise float32."""
    if sp.issparse(matrix) and matrix.format in ("csr", "csc"):
        check_sparse(matrix, what)
    if matrix.dtype.kind not in "iufb":
        msg = f"{what} has values of type {matrix.dtype}; counts must be numbers."
        raise ValueError(msg)
    csr = sp.csr_matrix(matrix)
    if not csr.has_canonical_format:
        # in a type that holds their sums
        csr = csr.astype(np.float64 if csr.dtype.kind == "f" else np.int64)
        csr.sum_duplicates()
    values = csr.data
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        msg = f"{what} has NaN or infinite values; counts must be finite."
        raise ValueError(msg)
    if values.size and values.min() < 0:
        msg = (
            f"{what} has negative values, the smallest is {values.min():g}; raw counts are needed."
        )
        raise ValueError(msg)
    whole = values.dtype.kind in "iub" or bool((values == np.floor(values)).all())
    if whole and values.size and values.max() > np.iinfo(np.int32).max:
        msg = (
            f"{what} has the value {values.max():g}, which is too large for a count; is it corrupt?"
        )
        raise ValueError(msg)
    csr = sp.csr_matrix(
        (values.astype(np.int32 if whole else np.float32, copy=False), csr.indices, csr.indptr),
        shape=csr.shape,
    )
    if not csr.data.all():
        csr.eliminate_zeros()
    return csr


def added(first: sp.csr_matrix[Any], second: sp.csr_matrix[Any], what: str) -> sp.csr_matrix[Any]:
    """Return the sum of counts; refuse one that is too large for a count."""
    wide = [m.astype(np.float64 if m.dtype.kind == "f" else np.int64) for m in (first, second)]
    return as_counts(wide[0] + wide[1], what)
