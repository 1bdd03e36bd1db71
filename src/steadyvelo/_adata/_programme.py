"""A gene programme: some of the velocity genes, from which a velocity graph is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from steadyvelo import _keys

from ._checks import check_column
from ._fit_params import GIVEN
from ._names import gene_places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData
    from numpy.typing import NDArray

    from ._fit_params import GraphParams

__all__ = ["Programme", "programme_of", "unchanged_programme"]


class Programme(NamedTuple):
    """The genes of a programme.

    Attributes
    ----------
    recorded
        The column of `var` that was named, or :data:`GIVEN` for names and masks.
    mask
        Whether each gene is in the programme, shape (genes,).
    """

    recorded: str
    mask: NDArray[np.bool_]

    def among(self, genes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the velocity `genes` that are in the programme; refuse fewer than two."""
        chosen = genes[self.mask[genes]]
        if len(chosen) < 2:
            msg = (
                f"genes has {int(self.mask.sum()):,} of {len(self.mask):,} genes, of which "
                f"{len(chosen)} are velocity genes; a correlation over genes needs at least two. "
                "Name more genes, or lower min_r2 or min_gamma in tl.velocity."
            )
            raise ValueError(msg)
        return chosen


def programme_of(adata: AnnData, genes: str | Iterable[str] | NDArray[np.bool_]) -> Programme:
    """Return the genes that a user names; refuse unknown names and a mask of other genes.

    `genes` is the name of a column of `var`, a mask of all genes, or names of genes.
    """
    if isinstance(genes, str):
        return Programme(genes, _of_column(adata, genes))
    if isinstance(genes, (np.ndarray, pd.Series)) and genes.dtype == bool:
        return Programme(GIVEN, _of_mask(adata, genes))
    mask = np.zeros(adata.n_vars, dtype=bool)
    mask[gene_places(adata, list(genes), "genes")] = True
    return Programme(GIVEN, mask)


def unchanged_programme(
    adata: AnnData, key: str, made: GraphParams, genes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the genes of a velocity graph that is that of a programme; refuse if they changed.

    `genes` are the velocity genes, `made` are the parameters of the graph.
    """
    rerun = f"rerun tl.velocity_graph(adata, genes=..., velocity_key={key!r})."
    used = np.flatnonzero(_keys.GRAPH_GENES.values(adata, key))
    left = np.intersect1d(used, genes)
    if len(left) < made.n_genes:
        msg = (
            f"the velocity graph was computed from {made.n_genes:,} genes of a programme, of which "
            f"{len(left):,} are velocity genes of adata now; {rerun}"
        )
        raise ValueError(msg)
    if made.genes != GIVEN:
        now = genes[_of_column(adata, str(made.genes))[genes]]
        if not np.array_equal(now, used):
            msg = (
                f"var[{made.genes!r}], the programme of the velocity graph, has changed since it "
                f"was computed; {rerun}"
            )
            raise ValueError(msg)
    return used


def _of_column(adata: AnnData, name: str) -> NDArray[np.bool_]:
    remedy = "name a column of True and False, or give the names of genes as a list."
    column: Any = check_column(adata, "var", "genes", name, remedy)
    if not pd.api.types.is_bool_dtype(column.dtype) or column.isna().any():
        msg = (
            f"genes={name!r}: var[{name!r}] must have True or False for every gene; its values are "
            f"{column.dtype}, {int(column.isna().sum()):,} of them missing. Convert them by "
            "adata.var[...].astype(bool)."
        )
        raise ValueError(msg)
    return np.asarray(column.to_numpy(dtype=bool))


def _of_mask(adata: AnnData, mask: Any) -> NDArray[np.bool_]:
    if len(mask) != adata.n_vars:
        msg = (
            f"genes has {len(mask):,} flags, but adata has {adata.n_vars:,} genes; give one flag "
            "for each gene, or names of genes."
        )
        raise ValueError(msg)
    if isinstance(mask, pd.Series) and not mask.index.equals(pd.RangeIndex(len(mask))):
        # a column of another table may have the genes in another order
        if not mask.index.is_unique or set(mask.index) != set(adata.var_names):
            msg = (
                "genes has flags for other genes than those of adata, by its index; give flags "
                "with the index adata.var_names, or mask.to_numpy()."
            )
            raise ValueError(msg)
        mask = mask.reindex(adata.var_names)
    return np.asarray(mask, dtype=bool)
