"""What the formats of other packages have in common: a copy, and what is said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import check_key, is_integer, listed
from steadyvelo._adata._coordinates import all_bases, coordinates, embedding_place
from steadyvelo._adata._neighbor_graph import neighbor_graph, neighbor_params
from steadyvelo.engine import genes_per_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit

__all__ = [
    "Handover",
    "add_embeddings",
    "add_neighbors",
    "dense_layers",
    "genes_left_out",
    "has_dense_layers",
    "named",
    "normalised",
    "shown_expression",
    "use_expression",
]

# dimensions of a representation that can be drawn
_DRAWN = (2, 3)


class Handover(NamedTuple):
    """A copy of a result in the format of another package.

    Attributes
    ----------
    adata
        The copy.
    notes
        What was changed, added or left out, and why: one sentence each.
    """

    adata: AnnData
    notes: list[str]


def named(names: Sequence[object]) -> str:
    """Return all names in quotes and in order: what is left out is not abbreviated."""
    return listed(sorted(map(str, names)), len(names))


def has_dense_layers(fit: Fit) -> bool:
    """Tell whether Ms, Mu and the velocities of a fit are stored."""
    return fit.used_layers and _keys.VELOCITY.is_in(fit.adata, fit.key)


def dense_layers(fit: Fit, n_threads: int) -> dict[str, NDArray[np.float32]]:
    """Compute Ms, Mu and velocities of a fit, cells × genes; NaN for genes without a fit."""
    names = (_keys.MS.of(), _keys.MU.of(), _keys.VELOCITY.of(fit.key))
    layers = {name: np.empty(fit.adata.shape, dtype=np.float32) for name in names}
    source, lines = fit.with_lines(np.arange(fit.adata.n_vars))
    for block in source.blocks(genes_per_block(fit.adata.n_obs), n_threads):
        velocity = lines.of(block.genes).velocity(block, n_threads)
        for name, values in zip(names, (block.spliced, block.unspliced, velocity), strict=True):
            block.write(layers[name], source.genes[block.genes], values)
    return layers


def normalised(adata: AnnData, layer: str, field: _keys.Field) -> sp.csr_matrix[Any]:
    """Return counts divided by the size factors of a column, CSR float32."""
    remedy = "restore it, because the fit used it."
    counts = sp.csr_matrix(check_key(adata, "layers", layer, remedy), dtype=np.float32)
    if not field.is_in(adata):
        return counts
    factor = field.read(adata).to_numpy(dtype=np.float64)
    scale = 1.0 / np.where(factor > 0, factor, 1.0)
    return sp.csr_matrix(sp.diags_array(scale) @ counts, dtype=np.float32)


def shown_expression(fit: Fit) -> tuple[sp.csr_matrix[Any], str]:
    """Return log1p of spliced counts divided by size factors, CSR float32, and what it is."""
    matrix = normalised(fit.adata, fit.options.spliced, _keys.SPLICED_FACTOR)
    np.log1p(matrix.data, out=matrix.data)
    return matrix, "log1p of spliced counts divided by size factors"


def use_expression(result: AnnData, fit: Fit) -> list[str]:
    """Replace X by logarithms of expression if it has counts or is missing."""
    if result.X is not None and not is_integer(result.X):
        return []
    why = "is missing" if result.X is None else "has counts"
    result.X, what = shown_expression(fit)
    return [f"X is {what}, because X of the result {why}"]


def add_embeddings(result: AnnData) -> None:
    """Give every embedding that can be drawn a name that begins with ``X_``."""
    for basis in all_bases(result):
        name = _keys.EMBEDDING.of(basis=basis)
        place = embedding_place(result, basis)
        if place is None or name in result.obsm:
            continue
        if place.in_obsm and np.asarray(result.obsm[place.keys[0]]).dtype.kind != "f":
            continue
        values = coordinates(result, place)
        if values.ndim == 2 and values.shape[1] in _DRAWN:
            result.obsm[name] = values


def add_neighbors(result: AnnData, fit: Fit) -> list[str]:
    """Store the neighbour graph of a fit under scanpy's usual names, if it has others."""
    usual, key = _keys.NEIGHBORS.of(), fit.options.neighbors_key
    if key in {None, usual} and usual in result.uns:
        return []
    known = fit.inputs.cells_hash
    fields = (_keys.CONNECTIVITIES, _keys.DISTANCES)
    graphs = [neighbor_graph(fit.adata, field, key, known) for field in fields]
    replaced = [field.of() for field in fields if field.is_in(result)]
    params = neighbor_params(fit.adata, key)
    # scanpy counts the cell itself
    params.setdefault("n_neighbors", int(np.diff(graphs[1].indptr).max()) + 1)
    for field, graph in zip(fields, graphs, strict=True):
        result.obsp[field.of()] = sp.csr_matrix(graph)
    names = {f"{field.of()}_key": field.of() for field in fields}
    result.uns[usual] = {**names, "params": params}
    if key is None:
        return []
    note = f"the neighbour graph {key!r}, which the fit used, has the usual names in obsp"
    if replaced:
        note += f"; it replaces {named(replaced)}, which the fit did not use"
    return [note]


def genes_left_out(adata: AnnData, key: str) -> list[str]:
    """Say how many genes a run did not use, which a result does not contain."""
    table = _keys.ALL_GENES.read(adata, key, default=None)
    n_left_out = 0 if table is None else len(table) - adata.n_vars
    if n_left_out <= 0:
        return []
    note = (
        f"{n_left_out:,} of {len(table):,} genes were not used by the run; they are not in the "
        f"result and therefore not in the export. uns[{_keys.ALL_GENES.of(key)!r}] of the result "
        "lists them with the reasons"
    )
    return [note]
