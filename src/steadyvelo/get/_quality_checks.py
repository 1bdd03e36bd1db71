"""Results of the quality checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._provenance import check_schema
from steadyvelo._arguments import public

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["proportions", "quality_checks"]

_REMEDY = "run pp.qc(adata) first."


@public
def quality_checks(adata: AnnData) -> pd.DataFrame:
    """Return the results of the quality checks of the counts.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.pp.qc` or :func:`steadyvelo.run`.

    Returns
    -------
    One row per check: ``verdict`` (``"ok"``; ``"attention"``: consider the reason when you
    interpret the results; ``"stop"``: results would be meaningless), the ``value`` that determines
    the verdict, the ``reason`` and the ``remedy``.

    Raises
    ------
    KeyError
        If the counts were not checked by :func:`steadyvelo.pp.qc`.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=100, n_genes=80, depth=2)
    >>> sv.pp.qc(adata)
    >>> sv.get.quality_checks(adata).loc["raw counts", "verdict"]
    'ok'
    """
    return _read(adata, _keys.QC)


@public
def proportions(adata: AnnData) -> pd.DataFrame:
    """Return numbers of molecules and the share of unspliced ones, for all cells and for groups.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.pp.qc`; groups are given by its `groupby`.

    Returns
    -------
    One row for all cells and one per group: the number of cells ``n_cells``, the numbers of
    molecules ``spliced``, ``unspliced`` and ``ambiguous``, and ``unspliced_share``.

    Raises
    ------
    KeyError
        If the counts were not checked by :func:`steadyvelo.pp.qc`.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=100, n_genes=80, depth=2)
    >>> sv.pp.qc(adata, groupby="branch")
    >>> list(sv.get.proportions(adata).index)
    ['all cells', 'branch 1', 'branch 2', 'trunk']
    """
    return _read(adata, _keys.QC_PROPORTIONS)


def _read(adata: AnnData, field: _keys.Field) -> pd.DataFrame:
    """Return a copy of a table of the quality checks that this version can read."""
    check_adata(adata)
    table: pd.DataFrame = field.read(adata, remedy=_REMEDY)
    made = _keys.QC_PARAMS.read(adata, default={})
    check_schema(made, f"uns[{field.of()!r}]", "pp.qc(adata)")
    return table.copy()
