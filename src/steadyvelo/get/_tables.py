"""Tables that the functions of `tl` have stored, read and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, listed
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
    """Return the verdict on the direction of every cluster, with the reason.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.reliability` or :func:`steadyvelo.run`.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    A row per cluster: ``verdict`` (``"supported"``, ``"weak"`` or ``"not supported"``), ``reason``,
    and the numbers that :func:`steadyvelo.tl.reliability` names.

    Raises
    ------
    KeyError
        If there are no verdicts.
    ValueError
        If another version of steadyvelo has stored them in another form.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    >>> list(sv.get.verdicts(adata).index)
    ['branch 1', 'branch 2', 'trunk']
    """
    return _read(
        adata, _keys.RELIABILITY, "reliability", velocity_key, "tl.reliability(adata, ...)"
    )


@public
def reliability_checks(adata: AnnData, *, velocity_key: str = "velocity") -> pd.DataFrame:
    """Return the checks of the data set as a whole, each with value, verdict and reason.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.reliability` or :func:`steadyvelo.run`.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    A row per check, with columns ``value``, ``verdict`` and ``reason``.

    Raises
    ------
    KeyError
        If there are no verdicts.
    ValueError
        If another version of steadyvelo has stored them in another form.

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
    """Return how the arrows change with choices that the data do not make.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.sensitivity` or :func:`steadyvelo.tl.reliability`.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    A row per choice, with the median cosine of the arrows to those of the fit: of all cells
    (``"all"``) and of each cluster.

    Raises
    ------
    KeyError
        If there is no such table.
    ValueError
        If another version of steadyvelo has stored it in another form.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.sensitivity(adata, basis="pca")
    >>> sv.get.sensitivity(adata).index.name
    'choice'
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
        Which groups; None means all that were ranked.
    n_genes
        How many genes of each group, those with the largest statistic; None means all.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    A row for every group and gene, with the columns that
    :func:`steadyvelo.tl.rank_velocity_genes` names.

    Raises
    ------
    KeyError
        If genes were not ranked, or not for such a group.
    ValueError
        If another version of steadyvelo has stored the table in another form.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.rank_velocity_genes(adata, "clusters")
    >>> len(sv.get.ranked_genes(adata, "trunk", n_genes=5))
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
    """Return the tests whether the steady-state ratios of conditions differ.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.compare_ratios`.
    genes
        Which genes; None means all that were compared.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    A row for every gene and comparison, with the columns that
    :func:`steadyvelo.tl.compare_ratios` names.

    Raises
    ------
    KeyError
        If nothing was compared, or not such a gene.
    ValueError
        If another version of steadyvelo has stored the table in another form.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.compare_ratios(adata, "branch", uncertainty="sandwich")
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
    adata: AnnData, *, basis: str = "umap", velocity_key: str = "velocity"
) -> pd.DataFrame:
    """Return the summed arrow of every cluster, with the test that it has a direction.

    Parameters
    ----------
    adata
        Result of ``tl.direction(groupby=...)`` or :func:`steadyvelo.tl.reliability`.
    basis
        Name of the embedding.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    A row per cluster; see :func:`steadyvelo.tl.direction` for the columns.

    Raises
    ------
    KeyError
        If no directions of clusters were computed on this embedding.
    ValueError
        If another version of steadyvelo has stored them in another form.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    >>> table = sv.get.cluster_directions(adata, basis="pca")
    >>> bool((table["p_holm"] >= table["p"]).all())
    True
    """
    basis = basis.removeprefix("X_")
    rerun = f"tl.direction(adata, basis={basis!r}, groupby=...)"
    return _read(adata, _keys.CLUSTER_DIRECTIONS, "directions", velocity_key, rerun, basis)


def _read(
    adata: AnnData,
    field: _keys.Field,
    what: str,
    velocity_key: str,
    rerun: str,
    basis: str | None = None,
) -> pd.DataFrame:
    """Return a copy of a stored table whose record in the parameters can be read."""
    check_adata(adata)
    made_entry(adata, velocity_key, what, rerun, under=basis)
    remedy = f"run {rerun} first."
    table: pd.DataFrame = field.read(adata, velocity_key, basis or "", remedy=remedy)
    return table.copy()


def _asked(column: pd.Series[str], names: str | Sequence[str], what: str) -> list[str]:
    """Return names as a list; refuse those that are not in the column."""
    asked = [str(name) for name in np.atleast_1d(np.asarray(names, dtype=object))]
    there = [str(name) for name in column.unique()]
    unknown = sorted(set(asked) - set(there))
    if unknown:
        msg = f"{what} {listed(unknown)} are not in the table, which has {listed(there)}."
        raise KeyError(msg)
    return asked
