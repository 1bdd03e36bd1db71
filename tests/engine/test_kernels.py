"""Each kernel against a few lines of numpy that say what it computes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.engine import (
    CountsSource,
    LayerSource,
    SmoothingOperator,
    edge_correlations,
    project_transitions,
    recursive_neighbors,
    self_transition_probability,
    split_signs,
    transition_probabilities,
)

SEEDS = st.integers(0, 2**32 - 1)


def random_graph(rng, n, degree):
    """A directed graph with rows of unequal length, some of them empty."""
    graph = sp.random_array((n, n), density=degree / n, rng=rng, format="csr")
    graph.setdiag(0)
    graph.eliminate_zeros()
    return graph


def pattern(graph):
    return graph.indptr.astype(np.int64), graph.indices.astype(np.int32)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_smoothing_is_the_row_normalised_pattern_with_the_cell_itself(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 40, 4)
    graph = graph + graph.T
    dense = (graph.toarray() != 0).astype(float) + np.eye(40)
    dense /= dense.sum(axis=1, keepdims=True)
    operator = SmoothingOperator.from_connectivities(graph)
    np.testing.assert_allclose(operator.to_matrix().toarray(), dense, rtol=1e-12)
    values = rng.gamma(2, size=(40, 7)).astype(np.float32)
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


def sources(rng, genes):
    s, u = rng.poisson(1.0, (2, 50, 23))
    graph = random_graph(rng, 50, 5)
    graph = graph + graph.T
    scale = rng.uniform(0.5, 2, (2, 50))
    operator = SmoothingOperator.from_connectivities(graph)
    source = CountsSource.from_counts(
        sp.csr_matrix(s),
        sp.csr_matrix(u),
        spliced_scale=scale[0],
        unspliced_scale=scale[1],
        smoothing=operator,
        genes=genes,
    )
    w = operator.to_matrix().toarray()
    return source, (w @ (scale[0][:, None] * s))[:, genes], (w @ (scale[1][:, None] * u))[:, genes]


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, size=st.integers(1, 30), threads=st.integers(1, 3))
def test_blocks_are_smoothed_normalised_counts_however_they_are_cut(seed, size, threads):
    rng = np.random.default_rng(seed)
    genes = np.sort(rng.choice(23, int(rng.integers(1, 24)), replace=False))
    source, s, u = sources(rng, genes)
    blocks = list(source.blocks(size, threads))
    assert [b.genes.start for b in blocks] == list(range(0, len(genes), size))
    np.testing.assert_allclose(np.hstack([b.spliced for b in blocks]), s, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(np.hstack([b.unspliced for b in blocks]), u, rtol=1e-5, atol=1e-7)
    assert all(b.spliced.flags.c_contiguous for b in blocks)


@pytest.mark.parametrize("convert", [np.asarray, sp.csr_matrix, sp.csc_array])
def test_layers_give_the_same_blocks_in_any_format(convert):
    x = np.random.default_rng(0).gamma(2, size=(20, 9)).astype(np.float32)
    source = LayerSource(convert(x), convert(2 * x), np.array([1, 4, 8]))
    blocks = list(source.blocks(2))
    np.testing.assert_array_equal(np.hstack([b.spliced for b in blocks]), x[:, [1, 4, 8]])
    np.testing.assert_array_equal(np.hstack([b.unspliced for b in blocks]), 2 * x[:, [1, 4, 8]])


def test_unsorted_and_doubled_entries_are_summed_without_touching_the_counts():
    data, indices = np.array([1, 2, 4]), np.array([2, 0, 2])
    counts = sp.csr_array((data, indices, np.array([0, 3, 3])), shape=(2, 3))
    source = CountsSource.from_counts(
        counts,
        counts,
        spliced_scale=np.ones(2),
        unspliced_scale=np.ones(2),
        smoothing=SmoothingOperator.from_connectivities(sp.csr_array((2, 2))),
        genes=np.arange(3),
    )
    (block,) = source.blocks(3)
    assert block.spliced.tolist() == [[2, 0, 5], [0, 0, 0]]
    assert counts.indices.tolist() == [2, 0, 2]


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, n_steps=st.integers(1, 3), threads=st.integers(1, 3))
def test_reach_is_the_union_of_powers_without_the_diagonal(seed, n_steps, threads):
    graph = random_graph(np.random.default_rng(seed), 200, 2)
    step = (graph.toarray() != 0).astype(int)
    reached = sum(np.linalg.matrix_power(step, k) for k in range(1, n_steps + 1)) > 0
    np.fill_diagonal(reached, val=False)
    indptr, indices = recursive_neighbors(*pattern(graph), n_steps=n_steps, n_threads=threads)
    found = sp.csr_array((np.ones(len(indices), bool), indices, indptr), shape=step.shape)
    np.testing.assert_array_equal(found.toarray(), reached)
    assert found.has_sorted_indices


def correlations(x, v, graph):
    """Correlation per edge in a loop."""
    rows = np.repeat(np.arange(len(x)), np.diff(graph.indptr))
    out = []
    for i, j in zip(rows, graph.indices, strict=True):
        delta, velocity = x[j] - x[i], v[i]
        spread = delta.std() * velocity.std()
        covariance = np.mean((delta - delta.mean()) * (velocity - velocity.mean()))
        out.append(covariance / spread if spread > 0 else 0.0)
    return np.array(out)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, size=st.integers(3, 40), threads=st.integers(1, 3))
def test_edge_values_are_pearson_correlations_however_genes_are_cut(seed, size, threads):
    rng = np.random.default_rng(seed)
    x = rng.gamma(2, size=(150, 37)).astype(np.float32)
    v = rng.normal(size=(150, 37)).astype(np.float32)
    graph = random_graph(rng, 150, 6)
    blocks = [(x[:, a : a + size], v[:, a : a + size]) for a in range(0, 37, size)]
    blocks = [tuple(np.ascontiguousarray(part) for part in block) for block in blocks]
    values = edge_correlations(blocks, *pattern(graph), n_threads=threads)
    expected = correlations(x.astype(float), v.astype(float), graph)
    np.testing.assert_allclose(values, expected, rtol=0, atol=2e-6)


def test_any_number_of_threads_and_any_block_size_give_the_same_to_1e_6():
    rng = np.random.default_rng(0)
    x, v = (100 * rng.gamma(0.5, size=(2, 400, 300))).astype(np.float32)
    graph = pattern(random_graph(rng, 400, 20))

    def values(size, threads):
        cuts = range(0, 300, size)
        blocks = [
            (np.ascontiguousarray(x[:, a : a + size]), np.ascontiguousarray(v[:, a : a + size]))
            for a in cuts
        ]
        return edge_correlations(blocks, *graph, n_threads=threads)

    expected = values(300, 1)
    for size, threads in ((1, 1), (7, 2), (128, 3)):
        np.testing.assert_allclose(values(size, threads), expected, rtol=0, atol=1e-6)


def test_equal_cells_and_resting_cells_have_no_correlation():
    x = np.array([[1.0, 2, 3], [1, 2, 3], [2, 3, 4]], dtype=np.float32)
    v = np.array([[1.0, 0, 0], [0, 0, 0], [5, 5, 5]], dtype=np.float32)
    graph = sp.csr_array(np.ones((3, 3)) - np.eye(3))
    # 0→1 equal; 0→2 differs by a constant; 1→· rests; 2→· has the same velocity in all genes
    assert edge_correlations([(x, v)], *pattern(graph)).tolist() == [0] * 6


def test_signs_are_split_without_losing_an_edge():
    values = np.array([0.5, -0.25, 0.0, 1.0], dtype=np.float32)
    positive, negative = split_signs(values, np.array([0, 2, 4, 4]), np.array([1, 2, 0, 2]))
    assert positive.toarray().tolist() == [[0, 0.5, 0], [0, 0, 1], [0, 0, 0]]
    assert negative.toarray().tolist() == [[0, 0, -0.25], [0, 0, 0], [0, 0, 0]]


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


@pytest.mark.parametrize("dimensions", [2, 3, 10])
def test_arrows_are_mean_unit_displacements_above_chance(dimensions):
    rng = np.random.default_rng(0)
    transitions = sp.csr_matrix(random_graph(rng, 60, 6))
    transitions.data = rng.normal(size=transitions.nnz)
    points = rng.normal(size=(60, dimensions))
    points[7] = points[3]
    arrows = project_transitions(transitions, points, n_threads=2)
    for i in range(60):
        row = transitions[i]
        if row.nnz == 0:
            assert (arrows[i] == 0).all()
            continue
        step = points[row.indices] - points[i]
        length = np.linalg.norm(step, axis=1, keepdims=True)
        step = np.divide(step, length, where=length > 0, out=np.zeros_like(step))
        expected = row.data @ step - row.data.mean() * step.sum(axis=0)
        np.testing.assert_allclose(arrows[i], expected, atol=1e-12)


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
