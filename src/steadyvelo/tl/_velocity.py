"""The steady-state fit of every gene, and velocities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._field import check_key_added
from steadyvelo._adata._fit_params import GIVEN, ErrorChoice, FitOptions
from steadyvelo._adata._inputs import Inputs
from steadyvelo._adata._moments import has_moments
from steadyvelo._arguments import public
from steadyvelo._choices import Extremes
from steadyvelo._log import done, remark
from steadyvelo.engine import dense_bytes, stores_dense
from steadyvelo.model import resolve_quantiles
from steadyvelo.model._ratio import resolve_offset

from ._category_ratios import summary
from ._fit_inputs import checked_weights
from ._limits import Limits
from ._line_choices import check_bounds, check_categories
from ._make_fit import make_fit
from ._second_order import checked_mode
from ._uncertainty import check_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    import scipy.sparse as sp
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._choices import Mode, Uncertainty
    from steadyvelo.engine._progress import ShowProgress

__all__ = ["velocity"]


@public
def velocity(
    adata: AnnData,
    *,
    mode: Mode = "deterministic",
    weights: str | Extremes | NDArray[Any] | sp.spmatrix | sp.sparray = "extremes",
    offset: bool | Literal["nonnegative"] = False,
    groups: str | Sequence[str] | None = None,
    groupby: str | None = None,
    gamma_by: str | None = None,
    gamma_bounds: tuple[float, float] | None = None,
    offset_bounds: tuple[float, float] | None = None,
    bounds: Literal["velocyto"] | None = None,
    min_r2: float = 0.01,
    min_gamma: float = 0.01,
    r2: Literal["fit", "all_cells"] = "fit",
    highly_variable: bool = False,
    uncertainty: Uncertainty | None = None,
    sample_key: str | None = None,
    rng: int | np.random.Generator | None = 0,
    dense: bool | None = None,
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

    with the smoothed, normalised abundances u and s, and γ (in units of the splicing rate) and o
    from least squares over the extreme cells, which are assumed to be at steady state. The layers
    ``Ms`` and ``Mu`` are used if they exist; otherwise counts are smoothed during the fit.
    ``docs/model.md`` has the equations of both modes.

    Parameters
    ----------
    adata
        Cells × genes with counts, size factors and neighbours, or with ``Ms`` and ``Mu``.
    mode
        ``"deterministic"`` fits smoothed abundances, the first moments. ``"stochastic"`` is the
        default of scVelo: velocity genes are then fitted again to first and second moments
        together; second moments use all cells. :class:`steadyvelo.Stochastic` sets options
        (unbiased second moments, offsets). R² and velocity genes remain those of the deterministic
        fit.
    weights
        Weights of cells in the fit: the name of a rule (see
        :func:`steadyvelo.model.steady_state_weights`), or an array of shape (cells,) or (cells,
        genes) without negative values. ``"extremes"`` uses the cells at or above the 95 % quantile
        of expression and, with an offset, also those at or below the 5 % quantile;
        :class:`steadyvelo.Extremes` sets other quantiles. In a stochastic fit, these are the
        weights of first moments, and cells at the same quantiles of spliced abundance alone are
        used, too.
    offset
        False fits a line through the origin, True a line with an offset; ``"nonnegative"`` fits an
        offset and, if it is negative, a line through the origin. The offset describes unspliced
        signal that is unrelated to the spliced transcript, not basal transcription. In a stochastic
        fit, this is the offset of the deterministic fit before it;
        ``mode=Stochastic(fit_offset=True)`` fits that of the velocities.
    groups, groupby
        Clusters (values of ``obs[groupby]``) to whose cells the fit is restricted; None means all
        cells.
    gamma_by
        Column of ``obs`` with categories, such as lineages, each of which gets its own line of
        every gene: it is fitted to the cells of the category, and their extreme cells are chosen
        among them. The line that applies is that of the cell whose counts are smoothed,
        :math:`v_i = \sum_c W_{ic} (\tilde u_c - \gamma_{b(c)} \tilde s_c - o_{b(c)})` with the
        category b(c) of cell c. A category whose ratio rests on fewer than 10 effective molecules
        gets the common line of all cells, and so do cells without a category.
        :func:`steadyvelo.get.category_ratios` returns the ratios. Compare them first with
        :func:`steadyvelo.tl.compare_ratios`: if they do not differ, one line of all cells is more
        precise. Smoothing mixes categories whose cells are neighbours, and their ratios then look
        alike. Needs ``mode="deterministic"``.
    gamma_bounds, offset_bounds
        Lowest and highest γ and offset that are allowed; infinite for no bound on a side. The line
        is then the best one within the bounds (the exact minimum). Bounds of the offset need
        ``offset=True``, and all bounds ``mode="deterministic"``.
    bounds
        ``"velocyto"`` uses velocyto's bounds: γ from 0 to 20, and with ``offset=True`` an offset
        from 0 to 2 ū, ū being the weighted mean of u over the cells of the fit.
    min_r2, min_gamma
        R² and γ of velocity genes are larger than these values; -inf sets no threshold. With
        ``"crossfit"``, too, these are R² and γ of the ordinary fit: which genes are used does not
        depend on how cells and genes are divided. γ of the cross-fit or of the stochastic fit must
        be above 0.
    r2
        R² of the fit (``"fit"``) or of an unweighted fit to all cells (``"all_cells"``). Both are
        computed over all cells and not adjusted for degrees of freedom.
    highly_variable
        Require that velocity genes are True in ``var["highly_variable"]``.
    uncertainty
        How standard errors and intervals of γ are computed. ``"sandwich"`` does not change the fit;
        its standard errors take into account which cells share counts, and are somewhat too small.
        ``"crossfit"`` uses weights from other cells and neighbours from other genes; its intervals
        have the stated coverage, and velocities use its γ; it needs ``mode="deterministic"``.
        :class:`steadyvelo.Sandwich` and
        :class:`steadyvelo.CrossFit` set options (level, repeats, clusters of genes). With None, no
        errors are computed. ``docs/uncertainty.md`` derives both methods and measures their
        coverage.
    sample_key
        Column of ``obs`` with samples (donors, replicates). Standard errors are then computed from
        differences between samples, with one degree of freedom less than there are samples. None
        treats cells as independent.
    rng
        Seed of the folds of cells and genes: a whole number, a `numpy.random.Generator` that draws
        one, or None to let the system draw one. The seed is recorded. The fold of a cell or gene
        depends on its name, not on the order of cells and genes.
    dense
        Write the layers ``velocity``, ``Ms`` and ``Mu``, which scVelo and CellRank read. Without
        these layers, a gene is recomputed from counts when it is needed. None writes them if they
        need at most 1 GB together, and not more memory than is allowed or available.
    key_added
        Prefix of everything that is written.
    spliced, unspliced
        Names of the layers of counts.
    neighbors_key
        Name of the neighbour graph in ``uns``; None means scanpy's default.
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
    None. Sets, for ``key_added="velocity"``:

    ``var["velocity_gamma"]``, ``var["velocity_offset"]``, ``var["velocity_r2"]``
        γ and offset of the fit, and R² of the ordinary fit; NaN for a gene without a fit. With
        `gamma_by`, γ and offset are the common ones of all cells, and R² is 1 − Σv² / Σ(u − ū)²
        with the velocities v of the lines of all categories.
    ``var["velocity_genes"]``, ``var["velocity_reason"]``
        Genes that meet all criteria; for other genes, the first criterion that they fail.
    ``var["velocity_r2_passes"]`` and one column for every other criterion
        Whether the criterion is met.
    ``var["velocity_fit_cells"]``
        Number of cells whose weight in the fit is not zero; in a stochastic fit, in that of first
        moments.
    ``var["velocity_at_bound"]``
        With bounds: whether the line is at one, because the best line is outside.
    ``var["velocity_refitted"]``, ``var["velocity_offset2"]``
        With ``mode="stochastic"``: whether γ and offset of the gene are from first and second
        moments together, as those of velocity genes are (of all genes if there are no velocity
        genes), and with `fit_offset2` the offset of second moments.
    ``varm["velocity_category_gamma"]``, and the same with ``offset``, ``r2``, ``molecules``, ...
        With `gamma_by`: values of every category, genes × categories, which
        :func:`steadyvelo.get.category_ratios` returns as a table.
    ``var["velocity_gamma_se"]``, ``var["velocity_gamma_low"]``, ``var["velocity_gamma_high"]``
        With `uncertainty`: the standard error of γ (NaN below 10 effective molecules) and its
        interval, which is infinite if the data give no bound for γ.
    ``var["velocity_offset_se"]``, ``var["velocity_gamma_offset_covariance"]``
        With `uncertainty`: standard error of the offset and its covariance with γ; 0 without an
        offset.
    ``var["velocity_gamma_molecules"]``, ``var["velocity_effective_cells"]``
        Effective numbers of unspliced molecules and of cells (or samples) that determine γ.
    ``var["velocity_offset_p"]``, ``var["velocity_offset_fdr"]``
        P-value of the hypothesis that the offset is 0, and its false discovery rate (Benjamini and
        Hochberg). For a fit through the origin, the test also uses the cells at the lower end, and
        needs ``"crossfit"``: with the weights of the fit itself it would reject far too often. NaN
        if γ was fitted again with second moments.
    ``layers["velocity"]``, ``layers["Ms"]``, ``layers["Mu"]``
        With `dense`: float32; velocities are NaN for genes without a fit.
    ``obs["velocity_weights"]`` or ``layers["velocity_weights"]``
        The weights, if they were given as an array.
    ``uns["velocity_params"]``
        Every parameter, the version, and hashes of the inputs.

    Raises
    ------
    KeyError
        If counts, size factors, neighbours or groups are missing.
    ValueError
        If counts are negative or not finite, weights have a wrong shape, an option is unknown, or
        options cannot be used together: bounds with `uncertainty` or ``mode="stochastic"``,
        `gamma_by` with ``"crossfit"`` or ``mode="stochastic"``. With ``mode="stochastic"``, if
        `uncertainty` is ``"crossfit"``, velocity genes would lose the offset of the deterministic
        fit, or counts are needed and missing: those that were smoothed, and raw counts for
        ``moments="exact"``.
    MemoryError
        If ``dense=True`` and these layers need more memory than is allowed; nothing is computed
        then.

    Warns
    -----
    SteadyveloWarning
        If fewer than two genes meet the criteria for velocity genes.

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
    errors = ErrorChoice.asked(uncertainty, adata.n_obs, sample_key, rng)
    stochastic = checked_mode(mode, errors, offset)
    quantiles = None
    if isinstance(weights, Extremes):
        quantiles, weights = (weights.low, weights.high), "extremes"
    weights = checked_weights(adata, weights)
    n_layers = 1 if has_moments(adata) else 3
    limited: dict[str, Any] = {
        "gamma_bounds": gamma_bounds,
        "offset_bounds": offset_bounds,
        "bounds": bounds,
    }
    options = FitOptions(
        weights=weights if isinstance(weights, str) else GIVEN,
        quantiles=resolve_quantiles(quantiles, offset=offset),
        offset=offset,
        min_r2=min_r2,
        min_gamma=min_gamma,
        r2=r2,
        highly_variable=highly_variable,
        dense=stores_dense(n_layers, adata.shape, max_memory, dense=dense),
        spliced=spliced,
        unspliced=unspliced,
        neighbors_key=neighbors_key,
        errors=errors,
        groups=None if groups is None else tuple(np.atleast_1d(np.asarray(groups, dtype=object))),
        groupby=None if groups is None else groupby,
        gamma_by=gamma_by,
        **limited,
        stochastic=stochastic,
    )
    check_errors(adata, errors)
    check_bounds(errors, offset, stochastic, **limited)
    check_categories(adata, errors, stochastic, gamma_by=gamma_by, r2=r2)
    if groupby is not None and groups is None:
        msg = (
            f"groupby={groupby!r} has no effect without groups=, the groups of cells to fit on; "
            f"name them, or leave groupby out. For a ratio of each group, use gamma_by={groupby!r}."
        )
        raise ValueError(msg)
    with Limits.of_call("fit", max_memory, n_threads, progress) as limits:
        fit = make_fit(inputs, options, weights, key_added, limits)
    if dense is None and not options.dense:
        remark(
            "layers velocity, Ms and Mu are not stored, because they would need "
            f"{dense_bytes(3, adata.shape) / 1e9:.1f} GB; dense=True (--dense) stores them"
        )
    done(
        f"{len(fit.fitted_genes):,} genes are fitted and {int(fit.velocity_genes.sum()):,} of them "
        f"are velocity genes; var[{_keys.REASON.of(key_added)!r}] has the reason of the others"
    )
    if fit.categories is not None:
        done(summary(fit, fit.categories))
