"""What intervals are compared with: textbook least squares, and count splitting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors

import steadyvelo as sv


def marked(spliced, unspliced, weights: str, *, offset: bool) -> np.ndarray:
    """Weights of cells × genes in a fit to smoothed values."""
    s, u = (np.ascontiguousarray(x.T, dtype=np.float64) for x in (spliced, unspliced))
    quantiles = (0.05 if offset else None, 0.95)
    return sv.model.steady_state_weights(s, u, weights, quantiles=quantiles).T.astype(np.float64)


def naive(adata, weights: str, *, offset: bool) -> pd.DataFrame:
    """Least squares on the smoothed values, as if cells were independent."""
    s, u = (adata.layers[name].astype(np.float64) for name in ("Ms", "Mu"))
    w = marked(s, u, weights, offset=offset)
    n = w.sum(axis=0)
    if offset:
        s, u = (x - (w * x).sum(axis=0) / n for x in (s, u))
    square = (w * s * s).sum(axis=0)
    gamma = (w * s * u).sum(axis=0) / square
    left = (w * (u - gamma * s) ** 2).sum(axis=0) / (n - 1 - offset)
    error = 1.96 * np.sqrt(left / square)
    return pd.DataFrame({"gamma": gamma, "low": gamma - error, "high": gamma + error})


def thinned(adata, halves, n_neighbors: int, weights: str, *, offset: bool) -> pd.DataFrame:
    """Neighbours and instruments from one half of the molecules, the other weighed; both ways."""
    scale = 1 / adata.obs["size_factor_spliced"].to_numpy()
    parts = []
    # what is divided by the size and counts for two, from each half of both layers
    values = [[2 * scale[:, None] * half for half in layer] for layer in halves]
    for own in (0, 1):
        smooth = means_over_others(np.log1p(values[0][own]), n_neighbors)
        a, b = (smooth @ layer[own] for layer in values)
        m = marked(a, b, weights, offset=offset)
        parts.append((smooth.T @ (m * a), smooth.T @ m, *(layer[1 - own] for layer in values)))
    # a molecule counts for two, so what a count is worth is two scales
    scales = np.tile(2 * scale, (2, 2)).T
    instruments = sv.model.Instruments(*map(np.concatenate, zip(*parts, strict=True)), scales)
    errors = instruments.errors(centred=offset)
    return pd.DataFrame({"gamma": errors.gamma, "low": errors.low, "high": errors.high})


def halves_of(adata, generator) -> list[list[np.ndarray]]:
    """Cut the molecules of each layer in two at random."""
    halves = []
    for name in ("spliced", "unspliced"):
        counts = adata.layers[name].toarray()
        half = generator.binomial(counts, 0.5)
        halves.append([half, counts - half])
    return halves


def means_over_others(log_counts, n_neighbors: int):
    """The operator of means over the nearest cells, each cell itself left out."""
    components = sc.pp.pca(log_counts.astype(np.float32), n_comps=30)
    found = NearestNeighbors(n_neighbors=n_neighbors - 1).fit(components)
    return sp.csr_array(found.kneighbors_graph()) / (n_neighbors - 1)
