"""Principal components of sparse expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh
from scipy.linalg.blas import dsyrk
from sklearn.utils.extmath import svd_flip

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["components", "log_normalized"]

# up to this number of genes their covariance is computed, in 200 MB: faster than iterations
_MOST_GENES = 5_000
_CELLS_AT_ONCE = 2_000


def log_normalized(
    counts: sp.csr_matrix[Any], factor: NDArray[np.floating[Any]] | None
) -> sp.csr_matrix[Any]:
    """Return log(1 + counts / size factor) as float32; without factors, counts are not divided."""
    if factor is not None:
        counts = sp.csr_matrix(sp.diags_array(1 / np.where(factor > 0, factor, 1)) @ counts)
    return sp.csr_matrix(counts, dtype=np.float32).log1p()


def components(values: sp.csr_matrix[Any], n_components: int, *, rng: int = 0) -> NDArray[Any]:
    """Return the first principal components of centred values.

    Values are cells × genes. Components are float32, shape (cells, components), sorted by
    decreasing variance. They are eigenvectors of the covariance of genes, which is summed in
    float64 over parts of the cells; with too many genes for that, scanpy's iterative solver is
    used.
    """
    n_cells, n_genes = values.shape
    if n_genes > _MOST_GENES:
        import scanpy as sc  # noqa: PLC0415 (slow to import)

        return np.asarray(sc.pp.pca(values, n_comps=n_components, random_state=rng))
    products, sums = np.zeros((n_genes, n_genes), order="F"), np.zeros(n_genes)
    for start in range(0, n_cells, _CELLS_AT_ONCE):
        part = values[start : start + _CELLS_AT_ONCE].toarray().astype(np.float64)
        products = dsyrk(1.0, part.T, beta=1.0, c=products, overwrite_c=1)
        # scipy sums float32 arrays in float32, also if another dtype is requested
        sums += part.sum(axis=0)
    mean = sums / n_cells
    products -= n_cells * np.outer(mean, mean)
    # only the upper triangle was computed
    first = n_genes - n_components
    _, vectors = eigh(products, lower=False, subset_by_index=(first, n_genes - 1))
    vectors = vectors[:, ::-1]
    projected = values @ vectors - mean @ vectors
    flipped, _ = svd_flip(projected, vectors.T)
    return np.asarray(flipped, dtype=np.float32)
