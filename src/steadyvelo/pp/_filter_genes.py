"""Choice of genes with enough shared counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import canonical_rows, check_adata, check_counts, writable
from steadyvelo._adata._names import gene_places
from steadyvelo._arguments import public
from steadyvelo._log import done
from steadyvelo._settings import settings
from steadyvelo.engine import count_threads, shared_column_sums, weighted_column_sums

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["filter_genes"]


@public
def filter_genes(
    adata: AnnData,
    *,
    min_shared_counts: float = 20,
    retain: str | Iterable[str] = (),
    subset: bool = False,
    spliced: str = "spliced",
    unspliced: str = "unspliced",
) -> None:
    r"""Mark genes with enough shared counts.

    The shared counts of a gene are its spliced and unspliced molecules in cells that contain both:

    .. math:: \sum_{c:\, s_c > 0,\, u_c > 0} (s_c + u_c)

    Parameters
    ----------
    adata
        Cells × genes with counts in two layers.
    min_shared_counts
        Smallest number of shared counts of the genes that are used.
    retain
        Names of genes that are used regardless of their counts.
    subset
        Remove the other genes from `adata` instead of marking them as not used.
    spliced, unspliced
        Names of the layers.

    Returns
    -------
    None. Sets:

    ``var["genes_used"]``
        Whether the gene is used.
    ``var["genes_reason"]``
        The reason if a gene is not used, otherwise the empty string.
    ``var["shared_counts"]``
        Number of shared counts.

    Raises
    ------
    KeyError
        If a layer or a gene of `retain` is missing.
    ValueError
        If counts are negative or not finite, or no gene has enough shared counts.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3, for scVelo's rule of this name.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=60, n_genes=40, rng=0)
    >>> sv.pp.filter_genes(adata, min_shared_counts=200)
    >>> reasons = adata.var["genes_reason"][~adata.var["genes_used"]]
    >>> sorted(set(reasons))
    ['fewer than 200 shared counts']
    """
    check_adata(adata)
    layers = [check_counts(adata, name) for name in (spliced, unspliced)]
    names = [retain] if isinstance(retain, str) else list(retain)
    if names:
        gene_places(adata, names, "retain")
    shared = shared_counts(*layers)
    retained = adata.var_names.isin(names)
    used = (shared >= min_shared_counts) | retained
    if not used.any():
        msg = (
            f"no gene has {min_shared_counts:g} shared counts (the maximum is {shared.max():g}); "
            "lower min_shared_counts, or check that both layers belong to the same cells."
        )
        raise ValueError(msg)
    reason = np.where(used, "", f"fewer than {min_shared_counts:g} shared counts")
    ones, n_threads = np.ones(adata.n_obs), count_threads(settings.n_threads)
    totals = [weighted_column_sums(layer, ones, n_threads) for layer in layers]
    for total, kind in zip(totals, ("spliced", "unspliced"), strict=True):
        reason[(total == 0) & ~used] = f"no {kind} counts"

    done(f"{int(used.sum()):,} of {adata.n_vars:,} genes are used")
    writable(adata)
    _keys.GENES_USED.write(adata, used)
    _keys.GENES_REASON.write(adata, pd.Categorical(reason.astype(object)))
    _keys.SHARED_COUNTS.write(adata, shared)
    if subset:
        adata._inplace_subset_var(used)  # noqa: SLF001 (what scanpy's filters call)


def shared_counts(spliced: Any, unspliced: Any) -> NDArray[np.float64]:
    """Return each gene's spliced and unspliced molecules in cells that contain both."""
    layers = canonical_rows(spliced), canonical_rows(unspliced)
    return shared_column_sums(*layers, count_threads(settings.n_threads))
