"""Directions of cells and clusters on an embedding, and tests of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._draws import Names
from steadyvelo._adata._embeddings import check_finite_embedding, found_basis
from steadyvelo._adata._fingerprints import fingerprints
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._adata._groups import cluster_codes
from steadyvelo._arguments import public
from steadyvelo.engine import (
    Lines,
    bytes_per_direction_value,
    find_directions,
    find_group_directions,
)
from steadyvelo.model import angle_interval, hotelling_p

from ._agreement import write_agreement
from ._ahead import kept_instruments
from ._cluster_directions import (
    cluster_directions,
    contributions_by_gene,
    gene_arrows,
    tested_groups,
)
from ._folds import Graphs
from ._limits import Limits
from ._stale import clear_direction
from ._uncertainty import Errors, check_crossfit

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import KnownInstruments
    from steadyvelo.engine._progress import ShowProgress

__all__ = [
    "DirectionChoice",
    "dimensions_to_test",
    "direction",
    "directions_given",
    "make_directions",
    "tested_clusters",
]

_PLANE = 2
# an embedding with more dimensions cannot be drawn as a whole
_MOST_DIMENSIONS = 3


@public
def direction(
    adata: AnnData,
    *,
    basis: str = "auto",
    groupby: str | None = None,
    velocity_key: str = "velocity",
    level: float = 0.95,
    n_controls: int = 50,
    rng: int | np.random.Generator | None = 0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Compute the direction of each cell and cluster on an embedding, and test it.

    The linear arrow of cell i is the mean of the contributions of its neighbours c,

    .. math::
        y_{ic} = M_i\, d_c (u_c - \gamma s_c - o), \qquad
        M_i = \operatorname{mean}_j (d_{ij} - \bar d_i) \tilde\delta_{ij}^\top \Big/
              \sqrt{\operatorname{mean}_j \lVert \tilde\delta_{ij} \rVert^2}

    with unit displacements :math:`d_{ij}` on the embedding and differences in expression
    :math:`\tilde\delta_{ij}`, centred over genes. The standard error of an arrow includes the
    variation of the contributions and the errors of γ and of the offset. Genes and cells are in the
    folds of ``tl.velocity(uncertainty="crossfit")``: neighbours are found from the genes of the
    other fold, and differences in expression are computed from other cells than contributions. Thus
    no count influences both a contribution and its projection. Hotelling's test tests the
    hypothesis that the arrow is zero; if it is rejected, the direction is significant.

    The test treats the counts as random, and the states of the cells and the embedding as known.
    Interpret only the direction of an arrow, not its length. Cells are treated as independent even
    if the fit has a `sample_key`: the result holds for these cells in these samples.

    Parameters
    ----------
    adata
        Result of ``tl.velocity(uncertainty="crossfit")``, with an embedding.
    basis
        Name of the embedding: ``obsm["X_umap"]`` for ``"umap"``. If it has more than three
        dimensions, as principal components do, the first two are used.
    groupby
        Column of ``obs`` with clusters whose summed arrows are tested; None tests no clusters.
    velocity_key
        Prefix of the fit.
    level
        Coverage of the intervals; a direction is significant if its p-value is below 1 − `level`.
    n_controls
        Number of sign-flipped controls. In each, the deviations of every cell from the fitted lines
        are multiplied by one random sign for all genes. Controls have the same γ and the same
        correlations between genes as the data, but their cells share no direction.
    rng
        Seed of the random signs: a whole number, a `numpy.random.Generator` that draws one, or None
        to let the system draw one. The seed is recorded. The signs of a cell depend on its name,
        not on the order of cells.
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
    None. Sets, for ``velocity_key="velocity"`` and ``basis="umap"``:

    ``obsm["velocity_direction_umap"]``
        Linear arrows, float64; NaN for cells without neighbours.
    ``obs["velocity_umap_p"]``, ``obs["velocity_umap_determined"]``
        P-value of the hypothesis that the arrow is zero, and whether it is rejected.
    ``obsm["velocity_umap_determined_in_controls"]``
        Whether it is rejected in each sign-flipped control, cells × controls.
    ``obs["velocity_umap_angle"]``, and the same with ``_low`` and ``_high``
        Angle between the direction and the first axis, and its interval, in radians, low ≤ angle ≤
        high. The interval is 2π wide if the data reject no direction. Only for two dimensions.
    ``obs["velocity_umap_agreement"]``
        Cosine between this arrow and the arrow of :func:`steadyvelo.tl.velocity_embedding`, as soon
        as both are computed.
    ``uns["velocity_direction_umap"]``
        With `groupby`: a table with one row per cluster and the columns

        - ``cells``: number of cells;
        - ``arrow_1``, ``arrow_2`` and so on: mean linear arrow of the cells, one column per
          dimension;
        - ``p``, ``p_holm``: p-value of the hypothesis that the summed arrow is zero, and the same
          adjusted over clusters (Holm);
        - ``p_holm_low``, ``p_holm_high``: the adjusted p-value if the arrow was longer or shorter
          by one and a half standard deviations of what other folds, and leaving out a tenth of the
          cells, change in it. The first is estimated from the differences between repeats;
        - ``angle``, ``angle_low``, ``angle_high``: angle of the summed arrow and its interval, in
          radians; only for two dimensions;
        - ``retest_t``, ``retest_z``: statistics of the retest without a steady state: unspliced
          mRNA is explained by any line and a part along the arrow, which is positive if it agrees
          with the arrow. t is a t statistic over genes in which every gene has the same weight, and
          z the part itself, with genes weighted by their precision, divided by its jackknife error
          over genes. Neither has an exact level, so they are used together with the p-value;
        - ``determined``: share of cells with a significant direction;
        - ``control_determined``: this share in the sign-flipped controls;
        - ``control_significant``: share of the controls in which the direction of this cluster is
          significant;
        - ``control_any_significant``: share of the controls in which the direction of any cluster
          is significant, the same number in every row.

        The last three need `n_controls` above 0.
    ``uns["velocity_direction_umap_genes"]``
        With `groupby`: a table with one row per ``cluster`` and ``gene`` and the columns ``share``,
        the contribution of the gene along the cluster's arrow relative to the arrow's length;
        ``share_per_gamma``, its change if γ increases by 1; ``gamma_se``, the standard error of γ;
        ``velocity``, the mean of u − γs − o over the cells of the cluster, positive for a gene that
        rises; and ``arrow_1``, ``arrow_2`` and so on, the gene's part of the cluster's mean arrow.
    ``uns["velocity_params"]["directions"]``
        Parameters for each embedding.

    Raises
    ------
    KeyError
        If the embedding, the fit or the column is missing.
    ValueError
        If the fit has no cross-fitted errors, or cells or counts have changed since the fit.

    References
    ----------
    ``docs/uncertainty.md`` derives the test and measures its error rates.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2))
    >>> adata.obsm["X_plane"] = adata.obsm["X_pca"][:, :2]
    >>> sv.tl.direction(adata, basis="plane", groupby="branch")
    >>> bool(adata.obs["velocity_plane_determined"].mean() > 0.05)
    True
    """
    fit = Fit.read(adata, velocity_key)
    basis = found_basis(adata, basis, velocity_key)
    choice = DirectionChoice(basis, groupby, level, n_controls, rng)
    choice.check(fit)
    with Limits.of_call("directions", max_memory, n_threads, progress) as limits:
        make_directions(fit, choice, limits)


