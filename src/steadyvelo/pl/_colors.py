"""Colours of cells, and the legend that explains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.lines import Line2D

from steadyvelo import _keys
from steadyvelo._adata._checks import listed, warn

from ._axes import as_text
from ._legend import explain_categories, side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["CellColors", "cell_colors", "color_column"]

_PLAIN = "#b8b8b8"
_MISSING = "#d9d9d9"


@dataclass(frozen=True)
class CellColors:
    """Colours of all cells: by numbers, by categories, or all alike."""

    # name of what is coloured; the empty string for plain points
    title: str
    # RGBA colours, shape (cells, 4), or numbers for a colour map, shape (cells,)
    values: NDArray[Any]
    # colour of each category, and the number of each cell's, −1 where it has none
    categories: dict[str, Any]
    codes: NDArray[np.intp]

    def scatter(self, ax: Axes, x: Any, y: Any, *, size: float, alpha: float = 1.0) -> Any:
        """Draw the cells as points, those above as pixels where they are many."""
        style: dict[str, Any] = {"s": size, "alpha": alpha, "linewidths": 0, "zorder": 1}
        style["rasterized"] = len(x) > 5000
        if self.values.ndim == 1:
            return ax.scatter(x, y, c=self.values, cmap="viridis", **style)
        return ax.scatter(x, y, c=self.values, **style)

    def explain(
        self,
        axes: Sequence[Axes],
        points: Any,
        legend_loc: str | None,
        places: NDArray[np.float64] | None = None,
    ) -> None:
        """Add a legend of categories, or a colour bar; `places` of cells are for ``"on data"``."""
        if legend_loc is None or not self.title:
            return
        if not self.categories:
            beside = list(side_by_side(axes))
            bar = axes[-1].figure.colorbar(points, ax=beside, label=as_text(self.title), shrink=0.7)
            # colours as they are named, not as thin as the points
            bar.solids.set_alpha(1.0)
            return
        if legend_loc == "on data" and places is not None:
            self._name_on_data(axes[-1], places)
            return
        handles = [
            Line2D([], [], marker="o", ls="", color=color, label=as_text(name))
            for name, color in self.categories.items()
        ]
        explain_categories(axes, handles, as_text(self.title), legend_loc)

    def _name_on_data(self, ax: Axes, places: NDArray[np.float64]) -> None:
        """Write each category in the middle of its cells."""
        outline = [patheffects.withStroke(linewidth=2.5, foreground="white")]
        for number, name in enumerate(self.categories):
            inside = self.codes == number
            if inside.any():
                middle = np.median(places[inside], axis=0)
                text = ax.text(
                    *middle,
                    as_text(name),
                    ha="center",
                    va="center",
                    fontsize="small",
                    weight="bold",
                    zorder=4,
                )
                text.set_path_effects(outline)


def cell_colors(
    adata: AnnData, color: str | None, palette: Mapping[str, Any] | None = None
) -> CellColors:
    """Return the colour of every cell: by a column of `obs`, or grey.

    Without a `palette` categories have the colours in ``uns["{color}_colors"]``, where scanpy keeps
    them, and where there are none, those of a palette of matplotlib. A column that is missing, or
    a category that the palette misses, is refused.
    """
    none = np.full(adata.n_obs, -1, dtype=np.intp)
    if color is None:
        return CellColors("", np.tile(mpl.colors.to_rgba(_PLAIN), (adata.n_obs, 1)), {}, none)
    column = color_column(adata, color)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return CellColors(color, column.to_numpy(dtype=np.float64), {}, none)
    column = column.astype("category")
    names = [str(name) for name in column.cat.categories]
    colors = _category_colors(adata, color, names, palette)
    table = np.array([mpl.colors.to_rgba(c) for c in [*colors, _MISSING]])
    codes = column.cat.codes.to_numpy(dtype=np.intp)
    return CellColors(color, table[codes], dict(zip(names, colors, strict=True)), codes)


def color_column(adata: AnnData, color: str) -> pd.Series:
    """Return the column of `obs` to colour by; refuse one that is not there."""
    if color not in adata.obs:
        msg = f"color={color!r} is not in adata.obs, which has {listed(adata.obs.columns)}."
        raise KeyError(msg)
    return adata.obs[color]


def _stored_colors(stored: Any, names: list[str]) -> list[Any]:
    """Return the colours in `uns` for all categories, in their order; none where some lack."""
    if stored is None:
        return []
    if isinstance(stored, Mapping):
        found = [stored.get(name) for name in names]
        return [] if None in found else found
    if len(stored) < len(names):
        return []
    return [
        value if isinstance(value, str) else tuple(value) for value in list(stored)[: len(names)]
    ]


def _category_colors(
    adata: AnnData, color: str, names: list[str], palette: Mapping[str, Any] | None
) -> list[Any]:
    if palette is not None:
        missing = [name for name in names if name not in palette]
        if missing:
            msg = f"palette has no colour for {listed(missing)}."
            raise KeyError(msg)
        return [palette[name] for name in names]
    stored = _stored_colors(adata.uns.get(_keys.colors_key(color)), names)
    wrong = [value for value in stored if not mpl.colors.is_color_like(value)]
    if wrong:
        warn(
            f"uns[{_keys.colors_key(color)!r}] holds {listed(wrong, 3)}, which matplotlib does not "
            "know as colours; others are used."
        )
    elif len(stored) == len(names):
        return stored
    if len(names) <= 10:
        return list(mpl.color_sequences["tab10"][: len(names)])
    if len(names) <= 20:
        return list(mpl.color_sequences["tab20"][: len(names)])
    return list(mpl.colormaps["turbo"](np.linspace(0.02, 0.98, len(names))))
