"""Directions of cells and clusters on an embedding, and whether they are determined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_adata, check_level, check_whole_number, writable
from steadyvelo._adata._embeddings import check_finite_embedding
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._adata._groups import cluster_codes
from steadyvelo.engine import (
    Lines,
    bytes_per_direction_value,
    count_threads,
    find_directions,
    genes_per_block,
)
from steadyvelo.engine._progress import ShowProgress, shown
from steadyvelo.model import angle_interval, hotelling_p

from ._cluster_directions import cluster_directions, contributions_by_gene
from ._stale import clear_direction
from ._uncertainty import Errors, check_crossfit

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine._threads import Progress

__all__ = ["cosines", "direction", "make_directions"]

_PLANE = 2
# of an embedding, that can be looked at
_MOST_DIMENSIONS = 3


def direction(
    adata: AnnData,
    *,
    basis: str = "umap",
    groupby: str | None = None,
    velocity_key: str = "velocity",
    level: float = 0.95,
    n_controls: int = 50,
    rng: int = 0,
    max_memory: float | None = None,
    n_threads: int | None = None,
    progress: ShowProgress = False,
) -> None:
    r"""Say in which direction each cell goes on an embedding, and whether that is determined.

    A linear arrow: neighbour c of cell i contributes, from the deviations of its own counts,

    .. math::
        y_{ic} = M_i\, d_c (u_c - \gamma s_c - o), \qquad
        M_i = \operatorname{mean}_j (d_{ij} - \bar d_i) \tilde\delta_{ij}^\top \Big/
              \sqrt{\operatorname{mean}_j \lVert \tilde\delta_{ij} \rVert^2}

    with unit displacements :math:`d_{ij}` on the embedding and steps in expression
    :math:`\tilde\delta_{ij}`, centred over genes. The arrow is the mean contribution, its error the
    spread of the contributions and what the errors of γ and of the offset add. Genes and cells are
    cut as ``tl.velocity(uncertainty="crossfit")`` cut them: neighbours come from the other genes,
    steps from other cells than contributions, so that no count confirms itself. A direction is
    determined if Hotelling's test refutes that there is none.

    What is random are the counts given the state of the cells; the embedding is taken as it is.
    Directions can be read, lengths cannot. Cells are taken as independent here also where the fit's
    errors are over batches: what is determined are the directions of these cells in these batches.

    Parameters
    ----------
    adata
        Result of ``tl.velocity(uncertainty="crossfit")`` with an embedding.
    basis
        Name of the embedding: ``obsm["X_umap"]`` for ``"umap"``. Of one with more than three
        dimensions, such as principal components, the first two are taken, which pictures show.
    groupby
        Column of ``obs`` with clusters whose summed arrows are tested; None for none.
    velocity_key
        Prefix of the fit.
    level
        Probability with which an interval covers the direction; a direction is determined at
        1 − `level`.
    n_controls
        Controls that are made by turning the deviations of every cell by one random sign, for all
        genes: they keep γ, the genes and what these share, and have no direction.
    rng
        Seed of these signs.
    max_memory
        Bytes that gene blocks may take; None means a quarter of what is available, at most 1.5 GB.
    n_threads
        Number of threads; None means all processors.
    progress
        True shows a bar; a function is called with the share done, in (0, 1].

    Returns
    -------
    None. Sets, for ``velocity_key="velocity"`` and ``basis="umap"``:

    ``obsm["velocity_direction_umap"]``
        Linear arrows, float64; NaN for cells without neighbours.
    ``obs["velocity_umap_p"]``, ``obs["velocity_umap_determined"]``
        P-value of the hypothesis that there is no direction, and whether it is refuted.
    ``obs["velocity_umap_angle"]``, and the same with ``_low`` and ``_high``
        Direction against the first axis and its interval, in radians, low ≤ angle ≤ high; 2π wide
        where no direction is refuted. For two dimensions.
    ``obs["velocity_umap_agreement"]``
        Cosine between this arrow and that of :func:`steadyvelo.tl.velocity_embedding`, where there
        is one.
    ``uns["velocity_direction_umap"]``
        With `groupby`, a table of clusters: arrow, p-value of the summed contributions, the same
        adjusted over clusters (Holm), angle and interval, share of cells with a determined
        direction, and that share and the share of clusters called moving among the controls.
    ``uns["velocity_direction_umap_genes"]``
        With `groupby`, a row for each cluster and gene: what the gene says along the cluster's
        arrow, and how that changes with its γ.
    ``uns["velocity_params"]["directions"]``
        Parameters per basis.

    Raises
    ------
    KeyError
        If the embedding, the fit or the column is missing.
    ValueError
        If the fit has no cross-fitted errors, or cells or counts have changed since.

    References
    ----------
    ``docs/uncertainty.md`` derives and measures this.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> sv.pp.size_factors(adata, method="common")
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata, uncertainty="crossfit", n_splits=2)
    >>> adata.obsm["X_plane"] = adata.obsm["X_pca"][:, :2]
    >>> sv.tl.direction(adata, basis="plane", groupby="branch")
    >>> bool(adata.obs["velocity_plane_determined"].mean() > 0.05)
    True
    """
    check_adata(adata)
    fit = Fit.read(adata, velocity_key)
    check_crossfit(fit)
    check_level(level)
    check_whole_number("n_controls", n_controls, least=0)
    check_whole_number("rng", rng)
    basis = basis.removeprefix("X_")
    check_finite_embedding(adata, basis)
    _ = fit.graph_genes
    fit.check_counts_known()
    with shown(progress, "directions") as report:
        make_directions(
            fit,
            Errors.of_fit(fit),
            basis=basis,
            groupby=groupby,
            level=level,
            n_controls=n_controls,
            rng=rng,
            max_memory=max_memory,
            n_threads=count_threads(n_threads),
            report=report,
        )


def make_directions(
    fit: Fit,
    errors: Errors,
    *,
    basis: str,
    groupby: str | None,
    level: float,
    n_controls: int,
    rng: int,
    max_memory: float | None,
    n_threads: int,
    report: Progress | None = None,
) -> None:
    """Do what :func:`direction` says for the velocity genes of a fit."""
    adata, key, genes = fit.adata, fit.key, fit.graph_genes
    embedding = check_finite_embedding(adata, basis)
    if embedding.shape[1] > _MOST_DIMENSIONS:
        embedding = np.ascontiguousarray(embedding[:, :_PLANE])
    n_dims = embedding.shape[1]
    names, groups = cluster_codes(adata, groupby)
    signs = _signs(np.random.default_rng(rng), n_controls, adata.n_obs)
    source = fit.counts(genes)
    directions = find_directions(
        source,
        errors.of(source),
        fit.rule(genes),
        Lines(fit.gamma[genes], fit.offset[genes]),
        embedding,
        groups,
        signs=signs,
        genes_per_block=genes_per_block(adata.n_obs, max_memory, bytes_per_direction_value(n_dims)),
        n_threads=n_threads,
        progress=report,
    )
    arrows, n = directions.arrows, directions.n_contributions
    p = hotelling_p(arrows, directions.covariances, n)
    columns = {_keys.DIRECTION_P: p, _keys.DETERMINED: p < 1 - level}
    if n_dims == _PLANE:
        ends = angle_interval(arrows, directions.covariances, n, level)
        fields = (_keys.ANGLE, _keys.ANGLE_LOW, _keys.ANGLE_HIGH)
        columns |= dict(zip(fields, ends, strict=True))
    drawn = _keys.VELOCITY_EMBEDDING.read(adata, key, basis, default=None)
    if drawn is not None:
        columns[_keys.AGREEMENT] = cosines(arrows, np.asarray(drawn)[:, :n_dims])
    determined = np.array(
        [hotelling_p(*control, n) < 1 - level for control in directions.controls()]
    ).reshape(n_controls, adata.n_obs)

    writable(adata)
    clear_direction(adata, key, basis)
    for field, values in columns.items():
        field.write(adata, values, key, basis)
    _keys.DIRECTION.write(adata, arrows, key, basis)
    if groupby is not None:
        table = cluster_directions(
            directions, names, groups, p < 1 - level, determined, signs, level
        )
        _keys.CLUSTER_DIRECTIONS.write(adata, table, key, basis)
        by_gene = contributions_by_gene(directions, names, adata.var_names[genes])
        _keys.GENE_CONTRIBUTIONS.write(adata, by_gene, key, basis)
    cells = fit.inputs.cells
    entry = {
        "groupby": groupby or "",
        "level": level,
        "n_controls": n_controls,
        "rng": rng,
        "determined": float(np.mean(p[cells] < 1 - level)),
        "determined_in_controls": float(determined[:, cells].mean()) if n_controls else np.nan,
    }
    note_made(adata, key, "directions", entry, under=basis)


def _signs(generator: np.random.Generator, n_controls: int, n_cells: int) -> NDArray[np.int8]:
    """Return −1 or 1 for every control and cell."""
    drawn = generator.integers(0, 2, (n_controls, n_cells), dtype=np.int8)
    return (2 * drawn - 1).astype(np.int8)


def cosines(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cosines of arrows, NaN where one has no length."""
    length = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    some = length > 0
    return np.where(some, (x * y).sum(axis=1) / np.where(some, length, 1.0), np.nan)
