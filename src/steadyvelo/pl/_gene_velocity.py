"""Phase portrait, velocity and expression of a gene, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import TwoSlopeNorm

from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._embeddings import check_finite_embedding, found_basis
from steadyvelo._adata._fit import Fit
from steadyvelo._arguments import picture

from ._axes import finished, given_axes, panels, show_map, write_title
from ._colors import MANY_POINTS
from ._gene_values import gene_names, moments_of_genes, velocities_of_genes
from ._phase_portrait import explain_marks, phase_portrait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["gene_velocity"]


@picture
def gene_velocity(
    adata: AnnData,
    genes: str | Sequence[str],
    *,
    basis: str = "auto",
    color: str | None = "auto",
    velocity_key: str = "velocity",
    ax: Sequence[Axes] | None = None,
    components: tuple[int, int] = (0, 1),
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    show: bool = False,
) -> NDArray[np.object_]:
    """Draw the phase portrait of each gene, and its velocity and expression on an embedding.

    Velocity is u − γs − o in molecules per splicing time; it is red in cells in which the gene is
    induced and blue in cells in which it is repressed. Expression is the smoothed spliced
    abundance. Colour scales end at the 98th percentile of absolute values, so that they do not
    depend on a few cells.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`, with an embedding.
    genes
        One name or several; each gene has a row of panels.
    basis, components
        As in :func:`steadyvelo.pl.velocity_stream`.
    color, velocity_key, palette, size, show
        As in :func:`steadyvelo.pl.phase_portrait`; `color` is for the phase portrait.
    ax
        Three axes for each gene; None makes a new figure.

    Returns
    -------
    The axes, shape (genes, 3).

    Raises
    ------
    KeyError
        If there is no fit or embedding, or a gene or column is unknown.
    ValueError
        If `ax` does not have three axes for each gene, or counts have changed since the fit.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> axes = sv.pl.gene_velocity(adata, "gene 5", basis="pca")
    >>> [ax.get_title().split()[-1] for ax in axes[0][1:]]
    ['velocity', 'expression']
    """
    check_adata(adata)
    names = gene_names(adata, genes)
    basis = found_basis(adata, basis, velocity_key)
    points = check_finite_embedding(adata, basis)[:, list(components)]
    fit = Fit.read(adata, velocity_key)
    abundances = moments_of_genes(fit, names)
    velocities = velocities_of_genes(fit, names, *abundances)
    if ax is None:
        axes = panels(3 * len(names), 3, (11 / 3, 3.2))
    else:
        axes = given_axes(ax, 3 * len(names), f"3 axes for each of {len(names)} genes")
    axes = axes.reshape(len(names), 3)
    if size is None:
        size = float(np.clip(40_000 / adata.n_obs, 1, 25))
    phase_portrait(
        adata,
        names,
        color=color,
        velocity_key=velocity_key,
        ax=list(axes[:, 0]),
        palette=palette,
        size=size,
        legend_loc=None,
    )
    # the first panel has this legend
    for panel in axes[1:, 0]:
        explain_marks(panel)
    for row, name, velocity, spliced in zip(axes, names, velocities, abundances[0], strict=True):
        _on_embedding(row[1], points, velocity, f"{name} velocity", size=size, signed=True)
        _on_embedding(row[2], points, spliced, f"{name} expression", size=size, signed=False)
    return finished(axes, show=show)


def _on_embedding(
    ax: Axes,
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    title: str,
    *,
    size: float,
    signed: bool,
) -> None:
    known = np.isfinite(values)
    high = float(np.percentile(np.abs(values[known]), 98)) if known.any() else 0.0
    high = high or 1.0
    style: dict[str, Any] = {"cmap": "viridis", "vmin": 0.0, "vmax": high}
    if signed:
        style = {"cmap": "coolwarm", "norm": TwoSlopeNorm(0.0, -high, high)}
    # cells with large values on top
    order = np.argsort(np.abs(np.nan_to_num(values)))
    drawn = ax.scatter(
        *points[order].T,
        c=values[order],
        s=size,
        linewidths=0,
        rasterized=len(points) > MANY_POINTS,
        plotnonfinite=False,
        **style,
    )
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
    # The bar has neither ticks along its width nor a label. Without these two lines, matplotlib
    # measures the first and searches a place for the second whenever it arranges or draws the
    # figure, in a sixth of the time of the figure. A label that a user adds is beside the numbers.
    bar.ax.xaxis.set_visible(False)
    bar.ax.yaxis.set_label_coords(4.5, 0.5)
    show_map(ax, points)
    write_title(ax, title)
