"""Reading of counts, the same for all commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from ._options import AmbiguousChoice

__all__ = ["read_counts"]


def read_counts(path: Path | str, ambiguous: AmbiguousChoice, **options: Any) -> AnnData:
    """Return the counts at a path in any format that is recognised."""
    from steadyvelo.io import read  # noqa: PLC0415 (slow to import)

    return read(path, ambiguous=ambiguous.value, **options)
