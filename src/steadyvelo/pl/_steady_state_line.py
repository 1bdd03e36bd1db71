"""The steady-state line of a gene, its interval, and what a portrait says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student_t

from steadyvelo import _keys

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit

__all__ = ["draw_line", "line_title"]


def draw_line(ax: Axes, spliced: NDArray[np.float64], fit: Fit, gene: pd.Series) -> None:
    """Draw the line of a gene with its interval; nothing where it was not fit."""
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
    # a wide interval would make the cells small
    ax.set_ylim(top=max(top, 1.05 * (gamma * ends[1] + offset)))


def _interval(
    s: NDArray[np.float64], gene: pd.Series, fit: Fit
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the lower and the upper line of the interval; None where the fit has no errors."""
    if _keys.GAMMA_LOW.of(fit.key) not in gene or fit.options.errors.method is None:
        return None
    low, high = (gene[field.of(fit.key)] for field in (_keys.GAMMA_LOW, _keys.GAMMA_HIGH))
    fields = (_keys.GAMMA_SE, _keys.OFFSET_SE, _keys.LINE_COVARIANCE)
    gamma_se, offset_se, covariance = (gene[field.of(fit.key)] for field in fields)
    if offset_se > 0 and np.isfinite(gamma_se):
        line = gene[_keys.GAMMA.of(fit.key)] * s + gene[_keys.OFFSET.of(fit.key)]
        variance = offset_se**2 + 2 * s * covariance + (s * gamma_se) ** 2
        # the t of γ's own interval is that of its degrees of freedom
        df = max(float(gene[_keys.EFFECTIVE_CELLS.of(fit.key)]) - 1.0, 1.0)
        t = student_t.ppf(0.5 + fit.options.errors.level / 2, df)
        half = t * np.sqrt(np.maximum(variance, 0.0))
        return line - half, line + half
    if np.isnan(low) or offset_se > 0:
        return None
    # an open interval goes up without end
    return low * s, np.minimum(high, 1e6) * s


def line_title(adata: AnnData, name: str, fit: Fit) -> str:
    """Return the name of a gene with its ratio and fit, or the reason why there are none."""
    gene = adata.var.loc[name]
    if np.isnan(gene[_keys.GAMMA.of(fit.key)]):
        return f"{name}\nno fit: {gene[_keys.REASON.of(fit.key)]}"
    r2 = gene[_keys.R2.of(fit.key)]
    title = f"{name}\nγ = {gene[_keys.GAMMA.of(fit.key)]:.3g}, R² = {r2:.2f}"
    return title if fit.has_its_cells else f"{title}\n(a part of the fitted cells)"
