"""Nearest neighbours by expression of spliced mRNA."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import (
    check_adata,
    check_counts,
    check_key,
    is_integer,
    warn,
    writable,
)
from steadyvelo._adata._provenance import stamp
from steadyvelo._arguments import public
from steadyvelo._log import detail

from ._components import components
from ._nearest import distance_graph, fuzzy_graph, nearest_neighbors

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["neighbors"]


@public
def neighbors(
    adata: AnnData,
    *,
    n_neighbors: int = 30,
    n_pcs: int = 30,
    use_rep: str | None = None,
    spliced: str = "spliced",
    key_added: str | None = None,
    rng: int | np.random.Generator | None = 0,
) -> None:
    """Find every cell's nearest neighbours, and the graph that smoothing uses.

    Distances are Euclidean in a representation, all of them up to 100,000 cells and above that
    by approximate search (pynndescent); connectivities are UMAP's fuzzy simplicial set. Both are
    what scanpy's function of this name computes.

    Parameters
    ----------
    adata
        Cells × genes.
    n_neighbors
        Neighbours of a cell, itself among them: the graph of distances stores one less.
    n_pcs
        Number of principal components; of a stored ``X_pca`` that has fewer, all.
    use_rep
        Name of a representation in ``obsm``, for example of Harmony or scVI. None means
        ``obsm["X_pca"]`` where it exists; else principal components of log(1 + s / size factor)
        are computed, of the used genes, of those the highly variable ones where
        ``var["highly_variable"]`` marks some.
    spliced
        Name of the layer of spliced counts.
    key_added
        Name for the graph; None means scanpy's, ``uns["neighbors"]``.
    rng
        Seed of the principal components and of the approximate search: a whole number, a
        `numpy.random.Generator` that gives one, or None for one from the system. It is recorded.

    Returns
    -------
    None. Sets:

    ``obsp["distances"]``, ``obsp["connectivities"]``, ``uns["neighbors"]``
        As scanpy does, under `key_added` where given.
    ``obsm["X_pca"]``
        Where it was computed.

    Raises
    ------
    KeyError
        If the representation or the size factors are missing.
    ValueError
        If there are not more cells than neighbours, or a representation is not finite.

    Warns
    -----
    SteadyveloWarning
        If fewer components than `n_pcs` can be computed. If cells are exact copies of others.

    References
    ----------
    McInnes, Healy and Melville (2018), https://arxiv.org/abs/1802.03426.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=60, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=10, n_pcs=5)
    >>> int(adata.obsp["distances"].nnz) == 60 * 9
    True
    """
    check_adata(adata)
    _check_cells(adata.n_obs, n_neighbors)
    computed = None
    if use_rep is not None:
        representation = check_key(adata, "obsm", use_rep, "name one of these as use_rep=.")
    elif _keys.PCA.is_in(adata):
        representation = _keys.PCA.read(adata)[:, :n_pcs]
    else:
        representation = computed = principal_components(
            adata, spliced, component_genes(adata), n_pcs, rng
        )
    rows = representation if computed is None else adata.layers[spliced]
    representation = np.asarray(representation, dtype=np.float32)
    if not np.isfinite(representation).all():
        msg = "the representation has NaN or infinite values; recompute it."
        raise ValueError(msg)
    _warn_of_copies(rows)

    indices, found = nearest_neighbors(representation, n_neighbors, rng=rng)
    params = {
        "n_neighbors": n_neighbors,
        "method": "umap",
        "metric": "euclidean",
        "random_state": rng,
        "n_pcs": int(representation.shape[1]),
        **({"use_rep": use_rep} if use_rep is not None else {}),
        **stamp(adata),
    }
    writable(adata)
    if computed is not None:
        _keys.PCA.write(adata, computed)
    prefix = "" if key_added is None else f"{key_added}_"
    entry: dict[str, Any] = {"params": params}
    for field, graph in (
        (_keys.CONNECTIVITIES, fuzzy_graph(indices, found)),
        (_keys.DISTANCES, distance_graph(indices, found)),
    ):
        entry[f"{field.name}_key"] = prefix + field.name
        adata.obsp[prefix + field.name] = graph
    adata.uns[key_added or _keys.NEIGHBORS.of()] = entry
    detail(
        f"{n_neighbors} neighbours of each of {adata.n_obs:,} cells are found in "
        f"{representation.shape[1]} dimensions of {use_rep or _keys.PCA.of()}"
    )


def _check_cells(n_cells: int, n_neighbors: int) -> None:
    """Refuse more neighbours than there are cells."""
    if n_cells <= n_neighbors:
        msg = (
            f"{n_cells} cells cannot have {n_neighbors} neighbours each; give a smaller "
            "n_neighbors= or more cells."
        )
        raise ValueError(msg)


def _warn_of_copies(rows: Any) -> None:
    """Warn of rows of a matrix that stand in it more than once."""
    if sp.issparse(rows):
        csr = sp.csr_array(rows)
        if not csr.has_sorted_indices:
            csr = csr.sorted_indices()
        n_distinct = len(
            {csr.indices[a:b].tobytes() + csr.data[a:b].tobytes() for a, b in pairwise(csr.indptr)}
        )
    else:
        n_distinct = len(np.unique(np.asarray(rows), axis=0))
    n_doubled = rows.shape[0] - n_distinct
    if n_doubled:
        warn(
            f"{n_doubled:,} cells are exact copies of another cell: were samples joined twice? "
            "They are neighbours at distance zero."
        )


def component_genes(adata: AnnData) -> NDArray[np.bool_]:
    """Return the genes principal components are made of: used ones, of them the variable ones."""
    genes = np.ones(adata.n_vars, dtype=bool)
    for field in (_keys.GENES_USED, _keys.HIGHLY_VARIABLE):
        if field.is_in(adata) and (genes & field.values(adata)).any():
            genes &= field.values(adata)
    return genes


def principal_components(
    adata: AnnData,
    spliced: str,
    genes: NDArray[np.bool_],
    n_pcs: int,
    rng: int,
    *,
    alone: bool = False,
) -> Any:
    """Return principal components of log-normalised spliced counts of some genes.

    Counts are divided by the cells' size factors, or by sizes over these genes alone: then nothing
    in the components depends on the counts of other genes.
    """
    counts = sp.csr_matrix(check_counts(adata, spliced), dtype=np.float32)
    chosen = sp.csr_matrix(counts[:, genes])
    if is_integer(counts):
        if alone:
            sizes = np.asarray(chosen.sum(axis=1), dtype=np.float32).ravel()
            factor = sizes / max(float(np.median(sizes)), 1.0)
        else:
            remedy = "run pp.size_factors(adata) first."
            factor = _keys.SPLICED_FACTOR.read(adata, remedy=remedy).to_numpy(dtype=np.float32)
        chosen = sp.diags_array(1 / np.where(factor > 0, factor, 1)) @ chosen
    log_counts = sp.csr_matrix(chosen, dtype=np.float32).log1p()
    most = min(log_counts.shape) - 1
    if most < 1:
        msg = f"{log_counts.shape[1]} genes are too few for principal components; use use_rep=."
        raise ValueError(msg)
    if most < n_pcs:
        warn(
            f"{n_pcs} principal components were asked for; {log_counts.shape[0]} cells and "
            f"{log_counts.shape[1]} genes have {most}."
        )
    return components(log_counts, min(n_pcs, most), rng=rng)
