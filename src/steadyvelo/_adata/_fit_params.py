"""How a fit was asked for and made: the only code that reads and writes it in `uns`.

Files of AnnData hold neither None nor an empty entry: None is written as the empty string (of a
quantile as NaN), or the entry is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from steadyvelo import _keys

from ._checks import listed
from ._error_choice import ErrorChoice, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

    from steadyvelo.model._ratio import OffsetMode
    from steadyvelo.model._weights import Quantiles

__all__ = [
    "GIVEN",
    "FitOptions",
    "FitParams",
    "GraphParams",
    "MadeFrom",
    "neighbors_of_graph",
    "note_made",
]

# the rule of a fit whose weights were given as an array
GIVEN = "given"
_OFFSETS: dict[str, OffsetMode] = {"False": False, "True": True, "nonnegative": "nonnegative"}
# entries without which another tool has written the parameters
_REQUIRED = ("moments", "weights", "quantiles", "cells_hash", "n_cells")
# how results that follow from a graph were made; what else follows from a fit
_OF_GRAPH = ("arrows", "embeddings", "transitions", "terminal_states", "pseudotime", "randomized")
_OF_FIT = ("directions", "reliability")


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """What a fit was asked for; see :func:`steadyvelo.tl.velocity`.

    Attributes
    ----------
    weights
        Name of a rule, or :data:`GIVEN` where they were given as an array.
    quantiles
        The pair that was used.
    offset, min_r2, min_gamma, r2, highly_variable, dense
        As the arguments of that function.
    groups, groupby
        Groups to which the fit was restricted; None for all cells.
    spliced, unspliced, neighbors_key
        Names of the layers of counts and of the neighbour graph.
    errors
        How errors were found.
    """

    weights: str
    quantiles: Quantiles
    offset: OffsetMode = False
    min_r2: float = 0.01
    min_gamma: float = 0.01
    r2: Literal["fit", "all_cells"] = "fit"
    highly_variable: bool = False
    groups: tuple[str, ...] | None = None
    groupby: str | None = None
    spliced: str = "spliced"
    unspliced: str = "unspliced"
    neighbors_key: str | None = None
    dense: bool = True
    errors: ErrorChoice = field(default_factory=ErrorChoice)

    def encode(self) -> dict[str, Any]:
        """Return the entries of `uns`."""
        entries = {
            "mode": "deterministic",
            "weights": self.weights,
            "quantiles": np.array([np.nan if q is None else q for q in self.quantiles]),
            "offset": str(self.offset),
            "min_r2": self.min_r2,
            "min_gamma": self.min_gamma,
            "r2": self.r2,
            "highly_variable": self.highly_variable,
            "dense": self.dense,
            "spliced": self.spliced,
            "unspliced": self.unspliced,
            "neighbors_key": self.neighbors_key or "",
            **self.errors.encode(),
        }
        if self.groups is not None:
            entries["groups"] = np.asarray(self.groups, dtype=object)
            entries["groupby"] = self.groupby
        return entries

    @classmethod
    def decode(cls, entries: Mapping[str, Any]) -> Self:
        """Read what :meth:`encode` wrote."""
        low, high = (None if np.isnan(q) else float(q) for q in entries["quantiles"])
        groups = entries.get("groups")
        return cls(
            weights=str(entries["weights"]),
            quantiles=(low, high),
            offset=_OFFSETS[str(entries["offset"])],
            min_r2=float(entries["min_r2"]),
            min_gamma=float(entries["min_gamma"]),
            r2="all_cells" if str(entries["r2"]) == "all_cells" else "fit",
            highly_variable=bool(entries["highly_variable"]),
            dense=bool(entries["dense"]),
            groups=None if groups is None else tuple(map(str, np.atleast_1d(groups))),
            groupby=text(entries, "groupby"),
            spliced=str(entries["spliced"]),
            unspliced=str(entries["unspliced"]),
            neighbors_key=text(entries, "neighbors_key"),
            errors=ErrorChoice.decode(entries),
        )


@dataclass(frozen=True, kw_only=True)
class MadeFrom:
    """What a fit was made from.

    Attributes
    ----------
    version
        Of this package.
    n_cells, cells_hash
        Number and hash of the cells.
    from_layers
        Whether the layers ``Ms`` and ``Mu`` were used, not counts.
    neighbors_hash, factors_hash
        Hashes of what smoothed the counts; None where layers of another tool were used.
    folds_hash
        Hash of what folds of genes are made from; None for a fit without folds.
    """

    version: str
    n_cells: int
    cells_hash: str
    from_layers: bool
    neighbors_hash: str | None = None
    factors_hash: str | None = None
    folds_hash: str | None = None

    @property
    def counts_known(self) -> bool:
        """Whether it is known which counts were smoothed, and how."""
        return self.neighbors_hash is not None

    def encode(self) -> dict[str, Any]:
        """Return the entries of `uns`."""
        hashes = {
            name: getattr(self, name)
            for name in ("neighbors_hash", "factors_hash", "folds_hash")
            if getattr(self, name) is not None
        }
        return {
            "moments": "layers" if self.from_layers else "counts",
            "version": self.version,
            "n_cells": self.n_cells,
            "cells_hash": self.cells_hash,
            **hashes,
        }

    @classmethod
    def decode(cls, entries: Mapping[str, Any]) -> Self:
        """Read what :meth:`encode` wrote."""
        return cls(
            version=str(entries.get("version", "unknown")),
            n_cells=int(entries["n_cells"]),
            cells_hash=str(entries["cells_hash"]),
            from_layers=str(entries["moments"]) == "layers",
            neighbors_hash=text(entries, "neighbors_hash"),
            factors_hash=text(entries, "factors_hash"),
            folds_hash=text(entries, "folds_hash"),
        )


@dataclass(frozen=True)
class GraphParams:
    """How a velocity graph was made; see :func:`steadyvelo.tl.velocity_graph`.

    Attributes
    ----------
    n_recurse_neighbors, sqrt_transform, neighbors_key
        As the arguments of that function.
    n_genes
        Number of velocity genes that entered.
    """

    n_recurse_neighbors: int
    n_genes: int
    sqrt_transform: bool
    neighbors_key: str | None

    def encode(self) -> dict[str, Any]:
        """Return the entries of `uns`."""
        return {
            "n_recurse_neighbors": self.n_recurse_neighbors,
            "n_graph_genes": self.n_genes,
            "sqrt_transform": self.sqrt_transform,
            "graph_neighbors_key": self.neighbors_key or "",
        }

    @classmethod
    def decode(cls, entries: Mapping[str, Any]) -> GraphParams | None:
        """Read what :meth:`encode` wrote; None where there is no graph."""
        if "n_recurse_neighbors" not in entries:
            return None
        return cls(
            int(entries["n_recurse_neighbors"]),
            int(entries["n_graph_genes"]),
            bool(entries["sqrt_transform"]),
            text(entries, "graph_neighbors_key"),
        )


@dataclass(frozen=True)
class FitParams:
    """Everything that is recorded of a fit.

    Attributes
    ----------
    options
        What was asked for.
    made_from
        What it was made from.
    graph
        How the velocity graph was made; None where there is none.
    made
        By the name of a result (``"arrows"``, ``"directions"`` ...), how it was made.
    """

    options: FitOptions
    made_from: MadeFrom
    graph: GraphParams | None = None
    made: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, adata: AnnData, key: str, remedy: str) -> Self:
        """Read the parameters of a fit; refuse with the remedy where there are none."""
        entries = dict(_keys.PARAMS.read(adata, key, remedy=remedy))
        missing = [name for name in _REQUIRED if name not in entries]
        if missing:
            msg = (
                f"uns[{_keys.PARAMS.of(key)!r}] lacks {listed(missing)}: another tool has written "
                f"it. Rerun tl.velocity(adata, key_added={key!r})."
            )
            raise ValueError(msg)
        made = {name: entries[name] for name in (*_OF_GRAPH, *_OF_FIT) if name in entries}
        return cls(
            FitOptions.decode(entries),
            MadeFrom.decode(entries),
            GraphParams.decode(entries),
            made,
        )

    def write(self, adata: AnnData, key: str) -> None:
        """Write the parameters of a fit."""
        graph = {} if self.graph is None else self.graph.encode()
        entries = {**self.options.encode(), **self.made_from.encode(), **graph, **self.made}
        _keys.PARAMS.write(adata, entries, key)

    def with_graph(self, graph: GraphParams) -> FitParams:
        """Return the same with another graph, and nothing that was made from an earlier one."""
        made = {name: entry for name, entry in self.made.items() if name not in _OF_GRAPH}
        return replace(self, graph=graph, made=made)


def note_made(
    adata: AnnData, key: str, what: str, entry: Mapping[str, Any], *, under: str | None = None
) -> None:
    """Record how a result was made, under a name (of an embedding, say) where it has several."""
    params = dict(_keys.PARAMS.read(adata, key))
    params[what] = dict(entry) if under is None else {**params.get(what, {}), under: dict(entry)}
    if what == "arrows":
        # scVelo's stream plot looks for this list
        params["embeddings"] = list(params["arrows"])
    _keys.PARAMS.write(adata, params, key)


def neighbors_of_graph(adata: AnnData, key: str) -> str | None:
    """Return the neighbour graph that the velocity graph was made with; None for the default."""
    entries = _keys.PARAMS.read(adata, key, default={})
    return text(entries, "graph_neighbors_key") or text(entries, "neighbors_key")
