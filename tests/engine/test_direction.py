"""Directions against their definition in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from steadyvelo.engine import (
    CellOrder,
    CountsSource,
    CrossFitErrors,
    FitRule,
    Lines,
    RankedNeighbors,
    Repeat,
    SmoothingOperator,
    find_directions,
    find_group_directions,
)
from steadyvelo.engine._direction_sums import DirectionProblem, DirectionSums
from steadyvelo.engine._fold_graph import FoldGraphs
from steadyvelo.engine._projection import projections_of
from steadyvelo.model._retest import n_retest_sums, retest
from tests.model.test_retest import packed

N_CELLS, N_GENES, K, N_REPEATS = 90, 14, 12, 3


def neighbors(rng):
    """Some of the cells close by on a circle, without the cell itself."""
    near = np.concatenate([np.arange(-12, 0), np.arange(1, 13)])
    rows = [np.sort((i + rng.permutation(near)[:K]) % N_CELLS) for i in range(N_CELLS)]
    return SmoothingOperator(
        np.arange(N_CELLS + 1, dtype=np.int64) * K, np.concatenate(rows).astype(np.int32)
    )


def halves(rng, graphs):
    """Cut cells in two so that each has at least two neighbours in either half."""
    while True:
        fold = rng.permutation(np.arange(N_CELLS) % 2).astype(np.int8)
        inside = [fold[graph.indices].reshape(N_CELLS, K).sum(axis=1) for graph in graphs]
        if np.min(inside) >= 2 and np.max(inside) <= K - 2:
            return fold


def problem(rng=0, order=None, *, offset=False, n_dims=2):
    generator = np.random.default_rng(rng)
    place = 2 * np.pi * np.arange(N_CELLS) / N_CELLS
    phase = generator.uniform(0, 2 * np.pi, N_GENES)
    level = 4 * np.exp(np.sin(place[:, None] + phase))
    ahead = 4 * np.exp(np.sin(place[:, None] + 0.7 + phase))
    scales = np.exp(generator.normal(0, 0.2, (2, N_CELLS)))
    counts = [generator.poisson(level), generator.poisson(0.5 * ahead + 1.0 * offset)]
    chosen = CellOrder.identity(N_CELLS) if order is None else order
    source = CountsSource(
        *(sp.csr_array(x) for x in counts),
        np.arange(N_GENES),
        chosen,
        spliced_scale=scales[0],
        unspliced_scale=scales[1],
        smoothing=neighbors(generator).reordered(chosen),
        keep_counts=True,
    )
    repeats = []
    for _ in range(N_REPEATS):
        gene_fold = generator.permutation(np.arange(N_GENES) % 2).astype(np.int8)
        graphs = tuple(RankedNeighbors.equal(neighbors(generator)) for _ in range(2))
        repeats.append(Repeat(gene_fold, halves(generator, graphs), graphs))
    every = np.ones(N_CELLS, dtype=bool)
    rule = FitRule("all", (None, 0.8), offset, every, every, "fit")
    errors = CrossFitErrors(scales, 0.95, None, repeats)
    lines = Lines(
        generator.uniform(0.4, 0.6, N_GENES),
        generator.uniform(0.5, 1.5, N_GENES) if offset else np.zeros(N_GENES),
    )
    embedding = np.stack([np.cos(place), np.sin(place), np.cos(2 * place)], axis=1)[:, :n_dims]
    embedding += generator.normal(0, 0.05, embedding.shape)
    groups = np.minimum(np.arange(N_CELLS) // 25, 2)
    groups[:4] = -1
    signs = (2 * generator.integers(0, 2, (2, N_CELLS)) - 1).astype(np.int8)
    return source, errors, rule, lines, embedding, groups, signs, counts


def directions(source, errors, rule, lines, embedding, groups, signs, _counts, **options):
    options = {"genes_per_block": N_GENES, **options}
    return find_directions(source, errors, rule, lines, embedding, groups, signs=signs, **options)


def arrays(found):
    """Return all that directions contain, with the controls as two arrays."""
    held = {name: value for name, value in vars(found).items() if isinstance(value, np.ndarray)}
    held |= {f"group_{name}": value for name, value in vars(found.groups).items()}
    held |= {f"retest_{name}": value for name, value in found.retest._asdict().items()}
    turned, spreads = (found.controls(lambda *control, k=k: control[k]) for k in (0, 1))
    return {**held, "control_arrows": turned, "control_covariances": spreads}


def in_numpy(source, errors, rule, lines, embedding, groups, signs, counts):  # noqa: C901, PLR0912
    """Arrows, covariances and scores of groups, with loops over cells and neighbours."""
    s, u = (x * d[:, None] for x, d in zip(counts, errors.scales, strict=True))
    r = u - lines.gamma * s - lines.offset
    n_dims = embedding.shape[1]
    rings = []
    for repeat in errors.repeats:
        for fold in (0, 1):
            genes = np.flatnonzero(repeat.gene_fold == fold)
            graph = repeat.graphs[fold].indices.reshape(N_CELLS, K)
            means = [
                np.array([s[row[repeat.cell_fold[row] == f]][:, genes].mean(0) for row in graph])
                for f in (0, 1)
            ]
            rings.append((repeat, genes, graph, means))
    square = np.zeros(N_CELLS)
    # lengths of steps are those in the graphs of the first repeat
    for _, _, graph, means in rings[:2]:
        for mean in means:
            for i, row in enumerate(graph):
                step = mean[row] - mean[i]
                step = step - step.mean(axis=1, keepdims=True)
                square[i] += (step**2).sum(axis=1).mean()
    length = np.sqrt(square / 4)
    scores = np.zeros((N_CELLS, N_CELLS, n_dims))
    centred = np.zeros((N_CELLS, N_CELLS, n_dims))
    slope, shift = np.zeros((2, N_CELLS, n_dims, N_GENES))
    noise = np.zeros((N_CELLS, n_dims, n_dims))
    # the noise of the projections is computed in the first repeat, for both of its folds of genes
    steering = {}
    retested = np.zeros((groups.max() + 2, n_retest_sums(n_dims), N_GENES))
    for number, (repeat, genes, graph, means) in enumerate(rings):
        deviations, ahead = (
            np.zeros((2, N_CELLS, len(genes))),
            np.zeros((2, n_dims, N_CELLS, len(genes))),
        )
        for i, row in enumerate(graph):
            d = embedding[row] - embedding[i]
            d /= np.linalg.norm(d, axis=1, keepdims=True)
            d -= d.mean(axis=0)
            contributions = np.zeros((K, n_dims))
            for f in (0, 1):
                step = means[f][row] - means[f][i]
                step -= step.mean(axis=1, keepdims=True)
                m = d.T @ step / K / length[i] / N_REPEATS
                steering[number, i, f] = m
                ahead[f, :, i] = m * length[i] * N_REPEATS
                mine = row[repeat.cell_fold[row] == f]
                deviations[f, i] = r[mine][:, genes].mean(0)
                other = np.flatnonzero(repeat.cell_fold[row] != f)
                contributions[other] = r[row[other]][:, genes] @ m.T
                slope[i][:, genes] += m * s[row[other]][:, genes].sum(0) / K
                shift[i][:, genes] += m * len(other) / K
            scores[i, row] += contributions / K
            centred[i, row] += (contributions - contributions.mean(0)) / K
        retested[..., genes] += packed(means, deviations, ahead, groups, groups.max() + 1)
        for i, row in enumerate(graph):
            d = embedding[row] - embedding[i]
            d /= np.linalg.norm(d, axis=1, keepdims=True)
            w = (d - d.mean(axis=0)) / K / length[i] / N_REPEATS
            for f in (0, 1):
                share = np.zeros((N_CELLS, N_CELLS))
                for j in [*row, i]:
                    part = graph[j][repeat.cell_fold[graph[j]] == f]
                    share[j, part] = 1 / len(part)
                k = w.T @ (share[row] - share[i])
                mine = row[repeat.cell_fold[row] == f]
                others = row[repeat.cell_fold[row] != f]
                away = s[mine][:, genes] - means[f][mine]
                velocity = r[others][:, genes].sum(0) / K
                spread = np.var(away @ velocity, ddof=1)
                turned = np.array(
                    [r[graph[c][repeat.cell_fold[graph[c]] != f]][:, genes].mean(0) for c in others]
                )
                off = r[others][:, genes] - turned
                if number < 2:
                    both = ((away**2).mean(0) * (off**2).mean(0)).sum()
                    chance = (len(others) / K) ** 2 * both / len(others)
                    noise[i] += N_REPEATS * k @ k.T * (spread - chance)
    noise[np.linalg.eigvalsh(noise)[:, 0] < 0] = 0
    block = source.block(slice(0, N_GENES))
    (made,) = errors.instruments(block, [rule])
    cells = source.order.row_of_cell
    psi, omega = (x[cells].T for x in made.line_influences(lines.gamma, lines.offset))
    if len(omega) == 0:
        omega = np.zeros_like(psi)
    error = np.einsum("idg,ifg,gc,gc->idf", slope, slope, psi, psi, optimize=True)
    error += np.einsum("idg,ifg,gc,gc->idf", shift, shift, omega, omega, optimize=True)
    both = np.einsum("idg,ifg,gc,gc->idf", slope, shift, psi, omega, optimize=True)
    error += both + both.transpose(0, 2, 1)

    def arrows(sign):
        return np.einsum("icd,c->id", scores, sign)

    def spreads(sign):
        # contributions are centred after they are turned
        total = np.zeros((N_CELLS, n_dims, n_dims))
        for i in range(N_CELLS):
            left = np.zeros((N_CELLS, n_dims))
            for number, (repeat, genes, graph, _) in enumerate(rings):
                row = graph[i]
                contributions = np.zeros((K, n_dims))
                for f in (0, 1):
                    other = np.flatnonzero(repeat.cell_fold[row] != f)
                    contributions[other] = r[row[other]][:, genes] @ steering[number, i, f].T
                contributions *= sign[row][:, None]
                left[row] += (contributions - contributions.mean(0)) / K
            total[i] = left.T @ left * K / (K - 1)
        return total

    ones = np.ones(N_CELLS)
    np.testing.assert_allclose(
        spreads(ones), np.einsum("icd,icf->idf", centred, centred) * K / (K - 1), atol=1e-12
    )
    moved = np.einsum("idg,gc->idc", slope, psi) + np.einsum("idg,gc->idc", shift, omega)
    names = range(groups.max() + 1)
    group_scores = np.array(
        [scores[groups == g].sum(0).T - moved[groups == g].sum(0) for g in names]
    )
    size = (group_scores**2).sum(axis=1)
    group_arrows = np.array([arrows(ones)[groups == g].sum(0) for g in names])
    retest_t, retest_z = retest(retested, group_arrows, u.mean(axis=0))
    return {
        "velocities": np.array([r[groups == g].mean(0) for g in names]),
        "retest_t": retest_t,
        "retest_z": retest_z,
        "arrows": arrows(ones),
        "covariances": spreads(ones) + error + noise,
        "group_arrows": group_arrows,
        "group_covariances": np.einsum("kdc,kfc->kdf", group_scores, group_scores),
        "group_n": size.sum(axis=1) ** 2 / (size**2).sum(axis=1),
        "group_controls": np.einsum("kdc,rc->rkd", group_scores, signs),
        "gene_slopes": np.array([slope[groups == g].sum(0) for g in names]),
        "control_arrows": np.array([arrows(row) - (moved @ row) for row in signs]),
        "control_covariances": np.array([spreads(row) + error for row in signs]),
        "gamma_se": np.sqrt((psi**2).sum(axis=1)),
    }


@pytest.mark.parametrize(("offset", "n_dims"), [(False, 2), (True, 2), (False, 1), (False, 3)])
def test_directions_are_their_definition(offset, n_dims):
    given = problem(offset=offset, n_dims=n_dims)
    expected, found = in_numpy(*given), directions(*given)
    held = arrays(found)
    for name, value in expected.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(held[name] / scale, value / scale, atol=2e-5, err_msg=name)
    # the same without errors of cells
    source, errors, rule, lines, embedding, groups, *_ = given
    alone = find_group_directions(
        source, errors, rule, lines, embedding, groups, genes_per_block=N_GENES
    )
    for name in ("arrows", "covariances", "n", "gene_contributions", "by_repeat"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(found.groups, name))
    # the first repeat has the part that it has alone; lengths of steps are those of the first
    known = replace(errors, repeats=errors.repeats[:1])
    single = find_group_directions(
        source, known, rule, lines, embedding, groups, genes_per_block=N_GENES
    )
    parts = found.groups.by_repeat
    scale = np.abs(single.arrows).max()
    part = parts[0] * len(errors.repeats)
    np.testing.assert_allclose(part / scale, single.arrows / scale, atol=2e-5)
    np.testing.assert_allclose(parts.sum(axis=0), found.groups.arrows, atol=1e-9 * scale)
    summed, scale = found.groups.gene_contributions.sum(axis=2), np.abs(found.arrows).max()
    np.testing.assert_allclose(summed, found.groups.arrows, atol=1e-5 * scale)
    if n_dims != 2:
        return
    # arrows go round the circle as cells do
    around = embedding[:, ::-1] * [-1, 1]
    assert ((found.arrows * around).sum(axis=1) > 0).mean() > 0.9


def test_blocks_threads_and_order_change_nothing():
    first = arrays(directions(*problem()))
    order = np.random.default_rng(5).permutation(N_CELLS).astype(np.int32)
    shuffled = CellOrder(order, np.argsort(order).astype(np.int32))
    for options in ({"genes_per_block": 3}, {"n_threads": 2}):
        second = arrays(directions(*problem(order=shuffled), **options))
        for name, a in first.items():
            np.testing.assert_allclose(second[name], a, atol=1e-4 * np.abs(a).max(), err_msg=name)


def test_chunks_of_rows_change_nothing(monkeypatch):
    order = np.random.default_rng(5).permutation(N_CELLS).astype(np.int32)
    shuffled = CellOrder(order, np.argsort(order).astype(np.int32))
    first = arrays(directions(*problem(order=shuffled)))
    chunks = [(0, 31), (31, 32), (32, N_CELLS)]

    def chunked(n, *_, **__):
        return chunks if n == N_CELLS else [(0, n)]

    monkeypatch.setattr("steadyvelo.engine._threads.row_chunks", chunked)
    monkeypatch.setattr("steadyvelo.engine._arrows_of_cells._CONTROLS_AT_ONCE", 1)
    second = arrays(directions(*problem(order=shuffled), n_threads=2))
    for name, a in first.items():
        np.testing.assert_allclose(second[name], a, rtol=1e-6, atol=1e-9, err_msg=name)


def test_sums_in_float32_are_about_those_in_float64(monkeypatch):
    precise = arrays(directions(*problem(offset=True)))
    monkeypatch.setattr("steadyvelo.engine._precision.MOST_PRECISE", 0)
    fast = arrays(directions(*problem(offset=True)))
    for name, value in precise.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(fast[name] / scale, value / scale, atol=1e-4, err_msg=name)
    assert (fast["arrows"] != precise["arrows"]).any()


def sums_over(blocks):
    """Add the sums of some blocks of genes from which directions are made."""
    source, errors, rule, lines, embedding, groups, signs, _ = problem(offset=True)
    graphs = FoldGraphs.of(errors.repeats, source.order)
    projections = projections_of(source, graphs, embedding, N_REPEATS, genes_per_block=N_GENES)
    given = DirectionProblem(graphs, projections, lines, groups, 3, signs)
    sums = DirectionSums.zeros(given)
    for genes in blocks:
        block = source.block(genes)
        (made,) = errors.instruments(block, [rule])
        sums.add(given, block, made)
    moved = sum(block.of_rows(slice(None)) for block in sums.influences)
    return {**vars(sums), "influences": moved}


def test_sums_of_two_blocks_of_genes_add_up_to_those_of_all():
    whole = sums_over([slice(0, N_GENES)])
    halves = sums_over([slice(0, 5), slice(5, N_GENES)])
    for name, value in whole.items():
        scale = np.abs(value).max()
        assert scale > 0, name
        np.testing.assert_allclose(halves[name] / scale, value / scale, atol=1e-6, err_msg=name)


def test_lengths_from_the_most_abundant_genes_only_scale_arrows(monkeypatch):
    given = problem()
    whole = directions(*given)
    monkeypatch.setattr("steadyvelo.engine._projection._LENGTH_GENES", N_GENES // 2)
    fewer = directions(*given)
    ratio = np.linalg.norm(fewer.arrows, axis=1) / np.linalg.norm(whole.arrows, axis=1)
    # steps over fewer genes are shorter
    assert 1 < ratio.min() < ratio.max() < 3
    np.testing.assert_allclose(fewer.arrows, whole.arrows * ratio[:, None], rtol=1e-4, atol=1e-9)
    squares = (ratio**2)[:, None, None]
    np.testing.assert_allclose(fewer.covariances, whole.covariances * squares, rtol=1e-4)


def test_a_cell_that_nobody_is_next_to_has_no_arrow():
    source, errors, *rest = problem()
    graphs = []
    for repeat in errors.repeats:
        without = []
        for graph in repeat.graphs:
            indptr = graph.indptr.copy()
            indptr[8:] -= K
            smaller = SmoothingOperator(indptr, np.delete(graph.indices, np.s_[7 * K : 8 * K]))
            without.append(RankedNeighbors.equal(smaller))
        graphs.append(Repeat(repeat.gene_fold, repeat.cell_fold, tuple(without)))
    found = directions(source, CrossFitErrors(errors.scales, 0.95, None, graphs), *rest)
    assert np.isnan(found.arrows[7]).all()
    assert found.n_contributions[7] == 0
    assert np.isfinite(np.delete(found.arrows, 7, axis=0)).all()
    assert np.isfinite(found.groups.arrows).all()


def test_a_count_does_not_confirm_itself():
    """A cell is no neighbour of itself: its own counts contribute nothing to its arrow."""
    given = list(problem())
    first = directions(*given)
    counts = [x.copy() for x in given[-1]]
    # cell 40 is a neighbour of others, never of itself
    for repeat in given[1].repeats:
        for graph in repeat.graphs:
            assert not (graph.indices.reshape(N_CELLS, K)[40] == 40).any()
    counts[1][40] += 50
    source = given[0]
    given[0] = CountsSource(
        sp.csr_array(counts[0]),
        sp.csr_array(counts[1]),
        source.genes,
        source.order,
        spliced_scale=source.spliced_scale,
        unspliced_scale=source.unspliced_scale,
        smoothing=source.smoothing,
        keep_counts=True,
    )
    second = directions(*given)
    assert np.abs(second.arrows[40] - first.arrows[40]).max() == 0
    assert np.abs(second.arrows - first.arrows).max() > 0
