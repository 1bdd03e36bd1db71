"""Directions of cells and clusters on an embedding, and whether they are determined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo import _keys
from steadyvelo._adata._checks import check_level, check_whole_number
from steadyvelo._adata._draws import Names
from steadyvelo._adata._embeddings import check_finite_embedding
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._adata._groups import cluster_codes
from steadyvelo._arguments import public
from steadyvelo.engine import Lines, bytes_per_direction_value, find_directions
from steadyvelo.model import angle_interval, hotelling_p

from ._cluster_directions import cluster_directions, contributions_by_gene
from ._limits import Limits
from ._stale import clear_direction
from ._uncertainty import Errors, check_crossfit

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine._progress import ShowProgress

__all__ = ["DirectionChoice", "cosines", "direction", "make_directions"]

_PLANE = 2
# of an embedding, that can be looked at
_MOST_DIMENSIONS = 3


@public
def direction(
    adata: AnnData,
    *,
    basis: str = "umap",
    groupby: str | None = None,
    velocity_key: str = "velocity",
    level: float = 0.95,
    n_controls: int = 50,
    rng: int | np.random.Generator | None = 0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
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
        Seed of the signs: a whole number, a `numpy.random.Generator` that gives one, or None for
        one from the system. It is recorded, and each cell draws its signs by its name.
    max_memory
        Memory that gene blocks may take, in bytes or as ``"8GB"``; None means
        ``settings.max_memory``, or a quarter of what is available, at most 1.5 GB.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar, None follows ``settings.progress``; a function is called with the share
        done, in (0, 1].

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
    >>> sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2))
    >>> adata.obsm["X_plane"] = adata.obsm["X_pca"][:, :2]
    >>> sv.tl.direction(adata, basis="plane", groupby="branch")
    >>> bool(adata.obs["velocity_plane_determined"].mean() > 0.05)
    True
    """
    fit = Fit.read(adata, velocity_key)
    choice = DirectionChoice(basis.removeprefix("X_"), groupby, level, n_controls, rng)
    choice.check(fit)
    with Limits.of_call("directions", max_memory, n_threads, progress) as limits:
        make_directions(fit, Errors.of_fit(fit), choice, limits)


@dataclass(frozen=True)
class DirectionChoice:
    """Which directions are asked for; see :func:`direction`."""

    basis: str
    groupby: str | None
    level: float
    n_controls: int
    rng: int

    def check(self, fit: Fit) -> None:
        """Refuse what cannot be made, before anything is."""
        check_crossfit(fit)
        check_level(self.level)
        check_whole_number("n_controls", self.n_controls, least=0)
        check_whole_number("rng", self.rng)
        check_finite_embedding(fit.adata, self.basis)
        cluster_codes(fit.adata, self.groupby)
        _ = fit.graph_genes
        fit.check_counts_known()


def make_directions(fit: Fit, errors: Errors, choice: DirectionChoice, limits: Limits) -> None:
    """Do what :func:`direction` says for the velocity genes of a fit."""
    adata, genes, cells = fit.adata, fit.graph_genes, fit.inputs.cells
    basis, level, n_controls = choice.basis, choice.level, choice.n_controls
    embedding = check_finite_embedding(adata, basis)
    if embedding.shape[1] > _MOST_DIMENSIONS:
        embedding = np.ascontiguousarray(embedding[:, :_PLANE])
    n_dims = embedding.shape[1]
    names, groups = cluster_codes(adata, choice.groupby)
    # the same controls as those of the picture
    signs = Names(fit.inputs.cell_hashes, choice.rng).signs("sign-flipped control", n_controls)
    source, rule = fit.counts(genes), fit.rule(genes)
    lines = Lines(fit.gamma[genes], fit.offset[genes])
    blocks = limits.of_blocks(adata.n_obs, bytes_per_direction_value(n_dims))
    directions = find_directions(
        source, errors.of(source), rule, lines, embedding, groups, signs=signs, **blocks
    )
    arrows, n = directions.arrows, directions.n_contributions
    p = hotelling_p(arrows, directions.covariances, n)
    determined = p < 1 - level
    columns = {_keys.DIRECTION: arrows, _keys.DIRECTION_P: p, _keys.DETERMINED: determined}
    if n_dims == _PLANE:
        ends = angle_interval(arrows, directions.covariances, n, level)
        fields = (_keys.ANGLE, _keys.ANGLE_LOW, _keys.ANGLE_HIGH)
        columns |= dict(zip(fields, ends, strict=True))
    drawn = _keys.VELOCITY_EMBEDDING.read(adata, fit.key, basis, default=None)
    if drawn is not None:
        columns[_keys.AGREEMENT] = cosines(arrows, np.asarray(drawn)[:, :n_dims])
    controls = np.array(
        [hotelling_p(*control, n) < 1 - level for control in directions.controls()]
    ).reshape(n_controls, adata.n_obs)
    tables = {}
    if choice.groupby is not None:
        tables[_keys.CLUSTER_DIRECTIONS] = cluster_directions(
            directions, names, groups, determined, controls, signs, level
        )
        by_gene = contributions_by_gene(directions, names, adata.var_names[genes])
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


def cosines(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cosines of arrows, NaN where one has no length."""
    length = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    some = length > 0
    return np.where(some, (x * y).sum(axis=1) / np.where(some, length, 1.0), np.nan)
