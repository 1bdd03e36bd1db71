"""Each kernel against a few lines of numpy that say what it computes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.engine import (
    CellOrder,
    CountsSource,
    EdgeCorrelation,
    LayerSource,
    Scratch,
    SmoothingOperator,
    _gather,
    _velocity_graph,
    project_transitions,
    recursive_neighbors,
    self_transition_probability,
    split_signs,
    transition_probabilities,
    velocity_agreement,
    weighted_column_sums,
)
from tests.strategies import abundances, cell_orders, counts, graphs, shapes, velocities


def random_graph(rng, n, degree):
    """A directed graph with rows of unequal length, some of them empty."""
    graph = sp.random_array((n, n), density=degree / n, rng=rng, format="csr")
    graph.setdiag(0)
    graph.eliminate_zeros()
    return graph


def pattern(graph):
    return graph.indptr.astype(np.int64), graph.indices.astype(np.int32)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), shape=shapes((1, 20)))
def test_smoothing_is_the_row_normalised_pattern_with_the_cell_itself(data, shape):
    graph = data.draw(graphs(shape[0]))
    graph = graph + graph.T
    dense = (graph.toarray() != 0).astype(float) + np.eye(shape[0])
    dense /= dense.sum(axis=1, keepdims=True)
    operator = SmoothingOperator.from_connectivities(graph)
    np.testing.assert_allclose(operator.to_matrix().toarray(), dense, rtol=1e-12)
    values = data.draw(abundances(shape, dtype=np.float32))
    np.testing.assert_allclose(operator.apply(values, 2), dense @ values, rtol=1e-5)


def test_an_explicit_zero_is_no_neighbour_and_the_graph_is_left_alone():
    graph = sp.csr_array((np.array([0.0, 1.0]), np.array([1, 2]), np.array([0, 2, 2, 2])))
    graph.resize((3, 3))
    operator = SmoothingOperator.from_connectivities(graph)
    assert operator.to_matrix().toarray()[0].tolist() == [0.5, 0, 0.5]
    assert graph.data.tolist() == [0, 1]


def test_cells_that_are_left_out_enter_no_mean():
    graph = sp.csr_array(np.ones((4, 4)) - np.eye(4))
    operator = SmoothingOperator.from_connectivities(graph, np.array([True, True, True, False]))
    expected = np.array([[1, 1, 1, 0]] * 4) / 3
    np.testing.assert_allclose(operator.to_matrix().toarray(), expected)


def graph_of_any_size(**options):
    return st.integers(1, 24).flatmap(lambda n: graphs(n, **options))


FORMATS = [sp.csr_matrix, sp.csc_array, sp.coo_array, np.asarray]


def shuffled(rng, n):
    order = rng.permutation(n).astype(np.int32)
    return CellOrder(order, np.argsort(order).astype(np.int32))


def random_source(rng, genes):
    """Blocks from counts of 50 cells and 23 genes."""
    s, u = rng.poisson(1.0, (2, 50, 23))
    scale = rng.uniform(0.5, 2, (2, 50))
    return sources(s, u, random_graph(rng, 50, 5), scale, shuffled(rng, 50), genes)


def sources(s, u, graph, scale, order, genes, convert=sp.csr_matrix):
    """Blocks from counts in some order, and what they should hold in the cells' own."""
    graph = graph + graph.T
    operator = SmoothingOperator.from_connectivities(graph)
    source = CountsSource(
        convert(s),
        convert(u),
        genes,
        order,
        spliced_scale=scale[0],
        unspliced_scale=scale[1],
        smoothing=operator.reordered(order),
    )
    w = operator.to_matrix().toarray()
    return source, (w @ (scale[0][:, None] * s))[:, genes], (w @ (scale[1][:, None] * u))[:, genes]


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    shape=shapes((1, 20), (1, 23)),
    size=st.integers(1, 30),
    threads=st.integers(1, 3),
    convert=st.sampled_from(FORMATS),
)
def test_blocks_are_smoothed_normalised_counts_however_they_are_cut(
    data, shape, size, threads, convert
):
    s, u = data.draw(counts(shape)), data.draw(counts(shape))
    scale = 0.5 + data.draw(abundances((2, shape[0])))
    order = data.draw(cell_orders(shape[0]))
    genes = np.array(sorted(data.draw(st.sets(st.integers(0, shape[1] - 1), min_size=1))))
    source, s, u = sources(s, u, data.draw(graphs(shape[0])), scale, order, genes, convert)
    cut = [
        source.block(slice(a, min(a + size, len(genes))), threads)
        for a in range(0, len(genes), size)
    ]
    order = source.order.cell_of_row
    for name, expected in (("spliced", s), ("unspliced", u)):
        values = np.hstack([getattr(block, name) for block in cut])
        np.testing.assert_allclose(values, expected[order], rtol=1e-5, atol=1e-7)
        assert all(getattr(block, name).flags.c_contiguous for block in cut)
    # the arrays of one block serve for the next, and nothing is left in them
    for block, alone in zip(source.blocks(size, threads), cut, strict=True):
        np.testing.assert_array_equal(block.genes, alone.genes)
        np.testing.assert_array_equal(block.spliced, alone.spliced)
        np.testing.assert_array_equal(block.unspliced, alone.unspliced)


