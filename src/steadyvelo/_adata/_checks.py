"""Checks of the user's input; each error names the value, the field and the remedy."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from steadyvelo._printable import printable
from steadyvelo._settings import settings
from steadyvelo._warnings import SteadyveloWarning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = [
    "canonical_rows",
    "check_adata",
    "check_counts",
    "check_key",
    "check_sparse",
    "is_integer",
    "listed",
    "warn",
    "writable",
]


_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"
# data types of compiled kernels: native byte order, up to eight bytes
_DTYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"}


def warn(message: str) -> None:
    """Warn at the line that called the package: the first line outside of it."""
    if settings.verbosity == 0:
        return
    level, frame = 2, sys._getframe(1)  # noqa: SLF001 (as the module warnings does)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(printable(message), SteadyveloWarning, stacklevel=level)


def listed(names: Iterable[object], limit: int = 8) -> str:
    """Return the first few names in quotes."""
    texts = [repr(str(name)) for name in names]
    if not texts:
        return "none"
    return ", ".join(texts[:limit]) + (f" and {len(texts) - limit} more" if texts[limit:] else "")


def check_adata(adata: AnnData) -> None:
    """Refuse anything but an AnnData with cells, genes and unique names."""
    if not isinstance(adata, AnnData):
        msg = f"adata must be an AnnData; it is a {type(adata).__name__}."
        raise TypeError(msg)
    if adata.isbacked:
        msg = "adata is backed by its file; call adata = adata.to_memory() first."
        raise TypeError(msg)
    if adata.n_obs == 0 or adata.n_vars == 0:
        msg = (
            f"adata has {adata.n_obs} cells and {adata.n_vars} genes; at least one of each is "
            "needed."
        )
        raise ValueError(msg)
    for axis, names in (("obs", adata.obs_names), ("var", adata.var_names)):
        if not names.is_unique:
            doubled = names[names.duplicated()].unique()
            what = "1 name" if len(doubled) == 1 else f"{len(doubled):,} names"
            prefix = ", or by a prefix for each sample" if axis == "obs" else ""
            msg = (
                f"adata.{axis}_names has {what} more than once ({listed(doubled, 3)}); make all "
                f"names unique by adata.{axis}_names_make_unique(){prefix}."
            )
            raise ValueError(msg)


def writable(adata: AnnData) -> None:
    """Convert a view to an AnnData with its own data before results are written, and warn."""
    if adata.is_view:
        warn(
            "adata is a view of another AnnData, so it was copied to store results. Call "
            "adata = adata.copy() to avoid this warning."
        )
        adata._init_as_actual(adata.copy())  # noqa: SLF001 (as anndata does on assignment)


def check_key(adata: AnnData, slot: str, key: str, remedy: str) -> Any:
    """Return an entry of a slot of `adata`; if it is missing, refuse with the remedy."""
    mapping = getattr(adata, slot)
    if key not in mapping:
        there = [name for name in mapping if name is not None]
        msg = f"adata.{slot} has no {key!r} (it has {listed(there)}); {remedy}"
        raise KeyError(msg)
    return mapping[key]


def check_column(adata: AnnData, slot: str, argument: str, key: str, remedy: str) -> Any:
    """Return a column of a table; if it is missing, refuse the argument that names it."""
    columns = getattr(adata, slot)
    if key not in columns:
        msg = (
            f"{argument}={key!r} is not a column of adata.{slot} (it has {listed(columns)}); "
            f"{remedy}"
        )
        raise KeyError(msg)
    return columns[key]


def check_counts(adata: AnnData, name: str) -> Any:
    """Return a layer of counts in any format, after checking its values."""
    x = check_key(
        adata,
        "layers",
        name,
        "spliced and unspliced counts are needed; give the names of their layers as spliced= "
        "and unspliced=.",
    )
    if not (sp.issparse(x) or isinstance(x, np.ndarray)):
        msg = (
            f"layer {name!r} is a {type(x).__name__}, but must be a numpy array or a scipy sparse "
            "matrix in memory; call adata = adata.to_memory()."
        )
        raise TypeError(msg)
    values = _values(x)
    if values.dtype.kind not in "iufb":
        msg = f"layer {name!r} has values of type {values.dtype}; counts must be numbers."
        raise TypeError(msg)
    if values.dtype.str.lstrip("<|=") not in _DTYPES:
        msg = (
            f"layer {name!r} has type {values.dtype}; convert it, for example to int32 or float32."
        )
        raise TypeError(msg)
    if sp.issparse(x):
        check_sparse(x, f"layer {name!r}")
    # these are NaN or infinite if a value is, and need no memory
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if values.dtype.kind == "f" and not (np.isfinite(low) and np.isfinite(high)):
        n_bad = int((~np.isfinite(values)).sum())
        msg = f"layer {name!r} has {n_bad:,} NaN or infinite values; counts must be finite."
        raise ValueError(msg)
    if low < 0:
        n_bad = int((values < 0).sum())
        msg = (
            f"layer {name!r} has {n_bad:,} negative values, the smallest is {low:g}; use "
            "counts, not scaled or regressed values."
        )
        raise ValueError(msg)
    if high == 0:
        msg = f"layer {name!r} has only zeros; spliced and unspliced counts are needed."
        raise ValueError(msg)
    return x


def check_sparse(x: Any, what: str) -> None:
    """Refuse a sparse matrix that is not CSR or CSC, or has indices outside its shape."""
    if x.format not in {"csr", "csc"}:
        msg = f"{what} is sparse in {x.format.upper()} format; convert it with .tocsr()."
        raise TypeError(msg)
    major, minor = x.shape if x.format == "csr" else x.shape[::-1]
    pointers, indices = x.indptr, x.indices
    whole = all(part.ndim == 1 and part.dtype.kind in "iu" for part in (pointers, indices))
    sound = (
        whole
        and len(pointers) == major + 1
        and pointers[0] == 0
        and pointers[-1] <= len(indices) == len(x.data)
        # not by differences, which are never negative for unsigned numbers
        and (pointers[1:] >= pointers[:-1]).all()
        and (len(indices) == 0 or (indices.min() >= 0 and indices.max() < minor))
    )
    if not sound:
        msg = (
            f"{what} is corrupt, because its indices do not fit its shape {x.shape}; read it again."
        )
        raise ValueError(msg)


def is_integer(x: Any) -> bool:
    """Tell whether all values are whole numbers."""
    values = _values(x)
    return values.dtype.kind in "iub" or bool((values == np.floor(values)).all())


def canonical_rows(layer: Any) -> sp.csr_array[Any]:
    """Return CSR without repeated entries; the argument is not changed."""
    csr = sp.csr_array(layer)
    if not csr.has_canonical_format:
        csr = csr.copy()
        csr.sum_duplicates()
    return csr


def _values(x: Any) -> NDArray[Any]:
    return np.asarray(x.data if sp.issparse(x) else x)
