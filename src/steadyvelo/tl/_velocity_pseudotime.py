"""An order of the cells along the velocity graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, warn
from steadyvelo._adata._draws import Names
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo._log import done
from steadyvelo._settings import settings
from steadyvelo.engine import count_threads, row_products
from steadyvelo.model import CoarseSimilarities, DiffusionMap

from ._limits import Limits
from ._orientation import exchanged, orientation_of
from ._roots_and_ends import FOUND, found_ends, in_one_part, lineages, named_cells
from ._stored_graph import GraphPart, StoredGraph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.get import PseudotimeOrientation
    from steadyvelo.model._typing import BoolArray, Float64Array

__all__ = ["velocity_pseudotime"]


@public
def velocity_pseudotime(
    adata: AnnData,
    *,
    root: str | Sequence[str] | None = FOUND,
    end: str | Sequence[str] | None = FOUND,
    groupby: str | None = None,
    lineage_key: str | None = None,
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
    :func:`steadyvelo.tl.terminal_states` in their neighbourhoods (of several, those in the middle),
    in one connected part of the graph: that of the cell that is named or, if none is, the one with
    most cells. Cells of other parts get no pseudotime. Velocities decide only which two cells are
    root and end; the order between them depends on the similarity of cells. A pseudotime can
    therefore be computed even if no direction is significant.

    The orientation of the pseudotime is tested if the fit has cross-fitted errors. On the
    pseudotime as an embedding with one dimension, :math:`d_{ij} = \operatorname{sign}(t_j - t_i)`,
    the linear arrows of all cells are summed as those of a cluster in
    :func:`steadyvelo.tl.direction`, with a two-sided p-value. The orientation is determined if
    p < 0.05 and the retest without a steady state confirms the sign of the sum (t ≥ 4, z > −2).
    The p-value alone is not enough: the same velocities chose root and end, and the sum assumes a
    steady state. Of more than 4,500 cells, 3,000 are tested, drawn by name. If root and end are
    both ``"auto"`` and velocities run against the pseudotime, the two are exchanged.

    With several roots, the distance to the nearest of them counts, so all of them are at the
    beginning; the same holds for ends. With `lineage_key`, each lineage gets a pseudotime from 0
    to 1 on the graph between its cells alone, with root and end among them, and a test.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`.
    root, end
        Names of cells or, with `groupby`, of clusters whose cells are all at this end; ``"auto"``
        finds a cell. One of the two can be None and is then not used.
    groupby
        Column of ``obs`` with the clusters that `root` and `end` name; None means that they name
        cells.
    lineage_key
        Column of ``obs`` with lineages; cells without a value get no pseudotime. With names of
        cells or clusters, a lineage takes those of its own cells. None means one pseudotime for all
        cells.
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
        If there is no velocity graph, or `root` or `end` has a name that is not there.
    ValueError
        If `root` and `end` are both None or are not connected, a cell that is named has no edges,
        no root or end is found in its connected part, a lineage has no cell that is named, cells
        were removed since the graph was computed, or the fit has cross-fitted errors and its counts
        or neighbours have changed.

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
    >>> sv.tl.velocity_pseudotime(adata, root="root", groupby="clusters")
    >>> float(adata.obs["velocity_pseudotime"][adata.obs["clusters"] == "root"].min())
    0.0
    """
    check_adata(adata)
    threads = count_threads(n_threads)
    wanted = named_cells(adata, root, end, groupby)
    of_lineages = lineages(adata, lineage_key)
    fit = Fit.read(adata, velocity_key, then=("tl.velocity_graph",))
    graph = StoredGraph.read(fit)
    time, found = np.full(adata.n_obs, np.nan), {}
    for name, among in of_lineages.items():
        options = {"scale": scale, "rng": rng, "n_threads": threads}
        places, parts = found_ends(graph, among, wanted, name, **options)
        places, connected = in_one_part(graph, places, parts, name)
        found[name] = _tested_time(graph, connected, places, n_components, rng, threads)
        if found[name].orientation.verdict == "reversed" and root == end == FOUND:
            found[name] = found[name].exchanged()
        time[connected] = found[name].time[connected]
    without = int(np.isnan(time[np.any(list(of_lineages.values()), axis=0)]).sum())
    if without:
        warn(f"{without:,} cells are not connected with root and end and get no pseudotime.")
    _keys.PSEUDOTIME.write(adata, time, velocity_key)
    made = {"scale": scale, "n_components": n_components, "rng": rng, "groupby": groupby or ""}
    given = {"root": root, "end": end}
    note_made(adata, velocity_key, "pseudotime", made | _encoded(fit, found, given, lineage_key))
    for name, made_time in found.items():
        _tell(made_time.orientation, name, found=FOUND in (root, end))