@dataclass(frozen=True)
class DirectionChoice:
    """The arguments of :func:`direction`."""

    basis: str
    groupby: str | None
    level: float
    n_controls: int
    rng: int

    def check(self, fit: Fit) -> None:
        """Raise an error for wrong arguments before anything is computed."""
        fit.check_unchanged()
        check_crossfit(fit)
        check_finite_embedding(fit.adata, self.basis)
        cluster_codes(fit.adata, self.groupby)
        _ = fit.graph_genes
        fit.check_counts_known()


def make_directions(fit: Fit, choice: DirectionChoice, limits: Limits) -> None:
    """Do the work of :func:`direction`."""
    known = kept_instruments(fit)
    graphs = Graphs(ratios=known is None, directions=True)
    errors = Errors.of_fit(fit, graphs=graphs, n_threads=limits.n_threads)
    adata, genes, cells = fit.adata, fit.graph_genes, fit.inputs.cells
    basis, level, n_controls = choice.basis, choice.level, choice.n_controls
    coordinates = check_finite_embedding(adata, basis)
    embedding = dimensions_to_test(coordinates)
    n_dims = embedding.shape[1]
    names, groups = cluster_codes(adata, choice.groupby)
    # the arrows of tl.randomized_velocity have the same signs
    signs = Names(fit.inputs.cell_hashes, choice.rng).signs("sign-flipped control", n_controls)
    given, blocks = directions_given(fit, errors, known, embedding, groups, limits)
    directions = find_directions(*given, signs=signs, **blocks)
    arrows, n = directions.arrows, directions.n_contributions
    p = hotelling_p(arrows, directions.covariances, n)
    determined = p < 1 - level
    columns = {_keys.DIRECTION: arrows, _keys.DIRECTION_P: p, _keys.DETERMINED: determined}
    columns[_keys.DIRECTIONS_ON] = fingerprints(coordinates)
    if n_dims == _PLANE:
        ends = angle_interval(arrows, directions.covariances, n, level)
        fields = (_keys.ANGLE, _keys.ANGLE_LOW, _keys.ANGLE_HIGH)
        columns |= dict(zip(fields, ends, strict=True))
    controls = directions.controls(lambda *turned: hotelling_p(*turned) < 1 - level)
    if n_controls > 0:
        columns[_keys.DETERMINED_IN_CONTROLS] = np.ascontiguousarray(controls.T)
    tables = {}
    if choice.groupby is not None:
        columns[_keys.TESTED_CLUSTERS] = groups.astype(np.int32)
        tables[_keys.CLUSTER_DIRECTIONS] = cluster_directions(
            directions, names, groups, determined, controls, level
        )
        by_gene = contributions_by_gene(directions, names, groups, adata.var_names[genes])
        tables[_keys.GENE_CONTRIBUTIONS] = by_gene
    clear_direction(adata, fit.key, basis)
    for field, values in {**columns, **tables}.items():
        field.write(adata, values, fit.key, basis)
    made = {
        "groupby": choice.groupby or "",
        "level": level,
        "n_controls": n_controls,
        "rng": choice.rng,
        "determined": float(np.mean(determined[cells])),
        "determined_in_controls": float(controls[:, cells].mean()) if n_controls else np.nan,
    }
    note_made(adata, fit.key, "directions", made, under=basis)
    write_agreement(adata, fit.key, basis)


