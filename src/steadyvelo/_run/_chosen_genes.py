"""Which genes a run takes, and what it will hold: known before anything is smoothed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from anndata import AnnData

from steadyvelo import _keys, pp
from steadyvelo._adata._checks import check_adata, check_counts
from steadyvelo._run._plan import Plan
from steadyvelo._run._steps import Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["mark_genes", "plan_of_run"]


def mark_genes(
    adata: AnnData,
    steps: Steps,
    *,
    min_shared_counts: float,
    retain: Sequence[str],
    size_factor_method: Literal["per_layer", "common"],
    spliced_size: str | None,
    unspliced_size: str | None,
    spliced: str,
    unspliced: str,
) -> AnnData:
    """Return a light copy with size factors and marked genes; the input stays as it is."""
    layers = {"spliced": spliced, "unspliced": unspliced}
    with steps("size factors"):
        marked = _annotations(adata, layers)
        pp.size_factors(
            marked,
            method=size_factor_method,
            spliced_size=spliced_size,
            unspliced_size=unspliced_size,
            **layers,
        )
    with steps("genes"):
        pp.filter_genes(marked, min_shared_counts=min_shared_counts, retain=retain, **layers)
    return marked


def plan_of_run(
    adata: AnnData,
    *,
    min_shared_counts: float = 20,
    retain: Sequence[str] = (),
    size_factor_method: Literal["per_layer", "common"] = "per_layer",
    spliced_size: str | None = None,
    unspliced_size: str | None = None,
    spliced: str = "spliced",
    unspliced: str = "unspliced",
    dense: bool = True,
    max_memory: float | None = None,
    n_threads: int | None = None,
    **_later: Any,
) -> Plan:
    """Return what :func:`steadyvelo.run` would hold with the same arguments; nothing is fitted."""
    check_adata(adata)
    for name in (spliced, unspliced):
        check_counts(adata, name)
    marked = mark_genes(
        adata,
        Steps(None),
        min_shared_counts=min_shared_counts,
        retain=retain,
        size_factor_method=size_factor_method,
        spliced_size=spliced_size,
        unspliced_size=unspliced_size,
        spliced=spliced,
        unspliced=unspliced,
    )
    n_genes = int(marked.var[_keys.GENES_USED.of()].sum())
    return Plan.make(
        (adata.n_obs, n_genes),
        n_layers=3 if dense else 0,
        max_memory=max_memory,
        n_threads=n_threads,
    )


def _annotations(adata: AnnData, layers: dict[str, str]) -> AnnData:
    """Return an AnnData that shares the counts of another but has annotations of its own."""
    # which layers the sizes in obs are of
    params = _keys.SIZE_PARAMS.of()
    return AnnData(
        obs=adata.obs.copy(),
        var=adata.var.copy(),
        uns={params: dict(adata.uns[params])} if params in adata.uns else {},
        layers={name: adata.layers[name] for name in layers.values()},
    )
