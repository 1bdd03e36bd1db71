"""All steps in order, from counts to arrows."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from steadyvelo import _keys, pp, tl
from steadyvelo._adata._coordinates import coordinates, embedding_place
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._neighbor_graph import has_neighbors, neighbor_graph, neighbor_params
from steadyvelo._adata._provenance import hash_cells, stamp
from steadyvelo._arguments import public
from steadyvelo._choices import Neighbors
from steadyvelo._log import remark, say
from steadyvelo.tl._category_ratios import summary
from steadyvelo.tl._kept import kept_results
from steadyvelo.tl._reliability import directions_ahead

from ._chosen_genes import GeneChoice
from ._fit_choice import FitChoice
from ._found import checked_counts, checked_request, found_graph
from ._steps import Steps, shown_steps
from ._summary import reliability_lines, summary_lines
from ._used_part import own_counts, used_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from steadyvelo._adata._fit_params import ErrorChoice
    from steadyvelo._choices import Extremes, Mode, SizeFactors, Uncertainty
    from steadyvelo.engine._progress import ShowProgress

__all__ = ["run"]

# usual share of each step in the time of a run
_SHARES = {
    "size factors": 1,
    "genes": 1,
    "neighbours": 4,
    "embedding": 8,
    "fit and velocities": 45,
    "directions": 35,
    "velocity graph": 3,
    "arrows": 1,
    "reliability": 8,
}


@public
def run(
    adata: AnnData,
    *,
    groupby: str | None = "auto",
    basis: str = "auto",
    min_shared_counts: float = 20,
    min_shared_cells: int = 0,
    min_spliced_counts: float = 0,
    min_unspliced_counts: float = 0,
    min_spliced_cells: int = 0,
    min_unspliced_cells: int = 0,
    retain: str | Sequence[str] = (),
    size_factors: Literal["per_layer", "common"] | SizeFactors = "per_layer",
    neighbors: str | Neighbors | None = None,
    mode: Mode = "deterministic",
    weights: str | Extremes = "extremes",
    offset: bool | Literal["nonnegative"] = False,
    gamma_by: str | None = None,
    gamma_bounds: tuple[float, float] | None = None,
    offset_bounds: tuple[float, float] | None = None,
    bounds: Literal["velocyto"] | None = None,
    min_r2: float = 0.01,
    min_gamma: float = 0.01,
    uncertainty: Uncertainty | None = "crossfit",
    sample_key: str | None = None,
    dense: bool | None = None,
    spliced: str = "spliced",
    unspliced: str = "unspliced",
    rng: int | np.random.Generator | None = 0,
    force: bool = False,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> AnnData:
    """Run all steps from counts to arrows and verdicts, as the command ``steadyvelo run`` does.

    The steps are quality checks, size factors, choice of genes, neighbours and embedding (if they
    are missing), steady-state fit with cross-fitted errors, tests of directions, velocity graph,
    arrows, and a verdict on the direction of every cluster. The input is not changed. Messages
    report what was found and done; ``settings.verbosity`` sets how many.

    Parameters
    ----------
    adata
        Cells × genes with spliced and unspliced counts.
    groupby
        Column of ``obs`` with the clusters that get a verdict. ``"auto"`` uses the first column
        with a usual name (``"clusters"``, ``"leiden"``, ``"cell_type"`` …); with None there are no
        verdicts.
    basis
        Embedding for the arrows. ``"auto"`` uses the first usual one in ``obsm`` (``"umap"``,
        ``"tsne"`` …). If there is none, or if ``"umap"`` is named and missing, a UMAP is computed
        by scanpy.
    min_shared_counts, min_shared_cells, min_spliced_counts, min_unspliced_counts
        Choice of genes; see :func:`steadyvelo.pp.filter_genes`.
    min_spliced_cells, min_unspliced_cells, retain
        Choice of genes; see :func:`steadyvelo.pp.filter_genes`.
    size_factors
        ``"per_layer"``, ``"common"``, or :class:`steadyvelo.SizeFactors`; see
        :func:`steadyvelo.pp.size_factors`.
    neighbors
        None uses the neighbour graph in `adata` (that of the usual name, or the only one), and
        finds neighbours if there is none, or if it was found for other cells. A name selects the
        graph with this name in ``uns``. :class:`steadyvelo.Neighbors` finds new neighbours with its
        options.
    mode, weights, offset, min_r2, min_gamma, uncertainty, sample_key, dense
        See :func:`steadyvelo.tl.velocity`. Directions and verdicts need ``"crossfit"``, or
        :class:`steadyvelo.CrossFit`. A stochastic fit needs ``"sandwich"`` or None.
    gamma_by
        Column of ``obs`` whose categories, such as lineages, get separate ratios; see
        :func:`steadyvelo.tl.velocity`. It needs ``mode="deterministic"``, and ``"sandwich"`` or
        None as `uncertainty`, so that there are no tests of directions and no verdicts. Find out
        first with :func:`steadyvelo.tl.compare_ratios` whether ratios differ.
    gamma_bounds, offset_bounds, bounds
        See :func:`steadyvelo.tl.velocity`. Bounds need ``uncertainty=None`` and
        ``mode="deterministic"``.
    spliced, unspliced
        Names of the layers of counts.
    rng
        Seed of neighbours, embedding, folds and sign-flipped controls: a whole number, a
        `numpy.random.Generator` that draws one, or None to let the system draw one. The seed is
        recorded.
    force
        Continue even if the verdict of a quality check is ``"stop"``.
    max_memory
        Memory for dense layers and gene blocks, in bytes or as ``"8GB"``; None means
        ``settings.max_memory``, or the available memory for layers and a quarter of it, at most the
        larger of 1.5 GB and 2,400 bytes for each cell, for blocks.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar, None follows ``settings.progress``; a function is called with the share of
        the work that is done, in (0, 1].

    Returns
    -------
    A new AnnData with the genes that were used, all results of the steps, and

    ``uns["velocity_all_genes"]``
        One row for every gene of the input: whether it was used and the reason if not, shared
        counts, and whether it is a velocity gene and the reason if not.
    ``uns["velocity_run"]``
        Seconds of each step, choice of genes, embedding and seed.

    Raises
    ------
    KeyError, ValueError, MemoryError
        As in the functions of the steps. ValueError also if the verdict of a quality check is
        ``"stop"``.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> counts = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> result = sv.run(counts, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    >>> result.obsm["velocity_pca"].shape == result.obsm["X_pca"].shape
    True
    >>> list(sv.get.verdicts(result).index)
    ['fork', 'middle 1', 'middle 2', 'root', 'tip 1', 'tip 2']
    """
    choice = GeneChoice(
        min_shared_counts=min_shared_counts,
        min_shared_cells=min_shared_cells,
        min_spliced_counts=min_spliced_counts,
        min_unspliced_counts=min_unspliced_counts,
        min_spliced_cells=min_spliced_cells,
        min_unspliced_cells=min_unspliced_cells,
        retain=retain,
        size_factors=size_factors,
        spliced=spliced,
        unspliced=unspliced,
    )
    fit = FitChoice(
        mode=mode,
        weights=weights,
        offset=offset,
        gamma_by=gamma_by,
        gamma_bounds=gamma_bounds,
        offset_bounds=offset_bounds,
        bounds=bounds,
        min_r2=min_r2,
        min_gamma=min_gamma,
        uncertainty=uncertainty,
        sample_key=sample_key,
        dense=dense,
        rng=rng,
    )
    # wrong arguments raise an error before anything is computed
    errors, groupby, basis = checked_request(adata, choice, fit, neighbors, groupby, basis)
    neighbors = found_graph(adata, neighbors)
    checks = checked_counts(adata, choice, groupby, force=force)
    limits: dict[str, Any] = {"max_memory": max_memory, "n_threads": n_threads}
    key = neighbors if isinstance(neighbors, str) else getattr(neighbors, "key_added", None)
    # fit and verdicts need the same folds and instruments
    judged = _judged(groupby, errors)
    kept = kept_results(look_ahead=judged is not None)
    with shown_steps("steadyvelo run", _SHARES, progress) as steps, kept:
        marked = choice.marked(adata, steps)
        counts = spliced, unspliced
        result = used_part(adata, marked, counts)
        fit.check_sized(result, spliced)
        for field, table in checks.items():
            field.write(result, table)
        remark(f"plan: {fit.plan(result.shape, errors, **limits)}")
        _find_neighbors(result, neighbors, spliced, rng, steps)
        place = embedding_place(result, basis)
        if place is None and basis == "umap":
            with steps("embedding"):
                _compute_umap(result, key, rng)
        elif place is not None and place.slot == "obs":
            # other packages draw what is in obsm
            _keys.EMBEDDING.write(result, coordinates(result, place), basis=basis)
        with steps("fit and velocities") as tell:
            tl.velocity(
                result,
                neighbors_key=key,
                progress=tell,
                **fit.arguments,
                **choice.layers,
                **limits,
            )
        # directions need much memory, so they are tested before the velocity graph, which is large
        if errors.method == "crossfit":
            with steps("directions") as tell:
                directions_ahead(result, groupby, basis=basis, rng=rng, progress=tell, **limits)
        with steps("velocity graph") as tell:
            tl.velocity_graph(result, neighbors_key=key, progress=tell, **limits)
        with steps("arrows"):
            tl.velocity_embedding(result, basis=basis, n_threads=n_threads)
        if judged is not None:
            with steps("reliability") as tell:
                tl.reliability(result, judged, basis=basis, rng=rng, progress=tell, **limits)
        _keys.ALL_GENES.write(result, _gene_table(marked, result))
        entry = {"seconds": steps.seconds, **choice.recorded}
        if len(retain):  # empty lists cannot be written to files
            entry["retain"] = [retain] if isinstance(retain, str) else list(retain)
        made = {"basis": basis, "rng": rng, **stamp(result)}
        _keys.RUN.write(result, {**entry, **made})
    # the memory that was needed so far is free now
    own_counts(result, adata, counts)
    for line in (*reliability_lines(result, basis), *summary_lines(result, _ratios(result))):
        say(line)
    return result


def _judged(groupby: str | None, errors: ErrorChoice) -> str | None:
    """Return the column whose clusters get verdicts, for which directions must be tested."""
    return groupby if errors.method == "crossfit" else None


def _find_neighbors(
    result: AnnData, neighbors: str | Neighbors | None, spliced: str, rng: int, steps: Steps
) -> None:
    """Find neighbours if this is asked for or there are none; report which are used.

    A graph that was found for other cells, of which these may be a part, is found again.
    """
    before = None
    if neighbors is None and has_neighbors(result):
        before = neighbor_params(result, None)
    if isinstance(neighbors, str):
        neighbor_graph(result, _keys.CONNECTIVITIES, neighbors)
        return
    if before is not None and str(before.get("cells_hash", "")) in {"", hash_cells(result)}:
        say("neighbours: the graph in adata; find others with sv.Neighbors (--new-neighbors)")
        return
    options = asdict(neighbors or Neighbors())
    if before is not None:
        say("neighbours: the graph in adata was found for other cells; it is found again")
        known = ("n_neighbors", "n_pcs", "use_rep", "metric", "within")
        options |= {name: before[name] for name in known if before.get(name) is not None}
    with steps("neighbours"):
        pp.neighbors(result, spliced=spliced, rng=rng, **options)


def _compute_umap(adata: AnnData, neighbors_key: str | None, rng: int) -> None:
    import scanpy as sc  # noqa: PLC0415 (slow to import)

    if (neighbors_key or _keys.NEIGHBORS.of()) not in adata.uns:
        # for a graph without an entry in uns, scanpy needs one with the names in obsp
        stored = int(np.diff(neighbor_graph(adata, _keys.DISTANCES, neighbors_key).indptr).max())
        entry = {
            "connectivities_key": _keys.CONNECTIVITIES.of(),
            "distances_key": _keys.DISTANCES.of(),
            "params": {"n_neighbors": stored + 1, "method": "umap"},
        }
        _keys.NEIGHBORS.write(adata, entry)
    with warnings.catch_warnings():
        # umap warns that it uses one thread because of the seed
        warnings.filterwarnings("ignore", message="n_jobs value", category=UserWarning)
        sc.tl.umap(adata, random_state=rng, neighbors_key=neighbors_key)


def _ratios(result: AnnData) -> str:
    """Return words on the separate ratios of categories of cells; empty if there are none."""
    fit = Fit.read(result, "velocity")
    return "" if fit.categories is None else summary(fit, fit.categories)


def _gene_table(marked: AnnData, result: AnnData) -> pd.DataFrame:
    """Return a table with one row per gene of the input: used or not, velocity gene or not."""
    columns = (_keys.GENES_USED, _keys.GENES_REASON, _keys.SHARED_COUNTS)
    table = marked.var[[column.of() for column in columns]].copy()
    good = result.var_names[_keys.VELOCITY_GENES.values(result)]
    table[_keys.VELOCITY_GENES.of()] = table.index.isin(good)
    used_reason = _keys.REASON.read(result).astype(object).reindex(table.index)
    left_out = table[_keys.GENES_REASON.of()].astype(object)
    used = table[_keys.GENES_USED.of()].to_numpy(dtype=bool)
    table[_keys.REASON.of()] = pd.Categorical(np.where(used, used_reason, left_out))
    return table
