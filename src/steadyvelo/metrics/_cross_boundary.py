"""Test whether arrows at the border of a cluster point to the next cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, check_key, listed
from steadyvelo._adata._embeddings import check_arrows, check_finite_embedding, found_basis
from steadyvelo._adata._fit_params import neighbors_of_graph
from steadyvelo._adata._neighbor_graph import neighbor_graph
from steadyvelo._arguments import public

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

__all__ = ["cross_boundary_direction"]


@public
def cross_boundary_direction(
    adata: AnnData,
    edges: Sequence[tuple[str, str]],
    *,
    groupby: str = "clusters",
    basis: str = "auto",
    velocity_key: str = "velocity",
    neighbors_key: str | None = None,
) -> pd.DataFrame:
    r"""Return the mean cosine between arrows and the directions to neighbours in the next cluster.

    For a pair of clusters A → B, every cell i of A with neighbours :math:`N_i` in B has the value

    .. math:: \frac{1}{|N_i|} \sum_{j \in N_i} \cos\angle(a_i,\; e_j - e_i)

    where :math:`a_i` is its arrow and :math:`e` are coordinates on the embedding.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_embedding`.
    edges
        Pairs (cluster, next cluster).
    groupby
        Column of ``obs`` with the clusters.
    basis
        Name of the embedding; ``"auto"`` uses the one whose arrows were computed last, or else the
        first usual one (``"umap"``, ``"tsne"`` …).
    velocity_key
        Prefix of the result.
    neighbors_key
        Name of the neighbour graph in ``uns``; None means that of the velocity graph.

    Returns
    -------
    One row per pair: ``source``, ``target``, ``n_cells`` with a value, and their mean ``cosine``
    (NaN without such cells).

    Raises
    ------
    KeyError
        If arrows, clusters, neighbours or the embedding are missing.

    References
    ----------
    Qiao and Huang (2021), https://doi.org/10.1073/pnas.2105859118.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> table = sv.metrics.cross_boundary_direction(adata, [("root", "fork")], basis="pca")
    >>> bool(table["cosine"][0] > 0.2)
    True
    """
    check_adata(adata)
    labels = check_key(adata, "obs", groupby, "give the column of clusters as groupby=.")
    labels = labels.astype(str).to_numpy()
    unknown = sorted({str(name) for edge in edges for name in edge} - set(labels))
    if unknown:
        msg = (
            f"clusters {listed(unknown)} are not in obs[{groupby!r}], which has the values "
            f"{listed(np.unique(labels))}."
        )
        raise KeyError(msg)
    basis = found_basis(adata, basis, velocity_key)
    positions = check_finite_embedding(adata, basis)
    arrows = check_arrows(adata, basis, velocity_key)
    if neighbors_key is None:
        neighbors_key = neighbors_of_graph(adata, velocity_key)
    graph = neighbor_graph(adata, _keys.DISTANCES, neighbors_key)
    source = np.repeat(np.arange(adata.n_obs), np.diff(graph.indptr))
    way = positions[graph.indices] - positions[source]
    lengths = np.linalg.norm(way, axis=1) * np.linalg.norm(arrows, axis=1)[source]
    # pairs with equal coordinates and cells without an arrow have no direction
    counts = lengths > 0
    cosine = np.einsum("ij,ij->i", way[counts], arrows[source[counts]]) / lengths[counts]
    table = pd.DataFrame(
        {
            "cell": source[counts],
            "source": labels[source[counts]],
            "target": labels[graph.indices[counts]],
            "cosine": cosine,
        }
    )
    rows = []
    for first, second in edges:
        pairs = table[(table["source"] == str(first)) & (table["target"] == str(second))]
        per_cell = pairs.groupby("cell")["cosine"].mean()
        rows.append((first, second, len(per_cell), per_cell.mean()))
    return pd.DataFrame(rows, columns=["source", "target", "n_cells", "cosine"])
