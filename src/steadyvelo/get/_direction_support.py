"""Which genes speak for the arrow of a cluster, and what would turn it round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, listed
from steadyvelo._adata._fit_params import made_entry
from steadyvelo._arguments import public

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["DirectionSupport", "direction_support"]


@dataclass(frozen=True, eq=False)
class DirectionSupport:
    """What the arrow of a cluster rests on.

    Attributes
    ----------
    cluster
        The cluster.
    standard_errors
        Length of the smallest change of all γ together, in standard errors of each, that turns
        the arrow round.
    genes
        A row per gene, those first that speak loudest: share of the arrow's length
        (``share``, negative for genes that speak against it), the change of its γ within that
        smallest change (``change``), and the change of its γ alone that turns the arrow round
        (``alone``), both in standard errors.
    """

    cluster: str
    standard_errors: float
    genes: pd.DataFrame


@public
def direction_support(
    adata: AnnData, cluster: str, *, basis: str = "umap", velocity_key: str = "velocity"
) -> DirectionSupport:
    r"""Return which genes speak for and against the arrow of a cluster.

    The summed arrow A of a cluster is linear in counts and in γ: along its own direction
    :math:`\lvert A \rvert = \sum_g A_g`, and a change of γ by :math:`x_g` standard errors adds
    :math:`\sum_g D_g \sigma_g x_g`. The smallest change that turns it round,
    :math:`\lvert A \rvert / \sqrt{\sum_g (D_g \sigma_g)^2}` long, is shared among genes as
    :math:`D_g \sigma_g`.

    Parameters
    ----------
    adata
        Result of ``tl.direction(groupby=...)``.
    cluster
        Name of the cluster.
    basis
        Name of the embedding.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    Length of the smallest change and a table of genes; see :class:`DirectionSupport`.

    Raises
    ------
    KeyError
        If there are no directions of clusters, or none of this name.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1))
    >>> sv.tl.direction(adata, basis="pca", groupby="branch", n_controls=0)
    >>> support = sv.get.direction_support(adata, "trunk", basis="pca")
    >>> round(float(support.genes["share"].sum()), 3)
    1.0
    """
    check_adata(adata)
    basis = basis.removeprefix("X_")
    rerun = f"tl.direction(adata, basis={basis!r}, groupby=...)"
    made_entry(adata, velocity_key, "directions", rerun, under=basis)
    table = _keys.GENE_CONTRIBUTIONS.read(adata, velocity_key, basis, remedy=f"run {rerun} first.")
    there = [str(name) for name in table["cluster"].astype(str).unique()]
    if str(cluster) not in there:
        msg = f"{cluster!r} is none of the clusters with a direction: {listed(there)}."
        raise KeyError(msg)
    rows = table[table["cluster"].astype(str) == str(cluster)].set_index("gene")
    step = (rows["share_per_gamma"] * rows["gamma_se"]).to_numpy()
    length = float(np.sqrt((step * step).sum()))
    with np.errstate(divide="ignore"):
        smallest = float(np.divide(1.0, length))
        alone = np.where(step != 0, -1.0 / np.where(step != 0, step, 1.0), np.inf)
    genes = rows[["share", "gamma_se"]].assign(
        change=-step * smallest / length if length > 0 else 0.0, alone=alone
    )
    order = np.argsort(-np.abs(genes["share"].to_numpy()), kind="stable")
    return DirectionSupport(str(cluster), smallest, genes.iloc[order])
