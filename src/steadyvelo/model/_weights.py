"""Weight rules of the fit: which cells are assumed to be at steady state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ._kernels._weights import code_extremes, extreme_cells, row_percentiles
from ._ratio import OffsetMode, resolve_offset

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ._typing import BoolArray, Float64Array, GeneRows

__all__ = [
    "WEIGHT_RULES",
    "Quantiles",
    "extreme_codes",
    "extreme_sets",
    "resolve_quantiles",
    "steady_state_weights",
]

Quantiles: TypeAlias = tuple[float | None, float | None]

# the smallest number by which s and u are divided: one with a lower maximum is not scaled up to 1
FLOOR = 1e-3


def resolve_quantiles(quantiles: Quantiles | None, *, offset: OffsetMode) -> Quantiles:
    """Return the quantiles that the rule `"extremes"` uses.

    Parameters
    ----------
    quantiles
        Low and high quantile in [0, 1]; one of them may be None, which takes no cells at that end.
        None instead of a pair means scVelo's quantiles: (0.05, 0.95) with an offset, and (None,
        0.95) for lines through the origin, which pass near the lowest cells anyway.
    offset
        Offset mode of the fit.

    Returns
    -------
    Low and high quantile.

    Raises
    ------
    ValueError
        If `quantiles` is not a pair, a quantile is outside [0, 1], both are None, or the low one is
        above the high one.

    Examples
    --------
    >>> resolve_quantiles(None, offset=True)
    (0.05, 0.95)
    """
    if quantiles is None:
        return (0.05, 0.95) if resolve_offset(offset) else (None, 0.95)
    if not isinstance(quantiles, (tuple, list, np.ndarray)) or len(quantiles) != 2:
        msg = f"quantiles must be a pair (low, high), each a number or None; got {quantiles!r}."
        raise ValueError(msg)
    low, high = (None if q is None else float(q) for q in quantiles)
    if low is None and high is None:
        msg = "low=None and high=None select no cells; use weights='all' to fit all cells."
        raise ValueError(msg)
    for name, q in (("low", low), ("high", high)):
        if q is not None and not 0 <= q <= 1:
            msg = f"{name} must be in [0, 1], such as 0.95 for the 95th percentile; it is {q:g}."
            raise ValueError(msg)
    if low is not None and high is not None and low > high:
        msg = f"low={low:g} is above high={high:g}; give the lower quantile first."
        raise ValueError(msg)
    return low, high


def steady_state_weights(
    spliced: GeneRows,
    unspliced: GeneRows,
    rule: str = "extremes",
    *,
    quantiles: Quantiles = (None, 0.95),
    cells: BoolArray | None = None,
    out: BoolArray | None = None,
) -> Float64Array | BoolArray:
    r"""Return the weight of every cell in the fit of every gene.

    ========================  =========================================================
    rule                      weight (P is a percentile over cells, linearly interpolated)
    ========================  =========================================================
    ``"extremes"``            1 where :math:`z = s / \max s + u / \max u` (each maximum at
                              least 0.001) is ≤ its low or ≥ its high quantile
    ``"all"``                 1
    ``"maxmin"``              1 where s ≤ P2 or s ≥ P98
    ``"maxmin_diag"``         the same on s / P99.9(s) + u / P99.9(u)
    ``"sum"``                 s / P99(s) + u / P99(u)
    ``"prod"``                (s / P99(s)) (u / P99(u))
    ``"maxmin_weighted"``     ½(r¹⁵ + (1 − r)¹⁵), r = s clipped to [P2, P98], scaled to [0, 1]
    ``"maxmin_double"``       the sum of ``"maxmin_diag"`` and ``"maxmin"``
    ========================  =========================================================

    Cells exactly at a threshold are included.

    Parameters
    ----------
    spliced, unspliced
        Smoothed abundances, float32 or float64, shape (genes, cells), C-contiguous.
    rule
        One of the rules above; all but the first two are velocyto's.
    quantiles
        Low and high quantile of ``"extremes"``; see :func:`resolve_quantiles`.
    cells
        Cells among which the rule chooses, shape (cells,). Other cells get weight 0 and do not
        enter percentiles. None means all cells.
    out
        Array for the result of ``"extremes"``, whose weights are 0 or 1.

    Returns
    -------
    Weights, shape (genes, cells), float64 unless `out` was used.

    Raises
    ------
    ValueError
        If the rule is unknown.

    References
    ----------
    La Manno et al. (2018), https://doi.org/10.1038/s41586-018-0414-6; Bergen et al. (2020),
    https://doi.org/10.1038/s41587-020-0591-3.

    Examples
    --------
    >>> spliced = np.array([[0.0, 1.0, 2.0, 3.0, 4.0]])
    >>> steady_state_weights(spliced, spliced, quantiles=(None, 0.75)).tolist()
    [[0.0, 0.0, 0.0, 1.0, 1.0]]
    """
    if rule not in WEIGHT_RULES:
        msg = f"weights={rule!r} is unknown; the rules are {', '.join(map(repr, WEIGHT_RULES))}."
        raise ValueError(msg)
    if cells is not None and not cells.all():
        weights = np.zeros(spliced.shape)
        if cells.any():
            weights[:, cells] = steady_state_weights(
                spliced[:, cells], unspliced[:, cells], rule, quantiles=quantiles
            )
        return weights
    if rule == "extremes":
        chosen: Float64Array | BoolArray = np.empty(spliced.shape) if out is None else out
        _mark_extremes(spliced, unspliced, [quantiles], chosen[None])
        return chosen
    return _RULES[rule](spliced, unspliced)


def extreme_sets(
    spliced: GeneRows, unspliced: GeneRows, quantiles: list[Quantiles]
) -> list[BoolArray]:
    """Return the cells that the rule ``"extremes"`` chooses for each pair of quantiles.

    This is faster than to call :func:`steady_state_weights` for each. Pairs with the same high
    quantile should follow each other.
    """
    out = np.empty((len(quantiles), *spliced.shape), dtype=np.bool_)
    _mark_extremes(spliced, unspliced, quantiles, out)
    return list(out)


def extreme_codes(
    spliced: GeneRows, unspliced: GeneRows, sets: list[Quantiles]
) -> NDArray[np.uint8]:
    """Return a code for each cell in each gene, whose bit k tells whether it is in set k.

    A set has the cells that ``"extremes"`` chooses for a pair of quantiles.
    """
    pairs = list(dict.fromkeys(sets))
    bits = np.zeros(len(pairs), dtype=np.uint8)
    for k, quantiles in enumerate(sets):
        bits[pairs.index(quantiles)] |= 1 << k
    codes = np.empty(spliced.shape, dtype=np.uint8)
    s, u, lows, highs = _rows_and_quantiles(spliced, unspliced, pairs)
    code_extremes(s, u, lows, highs, FLOOR, bits, codes)
    return codes


def _mark_extremes(
    spliced: GeneRows, unspliced: GeneRows, quantiles: list[Quantiles], out: NDArray[Any]
) -> None:
    s, u, lows, highs = _rows_and_quantiles(spliced, unspliced, quantiles)
    extreme_cells(s, u, lows, highs, FLOOR, out)


def _rows_and_quantiles(
    spliced: GeneRows, unspliced: GeneRows, quantiles: list[Quantiles]
) -> tuple[Any, ...]:
    pairs = np.array([[np.nan if q is None else q for q in pair] for pair in quantiles])
    lows, highs = np.ascontiguousarray(pairs.T)
    return np.ascontiguousarray(spliced), np.ascontiguousarray(unspliced), lows, highs


def _outside(x: GeneRows) -> Float64Array:
    low, high = _percentile(x, [2, 98])
    return np.asarray((x <= low) | (x >= high), dtype=np.float64)


def _outside_of_sum(s: GeneRows, u: GeneRows) -> Float64Array:
    return _outside(_scaled(s, 99.9) + _scaled(u, 99.9))


def _near_ends(s: GeneRows) -> Float64Array:
    low, high = _percentile(s, [2, 98])
    width = high - low
    r = np.where(width > 0, (np.clip(s, low, high) - low) / np.where(width > 0, width, 1.0), 0.0)
    return np.asarray(0.5 * (r**15 + (1 - r) ** 15))


def _scaled(x: GeneRows, percentile: float) -> Float64Array:
    (unit,) = _percentile(x, [percentile])
    # genes in too few cells for this percentile are divided by their maximum
    return np.asarray(x / np.where(unit > 0, unit, np.maximum(x.max(axis=1, keepdims=True), FLOOR)))


def _percentile(x: GeneRows, percentiles: list[float]) -> Float64Array:
    """Return percentiles of every row like `numpy.percentile`, shape (percentiles, genes, 1)."""
    out = np.empty((len(x), len(percentiles)))
    shares = np.asarray(percentiles) / 100
    row_percentiles(np.ascontiguousarray(x, dtype=np.float64), shares, out)
    return out.T[:, :, None]


_RULES: dict[str, Callable[[GeneRows, GeneRows], Float64Array]] = {
    "all": lambda s, _: np.ones(s.shape),
    "maxmin": lambda s, _: _outside(s),
    "maxmin_diag": _outside_of_sum,
    "sum": lambda s, u: _scaled(s, 99) + _scaled(u, 99),
    "prod": lambda s, u: _scaled(s, 99) * _scaled(u, 99),
    "maxmin_weighted": lambda s, _: _near_ends(s),
    "maxmin_double": lambda s, u: _outside_of_sum(s, u) + _outside(s),
}
WEIGHT_RULES = ("extremes", *_RULES)
