"""Genes whose velocity in a group of cells differs from that in all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import stdtr

from steadyvelo import _keys
from steadyvelo._adata._checks import listed, warn
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._adata._groups import group_masks, sample_codes
from steadyvelo._arguments import public
from steadyvelo._log import done
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
    min_expression: float = 0.1,
    min_r2: float = 0.05,
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

    The difference is large also if a gene is hardly expressed in the group and changes in the rest.
    Such genes, and genes with a poor fit, are not ranked: they follow at the end.

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
        tested over samples. If fewer than two samples have both, as with a condition in each
        sample, the means of samples in the group and of samples in the rest are compared by Welch's
        test. With None, cells are the units of the test.
    min_expression
        Smallest mean of a gene's counts in the group (both layers, divided by size factors) that is
        ranked, as a share of the largest mean in any group.
    min_r2
        Smallest R² of the fit of a gene that is ranked.
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
    one row for every group and velocity gene, sorted by the statistic within each group (genes that
    are not ranked at the end), with columns

    ``group``, ``gene``
        The group that is compared with the rest, and the gene.
    ``velocity``
        Mean deviation in the group, in molecules per splicing time.
    ``scaled``
        The same, divided by the gene's largest mean of unspliced counts in any group.
    ``effect``, ``se``
        Difference of the mean deviations of the group and the rest, and its standard error.
    ``statistic``, ``p``, ``fdr``
        t, two-sided p-value, and false discovery rate over the ranked genes of a group (Benjamini
        and Hochberg). NaN if the group or the rest has fewer than two cells or samples.
    ``ranked``
        Whether expression and R² reach the floors.
    ``fraction``
        Share of the group's cells whose smoothed velocity has the same sign as ``velocity``.
    ``direction``
        ``"induction"`` if ``velocity`` is positive, ``"repression"`` if it is negative; empty if it
        is 0.

    ``uns["velocity_params"]["ranked_genes"]`` has the units of the test.

    Raises
    ------
    KeyError
        If there is no fit, or a column or group is missing.
    ValueError
        If there are fewer than two groups, no group has two samples to compare with two others, or
        cells or counts have changed since the fit.

    Warns
    -----
    SteadyveloWarning
        If some groups have too few samples to be compared.

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
    ['group', 'gene', 'velocity', 'scaled']
    """
    fit = Fit.read(adata, velocity_key)
    genes = fit.graph_genes
    source = fit.counts(genes)
    lines = fit.lines(source)
    masks = group_masks(adata, groupby, groups, against_rest=True)
    # one more number for cells that belong to no group
    groups_of = np.full(adata.n_obs, len(masks), dtype=np.intp)
    for number, mask in enumerate(masks.values()):
        groups_of[mask] = number
    groups_of[~fit.inputs.cells] = -1
    # expression is compared with that in all groups, whichever are ranked
    every = group_masks(adata, groupby, None, against_rest=True)
    of_all = np.full(adata.n_obs, -1, dtype=np.intp)
    for number, mask in enumerate(every.values()):
        of_all[mask & fit.inputs.cells] = number
    samples = sample_codes(adata, sample_key)
    units = _units(groups_of, list(masks), samples, sample_key)
    parts, means = [], []
    with Limits.of_call("ranking", max_memory, n_threads, progress) as limits:
        threads = limits.n_threads
        size = limits.genes_per_block(adata.n_obs, _BYTES_PER_VALUE)
        for block in source.blocks(size, threads):
            of_block = lines.of(block.genes)
            # rows in the order of the cells of `adata`
            place = block.order.row_of_cell
            spliced, unspliced = (counts[place].astype(np.float64) for counts in block.kept_counts)
            deviation = of_block.deviation(block, threads)[place].astype(np.float64)
            velocity = of_block.velocity(block, threads, block.unspliced)[place]
            parts.append(_compared(deviation, velocity, groups_of, len(masks) + 1, samples))
            means.append(_means(spliced, unspliced, of_all, len(every)))
            limits.tell((int(block.genes[-1]) + 1) / source.n_genes)
    values = np.concatenate(parts, axis=2)
    both = np.concatenate(means, axis=2)
    largest, scale = (np.nanmax(kind, axis=0) for kind in both)
    expression = dict(zip(every, both[0], strict=True))
    fits = fit.adata.var[_keys.R2.of(velocity_key)].to_numpy()[genes] >= min_r2
    tables = []
    for number, name in enumerate(masks):
        ranked = fits & (expression[name] >= min_expression * largest)
        columns = dict(zip(_COLUMNS, values[:, number], strict=True))
        columns["scaled"] = columns["mean"] / np.where(scale > 0, scale, np.nan)
        tables.append(_table(name, adata.var_names[genes], ranked, **columns))
    table = pd.concat(tables, ignore_index=True)
    _keys.RANKED_GENES.write(adata, table, velocity_key)
    floors = {"min_expression": min_expression, "min_r2": min_r2}
    made = {"groupby": groupby, "sample_key": sample_key or "", "units": units, **floors}
    left = [f"{int((~one['ranked']).sum()):,} in {one['group'].iloc[0]}" for one in tables]
    done(
        f"ranked {len(genes):,} genes in {len(tables)} groups ({units}); not ranked, because of "
        f"expression or R²: {', '.join(left[:6])}"
    )
    note_made(adata, velocity_key, "ranked_genes", made)


