"""Tables that functions of `tl` have stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, listed
from steadyvelo._adata._embeddings import found_basis
from steadyvelo._adata._fingerprints import current_clusters
from steadyvelo._adata._fit_params import made_entry
from steadyvelo._arguments import public

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData

__all__ = [
    "cluster_directions",
    "ranked_genes",
    "ratio_differences",
    "reliability_checks",
    "sensitivity",
    "verdicts",
]


@public
def verdicts(adata: AnnData, *, velocity_key: str = "velocity") -> pd.DataFrame:
    """Return the verdict on the direction of every cluster, with its reason.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.reliability` or :func:`steadyvelo.run`.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    One row per cluster: ``verdict`` (``"supported"``, ``"weak"``, ``"contradicted"`` or
    ``"not supported"``), ``reason``, and the numbers that :func:`steadyvelo.tl.reliability`
    describes.

    Raises
    ------
    KeyError
        If verdicts were not computed.
    ValueError
        If cells have changed their clusters since then (other names of clusters are no change), or
        another version of steadyvelo stored the table in a different format.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    >>> list(sv.get.verdicts(adata).index)
    ['fork', 'middle 1', 'middle 2', 'root', 'tip 1', 'tip 2']
    """
    rerun = "tl.reliability(adata, ...)"
    table = _read(adata, _keys.RELIABILITY, "reliability", velocity_key, rerun)
    made = made_entry(adata, velocity_key, "reliability", rerun)
    return _named_today(adata, table, velocity_key, str(made["basis"]))


@public
def reliability_checks(adata: AnnData, *, velocity_key: str = "velocity") -> pd.DataFrame:
    """Return the checks of the whole data set.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.reliability` or :func:`steadyvelo.run`.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    One row per check, with columns ``value``, ``verdict`` and ``reason``.

    Raises
    ------
    KeyError
        If verdicts were not computed.
    ValueError
        If another version of steadyvelo stored the table in a different format.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    >>> list(sv.get.reliability_checks(adata).columns)
    ['value', 'verdict', 'reason']
    """
    field = _keys.RELIABILITY_CHECKS
    return _read(adata, field, "reliability", velocity_key, "tl.reliability(adata, ...)")


@public
def sensitivity(adata: AnnData, *, velocity_key: str = "velocity") -> pd.DataFrame:
    """Return how much arrows change under other settings.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.sensitivity` or :func:`steadyvelo.tl.reliability`.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    One row per setting, with the median cosine between its arrows and those of the fit: over all
    cells (``"all"``) and in each cluster.

    Raises
    ------
    KeyError
        If sensitivity was not computed.
    ValueError
        If another version of steadyvelo stored the table in a different format.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.sensitivity(adata, basis="pca")
    >>> sv.get.sensitivity(adata).index.name
    'setting'
    """
    return _read(adata, _keys.SENSITIVITY, "sensitivity", velocity_key, "tl.sensitivity(adata)")


@public
def ranked_genes(
    adata: AnnData,
    groups: str | Sequence[str] | None = None,
    *,
    n_genes: int | None = None,
    velocity_key: str = "velocity",
) -> pd.DataFrame:
    """Return the genes whose velocity in a group of cells differs from that in all others.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.rank_velocity_genes`.
    groups
        Names of groups; None means all groups for which genes were ranked.
    n_genes
        Number of genes of each group, those with the largest statistic; None means all.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    One row for every group and gene, with the columns that
    :func:`steadyvelo.tl.rank_velocity_genes` describes.

    Raises
    ------
    KeyError
        If genes were not ranked, or not for one of `groups`.
    ValueError
        If another version of steadyvelo stored the table in a different format.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.rank_velocity_genes(adata, "clusters")
    >>> len(sv.get.ranked_genes(adata, "fork", n_genes=5))
    5
    """
    rerun = "tl.rank_velocity_genes(adata, groupby)"
    table = _read(adata, _keys.RANKED_GENES, "ranked_genes", velocity_key, rerun)
    if groups is not None:
        table = table[table["group"].isin(_asked(table["group"], groups, "groups"))]
    if n_genes is not None:
        table = table.groupby("group", sort=False, observed=True).head(n_genes)
    return table.reset_index(drop=True)


@public
def ratio_differences(
    adata: AnnData,
    genes: str | Sequence[str] | None = None,
    *,
    velocity_key: str = "velocity",
) -> pd.DataFrame:
    """Return the tests of differences between the steady-state ratios of conditions.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.compare_ratios`.
    genes
        Names of genes; None means all genes that were compared.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    One row for every gene and comparison, with the columns that
    :func:`steadyvelo.tl.compare_ratios` describes.

    Raises
    ------
    KeyError
        If conditions were not compared, or not for one of `genes`.
    ValueError
        If another version of steadyvelo stored the table in a different format.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.compare_ratios(adata, "branch", contrast="extremes", uncertainty="sandwich")
    >>> table = sv.get.ratio_differences(adata, adata.var_names[0])
    >>> list(table["condition"].unique())
    ['branch 1', 'branch 2', 'trunk']
    """
    rerun = "tl.compare_ratios(adata, condition_key)"
    table = _read(adata, _keys.RATIO_DIFFERENCES, "ratio_differences", velocity_key, rerun)
    if genes is not None:
        table = table[table["gene"].isin(_asked(table["gene"], genes, "genes"))]
    return table.reset_index(drop=True)


@public
def cluster_directions(
    adata: AnnData, *, basis: str = "auto", velocity_key: str = "velocity"
) -> pd.DataFrame:
    """Return the summed arrow of every cluster, with the test of its direction.

    Parameters
    ----------
    adata
        Result of ``tl.direction(groupby=...)`` or :func:`steadyvelo.tl.reliability`.
    basis
        Name of the embedding; ``"auto"`` uses the one whose arrows were computed last, or else the
        first usual one (``"umap"``, ``"tsne"`` …).
    velocity_key
        Prefix of the fit.

    Returns
    -------
    One row per cluster; :func:`steadyvelo.tl.direction` describes the columns.

    Raises
    ------
    KeyError
        If no directions of clusters were computed on this embedding.
    ValueError
        If cells have changed their clusters since then (other names of clusters are no change), or
        another version of steadyvelo stored the table in a different format.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    >>> table = sv.get.cluster_directions(adata, basis="pca")
    >>> bool((table["p_holm"] >= table["p"]).all())
    True
    """
    basis = found_basis(adata, basis, velocity_key)
    rerun = f"tl.direction(adata, basis={basis!r}, groupby=...)"
    table = _read(adata, _keys.CLUSTER_DIRECTIONS, "directions", velocity_key, rerun, basis)
    return _named_today(adata, table, velocity_key, basis)


def _read(
    adata: AnnData,
    field: _keys.Field,
    what: str,
    velocity_key: str,
    rerun: str,
    basis: str | None = None,
) -> pd.DataFrame:
    """Return a copy of a stored table, if the version of its record can be read."""
    check_adata(adata)
    made_entry(adata, velocity_key, what, rerun, under=basis)
    remedy = f"run {rerun} first."
    table: pd.DataFrame = field.read(adata, velocity_key, basis or "", remedy=remedy)
    return table.copy()


def _named_today(
    adata: AnnData, table: pd.DataFrame, velocity_key: str, basis: str
) -> pd.DataFrame:
    """Return a table of clusters under the names that these have today."""
    renamed: pd.DataFrame = table.rename(index=current_clusters(adata, velocity_key, basis))
    return renamed


def _asked(column: pd.Series[str], names: str | Sequence[str], what: str) -> list[str]:
    """Return names as a list; raise an error if some are not in the column."""
    asked = [str(name) for name in np.atleast_1d(np.asarray(names, dtype=object))]
    there = [str(name) for name in column.unique()]
    unknown = sorted(set(asked) - set(there))
    if unknown:
        msg = f"{what} {listed(unknown)} are not in the table, which has {listed(there)}."
        raise KeyError(msg)
    return asked