def test_blocks_can_be_made_in_any_order():
    source, s, _ = random_source(np.random.default_rng(3), np.arange(23))
    scratch = Scratch()
    for genes in (slice(12, 20), slice(0, 5), slice(20, 23), slice(3, 12), slice(0, 23)):
        block = source.block(genes, 1, scratch)
        np.testing.assert_allclose(block.spliced, s[source.order.cell_of_row, genes], rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_arrays_that_are_used_again_begin_with_a_cache_line(dtype):
    scratch = Scratch()
    kept = [scratch.array(f"of {size}", (size, 3), dtype) for size in range(1, 40)]
    for size, array in enumerate(kept, start=1):
        assert array.ctypes.data % 64 == 0
        array[:] = size
    assert all((array == size).all() for size, array in enumerate(kept, start=1))
    smaller = scratch.array("of 39", (2, 3), dtype)
    assert np.shares_memory(smaller, kept[-1])


def test_blocks_are_written_and_turned_to_the_order_of_the_cells():
    source, s, u = random_source(np.random.default_rng(4), np.arange(2, 22, 2))
    layer = np.zeros((50, 23), dtype=np.float32)
    for block in source.blocks(4):
        block.write(layer, source.genes[block.genes], block.spliced)
        spliced, unspliced = block.by_gene(slice(1, 2))
        gene = block.genes[1]
        np.testing.assert_allclose(spliced, s[:, gene][None], rtol=1e-5)
        np.testing.assert_allclose(unspliced, u[:, gene][None], rtol=1e-5)
    np.testing.assert_allclose(layer[:, 2:22:2], s, rtol=1e-5)
    assert not layer[:, 1::2].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layers_give_the_same_blocks_in_any_type_of_array(array_type, dtype):
    rng = np.random.default_rng(0)
    x = rng.gamma(2, size=(200, 9)).astype(dtype)
    x[rng.random(x.shape) < 0.5] = 0
    genes, order = np.array([1, 4, 8]), shuffled(rng, 200)
    source = LayerSource(array_type(x), array_type(2 * x), genes, order)
    for block in source.blocks(2, n_threads=2):
        expected = x[np.ix_(order.cell_of_row, genes[block.genes])].astype(np.float32)
        np.testing.assert_array_equal(block.spliced, expected)
        np.testing.assert_array_equal(block.unspliced, 2 * expected)


def test_unsorted_and_doubled_entries_are_summed_without_touching_the_counts():
    data, indices = np.array([1, 2, 4]), np.array([2, 0, 2])
    counts = sp.csr_array((data, indices, np.array([0, 3, 3])), shape=(2, 3))
    source = LayerSource(counts, counts, np.arange(3), CellOrder.identity(2))
    (block,) = source.blocks(3)
    assert block.spliced.tolist() == [[2, 0, 5], [0, 0, 0]]
    assert counts.indices.tolist() == [2, 0, 2]


def test_no_block_is_made_of_what_cannot_be_read():
    class Rows(list):
        shape = (2, 2)

    with pytest.raises(TypeError, match=r"cannot make blocks of a Rows\."):
        _gather.block_of_columns(Rows(), np.arange(2))


@settings(max_examples=20, deadline=None)
@given(data=st.data(), n=st.integers(1, 20))
def test_patterns_are_relabelled_to_an_order(data, n):
    graph = data.draw(graphs(n))
    order = data.draw(cell_orders(n))
    expected = graph.toarray()[np.ix_(order.cell_of_row, order.cell_of_row)]
    starts, columns = order.relabel(*pattern(graph))
    relabelled = sp.csr_array((np.ones(len(columns)), columns, starts), shape=(n, n))
    np.testing.assert_array_equal(relabelled.toarray(), expected != 0)
    # entries of a row keep their order here: sums in float32 depend on it
    for p in range(n):
        i = order.cell_of_row[p]
        row = graph.indices[graph.indptr[i] : graph.indptr[i + 1]]
        assert order.cell_of_row[columns[starts[p] : starts[p + 1]]].tolist() == row.tolist()


def test_the_order_along_a_graph_is_a_permutation_that_keeps_neighbours_close():
    rng = np.random.default_rng(0)
    place = rng.permutation(500)
    chain = sp.csr_array((np.ones(499), (place[:-1], place[1:])), shape=(500, 500))
    graph = sp.csr_array(chain + chain.T)
    order = CellOrder.along(*pattern(graph))
    assert sorted(order.cell_of_row) == list(range(500))
    np.testing.assert_array_equal(order.cell_of_row[order.row_of_cell], np.arange(500))
    rows = np.repeat(np.arange(500), np.diff(graph.indptr))
    assert abs(order.row_of_cell[rows] - order.row_of_cell[graph.indices]).max() == 1
    alone = CellOrder.along(np.zeros(4, dtype=np.int64), np.empty(0, dtype=np.int32))
    assert sorted(alone.cell_of_row) == [0, 1, 2]


def test_weighted_column_sums(array_type):
    rng = np.random.default_rng(0)
    x, weights = rng.poisson(0.3, (300, 7)), rng.random(300)
    for threads in (1, 3):
        sums = weighted_column_sums(array_type(x), weights, threads)
        np.testing.assert_allclose(sums, weights @ x, rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(graph=graph_of_any_size(), n_steps=st.integers(1, 3), threads=st.integers(1, 3))
def test_reach_is_the_union_of_powers_without_the_diagonal(graph, n_steps, threads):
    step = (graph.toarray() != 0).astype(int)
    reached = sum(np.linalg.matrix_power(step, k) for k in range(1, n_steps + 1)) > 0
    np.fill_diagonal(reached, val=False)
    indptr, indices = recursive_neighbors(*pattern(graph), n_steps=n_steps, n_threads=threads)
    found = sp.csr_array((np.ones(len(indices), bool), indices, indptr), shape=step.shape)
    np.testing.assert_array_equal(found.toarray(), reached)
    assert found.has_sorted_indices


def pearson(x, y):
    """Correlation of two rows, 0 where one is constant."""
    x, y = x - x.mean(), y - y.mean()
    spread = np.sqrt((x @ x) * (y @ y))
    return x @ y / spread if spread > 0 else 0.0


def cancellation(rows):
    """How much larger each row is than what it differs by; 1 where it is constant."""
    spread = np.linalg.norm(rows - rows.mean(axis=1, keepdims=True), axis=1)
    size = np.linalg.norm(rows, axis=1)
    return np.divide(size, spread, where=spread > 1e-9, out=np.ones(len(rows)))


def root(x):
    return np.sign(x) * np.sqrt(abs(x))


def correlations(x, v, graph, change=lambda x: x):
    """Correlation per edge in a loop."""
    rows = np.repeat(np.arange(len(x)), np.diff(graph.indptr))
    return np.array(
        [
            pearson(change(x[j] - x[i]), change(v[i]))
            for i, j in zip(rows, graph.indices, strict=True)
        ]
    )


def edge_correlations(x, v, graph, size, threads=1, **options):
    edges = EdgeCorrelation(*pattern(graph), **options)
    for a in range(0, x.shape[1], size):
        block = (np.ascontiguousarray(part[:, a : a + size]) for part in (x, v))
        edges.add(*block, threads)
    return edges.values(threads)


@settings(max_examples=15, deadline=None)
@given(
    data=st.data(),
    shape=shapes((1, 20), (2, 37)),
    size=st.integers(3, 40),
    threads=st.integers(1, 3),
    tile=st.integers(1, 20_000),
    square_root=st.booleans(),
)
def test_edge_values_are_pearson_correlations_however_they_are_cut(
    data, shape, size, threads, tile, square_root
):
    x = data.draw(abundances(shape, dtype=np.float32))
    v = data.draw(velocities(shape, dtype=np.float32))
    graph = data.draw(graphs(shape[0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_velocity_graph, "_TILE_BYTES", tile)
        values = edge_correlations(x, v, graph, size, threads, square_root=square_root)
    change = root if square_root else np.asarray
    x, v = x.astype(float), v.astype(float)
    # roots are rounded to float32: what nearly equal ones differ by is less exact
    rows = np.repeat(np.arange(len(x)), np.diff(graph.indptr))
    sides = change(x[graph.indices] - x[rows]), change(v[rows])
    bound = 2e-6 * np.maximum(*(cancellation(side) for side in sides))
    assert (np.abs(values - correlations(x, v, graph, change)) <= bound).all()


@pytest.mark.parametrize("square_root", [False, True])
def test_any_number_of_threads_and_any_block_size_give_the_same_to_1e_6(square_root):
    rng = np.random.default_rng(0)
    x, v = (100 * rng.gamma(0.5, size=(2, 400, 300))).astype(np.float32)
    graph = random_graph(rng, 400, 20)
    expected = edge_correlations(x, v, graph, 300, square_root=square_root)
    for size, threads in ((1, 1), (7, 2), (128, 3)):
        values = edge_correlations(x, v, graph, size, threads, square_root=square_root)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)


def test_equal_cells_and_resting_cells_have_no_correlation():
    x = np.array([[1.0, 2, 3], [1, 2, 3], [2, 3, 4]], dtype=np.float32)
    v = np.array([[1.0, 0, 0], [0, 0, 0], [5, 5, 5]], dtype=np.float32)
    graph = sp.csr_array(np.ones((3, 3)) - np.eye(3))
    # 0→1 equal; 0→2 differs by a constant; 1→· rests; 2→· has the same velocity in all genes
    assert edge_correlations(x, v, graph, 3).tolist() == [0] * 6


@settings(max_examples=10, deadline=None)
@given(
    data=st.data(),
    shape=shapes((1, 12), (2, 19)),
    size=st.integers(2, 20),
    threads=st.integers(1, 3),
)
def test_agreement_of_velocities_cell_by_cell(data, shape, size, threads):
    n_cells, n_genes = shape
    x = data.draw(abundances(shape, dtype=np.float32))
    v = data.draw(velocities(shape, dtype=np.float32))
    neighbors = data.draw(graphs(n_cells))
    transitions = data.draw(graphs(n_cells, values=st.sampled_from([0.125, 0.5, 1.0]))).astype(
        np.float32
    )
    blocks = [
        (np.ascontiguousarray(x[:, a : a + size]), np.ascontiguousarray(v[:, a : a + size]))
        for a in range(0, n_genes, size)
    ]
    length, agreement, along = velocity_agreement(
        blocks,
        pattern(neighbors),
        (*pattern(transitions), transitions.data),
        n_threads=threads,
    )
    wide_x, wide_v = x.astype(float), v.astype(float)
    weights = transitions.toarray().astype(float)
    moved = weights @ wide_x - weights.sum(axis=1, keepdims=True) * wide_x

    def agrees(a, b):
        """Nothing agrees with what is the same in all genes."""
        return pearson(a, b) if np.ptp(a) > 0 and np.ptp(b) > 0 else np.nan

    for i in range(n_cells):
        around = neighbors.indices[neighbors.indptr[i] : neighbors.indptr[i + 1]]
        assert length[i] == pytest.approx(np.linalg.norm(wide_v[i] - wide_v[i].mean()), rel=1e-6)
        each = [agrees(wide_v[i], wide_v[j]) for j in around]
        expected = np.mean(each) if each else np.nan
        assert agreement[i] == pytest.approx(expected, abs=2e-6, nan_ok=True)
        # a cell without transitions is not displaced
        expected = agrees(moved[i], wide_v[i])
        assert along[i] == pytest.approx(expected, abs=5e-6, nan_ok=True)


def test_cells_at_rest_agree_with_nothing():
    v = np.array([[1.0, 2, 3], [2, 2, 2], [3, 1, 2]], dtype=np.float32)
    graph = sp.csr_array(np.array([[0, 1, 0], [1, 0, 0], [1, 0, 0]], dtype=np.float32))
    length, agreement, along = velocity_agreement(
        [(v, v)], pattern(graph), (*pattern(graph), graph.data.astype(np.float32))
    )
    assert length.tolist() == pytest.approx([np.sqrt(2), 0, np.sqrt(2)])
    assert np.isnan(agreement).tolist() == [True, True, False]
    assert agreement[2] == pytest.approx(-0.5)
    assert np.isnan(along).tolist() == [False, True, False]


class Values:
    """Edges with given values."""

    def __init__(self, indptr, indices, values):
        self.indptr, self.indices = indptr.astype(np.int64), indices.copy()
        self._values = values.copy()

    def values(self, _n_threads):
        return self._values


def test_signs_are_split_without_losing_an_edge():
    values = np.array([0.5, -0.25, 0.0, 1.0], dtype=np.float32)
    pattern = np.array([0, 2, 4, 4]), np.array([1, 2, 0, 2], dtype=np.int32)
    positive, negative = split_signs(Values(*pattern, values))
    assert positive.toarray().tolist() == [[0, 0.5, 0], [0, 0, 1], [0, 0, 0]]
    assert negative.toarray().tolist() == [[0, 0, -0.25], [0, 0, 0], [0, 0, 0]]


@settings(max_examples=20, deadline=None)
@given(data=st.data(), n=st.integers(1, 20), threads=st.integers(1, 3))
def test_signs_are_split_into_the_order_of_the_cells(data, n, threads):
    graph = data.draw(graphs(n, values=st.sampled_from([-0.5, 0.0, 0.25, 1.0])))
    graph = graph.astype(np.float32)
    order = data.draw(cell_orders(n))
    rows = graph[order.cell_of_row][:, order.cell_of_row]
    edges = Values(rows.indptr, rows.indices, rows.data)
    parts = split_signs(edges, order, n_threads=threads)
    for part, sign in zip(parts, (1, -1), strict=True):
        assert part.has_canonical_format
        expected = np.where(np.sign(graph.toarray()) == sign, graph.toarray(), 0)
        np.testing.assert_array_equal(part.toarray(), expected)
        assert np.all(part.data != 0)


def test_self_transition_is_what_lacks_to_the_98th_percentile():
    graph = sp.csr_matrix(np.diag(np.linspace(0, 1, 101), k=1))
    largest = np.append(np.linspace(0, 1, 101), 0)
    np.testing.assert_allclose(
        self_transition_probability(graph),
        np.clip(np.percentile(largest, 98) - largest, 0, 1),
        atol=1e-12,
    )


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("stay", [False, True])
def test_transition_probabilities_row_by_row(signed, stay):
    rng = np.random.default_rng(0)
    graph = random_graph(rng, 30, 5)
    graph.data = rng.uniform(-1, 1, graph.nnz)
    positive, negative = sp.csr_matrix(graph.maximum(0)), sp.csr_matrix(graph.minimum(0))
    itself = rng.uniform(0, 1, 30) * (rng.random(30) < 0.7)
    transitions = transition_probabilities(
        positive, negative, scale=4, self_transition=itself if stay else None, signed=signed
    ).toarray()
    c = graph.toarray() + (np.diag(itself) if stay else 0)
    value = np.sign(c) * np.expm1(4 * abs(c)) if signed else np.where(c != 0, np.exp(4 * c), 0)
    total = abs(value).sum(axis=1, keepdims=True)
    expected = np.divide(value, total, where=total > 0, out=np.zeros_like(value))
    if signed:
        np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(transitions, expected, rtol=1e-6, atol=1e-9)
    order = shuffled(rng, 30)
    in_order = transition_probabilities(
        positive,
        negative,
        scale=4,
        self_transition=itself if stay else None,
        signed=signed,
        order=order,
        n_threads=2,
    ).toarray()
    np.testing.assert_array_equal(
        in_order, transitions[np.ix_(order.cell_of_row, order.cell_of_row)]
    )


@pytest.mark.parametrize("stay", [False, True])
@pytest.mark.parametrize("dimensions", [2, 3, 10])
def test_arrows_are_mean_unit_displacements_above_chance(dimensions, stay):
    rng = np.random.default_rng(0)
    graph = random_graph(rng, 60, 6)
    graph.data = rng.uniform(-1, 1, graph.nnz)
    graph = graph.tolil()
    graph[5] = 0
    graph = graph.tocsr()
    signs = sp.csr_matrix(graph.maximum(0)), sp.csr_matrix(graph.minimum(0))
    itself = rng.uniform(0, 1, 60) if stay else None
    transitions = transition_probabilities(*signs, scale=4, self_transition=itself, signed=True)
    points = rng.normal(size=(60, dimensions))
    points[7] = points[transitions[7].indices[0]]
    arrows = project_transitions(*signs, points, scale=4, self_transition=itself, n_threads=2)
    assert np.isnan(arrows[5]).all()
    assert np.isfinite(np.delete(arrows, 5, axis=0)).all()
    for i in np.delete(np.arange(60), 5):
        row = transitions[i]
        step = points[row.indices] - points[i]
        length = np.linalg.norm(step, axis=1, keepdims=True)
        step = np.divide(step, length, where=length > 0, out=np.zeros_like(step))
        expected = row.data @ step - row.data.mean() * step.sum(axis=0)
        # T is stored in float32
        np.testing.assert_allclose(arrows[i], expected, atol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_a_narrow_kernel_does_not_overflow(signed):
    graph = sp.csr_matrix(np.array([[0, 0.9, 0.8], [0.5, 0, 0], [0, 0, 0]]))
    transitions = transition_probabilities(
        graph, sp.csr_matrix((3, 3)), scale=1e5, signed=signed
    ).toarray()
    np.testing.assert_allclose(transitions, [[0, 1, 0], [1, 0, 0], [0, 0, 0]])


def test_cells_that_are_left_out_do_not_shift_the_percentile():
    graph = sp.csr_matrix(np.diag(np.linspace(0.1, 1, 50), k=1))
    cells = np.arange(51) % 2 == 0
    largest = np.append(np.linspace(0.1, 1, 50), 0)
    np.testing.assert_allclose(
        self_transition_probability(graph, cells),
        np.clip(np.percentile(largest[cells], 98) - largest, 0, 1),
        atol=1e-12,
    )
