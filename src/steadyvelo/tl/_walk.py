"""Where random walks from chosen cells are after some steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import writable
from steadyvelo._adata._chosen_cells import chosen_cells
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo.engine import can_leave, count_threads, walk_distribution

from ._stored_graph import StoredGraph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._chosen_cells import ChosenCells

__all__ = ["check_can_leave", "walk"]


@public
def walk(
    adata: AnnData,
    start: str | Sequence[str] | NDArray[np.bool_],
    *,
    groupby: str | None = None,
    n_steps: int = 100,
    backward: bool = False,
    velocity_key: str = "velocity",
    scale: float = 10.0,
    key_added: str | None = None,
    n_threads: int | None = None,
) -> None:
    r"""Compute where random walks from some cells are after some steps.

    Walks begin in the chosen cells with equal probabilities, :math:`\pi_0`. A step follows an edge
    of the velocity graph,

    .. math:: \pi_n^\top = \pi_0^\top T^n, \qquad T_{ij} \propto e^{\lambda c_{ij}}

    with rows of T that sum to 1, without self-transitions. A walk backward goes against the edges,
    :math:`T_{ij} \propto e^{\lambda c_{ji}}`. A walk that cannot go on stays in its cell.

    After many steps, walks are at the same end points wherever they began, and these are computed
    by :func:`steadyvelo.tl.terminal_states`. Some cells are neighbours of hardly any other cell.
    Walks backward do not leave such cells, so take few steps backward, or use that function.
    Walks follow the arrows whether these are significant or not, and a step has no duration.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`.
    start
        Cells in which walks begin: names of cells, names of clusters (with `groupby`), or a mask,
        an array with True for these cells.
    groupby
        Column of ``obs`` with the clusters that `start` names; None means that it names cells.
    n_steps
        Number of steps.
    backward
        Walk against the arrows.
    velocity_key
        Prefix of the fit.
    scale
        λ of the transition probabilities.
    key_added
        Name of the result; None means ``"velocity_walk"`` for ``velocity_key="velocity"``.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    None. Sets:

    ``obs["velocity_walk"]``
        Probability that a walk is in the cell after `n_steps` steps, float64, with sum 1.
    ``uns["velocity_params"]["walks"]``
        Parameters of every result.

    Raises
    ------
    KeyError
        If there is no velocity graph, or `start` has names that are not those of cells or clusters.
    ValueError
        If a walk can leave none of the chosen cells, a mask has another length, cells were removed
        since the graph was computed, or `key_added` is already the name of another column.

    References
    ----------
    La Manno et al. (2018), https://doi.org/10.1038/s41586-018-0414-6, use such walks with
    transition probabilities on an embedding.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.walk(adata, "root", groupby="clusters", n_steps=50)
    >>> float(adata.obs["velocity_walk"].sum().round(6))
    1.0
    >>> means = adata.obs.groupby("clusters", observed=True)["velocity_walk"].sum()
    >>> bool(means[["tip 1", "tip 2"]].sum() > means["root"])
    True
    """
    chosen = chosen_cells(adata, start, "start", groupby)
    fit = Fit.read(adata, velocity_key, then=("tl.velocity_graph",))
    graph = StoredGraph.read(fit)
    check_can_leave(graph, chosen, backward=backward)
    name = key_added or _keys.WALK.of(velocity_key)
    if name in adata.obs and name not in fit.params.made.get("walks", {}):
        msg = f"key_added={name!r} would overwrite obs[{name!r}]; choose another name."
        raise ValueError(msg)
    begin = np.zeros(adata.n_obs)
    begin[chosen.places] = 1.0 / len(chosen.places)
    options = {"scale": scale, "backward": backward, "n_threads": count_threads(n_threads)}
    distribution = walk_distribution(*graph.graphs, begin, n_steps, **options)
    writable(adata)
    adata.obs[name] = distribution
    made = {"start": chosen.how, "n_steps": n_steps, "backward": backward, "scale": scale}
    note_made(adata, velocity_key, "walks", made, under=name)


def check_can_leave(graph: StoredGraph, chosen: ChosenCells, *, backward: bool) -> None:
    """Refuse cells of which a walk can leave none."""
    if not can_leave(*graph.graphs, backward=backward)[chosen.places].any():
        edge = "no edge leads to them" if backward else "they have no edges"
        msg = (
            f"a walk can leave none of the cells of start, {chosen.how}, because {edge} in the "
            "velocity graph; choose other cells."
        )
        raise ValueError(msg)
