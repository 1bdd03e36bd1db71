"""Separate lines for categories of cells: velocities, fits and their molecules, from formulas."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.engine import (
    CategoryFits,
    CategoryLines,
    CellOrder,
    CountsSource,
    FitRule,
    Lines,
    SandwichErrors,
    SmoothingOperator,
    Spreading,
    Velocities,
    fit_ratios,
)
from tests.strategies import abundances, cell_orders, group_codes, shapes

N_CELLS, N_GENES = 150, 23


@settings(max_examples=25, deadline=None)
@given(data=st.data(), shape=shapes((1, 12), (1, 6)))
def test_deviations_are_from_the_line_of_each_row(data, shape):
    s, u = (data.draw(abundances(shape, dtype=np.float32)) for _ in "su")
    codes = data.draw(group_codes(shape[0]))
    gamma, offset = (data.draw(abundances((4, shape[1]))) for _ in "go")
    order = data.draw(cell_orders(shape[0]))
    smoothing = SmoothingOperator.from_connectivities(np.ones((shape[0],) * 2))
    source = CountsSource(
        s, u, np.arange(shape[1]), order, *np.ones((2, shape[0])), smoothing, keep_counts=True
    )
    lines = CategoryLines(gamma, offset, codes[order.cell_of_row], smoothing)
    block = source.block(slice(0, shape[1]))
    expected = (u - gamma[codes] * s - offset[codes]).astype(np.float32)
    np.testing.assert_array_equal(lines.deviation(block), expected[order.cell_of_row])
    mean = np.broadcast_to(expected.mean(axis=0, dtype=np.float64), shape)
    np.testing.assert_allclose(lines.velocity(block), mean, rtol=1e-6, atol=1e-6)
    # the counts of the block may be overwritten by them
    np.testing.assert_array_equal(
        lines.deviation(block, 2, block.kept_counts[1]), expected[order.cell_of_row]
    )


def problem(seed=0):
    """Counts of two categories with different ratios and of cells without one, and their graph."""
    rng = np.random.default_rng(seed)
    place = np.arange(N_CELLS) / N_CELLS
    codes = np.where(place < 0.45, 0, np.where(place < 0.9, 1, -1))
    ratio = np.array([0.6, 0.2, 0.4])[codes]
    level = 4 * np.exp(np.sin(4 * np.pi * (place[:, None] + rng.random(N_GENES))))
    scales = np.exp(rng.normal(0, 0.2, (2, N_CELLS)))
    counts = [rng.poisson(level), rng.poisson(0.3 + ratio[:, None] * level)]
    # the last gene has so few unspliced molecules that no category has a ratio of it
    counts[1][:, -1] = (np.arange(N_CELLS) % 20 == 7).astype(int)
    near = np.abs(np.subtract.outer(np.arange(N_CELLS), np.arange(N_CELLS))) < 8
    smoothing = SmoothingOperator.from_connectivities(near)
    turned = rng.permutation(N_CELLS).astype(np.int32)
    order = CellOrder(turned, np.argsort(turned).astype(np.int32))
    source = CountsSource(
        *(sp.csr_array(x) for x in counts),
        np.arange(N_GENES),
        order,
        *scales,
        smoothing.reordered(order),
        keep_counts=True,
    )
    s, u = (x * scale[:, None] for x, scale in zip(counts, scales, strict=True))
    return source, s, u, scales, smoothing.to_matrix().toarray(), codes


def fitted(source, codes, *, offset=False, genes_per_block=5, cells=None, samples=None, **changes):
    every = np.ones(N_CELLS, dtype=bool) if cells is None else cells
    rule = FitRule("extremes", (None, 0.8), offset, every, every, "fit")
    rule = replace(rule, quantiles=(0.2, 0.8) if offset else (None, 0.8), **changes)
    fits = CategoryFits.of(rule, codes, source, samples)
    velocities = np.empty((N_CELLS, N_GENES), dtype=np.float32)

    def consume(block, fit, _):
        velocity = fits.take(block, fit, 2)
        velocities[:, block.genes] = velocity[block.order.row_of_cell]

    common = fit_ratios(source, rule, genes_per_block=genes_per_block, consume=consume, n_threads=2)
    return common, fits.ratios(), velocities


def extreme_cells(ms, mu, *, offset):
    """Whether each cell is extreme among these, by quantiles of z."""
    z = ms / np.maximum(ms.max(0), 1e-3) + mu / np.maximum(mu.max(0), 1e-3)
    upper = z >= np.percentile(z, 80, axis=0)
    return upper | (z <= np.percentile(z, 20, axis=0)) if offset else upper


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("genes_per_block", [4, 30])
def test_each_category_is_fitted_to_its_cells(offset, genes_per_block):
    source, s, u, scales, w, codes = problem()
    how = {"offset": offset, "genes_per_block": genes_per_block}
    common, found, velocities = fitted(source, codes, **how)
    ms, mu = w @ s, w @ u
    for number in range(2):
        inside = codes == number
        m = np.zeros((N_CELLS, N_GENES))
        m[inside] = extreme_cells(ms[inside], mu[inside], offset=offset)
        n = m.sum(0)
        s_mean, u_mean = ((m * x).sum(0) / n if offset else 0.0 * n for x in (ms, mu))
        cross = (m * (ms - s_mean) * (mu - u_mean)).sum(0)
        gamma = cross / (m * (ms - s_mean) ** 2).sum(0)
        o = u_mean - gamma * s_mean
        h = w.T @ (m * ms)
        molecules = (h * u).sum(0) ** 2 / (h**2 * scales[1][:, None] * u).sum(0)
        np.testing.assert_allclose(found.molecules[:, number], molecules, rtol=1e-4)
        own = molecules >= 10
        np.testing.assert_array_equal(found.common[:, number], ~own)
        assert own[:-1].all()
        assert not own[-1]
        np.testing.assert_allclose(found.gamma[own, number], gamma[own], rtol=1e-4)
        np.testing.assert_allclose(found.offset[own, number], o[own], rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(found.n_cells[:, number], n)
        residual = ((mu - gamma * ms - o)[inside] ** 2).sum(0)
        r2 = 1 - residual / ((mu[inside] - mu[inside].mean(0)) ** 2).sum(0)
        np.testing.assert_allclose(found.r2[own, number], r2[own], rtol=1e-4, atol=1e-5)
        # the last gene gets the line of all cells
        assert found.gamma[-1, number] == common.gamma[-1]
        assert found.offset[-1, number] == common.offset[-1]
        assert np.isnan([found.r2[-1, number], found.se[-1, number]]).all()
    lines = (
        np.column_stack([found.gamma, common.gamma]),
        np.column_stack([found.offset, common.offset]),
    )
    gamma, o = (values.T[codes] for values in lines)
    expected = w @ (u - gamma * s - o)
    np.testing.assert_allclose(velocities, expected, rtol=0, atol=2e-5)
    spread = ((mu - mu.mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(found.r2_of_all, 1 - (expected**2).sum(0) / spread, atol=1e-5)


def test_errors_of_a_category_are_its_sandwich():
    source, s, u, _, w, codes = problem()
    _, found, _ = fitted(source, codes)
    ms, mu = w @ s, w @ u
    inside = codes == 1
    m = np.zeros((N_CELLS, N_GENES))
    m[inside] = extreme_cells(ms[inside], mu[inside], offset=False)
    h = w.T @ (m * ms)
    gamma = (h * u).sum(0) / (h * s).sum(0)
    se = np.sqrt((h**2 * (u - gamma * s) ** 2).sum(0)) / (h * s).sum(0)
    np.testing.assert_allclose(found.se[:-1, 1], se[:-1], rtol=1e-4)


def of_four(seed=1):
    """Four categories, and cells without one, whose cells are neighbours everywhere."""
    return np.random.default_rng(seed).integers(-1, 4, N_CELLS)


@pytest.mark.parametrize("with_samples", [False, True])
@pytest.mark.parametrize("offset", [False, True, "nonnegative"])
def test_each_category_is_fitted_as_if_it_were_alone(offset, with_samples):
    source, _, _, scales, _, _ = problem()
    codes = of_four()
    samples = np.random.default_rng(2).integers(0, 3, N_CELLS) if with_samples else None
    _, found, _ = fitted(source, codes, offset=offset, samples=samples)
    errors = SandwichErrors(scales, 0.95, samples, Spreading.transposing(source.smoothing))
    for number in range(4):
        inside = codes == number
        quantiles = (0.2, 0.8) if offset else (None, 0.8)
        rule = FitRule("extremes", quantiles, offset, inside, inside, "fit")
        alone = fit_ratios(source, rule, genes_per_block=7, uncertainty=errors)
        own = ~found.common[:, number]
        assert own.sum() > 15
        for name, expected in {
            "gamma": alone.gamma,
            "offset": alone.offset,
            "r2": alone.r2,
            "se": alone.errors.se,
            "molecules": alone.errors.molecules,
        }.items():
            values = getattr(found, name)[own, number]
            np.testing.assert_allclose(values, expected[own], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(found.n_cells[:, number], alone.n_cells)


def test_given_weights_are_those_of_the_cells_of_a_category():
    source, _, _, _, _, _ = problem()
    codes, weights = of_four(), np.random.default_rng(3).random((N_CELLS, N_GENES))
    _, found, _ = fitted(source, codes, weights=sp.csc_array(weights))
    _, dense, _ = fitted(source, codes, weights=weights)
    inside = codes == 2
    rule = FitRule(weights, (None, 0.8), offset=False, cells=inside, fit_cells=inside, r2="fit")
    alone = fit_ratios(source, rule, genes_per_block=7)
    own = ~found.common[:, 2]
    assert own.sum() > 15
    for one in (found, dense):
        np.testing.assert_allclose(one.gamma[own, 2], alone.gamma[own], rtol=1e-9)


def taken_by(fits, block, fit, _):
    fits.take(block, fit)


def test_categories_share_neighbours_and_memory():
    source, _, _, _, _, _ = problem()
    every = np.ones(N_CELLS, dtype=bool)
    rule = FitRule("extremes", (0.2, 0.8), offset=True, cells=every, fit_cells=every, r2="fit")
    rooms = {}
    for n in (1, 5, 30):
        fits = CategoryFits.of(rule, np.arange(N_CELLS) % n, source)
        fit_ratios(source, rule, genes_per_block=9, consume=partial(taken_by, fits))
        # each neighbour enters the instruments of one category
        entries = sum(len(part.errors.spreading.indices) for part in fits.parts)
        assert entries == source.smoothing.indptr[-1]
        rooms[n] = sum(array.nbytes for array in fits.scratch._kept.values())
    # arrays of a block are those of one category at a time
    assert rooms[30] <= rooms[5] <= rooms[1]


def test_categories_are_numbered_without_gaps():
    source, _, _, _, _, codes = problem()
    with pytest.raises(ValueError, match="category 1 has no cells"):
        fitted(source, np.where(codes == 1, 2, codes))


def test_one_category_of_all_cells_changes_nothing():
    source, _, _, _, _, _ = problem()
    common, found, velocities = fitted(source, np.zeros(N_CELLS, dtype=int))
    enough = ~found.common[:, 0]
    assert enough.sum() == N_GENES - 1
    np.testing.assert_array_equal(found.gamma[:, 0], common.gamma)
    np.testing.assert_allclose(found.r2_of_all, common.r2, rtol=1e-4, atol=1e-6)
    plain = Velocities(source, Lines(common.gamma, common.offset))
    (expected,) = [velocity.copy() for _, velocity in plain.blocks(N_GENES)]
    np.testing.assert_allclose(velocities, expected[source.order.row_of_cell], atol=1e-5)


def test_a_category_without_cells_of_the_fit_gets_the_common_line():
    source, _, _, _, _, codes = problem()
    common, found, _ = fitted(source, codes, fit_cells=codes == 0)
    assert found.common[:, 1].all()
    assert (found.n_cells[:, 1] == 0).all()
    np.testing.assert_array_equal(found.gamma[:, 1], common.gamma)


def test_a_gene_without_a_common_line_has_none():
    source, _, _, _, _, codes = problem()
    spliced = source.spliced.toarray()
    spliced[:, 3] = 0
    source = replace(source, spliced=sp.csr_array(spliced))
    common, found, velocities = fitted(source, codes)
    assert np.isnan(common.gamma[3])
    assert np.isnan(found.gamma[3]).all()
    assert np.isnan(found.r2_of_all[3])
    assert np.isnan(velocities[:, 3]).all()
    assert np.isfinite(velocities[:, :3]).all()


def test_cells_that_are_not_used_enter_no_sum():
    source, s, u, _, w, codes = problem()
    cells = np.arange(N_CELLS) % 7 > 0
    _, found, velocities = fitted(source, codes, cells=cells)
    ms, mu = w @ s, w @ u
    inside = (codes == 0) & cells
    m = np.zeros((N_CELLS, N_GENES))
    m[inside] = extreme_cells(ms[inside], mu[inside], offset=False)
    gamma = (m * ms * mu).sum(0) / (m * ms * ms).sum(0)
    np.testing.assert_allclose(found.gamma[:-1, 0], gamma[:-1], rtol=1e-4)
    spread = ((mu[cells] - mu[cells].mean(0)) ** 2).sum(0)
    r2 = 1 - (velocities[cells].astype(float) ** 2).sum(0) / spread
    np.testing.assert_allclose(found.r2_of_all, r2, atol=1e-5)


def test_velocities_of_a_source_use_the_lines_of_categories():
    source, s, u, _, w, codes = problem()
    rng = np.random.default_rng(5)
    gamma, offset = rng.random((2, N_GENES, 2))
    common = Lines(*rng.random((2, N_GENES)))
    lines = CategoryLines.of_cells(gamma, offset, common, codes, source)
    g, o = (
        np.column_stack([of_categories, of_all]).T[codes]
        for of_categories, of_all in ((gamma, common.gamma), (offset, common.offset))
    )
    expected = w @ (u - g * s - o)
    found = np.concatenate([v.copy() for _, v in Velocities(source, lines).blocks(4, 2)], axis=1)
    np.testing.assert_allclose(found[source.order.row_of_cell], expected, atol=2e-5)
