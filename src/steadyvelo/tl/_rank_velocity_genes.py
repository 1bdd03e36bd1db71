"""Genes whose velocity in a group of cells differs from that in all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import stdtr

from steadyvelo import _keys
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._adata._groups import group_masks, sample_codes
from steadyvelo._arguments import public
from steadyvelo.engine import BYTES_PER_VALUE
from steadyvelo.model import GroupMoments, group_sums

from ._limits import Limits
from ._multiple_tests import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine._progress import ShowProgress

__all__ = ["rank_velocity_genes"]

# dense arrays of float64 in addition to those of a block
_BYTES_PER_VALUE = 2 * BYTES_PER_VALUE + 16


@public
def rank_velocity_genes(
    adata: AnnData,
    groupby: str,
    *,
    groups: str | Sequence[str] | None = None,
    sample_key: str | None = None,
    velocity_key: str = "velocity",
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Rank velocity genes by the difference of their velocity between a group and all other cells.

    The deviation of a cell is computed from its own counts, divided by size factors but not
    smoothed, :math:`r_i = \tilde u_i - \gamma \tilde s_i - o`. Smoothed velocities of neighbours
    share most of their counts, and a test that treats them as independent finds differences
    everywhere. The means over a group and over the rest are compared by

    .. math::
        t = (\bar r_1 - \bar r_0) \Big/ \sqrt{\frac{\mathrm{Var}_1(r)}{n_1}
            + \frac{\mathrm{Var}_0(r)}{n_0}}

    with Welch's degrees of freedom. γ is treated as known: its error is correlated with the
    deviations it was fitted to, and with its variance added the test rejects 2 % of true hypotheses
    instead of 5 % (without it 4.8 to 6.2 %; steady state, 40 simulations). If the groups are
    clusters of the same counts, p-values are too small, as in tests of differential expression.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`, with counts.
    groupby
        Column of ``obs`` with the groups.
    groups
        Groups for which genes are ranked; None means all.
    sample_key
        Column of ``obs`` with samples (donors, replicates). Differences are then computed within
        each sample with at least two cells in the group and two in the rest, and their mean is
        tested over samples. With None, cells are the units of the test.
    velocity_key
        Prefix of the fit.
    max_memory
        Memory for gene blocks, in bytes or as ``"8GB"``; None means ``settings.max_memory``, or a
        quarter of the available memory, at most the larger of 1.5 GB and 2,400 bytes for each cell.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar, None follows ``settings.progress``; a function is called with the share of
        the work that is done, in (0, 1].

    Returns
    -------
    None. Sets ``uns["velocity_ranked_genes"]``, which :func:`steadyvelo.get.ranked_genes` reads:
    one row for every group and velocity gene, sorted by the statistic within each group, with
    columns

    ``group``, ``gene``
        The group that is compared with the rest, and the gene.
    ``velocity``
        Mean deviation in the group, in molecules per splicing time.
    ``effect``, ``se``
        Difference of the mean deviations of the group and the rest, and its standard error.
    ``statistic``, ``p``, ``fdr``
        t, two-sided p-value, and false discovery rate over the genes of a group (Benjamini and
        Hochberg). NaN if the group or the rest has fewer than two cells, or fewer than two samples
        can be compared.
    ``fraction``
        Share of the group's cells whose smoothed velocity has the same sign as ``velocity``.
    ``direction``
        ``"induction"`` if ``velocity`` is positive, ``"repression"`` if it is negative; empty if it
        is 0.

    Raises
    ------
    KeyError
        If there is no fit, or a column or group is missing.
    ValueError
        If there are fewer than two groups, or cells or counts have changed since the fit.

    References
    ----------
    Welch (1947), https://doi.org/10.1093/biomet/34.1-2.28; Squair et al. (2021),
    https://doi.org/10.1038/s41467-021-25960-2, on cells and samples as units of a test.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=400, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.rank_velocity_genes(adata, "branch")
    >>> list(sv.get.ranked_genes(adata).columns[:4])
    ['group', 'gene', 'velocity', 'effect']
    """
    fit = Fit.read(adata, velocity_key)
    genes = fit.graph_genes
    source = fit.counts(genes)
    masks = group_masks(adata, groupby, groups, against_rest=True)
    # one more number for cells that belong to no group
    groups_of = np.full(adata.n_obs, len(masks), dtype=np.intp)
    for number, mask in enumerate(masks.values()):
        groups_of[mask] = number
    groups_of[~fit.inputs.cells] = -1
    samples = sample_codes(adata, sample_key)
    parts = []
    with Limits.of_call("ranking", max_memory, n_threads, progress) as limits:
        threads = limits.n_threads
        size = limits.genes_per_block(adata.n_obs, _BYTES_PER_VALUE)
        for block in source.blocks(size, threads):
            gamma, offset = fit.gamma[genes[block.genes]], fit.offset[genes[block.genes]]
            # rows in the order of the cells of `adata`
            place = block.order.row_of_cell
            spliced, unspliced = (counts[place].astype(np.float64) for counts in block.kept_counts)
            deviation = unspliced - gamma * spliced - offset
            velocity = block.velocity(gamma, offset, threads, block.unspliced)[place]
            parts.append(_compared(deviation, velocity, groups_of, len(masks) + 1, samples))
            limits.tell((int(block.genes[-1]) + 1) / source.n_genes)
    values = np.concatenate(parts, axis=2)
    tables = [
        _table(name, adata.var_names[genes], *values[:, number])
        for number, name in enumerate(masks)
    ]
    table = pd.concat(tables, ignore_index=True)
    _keys.RANKED_GENES.write(adata, table, velocity_key)
    made = {"groupby": groupby, "sample_key": sample_key or ""}
    note_made(adata, velocity_key, "ranked_genes", made)


