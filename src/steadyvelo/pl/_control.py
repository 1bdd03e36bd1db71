"""The velocity field beside one that points nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, check_key

from ._axes import finished, given_axes, panels
from ._velocity_stream import velocity_stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["control"]


def control(
    adata: AnnData,
    *,
    basis: str = "umap",
    color: str | None = None,
    velocity_key: str = "velocity",
    ax: Sequence[Axes] | None = None,
    components: tuple[int, int] = (0, 1),
    n_grid: int = 50,
    smoothing: float = 1.0,
    min_mass: float = 0.05,
    density: float = 1.2,
    palette: Mapping[str, Any] | None = None,
    size: float | None = None,
    alpha: float = 0.5,
    legend_loc: str | None = "right margin",
    show: bool = False,
) -> NDArray[np.object_]:
    """Draw the streamlines of the data beside those of randomised velocities.

    Both panels are made alike. Order that the right one shows as well, smoothing and projection
    have made: only what the left shows and the right does not is in the velocities.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.randomized_velocity`; any part of its cells.
    basis, color, velocity_key, components, n_grid, smoothing, min_mass, density, show
        As in :func:`steadyvelo.pl.velocity_stream`.
    ax
        Two axes to draw on; None makes new ones.
    palette, size, alpha, legend_loc
        As there; the legend stands at the right panel.

    Returns
    -------
    The two axes.

    Raises
    ------
    KeyError
        If there are no randomised arrows on this embedding, or no such column.
    ValueError
        If `ax` does not hold two axes, or no cell has an arrow.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.randomized_velocity(adata, basis="pca")
    >>> [ax.get_title() for ax in sv.pl.control(adata, basis="pca")]
    ['data', 'randomised']
    """
    check_adata(adata)
    basis = basis.removeprefix("X_")
    name = _keys.RANDOMIZED.of(velocity_key, basis)
    check_key(adata, "obsm", name, f"run tl.randomized_velocity(adata, basis={basis!r}) first.")
    if ax is None:
        axes = panels(2, 2, (5.25, 4.6))
    else:
        axes = given_axes(ax, 2, "two axes, for the data and the control")
    # the name of the control's arrows is that of a fit of its own
    keys = velocity_key, name.removesuffix(f"_{basis}")
    for panel, key, title in zip(axes, keys, ("data", "randomised"), strict=True):
        velocity_stream(
            adata,
            basis=basis,
            color=color,
            velocity_key=key,
            ax=panel,
            components=components,
            n_grid=n_grid,
            smoothing=smoothing,
            min_mass=min_mass,
            density=density,
            palette=palette,
            size=size,
            alpha=alpha,
            legend_loc=legend_loc if title == "randomised" or legend_loc == "on data" else None,
            title=title,
        )
    return finished(axes, own=ax is None, show=show)
