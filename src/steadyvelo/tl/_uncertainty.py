"""How standard errors are computed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo._adata._categories import check_one_line
from steadyvelo._adata._checks import check_column
from steadyvelo._adata._groups import sample_codes
from steadyvelo._choices import Extremes
from steadyvelo.engine import (
    BYTES_PER_VALUE,
    CrossFitErrors,
    FitRule,
    SandwichErrors,
    Spreading,
    fit_groups,
)
from steadyvelo.model import resolve_quantiles

from ._folds import Graphs, folds_hash, make_repeat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit
    from steadyvelo._adata._fit_params import ErrorChoice, FitOptions
    from steadyvelo._adata._inputs import Inputs
    from steadyvelo._choices import Stochastic
    from steadyvelo.engine import (
        CellOrder,
        CountsSource,
        KnownInstruments,
        Repeat,
        Uncertainty,
    )
    from steadyvelo.engine._threads import Progress
    from steadyvelo.model import GroupRatios
    from steadyvelo.model._ratio import OffsetMode

    from ._limits import Limits

__all__ = ["Errors", "bytes_of_fit", "bytes_per_value", "check_crossfit", "check_errors"]


# the graphs that a fit alone needs
RATIOS = Graphs(ratios=True, directions=False)


@dataclass(frozen=True, eq=False)
class Errors:
    """How standard errors are computed, with the same folds for all genes of one AnnData.

    `samples` has the number of each cell's sample, or is None if cells are independent. `repeats`
    are the folds of all genes and cells with their graphs, one per repeat, and empty for the
    sandwich.
    """

    choice: ErrorChoice
    samples: NDArray[np.intp] | None
    repeats: list[Repeat]

    @classmethod
    def make(
        cls,
        inputs: Inputs,
        choice: ErrorChoice,
        options: FitOptions,
        order: CellOrder,
        graphs: Graphs = RATIOS,
        n_threads: int = 1,
        progress: Progress | None = None,
        within: NDArray[np.intp] | None = None,
    ) -> Errors:
        """Divide genes and cells into folds for each repeat, and find neighbours for each fold.

        The rows of their graphs are in an order. With `within`, the number of each cell's group,
        neighbours are in the same group.
        """
        samples = sample_codes(inputs.adata, choice.sample_key)
        n_repeats = choice.n_repeats if choice.method == "crossfit" else 0
        how = options, order, graphs, n_threads, within
        repeats = []
        for n in range(n_repeats):
            repeats.append(make_repeat(inputs, choice, n, *how))
            if progress is not None:
                progress((n + 1) / n_repeats)
        return cls(choice, samples, repeats)

    @classmethod
    def of_fit(
        cls,
        fit: Fit,
        choice: ErrorChoice | None = None,
        *,
        graphs: Graphs = RATIOS,
        n_threads: int = 1,
        within: NDArray[np.intp] | None = None,
    ) -> Errors:
        """Return the method of a fit, or of another choice; the sandwich if the fit has no errors.

        With `within`, the number of each cell's group, neighbours of folds are in the same group.

        Raises an error if the folds of the fit cannot be made again.
        """
        made = fit.params.made_from.folds_hash
        if choice is None:
            choice = fit.options.errors
            if choice.method is None:
                choice = replace(choice, method="sandwich")
            if made is not None and made != folds_hash(fit.adata, choice.gene_clusters):
                msg = (
                    "the folds of the fit cannot be made again, because genes, or the columns of "
                    "var that mark used or highly variable genes, have changed since the fit; "
                    f"rerun tl.velocity(adata, uncertainty='crossfit', key_added={fit.key!r})."
                )
                raise ValueError(msg)
        how = fit.options, fit.order, graphs, n_threads
        return cls.make(fit.inputs, choice, *how, within=within)

    def of(self, source: CountsSource, known: KnownInstruments | None = None) -> Uncertainty:
        """Return the errors for the genes of a source, with known instruments or none."""
        shared: dict[str, Any] = {
            "scales": np.stack([source.spliced_scale, source.unspliced_scale]),
            "level": self.choice.level,
            "samples": self.samples,
        }
        if self.choice.method == "sandwich":
            return SandwichErrors(**shared, spreading=Spreading.transposing(source.smoothing))
        repeats = [replace(s, gene_fold=s.gene_fold[source.genes]) for s in self.repeats]
        return CrossFitErrors(**shared, repeats=repeats, known=known)

    def ratios(self, source: CountsSource, rules: list[FitRule], limits: Limits) -> GroupRatios:
        """Return the ratios under several rules."""
        n_cells, bytes_each = len(source.spliced_scale), bytes_per_value(self.choice, rules)
        blocks = limits.of_blocks(n_cells, bytes_each)
        return fit_groups(source, rules, self.of(source), **blocks)


def check_errors(adata: AnnData, choice: ErrorChoice) -> None:
    """Raise an error if columns of a choice are missing, or would have no effect."""
    if choice.method is None and choice.sample_key is not None:
        msg = (
            f"sample_key={choice.sample_key!r} has no effect without errors; give uncertainty=, or "
            "leave sample_key out."
        )
        raise ValueError(msg)
    sample_codes(adata, choice.sample_key)
    if choice.gene_clusters is not None:
        remedy = "name a column with clusters of genes."
        check_column(adata, "var", "gene_clusters", choice.gene_clusters, remedy)


def check_crossfit(fit: Fit) -> None:
    """Raise an error if a fit has no cross-fitted errors."""
    check_one_line(fit.options, "tests of directions")
    method = fit.options.errors.method
    if method != "crossfit":
        made = "as a stochastic fit" if fit.options.stochastic else f"with uncertainty={method!r}"
        msg = (
            f"the fit was made {made}, but directions need cross-fitting; run "
            f"tl.velocity(adata, uncertainty='crossfit', key_added={fit.key!r})."
        )
        raise ValueError(msg)


def bytes_per_value(
    choice: ErrorChoice,
    rules: Sequence[FitRule],
    stochastic: Stochastic | None = None,
    *,
    by_category: bool = False,
) -> int:
    """Return the bytes of memory per value of a block, with all arrays computed from it.

    `rules` are those under which instruments are computed. With `by_category`, categories of cells
    are fitted, too, whose effective molecules need errors in any case.
    """
    with_errors, n_bytes = choice.method is not None or by_category, BYTES_PER_VALUE
    n_instruments = sum(1 + rule.has_offset for rule in rules)
    if with_errors:
        # counts of the second layer; weights, or the counts of a fold and their moments in both
        # orders; scores; instruments
        n_bytes += 34 + 4 * n_instruments
    if by_category:
        # moments of a category, counts that enter them, and instruments; deviations and velocities
        # need less than folds, which are counted above and are not made
        n_bytes += 16 + 4 * n_instruments
    if stochastic is not None:
        # counts of the second layer, and products of counts
        n_bytes += 8 if with_errors else 12
    if stochastic is not None and with_errors:
        # weights, second moments, three arrays for instruments, and two more for those of an offset
        n_bytes += 20 + 8 * stochastic.fit_offset
    return n_bytes


def bytes_of_fit(
    choice: ErrorChoice,
    weights: str | Extremes,
    offset: OffsetMode,
    stochastic: Stochastic | None,
    *,
    by_category: bool = False,
) -> int:
    """Return :func:`bytes_per_value` of a fit before it is made."""
    given = (weights.low, weights.high) if isinstance(weights, Extremes) else None
    name = "extremes" if isinstance(weights, Extremes) else weights
    none = np.zeros(0, dtype=bool)
    rule = FitRule(name, resolve_quantiles(given, offset=offset), offset, none, none, "fit")
    rules = [rule]
    if choice.method == "crossfit":
        rules = CrossFitErrors(np.ones((2, 0)), choice.level, None, []).rules_for(rule)
    return bytes_per_value(choice, rules, stochastic, by_category=by_category)
