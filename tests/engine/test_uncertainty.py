"""Instruments in gene blocks: the sandwich against its formula, folds that share no count."""

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
    RankedNeighbors,
    Repeat,
    SandwichErrors,
    SmoothingOperator,
    Spreading,
    fit_ratios,
)
from steadyvelo.engine._fit_rule import weigh_rows

N_CELLS, N_GENES = 120, 37


def ring(n_cells, k, rng):
    """A graph of cells that lie close on a line, each with some neighbours at random."""
    place = np.arange(n_cells)[:, None] + rng.integers(-12, 13, (n_cells, k))
    indices = np.sort(place % n_cells, axis=1).astype(np.int32)
    return SmoothingOperator(np.arange(n_cells + 1, dtype=np.int64) * k, indices.ravel())


def problem(rng=0, order=None):
    generator = np.random.default_rng(rng)
    place = np.arange(N_CELLS) / N_CELLS
    level = 3 * np.exp(np.sin(2 * np.pi * (place[:, None] + generator.random(N_GENES))))
    scales = np.exp(generator.normal(0, 0.2, (2, N_CELLS)))
    # every other gene bends: its line has an offset under 0
    bent = np.where(np.arange(N_GENES) % 2, 0.6 * level, 0.1 * level**2)
    counts = [generator.poisson(level), generator.poisson(bent)]
    smoothing = ring(N_CELLS, 10, generator)
    chosen = CellOrder.identity(N_CELLS) if order is None else order
    source = CountsSource(
        *(sp.csr_array(x) for x in counts),
        np.arange(N_GENES),
        chosen,
        spliced_scale=scales[0],
        unspliced_scale=scales[1],
        smoothing=smoothing.reordered(chosen),
        keep_counts=True,
    )
    return source, counts, scales, smoothing, generator


def rule(*, offset=False, weights="extremes"):
    every = np.ones(N_CELLS, dtype=bool)
    return FitRule(weights, (None, 0.8), offset, every, every, "fit")


def shuffled(rng=9):
    order = np.random.default_rng(rng).permutation(N_CELLS).astype(np.int32)
    return CellOrder(order, np.argsort(order).astype(np.int32))


@pytest.mark.parametrize("order", [None, shuffled()])
def test_the_sandwich_is_its_formula(order):
    source, counts, scales, smoothing, _ = problem(order=order)
    s, u = (x * scale[:, None] for x, scale in zip(counts, scales, strict=True))
    w = smoothing.to_matrix().toarray()
    ms, mu = w @ s, w @ u
    chosen = ms / ms.max(0) + mu / mu.max(0)
    m = chosen >= np.percentile(chosen, 80, axis=0)
    gamma = (m * ms * mu).sum(0) / (m * ms * ms).sum(0)
    psi = (w.T @ (m * ms)) * (u - gamma * s)
    expected = np.sqrt((psi**2).sum(0)) / (m * ms * ms).sum(0)
    errors = SandwichErrors(scales, 0.95, None, Spreading.transposing(source.smoothing))
    fit = fit_ratios(source, rule(), genes_per_block=10, uncertainty=errors, n_threads=2)
    np.testing.assert_allclose(fit.gamma, gamma, rtol=1e-5)
    np.testing.assert_allclose(fit.errors.gamma, gamma, rtol=1e-5)
    np.testing.assert_allclose(fit.errors.se, expected, rtol=1e-5)
    plain = fit_ratios(source, rule(), genes_per_block=10)
    np.testing.assert_array_equal(plain.gamma, fit.gamma)
    assert np.isnan(plain.errors.se).all()


def ranked(generator):
    """Neighbours on a ring in random order, with falling weights; some cells have fewer."""
    graph = ring(N_CELLS, 10, generator).without(generator.random(N_CELLS) < 0.1)
    rows = np.split(graph.indices, graph.indptr[1:-1])
    indices = np.concatenate([generator.permutation(row) for row in rows])
    most = np.diff(graph.indptr).max()
    weights = np.linspace(1, 0.2, most, dtype=np.float32)
    return RankedNeighbors(graph.indptr, indices, weights, n_nearest=6)


def cross_fit(scales, generator, n_repeats=2):
    repeats = [
        Repeat(
            generator.integers(0, 2, N_GENES).astype(np.int8),
            generator.integers(0, 2, N_CELLS).astype(np.int8),
            (ranked(generator), ranked(generator)),
        )
        for _ in range(n_repeats)
    ]
    return CrossFitErrors(scales, 0.95, None, repeats)


