"""Arrows on principal components, and diffusion, against dense arrays."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.engine import component_arrows, with_diffusion
from tests.strategies import abundances, graphs, shapes, velocities


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    shape=shapes((1, 20), (1, 23)),
    size=st.integers(1, 30),
    threads=st.integers(1, 3),
)
def test_component_arrows_are_sums_over_genes_however_they_are_cut(data, shape, size, threads):
    x = data.draw(abundances(shape, dtype=np.float32))
    v = data.draw(velocities(shape, dtype=np.float32))
    loadings = data.draw(velocities((shape[1], 3)))
    blocks = [(x[:, a : a + size], v[:, a : a + size]) for a in range(0, shape[1], size)]
    found = component_arrows(blocks, loadings, shape[0], threads)
    expected = (v.astype(float) / (1 + x.astype(float))) @ loadings
    np.testing.assert_allclose(found, expected, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), n=st.integers(1, 20), share=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_diffusion_is_mixed_row_by_row(data, n, share):
    weights = st.sampled_from([0.25, 0.5, 1.0])
    graph = data.draw(graphs(n, values=weights)).toarray()
    walk = data.draw(graphs(n, values=weights)).toarray()
    walk = walk + walk.T

    def divided(x):
        total = x.sum(axis=1, keepdims=True)
        return np.divide(x, total, out=np.zeros_like(x), where=total > 0)

    transitions, diffusion = divided(graph), divided(walk)
    mixed = with_diffusion(sp.csr_matrix(transitions), sp.csr_matrix(walk), share).toarray()
    for found, one, other in zip(mixed, transitions, diffusion, strict=True):
        both = one.any() and other.any()
        expected = (1 - share) * one + share * other if both else one + other
        np.testing.assert_allclose(found, expected, atol=1e-6)
