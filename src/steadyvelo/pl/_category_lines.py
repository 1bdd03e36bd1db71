"""Lines of a gene in each category of cells, and the cells to which they are fitted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys

from ._axes import as_text
from ._colors import cell_colors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from steadyvelo._adata._categories import Categories
    from steadyvelo._adata._fit import Fit

__all__ = ["cells_of_category_fits", "draw_category_lines", "range_of_ratios"]

_COMMON = "crimson"


def draw_category_lines(
    ax: Axes,
    spliced: NDArray[np.float64],
    fit: Fit,
    gene: int,
    palette: Mapping[str, Any] | None,
) -> None:
    """Draw the line of every category, and the common line if some category gets it."""
    gamma, offset, common = _lines(fit, gene)
    if np.isnan(gamma).all():
        return
    limits = ax.get_ylim()
    ends = np.array([0.0, spliced.max()])
    colors = _colors(fit, palette)
    for number, name in enumerate(fit.params.made_from.categories or ()):
        if not common[number]:
            line = gamma[number] * ends + offset[number]
            label = f"steady state, {as_text(name)}"
            ax.plot(
                ends, line, color=colors.get(name, f"C{number % 10}"), lw=1.5, zorder=3, label=label
            )
    if common.any():
        line = fit.gamma[gene] * ends + fit.offset[gene]
        label = "steady state, other cells" if not common.all() else "steady state"
        ax.plot(ends, line, color=_COMMON, lw=1.5, ls="--", zorder=3, label=label)
    ax.set_xlim(left=min(0.0, ax.get_xlim()[0]))
    # a steep line or a large offset does not extend the axis
    ax.set_ylim(limits)


def range_of_ratios(fit: Fit, gene: int) -> str:
    """Return the range of the ratios of a gene, as text."""
    gamma, _, _ = _lines(fit, gene)
    low, high = gamma.min(), gamma.max()
    return f"γ = {low:.3g}" if low == high else f"γ = {low:.3g} to {high:.3g}"


def cells_of_category_fits(
    fit: Fit,
    categories: Categories,
    genes: NDArray[np.int64],
    spliced: NDArray[np.float64],
    unspliced: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which cells are in the fit of the line that their category gets, (genes, cells)."""
    rule, places = fit.rule(genes), np.arange(len(genes))
    marked = np.broadcast_to(rule.weigh(spliced, unspliced, places) > 0, spliced.shape).copy()
    common = np.asarray(_keys.CATEGORY_COMMON.read(fit.adata, fit.key))[genes]
    for number in range(len(categories.names)):
        members = categories.codes == number
        of_category = replace(rule, fit_cells=rule.fit_cells & members)
        own = of_category.weigh(spliced, unspliced, places) > 0
        marked[:, members] = np.where(common[:, [number]], marked, own)[:, members]
    return marked


def _lines(
    fit: Fit, gene: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return γ and offset of the line that every category gets, and whether it is the common."""
    fields = (_keys.CATEGORY_GAMMA, _keys.CATEGORY_OFFSET, _keys.CATEGORY_COMMON)
    gamma, offset, common = (np.asarray(field.read(fit.adata, fit.key))[gene] for field in fields)
    return gamma, offset, common


def _colors(fit: Fit, palette: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the colours of categories; none if their column is not there any more."""
    column = fit.options.gamma_by
    if column not in fit.adata.obs:
        return {}
    return cell_colors(fit.adata, column, palette).categories
