"""Orthonormal vectors of blocks, also of nearly dependent ones."""

from __future__ import annotations

import numpy as np
import pytest

from steadyvelo.model._orthonormal import orthonormal


@pytest.mark.parametrize("spread", [1.0, 1e-6, 1e-12, 0.0])
def test_vectors_are_orthonormal_and_span_the_block(spread):
    rng = np.random.default_rng(0)
    block = rng.normal(size=(300, 1)) + spread * rng.normal(size=(300, 6))
    block[:, 2] *= 1e9
    vectors, triangle = orthonormal(block)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(np.tril(triangle, -1), 0, atol=1e-6)
    np.testing.assert_allclose(vectors @ triangle, block, rtol=1e-10, atol=1e-10)


def test_a_vector_without_length():
    block = np.random.default_rng(1).normal(size=(40, 3))
    block[:, 1] = 0
    vectors, triangle = orthonormal(block)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(vectors @ triangle, block, atol=1e-12)
