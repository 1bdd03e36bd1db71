"""Flows between clusters as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._stored_flows import StoredFlows
from steadyvelo._arguments import public

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["cluster_graph"]


@public
def cluster_graph(adata: AnnData, *, velocity_key: str = "velocity") -> pd.DataFrame:
    """Return the flows between clusters, with their tests and verdicts.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.cluster_graph`, or a part of its cells.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    One row for each ordered pair of clusters with edges between them;
    :func:`steadyvelo.tl.cluster_graph` describes the columns.

    Raises
    ------
    KeyError
        If flows were not computed.
    ValueError
        If cells have changed their clusters since then (other names of clusters are no change), or
        another version of steadyvelo stored the table in a different format.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.cluster_graph(adata, "branch", n_controls=5)
    >>> table = sv.get.cluster_graph(adata)
    >>> bool((table["p_holm"] >= table["p"]).all())
    True
    """
    check_adata(adata)
    return StoredFlows.read(adata, velocity_key).table.reset_index(drop=True)
