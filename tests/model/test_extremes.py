"""What the extreme cells of a gene say, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from steadyvelo.model import steady_state_weights
from steadyvelo.model._extremes import overdispersion, upper_end


def example(rng=0, n_genes=5, n_cells=400):
    generator = np.random.default_rng(rng)
    spliced = generator.gamma(2.0, 1.0, (n_genes, n_cells)).astype(np.float32)
    noise = generator.gamma(20.0, 1 / 20, (n_genes, n_cells))
    return spliced, (0.4 * spliced * noise + 0.3).astype(np.float32)


def test_the_upper_end_is_above_the_middle_of_the_range():
    s, u = example()
    weights = steady_state_weights(s, u, "extremes", quantiles=(0.1, 0.9))
    top = upper_end(s, weights)
    for g in range(len(s)):
        inside = s[g, weights[g] > 0]
        middle = (inside.min() + inside.max()) / 2
        np.testing.assert_array_equal(top[g], (weights[g] > 0) & (s[g] >= middle))
    assert not upper_end(s, np.zeros_like(weights)).any()


@pytest.mark.parametrize("phi", [0.0, 0.5, 2.0])
def test_overdispersion_finds_what_was_put_in(phi):
    rng = np.random.default_rng(1)
    n_cells, k = 6000, 20
    scale = 1 / np.exp(rng.normal(0, 0.4, n_cells))
    mean = np.full((8, n_cells), 1.5)
    library = mean * (rng.gamma(1 / phi, phi, mean.shape) if phi else 1.0)
    counts = rng.poisson(library / scale) * scale
    neighbors = rng.integers(0, n_cells, (n_cells, k))
    means = counts[:, neighbors].mean(axis=2)
    found = overdispersion(counts, means, scale, np.full(n_cells, float(k)))
    # neighbours' size factors stand in for the cell's own in a term of 1/k
    np.testing.assert_allclose(found.mean(), phi, atol=0.03 + 0.06 * phi)


def test_overdispersion_needs_molecules():
    few = np.zeros((1, 50))
    few[0, 3] = 1
    assert np.isnan(overdispersion(few, few / 2, np.ones(50), np.full(50, 5.0))).all()