@pytest.mark.parametrize("weights", ["extremes", "all"])
def test_cross_fitting_is_its_formula(weights):
    source, counts, scales, _, generator = problem(1, shuffled())
    errors = cross_fit(scales, generator)
    s, u = (x * scale[:, None] for x, scale in zip(counts, scales, strict=True))
    h = np.zeros((N_CELLS, N_GENES))
    for repeat in errors.repeats:
        for fold in (0, 1):
            w = repeat.graphs[fold].to_matrix().toarray()
            for cells in (0, 1):
                others = w * (repeat.cell_fold != cells)
                others = others / np.maximum(others.sum(1, keepdims=True), 1e-300)
                a, b = others @ s, others @ u
                z = a / a.max(0) + b / b.max(0)
                m = z >= np.percentile(z, 80, axis=0) if weights == "extremes" else 1.0
                part = (w.T @ (m * a)) * (repeat.cell_fold == cells)[:, None]
                h += part * (repeat.gene_fold == fold) / len(errors.repeats)
    gamma = (h * u).sum(0) / (h * s).sum(0)
    se = np.sqrt(((h * (u - gamma * s)) ** 2).sum(0)) / (h * s).sum(0)
    fit = fit_ratios(
        source, rule(weights=weights), genes_per_block=9, uncertainty=errors, n_threads=2
    )
    np.testing.assert_allclose(fit.gamma, gamma, rtol=1e-4)
    np.testing.assert_allclose(fit.errors.se, se, rtol=1e-4)


def test_results_do_not_depend_on_blocks_threads_or_order():
    source, _, scales, _, generator = problem(2)
    errors = cross_fit(scales, generator)
    reference = fit_ratios(source, rule(offset=True), genes_per_block=N_GENES, uncertainty=errors)
    other = problem(2, shuffled())[0]
    fit = fit_ratios(other, rule(offset=True), genes_per_block=5, uncertainty=errors, n_threads=3)
    for name in ("gamma", "offset", "se", "low", "high", "molecules", "offset_p"):
        np.testing.assert_allclose(
            getattr(fit.errors, name), getattr(reference.errors, name), rtol=1e-4, err_msg=name
        )


def test_an_instrument_does_not_know_the_count_it_weighs():
    source, counts, scales, _, generator = problem(3)
    errors = cross_fit(scales, generator, n_repeats=1)
    before = errors.instruments(source.block(slice(0, N_GENES)), [rule()])[0].h.T.copy()
    spliced = counts[0].copy()
    spliced[17, 5] += 50
    changed = CountsSource(
        sp.csr_array(spliced),
        source.unspliced,
        source.genes,
        source.order,
        spliced_scale=scales[0],
        unspliced_scale=scales[1],
        smoothing=source.smoothing,
        keep_counts=True,
    )
    after = errors.instruments(changed.block(slice(0, N_GENES)), [rule()])[0].h.T
    same_fold = errors.repeats[0].cell_fold == errors.repeats[0].cell_fold[17]
    np.testing.assert_array_equal(after[5, same_fold], before[5, same_fold])
    assert not np.array_equal(after[5], before[5])
    np.testing.assert_array_equal(np.delete(after, 5, axis=0), np.delete(before, 5, axis=0))


def test_a_line_without_negative_offset_is_one_of_the_two():
    source, _, scales, _, generator = problem(4)
    for errors in (
        SandwichErrors(scales, 0.95, None, Spreading.transposing(source.smoothing)),
        cross_fit(scales, generator),
    ):
        every = {
            offset: fit_ratios(source, rule(offset=offset), genes_per_block=20, uncertainty=errors)
            for offset in (False, True, "nonnegative")
        }
        with_line = every["nonnegative"].offset > 0
        assert 0 < with_line.sum() < N_GENES
        for name in ("se", "low", "high"):
            expected = np.where(
                with_line,
                getattr(every[True].errors, name),
                getattr(every[False].errors, name),
            )
            np.testing.assert_allclose(
                getattr(every["nonnegative"].errors, name), expected, rtol=1e-9
            )


def weights_by_rule():
    """The chosen cells, and numbers for every cell or for every cell and gene."""
    rng = np.random.default_rng(6)
    return ["extremes", "maxmin_double", rng.random(N_CELLS), rng.random((N_CELLS, N_GENES))]


@pytest.mark.parametrize("weights", weights_by_rule(), ids=["extremes", "double", "cells", "both"])
def test_weights_of_a_fit_are_written_to_its_rows(weights):
    source, *_ = problem(6, shuffled())
    chosen = rule(weights=weights)
    block = source.block(slice(3, 20))
    out = np.full(block.spliced.shape, 7, dtype=chosen.weights_dtype)
    for genes in (slice(0, 16), slice(16, 17)):
        moments = block.spliced, block.unspliced
        weigh_rows([chosen.in_order(block.order)], moments, block.genes, [out], genes)
    by_gene = chosen.weigh(*block.by_gene(slice(0, 17)), np.arange(3, 20))
    expected = np.broadcast_to(by_gene, out.shape[::-1])[:, source.order.cell_of_row].T
    np.testing.assert_array_equal(out, expected.astype(out.dtype))


