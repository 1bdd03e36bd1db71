"""Checks of the bounds of lines, and of separate lines for categories of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo._adata._categories import Categories

if TYPE_CHECKING:
    from anndata import AnnData

    from steadyvelo._adata._fit_params import ErrorChoice, FitOptions
    from steadyvelo._choices import Stochastic
    from steadyvelo.model._ratio import OffsetMode

__all__ = ["check_bounds", "check_categories"]


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
            "offset=True, or leave offset_bounds out."
        )
        raise ValueError(msg)
    if bounds is not None and offset == "nonnegative":
        msg = (
            f"bounds={bounds!r} includes a lower bound of 0 of the offset; use it with offset=True "
            "instead of 'nonnegative', or with offset=False."
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


def check_categories(adata: AnnData, options: FitOptions) -> None:
    """Refuse a column that has no categories, and options for a single line of all cells."""
    column = options.gamma_by
    if column is None:
        return
    Categories.of(adata, column)
    if options.stochastic is not None:
        msg = (
            f"mode='stochastic' cannot be used with gamma_by={column!r}: second moments are fitted "
            "to all cells together. Use mode='deterministic', or leave gamma_by out."
        )
        raise ValueError(msg)
    if options.errors.method == "crossfit":
        msg = (
            f"uncertainty='crossfit' cannot be used with gamma_by={column!r}: cross-fitted ratios "
            "and directions are those of one line per gene. Use uncertainty='sandwich' for "
            "standard errors of the ratios of categories, and tl.compare_ratios to test whether "
            "ratios differ between them."
        )
        raise ValueError(msg)
    if options.r2 == "all_cells":
        msg = (
            f"r2='all_cells' is the R² of one line for all cells; use r2='fit' with "
            f"gamma_by={column!r}, which is that of the lines of all categories."
        )
        raise ValueError(msg)
