"""Clusters: the confidence of their velocities, how well arrows show them, and transitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._embeddings import check_arrows, check_finite_embedding
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._groups import cluster_codes
from steadyvelo.engine import count_threads, transition_probabilities
from steadyvelo.tl._fidelity import ABOVE_CHANCE, fidelity
from steadyvelo.tl._stored_graph import StoredGraph

from ._text import number, percent

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Clusters", "section"]

_SCALE = 10.0


@dataclass(frozen=True)
class Clusters:
    """A section of the page."""

    # name, cells, medians of length, confidence and confidence of transitions, mean fidelity of the
    # arrows, and the share of the cells in which it is above chance, as text
    rows: list[list[str]]
    names: list[str]
    # mean probability of a step from a cluster (row) to another: text and share in percent, whole
    transitions: list[list[tuple[str, int]]]


def section(
    adata: AnnData, groupby: str | None, key: str, basis: str, n_threads: int | None
) -> Clusters | None:
    """Summarise cells by cluster; None without clusters."""
    if groupby is None:
        return None
    names, codes = cluster_codes(adata, groupby)
    fields = (_keys.LENGTH, _keys.CONFIDENCE, _keys.CONFIDENCE_TRANSITION)
    columns = [field.read(adata, key).to_numpy(dtype=np.float64) for field in fields]
    graph, threads = StoredGraph.read(Fit.read(adata, key)), count_threads(n_threads)
    drawn = check_finite_embedding(adata, basis), check_arrows(adata, basis, key)
    shown, z = (pd.Series(values) for values in fidelity(graph, *drawn, threads))
    rows = []
    for code, name in enumerate(names):
        inside = codes == code
        middle = [pd.Series(column[inside]).median() for column in columns]
        # a share of the cells that have a fidelity
        above = (z[inside].dropna() > ABOVE_CHANCE).mean()
        told = [*(number(x, 2) for x in middle), number(shown[inside].mean(), 2), percent(above)]
        rows.append([name, f"{inside.sum():,}", *told])

    steps = transition_probabilities(
        graph.positive,
        graph.negative,
        scale=_SCALE,
        self_transition=graph.self_transition(),
        n_threads=threads,
    )
    member = (codes[:, None] == np.arange(len(names))).astype(np.float32)
    flow = member.T @ (steps @ member)
    flow /= np.maximum(member.sum(axis=0), 1)[:, None]
    shares = [[(percent(float(x)), round(100 * float(x))) for x in row] for row in flow]
    return Clusters(rows, names, shares)
