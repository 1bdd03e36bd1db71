"""MatrixMarket files; the sizes in the header are checked before memory is allocated."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

from ._broken import refusing
from ._text import decompressing, find_file, gzipped

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_layer", "read_matrix", "read_triple", "values_per_line"]

# the shortest line is "1 1 1\n"; gzip compresses at most about 1,032 bytes into one
_SHORTEST_LINE = 6
_MOST_PACKED = 1032


def read_matrix(path: Path, *, transpose: bool, shape: tuple[int, int]) -> sp.csr_matrix[Any]:
    """Read a matrix of non-negative numbers as cells × genes, CSR, without stored zeros.

    With `transpose` the file, plain or gzip, contains genes × cells. It must have the given `shape`
    (cells, genes), which follows from the lists of names.
    """
    _checked_sizes(path, shape, transpose=transpose)
    said = f"{path} cannot be read as MatrixMarket; is it truncated or corrupt?"
    with refusing(said, ValueError, OSError, OverflowError, EOFError, zlib.error):
        matrix = scipy.io.mmread(path, spmatrix=True)
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
    n_rows, n_columns, n_entries = _checked_sizes(path, shape, transpose=transpose)
    skipped, _ = _size_line(path)
    table = pd.DataFrame(np.empty((0, 5), dtype=np.int64))
    said = f"{path} does not have five whole numbers in each line; is it truncated?"
    with (
        refusing(said, ValueError, EOFError, OSError, zlib.error),
        suppress(pd.errors.EmptyDataError),
    ):
        table = pd.read_csv(path, sep=r"\s+", skiprows=skipped, header=None, dtype=np.int64)
    entries = table.to_numpy()
    if entries.shape != (n_entries, 5):
        msg = (
            f"{path} should have {n_entries:,} lines of five numbers, but has "
            f"{entries.shape[0]:,} lines of {entries.shape[1]}; it may be truncated."
        )
        raise ValueError(msg)
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
    skipped, _ = _size_line(path)
    with _open(path) as file:
        first = next(islice(file, skipped, None), "")
    return max(len(first.split()) - 2, 0)


def _open(path: Path) -> Any:
    if gzipped(path):
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def _size_line(path: Path) -> tuple[int, str]:
    """Return the number of the line with the sizes, counted from 1, and the line."""
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if not line.startswith("%") and line.strip():
                return number, line
    msg = f"{path} ends before the line with its sizes; it is truncated."
    raise ValueError(msg)


def _check_banner(path: Path) -> None:
    """Refuse a file that does not begin like a matrix of counts."""
    with _open(path) as file:
        banner = file.readline(200)
    words = banner.lower().split()
    kinds = [["%%matrixmarket", "matrix", "coordinate", x, "general"] for x in ("integer", "real")]
    if words not in kinds:
        msg = (
            f"{path} is not a matrix of counts: it should begin with '%%MatrixMarket matrix "
            f"coordinate integer (or real) general', but begins with {banner[:60].strip()!r}."
        )
        raise ValueError(msg)


def _checked_sizes(path: Path, shape: tuple[int, int], *, transpose: bool) -> tuple[int, int, int]:
    """Return rows, columns and entries; refuse wrong sizes before memory is allocated.

    Sizes are wrong if the file is too small for them, or if they differ from the lists of names.
    """
    with decompressing(path):
        _check_banner(path)
        _, line = _size_line(path)
    parts = line.split()
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        msg = f"{path}: {line.strip()[:60]!r} should be numbers of rows, columns and entries."
        raise ValueError(msg)
    n_rows, n_columns, n_entries = map(int, parts)
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
    with path.open("rb") as file:
        file.seek(-1, 2)
        cut = file.read() != b"\n"
    if cut and not gzipped(path):  # gzip has a checksum
        msg = f"{path} does not end with a line break; it is truncated."
        raise ValueError(msg)
    return n_rows, n_columns, n_entries


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
