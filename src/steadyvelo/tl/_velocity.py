"""The steady-state fit of every gene, and the velocities that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._checks import check_adata, check_key, listed, one_of, warn, writable
from steadyvelo._memory import check_dense_fits
from steadyvelo._provenance import stamp
from steadyvelo._sources import (
    check_moments_unchanged,
    counts_source,
    has_moments,
    layer_source,
    smoothing_record,
    used_cells,
    write_moments,
)
from steadyvelo.engine import (
    FitResult,
    FitRule,
    MomentBlock,
    count_threads,
    fit_ratios,
    genes_per_block,
)
from steadyvelo.model import WEIGHT_RULES, GeneCriteria, gene_criteria, resolve_quantiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["velocity"]


def velocity(
    adata: AnnData,
    *,
    weights: str | NDArray[Any] | sp.spmatrix | sp.sparray = "extremes",
    quantiles: tuple[float | None, float | None] | None = None,
    offset: bool | Literal["nonnegative"] = False,
    groups: str | Sequence[str] | None = None,
    groupby: str | None = None,
    min_r2: float = 0.01,
    min_gamma: float = 0.01,
    r2: Literal["fit", "all_cells"] = "fit",
    highly_variable: bool = False,
    dense: bool = True,
    key_added: str = "velocity",
    spliced: str = "spliced",
    unspliced: str = "unspliced",
    neighbors_key: str | None = None,
    max_memory: float | None = None,
    n_threads: int | None = None,
    progress: Callable[[float], None] | None = None,
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
        A rule by name (see :func:`steadyvelo.model.steady_state_weights`), or weights of shape
        (cells,) or (cells, genes), not negative.
    quantiles
        Low and high quantile of the rule ``"extremes"``, in [0, 1], either None for no
        cells at that end. None means (0.05, 0.95) with an offset and (None, 0.95) without.
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
        Bytes that dense layers and gene blocks may take; None means what is available for
        layers, and a quarter of it for blocks.
    n_threads
        Number of threads; None means all processors.
    progress
        Called with the share of genes done, in (0, 1].

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
    check_adata(adata)
    one_of("offset", offset, (False, True, "nonnegative"))
    one_of("r2", r2, ("fit", "all_cells"))
    threads = count_threads(n_threads)
    pair = resolve_quantiles(quantiles, offset=offset)
    if isinstance(weights, str):
        one_of("weights", weights, tuple(WEIGHT_RULES))
    else:
        weights = _checked_weights(adata, weights)
    cells = used_cells(adata)
    fit_cells = cells & _in_groups(adata, groups, groupby)
    variable = _variable_genes(adata) if highly_variable else None
    from_layers = has_moments(adata)
    if dense:
        check_dense_fits(
            1 if from_layers else 3, adata.shape, max_memory, remedy="use tl.velocity(dense=False)"
        )

    left_out = _genes_left_out(adata)
    # smoothed layers are written for all genes, velocities only for the used ones
    genes = np.flatnonzero(left_out == "") if from_layers or not dense else np.arange(adata.n_vars)
    if from_layers:
        check_moments_unchanged(adata)
    source = (
        layer_source(adata, genes)
        if from_layers
        else counts_source(
            adata, genes, spliced=spliced, unspliced=unspliced, neighbors_key=neighbors_key
        )
    )
    layers = _DenseLayers(adata.shape, genes, moments=not from_layers) if dense else None
    rule = FitRule(
        weights if isinstance(weights, str) or weights.ndim == 1 else weights[:, genes],
        pair,
        offset,
        cells,
        fit_cells,
        r2,
    )
    fit = fit_ratios(
        source,
        rule,
        genes_per_block=genes_per_block(adata.n_obs, max_memory),
        n_threads=threads,
        consume=None if layers is None else layers.take,
        progress=progress,
    )
    columns, criteria = _columns(
        adata, genes, fit, left_out, variable, min_r2=min_r2, min_gamma=min_gamma, key=key_added
    )
    params: dict[str, Any] = {
        "mode": "deterministic",
        "weights": weights if isinstance(weights, str) else "given",
        # NaN stands for None, which files of AnnData cannot hold
        "quantiles": np.array([np.nan if q is None else q for q in pair]),
        "offset": str(offset),
        "groups": [] if groups is None else np.atleast_1d(np.asarray(groups, dtype=object)),
        "groupby": groupby or "",
        "min_r2": min_r2,
        "min_gamma": min_gamma,
        "r2": r2,
        "highly_variable": highly_variable,
        "dense": dense,
        "spliced": spliced,
        "unspliced": unspliced,
        "neighbors_key": neighbors_key or "",
        "moments": "layers" if from_layers else "counts",
        **stamp(adata),
    }
    record = None
    if not from_layers:
        record = smoothing_record(adata, spliced, unspliced, neighbors_key)
        params |= record.params
        columns |= record.columns(key_added)

    writable(adata)
    _clear(adata, key_added)
    for name, column in columns.items():
        adata.var[name] = column
    if not isinstance(weights, str):
        if weights.ndim == 1:
            adata.obs[_keys.WEIGHTS_COLUMN.of(key_added)] = weights
        else:
            adata.layers[_keys.WEIGHTS_LAYER.of(key_added)] = weights
    if layers is not None:
        layers.velocity[:, left_out != ""] = np.nan
        adata.layers[_keys.VELOCITY.of(key_added)] = layers.velocity
        if layers.spliced is not None and record is not None:
            write_moments(adata, layers.spliced, layers.unspliced, record)
    adata.uns[_keys.PARAMS.of(key_added)] = params
    n_velocity_genes = int(criteria.velocity_genes.sum())
    if n_velocity_genes < 2:
        warn(
            f"{n_velocity_genes} of {len(genes):,} genes meet min_r2={min_r2:g} and "
            f"min_gamma={min_gamma:g}: the data hold little splicing signal. See "
            f"var[{_keys.REASON.of(key_added)!r}]."
        )


class _DenseLayers:
    """Velocity and, where they do not exist, smoothed layers, filled block by block."""

    def __init__(self, shape: tuple[int, int], genes: NDArray[np.int64], *, moments: bool) -> None:
        self.genes = genes
        self.velocity = np.full(shape, np.nan, dtype=np.float32)
        self.spliced = np.empty(shape, dtype=np.float32) if moments else None
        self.unspliced = np.empty(shape, dtype=np.float32) if moments else None

    def take(self, block: MomentBlock, fit: FitResult) -> None:
        """Keep what a block holds."""
        columns = self.genes[block.genes]
        self.velocity[:, columns] = block.velocity(fit.gamma, fit.offset)
        if self.spliced is not None and self.unspliced is not None:
            self.spliced[:, columns] = block.spliced
            self.unspliced[:, columns] = block.unspliced


def _genes_left_out(adata: AnnData) -> NDArray[np.object_]:
    """Return why filter_genes left a gene out; the empty string for used ones."""
    if _keys.GENES_USED.of() not in adata.var:
        return np.full(adata.n_vars, "", dtype=object)
    used = adata.var[_keys.GENES_USED.of()].to_numpy(dtype=bool)
    if not used.any():
        msg = "var['genes_used'] marks no gene; rerun pp.filter_genes with a lower threshold."
        raise ValueError(msg)
    reason = np.full(adata.n_vars, "not used", dtype=object)
    if _keys.GENES_REASON.of() in adata.var:
        reason = adata.var[_keys.GENES_REASON.of()].to_numpy(dtype=object)
        reason = np.where(reason == "", "not used", reason)
    return np.where(used, "", reason)


def _checked_weights(adata: AnnData, weights: Any) -> Any:
    array = weights if sp.issparse(weights) else np.asarray(weights)
    if array.shape not in {(adata.n_obs,), adata.shape}:
        msg = (
            f"weights have shape {array.shape}; they must be (cells,) = {(adata.n_obs,)} or "
            f"(cells, genes) = {adata.shape}."
        )
        raise ValueError(msg)
    values = np.asarray(array.data if sp.issparse(array) else array)
    if not np.isfinite(values).all() or (values < 0).any():
        msg = "weights must be finite and not negative."
        raise ValueError(msg)
    # in a format whose columns can be taken
    return array.tocsc() if sp.issparse(array) else array


def _in_groups(
    adata: AnnData, groups: str | Sequence[str] | None, groupby: str | None
) -> NDArray[np.bool_]:
    """Return the cells that belong to the groups of the fit."""
    if groups is None:
        return np.ones(adata.n_obs, dtype=bool)
    if groupby is None:
        msg = f"groups={groups!r} needs groupby=, the column of obs that holds the groups."
        raise ValueError(msg)
    names = [groups] if isinstance(groups, str) else list(groups)
    column = check_key(adata, "obs", groupby, "name the column that holds the groups.").astype(str)
    unknown = [name for name in names if name not in set(column)]
    if unknown or not names:
        msg = (
            f"groups {listed(unknown)} are not in obs[{groupby!r}], which has "
            f"{listed(column.unique())}."
        )
        raise KeyError(msg)
    return column.isin(names).to_numpy()


def _variable_genes(adata: AnnData) -> NDArray[np.bool_]:
    column = check_key(
        adata,
        "var",
        _keys.HIGHLY_VARIABLE.of(),
        "run scanpy.pp.highly_variable_genes, or leave highly_variable=False.",
    )
    return np.asarray(column.to_numpy(dtype=bool))


def _columns(
    adata: AnnData,
    genes: NDArray[np.int64],
    fit: FitResult,
    left_out: NDArray[np.object_],
    variable: NDArray[np.bool_] | None,
    *,
    min_r2: float,
    min_gamma: float,
    key: str,
) -> tuple[dict[str, Any], GeneCriteria]:
    """Return the columns of `var`, a row for every gene of `adata`, and the criteria."""

    def everywhere(values: NDArray[Any], fill: Any) -> NDArray[Any]:
        out = np.full(adata.n_vars, fill, dtype=values.dtype)
        out[genes] = values
        return np.where(left_out == "", out, fill)

    gamma, r2 = everywhere(fit.gamma, np.nan), everywhere(fit.r2, np.nan)
    criteria = gene_criteria(
        gamma,
        r2,
        spliced_max=everywhere(fit.spliced_max, 0.0),
        unspliced_max=everywhere(fit.unspliced_max, 0.0),
        min_r2=min_r2,
        min_gamma=min_gamma,
        highly_variable=variable,
        no_fit=np.where(left_out == "", everywhere(fit.reason, ""), left_out),
    )
    columns = {
        _keys.GAMMA: gamma,
        _keys.OFFSET: everywhere(fit.offset, np.nan),
        _keys.R2: r2,
        _keys.VELOCITY_GENES: criteria.velocity_genes,
        _keys.REASON: pd.Categorical(criteria.reason),
        _keys.R2_PASSES: criteria.r2_passes,
        _keys.GAMMA_PASSES: criteria.gamma_passes,
        _keys.SPLICED_SEEN: criteria.spliced_seen,
        _keys.UNSPLICED_SEEN: criteria.unspliced_seen,
        _keys.FIT_CELLS: everywhere(fit.n_cells, 0),
    }
    if variable is not None:
        columns[_keys.VARIABLE_PASSES] = criteria.highly_variable
    return {field.of(key): column for field, column in columns.items()}, criteria


def _clear(adata: AnnData, key: str) -> None:
    """Remove what an earlier fit left that this one may not write: nothing stale stays."""
    for slot, fields in {
        "layers": (_keys.VELOCITY, _keys.WEIGHTS_LAYER),
        "obs": (_keys.WEIGHTS_COLUMN, _keys.SELF_TRANSITION),
        "var": (_keys.VARIABLE_PASSES, _keys.SPLICED_CHECK, _keys.UNSPLICED_CHECK),
        "obsp": (_keys.GRAPH, _keys.GRAPH_NEG, _keys.TRANSITIONS),
    }.items():
        mapping = getattr(adata, slot)
        for field in fields:
            if field.of(key) in mapping:
                del mapping[field.of(key)]
    for basis in list(adata.uns.get(_keys.PARAMS.of(key), {}).get("embeddings", [])):
        if _keys.VELOCITY_EMBEDDING.of(key, basis) in adata.obsm:
            del adata.obsm[_keys.VELOCITY_EMBEDDING.of(key, basis)]
