"""The cells at which a pseudotime begins and ends: those that are named, or that are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from steadyvelo._adata._checks import listed
from steadyvelo._adata._chosen_cells import chosen_cells
from steadyvelo._adata._groups import cluster_codes, grouping_column
from steadyvelo.engine import SmoothingOperator, connected_parts

from ._terminal_states import terminal_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    import scipy.sparse as sp
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.model._typing import BoolArray, Float64Array

    from ._stored_graph import StoredGraph

__all__ = ["FOUND", "Cells", "found_ends", "in_one_part", "lineages", "named_cells"]

FOUND = "auto"
# places of cells, FOUND, or None for an end that is not used
Cells: TypeAlias = "NDArray[np.intp] | str | None"
# fewer cells have no root and end that are found
_FEWEST_CELLS = 20
_NAMES = ("root", "end")
# means of means from which a cell is chosen, and differences of them that are rounding errors
_MEANS, _ROUNDING = 20, 1e-9


def named_cells(
    adata: AnnData,
    root: str | Sequence[str] | None,
    end: str | Sequence[str] | None,
    groupby: str | None,
) -> list[Cells]:
    """Return the places of the cells that are named; refuse names that are not there."""
    given = {"root": root, "end": end}
    if root is None and end is None:
        msg = "root and end are both None; name a cell for one of them, or use 'auto'."
        raise ValueError(msg)
    if groupby is not None and all(value in (FOUND, None) for value in given.values()):
        msg = (
            f"groupby={groupby!r} is the column of the clusters that root= or end= names, but "
            "neither names any; name clusters, or leave out groupby=."
        )
        raise ValueError(msg)
    return [
        value if value in (FOUND, None) else chosen_cells(adata, value, argument, groupby).places
        for argument, value in given.items()
    ]


def lineages(adata: AnnData, lineage_key: str | None) -> dict[str, BoolArray]:
    """Return the cells of each lineage; without a column, all cells under an empty name."""
    if lineage_key is None:
        return {"": np.ones(adata.n_obs, dtype=bool)}
    grouping_column(adata, "lineage_key", lineage_key, "give a column of lineages.")
    names, codes = cluster_codes(adata, lineage_key, np.ones(adata.n_obs, dtype=bool))
    return {name: codes == number for number, name in enumerate(names)}


def found_ends(
    graph: StoredGraph,
    among: BoolArray,
    wanted: list[Cells],
    lineage: str,
    *,
    scale: float,
    rng: int,
    n_threads: int,
) -> tuple[list[NDArray[np.intp] | None], NDArray[np.intp]]:
    """Return the places of root and end in a lineage, and the number of each cell's part.

    A cell that is found is connected with those that are named. Parts are the connected parts of
    the graph `among` the cells of the lineage, −1 for other cells.
    """
    parts = np.full(len(among), -1, dtype=np.intp)
    parts[among] = connected_parts(*graph.within(among))
    places = [
        _within(cells, among, name, lineage) if isinstance(cells, np.ndarray) else None
        for cells, name in zip(wanted, _NAMES, strict=True)
    ]
    if not any(isinstance(cells, str) for cells in wanted):
        return places, parts
    if among.sum() < _FEWEST_CELLS and lineage:
        msg = (
            f"lineage {lineage!r} has {int(among.sum())} cells, but root and end are found among "
            f"at least {_FEWEST_CELLS}; name them, or leave these cells without a lineage."
        )
        raise ValueError(msg)
    some = None if among.all() else among
    options = {"scale": scale, "rng": rng, "n_threads": n_threads, "among": some}
    scores = terminal_scores(graph, **options)
    named = [cells for cells in places if cells is not None]
    # the part with most scores, unless cells are named
    scored = np.bincount(parts[among], weights=np.isfinite(scores.roots[among]))
    number = np.bincount(parts[np.concatenate(named)]).argmax() if named else scored.argmax()
    fit = graph.fit
    neighbors = fit.inputs.connectivities(fit.graph.neighbors_key)
    around = SmoothingOperator.from_connectivities(neighbors, some).to_matrix()
    for k, (name, score) in enumerate(zip(_NAMES, (scores.roots, scores.ends), strict=True)):
        if not isinstance(wanted[k], str):
            continue
        # the mean over the neighbourhood prefers a cell among similar cells
        inside = (parts == number) & np.isfinite(score)
        means = np.where(inside, around @ np.nan_to_num(score), 0.0)
        for cells in named:
            means[cells] = 0.0
        if not (means > 0).any():
            n_cells = int((parts == number).sum())
            msg = (
                f"no {name} is found among the {n_cells:,} connected cells{_of(lineage)}; name one "
                f"as {name}=, or use {name}=None."
            )
            raise ValueError(msg)
        places[k] = np.array([_highest(means, around)])
        named.append(places[k])
    return places, parts


def in_one_part(
    graph: StoredGraph,
    places: list[NDArray[np.intp] | None],
    parts: NDArray[np.intp],
    lineage: str,
) -> tuple[list[NDArray[np.intp] | None], BoolArray]:
    """Return root and end in one connected part, that with most of them, and its cells.

    Refuse cells that no edges connect.
    """
    given = [cells for cells in places if cells is not None]
    shared = set.intersection(*(set(parts[cells].tolist()) for cells in given))
    names = [list(graph.fit.adata.obs_names[cells]) for cells in given]
    if not shared:
        msg = (
            f"root {listed(names[0], 3)} and end {listed(names[1], 3)} are in parts of the "
            f"velocity graph that are not connected{_of(lineage)}; use root=None or end=None, or "
            "name two cells of one part."
        )
        raise ValueError(msg)
    every = np.concatenate(given)
    number = max(sorted(shared), key=lambda part: int((parts[every] == part).sum()))
    connected: BoolArray = parts == number
    if connected.sum() == 1:
        msg = (
            f"{names[0][0]!r} has no edges in the velocity graph, so no cell is connected with it"
            f"{_of(lineage)}; name another cell."
        )
        raise ValueError(msg)
    kept = [None if cells is None else cells[parts[cells] == number] for cells in places]
    return kept, connected


def _within(
    cells: NDArray[np.intp], among: BoolArray, argument: str, lineage: str
) -> NDArray[np.intp]:
    inside = cells[among[cells]]
    if len(inside) == 0:
        msg = (
            f"{argument} names no cell of the lineage {lineage!r}; name a cell of each lineage, or "
            f"use {argument}='auto'."
        )
        raise ValueError(msg)
    return inside


def _of(lineage: str) -> str:
    return f" of the lineage {lineage!r}" if lineage else ""


def _highest(means: Float64Array, around: sp.csr_array[Any]) -> int:
    """Return the cell with the highest mean; of several, that with the highest mean around it.

    Many cells may have the same mean, as those whose neighbours all have the highest score, and
    rounding would decide between them.
    """
    highest = np.arange(len(means))
    for _ in range(_MEANS):
        highest = highest[means[highest] >= means[highest].max() - _ROUNDING]
        if len(highest) == 1:
            break
        means = around @ means
    return int(highest[0])
