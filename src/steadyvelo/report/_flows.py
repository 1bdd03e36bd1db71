"""Net flows between clusters, and cells whose flow contradicts the arrow of their cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._embeddings import check_arrows, check_finite_embedding
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._stored_flows import StoredFlows
from steadyvelo.engine import count_threads, flows_into
from steadyvelo.tl._stored_graph import StoredGraph

from ._text import joined, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["Flows", "section"]

# cells that are named
_NAMED = 5


@dataclass(frozen=True)
class Flows:
    """A part of the section on clusters."""

    # source, target, flow, ratio, net flow with its error, adjusted p-value and verdict, as text
    rows: list[list[str]]
    # the reason of the verdict on each significant flow
    reasons: list[str]
    # a sentence for each significant flow that contradicts the mean arrow of its source
    against: list[str]


def section(
    adata: AnnData, groupby: str | None, basis: str, key: str, n_threads: int | None
) -> Flows | None:
    """Summarise the stored flows; None if there are none between these clusters."""
    if groupby is None or not _keys.CLUSTER_GRAPH.is_in(adata, key):
        return None
    flows = StoredFlows.read(adata, key)
    if flows.groupby != groupby:
        return None
    one_way = flows.one_way
    rows = [
        [
            str(row.source),
            str(row.target),
            percent(row.flow),
            number(row.ratio, 2),
            f"{number(row.net, 2)} ± {number(row.net_se, 2)}",
            number(row.p_holm, 2),
            str(row.verdict),
        ]
        for row in one_way.itertuples()
    ]
    significant = one_way[one_way["significant"]]
    reasons = [
        f"{row.source} → {row.target} ({row.verdict}): {row.reason}"
        for row in significant.itertuples()
    ]
    against = _against_arrows(adata, flows, significant, basis, key, n_threads)
    return Flows(rows, reasons, against)


def _against_arrows(
    adata: AnnData,
    flows: StoredFlows,
    rows: pd.DataFrame,
    basis: str,
    key: str,
    n_threads: int | None,
) -> list[str]:
    """Return a sentence for each flow that runs against the mean arrow of its source."""
    points = check_finite_embedding(adata, basis)
    arrows = check_arrows(adata, basis, key)
    graph = StoredGraph.read(Fit.read(adata, key))
    said = []
    for row in rows.itertuples():
        source, target = (
            flows.codes == flows.names.index(name) for name in (row.source, row.target)
        )
        way = points[target].mean(axis=0) - points[source].mean(axis=0)
        cosine = _cosine(np.nansum(arrows[source], axis=0), way)
        if not cosine < 0:
            continue
        cells = np.flatnonzero(source)
        options = {"scale": flows.scale, "n_threads": count_threads(n_threads)}
        along, back, _ = flows_into(*graph.graphs, cells, target, **options)
        start = (
            f"The net flow from {row.source} to {row.target} contradicts the mean arrow of "
            f"{row.source}, which points away from {row.target} on {basis} (cosine "
            f"{number(cosine, 2)} with the way between their centres). "
        )
        said.append(start + _cells(adata, arrows, way, cells, along - back, row))
    return said


def _cells(
    adata: AnnData,
    arrows: NDArray[np.float64],
    way: NDArray[np.float64],
    cells: NDArray[np.intp],
    part: NDArray[np.float64],
    row: Any,
) -> str:
    """Say which cells of the source make the flow, in which each has a part."""
    order = np.argsort(-part, kind="stable")[: int((part > 0).sum())]
    own = cells[order]
    if len(own) == 0:
        return (
            f"No cell of {row.source} prefers steps to {row.target}: the velocities of cells of "
            f"{row.target} avoid {row.source}."
        )
    named = joined([str(name) for name in adata.obs_names[own]], _NAMED)
    share = part[order[:_NAMED]].sum() / part[order].sum()
    first = "it makes" if len(own) == 1 else f"the first {min(len(own), _NAMED)} make"
    return (
        f"The flow comes from {len(own):,} of {len(cells):,} cells of {row.source}, those whose "
        f"velocities prefer steps to {row.target}; the cosine of the mean arrow of these cells is "
        f"{number(_cosine(np.nansum(arrows[own], axis=0), way), 2)}. They are {named}; {first} "
        f"{percent(share)} of it."
    )


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths > 0 else np.nan
