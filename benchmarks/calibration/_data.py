"""Simulated data, and the steps that every measurement begins with."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

import steadyvelo as sv


class Draws:
    """Random draws of one data set: each takes a new child of one SeedSequence.

    Draws from one seed are alike: labels that were drawn so followed the cells' times.
    """

    def __init__(self, data_set: int) -> None:
        self._sequence = np.random.SeedSequence(data_set)

    def generator(self) -> np.random.Generator:
        return np.random.default_rng(self._sequence.spawn(1)[0])

    def seed(self) -> int:
        return int(self._sequence.spawn(1)[0].generate_state(1)[0])


def simulated(draws: Draws, *, n_cells=2000, n_genes=200, still=True, **options):
    """Draw cells, at steady state unless they are to move."""
    return sv.datasets.simulate(
        n_cells=n_cells,
        n_genes=n_genes,
        library_size_sd=0.5,
        steady_state=still,
        rng=draws.generator(),
        **options,
    )


def redraw(adata, layer: str, factor, draws: Draws, dispersion=0.0) -> None:
    """Draw the counts of a layer anew, their means times a factor (cells × genes)."""
    generator = draws.generator()
    mean = adata.obs["library_size"].to_numpy()[:, None] * adata.layers[f"true_{layer}"] * factor
    if dispersion > 0:
        mean = mean * generator.gamma(1 / dispersion, dispersion, mean.shape)
    adata.layers[layer] = sp.csr_matrix(generator.poisson(mean), dtype=np.int32)


def prepare(adata, *, n_neighbors=30, sizes="common"):
    """Find sizes and neighbours."""
    sv.pp.size_factors(adata, method=sizes)
    sv.pp.neighbors(adata, n_neighbors=n_neighbors)
    return adata


def fit(adata, **options):
    """Fit the ratios and return them with their errors, a row for each gene."""
    sv.tl.velocity(adata, dense=False, **options)
    names = ("gamma", "gamma_low", "gamma_high", "gamma_molecules", "offset_p")
    table = adata.var[[f"velocity_{name}" for name in names]]
    return table.set_axis(["gamma", "low", "high", "molecules", "offset_p"], axis=1)
