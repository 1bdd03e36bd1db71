"""How arrows change with choices that the data do not make."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo import _keys, pp
from steadyvelo._adata._checks import check_adata, check_finite_embedding
from steadyvelo._adata._fit import Fitted
from steadyvelo._adata._groups import cluster_codes, used_cells
from steadyvelo._warnings import SteadyveloWarning
from steadyvelo.engine._progress import ShowProgress, shown

from ._direction import cosines
from ._error_rules import external, neighbor_params
from ._light_copy import light_copy, other_size_factors, refit_options, with_other_sizes
from ._refit import check_counts_known
from ._velocity import velocity
from ._velocity_embedding import velocity_embedding
from ._velocity_graph import velocity_graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine._threads import Progress

__all__ = ["compare_variants", "sensitivity"]


def sensitivity(
    adata: AnnData,
    groupby: str | None = None,
    *,
    basis: str = "umap",
    velocity_key: str = "velocity",
    max_memory: float | None = None,
    n_threads: int | None = None,
    progress: ShowProgress = False,
) -> pd.DataFrame:
    """Redraw the arrows with other choices and compare their directions.

    Half and twice the neighbours, other quantiles, with and without an offset, and size factors of
    each layer or common to both: each changed alone, everything else as the fit had it. All are
    ordinary fits, without cross-fitting, and compared with an ordinary fit of the same choices.
    What changes the arrows of a cluster is a choice that they rest on.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity` with counts and an embedding. Nothing is changed.
    groupby
        Column of ``obs`` with clusters; None compares all cells together.
    basis
        Name of the embedding.
    velocity_key
        Prefix of the fit.
    max_memory
        Bytes that gene blocks may take.
    n_threads
        Number of threads; None means all processors.
    progress
        True shows a bar; a function is called with the share done, in (0, 1].

    Returns
    -------
    A row for every choice, with the median cosine of arrows to those of the fit, over all cells
    (``"all"``) and in each cluster; NaN where a choice leaves too few velocity genes. Neighbours
    are not changed where they were found in a representation that is not made of these counts.

    Raises
    ------
    KeyError
        If the embedding, the fit or the column is missing.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata)
    >>> table = sv.tl.sensitivity(adata, "branch", basis="pca")
    >>> bool((table["all"] > 0).all())
    True
    """
    check_adata(adata)
    with shown(progress, "sensitivity") as report:
        return compare_variants(
            adata,
            groupby,
            basis=basis.removeprefix("X_"),
            key=velocity_key,
            max_memory=max_memory,
            n_threads=n_threads,
            report=report,
        )


def compare_variants(
    adata: AnnData,
    groupby: str | None,
    *,
    basis: str,
    key: str,
    max_memory: float | None,
    n_threads: int | None,
    report: Progress | None = None,
) -> pd.DataFrame:
    """Do what :func:`sensitivity` says."""
    check_finite_embedding(adata, basis)
    fitted = Fitted.read(adata, key)
    check_counts_known(adata, fitted)
    names, groups = cluster_codes(adata, groupby)
    base = light_copy(adata, fitted, basis)
    makers = _variants(adata, fitted)
    as_fitted = refit_options(adata, fitted)

    def arrows(changed: AnnData, **options: Any) -> NDArray[np.float64] | None:
        return _arrows(changed, fitted, basis, as_fitted, options, max_memory, n_threads)

    usual = arrows(base)
    rows: dict[str, list[float]] = {}
    for number, (name, (change, options)) in enumerate(makers.items()):
        changed = light_copy(adata, fitted, basis)
        change(changed)
        other = arrows(changed, **options)
        if usual is None or other is None:
            rows[name] = [np.nan] * (1 + len(names))
        else:
            cosine = cosines(usual, other)
            parts = [groups >= 0 if names else used_cells(adata)]
            parts += [groups == g for g in range(len(names))]
            rows[name] = [_median(cosine[part]) for part in parts]
        if report is not None:
            report((number + 1) / len(makers))
    if "all" in names:
        # the first column is that of all cells
        names = [f"cluster {name}" if name == "all" else name for name in names]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["all", *names])
    table.index.name = "choice"
    return table


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan


def _variants(
    adata: AnnData, fitted: Fitted
) -> dict[str, tuple[Callable[[AnnData], None], dict[str, Any]]]:
    """Return what is changed in the data, and in the options of the fit, for every choice."""
    params = fitted.params
    graph = neighbor_params(adata, params["neighbors_key"] or None)
    other = other_size_factors(adata)

    def as_it_is(_: AnnData) -> None:
        """Change nothing."""

    def sized(changed: AnnData) -> None:
        with_other_sizes(adata, changed, fitted)

    def with_neighbors(n: int) -> Callable[[AnnData], None]:
        def find(changed: AnnData) -> None:
            pp.neighbors(
                changed,
                n_neighbors=n,
                n_pcs=int(graph.get("n_pcs", 30) or 30),
                spliced=params["spliced"],
                key_added=params["neighbors_key"] or None,
            )

        return find

    made: dict[str, tuple[Callable[[AnnData], None], dict[str, Any]]] = {}
    if not external(graph) and "n_neighbors" in graph:
        k = int(graph["n_neighbors"])
        for n in (max(k // 2, 5), min(2 * k, adata.n_obs - 1)):
            made[f"{n} neighbours"] = (with_neighbors(n), {})
    if params["weights"] == "extremes":
        low, high = fitted.quantiles
        for q in (0.9, 0.99) if high is None or abs(high - 0.9) > 0.01 else (0.95, 0.99):
            pair = (None if low is None else round(1 - q, 4), q)
            made[f"quantile {q:g}"] = (as_it_is, {"quantiles": pair})
    if params["offset"] == "False":
        made["with an offset"] = (as_it_is, {"offset": True, "quantiles": None})
    else:
        made["through the origin"] = (as_it_is, {"offset": False, "quantiles": None})
    name = "common size factors" if other == "common" else "size factors of each layer"
    made[name] = (sized, {})
    return made


def _arrows(
    adata: AnnData,
    fitted: Fitted,
    basis: str,
    options_of_fit: dict[str, Any],
    options: dict[str, Any],
    max_memory: float | None,
    n_threads: int | None,
) -> NDArray[np.float64] | None:
    """Return the arrows of an ordinary fit; None where there are too few velocity genes."""
    params = fitted.params
    given = {**options_of_fit, **options}
    with warnings.catch_warnings():
        # the fit itself has said so
        warnings.simplefilter("ignore", SteadyveloWarning)
        velocity(adata, dense=False, max_memory=max_memory, n_threads=n_threads, **given)
        if adata.var[_keys.VELOCITY_GENES.of()].sum() < 2:
            return None
        velocity_graph(
            adata,
            neighbors_key=params["neighbors_key"] or None,
            max_memory=max_memory,
            n_threads=n_threads,
        )
        velocity_embedding(adata, basis=basis, n_threads=n_threads)
    return np.asarray(adata.obsm[_keys.VELOCITY_EMBEDDING.of("velocity", basis)])
