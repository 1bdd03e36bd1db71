"""MatrixMarket files, whose sizes are checked before memory is allocated."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

from ._broken import check_memory, refusing
from ._matrix_market_lines import HEADER_BYTES, LINE_BYTES, Entries, Header
from ._text import find_file, gzipped

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_layer", "read_matrix", "read_triple", "values_per_line"]

# the shortest line is "1 1 1\n"; gzip compresses at most about 1,032 bytes into one
_SHORTEST_LINE = 6
_MOST_PACKED = 1032
# memory of an entry while it is read and sorted
_ENTRY_BYTES = 40


def read_matrix(path: Path, *, transpose: bool, shape: tuple[int, int]) -> sp.csr_matrix[Any]:
    """Read a matrix of non-negative numbers as cells × genes, CSR, without stored zeros.

    With `transpose` the file, plain or gzip, contains genes × cells. It must have the given `shape`
    (cells, genes), which follows from the lists of names.
    """
    header = _checked_header(path, shape, transpose=transpose)
    said = "cannot be read as MatrixMarket; is it truncated or corrupt?"
    with refusing(path, said), Entries(path, header, 3) as entries:
        matrix = scipy.io.mmread(entries, spmatrix=True)
        entries.check_complete()
    return _to_csr(path, matrix, transpose=transpose)


def read_layer(
    folder: Path, kind: str, *, transpose: bool, shape: tuple[int, int], prefix: str = ""
) -> sp.csr_matrix[Any]:
    """Read the matrix of one kind of molecules from a folder; see :func:`read_matrix`."""
    path = find_file(folder, f"{prefix}{kind}.mtx", what=f"{kind} matrix")
    return read_matrix(path, transpose=transpose, shape=shape)


def read_triple(
    path: Path, *, transpose: bool, shape: tuple[int, int]
) -> tuple[sp.csr_matrix[Any], ...]:
    """Read a file of early STARsolo, with spliced, unspliced and ambiguous counts in each line."""
    header = _checked_header(path, shape, transpose=transpose)
    n_rows, n_columns, n_entries = header.sizes
    entries = np.empty((0, 5), dtype=np.int64)
    said = "does not have five whole numbers in each line; is it truncated?"
    with refusing(path, said), Entries(path, header._replace(is_real=False), 5) as lines:
        if n_entries > 0:
            table = pd.read_csv(
                lines, sep=r"\s+", skiprows=header.n_lines, header=None, dtype=np.int64
            )
            entries = table.to_numpy()
        lines.check_complete()
    place = entries[:, :2] - 1
    if (place < 0).any() or (place >= [n_rows, n_columns]).any():
        line = int(np.flatnonzero((place < 0).any(1) | (place >= [n_rows, n_columns]).any(1))[0])
        msg = f"{path}: entry {line + 1} is outside the {n_rows:,} × {n_columns:,} of the header."
        raise ValueError(msg)
    return tuple(
        _to_csr(
            path,
            sp.coo_matrix((entries[:, c], (place[:, 0], place[:, 1])), (n_rows, n_columns)),
            transpose=transpose,
        )
        for c in (2, 3, 4)
    )


def values_per_line(path: Path) -> int:
    """Return the number of values after the two indices in the first entry."""
    return max(len(_header(path).first_entry.split()) - 2, 0)


def _header(path: Path) -> Header:
    """Return what is in front of the entries; refuse a file that is no matrix of counts."""
    said = "cannot be decompressed; it may be truncated:"
    with refusing(path, said), gzip.open(path) if gzipped(path) else path.open("rb") as file:
        raw = file.read(HEADER_BYTES)
    lines = raw.split(b"\n")
    is_real = _is_real(path, lines[0])
    n_bytes = 0
    for number, line in enumerate(lines[:-1], 1):
        n_bytes += len(line) + 1
        if b"\0" in line:
            msg = f"{path}: line {number} has a byte 0; the file is corrupt."
            raise ValueError(msg)
        if not line.startswith(b"%") and line.strip():
            return Header(
                is_real,
                _sizes(path, line),
                n_bytes,
                number,
                lines[number][:LINE_BYTES].decode("utf-8", "replace"),
            )
    msg = f"{path} ends before the line with its sizes; it is truncated."
    raise ValueError(msg)


def _is_real(path: Path, first: bytes) -> bool:
    """Tell from the first line whether values may be other than whole numbers."""
    words = first[:LINE_BYTES].decode("utf-8", "replace").lower().split()
    types = ("integer", "unsigned-integer", "real")
    if words not in [["%%matrixmarket", "matrix", "coordinate", x, "general"] for x in types]:
        begin = first[:60].decode("utf-8", "replace").strip()
        msg = (
            f"{path} is not a matrix of counts: it should begin with '%%MatrixMarket matrix "
            f"coordinate integer (or real) general', but begins with {begin!r}."
        )
        raise ValueError(msg)
    return words[3] == "real"


def _sizes(path: Path, line: bytes) -> tuple[int, int, int]:
    """Return the numbers of rows, columns and entries."""
    parts = line.split()
    if len(parts) != 3 or not all(part.isdigit() and len(part) < 19 for part in parts):
        said = line[:60].decode("utf-8", "replace").strip()
        msg = f"{path}: {said!r} should be numbers of rows, columns and entries."
        raise ValueError(msg)
    return int(parts[0]), int(parts[1]), int(parts[2])


def _checked_header(path: Path, shape: tuple[int, int], *, transpose: bool) -> Header:
    """Return the header; refuse wrong sizes before memory is allocated.

    Sizes are wrong if the file is too small for them, or if they differ from the lists of names.
    """
    header = _header(path)
    n_rows, n_columns, n_entries = header.sizes
    size = path.stat().st_size * (_MOST_PACKED if gzipped(path) else 1)
    if n_entries * _SHORTEST_LINE > size:
        msg = (
            f"{path} should have {n_entries:,} entries, which do not fit into its "
            f"{path.stat().st_size:,} bytes; it is truncated or corrupt."
        )
        raise ValueError(msg)
    if max(n_rows, n_columns) > np.iinfo(np.int32).max:
        msg = f"{path} has {n_rows:,} × {n_columns:,} as its size, which is too large to be read."
        raise ValueError(msg)
    cells, genes = (n_columns, n_rows) if transpose else (n_rows, n_columns)
    if (cells, genes) != shape:
        msg = (
            f"{path}: the matrix is {cells:,} cells × {genes:,} genes, but there are {shape[0]:,} "
            f"names of cells and {shape[1]:,} of genes: the files do not match, or one is "
            "truncated."
        )
        raise ValueError(msg)
    check_memory(path, n_entries * _ENTRY_BYTES)
    with path.open("rb") as file:
        file.seek(-1, 2)
        cut = file.read() != b"\n"
    if cut and not gzipped(path):  # gzip has a checksum
        msg = f"{path} does not end with a line break; it is truncated."
        raise ValueError(msg)
    return header


def _to_csr(path: Path, matrix: Any, *, transpose: bool) -> sp.csr_matrix[Any]:
    if not matrix.data.all():
        matrix.eliminate_zeros()
    whole = matrix.data.dtype.kind in "iu" or bool((matrix.data == np.floor(matrix.data)).all())
    largest = matrix.data.max(initial=0)
    if whole and largest <= np.iinfo(np.int32).max and matrix.data.min(initial=0) >= 0:
        matrix.data = matrix.data.astype(np.int32)
    n_entries = matrix.nnz
    csr = (matrix.T if transpose else matrix).tocsr()
    if csr.nnz != n_entries:
        msg = f"{path} has {n_entries - csr.nnz:,} entries more than once; it is corrupt."
        raise ValueError(msg)
    return csr
