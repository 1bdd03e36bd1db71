"""A fit as it was made, for what takes more from the counts than its lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._sources import check_fit_unchanged, counts_source, used_cells
from steadyvelo.engine import FitRule

from ._error_rules import ErrorChoice
from ._fit_inputs import in_groups

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._fitted import Fitted
    from steadyvelo.engine import CountsSource, ErrorRule

__all__ = ["Refit"]

_OFFSETS = {"False": False, "True": True, "nonnegative": True}


@dataclass(frozen=True, eq=False)
class Refit:
    """What a fit was made from and how.

    Attributes
    ----------
    adata, fitted
        The data and the fit.
    genes
        Places of the chosen genes in the data.
    source
        Their counts.
    rule
        How they were fitted; an offset is fitted to all or to none of them.
    """

    adata: AnnData
    fitted: Fitted
    genes: NDArray[np.int64]
    source: CountsSource
    rule: FitRule

    @classmethod
    def of(cls, adata: AnnData, fitted: Fitted, genes: NDArray[np.int64]) -> Refit:
        """Read how some genes were fitted; refuse if the counts are not there as they were."""
        params = fitted.params
        check_fit_unchanged(adata, params, fitted.key)
        if "neighbors_hash" not in params:
            msg = (
                "the fit used layers Ms and Mu of another tool, and this needs the counts: delete "
                "the two layers and rerun tl.velocity."
            )
            raise ValueError(msg)
        source = counts_source(
            adata,
            genes,
            spliced=params["spliced"],
            unspliced=params["unspliced"],
            neighbors_key=params["neighbors_key"] or None,
            keep_counts=True,
        )
        cells = used_cells(adata)
        fit_cells = cells & in_groups(adata, params.get("groups"), params.get("groupby"))
        rule = FitRule(
            _weights(adata, fitted, genes),
            fitted.quantiles,
            _OFFSETS[params["offset"]],
            cells,
            fit_cells,
            "fit",
        )
        return cls(adata, fitted, genes, source, rule)

    def errors(self, choice: ErrorChoice | None = None) -> ErrorRule:
        """Return how errors are found: as the fit did, or as `choice` says."""
        params = self.fitted.params
        made = ErrorChoice.from_params(params) if choice is None else choice
        return made.rule(
            self.adata, self.source, params["spliced"], params["neighbors_key"] or None
        )


def _weights(adata: AnnData, fitted: Fitted, genes: NDArray[np.int64]) -> Any:
    if fitted.params["weights"] != "given":
        return fitted.params["weights"]
    column = _keys.WEIGHTS_COLUMN.of(fitted.key)
    if column in adata.obs:
        return adata.obs[column].to_numpy(dtype=np.float64)
    return adata.layers[_keys.WEIGHTS_LAYER.of(fitted.key)][:, genes]
