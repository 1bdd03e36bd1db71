"""Contributions of genes to the arrow of a cluster, and changes of γ that would reverse it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, listed
from steadyvelo._adata._embeddings import found_basis
from steadyvelo._adata._fingerprints import current_clusters
from steadyvelo._adata._fit_params import made_entry
from steadyvelo._arguments import public

from ._expected_direction import ExpectedDirection, expected_direction

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["DirectionSupport", "direction_support", "smallest_changes"]


@dataclass(frozen=True, eq=False)
class DirectionSupport:
    """Contributions of genes to the arrow of a cluster, and changes of γ that would reverse it.

    Attributes
    ----------
    cluster
        Name of the cluster.
    standard_errors
        Size of the smallest joint change of all γ that reverses the arrow; each γ is in units of
        its standard error.
    genes
        One row per gene, sorted by the size of the contribution: its share of the arrow's length
        (``share``, negative for genes with the opposite direction), the change of its γ in the
        smallest joint change (``change``), and the change of only this γ that would reverse the
        arrow (``alone``), both in standard errors. With an expected direction, they are sorted by
        their contribution to it, and there are two more columns: this contribution relative to the
        arrow's length (``toward_expected``, negative for genes against it), and the reasons to
        doubt the gene, joined by ``"; "`` (``reasons``, empty if none was found).
    expected
        How the arrow compares with the expected direction; None if none was given.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1))
    >>> sv.tl.direction(adata, basis="pca", groupby="branch", n_controls=0)
    >>> support = sv.get.direction_support(adata, "trunk", basis="pca")
    >>> support.cluster, support.standard_errors > 0
    ('trunk', True)
    """

    cluster: str
    standard_errors: float
    genes: pd.DataFrame
    expected: ExpectedDirection | None = None


@public
def direction_support(
    adata: AnnData,
    cluster: str,
    *,
    expected: tuple[str, str] | None = None,
    basis: str = "auto",
    velocity_key: str = "velocity",
) -> DirectionSupport:
    r"""Return the contributions of genes to the arrow of a cluster.

    The summed arrow A of a cluster is linear in counts and in γ. Its length is the sum of the
    contributions of genes along its direction, :math:`\lvert A \rvert = \sum_g A_g`, and a change
    of γ by :math:`x_g` standard errors adds :math:`\sum_g D_g \sigma_g x_g` to it. The smallest
    change that reverses the arrow has the size
    :math:`\lvert A \rvert / \sqrt{\sum_g (D_g \sigma_g)^2}`; the change of each gene is
    proportional to :math:`D_g \sigma_g`.

    If an arrow does not point where you expect, name two clusters as `expected`: the genes for and
    against the direction from the first to the second are then listed with reasons to doubt them,
    and the arrow is computed without the genes that have one. The reasons are: the checks of
    :func:`steadyvelo.tl.check_model` that the gene fails; ``"size factors"``, if the gene
    points the other way with the other size factors (known after :func:`steadyvelo.tl.reliability`
    with ``sensitivity=True``); and ``"ambiguous molecules"``, if the gene's ambiguous molecules are
    more than half of its other unspliced molecules. A reason does not prove that a gene is wrong,
    and genes for the expected direction can have reasons, too.

    Parameters
    ----------
    adata
        Result of ``tl.direction(groupby=...)``.
    cluster
        Name of the cluster.
    expected
        Names of two clusters, source and target: the arrow is compared with the direction from the
        centre of the source to that of the target on the embedding.
    basis
        Name of the embedding; ``"auto"`` uses the one whose arrows were computed last, or else the
        first usual one (``"umap"``, ``"tsne"`` …).
    velocity_key
        Prefix of the fit.

    Returns
    -------
    The smallest change and a table of genes; see :class:`DirectionSupport`.

    Raises
    ------
    KeyError
        If directions of clusters were not computed, or a name is not that of a cluster.
    ValueError
        If the clusters of `expected` have no cells or the same centre, or the embedding has changed
        since directions were tested.

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
    >>> support = sv.get.direction_support(
    ...     adata, "trunk", expected=("trunk", "branch 1"), basis="pca"
    ... )
    >>> support.expected.cosine > 0, support.expected.examined
    (True, ())
    """
    check_adata(adata)
    basis = found_basis(adata, basis, velocity_key)
    rerun = f"tl.direction(adata, basis={basis!r}, groupby=...)"
    made_entry(adata, velocity_key, "directions", rerun, under=basis)
    table = _keys.GENE_CONTRIBUTIONS.read(adata, velocity_key, basis, remedy=f"run {rerun} first.")
    today = current_clusters(adata, velocity_key, basis)
    stored = {today.get(name, name): name for name in map(str, table["cluster"].unique())}
    if str(cluster) not in stored:
        msg = f"cluster={cluster!r} is not in the table of directions, which has {listed(stored)}."
        raise KeyError(msg)
    rows = table[(table["cluster"] == stored[str(cluster)]).to_numpy()].set_index("gene")
    step = (rows["share_per_gamma"] * rows["gamma_se"]).to_numpy()
    smallest = float(smallest_changes(rows).iloc[0])
    length = 1.0 / smallest
    with np.errstate(divide="ignore"):
        alone = np.where(step != 0, -1.0 / np.where(step != 0, step, 1.0), np.inf)
    genes = rows[["share", "gamma_se"]].assign(
        change=-step * smallest / length if length > 0 else 0.0, alone=alone
    )
    size, compared = genes["share"], None
    if expected is not None:
        codes = {name: number for number, name in enumerate(stored)}
        compared, columns = expected_direction(adata, velocity_key, basis, rows, expected, codes)
        genes = genes.join(columns)
        size = genes["toward_expected"]
    order = np.argsort(-np.abs(size.to_numpy()), kind="stable")
    return DirectionSupport(str(cluster), smallest, genes.iloc[order], compared)


def smallest_changes(table: pd.DataFrame) -> pd.Series:
    """Return the smallest change of γ, in standard errors, that reverses the arrow of each cluster.

    `table` has a row for each cluster and gene; a cluster without contributions has infinity.
    """
    step = table["share_per_gamma"] * table["gamma_se"]
    length = np.sqrt((step * step).groupby(table["cluster"].to_numpy(), sort=False).sum())
    with np.errstate(divide="ignore"):
        return 1.0 / length
