"""A fit as it was made, for what takes more from the counts than its lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._groups import in_groups, used_cells
from steadyvelo._adata._moments import check_fit_unchanged, counts_source
from steadyvelo.engine import CrossFit, FitRule

from ._error_rules import ErrorChoice, folds_hash

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fitted
    from steadyvelo.engine import CountsSource, Uncertainty

__all__ = ["Refit", "check_counts_known", "check_crossfit", "weights_of_fit"]

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
        check_counts_known(adata, fitted)
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

    @cached_property
    def choice(self) -> ErrorChoice:
        """How the fit found errors; the sandwich where it found none."""
        choice = ErrorChoice.from_params(self.fitted.params)
        return choice if choice.method is not None else replace(choice, method="sandwich")

    @cached_property
    def errors(self) -> Uncertainty:
        """How errors are found; made once, since folds of genes need graphs of their own."""
        made = self.fitted.params.get("folds_hash")
        if made is not None and made != folds_hash(self.adata, self.choice.gene_clusters):
            msg = (
                "genes, or which are used or highly variable, have changed since the fit: its "
                f"folds cannot be made again. Rerun tl.velocity(key_added={self.fitted.key!r})."
            )
            raise ValueError(msg)
        return self.errors_by(self.choice)

    @property
    def crossfit(self) -> CrossFit:
        """The same, of a cross-fitted fit; others are refused."""
        errors = self.errors
        if not isinstance(errors, CrossFit):
            raise TypeError(_no_crossfit(self.fitted))
        return errors

    def errors_by(self, choice: ErrorChoice) -> Uncertainty:
        """Return how errors are found by another choice."""
        params = self.fitted.params
        return choice.rule(
            self.adata, self.source, params["spliced"], params["neighbors_key"] or None
        )

    def among(self, genes: NDArray[np.int64]) -> Refit:
        """Return the same for some of the genes, with the same folds."""
        places = np.searchsorted(self.genes, genes)
        rule = self.rule
        if not isinstance(rule.weights, str) and rule.weights.ndim > 1:
            rule = replace(rule, weights=rule.weights[:, places])
        part = replace(self, genes=genes, source=replace(self.source, genes=genes), rule=rule)
        errors = self.errors
        if isinstance(errors, CrossFit):
            splits = [replace(s, gene_fold=s.gene_fold[places]) for s in errors.splits]
            errors = replace(errors, splits=splits)
        part.__dict__["errors"] = errors
        return part


def check_crossfit(fitted: Fitted) -> None:
    """Refuse a fit without cross-fitted errors."""
    if fitted.params.get("uncertainty") != "crossfit":
        raise ValueError(_no_crossfit(fitted))


def _no_crossfit(fitted: Fitted) -> str:
    return (
        f"the fit was made with uncertainty={fitted.params.get('uncertainty')!r}; directions need "
        "neighbours from other genes: run tl.velocity(adata, uncertainty='crossfit', "
        f"key_added={fitted.key!r})."
    )


def check_counts_known(adata: AnnData, fitted: Fitted) -> None:
    """Refuse a fit whose counts, cells, sizes or neighbours are not there as they were."""
    check_fit_unchanged(adata, fitted.params, fitted.key)
    if "neighbors_hash" not in fitted.params:
        msg = (
            "the fit used layers Ms and Mu of another tool, and this needs the counts: delete "
            "the two layers and rerun tl.velocity."
        )
        raise ValueError(msg)


def weights_of_fit(adata: AnnData, fitted: Fitted) -> Any:
    """Return the rule of a fit, or the weights it was given."""
    if fitted.params["weights"] != "given":
        return fitted.params["weights"]
    column = _keys.WEIGHTS_COLUMN.of(fitted.key)
    if column in adata.obs:
        return adata.obs[column].to_numpy(dtype=np.float64)
    return adata.layers[_keys.WEIGHTS_LAYER.of(fitted.key)]


def _weights(adata: AnnData, fitted: Fitted, genes: NDArray[np.int64]) -> Any:
    weights = weights_of_fit(adata, fitted)
    return weights if isinstance(weights, str) or weights.ndim == 1 else weights[:, genes]
