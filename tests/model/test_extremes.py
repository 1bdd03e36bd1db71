"""What the extreme cells of a gene say, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from steadyvelo.model import SufficientStatistics, gamma_path, steady_state_weights
from steadyvelo.model._extremes import halves, overdispersion, upper_end


def example(rng=0, n_genes=5, n_cells=400):
    generator = np.random.default_rng(rng)
    spliced = generator.gamma(2.0, 1.0, (n_genes, n_cells)).astype(np.float32)
    noise = generator.gamma(20.0, 1 / 20, (n_genes, n_cells))
    return spliced, (0.4 * spliced * noise + 0.3).astype(np.float32)


@pytest.mark.parametrize("offset", [False, True])
def test_the_path_is_the_fit_at_every_quantile(offset):
    s, u = example()
    shares = np.array([0.05, 0.1, 0.25, 0.5])
    path = gamma_path(s, u, shares, offset=offset, both_ends=offset)
    for k, share in enumerate(shares):
        # percentiles lie between cells: one rank less on either side gives as many cells
        edge = (share * 400 - 0.5) / 399
        weights = steady_state_weights(
            s, u, "extremes", quantiles=(edge if offset else None, 1 - edge)
        )
        fit = SufficientStatistics.from_gene_rows(s, u, weights).solve(offset=offset)
        np.testing.assert_allclose(path[:, k], fit.gamma, rtol=1e-5)


@pytest.mark.parametrize("both_ends", [False, True])
def test_of_equal_cells_the_path_takes_the_first_at_the_top_and_the_last_at_the_bottom(both_ends):
    generator = np.random.default_rng(2)
    s, u = generator.integers(0, 3, (2, 6, 50)).astype(np.float32)
    shares = np.array([0.05, 0.2, 0.3, 1.0])
    found = gamma_path(s, u, shares, offset=False, both_ends=both_ends)
    z = s / s.max(axis=1, keepdims=True) + u / u.max(axis=1, keepdims=True)
    for g in range(6):
        order = np.argsort(-z[g], kind="stable")
        for k, share in enumerate(shares):
            n = int(np.ceil(share * 50))
            chosen = order[:n]
            if both_ends:
                chosen = np.concatenate([order[: min(n, 25)], order[50 - min(n, 25) :]])
            x, y = s[g, chosen], u[g, chosen]
            np.testing.assert_allclose(found[g, k], (x @ y) / (x @ x), rtol=1e-6)


def test_a_path_without_spread_is_not_a_number():
    path = gamma_path(np.zeros((1, 9)), np.ones((1, 9)), np.ones(1), offset=False, both_ends=False)
    assert np.isnan(path).all()
    ones = np.ones((1, 9))
    assert np.isnan(gamma_path(ones, ones, np.ones(1), offset=True, both_ends=True)).all()


def test_halves_cut_the_upper_end_at_its_median():
    s, u = example()
    weights = steady_state_weights(s, u, "extremes", quantiles=(0.1, 0.9))
    top = upper_end(s, weights)
    for g in range(len(s)):
        inside = s[g, weights[g] > 0]
        middle = (inside.min() + inside.max()) / 2
        np.testing.assert_array_equal(top[g], (weights[g] > 0) & (s[g] >= middle))
    parts = halves(s, top)
    assert not (parts["upper"] & parts["lower"]).any()
    np.testing.assert_array_equal(parts["upper"] | parts["lower"], top)
    assert (abs(parts["upper"].sum(1) - parts["lower"].sum(1)) <= 1).all()
    assert all(s[g, parts["upper"][g]].min() > s[g, parts["lower"][g]].max() for g in range(5))
    nothing = halves(s, np.zeros_like(top))
    assert not nothing["upper"].any()


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
