"""Least squares from sufficient statistics, and the reason if a gene has no fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ._typing import BoolArray, Float64Array, TextArray

if TYPE_CHECKING:
    from ._centred_sums import CentredSums

__all__ = [
    "NO_CELLS",
    "NO_SPLICED",
    "SPLICED_CONSTANT",
    "Bound",
    "OffsetMode",
    "RatioFit",
    "fit_ratio",
    "resolve_offset",
]

OffsetMode: TypeAlias = bool | Literal["nonnegative"]
Bound: TypeAlias = Float64Array | float

NO_CELLS = "no cell has a weight above 0 in the fit"
NO_SPLICED = "no spliced counts in the cells used for the fit"
SPLICED_CONSTANT = "spliced abundance is constant in the cells used for the fit"


@dataclass(frozen=True, eq=False)
class RatioFit:
    """Steady-state ratios of unspliced to spliced mRNA.

    Attributes
    ----------
    gamma
        Ratio γ (in units of the splicing rate) per gene, shape (genes,); NaN without a fit.
    offset
        Offset o, the unspliced abundance at a spliced abundance of 0, shape (genes,); NaN without a
        fit.
    reason
        The reason if a gene has no fit, otherwise the empty string, shape (genes,).
    at_bound
        Whether the line is at a bound, because the best one is outside the bounds, shape (genes,).

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import SufficientStatistics
    >>> spliced = np.array([[1.0], [2.0], [3.0]])
    >>> fit = SufficientStatistics.from_arrays(spliced, 0.25 * spliced + 1).solve(offset=True)
    >>> fit.gamma.round(12).tolist(), fit.offset.round(12).tolist(), fit.reason.tolist()
    ([0.25], [1.0], [''])
    """

    gamma: Float64Array
    offset: Float64Array
    reason: TextArray
    at_bound: BoolArray


def fit_ratio(
    sums: CentredSums,
    *,
    offset: OffsetMode,
    gamma_bounds: tuple[float, float] | None,
    offset_bounds: tuple[Bound, Bound] | None,
) -> RatioFit:
    """Fit every gene; see :meth:`steadyvelo.model.SufficientStatistics.solve`."""
    offset = resolve_offset(offset)
    if offset_bounds is not None and offset is not True:
        msg = f"offset_bounds require offset=True; offset is {offset!r}."
        raise ValueError(msg)
    reason = _reasons(sums, with_offset=offset is not False)
    fitted = reason == ""
    if offset is False:
        gamma = _through_origin(sums, fitted, 0.0)
        o = np.zeros_like(gamma)
    else:
        gamma = _ratio(sums.cross_products, sums.spliced_squares, fitted)
        o = sums.unspliced_mean - gamma * sums.spliced_mean
        o += sums.unspliced_mean_rest - gamma * sums.spliced_mean_rest
    if offset == "nonnegative":
        # without variance of spliced abundance a line through the origin can still be fitted
        reason = _reasons(sums, with_offset=False)
        again = ~(o >= 0) & (reason == "")
        gamma = np.where(again, _through_origin(sums, again, 0.0), gamma)
        o = np.where(again, 0.0, o)
        # equal to a lower bound of 0, because the objective is convex
        offset_bounds = (0.0, np.inf)
    at_bound = np.zeros(gamma.shape, dtype=bool)
    if offset is False and gamma_bounds is not None:
        low, high = _checked_bounds("gamma_bounds", gamma_bounds)
        at_bound = (gamma < low) | (gamma > high)
        gamma = np.clip(gamma, low, high)
    elif offset is True or gamma_bounds is not None:
        gamma, o, at_bound = _in_box(sums, gamma, o, gamma_bounds, offset_bounds)
    return RatioFit(gamma, np.where(np.isnan(gamma), np.nan, o), reason, at_bound)


def resolve_offset(offset: OffsetMode) -> OffsetMode:
    """Return the offset mode; 0 and 1 are refused, although they equal False and True."""
    if isinstance(offset, (bool, np.bool_)):
        return bool(offset)
    if isinstance(offset, str) and offset == "nonnegative":
        return "nonnegative"
    msg = f"offset must be False, True or 'nonnegative'; it is {offset!r}."
    raise ValueError(msg)


def _reasons(sums: CentredSums, *, with_offset: bool) -> TextArray:
    reason = np.full(sums.total_weight.shape, "", dtype=object)
    square = sums.total_weight * sums.spliced_mean**2
    if with_offset:
        # the variance of a constant column is not 0 but the rounding error of the mean
        rounding = (4 * np.finfo(np.float64).eps) ** 2
        reason[sums.spliced_squares <= rounding * square] = SPLICED_CONSTANT
    reason[sums.spliced_squares + square == 0] = NO_SPLICED
    reason[sums.total_weight == 0] = NO_CELLS
    return reason


def _through_origin(sums: CentredSums, fitted: BoolArray, offset: Bound) -> Float64Array:
    """Return the best slope for a given offset, Σws(u − o) / Σws²."""
    n, s = sums.total_weight, sums.spliced_mean
    cross = sums.cross_products + n * s * (sums.unspliced_mean - offset)
    return _ratio(cross, sums.spliced_squares + n * s * s, fitted)


def _in_box(
    sums: CentredSums,
    gamma: Float64Array,
    offset: Float64Array,
    gamma_bounds: tuple[float, float] | None,
    offset_bounds: tuple[Bound, Bound] | None,
) -> tuple[Float64Array, Float64Array, BoolArray]:
    """Return the minimum under bounds, and whether it is on the boundary or the free minimum."""
    g_low, g_high = _checked_bounds("gamma_bounds", gamma_bounds)
    o_low, o_high = _checked_bounds("offset_bounds", offset_bounds)
    fitted = ~np.isnan(gamma)
    inside = (gamma >= g_low) & (gamma <= g_high) & (offset >= o_low) & (offset <= o_high)
    best = np.where(inside, -np.inf, np.inf)
    edges = []
    for bound in (o_low, o_high):
        # genes without this bound have no such edge; NaN is never better
        o = np.broadcast_to(np.where(np.isfinite(bound), bound, np.nan), gamma.shape)
        edges.append((np.clip(_through_origin(sums, fitted, o), g_low, g_high), o))
    for bound in (g_low, g_high):
        g = np.where(fitted & np.isfinite(bound), bound, np.nan)
        o = sums.unspliced_mean - g * sums.spliced_mean
        edges.append((g, np.clip(o, o_low, o_high)))
    for g, o in edges:
        squares = sums.residual_squares(g, o)
        better = squares < best
        gamma, offset = np.where(better, g, gamma), np.where(better, o, offset)
        best = np.where(better, squares, best)
    return gamma, offset, fitted & ~inside


def _checked_bounds(name: str, bounds: tuple[Bound, Bound] | None) -> tuple[Bound, Bound]:
    if bounds is None:
        return -np.inf, np.inf
    low, high = bounds
    if not np.all(np.asarray(low) <= np.asarray(high)):
        msg = f"{name} must be a pair (low, high) with low ≤ high; got {bounds!r}."
        raise ValueError(msg)
    return low, high


def _ratio(numerator: Float64Array, denominator: Float64Array, valid: BoolArray) -> Float64Array:
    return np.where(valid, numerator / np.where(valid, denominator, 1.0), np.nan)
