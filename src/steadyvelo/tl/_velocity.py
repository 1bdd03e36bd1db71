"""The steady-state fit of every gene, and the velocities that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from steadyvelo._adata._field import check_key_added
from steadyvelo._adata._fit_params import GIVEN, ErrorChoice, FitOptions
from steadyvelo._adata._inputs import Inputs
from steadyvelo._arguments import public
from steadyvelo._choices import Extremes
from steadyvelo.model import resolve_quantiles
from steadyvelo.model._ratio import resolve_offset

from ._fit_inputs import checked_weights
from ._limits import Limits
from ._make_fit import make_fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import scipy.sparse as sp
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._choices import Uncertainty
    from steadyvelo.engine._progress import ShowProgress

__all__ = ["velocity"]


@public
def velocity(
    adata: AnnData,
    *,
    weights: str | Extremes | NDArray[Any] | sp.spmatrix | sp.sparray = "extremes",
    offset: bool | Literal["nonnegative"] = False,
    groups: str | Sequence[str] | None = None,
    groupby: str | None = None,
    min_r2: float = 0.01,
    min_gamma: float = 0.01,
    r2: Literal["fit", "all_cells"] = "fit",
    highly_variable: bool = False,
    uncertainty: Uncertainty | None = None,
    sample_key: str | None = None,
    rng: int | np.random.Generator | None = 0,
    dense: bool = True,
    key_added: str = "velocity",
    spliced: str = "spliced",
    unspliced: str = "unspliced",
    neighbors_key: str | None = None,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Fit the steady-state ratio of every gene and compute velocities.

    .. math:: v = u - \gamma s - o

    on smoothed, size-normalised abundances u and s, with γ (in units of the splicing rate) and
    o from least squares over the cells that are taken to be at steady state. Layers ``Ms``
    and ``Mu`` are used where they exist, else counts are smoothed on the fly.

    Parameters
    ----------
    adata
        Cells × genes with counts, size factors and neighbours, or with ``Ms`` and ``Mu``.
    weights
        Which cells are taken to be at steady state: a rule by name (see
        :func:`steadyvelo.model.steady_state_weights`), or weights of shape (cells,) or (cells,
        genes), not negative. ``"extremes"`` takes the cells at or above the 95 % quantile, and
        with an offset those at or below the 5 % quantile as well; :class:`steadyvelo.Extremes`
        takes other quantiles.
    offset
        False fits through the origin, True fits a line; ``"nonnegative"`` fits a line and, where
        its offset is negative, again through the origin. An offset stands for unspliced
        signal unrelated to the spliced transcript, not for basal transcription.
    groups, groupby
        Categories of ``obs[groupby]`` to which the fit is restricted; None means all cells.
    min_r2, min_gamma
        Velocity genes have larger R² and γ than these.
    r2
        R² of the fit itself (``"fit"``) or of an unweighted fit to all cells
        (``"all_cells"``); in either case over all cells, and not adjusted for degrees of freedom.
    highly_variable
        Ask velocity genes to be marked in ``var["highly_variable"]``.
    uncertainty
        How to find standard errors and intervals of γ. ``"sandwich"`` keeps the fit; its standard
        errors take into account how counts were smoothed, and are somewhat too small.
        ``"crossfit"`` fits with instruments from other cells and neighbours from other genes: its
        intervals cover as often as they say, and velocities use its γ.
        :class:`steadyvelo.Sandwich` and :class:`steadyvelo.CrossFit` are the same with options
        (level, repeats, clusters of genes). None computes no errors. ``docs/uncertainty.md``
        derives and measures both.
    sample_key
        Column of ``obs`` with samples (donors, replicates): errors are then between samples, with
        one degree of freedom less than there are samples. None takes cells as independent.
    rng
        Seed of the folds of cells and genes: a whole number, a `numpy.random.Generator` that gives
        one, or None for one from the system. It is recorded. Each cell and gene draws its fold by
        its name, so that the order of cells and genes does not matter.
    dense
        Write the layers ``velocity``, ``Ms`` and ``Mu``, which scVelo and CellRank read.
        Without them any gene is recomputed from counts when it is needed.
    key_added
        Prefix of everything that is written.
    spliced, unspliced
        Names of the layers of counts.
    neighbors_key
        Name of the neighbour graph in ``uns``; None means scanpy's default.
    max_memory
        Memory that dense layers and gene blocks may take, in bytes or as ``"8GB"``; None means
        ``settings.max_memory``, or what is available for layers, and a quarter of it, at most
        1.5 GB, for blocks.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar, None follows ``settings.progress``; a function is called with the share
        done, in (0, 1].

    Returns
    -------
    None. Sets, for ``key_added="velocity"``:

    ``var["velocity_gamma"]``, ``var["velocity_offset"]``, ``var["velocity_r2"]``
        The fit; NaN for a gene that has none.
    ``var["velocity_genes"]``, ``var["velocity_reason"]``
        Genes that meet all criteria, and the first criterion another gene fails.
    ``var["velocity_r2_passes"]`` and one such column per criterion
        Whether it is met.
    ``var["velocity_fit_cells"]``
        Number of cells with weight in the fit.
    ``var["velocity_gamma_se"]``, ``var["velocity_gamma_low"]``, ``var["velocity_gamma_high"]``
        With `uncertainty`: the standard error of γ (NaN where fewer than 10 molecules stand behind
        it) and its interval, infinite where nothing bounds γ.
    ``var["velocity_offset_se"]``, ``var["velocity_gamma_offset_covariance"]``
        With `uncertainty`: standard error of the offset and its covariance with γ; 0 without one.
    ``var["velocity_gamma_molecules"]``, ``var["velocity_effective_cells"]``
        Effective number of unspliced molecules and of cells (or samples) behind γ.
    ``var["velocity_offset_p"]``, ``var["velocity_offset_fdr"]``
        Test of the hypothesis that the offset is 0, and the same adjusted for false discoveries
        (Benjamini and Hochberg). Of a fit through the origin to the upper cells it takes the lower
        ones as well, and needs ``"crossfit"``: instruments of the fit itself reject far too often.
    ``layers["velocity"]``, ``layers["Ms"]``, ``layers["Mu"]``
        With ``dense=True``: float32; velocities are NaN for genes without a fit.
    ``obs["velocity_weights"]`` or ``layers["velocity_weights"]``
        Weights that were given as an array.
    ``uns["velocity_params"]``
        Every parameter, the version, and hashes of what went in.

    Raises
    ------
    KeyError
        If counts, size factors, neighbours or groups are missing.
    ValueError
        If counts are negative or not finite, weights have another shape, or a choice is unknown.
    MemoryError
        If dense layers would not fit; nothing is computed then.

    Warns
    -----
    SteadyveloWarning
        If fewer than two genes meet the criteria; thresholds are not lowered.

    References
    ----------
    La Manno et al. (2018), https://doi.org/10.1038/s41586-018-0414-6; Bergen et al. (2020),
    https://doi.org/10.1038/s41587-020-0591-3.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata)
    >>> bool(adata.var["velocity_gamma"].corr(adata.var["true_gamma"], method="spearman") > 0.8)
    True
    """
    inputs = Inputs(adata)
    check_key_added(key_added, spliced, unspliced)
    offset = resolve_offset(offset)
    quantiles = None
    if isinstance(weights, Extremes):
        quantiles, weights = (weights.low, weights.high), "extremes"
    weights = checked_weights(adata, weights)
    options = FitOptions(
        weights=weights if isinstance(weights, str) else GIVEN,
        quantiles=resolve_quantiles(quantiles, offset=offset),
        offset=offset,
        min_r2=min_r2,
        min_gamma=min_gamma,
        r2=r2,
        highly_variable=highly_variable,
        dense=dense,
        spliced=spliced,
        unspliced=unspliced,
        neighbors_key=neighbors_key,
        errors=ErrorChoice.asked(uncertainty, sample_key, rng),
        groups=None if groups is None else tuple(np.atleast_1d(np.asarray(groups, dtype=object))),
        groupby=None if groups is None else groupby,
    )
    options.check()
    with Limits.of_call("fit", max_memory, n_threads, progress) as limits:
        make_fit(inputs, options, weights, key_added, limits)
