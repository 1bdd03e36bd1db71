"""Checks of what the user hands in; each refusal names the value, the field and the remedy."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from steadyvelo._settings import settings
from steadyvelo._warnings import SteadyveloWarning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = [
    "check_adata",
    "check_counts",
    "check_key",
    "check_sparse",
    "is_integer",
    "listed",
    "one_of",
    "warn",
    "writable",
]


_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"
# what the compiled kernels take: native byte order, up to eight bytes
_DTYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"}


def warn(message: str) -> None:
    """Warn where the package was called: at the first line that is none of its own."""
    if settings.verbosity == 0:
        return
    level, frame = 2, sys._getframe(1)  # noqa: SLF001 (what warnings use themselves)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, SteadyveloWarning, stacklevel=level)


def listed(names: Iterable[object], limit: int = 8) -> str:
    """Return names in quotes, the first few of them."""
    texts = [repr(str(name)) for name in names]
    if not texts:
        return "none"
    return ", ".join(texts[:limit]) + (f" and {len(texts) - limit} more" if texts[limit:] else "")


def one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Refuse a value that is none of the choices."""
    if not any(value is choice or value == choice for choice in choices):
        msg = f"{name} must be one of {', '.join(map(repr, choices))}; it is {value!r}."
        raise ValueError(msg)


def check_adata(adata: AnnData) -> None:
    """Refuse what is not an AnnData with cells, genes and unique names."""
    if not isinstance(adata, AnnData):
        msg = f"adata must be an AnnData; it is a {type(adata).__name__}."
        raise TypeError(msg)
    if adata.isbacked:
        msg = "adata is backed by its file; call adata = adata.to_memory() first."
        raise TypeError(msg)
    if adata.n_obs == 0 or adata.n_vars == 0:
        msg = f"adata holds {adata.n_obs} cells and {adata.n_vars} genes; both must be there."
        raise ValueError(msg)
    for axis, names in (("obs", adata.obs_names), ("var", adata.var_names)):
        if not names.is_unique:
            doubled = names[names.duplicated()].unique()
            msg = (
                f"adata.{axis}_names holds {len(doubled)} names more than once "
                f"({listed(doubled, 3)}): make them unique, by adata.{axis}_names_make_unique() "
                "or by a prefix per sample."
            )
            raise ValueError(msg)


def writable(adata: AnnData) -> None:
    """Make a view an AnnData of its own before results are written, and say so."""
    if adata.is_view:
        warn(
            "adata is a view of another AnnData; it is copied so that results can be stored. "
            "Call adata = adata.copy() to do so yourself."
        )
        adata._init_as_actual(adata.copy())  # noqa: SLF001 (what anndata does on assignment)


def check_key(adata: AnnData, slot: str, key: str, remedy: str) -> Any:
    """Return an entry of a slot of `adata`; refuse with what there is and the remedy."""
    mapping = getattr(adata, slot)
    if key not in mapping:
        there = [name for name in mapping if name is not None]
        msg = f"adata.{slot} has no {key!r} (it has {listed(there)}); {remedy}"
        raise KeyError(msg)
    return mapping[key]


def check_counts(adata: AnnData, name: str) -> Any:
    """Return a layer of counts, whatever its format, after checking its values."""
    x = check_key(
        adata,
        "layers",
        name,
        "spliced and unspliced counts are needed, and the names of their layers can be given as "
        "spliced= and unspliced=.",
    )
    if not (sp.issparse(x) or isinstance(x, np.ndarray)):
        msg = (
            f"layer {name!r} is a {type(x).__name__}; it must be in memory, as a numpy array or a "
            "scipy sparse matrix (adata = adata.to_memory())."
        )
        raise TypeError(msg)
    values = _values(x)
    if values.dtype.kind not in "iufb":
        msg = f"layer {name!r} holds {values.dtype}; counts must be numbers."
        raise TypeError(msg)
    if values.dtype.str.lstrip("<|=") not in _DTYPES:
        msg = f"layer {name!r} holds {values.dtype}; convert it, for example to int32 or float32."
        raise TypeError(msg)
    if sp.issparse(x):
        check_sparse(x, f"layer {name!r}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        n_bad = int((~np.isfinite(values)).sum())
        msg = f"layer {name!r} holds {n_bad:,} NaN or infinite values; counts must be finite."
        raise ValueError(msg)
    if values.size and values.min() < 0:
        n_bad = int((values < 0).sum())
        msg = (
            f"layer {name!r} holds {n_bad:,} negative values, the smallest {values.min():g}; "
            "counts are needed, not scaled or regressed values."
        )
        raise ValueError(msg)
    if not values.any():
        msg = f"layer {name!r} holds only zeros; the steady-state ratio needs both kinds of counts."
        raise ValueError(msg)
    return x


def check_sparse(x: Any, what: str) -> None:
    """Refuse a sparse matrix that is neither CSR nor CSC, or whose indices point outside it."""
    if x.format not in {"csr", "csc"}:
        msg = f"{what} is sparse in {x.format.upper()} format; convert it with .tocsr()."
        raise TypeError(msg)
    major, minor = x.shape if x.format == "csr" else x.shape[::-1]
    pointers, indices = x.indptr, x.indices
    sound = (
        len(pointers) == major + 1
        and pointers[0] == 0
        and pointers[-1] <= min(len(indices), len(x.data))
        and (np.diff(pointers) >= 0).all()
        and (len(indices) == 0 or (indices.min() >= 0 and indices.max() < minor))
    )
    if not sound:
        msg = f"{what} is corrupt: its indices do not fit its shape {x.shape}; read it again."
        raise ValueError(msg)


def is_integer(x: Any) -> bool:
    """Tell whether all values are whole numbers."""
    values = _values(x)
    return values.dtype.kind in "iub" or bool((values == np.floor(values)).all())


def _values(x: Any) -> NDArray[Any]:
    return np.asarray(x.data if sp.issparse(x) else x)
