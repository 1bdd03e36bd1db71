"""Files to AnnData and back."""

from __future__ import annotations

from ._h5ad import read_h5ad, write_h5ad

__all__ = ["read_h5ad", "write_h5ad"]