# rows of `_compared`
_COLUMNS = ("mean", "effect", "se", "freedom", "fraction")
# units of the test, as they are said
_CELLS, _WITHIN, _BETWEEN = "cells", "differences within samples", "means of samples"


def _units(
    groups: NDArray[np.intp],
    names: list[str],
    samples: NDArray[np.intp] | None,
    sample_key: str | None,
) -> str:
    """Return the units of the test; refuse groups of which none can be compared over samples."""
    if samples is None:
        return _CELLS
    designs = [_design(groups == number, groups >= 0, samples) for number in range(len(names))]
    known = [design for design in designs if design]
    few = [name for name, design in zip(names, designs, strict=True) if not design]
    remedy = (
        "sample_key=None compares cells, which does not tell whether other samples would be alike"
    )
    if not known:
        msg = (
            f"no group can be compared over the samples of obs[{sample_key!r}]: neither do two "
            "samples have at least two cells both in a group and in the rest, nor do two samples "
            f"have only the group and two others only the rest. With more samples they can; "
            f"{remedy}."
        )
        raise ValueError(msg)
    if few:
        warn(
            f"groups {listed(few, 4)} have too few samples in obs[{sample_key!r}] to be compared; "
            "they get no p-values."
        )
    return " or ".join(dict.fromkeys(known))


def _design(own: NDArray[np.bool_], used: NDArray[np.bool_], samples: NDArray[np.intp]) -> str:
    """Return how a group is compared over samples; empty if it cannot be."""
    n_samples = int(samples.max()) + 1
    inside = np.bincount(samples[own & used], minlength=n_samples) >= 2
    outside = np.bincount(samples[~own & used], minlength=n_samples) >= 2
    if (inside & outside).sum() >= 2:
        return _WITHIN
    alone = min(int((inside & ~outside).sum()), int((outside & ~inside).sum()))
    return _BETWEEN if alone >= 2 else ""


def _means(
    spliced: NDArray[np.float64],
    unspliced: NDArray[np.float64],
    groups: NDArray[np.intp],
    n_groups: int,
) -> NDArray[np.float64]:
    """Return the means of both layers together and of unspliced counts, each groups × genes."""
    cells = np.bincount(groups[groups >= 0], minlength=n_groups).astype(float)
    cells[cells == 0] = np.nan
    both = [group_sums(values, groups, n_groups) for values in (spliced + unspliced, unspliced)]
    return np.stack(both) / cells[:, None]


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
    ranked: NDArray[np.bool_],
    *,
    mean: NDArray[np.float64],
    scaled: NDArray[np.float64],
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
            "scaled": scaled,
            "effect": effect,
            "se": se,
            "statistic": statistic,
            "p": p,
            "fdr": benjamini_hochberg(np.where(ranked, p, np.nan)),
            "fraction": fraction,
            "direction": np.select([mean > 0, mean < 0], ["induction", "repression"], ""),
            "ranked": ranked,
        }
    )
    return table.sort_values(["ranked", "statistic"], ascending=False, kind="stable")


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
    compared = np.isfinite(differences[:, :, 0]).sum(axis=0)
    effect, se, freedom = np.full((3, *differences.shape[1:]), np.nan)
    for number in range(n_groups):
        if compared[number] >= 2:
            table = differences[np.isfinite(differences[:, number, 0]), number]
            effect[number] = table.mean(axis=0)
            se[number] = table.std(axis=0, ddof=1) / np.sqrt(len(table))
            freedom[number] = len(table) - 1.0
        else:
            own = groups == number
            sides = _sample_means(deviation, own, (groups >= 0) & ~own, samples)
            if min(len(side) for side in sides) >= 2:
                effect[number], se[number], freedom[number] = _welch(*sides)
    return effect, se, freedom


def _sample_means(
    deviation: NDArray[np.float64],
    own: NDArray[np.bool_],
    rest: NDArray[np.bool_],
    samples: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of samples that are in a group only, and of those in the rest only."""
    n_samples = int(samples.max()) + 1
    cells = [np.bincount(samples[side], minlength=n_samples) for side in (own, rest)]
    enough = [number >= 2 for number in cells]
    means = []
    for side, inside, outside in ((own, *enough), (rest, *enough[::-1])):
        moments = GroupMoments.of(deviation, np.where(side, samples, -1), n_samples)
        means.append(moments.means[inside & ~outside])
    return means[0], means[1]


def _welch(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Return the difference of the means of samples, its standard error and degrees of freedom."""
    parts = [side.var(axis=0, ddof=1) / len(side) for side in (first, second)]
    freedoms = [len(side) - 1.0 for side in (first, second)]
    variance = parts[0] + parts[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = variance**2 / sum(x**2 / n for x, n in zip(parts, freedoms, strict=True))
    return first.mean(axis=0) - second.mean(axis=0), np.sqrt(variance), freedom
