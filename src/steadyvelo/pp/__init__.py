"""Steps before the fit: quality checks, size factors, choice of genes, neighbours, smoothing."""

from ._filter_genes import filter_genes
from ._moments import moments
from ._neighbors import neighbors
from ._qc import qc
from ._size_factors import size_factors

__all__ = ["filter_genes", "moments", "neighbors", "qc", "size_factors"]
