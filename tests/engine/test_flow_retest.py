"""The retest of net flows against its definition, with loops over cells and groups."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from steadyvelo.engine import CellOrder, find_net_flows
from steadyvelo.engine._flow_pairs import bordering_pairs, no_pairs, pairs_of_groups
from steadyvelo.engine._fold_graph import FoldGraphs
from steadyvelo.model._retest import n_retest_sums, retest
from tests.engine.test_direction import N_CELLS, N_GENES, K, problem
from tests.model.test_retest import packed

PAIRS = list(combinations(range(3), 2))


def corners(groups, n_groups=3):
    """An embedding whose places are groups; cells without one are at the origin."""
    return np.vstack([np.eye(n_groups), np.zeros(n_groups)])[groups]


def flows(given, groups=None, **options):
    source, errors, rule, lines, _, own, *_ = given
    groups = own if groups is None else groups
    options = {"genes_per_block": N_GENES, **options}
    return find_net_flows(source, errors, rule, lines, corners(groups), groups, **options)


def in_numpy(source, errors, rule, lines, embedding, groups, signs, counts):
    del source, rule, embedding, signs
    s, u = (x * d[:, None] for x, d in zip(counts, errors.scales, strict=True))
    r = u - lines.gamma * s - lines.offset
    sums = np.zeros((len(PAIRS) + 1, n_retest_sums(1), N_GENES))
    for repeat in errors.repeats:
        for fold in (0, 1):
            genes = np.flatnonzero(repeat.gene_fold == fold)
            graph = repeat.graphs[fold].indices.reshape(N_CELLS, K)
            means, deviations = (
                [
                    np.array(
                        [x[row[repeat.cell_fold[row] == f]][:, genes].mean(0) for row in graph]
                    )
                    for f in (0, 1)
                ]
                for x in (s, r)
            )
            for cell, row in enumerate(graph):
                for number, pair in enumerate(PAIRS):
                    if groups[cell] not in pair:
                        continue
                    (other,) = set(pair) - {groups[cell]}
                    there = groups[row] == other
                    share = there.mean()
                    if not 0 < share < 1:
                        continue
                    sign = 1 if groups[cell] < other else -1
                    ahead = [sign * (x[row[there]].mean(0) - x[row[~there]].mean(0)) for x in means]
                    of_cell = [
                        [x[[cell]] for x in means],
                        [x[[cell]] for x in deviations],
                        [(x - x.mean())[None, None] for x in ahead],
                    ]
                    added, _ = packed(*of_cell, np.zeros(1, dtype=int), 1)
                    sums[number][:, genes] += share * (1 - share) * added
    return retest(sums, np.ones((len(PAIRS), 1)), u.mean(axis=0))


@pytest.mark.parametrize("offset", [False, True])
def test_the_retest_is_its_definition(offset):
    given = problem(offset=offset)
    found, expected = flows(given), in_numpy(*given)
    for name, values in expected._asdict().items():
        assert np.isfinite(values).all()
        matrix = getattr(found, f"retest_{name}")
        scale = np.abs(values).max()
        for pair, value in zip(PAIRS, values, strict=True):
            assert matrix[pair] / scale == pytest.approx(value / scale, abs=1e-4)
        np.testing.assert_array_equal(matrix, -matrix.T)
        assert np.isnan(np.diag(matrix)).all()


def test_it_has_the_signs_of_the_groups():
    given = problem()
    found = flows(given)
    turned = flows(given, np.where(given[5] >= 0, 2 - given[5], -1))
    for name in ("net", "retest_t", "retest_z"):
        expected = getattr(found, name)[::-1, ::-1]
        scale = np.nanmax(np.abs(expected))
        np.testing.assert_allclose(getattr(turned, name) / scale, expected / scale, atol=1e-4)


@pytest.mark.parametrize("options", [{"genes_per_block": 3}, {"n_threads": 2}])
def test_blocks_threads_and_order_change_nothing(options):
    first = flows(problem())
    order = np.random.default_rng(5).permutation(N_CELLS).astype(np.int32)
    shuffled = CellOrder(order, np.argsort(order).astype(np.int32))
    second = flows(problem(order=shuffled), **options)
    for name in ("net", "retest_t", "retest_z"):
        value = getattr(first, name)
        atol = 1e-4 * np.nanmax(np.abs(value))
        np.testing.assert_allclose(getattr(second, name), value, atol=atol, err_msg=name)


def test_chunks_of_rows_change_nothing(monkeypatch):
    first = flows(problem())
    # the first chunk has the pairs of groups without a number and of the first group alone
    chunks = [(0, 3), (3, 20), (20, 21), (21, N_CELLS)]
    monkeypatch.setattr(
        "steadyvelo.engine._threads.row_chunks",
        lambda n, *_, **__: chunks if n == N_CELLS else [(0, n)],
    )
    second = flows(problem(), n_threads=2)
    for name in ("net", "retest_t", "retest_z"):
        np.testing.assert_allclose(
            getattr(second, name), getattr(first, name), rtol=1e-4, atol=1e-6, err_msg=name
        )


def test_of_too_many_pairs_those_with_the_most_edges_are_retested(monkeypatch):
    given = problem()
    source, errors, groups = given[0], given[1], given[5]
    graphs = FoldGraphs.of(errors.repeats, source.order)
    edges = np.zeros((3, 3), dtype=int)
    for graph in graphs.graphs:
        for cell, row in enumerate(graph.neighbors.indices.reshape(N_CELLS, K)):
            for near in row:
                if groups[cell] >= 0 and groups[near] >= 0:
                    edges[groups[cell], groups[near]] += 1
    edges += edges.T
    every = bordering_pairs(graphs, groups, 3)
    assert every.tolist() == [[-1, 0, 1], [0, -1, 2], [1, 2, -1]]
    monkeypatch.setattr("steadyvelo.engine._flow_pairs._MOST_PAIRS", 1)
    most = max(PAIRS, key=lambda pair: edges[pair])
    pairs = bordering_pairs(graphs, groups, 3)
    assert pairs[most] == pairs[most[::-1]] == 0
    assert (pairs == -1).sum() == 7
    found = flows(given)
    assert np.isfinite(found.retest_z[most])
    assert np.isnan(found.retest_z).sum() == 7
    assert (found.standard_error[tuple(zip(*PAIRS, strict=True))] > 0).all()


def test_groups_that_do_not_touch_are_not_retested():
    given, groups = problem(), np.full(N_CELLS, -1)
    groups[:11], groups[45:51] = 0, 1
    source, errors, rule, lines, *_ = given
    place = corners(groups, 2)
    found = find_net_flows(source, errors, rule, lines, place, groups, genes_per_block=N_GENES)
    assert np.isnan(found.retest_t).all()
    assert np.isnan(found.retest_z).all()


def test_places_of_pairs_among_those_of_some_groups():
    pairs = np.array([[-1, 0, 1, -1], [0, -1, 2, 3], [1, 2, -1, -1], [-1, 3, -1, -1]])
    numbers, place = pairs_of_groups(pairs, np.array([-1, 2]))
    assert numbers.tolist() == [1, 2]
    assert place.tolist() == [[-1, -1, 0, -1], [-1, -1, 1, -1], [0, 1, -1, -1], [-1] * 4]
    numbers, place = pairs_of_groups(pairs, np.array([-1]))
    assert len(numbers) == 0
    assert (place == -1).all()
    assert no_pairs().shape == (0, 0)