class _Time(NamedTuple):
    """A pseudotime, NaN for cells without one, its root and its end, and the test of both."""

    time: Float64Array
    places: list[NDArray[np.intp] | None]
    orientation: PseudotimeOrientation

    def exchanged(self) -> _Time:
        """Return the same with root and end exchanged."""
        return _Time(1 - self.time, self.places[::-1], exchanged(self.orientation))


def _tested_time(
    graph: StoredGraph,
    connected: BoolArray,
    places: list[NDArray[np.intp] | None],
    n_components: int,
    rng: int,
    n_threads: int,
) -> _Time:
    """Return the time of connected cells, from 0 to 1, with the test of its orientation."""
    time = np.full(len(connected), np.nan)
    time[connected] = _time_between(graph, connected, places, n_components, rng, n_threads)
    time = (time - np.nanmin(time)) / max(np.nanmax(time) - np.nanmin(time), np.finfo(float).tiny)
    limits = Limits(settings.max_memory, n_threads)
    return _Time(time, places, orientation_of(graph.fit, time, limits))


def _encoded(
    fit: Fit, found: dict[str, _Time], given: dict[str, Any], lineage_key: str | None
) -> dict[str, Any]:
    """Return what is recorded of root, end and orientation, of all lineages if there are some."""
    names = fit.adata.obs_names
    rows = []
    for name, of_lineage in found.items():
        row: dict[str, Any] = {"lineage": name}
        for (argument, value), cells in zip(given.items(), of_lineage.places, strict=True):
            # what the user named, or the cell that was found
            asked = value if value != FOUND else str(names[cells[0]])
            row[argument] = asked if isinstance(asked, str) else ", ".join(asked or ())
        rows.append({**row, **of_lineage.orientation.encode()})
    if lineage_key is None:
        ends = {name: rows[0][name] for name in given}
        return {**ends, "orientation": found[""].orientation.encode()}
    table = pd.DataFrame(rows)
    columns = {str(name): table[name].to_numpy() for name in table}
    return {"lineage_key": lineage_key, "lineages": columns}


def _tell(tested: PseudotimeOrientation, lineage: str, *, found: bool) -> None:
    """Warn of an orientation that velocities do not support; otherwise report it.

    It is known where no cell is `found` by velocities.
    """
    reason = f"{lineage}: {tested.reason}" if lineage else tested.reason
    if tested.verdict == "reversed":
        warn(f"{reason} Exchange root and end, unless other evidence supports this time.")
    elif tested.verdict == "not determined" and found:
        warn(f"{reason} Name a root= that is known, or do not interpret the direction.")
    else:
        done(reason)


def _time_between(
    graph: StoredGraph,
    connected: BoolArray,
    places: list[NDArray[np.intp] | None],
    n_components: int,
    rng: int,
    n_threads: int,
) -> Float64Array:
    """Return the time of connected cells from the root, back from the end, or the mean of both."""
    part = graph.part(connected, n_threads)
    names = Names(graph.fit.inputs.cell_hashes[part.cells], rng)
    diffusion = DiffusionMap.of(
        row_products(*part.graphs, part.turned, absolute=True, n_threads=n_threads),
        lambda number: names.uniform(f"start {number} of a diffusion map"),
        n_components=n_components,
        coarse=_coarse(part, n_threads),
    )
    number_within = np.empty(len(connected), dtype=np.intp)
    number_within[part.cells] = np.arange(len(part.cells))
    times = []
    for cells, forward in zip(places, (True, False), strict=True):
        if cells is not None:
            distance = diffusion.distances(number_within[cells])
            time = distance / max(distance.max(), np.finfo(float).tiny)
            times.append(time if forward else 1 - time)
    time = np.full(len(connected), np.nan)
    time[part.cells] = np.mean(times, axis=0)
    return time[connected]


def _coarse(part: GraphPart, n_threads: int) -> CoarseSimilarities | None:
    """Return the similarities between groups of cells; None for few cells."""
    groups = part.groups
    if groups is None:
        return None

    def sums(weights: Float64Array) -> Float64Array:
        positive, negative = (groups.sums(x, weights, weights, n_threads) for x in part.graphs)
        along = positive - negative
        return along + along.T

    return CoarseSimilarities(
        groups.group_of, sums, row_products(part.neighbors, n_threads=n_threads)
    )
