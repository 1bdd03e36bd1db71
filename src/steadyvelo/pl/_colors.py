"""Colours of cells, and the legend that explains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from steadyvelo import _keys
from steadyvelo._adata._checks import listed, warn
from steadyvelo._adata._groups import AUTO, found_column

from ._axes import as_text
from ._legend import explain_categories, side_by_side
from ._names_on_data import write_names
from ._style import STRONG, tone_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["MANY_POINTS", "CellColors", "cell_colors", "color_column"]

# more points are drawn as pixels in vector files
MANY_POINTS = 5_000

_PLAIN = "#b8b8b8"
_MISSING = "#d9d9d9"
_NO_VALUE = "no value"
# area of all points together, points² per inch² of the larger side; smallest and largest area of a
# point, points²
_AREA, _SIZES = 6_500, (4.0, 150.0)


@dataclass(frozen=True)
class CellColors:
    """Colours of all cells: by numbers, by categories, or one colour."""

    # name of the column; the empty string if all cells have one colour
    title: str
    # RGBA colours, shape (cells, 4), or numbers for a colour map, shape (cells,)
    values: NDArray[Any]
    # colour of each category, and the number of the category of each cell, −1 if it has none
    categories: dict[str, Any]
    codes: NDArray[np.intp]

    def scatter(self, ax: Axes, x: Any, y: Any, *, size: float, alpha: float = 1.0) -> Any:
        """Draw the cells as points, or as pixels if they are many."""
        style: dict[str, Any] = {"s": size, "alpha": alpha, "linewidths": 0, "zorder": 1}
        style["rasterized"] = len(x) > MANY_POINTS
        if self.values.ndim == 1:
            style |= {"cmap": _color_map(1.0, "white"), "plotnonfinite": True}
            return ax.scatter(x, y, c=self.values, **style)
        return ax.scatter(x, y, c=self.values, **style)

    def shade(
        self, ax: Axes, points: NDArray[np.float64], *, size: float | None, strength: float
    ) -> Any:
        """Draw the cells as areas: points that touch, in colours mixed with the background.

        Points are opaque, so that areas are equally pale for any density of cells. They are drawn
        in random order, so that all clusters are visible where they mix. `size` is the area of a
        point, points².
        """
        if size is None:
            inches = ax.get_window_extent().size / ax.figure.dpi
            size = float(np.clip(_AREA * inches.max() ** 2 / len(points), *_SIZES))
        order = np.random.default_rng(0).permutation(len(points))
        # cells without a category below
        order = order[np.argsort(self._known[order], kind="stable")]
        style: dict[str, Any] = {"s": size, "linewidths": 0, "zorder": 1}
        style["rasterized"] = len(points) > MANY_POINTS
        behind = _background(ax)
        if self.values.ndim == 1:
            style |= {"cmap": _color_map(strength, behind), "plotnonfinite": True}
            return ax.scatter(*points[order].T, c=self.values[order], **style)
        return ax.scatter(*points[order].T, c=_mixed(self.values[order], strength, behind), **style)

    @property
    def _known(self) -> NDArray[np.bool_]:
        """Which cells have a value or a category; all cells if they have one colour."""
        if self.values.ndim == 1:
            return np.isfinite(self.values)
        return self.codes >= 0 if self.title else np.ones(len(self.codes), dtype=bool)

    def of_cells(self) -> NDArray[np.float64]:
        """Return the colour of every cell, RGBA, shape (cells, 4); dark without a column."""
        if not self.title:
            return np.tile(mpl.colors.to_rgba(STRONG), (len(self.codes), 1))
        if self.values.ndim == 2:
            return self.values
        shown = mpl.cm.ScalarMappable(cmap=_color_map(1.0, "white"))
        return np.asarray(shown.to_rgba(np.ma.masked_invalid(self.values)))

    def tone_apart(self, ax: Axes, strength: float) -> str:
        """Return a pale colour that differs from the colours of clusters, full and as drawn."""
        named = np.array([mpl.colors.to_rgba(c) for c in self.categories.values()]).reshape(-1, 4)
        return tone_apart([*named, *_mixed(named, strength, _background(ax))])

    def explain(
        self,
        axes: Sequence[Axes],
        points: Any,
        legend_loc: str | None,
        places: NDArray[np.float64] | None = None,
        *,
        strength: float = 1.0,
    ) -> None:
        """Add a legend or a colour bar; `places` are the positions of cells, for names on them.

        With ``"auto"``, names are written on the cells if they fit, or else in the right margin.
        """
        if legend_loc is None or not self.title:
            return
        some_missing = not self._known.all()
        if self.values.ndim == 1:
            beside = list(side_by_side(axes))
            label = as_text(self.title) + (f" (grey: {_NO_VALUE})" if some_missing else "")
            bar = axes[-1].figure.colorbar(points, ax=beside, label=label, shrink=0.7)
            # full colours, not the pale colours of the points
            bar.solids.set_alpha(1.0)
            return
        names = {as_text(name): color for name, color in self.categories.items()}
        grey = {_NO_VALUE: _MISSING} if some_missing else {}
        if legend_loc in {AUTO, "on data"}:
            # grey cells need an entry in a legend
            if places is not None and not (some_missing and legend_loc == AUTO):
                fits = write_names(
                    axes[-1], names, self.codes, places, only_if_they_fit=legend_loc == AUTO
                )
                if fits or legend_loc == "on data":
                    return
            legend_loc = "right margin"
        behind = _background(axes[-1])
        handles = [
            Line2D([], [], marker="o", ls="", color=_mixed(color, strength, behind), label=name)
            for name, color in (names | grey).items()
        ]
        explain_categories(axes, handles, as_text(self.title), legend_loc)


def _mixed(colors: Any, strength: float, background: Any) -> NDArray[np.float64]:
    """Return opaque colours that look like `colors` with an opacity on a background."""
    rgb = np.asarray(mpl.colors.to_rgba_array(colors))[:, :3]
    mixed = strength * rgb + (1 - strength) * np.array(mpl.colors.to_rgb(background))
    opaque = np.column_stack([mixed, np.ones(len(mixed))])
    return opaque if np.ndim(colors) == 2 else opaque[0]


def _background(ax: Axes) -> Any:
    """Return the colour behind the cells; white if there is none."""
    shade = ax.get_facecolor()
    return shade[:3] if len(shade) < 4 or shade[3] > 0 else "white"


def _color_map(strength: float, background: Any) -> mpl.colors.Colormap:
    """Return the colour map for numbers, mixed with the background."""
    table = _mixed(mpl.colormaps["viridis"](np.linspace(0, 1, 256)), strength, background)
    return mpl.colors.ListedColormap(table).with_extremes(bad=_MISSING)


def cell_colors(
    adata: AnnData, color: str | None, palette: Mapping[str, Any] | None = None
) -> CellColors:
    """Return the colour of every cell: by a column of `obs`, or grey; ``"auto"`` finds clusters.

    Without a `palette`, categories have the colours that scanpy stores in ``uns["{color}_colors"]``
    or, if there are none, those of a palette of matplotlib. Raises an error if the column, or a
    category in the palette, is missing.
    """
    none = np.full(adata.n_obs, -1, dtype=np.intp)
    color = found_column(adata, color)
    if color is None:
        return CellColors("", np.tile(mpl.colors.to_rgba(_PLAIN), (adata.n_obs, 1)), {}, none)
    column = color_column(adata, color)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isfinite(numbers).any():
            return CellColors(color, numbers, {}, none)
        column = column.where(np.zeros(len(column), dtype=bool))
    column = column.astype("category")
    names = [str(name) for name in column.cat.categories]
    colors = _category_colors(adata, color, names, palette)
    table = np.array([mpl.colors.to_rgba(c) for c in [*colors, _MISSING]])
    codes = column.cat.codes.to_numpy(dtype=np.intp)
    # stored colours are those of all categories, and the legend has those that there are
    there = np.unique(codes[codes >= 0])
    used = {names[code]: colors[code] for code in there}
    return CellColors(
        color, table[codes], used, np.where(codes >= 0, np.searchsorted(there, codes), -1)
    )


def color_column(adata: AnnData, color: str, argument: str = "color") -> pd.Series:
    """Return a column of `obs`; if it is missing, refuse the argument that names it."""
    if color not in adata.obs:
        msg = f"{argument}={color!r} is not in adata.obs; name one of {listed(adata.obs.columns)}."
        raise KeyError(msg)
    return adata.obs[color]


def _stored_colors(stored: Any, names: list[str]) -> list[Any]:
    """Return the colours in `uns` of all categories, in order; empty if some are missing."""
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
            msg = f"palette has no colour for {listed(missing)}; add one, or use palette=None."
            raise KeyError(msg)
        return [palette[name] for name in names]
    stored = _stored_colors(adata.uns.get(_keys.colors_key(color)), names)
    wrong = [value for value in stored if not mpl.colors.is_color_like(value)]
    if wrong:
        warn(
            f"uns[{_keys.colors_key(color)!r}] has {listed(wrong, 3)}, which matplotlib does not "
            "know as colours; colours of matplotlib are used."
        )
    elif len(stored) == len(names):
        return stored
    if len(names) <= 10:
        return list(mpl.color_sequences["tab10"][: len(names)])
    if len(names) <= 20:
        return list(mpl.color_sequences["tab20"][: len(names)])
    return list(mpl.colormaps["turbo"](np.linspace(0.02, 0.98, len(names))))
