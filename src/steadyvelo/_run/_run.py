"""All steps in order, from counts to arrows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from steadyvelo import _keys, pp, tl
from steadyvelo._adata._checks import listed
from steadyvelo._adata._groups import cluster_codes
from steadyvelo._adata._neighbor_graph import has_neighbors, neighbor_graph

from ._chosen_genes import GeneChoice
from ._plan import Plan
from ._steps import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData

__all__ = ["run", "summary"]


def run(
    adata: AnnData,
    *,
    min_shared_counts: float = 20,
    retain: Sequence[str] = (),
    size_factor_method: Literal["per_layer", "common"] = "per_layer",
    spliced_size: str | None = None,
    unspliced_size: str | None = None,
    n_neighbors: int = 30,
    n_pcs: int = 30,
    use_rep: str | None = None,
    neighbors_key: str | None = None,
    new_neighbors: bool = False,
    weights: str = "extremes",
    quantiles: tuple[float | None, float | None] | None = None,
    offset: bool | Literal["nonnegative"] = False,
    min_r2: float = 0.01,
    min_gamma: float = 0.01,
    uncertainty: Literal["sandwich", "crossfit"] | None = None,
    n_splits: int = 5,
    groupby: str | None = None,
    basis: str = "umap",
    dense: bool = True,
    spliced: str = "spliced",
    unspliced: str = "unspliced",
    rng: int = 0,
    max_memory: float | None = None,
    n_threads: int | None = None,
    report: Callable[[str, float], None] | None = None,
    announce: Callable[[str], None] | None = None,
) -> AnnData:
    """Go from counts to arrows: every step of the package with its default behaviour.

    Size factors, choice of genes, neighbours and embedding where there are none, steady-state fit,
    velocities, velocity graph, arrows. The input is left as it is.

    Parameters
    ----------
    adata
        Cells × genes with spliced and unspliced counts.
    min_shared_counts, retain
        Choice of genes; see :func:`steadyvelo.pp.filter_genes`.
    size_factor_method, spliced_size, unspliced_size
        See :func:`steadyvelo.pp.size_factors`.
    n_neighbors, n_pcs, use_rep
        See :func:`steadyvelo.pp.neighbors`, which is called only where `adata` holds no
        neighbour graph, or with `new_neighbors`.
    neighbors_key
        Name of the neighbour graph to use; None means scanpy's default.
    new_neighbors
        Find neighbours although `adata` holds a graph: one that other cells were part of, say.
    weights, quantiles, offset, min_r2, min_gamma, uncertainty, n_splits, dense
        See :func:`steadyvelo.tl.velocity`. With ``uncertainty="crossfit"`` the run ends with
        :func:`steadyvelo.tl.reliability`, or without `groupby` with
        :func:`steadyvelo.tl.direction`.
    groupby
        Column of ``obs`` with the clusters that get a verdict; None for none.
    basis
        Embedding for the arrows. Where it is ``"umap"`` and does not exist it is computed, by
        scanpy.
    spliced, unspliced
        Names of the layers of counts.
    rng
        Seed of neighbours and embedding.
    max_memory
        Bytes that dense layers and gene blocks may take.
    n_threads
        Number of threads; None means all processors.
    report
        Called with the name of the step and the share of it that is done.
    announce
        Called with the plan when the genes are chosen: blocks of genes, memory, threads.

    Returns
    -------
    A new AnnData of the genes that were used, with everything the steps write, and

    ``uns["velocity_all_genes"]``
        A table of all genes of the input: used or not, the reason, shared counts, and for
        used genes whether they are velocity genes and why not.
    ``uns["velocity_run"]``
        Seconds per step, `min_shared_counts` and `retain`.

    Raises
    ------
    KeyError, ValueError, MemoryError
        As the steps do.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> result = sv.run(sv.datasets.simulate(n_cells=300, n_genes=60, rng=0), basis="pca")
    >>> result.obsm["velocity_pca"].shape == result.obsm["X_pca"].shape
    True
    >>> len(result.uns["velocity_all_genes"])
    60
    """
    steps = Steps(report)
    choice = GeneChoice(
        min_shared_counts=min_shared_counts,
        retain=retain,
        size_factor_method=size_factor_method,
        spliced_size=spliced_size,
        unspliced_size=unspliced_size,
        spliced=spliced,
        unspliced=unspliced,
    )
    basis = basis.removeprefix("X_")
    _check(adata, choice, basis, groupby)
    marked = choice.marked(adata, steps)
    result = _used_part(adata, marked)
    if result.X is None:
        result.X = result.layers[spliced].copy()
    limits = {"max_memory": max_memory, "n_threads": n_threads}
    plan = Plan.make(result.shape, dense=dense, **limits)
    if announce is not None:
        announce(str(plan))
    with steps("neighbours"):
        if new_neighbors or not has_neighbors(result, neighbors_key):
            pp.neighbors(
                result,
                n_neighbors=n_neighbors,
                n_pcs=n_pcs,
                use_rep=use_rep,
                spliced=spliced,
                key_added=neighbors_key,
                rng=rng,
            )
    if basis == "umap" and not _keys.EMBEDDING.is_in(result, basis="umap"):
        with steps("embedding"):
            _compute_umap(result, neighbors_key, rng)
    with steps("fit and velocities") as progress:
        tl.velocity(
            result,
            weights=weights,
            quantiles=quantiles,
            offset=offset,
            min_r2=min_r2,
            min_gamma=min_gamma,
            uncertainty=uncertainty,
            n_splits=n_splits,
            rng=rng,
            dense=dense,
            neighbors_key=neighbors_key,
            progress=progress,
            **choice.layers,
            **limits,
        )
    with steps("velocity graph") as progress:
        tl.velocity_graph(result, neighbors_key=neighbors_key, progress=progress, **limits)
    with steps("arrows"):
        tl.velocity_embedding(result, basis=basis, n_threads=n_threads)
    if uncertainty == "crossfit":
        with steps("reliability") as progress:
            judge = tl.direction if groupby is None else tl.reliability
            judge(result, groupby=groupby, basis=basis, rng=rng, progress=progress, **limits)
    _keys.ALL_GENES.write(result, _gene_table(marked, result))
    entry = {"seconds": steps.seconds, "min_shared_counts": min_shared_counts}
    # files hold no empty entries
    _keys.RUN.write(result, {**entry, "retain": list(retain)} if retain else entry)
    return result


def summary(result: AnnData) -> str:
    """Return what a run did, in a few lines: cells, genes and why not, time per step."""
    genes = _keys.ALL_GENES.read(result)
    used = genes[_keys.GENES_USED.of()].to_numpy(dtype=bool)
    good = _keys.VELOCITY_GENES.values(result)
    cells = _keys.CELLS_USED.values(result)
    lines = [
        f"cells           {result.n_obs:,}"
        + _reasons(_keys.CELLS_REASON.read(result)[~cells], "left out"),
        f"genes           {used.sum():,} of {len(genes):,} used"
        + _reasons(genes.loc[~used, _keys.GENES_REASON.of()], "not used"),
        f"velocity genes  {good.sum():,} of {used.sum():,}"
        + _reasons(_keys.REASON.read(result)[~good], "not"),
    ]
    seconds = _keys.RUN.read(result)["seconds"]
    timed = ", ".join(f"{step} {float(spent):.1f}" for step, spent in seconds.items())
    total = sum(float(spent) for spent in seconds.values())
    return "\n".join([*lines, f"seconds         {total:.1f} ({timed})"])


def _check(adata: AnnData, choice: GeneChoice, basis: str, groupby: str | None) -> None:
    """Refuse what cannot be run, before anything is computed."""
    choice.check(adata)
    if basis not in {"umap", "pca"} and not _keys.EMBEDDING.is_in(adata, basis=basis):
        there = [key.removeprefix("X_") for key in adata.obsm]
        msg = f"basis={basis!r} is not in adata.obsm ({listed(there)}); only 'umap' is computed."
        raise KeyError(msg)
    cluster_codes(adata, groupby, np.ones(adata.n_obs, dtype=bool))


def _used_part(adata: AnnData, marked: AnnData) -> AnnData:
    """Return the data of the genes that are used, with what was found of cells and genes."""
    used = _keys.GENES_USED.values(marked)
    result = adata[:, used].copy()
    result.obs, result.var = marked.obs, marked.var[used].copy()
    _keys.SIZE_PARAMS.write(result, _keys.SIZE_PARAMS.read(marked))
    # smoothed layers of an earlier run go; those of another tool are kept and used
    if _keys.MOMENTS_PARAMS.is_in(result):
        for field in (_keys.MOMENTS_PARAMS, _keys.MS, _keys.MU):
            field.drop(result)
    return result


def _compute_umap(adata: AnnData, neighbors_key: str | None, rng: int) -> None:
    import scanpy as sc  # noqa: PLC0415 (slow to import)

    if (neighbors_key or _keys.NEIGHBORS.of()) not in adata.uns:
        # a graph alone in obsp: scanpy wants to know where it lies
        stored = int(np.diff(neighbor_graph(adata, _keys.DISTANCES, neighbors_key).indptr).max())
        entry = {
            "connectivities_key": _keys.CONNECTIVITIES.of(),
            "distances_key": _keys.DISTANCES.of(),
            "params": {"n_neighbors": stored + 1, "method": "umap"},
        }
        _keys.NEIGHBORS.write(adata, entry)
    with warnings.catch_warnings():
        # umap's remark that a seed turns its parallelism off
        warnings.filterwarnings("ignore", message="n_jobs value", category=UserWarning)
        sc.tl.umap(adata, random_state=rng, neighbors_key=neighbors_key)


def _gene_table(marked: AnnData, result: AnnData) -> pd.DataFrame:
    """Return one row per gene of the input with what became of it."""
    columns = (_keys.GENES_USED, _keys.GENES_REASON, _keys.SHARED_COUNTS)
    table = marked.var[[column.of() for column in columns]].copy()
    good = result.var_names[_keys.VELOCITY_GENES.values(result)]
    table[_keys.VELOCITY_GENES.of()] = table.index.isin(good)
    used_reason = _keys.REASON.read(result).astype(object).reindex(table.index)
    left_out = table[_keys.GENES_REASON.of()].astype(object)
    used = table[_keys.GENES_USED.of()].to_numpy(dtype=bool)
    table[_keys.REASON.of()] = pd.Categorical(np.where(used, used_reason, left_out))
    return table


def _reasons(reasons: Any, verb: str) -> str:
    counts = pd.Series(reasons).astype(str).value_counts()
    if counts.empty:
        return ""
    return f" ({verb}: " + ", ".join(f"{n:,} {reason}" for reason, n in counts.items()) + ")"
