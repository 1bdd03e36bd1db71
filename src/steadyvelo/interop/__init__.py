"""Formats of other packages."""

from ._cellrank import to_cellrank
from ._cellxgene import to_cellxgene
from ._export import export
from ._scvelo import to_scvelo

__all__ = ["export", "to_cellrank", "to_cellxgene", "to_scvelo"]
