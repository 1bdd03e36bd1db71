"""How well drawn arrows show the velocity graph: its numbers, and what it is by chance."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import chi2, pearsonr

import steadyvelo as sv
from steadyvelo.engine import edge_fidelity, project_transitions
from steadyvelo.tl._fidelity import ABOVE_CHANCE


def edges_of(adata, i):
    """Cells at the ends of the edges of a cell, and their correlations."""
    row = (adata.obsp["velocity_graph"] + adata.obsp["velocity_graph_neg"])[[i]]
    return row.indices, row.data


def test_it_is_the_correlation_over_the_edges_of_a_cell(fitted):
    points, arrows = fitted.obsm["X_pca"][:, :2], fitted.obsm["velocity_pca"][:, :2]
    for i in range(0, 240, 13):
        ends, weights = edges_of(fitted, i)
        step = points[ends] - points[i]
        cosine = step @ arrows[i] / np.linalg.norm(step, axis=1) / np.linalg.norm(arrows[i])
        expected = pearsonr(weights, cosine).statistic
        assert fitted.obs["velocity_pca_fidelity"].iloc[i] == pytest.approx(expected, abs=1e-6)
        z = fitted.obs["velocity_pca_fidelity_z"].iloc[i]
        assert z == pytest.approx(expected * np.sqrt(len(ends) - 1), abs=1e-4)


def test_a_picture_that_shows_the_graph_has_a_high_fidelity_and_a_shuffled_one_none(fitted):
    assert fitted.obs["velocity_pca_fidelity"].median() > 0.5
    places = np.random.default_rng(0).permutation(240)
    fitted.obsm["X_mixed"] = fitted.obsm["X_pca"][places, :2].copy()
    sv.tl.velocity_embedding(fitted, basis="mixed")
    assert fitted.obs["velocity_mixed_fidelity"].median() < 0.3
    assert (fitted.obs["velocity_mixed_fidelity_z"] > ABOVE_CHANCE).mean() < 0.15


def permuted(rng, n_edges, n_cells, fixed):
    """z of cells at the centre of random points, with weights that have nothing to do with them.

    The arrow points anywhere (`fixed`), or is computed from these weights.
    """
    n = n_cells * (n_edges + 1)
    centre = np.arange(n_cells) * (n_edges + 1)
    ends = (centre[:, None] + 1 + np.arange(n_edges)).ravel()
    weights = rng.gamma(0.3, size=ends.size) * rng.choice([-1, 1], ends.size)
    weights = np.clip(weights, -0.9, 0.9)
    graph = sp.csr_matrix((weights, (np.repeat(centre, n_edges), ends)), shape=(n, n))
    signs = sp.csr_matrix(graph.maximum(0)), sp.csr_matrix(graph.minimum(0))
    points = rng.normal(size=(n, 2)) * [3, 1]
    points[centre] = 0
    arrows = rng.normal(size=(n, 2))
    if not fixed:
        arrows = project_transitions(*signs, points, scale=4.0)
    values, found = edge_fidelity(*signs, points, arrows)
    assert (found[centre] == n_edges).all()
    return values[centre] * np.sqrt(n_edges - 1)


@pytest.mark.parametrize("n_edges", [5, 40])
def test_permuted_weights_have_the_moments_that_are_said(n_edges):
    rng = np.random.default_rng(1)
    z = permuted(rng, n_edges, 4000, fixed=True)
    # mean 0 and variance 1, within four of their standard errors
    assert abs(z.mean()) < 4 / np.sqrt(4000)
    assert abs((z**2).mean() - 1) < 4 * np.sqrt(2 / 4000)
    # the arrow is made of the weights: above 0, and at most as the best direction is
    refit = permuted(rng, n_edges, 4000, fixed=False)
    assert 0.5 < refit.mean() < np.sqrt(np.pi / 2) + 0.05
    assert (refit**2).mean() < 2 + 4 * np.sqrt(4 / 4000)
    assert (refit > ABOVE_CHANCE).mean() < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)
    # the threshold of a fixed arrow would be passed far too often
    assert (refit > 1.645).mean() > 0.1


def test_the_threshold_is_that_of_two_dimensions():
    np.testing.assert_allclose(ABOVE_CHANCE**2, chi2(2).isf(0.05))


def test_a_new_graph_or_fit_leaves_no_fidelity(fitted):
    assert "velocity_pca_fidelity_z" in fitted.obs
    sv.tl.velocity_graph(fitted)
    assert not [name for name in fitted.obs if "fidelity" in name]


def test_a_line_of_cells_has_a_fidelity_on_one_dimension(fitted):
    fitted.obsm["X_line"] = fitted.obsm["X_pca"][:, :1].copy()
    sv.tl.velocity_embedding(fitted, basis="line")
    ends, weights = edges_of(fitted, 5)
    step = fitted.obsm["X_line"][ends, 0] - fitted.obsm["X_line"][5, 0]
    sign = np.sign(step) * np.sign(fitted.obsm["velocity_line"][5, 0])
    expected = pearsonr(weights, sign).statistic
    assert fitted.obs["velocity_line_fidelity"].iloc[5] == pytest.approx(expected, abs=1e-6)
