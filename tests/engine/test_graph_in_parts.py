"""The velocity graph does not depend on the parts of the cells that it is computed for."""

import numpy as np
import pytest
import scipy.sparse as sp

from steadyvelo.engine import CellOrder, correlation_graphs, recursive_neighbors


@pytest.fixture
def graph_of():
    """Return a function that correlates the same blocks with other options."""
    rng = np.random.default_rng(3)
    n_cells, n_neighbors = 300, 6
    expression = rng.gamma(0.5, size=(2, n_cells, 40)).astype(np.float32)
    velocity = rng.normal(size=(2, n_cells, 40)).astype(np.float32)
    indices = np.stack([rng.choice(n_cells, n_neighbors, replace=False) for _ in range(n_cells)])
    neighbors = np.arange(n_cells + 1) * n_neighbors, indices.astype(np.int32).ravel()
    cell_of_row = rng.permutation(n_cells).astype(np.int32)
    order = CellOrder(cell_of_row, np.argsort(cell_of_row).astype(np.int32))

    def correlate(max_bytes, n_threads=1, *, square_root=False, calls=None):
        def blocks(start, stop):
            if calls is not None:
                calls.append((start, stop))
            yield from zip(expression.copy(), velocity.copy(), strict=True)

        return correlation_graphs(
            neighbors,
            blocks,
            order,
            n_steps=2,
            square_root=square_root,
            genes_per_block=40,
            max_bytes=max_bytes,
            n_threads=n_threads,
        )

    return correlate, len(recursive_neighbors(*neighbors, n_steps=2)[1])


@pytest.mark.parametrize("square_root", [False, True])
@pytest.mark.parametrize(("n_parts", "n_threads"), [(2, 1), (5, 3), (8, 1)])
def test_parts_and_threads_change_nothing(graph_of, n_parts, n_threads, square_root):
    correlate, n_edges = graph_of
    calls = []
    whole = correlate(8 * n_edges, square_root=square_root, calls=calls)
    assert calls == [(0, 1)]
    calls.clear()
    parts = correlate(8 * n_edges / n_parts, n_threads, square_root=square_root, calls=calls)
    assert calls == [(part / n_parts, (part + 1) / n_parts) for part in range(n_parts)]
    for expected, found in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(found.indptr, expected.indptr)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.data, expected.data)
        assert found.has_sorted_indices
    assert whole[0].nnz + whole[1].nnz == n_edges


def test_very_little_memory_gives_eight_parts(graph_of):
    correlate, _ = graph_of
    calls = []
    correlate(1, calls=calls)
    assert len(calls) == 8


def test_parts_without_edges():
    """Cells without neighbours, of which a whole part may consist, have empty rows."""
    n_cells = 40
    indptr = np.concatenate([[0, 1], np.full(n_cells - 1, 2)]).astype(np.int64)
    rng = np.random.default_rng(0)
    block = tuple(rng.normal(size=(2, n_cells, 9)).astype(np.float32))
    positive, negative = correlation_graphs(
        (indptr, np.array([1, 0], dtype=np.int32)),
        lambda _start, _stop: [block],
        CellOrder.identity(n_cells),
        n_steps=2,
        square_root=False,
        genes_per_block=9,
        max_bytes=4,
    )
    edges = sp.csr_matrix(positive + negative)
    np.testing.assert_array_equal(np.diff(edges.indptr), [1, 1] + 38 * [0])
