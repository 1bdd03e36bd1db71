r"""A check of fitted lines against the change of expression along an embedding.

If cells move on an embedding, spliced mRNA of a gene changes as :math:`\dot s = c \cdot \nabla s`,
where c is the velocity on the embedding and ∇s the slope of s along it, which is the same motion
for all genes. If the ratio of a gene is too large by δ, its velocities are too small by δs in all
clusters; if the RNA content of a cluster grows at the rate λ, all its velocities are larger by λs.
So the mean velocity of gene g in cluster k is

.. math:: \bar v_{kg} = c_k \cdot p_{kg} + (\lambda_k - \delta_g)\, \bar s_{kg},

with the slopes p of s within the cluster. c, λ and δ are estimated from all genes and clusters
together. No cell is taken to be at steady state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from scipy.linalg import pinvh

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._typing import Float64Array

__all__ = ["ClusterMoments", "Motion", "explain_velocities"]

# clusters with fewer cells have no slope worth the name, and two of them cannot be compared
_FEWEST_CELLS, _FEWEST_CLUSTERS = 20, 3
# genes for each number that is estimated of a cluster
_GENES_EACH = 10
# velocities are explained up to this part of γs, however precise they are
_TOLERANCE = 0.05
# residuals beyond this many standard deviations have less weight (Huber)
_HUBER, _ROUNDS = 2.0, 8


class Motion(NamedTuple):
    """How the velocities of clusters are explained; NaN where they cannot be.

    Attributes
    ----------
    growth, growth_se
        λ relative to the mean of all clusters, per splicing time, and its standard error over
        genes, shape (clusters,).
    excess, excess_se
        δ and its standard error, shape (genes,).
    """

    growth: Float64Array
    growth_se: Float64Array
    excess: Float64Array
    excess_se: Float64Array


@dataclass(frozen=True, eq=False)
class ClusterMoments:
    """Means and slopes of the cells of each cluster, from their counts without smoothing.

    Attributes
    ----------
    n
        Number of cells, shape (clusters,).
    spliced, velocity
        Means of s and v, shape (clusters, genes).
    velocity_variance
        Variance of the mean of v, shape (clusters, genes).
    slopes
        Slopes of s along the embedding, shape (clusters, dimensions, genes).
    slope_variance
        Variance of s around them, shape (clusters, genes), and the inverse of Σxxᵀ over the
        centred places x of the cells, shape (clusters, dimensions, dimensions). Their product is
        the covariance of the slopes.
    """

    n: NDArray[np.intp]
    spliced: Float64Array
    velocity: Float64Array
    velocity_variance: Float64Array
    slopes: Float64Array
    slope_variance: tuple[Float64Array, Float64Array]

    @classmethod
    def of_sums(cls, sums: Float64Array, n: NDArray[np.intp], spread: Float64Array) -> Self:
        """Compute them from Σs, Σs², Σv, Σv² and Σxs, of shape (genes, clusters, 4 + dimensions).

        x are the places of cells, centred in their cluster, and `spread` is Σxxᵀ of each cluster.
        """
        s, ss, v, vv = sums[:, :, :4].transpose(2, 1, 0)
        xs = sums[:, :, 4:].transpose(1, 2, 0)
        cells: Float64Array = n[:, None].astype(np.float64)
        inverse = np.linalg.pinv(spread, hermitian=True).astype(np.float64)
        slopes = inverse @ xs
        with np.errstate(invalid="ignore", divide="ignore"):
            around = ss - s * s / cells - (slopes * xs).sum(axis=1)
            of_slopes = np.maximum(around, 0.0) / (cells - 1 - slopes.shape[1])
            variance = np.maximum(vv - v * v / cells, 0.0) / (cells * (cells - 1))
            return cls(n, s / cells, v / cells, variance, slopes, (of_slopes, inverse))

    def of(self, clusters: NDArray[np.bool_]) -> ClusterMoments:
        """Return the moments of some clusters."""
        around, inverse = self.slope_variance
        return ClusterMoments(
            self.n[clusters],
            self.spliced[clusters],
            self.velocity[clusters],
            self.velocity_variance[clusters],
            self.slopes[clusters],
            (around[clusters], inverse[clusters]),
        )


def explain_velocities(moments: ClusterMoments, gamma: Float64Array) -> Motion:
    """Explain the mean velocities of clusters by motion, growth and wrong ratios.

    Velocities are weighted by 1 / (variance of the mean + (γs/20)²), and those that remain
    unexplained have less weight. The error of λ is that over genes, each of which is one
    observation. That of δ is the larger one of two: from the variance of counts, or from what
    remains unexplained in the clusters.

    Parameters
    ----------
    moments
        Moments of genes that are fitted well.
    gamma
        Fitted ratios, above 0, shape (genes,).

    Returns
    -------
    Estimates; all are NaN with fewer than three clusters of 20 cells, or fewer than ten genes for
    each number that is estimated of a cluster.
    """
    n_clusters, n_dims, n_genes = moments.slopes.shape
    growth, growth_se = np.full((2, n_clusters), np.nan)
    excess, excess_se = np.full((2, n_genes), np.nan)
    used = moments.n >= _FEWEST_CELLS
    if used.sum() >= _FEWEST_CLUSTERS and n_genes >= _GENES_EACH * (n_dims + 1):
        growth[used], growth_se[used], excess, excess_se = _explain(moments.of(used), gamma)
    return Motion(growth, growth_se, excess, excess_se)


def _explain(moments: ClusterMoments, gamma: Float64Array) -> Motion:
    s, v = moments.spliced, moments.velocity
    # what is estimated of a cluster: the velocity along each dimension, and growth
    terms = np.concatenate([moments.slopes, s[:, None]], axis=1)
    n_clusters, n_terms, n_genes = terms.shape
    variance = moments.velocity_variance
    known = variance > 0
    scatter = np.where(known, variance + (_TOLERANCE * gamma * s) ** 2, 1.0)
    weights = known / scatter
    robust = np.ones_like(weights)
    for _ in range(_ROUNDS):
        used = weights * robust
        inverse, right = _equations(used, s, v, terms)
        found = (inverse @ right).reshape(n_clusters, n_terms)
        explained = np.einsum("kt,ktg->kg", found, terms)
        excess = _of_genes(used, s, explained - v)
        left = v + excess * s - explained
        size = np.abs(left) * np.sqrt(weights)
        spread = 1.4826 * np.median(size[weights > 0])
        robust = 1 / np.maximum(1.0, size / (_HUBER * max(spread, 1e-300)))
    scores = ((used * left)[:, None] * terms).reshape(-1, n_genes)
    # the jackknife over genes, with an average leverage
    of_genes = ((inverse @ scores) ** 2).sum(axis=1) * n_genes / (n_genes - n_terms)
    growth_se = np.sqrt(of_genes.reshape(n_clusters, n_terms)[:, -1])
    around, spread_of_places = moments.slope_variance
    along = np.einsum("kd,kdf,kf->k", found[:, :-1], spread_of_places, found[:, :-1])
    of_counts = variance + along[:, None] * around
    share = used * s / _positive((used * s * s).sum(axis=0))
    unexplained = left**2 * n_clusters / (n_clusters - 1)
    error = np.maximum((share**2 * of_counts).sum(axis=0), (share**2 * unexplained).sum(axis=0))
    few = (weights > 0).sum(axis=0) < _FEWEST_CLUSTERS
    return Motion(
        found[:, -1],
        growth_se,
        np.where(few, np.nan, excess),
        np.where(few, np.nan, np.sqrt(error)),
    )


def _equations(
    weights: Float64Array, s: Float64Array, v: Float64Array, terms: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return the inverse of the normal equations of all clusters, freed from δ, and their right.

    A constant may be moved between λ and δ: λ is chosen to have the mean 0.
    """
    n_clusters, n_terms, n_genes = terms.shape
    total = _positive((weights * s * s).sum(axis=0))
    along = ((weights * s)[:, None] * terms).reshape(-1, n_genes)
    matrix = -(along / total) @ along.T
    right = -(along / total) @ (weights * s * v).sum(axis=0)
    for k in range(n_clusters):
        own, weighted = slice(k * n_terms, (k + 1) * n_terms), terms[k] * weights[k]
        matrix[own, own] += weighted @ terms[k].T
        right[own] += weighted @ v[k]
    # the sum of all λ, which nothing else determines, becomes 0
    scale = np.trace(matrix) / len(matrix)
    growth = np.arange(n_terms - 1, len(matrix), n_terms)
    matrix[np.ix_(growth, growth)] += scale
    return np.asarray(pinvh(matrix), dtype=np.float64), np.asarray(right)


def _of_genes(weights: Float64Array, s: Float64Array, value: Float64Array) -> Float64Array:
    return np.asarray((weights * s * value).sum(axis=0) / _positive((weights * s * s).sum(axis=0)))


def _positive(x: Float64Array) -> Float64Array:
    return np.where(x > 0, x, np.inf)
