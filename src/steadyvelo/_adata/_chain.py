"""The functions that have to run again, in order, before a result can be computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo import _keys

from ._provenance import hash_cells

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["rerun_chain"]


# steps of a fit, each of which needs those before it
_STEPS = ("tl.velocity", "tl.velocity_graph", "tl.velocity_embedding")


def rerun_chain(
    adata: AnnData,
    *last: str,
    key: str | None = None,
    neighbors_key: str | None = None,
    smoothed_before: bool = False,
) -> str:
    """Return what to run again on this AnnData, as text: what `last` needs, and `last`.

    Neighbours are among it if they were found for other cells, and smoothed layers if they were
    made of other neighbours or cells, or if the caller knows that they were `smoothed_before`
    something has changed. With the `key` of a fit, so are the fit and its graph if `last` needs
    them and they are missing or of other cells.
    """
    cells = hash_cells(adata)
    steps = []
    graph = adata.uns.get(neighbors_key or _keys.NEIGHBORS.of(), {}).get("params", {})
    if str(graph.get("cells_hash", cells)) != cells:
        steps.append("pp.neighbors")
    record = _keys.MOMENTS_PARAMS.read(adata, default=None)
    layers = _keys.MS.is_in(adata) and _keys.MU.is_in(adata)
    if record is not None and layers:
        other_cells = str(record["cells_hash"]) != cells
        if steps or other_cells or smoothed_before:
            steps.append("pp.moments")
    if key is not None:
        steps += _of_fit(adata, key, cells, last[-1].partition("(")[0], again=bool(steps))
    steps += [step for step in last if step.partition("(")[0] not in steps]
    return " and ".join([", ".join(steps[:-1]), steps[-1]] if len(steps) > 1 else steps)


def _of_fit(adata: AnnData, key: str, cells: str, last: str, *, again: bool) -> list[str]:
    """Return the steps of a fit before the last that have to run again."""
    before = _STEPS[: _STEPS.index(last)] if last in _STEPS else _STEPS
    made = _keys.PARAMS.read(adata, key, default={})
    other_fit = again or not made or str(made.get("cells_hash", cells)) != cells
    missing = {
        "tl.velocity": other_fit,
        "tl.velocity_graph": other_fit or not _keys.GRAPH.is_in(adata, key),
    }
    return [step for step in before if missing.get(step, False)]