def tested_clusters(
    fit: Fit,
    errors: Errors,
    known: KnownInstruments,
    choice: DirectionChoice,
    limits: Limits,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the mean arrow of every cluster with its p-values, and each gene's part of it.

    Nothing is written.
    """
    embedding = dimensions_to_test(check_finite_embedding(fit.adata, choice.basis))
    names, groups = cluster_codes(fit.adata, choice.groupby)
    given, blocks = directions_given(fit, errors, known, embedding, groups, limits)
    found = find_group_directions(*given, **blocks)
    genes = fit.adata.var_names[fit.graph_genes]
    return tested_groups(found, names, groups), gene_arrows(found, names, groups, genes)


def dimensions_to_test(embedding: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the dimensions of an embedding in which directions are tested."""
    if embedding.shape[1] > _MOST_DIMENSIONS:
        return np.ascontiguousarray(embedding[:, :_PLANE])
    return embedding


def directions_given(
    fit: Fit,
    errors: Errors,
    known: KnownInstruments | None,
    embedding: NDArray[np.float64],
    groups: NDArray[np.intp],
    limits: Limits,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the engine's functions for directions, and how to block them."""
    genes = fit.graph_genes
    source, lines = fit.counts(genes), Lines(fit.gamma[genes], fit.offset[genes])
    how = errors.of(source, None if known is None else known.of_genes(genes))
    bytes_each = bytes_per_direction_value(
        embedding.shape[1],
        offset=fit.options.offset is not False,
        known=known is not None and known.has(genes),
    )
    blocks = limits.of_blocks(fit.adata.n_obs, bytes_each)
    return (source, how, fit.rule(genes), lines, embedding, groups), blocks
