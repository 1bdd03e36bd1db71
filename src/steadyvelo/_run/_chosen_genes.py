"""Which genes a run takes, and what it will hold: known before anything is smoothed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from steadyvelo import _keys, pp
from steadyvelo._adata._checks import check_adata, check_counts
from steadyvelo._adata._light_copy import light_copy

from ._plan import Plan
from ._steps import Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

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
        marked = light_copy(
            adata,
            layers=layers.values(),
            obsm=[],
            varm=[],
            obsp=[],
            # which layers the sizes in obs are of
            uns=[_keys.SIZE_PARAMS.of()],
        )
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
    n_genes = int(_keys.GENES_USED.values(marked).sum())
    return Plan.make(
        (adata.n_obs, n_genes),
        n_layers=3 if dense else 0,
        max_memory=max_memory,
        n_threads=n_threads,
    )
