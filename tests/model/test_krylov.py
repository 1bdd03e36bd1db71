"""Eigenvalues found in a growing space, beside those of dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

from steadyvelo.model._krylov import KrylovSpace


def draw(n):
    return lambda number: np.random.default_rng([7, number]).random(n)


def search(matrix, n_wanted, width, *, symmetric, most=300):
    """Return the first approximations once they are exact, and the vectors."""
    space = KrylovSpace(aslinearoperator(matrix), draw(len(matrix)), width, symmetric=symmetric)
    for _ in range(most):
        space.expand()
        found = space.approximations()
        if len(found.values) >= n_wanted and (found.residuals[:n_wanted] < 1e-9).all():
            break
        if space.width == 0:
            break
    else:
        pytest.fail("not found")
    return found.values[:n_wanted], space.vectors(found.coordinates[:, :n_wanted]), space


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("n", [4, 30, 400])
def test_symmetric_eigenvalues_and_vectors(n, width):
    rng = np.random.default_rng(n)
    turned = np.linalg.qr(rng.normal(size=(n, n)))[0]
    exact = np.concatenate([[3.0, 2.5, 2.4], rng.uniform(-4, 2, n)])[:n]
    matrix = (turned * exact) @ turned.T
    values, vectors, _ = search(matrix, 3, width, symmetric=True)
    np.testing.assert_allclose(values, [3.0, 2.5, 2.4], atol=1e-9)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-8)


@pytest.mark.parametrize("width", [1, 3])
def test_the_largest_real_parts_of_a_matrix_that_is_not_symmetric(width):
    """Many complex pairs, so that the space is reduced several times."""
    rng = np.random.default_rng(1)
    n = 500
    blocks = np.zeros((n, n))
    for k in range(2, n, 2):
        size, angle = rng.uniform(0.2, 0.97), rng.uniform(0, np.pi)
        blocks[k : k + 2, k : k + 2] = size * np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
    blocks[0, 0], blocks[1, 1] = 1.0, 0.99
    blocks += np.triu(rng.normal(size=(n, n)) * 0.01, 2)
    turned = np.linalg.qr(rng.normal(size=(n, n)))[0]
    matrix = turned @ blocks @ turned.T
    values, vectors, space = search(matrix, 2, width, symmetric=False)
    exact = np.linalg.eigvals(matrix)
    np.testing.assert_allclose(values, np.sort(exact.real)[::-1][:2], atol=1e-8)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-7)
    assert space.n_products * width > 60


def test_equal_eigenvalues_are_found_once_for_each_vector_of_a_product():
    values = np.concatenate([np.ones(4), np.linspace(0, 0.8, 96)])
    for width in (1, 2, 4):
        found, _, _ = search(np.diag(values), width, width, symmetric=False)
        np.testing.assert_allclose(found, np.ones(width), atol=1e-9)
    space = KrylovSpace(aslinearoperator(np.diag(values)), draw(100), 2, symmetric=False)
    for _ in range(12):
        space.expand()
    assert (abs(space.approximations().values.real - 1) < 1e-6).sum() == 2
    space.widen(2)
    for _ in range(24):
        space.expand()
    assert (abs(space.approximations().values.real - 1) < 1e-6).sum() == 4


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_space_that_products_do_not_leave_gets_new_vectors(symmetric):
    """Products of the identity are the vectors themselves."""
    space = KrylovSpace(aslinearoperator(np.eye(6)), draw(6), 2, symmetric=symmetric)
    while space.width:
        space.expand()
    found = space.approximations()
    np.testing.assert_allclose(found.values, np.ones(6), atol=1e-12)
    basis = space.vectors(np.eye(6))
    np.testing.assert_allclose(basis.T @ basis, np.eye(6), atol=1e-12)
