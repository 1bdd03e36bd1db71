"""An order of the cells along the velocity graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, warn
from steadyvelo._adata._draws import Names
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._adata._names import cell_places
from steadyvelo._arguments import public
from steadyvelo._log import done
from steadyvelo._settings import settings
from steadyvelo.engine import SmoothingOperator, count_threads, row_products, transposed_sum
from steadyvelo.model import Coarse, DiffusionMap

from ._limits import Limits
from ._orientation import exchanged, orientation_of
from ._stored_graph import GraphPart, StoredGraph
from ._terminal_states import terminal_scores

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.get import PseudotimeOrientation
    from steadyvelo.model._typing import BoolArray, Float64Array

__all__ = ["velocity_pseudotime"]

_FOUND = "auto"


@public
def velocity_pseudotime(
    adata: AnnData,
    *,
    root: str | None = _FOUND,
    end: str | None = _FOUND,
    velocity_key: str = "velocity",
    scale: float = 10.0,
    n_components: int = 10,
    rng: int | np.random.Generator | None = 0,
    n_threads: int | None = None,
) -> None:
    r"""Order cells by their distance from a root along the velocity graph.

    The pseudotime is computed from diffusion distances d on the graph of absolute correlations
    :math:`|c_{ij}| + |c_{ji}|`, to a root r and to an end e,

    .. math:: t_i = \tfrac12 \bigl(d_{ri} / \max d_r + 1 - d_{ei} / \max d_e\bigr)

    and scaled to [0, 1]. By default, root and end are the cells with the highest mean scores of
    :func:`steadyvelo.tl.terminal_states` in their neighbourhoods, in one connected part of the
    graph: that of the cell that is named or, if none is, the one with most cells. Cells of other
    parts get no pseudotime. Velocities decide only which two cells are root and end; the order
    between them depends on the similarity of cells. A pseudotime can therefore be computed even if
    no direction is significant.

    The orientation of the pseudotime is tested if the fit has cross-fitted errors. On the
    pseudotime as an embedding with one dimension, :math:`d_{ij} = \operatorname{sign}(t_j - t_i)`,
    the linear arrows of all cells are summed as those of a cluster in
    :func:`steadyvelo.tl.direction`, with a two-sided p-value. The orientation is determined if
    p < 0.05 and the retest without a steady state confirms the sign of the sum (t ≥ 4, z > −2).
    The p-value alone is not enough: the same velocities chose root and end, and the sum assumes a
    steady state. Of more than 4,500 cells, 3,000 are tested, drawn by name. If root and end are
    both ``"auto"`` and velocities run against the pseudotime, the two are exchanged.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`.
    root, end
        Names of cells; ``"auto"`` finds them. One of the two can be None and is then not used.
    velocity_key
        Prefix of the fit.
    scale
        λ of the transition probabilities from which root and end are found.
    n_components
        Number of eigenvectors of the diffusion.
    rng
        Seed of the start vectors of the search for eigenvectors: a whole number, a
        `numpy.random.Generator` that draws one, or None to let the system draw one. The seed is
        recorded.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    None. Sets, for ``velocity_key="velocity"``:

    ``obs["velocity_pseudotime"]``
        Pseudotime, in [0, 1]; NaN for cells that are not connected with root and end.
    ``uns["velocity_params"]["pseudotime"]``
        Parameters, the names of root and end, and the test of the orientation, which
        :func:`steadyvelo.get.pseudotime_orientation` reads.

    Raises
    ------
    KeyError
        If there is no velocity graph, or `root` or `end` is no name of a cell.
    ValueError
        If `root` and `end` are both None or are not connected, a cell that is named has no edges,
        no root or end is found in its connected part, cells were removed since the graph was
        computed, or the fit has cross-fitted errors and its counts or neighbours have changed.

    Warns
    -----
    SteadyveloWarning
        If some cells get no pseudotime, or if the orientation was tested and `root` or `end` is
        ``"auto"`` but the orientation is not determined, or velocities run against the pseudotime.

    References
    ----------
    Haghverdi et al. (2016), https://doi.org/10.1038/nmeth.3971; Bergen et al. (2020),
    https://doi.org/10.1038/s41587-020-0591-3.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.velocity_pseudotime(adata)
    >>> times = adata.obs["velocity_pseudotime"]
    >>> float(times.min()), float(times.max())
    (0.0, 1.0)
    """
    check_adata(adata)
    threads = count_threads(n_threads)
    if root is None and end is None:
        msg = "root and end are both None; name a cell for one of them, or use 'auto'."
        raise ValueError(msg)
    for argument, name in (("root", root), ("end", end)):
        if name not in (_FOUND, None):
            cell_places(adata, name, argument)
    fit = Fit.read(adata, velocity_key, then=("tl.velocity_graph",))
    graph = StoredGraph.read(fit)
    parts = graph.parts()
    places = _ends(graph, parts, (root, end), scale=scale, rng=rng, n_threads=threads)
    names = ["" if place is None else str(adata.obs_names[place]) for place in places]
    numbers = {int(parts[place]) for place in places if place is not None}
    if len(numbers) == 2:
        msg = (
            f"root {names[0]!r} and end {names[1]!r} are in parts of the velocity graph that are "
            "not connected; use root=None or end=None, or name two cells of one part."
        )
        raise ValueError(msg)
    connected = parts == numbers.pop()
    if connected.sum() == 1:
        msg = (
            f"{next(filter(None, names))!r} has no edges in the velocity graph, so no cell is "
            "connected with it; name another cell."
        )
        raise ValueError(msg)
    time = np.full(adata.n_obs, np.nan)
    time[connected] = _time_between(graph, connected, places, n_components, rng, threads)
    time = (time - np.nanmin(time)) / max(np.nanmax(time) - np.nanmin(time), np.finfo(float).tiny)
    tested = orientation_of(fit, time, Limits(settings.max_memory, threads))
    if tested.verdict == "reversed" and root == end == _FOUND:
        time, names, tested = 1 - time, names[::-1], exchanged(tested)
    without = int(np.isnan(time).sum())
    if without:
        warn(f"{without:,} cells are not connected with root and end and get no pseudotime.")
    _keys.PSEUDOTIME.write(adata, time, velocity_key)
    made = {"scale": scale, "n_components": n_components, "rng": rng}
    made |= {"root": names[0], "end": names[1], "orientation": tested.encode()}
    note_made(adata, velocity_key, "pseudotime", made)
    _tell(tested, found=_FOUND in (root, end))


def _tell(tested: PseudotimeOrientation, *, found: bool) -> None:
    """Warn of an orientation that velocities do not support; otherwise report it.

    It is known where no cell is `found` by velocities.
    """
    if tested.verdict == "reversed":
        warn(f"{tested.reason} Exchange root and end, unless other evidence supports this time.")
    elif tested.verdict == "not determined" and found:
        warn(f"{tested.reason} Name a root= that is known, or do not interpret the direction.")
    else:
        done(tested.reason)


def _time_between(
    graph: StoredGraph,
    connected: BoolArray,
    places: list[int | None],
    n_components: int,
    rng: int,
    n_threads: int,
) -> Float64Array:
    """Return the time of connected cells from the root, back from the end, or the mean of both."""
    fit = graph.fit
    neighbors = fit.inputs.connectivities(fit.graph.neighbors_key)
    around = SmoothingOperator.from_connectivities(neighbors).to_matrix()
    part = graph.part(connected, around)
    turned = transposed_sum(*part.graphs, n_threads)
    np.abs(turned.data, out=turned.data)
    positive, negative, back = (row_products(x, n_threads) for x in (*part.graphs, turned))
    names = Names(fit.inputs.cell_hashes[part.cells], rng)
    diffusion = DiffusionMap.of(
        positive - negative + back,
        lambda number: names.uniform(f"start {number} of a diffusion map"),
        n_components=n_components,
        coarse=_coarse(part, n_threads),
    )
    number_within = np.empty(len(connected), dtype=np.intp)
    number_within[part.cells] = np.arange(len(part.cells))
    times = []
    for place, forward in zip(places, (True, False), strict=True):
        if place is not None:
            distance = diffusion.distances(int(number_within[place]))
            time = distance / max(distance.max(), np.finfo(float).tiny)
            times.append(time if forward else 1 - time)
    time = np.full(len(connected), np.nan)
    time[part.cells] = np.mean(times, axis=0)
    return time[connected]


def _coarse(part: GraphPart, n_threads: int) -> Coarse | None:
    """Return the similarities between groups of cells; None for few cells."""
    groups = part.groups
    if groups is None:
        return None

    def between(rows: Float64Array, columns: Float64Array) -> Float64Array:
        positive, negative = (groups.sums(x, rows, columns, n_threads) for x in part.graphs)
        along = positive - negative
        return along + along.T

    return Coarse(groups.group_of, between)


def _ends(
    graph: StoredGraph,
    parts: NDArray[np.int32],
    wanted: tuple[str | None, str | None],
    *,
    scale: float,
    rng: int,
    n_threads: int,
) -> list[int | None]:
    """Return the positions of root and end among the cells; one that is found is connected."""
    fit = graph.fit
    names = list(fit.adata.obs_names)
    places = [None if name in (_FOUND, None) else names.index(name) for name in wanted]
    if _FOUND not in wanted:
        return places
    scores = terminal_scores(graph, scale=scale, rng=rng, n_threads=n_threads)
    of_both = {"root": scores.roots, "end": scores.ends}
    named = [place for place in places if place is not None]
    # the part with most scores, unless a cell is named
    scored = np.bincount(parts, weights=np.isfinite(scores.roots))
    within = parts == (parts[named[0]] if named else np.argmax(scored))
    neighbors = fit.inputs.connectivities(fit.graph.neighbors_key)
    around = SmoothingOperator.from_connectivities(neighbors).to_matrix()
    for number, (what, score) in enumerate(of_both.items()):
        if wanted[number] == _FOUND:
            # the mean over the neighbourhood prefers a cell among similar cells
            means = np.where(within & np.isfinite(score), around @ np.nan_to_num(score), 0.0)
            means[named] = 0.0
            if not (means > 0).any():
                msg = (
                    f"no {what} is found among the {int(within.sum()):,} connected cells; name one "
                    f"as {what}=, or use {what}=None."
                )
                raise ValueError(msg)
            places[number] = int(np.argmax(means))
            named.append(int(np.argmax(means)))
    return places
