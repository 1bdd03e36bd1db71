"""Choice of genes with enough counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, check_counts, writable
from steadyvelo._adata._names import gene_places
from steadyvelo._arguments import public
from steadyvelo._log import done
from steadyvelo._settings import settings
from steadyvelo.engine import count_threads

from ._gene_criteria import VELOCYTO_MEANS, Criterion, GeneCounts, means_criteria

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
    min_shared_cells: int = 0,
    min_spliced_counts: float = 0,
    min_unspliced_counts: float = 0,
    min_spliced_cells: int = 0,
    min_unspliced_cells: int = 0,
    groupby: str | None = None,
    min_average: tuple[float, float] | None = None,
    retain: str | Iterable[str] = (),
    subset: bool = False,
    spliced: str = "spliced",
    unspliced: str = "unspliced",
) -> None:
    r"""Mark genes with enough counts.

    A gene is used if it meets all criteria. The shared counts of a gene are its spliced and
    unspliced molecules in cells that contain both:

    .. math:: \sum_{c:\, s_c > 0,\, u_c > 0} (s_c + u_c)

    Parameters
    ----------
    adata
        Cells × genes with counts in two layers.
    min_shared_counts
        Smallest number of shared counts of the genes that are used.
    min_shared_cells
        Smallest number of cells with both spliced and unspliced counts of the gene.
    min_spliced_counts, min_unspliced_counts
        Smallest numbers of spliced and of unspliced counts over all cells.
    min_spliced_cells, min_unspliced_cells
        Smallest numbers of cells with spliced and with unspliced counts.
    groupby
        Column of ``obs`` with clusters, for `min_average`; None means no criterion of clusters.
    min_average
        Numbers of spliced and of unspliced counts. The largest mean count of a cluster must be
        above them; for spliced and for unspliced counts this may be another cluster. As in
        velocyto, the mean over all cells takes the place of that of a cluster with at most 40
        cells. None means velocyto's (0.08, 0.02) if `groupby` is given.
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
        The reason if a gene is not used, otherwise the empty string. It is the first criterion that
        the gene does not meet.
    ``var["shared_counts"]``
        Number of shared counts.

    Raises
    ------
    KeyError
        If a layer, the column `groupby` or a gene of `retain` is missing.
    ValueError
        If counts are negative or not finite, no gene meets all criteria, or `min_average` is given
        without `groupby`.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3, for scVelo's function of this
    name; La Manno et al. (2018), https://doi.org/10.1038/s41586-018-0414-6, for velocyto's
    ``score_detection_levels`` and ``score_cluster_expression``.

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
    if min_average is not None and groupby is None:
        msg = f"min_average={min_average} needs groupby=, the column of obs with clusters."
        raise ValueError(msg)
    counts = GeneCounts(
        *(check_counts(adata, name) for name in (spliced, unspliced)),
        count_threads(settings.n_threads),
    )
    names = [retain] if isinstance(retain, str) else list(retain)
    if names:
        gene_places(adata, names, "retain")
    criteria = counts.criteria(
        {
            "min_shared_counts": min_shared_counts,
            "min_shared_cells": min_shared_cells,
            "min_spliced_counts": min_spliced_counts,
            "min_unspliced_counts": min_unspliced_counts,
            "min_spliced_cells": min_spliced_cells,
            "min_unspliced_cells": min_unspliced_cells,
        }
    )
    if groupby is not None:
        criteria += means_criteria(adata, counts, groupby, min_average or VELOCYTO_MEANS)
    used, reason = _judged(adata.n_vars, criteria)
    used |= adata.var_names.isin(names)
    if not used.any():
        raise ValueError(_none_left(criteria, reason))
    reason[used] = ""
    for kind, total in counts.totals.items():
        reason[(total == 0) & ~used] = f"no {kind} counts"

    done(f"{int(used.sum()):,} of {adata.n_vars:,} genes are used")
    writable(adata)
    _keys.GENES_USED.write(adata, used)
    _keys.GENES_REASON.write(adata, pd.Categorical(reason))
    _keys.SHARED_COUNTS.write(adata, counts.shared)
    if subset:
        adata._inplace_subset_var(used)  # noqa: SLF001 (what scanpy's filters call)


def _judged(
    n_genes: int, criteria: list[Criterion]
) -> tuple[NDArray[np.bool_], NDArray[np.object_]]:
    """Return whether every gene meets all criteria, and the first that it does not meet."""
    used, reason = np.ones(n_genes, dtype=bool), np.full(n_genes, "", dtype=object)
    for criterion in criteria:
        reason[used & ~criterion.passes] = criterion.reason
        used &= criterion.passes
    return used, reason


def _none_left(criteria: list[Criterion], reason: NDArray[np.object_]) -> str:
    """Return the message if no gene meets all criteria."""
    for criterion in criteria:
        if not criterion.passes.any():
            return criterion.refusal
    numbers = pd.Series(reason).value_counts()
    said = ", ".join(f"{n:,} genes: {why}" for why, n in numbers.items())
    return f"no gene meets all criteria ({said}); lower some of them."