@pytest.mark.parametrize("offset", [False, True])
def test_the_sandwich_finds_weights_again_that_are_not_given(offset):
    source, _, scales, _, _ = problem(7, shuffled())
    errors = SandwichErrors(scales, 0.95, None, Spreading.transposing(source.smoothing))
    rules = [rule(offset=offset), rule(offset=offset, weights="maxmin_double")]
    block = source.block(slice(0, N_GENES))
    known = [np.empty(block.spliced.shape, dtype=chosen.weights_dtype) for chosen in rules]
    moments = block.spliced, block.unspliced
    in_order = [rule.in_order(block.order) for rule in rules]
    weigh_rows(in_order, moments, block.genes, known, slice(0, N_GENES))
    found = [(x.h.copy(), x.h0.copy()) for x in errors.instruments(block, rules)]
    for made, arrays in zip(errors.instruments(block, rules, known, 2), found, strict=True):
        np.testing.assert_array_equal(made.h, arrays[0])
        np.testing.assert_array_equal(made.h0, arrays[1])
        assert made.h0.shape[1] == N_GENES * offset
        np.testing.assert_array_equal(made.scales, scales.T[source.order.cell_of_row])


def test_blocks_without_counts_are_refused():
    source, _, scales, _, generator = problem(5)
    lean = CountsSource(
        source.spliced,
        source.unspliced,
        source.genes,
        source.order,
        spliced_scale=scales[0],
        unspliced_scale=scales[1],
        smoothing=source.smoothing,
    )
    for errors in (
        SandwichErrors(scales, 0.95, None, Spreading.transposing(source.smoothing)),
        cross_fit(scales, generator),
    ):
        with pytest.raises(ValueError, match="keep_counts=True"):
            fit_ratios(lean, rule(), genes_per_block=20, uncertainty=errors)


def test_a_rule_in_another_order_is_the_same_rule_of_the_same_cells():
    order = shuffled(4)
    generator = np.random.default_rng(0)
    some = generator.random(N_CELLS) < 0.8
    spliced, unspliced = generator.gamma(1.0, size=(2, 3, N_CELLS)).astype(np.float32)
    whole = FitRule("extremes", (0.1, 0.8), offset=False, cells=some, fit_cells=some, r2="fit")
    given = replace(whole, weights=generator.random((N_CELLS, 3)))
    for rule in (whole, replace(whole, quantiles=(None, 0.6)), given):
        rows = order.cell_of_row
        turned = rule.in_order(order).weigh(spliced[:, rows], unspliced[:, rows], np.arange(3))
        expected = rule.weigh(spliced, unspliced, np.arange(3))
        np.testing.assert_array_equal(turned, expected[:, rows])
        assert rule.in_order(order) is rule.in_order(order)


def test_genes_of_narrow_blocks_share_folds_and_results_keep_their_order(monkeypatch):
    source, _, scales, smoothing, generator = problem(8, shuffled())
    graphs = (RankedNeighbors.equal(smoothing.without_self()),) * 2
    repeats = [
        Repeat(
            generator.integers(0, 2, N_GENES).astype(np.int8),
            generator.integers(0, 2, N_CELLS).astype(np.int8),
            graphs,
        )
        for _ in range(3)
    ]
    errors = CrossFitErrors(scales, 0.95, None, repeats)
    assert errors.gene_order(64) is None
    order = errors.gene_order(4)
    assert sorted(order.tolist()) == list(range(N_GENES))
    folds = np.stack([repeat.gene_fold for repeat in repeats])[:, order]
    changes = (np.diff(folds, axis=1) != 0).sum()
    # each fold of a repeat is one stretch of genes, or two for each repeat before it
    assert changes < (np.diff(np.stack([r.gene_fold for r in repeats]), axis=1) != 0).sum()
    found = [
        fit_ratios(source, rule(), genes_per_block=size, uncertainty=errors)
        for size in (4, N_GENES)
    ]
    monkeypatch.setattr("steadyvelo.engine._crossfit._WIDE_BLOCK", 0)
    found.append(fit_ratios(source, rule(), genes_per_block=4, uncertainty=errors))
    for other in found[1:]:
        np.testing.assert_allclose(found[0].gamma, other.gamma, rtol=1e-6)
        np.testing.assert_allclose(found[0].errors.se, other.errors.se, rtol=1e-5)
