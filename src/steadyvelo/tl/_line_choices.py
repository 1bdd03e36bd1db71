"""Checks of the bounds of lines, and of separate lines for categories of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo._adata._categories import Categories

if TYPE_CHECKING:
    from anndata import AnnData

    from steadyvelo._adata._fit_params import ErrorChoice
    from steadyvelo._choices import Stochastic
    from steadyvelo.model._ratio import OffsetMode

__all__ = ["check_bounds", "check_categories", "without"]


def check_bounds(
    errors: ErrorChoice,
    offset: OffsetMode,
    stochastic: Stochastic | None,
    *,
    bounds: str | None,
    gamma_bounds: tuple[float, float] | None = None,
    offset_bounds: tuple[float, float] | None = None,
) -> None:
    """Refuse bounds that contradict each other, or that the other options cannot be used with."""
    given = {"gamma_bounds": gamma_bounds, "offset_bounds": offset_bounds, "bounds": bounds}
    names = [name for name, value in given.items() if value is not None]
    if not names:
        return
    if bounds is not None and len(names) > 1:
        msg = (
            f"bounds={bounds!r} has bounds of γ and of the offset already; leave it out, or leave "
            f"out {' and '.join(names[:-1])}."
        )
        raise ValueError(msg)
    if offset_bounds is not None and offset is not True:
        msg = (
            f"offset_bounds={offset_bounds} need a free offset; offset is {offset!r}. Use "
            "offset=True (--offset free), or leave offset_bounds out."
        )
        raise ValueError(msg)
    if bounds is not None and offset == "nonnegative":
        msg = (
            f"bounds={bounds!r} includes a lower bound of 0 of the offset; use it with offset=True "
            "(--offset free) instead of 'nonnegative', or with offset=False (--offset none)."
        )
        raise ValueError(msg)
    if stochastic is not None:
        msg = (
            f"{' and '.join(names)} cannot be used with mode='stochastic': the fit of second "
            "moments has no bounds. Use mode='deterministic' (--mode deterministic), or leave the "
            "bounds out."
        )
        raise ValueError(msg)
    if errors.method is not None:
        msg = (
            f"{' and '.join(names)} cannot be used with uncertainty={errors.method!r}: standard "
            "errors and intervals are those of the best line, and a line at a bound is not the "
            "best one. Use uncertainty=None (--uncertainty none), or leave the bounds out."
        )
        raise ValueError(msg)


def check_categories(
    adata: AnnData,
    errors: ErrorChoice,
    stochastic: Stochastic | None,
    *,
    gamma_by: str | None,
    r2: str = "fit",
) -> None:
    """Refuse a column that has no categories, and options for a single line of all cells."""
    if gamma_by is None:
        return
    Categories.of(adata, gamma_by)
    if stochastic is not None:
        msg = (
            f"mode='stochastic' cannot be used with gamma_by={gamma_by!r}: second moments are "
            "fitted to all cells together. Use mode='deterministic' (--mode deterministic), or "
            "leave gamma_by out."
        )
        raise ValueError(msg)
    if errors.method == "crossfit":
        msg = (
            f"uncertainty='crossfit' cannot be used with gamma_by={gamma_by!r}: cross-fitted "
            "ratios, tests of directions and verdicts need the same ratio of a gene for all cells. "
            "Use uncertainty='sandwich' (--uncertainty sandwich) for standard errors of the ratios "
            "of categories, or leave gamma_by out. tl.compare_ratios tests whether ratios differ "
            "between categories."
        )
        raise ValueError(msg)
    if r2 == "all_cells":
        msg = (
            f"r2='all_cells' is the R² of one line for all cells; use r2='fit' with "
            f"gamma_by={gamma_by!r}, which is that of the lines of all categories."
        )
        raise ValueError(msg)


def without(*, gamma_by: str | None, bounded: bool, stochastic: bool) -> str:
    """Return words on the options that a cross-fit cannot have; empty if there are none."""
    given = {"gamma_by": gamma_by is not None, "bounds": bounded, "mode='stochastic'": stochastic}
    names = [name for name, is_given in given.items() if is_given]
    return f" without {' and '.join(names)}" if names else ""
