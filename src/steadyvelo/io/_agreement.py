"""Whether counts are those of the cells: comparison with what the analysed table knows of them.

A cell's expression in the analysed table is compared with the counts that it was given and with
those that other cells of its sample were given. Both are divided by library size and centred for
each gene within the sample, so that a cell's own molecules decide and not what all cells have in
common. Counts of the same cell, also from another counting program, correlate more with its
expression than those of other cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo._adata._checks import listed

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["Agreement", "agreement"]

# cells that are compared, at most, and other cells with which each is compared
_CELLS, _OTHERS = 3_000, 5
# genes with the most molecules, which are enough to tell cells apart
_GENES = 2_000
# cells of a group, and genes with molecules, so that a share says something
_LEAST_CELLS, _LEAST_GENES = 20, 50
# columns of obs that may have samples whose names are the same in all samples
_SAMPLE_COLUMNS = ("sample", "orig.ident", "batch", "library", "donor", "sample_id", "library_id")
_TOTALS = ("nCount_RNA", "total_counts", "n_counts", "nUMI", "n_umi", "nCount_originalexp")


@dataclass(frozen=True)
class Agreement:
    """How well counts agree with what was known of the cells.

    Attributes
    ----------
    compared_with
        What the counts were compared with; empty if there was nothing.
    share
        Share of the compared cells whose expression correlates more with their own counts than with
        those of each of five other cells; one in six would by chance.
    worst, worst_share
        The group of cells with the smallest share, and this share; empty if there are no groups.
    totals
        Rank correlation of molecules per cell with a column of `obs`; NaN if there is none.
    totals_column
        This column.

    Examples
    --------
    >>> Agreement("X", 0.99).says_other_cells(0.8)
    False
    """

    compared_with: str = ""
    share: float = float("nan")
    worst: str = ""
    worst_share: float = float("nan")
    totals: float = float("nan")
    totals_column: str = ""

    def says_other_cells(self, least: float) -> bool:
        """Tell whether these are counts of other cells."""
        shares = [x for x in (self.share, self.worst_share) if np.isfinite(x)]
        # if the molecules per cell are all that is known
        alone = [self.totals] if not shares and np.isfinite(self.totals) else []
        return any(x < least for x in shares + alone)

    def __str__(self) -> str:
        """Return it as text."""
        said = []
        if self.compared_with:
            said.append(
                f"{self.share:.0%} of cells fit best to their own counts (by {self.compared_with})"
            )
        if self.worst:
            said.append(f"fewest in {self.worst}: {self.worst_share:.0%}")
        if self.totals_column:
            said.append(
                f"correlation of molecules with obs[{self.totals_column!r}] {self.totals:.2f}"
            )
        return ", ".join(said) or "nothing to compare the counts with in adata"


def agreement(
    adata: AnnData,
    layers: dict[str, Any],
    matched: NDArray[np.bool_],
    samples: NDArray[np.object_] | None,
) -> Agreement:
    """Compare attached layers, cells × genes of `adata`, with its expression and its totals."""
    cells = np.flatnonzero(matched)
    summed = sp.csr_matrix(sum(layers.values()))
    molecules = np.asarray(summed.sum(axis=1)).ravel()
    column, correlation = _totals(adata, molecules, cells)
    known, name = _expression(adata)
    n_genes = int((summed.getnnz(axis=0) > 0).sum())
    if known is None or len(cells) < _LEAST_CELLS or n_genes < _LEAST_GENES:
        return Agreement(totals=correlation, totals_column=column)
    draws = np.random.default_rng(0)
    chosen = np.sort(draws.choice(cells, min(_CELLS, len(cells)), replace=False))
    columns = _sample_columns(adata, samples)
    together = _together(columns, chosen)
    # spliced counts alone if expression is that of exons only
    kinds = (summed, layers["spliced"])
    fits = max(
        (_fits(known, sp.csr_matrix(x), chosen, together, draws) for x in kinds),
        key=lambda fit: float(np.nanmean(fit)) if np.isfinite(fit).any() else -1.0,
    )
    seen = np.isfinite(fits)
    if seen.sum() < _LEAST_CELLS:
        return Agreement(totals=correlation, totals_column=column)
    worst, share = _worst(columns, chosen[seen], fits[seen])
    return Agreement(name, float(fits[seen].mean()), worst, share, correlation, column)


def _expression(adata: AnnData) -> tuple[Any, str]:
    """Return what the analysed table knows of the expression of its genes, and its name."""
    for name in ("counts", "raw_counts"):
        if name in adata.layers:
            return adata.layers[name], f"layers[{name!r}]"
    raw = adata.raw
    if raw is not None and adata.var_names.isin(raw.var_names).all():
        return raw[:, adata.var_names].X, "raw"
    return (None, "") if adata.X is None else (adata.X, "X")


def _fits(
    known: Any,
    counts: sp.csr_matrix[Any],
    cells: NDArray[np.intp],
    together: list[NDArray[np.intp]],
    draws: np.random.Generator,
) -> NDArray[np.float64]:
    """Tell for each cell whether its expression fits best to its own counts; NaN if it has none.

    Each is compared with cells that are `together` with it.
    """
    genes = np.sort(np.argsort(-np.asarray(counts.sum(axis=0)).ravel(), kind="stable")[:_GENES])
    own = _centred(_dense(known, cells, genes), together, counted=_is_counted(known))
    given = _centred(_dense(counts, cells, genes), together, counted=True)
    matched = (own * given).sum(axis=1)
    fits = np.ones(len(cells), dtype=bool)
    for _ in range(_OTHERS):
        others = np.empty(len(cells), dtype=np.intp)
        for part in together:
            # each cell with the one before it in a random circle
            circle = draws.permutation(part)
            others[circle] = np.roll(circle, 1)
        fits &= matched > (own * given[others]).sum(axis=1)
    known_of = (np.abs(own).sum(axis=1) > 0) & (np.abs(given).sum(axis=1) > 0)
    return np.where(known_of, fits.astype(float), np.nan)


def _dense(x: Any, cells: NDArray[np.intp], genes: NDArray[np.intp]) -> NDArray[np.float64]:
    some = x[cells]
    some = some[:, genes] if not sp.issparse(some) else sp.csc_matrix(some)[:, genes].toarray()
    return np.nan_to_num(np.asarray(some, dtype=np.float64))


def _is_counted(x: Any) -> bool:
    """Tell whether values are counts, of which the logarithm has to be taken."""
    values = x.data if sp.issparse(x) else np.asarray(x)
    head = np.asarray(values).ravel()[:100_000]
    return bool(
        head.size and head.min() >= 0 and (head.max() > 50 or (head == np.rint(head)).all())
    )


def _centred(
    values: NDArray[np.float64], together: list[NDArray[np.intp]], *, counted: bool
) -> NDArray[np.float64]:
    """Return values centred for each gene among cells together, with unit length for each cell."""
    if counted:
        size = values.sum(axis=1, keepdims=True)
        middle = np.median(size[size > 0]) if (size > 0).any() else 1.0
        values = np.log1p(values / np.where(size > 0, size, 1.0) * middle)
    values = values.copy()
    for part in together:
        values[part] -= values[part].mean(axis=0)
    values -= values.mean(axis=1, keepdims=True)
    length = np.sqrt((values**2).sum(axis=1, keepdims=True))
    return np.asarray(values / np.where(length > 0, length, 1.0))


def _totals(
    adata: AnnData, molecules: NDArray[np.float64], cells: NDArray[np.intp]
) -> tuple[str, float]:
    """Return the column with the molecules of cells, and their rank correlation."""
    for name in _TOTALS:
        if name in adata.obs and pd.api.types.is_numeric_dtype(adata.obs[name]):
            own = adata.obs[name].to_numpy(dtype=float)[cells]
            pair = pd.DataFrame({"own": own, "given": molecules[cells]}).dropna().rank()
            if len(pair) >= _LEAST_CELLS and (pair.std() > 0).all():
                return name, float(pair.corr().iloc[0, 1])
    return "", float("nan")


def _sample_columns(
    adata: AnnData, samples: NDArray[np.object_] | None
) -> dict[str, NDArray[np.object_]]:
    """Return the columns that may have samples, and the samples by which cells were matched."""
    columns = {
        f"obs[{name!r}]": adata.obs[name].astype(str).to_numpy(dtype=object)
        for name in _SAMPLE_COLUMNS
        if name in adata.obs
    }
    if samples is not None:
        columns["the samples"] = np.array([str(sample) for sample in samples], dtype=object)
    return columns


def _together(
    columns: dict[str, NDArray[np.object_]], cells: NDArray[np.intp]
) -> list[NDArray[np.intp]]:
    """Return the places of cells that are in the same samples by all columns; few are joined."""
    if not columns:
        return [np.arange(len(cells))]
    labels = pd.DataFrame({name: column[cells] for name, column in columns.items()})
    numbers = labels.groupby(list(labels), sort=False).ngroup().to_numpy()
    few = np.bincount(numbers)[numbers] < _LEAST_CELLS
    numbers = np.where(few, -1, numbers)
    return [np.flatnonzero(numbers == number) for number in np.unique(numbers)]


def _worst(
    columns: dict[str, NDArray[np.object_]], cells: NDArray[np.intp], fits: NDArray[np.float64]
) -> tuple[str, float]:
    """Return the sample in which fewest cells fit."""
    found = ("", float("nan"))
    for name, column in columns.items():
        groups = pd.DataFrame({"group": column[cells], "fits": fits})
        table = groups.groupby("group")["fits"].agg(["mean", "size"])
        table = table[table["size"] >= _LEAST_CELLS]
        if len(table) > 1 and not float(table["mean"].min()) >= found[1]:
            found = f"{listed([table['mean'].idxmin()])} of {name}", float(table["mean"].min())
    return found
