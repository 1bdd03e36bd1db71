"""Unspliced against spliced abundance of a gene, with its steady-state line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm
from scipy.special import stdtrit

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._groups import found_column
from steadyvelo._arguments import picture

from ._axes import finished, given_axes, panels, write_title
from ._category_lines import cells_of_category_fits, draw_category_lines, range_of_ratios
from ._colors import MANY_POINTS, cell_colors
from ._gene_values import gene_names, moments_of_genes
from ._style import NOTE_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ._colors import CellColors

__all__ = ["explain_marks", "phase_portrait"]

# more points hide each other
_MOST_POINTS = 20_000
_IN_FIT, _MARK = "#e08214", "cells of the fit"


@picture
def phase_portrait(
    adata: AnnData,
    genes: str | Sequence[str],
    *,
    color: str | None = "auto",
    velocity_key: str = "velocity",
    ax: Axes | Sequence[Axes] | None = None,
    n_columns: int = 4,
    show_fit_cells: bool = True,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.7,
    hexagons: bool | None = None,
    legend_loc: str | None = "right margin",
    show: bool = False,
) -> Axes | NDArray[np.object_]:
    """Draw unspliced against spliced abundance, the fitted line, and the cells of the fit.

    Cells above the line have more unspliced mRNA than at steady state and positive velocity; cells
    below it have negative velocity. The cells to which the line is fitted (usually the extreme
    cells) have a black outline; in a stochastic fit, these are the cells of first moments, because
    second moments use all cells. If the fit has standard errors, the interval of the line is
    shaded: without an offset, all lines with γ from ``var["velocity_gamma_low"]`` to
    ``var["velocity_gamma_high"]``; with an offset, the line ± t standard errors at each s, computed
    from the standard errors of γ and offset and their covariance. If categories of cells have
    separate ratios (`gamma_by`), each has its line, in its colour, without an interval.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`.
    genes
        One name or several.
    color, velocity_key, palette, size, alpha, show
        As in :func:`steadyvelo.pl.velocity_stream`.
    ax
        Axes to draw on, one for each gene; None makes a new figure.
    n_columns
        Number of columns of the figure, for several genes.
    show_fit_cells
        Outline the cells to which the line is fitted. They are not outlined if `adata` has only a
        part of the fitted cells, because quantiles of a part differ; the title then mentions this.
    hexagons
        Draw the density of cells as hexagons instead of points, grey for all cells and orange for
        the cells of the fit. None uses hexagons for more than 20,000 cells, unless `color` names a
        column.
    legend_loc
        Place of the legend in matplotlib's words, ``"right margin"``, or None for no legend.

    Returns
    -------
    The axes, or an array of axes for several genes.

    Raises
    ------
    KeyError
        If there is no fit, or a gene or column is unknown.
    ValueError
        If the number of axes is not the number of genes, `hexagons` and `color` are both given, or
        counts have changed since the fit.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> ax = sv.pl.phase_portrait(adata, adata.var_names[0])
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('spliced', 'unspliced')
    """
    check_adata(adata)
    names = gene_names(adata, genes)
    named = found_column(adata, color)
    found = named != color
    if hexagons and named is not None and not found:
        msg = f"hexagons show no colours; leave out hexagons=True or color={color!r}."
        raise ValueError(msg)
    many = (named is None or found) and adata.n_obs > _MOST_POINTS
    hexagons = many if hexagons is None else hexagons
    color = None if hexagons else named
    fit = Fit.read(adata, velocity_key)
    colors = cell_colors(adata, color, palette)
    places = adata.var_names.get_indexer(names)
    spliced, unspliced = moments_of_genes(fit, names)
    in_fit = _in_fit(spliced, unspliced, places, fit) if show_fit_cells else None
    size = float(np.clip(40_000 / adata.n_obs, 1, 25)) if size is None else size
    by = fit.options.gamma_by

    if ax is None:
        axes = panels(len(names), n_columns, (3.1, 2.9), margin=1.0)
    else:
        axes = given_axes(ax, len(names), f"one axes for each of {len(names)} genes")
    for k, (panel, name) in enumerate(zip(axes, names, strict=True)):
        # if all cells are in the fit, outlines are not useful
        marked = None if in_fit is None or in_fit[k].all() else in_fit[k]
        if hexagons:
            _draw_hexagons(panel, spliced[k], unspliced[k], marked)
        else:
            _draw_points(panel, spliced[k], unspliced[k], marked, colors, size, alpha)
        if by is None:
            _draw_line(panel, spliced[k], fit, adata.var.iloc[places[k]])
        else:
            of_lines = palette if color == by else None
            draw_category_lines(panel, spliced[k], fit, places[k], of_lines)
        write_title(panel, _line_title(adata, name, fit))
        panel.set_xlabel("spliced")
        panel.set_ylabel("unspliced")
        panel.spines[["top", "right"]].set_visible(False)
    explain_marks(axes[0])
    colors.explain(axes, axes[-1].collections[0], legend_loc)
    return finished(axes[0] if len(names) == 1 else axes, own=ax is None, show=show)


def _in_fit(
    spliced: NDArray[np.float64], unspliced: NDArray[np.float64], genes: NDArray[np.int64], fit: Fit
) -> NDArray[np.bool_] | None:
    """Return which cells are in the fit, shape (genes, cells); None if `adata` has other cells."""
    if not fit.has_its_cells:
        return None
    if fit.categories is not None:
        return cells_of_category_fits(fit, fit.categories, genes, spliced, unspliced)
    return fit.weigh(genes, spliced, unspliced) > 0


def _draw_points(
    ax: Axes,
    spliced: NDArray[np.float64],
    unspliced: NDArray[np.float64],
    marked: NDArray[np.bool_] | None,
    colors: CellColors,
    size: float,
    alpha: float,
) -> None:
    """Draw the cells as points, with outlines around the cells of the fit."""
    colors.scatter(ax, spliced, unspliced, size=size, alpha=alpha)
    if marked is not None:
        # below the points, because outlines would cover the colours of dense cells
        ax.scatter(
            spliced[marked],
            unspliced[marked],
            s=size + 6,
            facecolors="none",
            edgecolors="black",
            linewidths=0.4,
            zorder=0.9,
            rasterized=len(spliced) > MANY_POINTS,
            label=_MARK,
        )


def _draw_hexagons(
    ax: Axes,
    spliced: NDArray[np.float64],
    unspliced: NDArray[np.float64],
    marked: NDArray[np.bool_] | None,
) -> None:
    """Draw the density of all cells and, on the same hexagons, of the cells of the fit."""
    for cmap, cells in (("Greys", np.s_[:]), ("Oranges", marked)):
        if cells is not None:
            ax.hexbin(
                spliced[cells],
                unspliced[cells],
                gridsize=50,
                extent=(spliced.min(), spliced.max(), unspliced.min(), unspliced.max()),
                # below 1, because a single cell would otherwise be white
                norm=LogNorm(vmin=0.3),
                mincnt=1,
                cmap=cmap,
                linewidths=0,
            )
    if marked is not None:
        ax.scatter([], [], marker="h", color=_IN_FIT, label=_MARK)


def _draw_line(ax: Axes, spliced: NDArray[np.float64], fit: Fit, gene: pd.Series) -> None:
    """Draw the line of a gene with its interval; draw nothing for a gene without a fit."""
    gamma, offset = (gene[field.of(fit.key)] for field in (_keys.GAMMA, _keys.OFFSET))
    if np.isnan(gamma):
        return
    s = np.linspace(0.0, spliced.max(), 50)
    ends = s[[0, -1]]
    top = ax.get_ylim()[1]
    band = _interval(s, gene, fit)
    if band is not None:
        low, high = band
        label = f"{100 * fit.options.errors.level:.3g} % interval"
        ax.fill_between(s, low, high, color="crimson", alpha=0.2, lw=0, zorder=3, label=label)
    ax.plot(ends, gamma * ends + offset, color="crimson", lw=1.5, zorder=3, label="steady state")
    ax.set_xlim(left=min(0.0, ax.get_xlim()[0]))
    # a wide interval does not extend the axis
    ax.set_ylim(top=max(top, 1.05 * (gamma * ends[1] + offset)))


def _interval(
    s: NDArray[np.float64], gene: pd.Series, fit: Fit
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the lower and the upper line of the interval; None if the fit has no errors."""
    if _keys.GAMMA_LOW.of(fit.key) not in gene or fit.options.errors.method is None:
        return None
    low, high = (gene[field.of(fit.key)] for field in (_keys.GAMMA_LOW, _keys.GAMMA_HIGH))
    fields = (_keys.GAMMA_SE, _keys.OFFSET_SE, _keys.LINE_COVARIANCE)
    gamma_se, offset_se, covariance = (gene[field.of(fit.key)] for field in fields)
    if offset_se > 0 and np.isfinite(gamma_se):
        line = gene[_keys.GAMMA.of(fit.key)] * s + gene[_keys.OFFSET.of(fit.key)]
        variance = offset_se**2 + 2 * s * covariance + (s * gamma_se) ** 2
        # the t distribution of the interval of γ has the same degrees of freedom
        df = max(float(gene[_keys.EFFECTIVE_CELLS.of(fit.key)]) - 1.0, 1.0)
        t = stdtrit(df, 0.5 + fit.options.errors.level / 2)
        half = t * np.sqrt(np.maximum(variance, 0.0))
        return line - half, line + half
    if np.isnan(low) or offset_se > 0:
        return None
    # an interval without an upper bound covers the whole axis
    return low * s, np.minimum(high, 1e6) * s


def _line_title(adata: AnnData, name: str, fit: Fit) -> str:
    """Return the name of a gene with γ and R², or with the reason why it has no fit."""
    gene = adata.var.loc[name]
    if np.isnan(gene[_keys.GAMMA.of(fit.key)]):
        return f"{name}\nno fit: {gene[_keys.REASON.of(fit.key)]}"
    r2 = gene[_keys.R2.of(fit.key)]
    ratio = f"γ = {gene[_keys.GAMMA.of(fit.key)]:.3g}"
    if fit.options.gamma_by is not None:
        ratio = range_of_ratios(fit, int(adata.var_names.get_indexer([name])[0]))
    title = f"{name}\n{ratio}, R² = {r2:.2f}"
    return title if fit.has_its_cells else f"{title}\n(a part of the fitted cells)"


def explain_marks(ax: Axes) -> None:
    """Add a legend of the line and the outlines to one panel."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        legend = ax.legend(handles, labels, frameon=False, fontsize=NOTE_TEXT, loc="upper left")
        # as a separate artist, because the legend of colours would replace it
        ax.add_artist(legend)
