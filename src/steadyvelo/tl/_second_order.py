"""Fits of first and second moments together: what is refused, and what the engine gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo._choices import Stochastic
from steadyvelo.engine import SecondOrder

from ._fit_results import variable_genes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit_params import ErrorChoice, FitOptions
    from steadyvelo._adata._inputs import Inputs
    from steadyvelo._choices import Mode
    from steadyvelo.engine import CountsSource
    from steadyvelo.model._ratio import OffsetMode

__all__ = ["check_exact_moments", "checked_mode", "second_order"]


def checked_mode(mode: Mode, errors: ErrorChoice, offset: OffsetMode) -> Stochastic | None:
    """Return the options of a stochastic fit, after a check of the others; None for other modes."""
    stochastic = Stochastic.of(mode)
    if stochastic is None:
        return None
    if errors.method == "crossfit":
        msg = (
            "uncertainty='crossfit' cannot be combined with mode='stochastic': its intervals are "
            "those of the ratio over the extreme cells, and second moments are over all cells and "
            "contain the overdispersion of counts, from which no division of cells frees them. Use "
            "uncertainty='sandwich' (--uncertainty sandwich), or mode='deterministic', which tests "
            "of directions and verdicts need."
        )
        raise ValueError(msg)
    if offset is not False and not stochastic.fit_offset:
        msg = (
            f"offset={offset!r} is that of the deterministic fit, and its velocity genes would be "
            "fitted again without an offset; add mode=Stochastic(fit_offset=True) (--fit-offset), "
            "or use offset=False."
        )
        raise ValueError(msg)
    return stochastic


def check_exact_moments(inputs: Inputs, stochastic: Stochastic | None, spliced: str) -> None:
    """Refuse exact moments of a layer whose counts were divided by sizes."""
    exact = stochastic is not None and stochastic.moments == "exact"
    if exact and inputs.molecules(spliced) is None:
        msg = (
            "moments='exact' needs raw counts, because the variance of a count depends on the "
            f"size of its cell, and layer {spliced!r} has values that were divided by sizes; "
            "restore the counts, or use moments='scvelo'."
        )
        raise ValueError(msg)


def second_order(
    inputs: Inputs,
    options: FitOptions,
    source: CountsSource,
    left_out: NDArray[np.object_],
) -> SecondOrder | None:
    """Return how the velocity genes of a source are fitted again; None for deterministic fits.

    `left_out` is the reason why each gene is not used, or empty.
    """
    stochastic = options.stochastic
    if stochastic is None:
        return None
    check_exact_moments(inputs, stochastic, options.spliced)
    exact = stochastic.moments == "exact"
    linear = source.spliced_scale if exact else np.ones(inputs.adata.n_obs)
    candidates = left_out == ""
    variable = variable_genes(inputs.adata, options)
    if variable is not None:
        candidates = candidates & variable
    return SecondOrder(
        source.smoothing,
        linear,
        candidates[source.genes],
        options.min_r2,
        options.min_gamma,
        stochastic.fit_offset,
        stochastic.fit_offset2,
    )
