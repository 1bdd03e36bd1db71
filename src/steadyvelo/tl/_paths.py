"""Random paths along the velocity graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._chosen_cells import chosen_cells
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo.engine import count_threads, drawn_paths, edges_of_walk

from ._stored_graph import StoredGraph
from ._walk import check_can_leave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["paths"]


@public
def paths(
    adata: AnnData,
    start: str | Sequence[str] | NDArray[np.bool_],
    *,
    groupby: str | None = None,
    n_paths: int = 10,
    n_steps: int = 100,
    backward: bool = False,
    velocity_key: str = "velocity",
    scale: float = 10.0,
    rng: int | np.random.Generator | None = 0,
    n_threads: int | None = None,
) -> None:
    r"""Draw random paths from some cells along the velocity graph.

    Each path begins in one of the chosen cells, all with equal probabilities. A step follows an
    edge of the velocity graph with the probability :math:`T_{ij} \propto e^{\lambda c_{ij}}`,
    without self-transitions, and backward :math:`T_{ij} \propto e^{\lambda c_{ji}}`. A path that
    cannot go on stays in its cell. The shares of paths in the cells after n steps are, for many
    paths, the distribution of :func:`steadyvelo.tl.walk`.

    Paths are drawn whether arrows are significant or not. They are possible histories under these
    probabilities, not lineages, and a step has no duration.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`.
    start, groupby
        Cells in which paths begin, as in :func:`steadyvelo.tl.walk`.
    n_paths
        Number of paths.
    n_steps
        Number of steps of a path.
    backward
        Draw paths against the arrows; the first cell is the latest one.
    velocity_key
        Prefix of the fit.
    scale
        λ of the transition probabilities. Paths are straighter with a larger value.
    rng
        Seed of the steps: a whole number, a `numpy.random.Generator` that draws one, or None to let
        the system draw one. The seed is recorded.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    None. Sets, for ``velocity_key="velocity"``:

    ``uns["velocity_paths"]``
        Names of the cells of each path, paths × (1 + steps), which
        :func:`steadyvelo.get.paths` returns as a table and :func:`steadyvelo.pl.paths` draws.
    ``uns["velocity_params"]["paths"]``
        Parameters.

    Raises
    ------
    KeyError, ValueError
        As :func:`steadyvelo.tl.walk`.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3 (``get_cell_transitions`` of
    scVelo).

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.paths(adata, "root", groupby="clusters", n_paths=5, n_steps=50)
    >>> adata.uns["velocity_paths"].shape
    (5, 51)
    """
    chosen = chosen_cells(adata, start, "start", groupby)
    graph = StoredGraph.read(Fit.read(adata, velocity_key, then=("tl.velocity_graph",)))
    check_can_leave(graph, chosen, backward=backward)
    threads = count_threads(n_threads)
    of_start, of_steps = (np.random.default_rng(s) for s in np.random.SeedSequence(rng).spawn(2))
    begin = chosen.places[of_start.integers(0, len(chosen.places), n_paths)]
    edges = edges_of_walk(*graph.graphs, backward=backward, n_threads=threads)
    steps = of_steps.random((n_paths, n_steps))
    places = drawn_paths(edges, begin, steps, scale=scale, n_threads=threads)
    names = adata.obs_names.to_numpy(dtype=object)
    _keys.PATHS.write(adata, names[places], velocity_key)
    made = {"start": chosen.how, "n_paths": n_paths, "n_steps": n_steps}
    made |= {"backward": backward, "scale": scale, "rng": rng}
    note_made(adata, velocity_key, "paths", made)