def _compared(
    deviation: NDArray[np.float64],
    velocity: NDArray[np.float32],
    groups: NDArray[np.intp],
    n_groups: int,
    samples: NDArray[np.intp] | None,
) -> NDArray[np.float64]:
    """Return mean, effect, standard error, degrees of freedom and fraction, each groups × genes."""
    moments = GroupMoments.of(deviation, groups, n_groups)
    if samples is None:
        effect, se, freedom = _over_cells(moments)
    else:
        effect, se, freedom = _over_samples(deviation, groups, samples, n_groups)
    sizes = np.where(moments.cells > 0, moments.cells, np.nan)[:, None]
    agrees = velocity * np.sign(moments.means)[groups] > 0
    fraction = group_sums(agrees, groups, n_groups) / sizes
    mean = np.where(sizes > 0, moments.means, np.nan)
    return np.stack([mean, effect, se, freedom, fraction])


def _table(
    group: str,
    genes: pd.Index[str],
    mean: NDArray[np.float64],
    effect: NDArray[np.float64],
    se: NDArray[np.float64],
    freedom: NDArray[np.float64],
    fraction: NDArray[np.float64],
) -> pd.DataFrame:
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = effect / se
    p = 2 * stdtr(freedom, -np.abs(statistic))
    table = pd.DataFrame(
        {
            "group": group,
            "gene": genes,
            "velocity": mean,
            "effect": effect,
            "se": se,
            "statistic": statistic,
            "p": p,
            "fdr": benjamini_hochberg(p),
            "fraction": fraction,
            "direction": np.select([mean > 0, mean < 0], ["induction", "repression"], ""),
        }
    )
    return table.sort_values("statistic", ascending=False, kind="stable")


def _over_cells(moments: GroupMoments) -> tuple[NDArray[np.float64], ...]:
    """Return effects, standard errors and Welch's degrees of freedom, with cells as units."""
    rest = moments.others()
    few = np.minimum(moments.cells, rest.cells) < 2
    with np.errstate(invalid="ignore", divide="ignore"):
        freedoms = [side.cells[:, None] - 1.0 for side in (moments, rest)]
        parts = [
            side.squares / freedom / side.cells[:, None]
            for side, freedom in zip((moments, rest), freedoms, strict=True)
        ]
        variance = parts[0] + parts[1]
        freedom = variance**2 / (parts[0] ** 2 / freedoms[0] + parts[1] ** 2 / freedoms[1])
    effect, se = moments.means - rest.means, np.sqrt(variance)
    for values in (effect, se, freedom):
        values[few] = np.nan
    return effect, se, freedom


def _over_samples(
    deviation: NDArray[np.float64],
    groups: NDArray[np.intp],
    samples: NDArray[np.intp],
    n_groups: int,
) -> tuple[NDArray[np.float64], ...]:
    """Return mean differences over samples, their standard errors and degrees of freedom."""
    n_samples = int(samples.max()) + 1
    differences = np.full((n_samples, n_groups, deviation.shape[1]), np.nan)
    numbers = np.where(groups >= 0, samples * n_groups + groups, -1)
    all_samples = GroupMoments.of(deviation, numbers, n_samples * n_groups)
    for sample in range(n_samples):
        moments = all_samples.part(slice(sample * n_groups, (sample + 1) * n_groups))
        rest = moments.others()
        enough = np.minimum(moments.cells, rest.cells) >= 2
        differences[sample, enough] = (moments.means - rest.means)[enough]
    compared = np.isfinite(differences[:, :, :1]).sum(axis=0)
    effect, se = np.full((2, *differences.shape[1:]), np.nan)
    for number in np.flatnonzero(compared >= 2):
        table = differences[np.isfinite(differences[:, number, 0]), number]
        effect[number] = table.mean(axis=0)
        se[number] = table.std(axis=0, ddof=1) / np.sqrt(len(table))
    return effect, se, np.broadcast_to(compared - 1.0, effect.shape)
