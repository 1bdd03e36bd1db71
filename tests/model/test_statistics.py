"""Sufficient statistics: exactness, merging, formats, and the fits they give."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from functools import reduce
from operator import add

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import lsq_linear

from steadyvelo.model import SufficientStatistics
from steadyvelo.model._ratio import NO_CELLS, NO_SPLICED, SPLICED_CONSTANT
from tests.strategies import abundances, counts, permutations, shapes, velocities, weights


def exact_fit(s, u, w):
    """Least squares in rational arithmetic: slope and offset, and the slope through the origin."""
    s, u, w = ([Fraction(float(value)) for value in x] for x in (s, u, w))
    n = sum(w)
    s_mean = sum(a * b for a, b in zip(w, s, strict=True)) / n
    u_mean = sum(a * b for a, b in zip(w, u, strict=True)) / n
    c_ss = sum(c * (a - s_mean) ** 2 for a, c in zip(s, w, strict=True))
    c_su = sum(c * (a - s_mean) * (b - u_mean) for a, b, c in zip(s, u, w, strict=True))
    gamma = c_su / c_ss
    origin = sum(a * b * c for a, b, c in zip(s, u, w, strict=True)) / sum(
        a * a * c for a, c in zip(s, w, strict=True)
    )
    return gamma, u_mean - gamma * s_mean, origin


@st.composite
def genes(draw, ratio, most=40):
    """Draw one gene with about the given mean / standard deviation of s, and weights or none."""
    n = draw(st.integers(3, most))
    # two cells that differ: there is a slope
    s, u = np.r_[0, 1, draw(velocities(n - 2))], draw(velocities(n))
    s += ratio * s.std() - s.mean()
    u += draw(st.integers(-3, 3)) * s + draw(st.integers(1, 5))
    w = draw(weights(n) | st.just(np.ones(n)))
    w[:2] = 1
    return s, u, w


def of(gene, cells=slice(None)):
    """Return the statistics of one gene over some of its cells."""
    s, u, w = (x[cells] for x in gene)
    return SufficientStatistics.from_arrays(s[:, None], u[:, None], w)


@st.composite
def merged(draw, gene):
    """Draw parts of the cells and the order and nesting in which they are merged."""
    order = draw(permutations(len(gene[0])))
    cuts = draw(st.lists(st.integers(0, len(order)), min_size=1, max_size=49).map(sorted))
    parts = [of(gene, cells) for cells in np.split(order, cuts)]
    while len(parts) > 1:
        first = parts.pop(draw(st.integers(0, len(parts) - 1)))
        second = parts.pop(draw(st.integers(0, len(parts) - 1)))
        parts.append(first + second)
    return parts[0]


@pytest.mark.parametrize(
    ("ratio", "gamma_bound", "offset_bound"),
    [(0.0, 1e-12, 1e-12), (1.0, 1e-12, 1e-12), (10.0, 1e-12, 1e-12), (1e6, 1e-9, 1e-6)],
)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_fits_are_exact_in_one_pass_and_in_parts(ratio, gamma_bound, offset_bound, data):
    s, u, w = gene = data.draw(genes(ratio))
    gamma, offset, origin = exact_fit(s, u, w)
    # no slope is larger than one spread against the other
    steep = np.sqrt(((u - np.average(u, weights=w)) ** 2 * w).sum() / (w * s**2).sum()) + 1
    for statistics in (of(gene), data.draw(merged(gene))):
        fit = statistics.solve(offset=True)
        slope_error = abs(float(Fraction(fit.gamma[0]) - gamma))
        assert slope_error < gamma_bound * max(abs(float(gamma)), steep)
        offset_error = abs(float(Fraction(fit.offset[0]) - offset))
        assert offset_error < offset_bound * (abs(float(offset)) + steep)
        origin_error = abs(float(Fraction(statistics.solve().gamma[0]) - origin))
        assert origin_error < gamma_bound * max(abs(float(origin)), steep)


@settings(max_examples=25, deadline=None)
@given(gene=genes(10.0), data=st.data())
def test_taking_a_part_out_leaves_the_rest(gene, data):
    taken = data.draw(hnp.arrays(bool, len(gene[0])))
    taken[:2] = True, False
    left, expected = of(gene) - of(gene, taken), of(gene, ~taken)
    for field in fields(expected):
        np.testing.assert_allclose(
            getattr(left, field.name), getattr(expected, field.name), rtol=1e-9, atol=1e-9
        )


def test_taking_everything_out_leaves_no_cells():
    statistics = SufficientStatistics.from_arrays(np.array([[1.0], [2.0]]), np.ones((2, 1)))
    nothing = statistics - statistics
    assert nothing.total_weight[0] == 0
    assert nothing.solve().reason[0] == NO_CELLS


def test_taking_out_more_than_there_is_is_refused():
    small = SufficientStatistics.from_arrays(np.ones((2, 1)), np.ones((2, 1)))
    large = SufficientStatistics.from_arrays(np.ones((3, 1)), np.ones((3, 1)))
    with pytest.raises(ValueError, match="more weight than the whole in gene number 0"):
        small - large


def test_an_empty_part_changes_nothing():
    s = np.array([[1.0], [2.0], [4.0]])
    whole = SufficientStatistics.from_arrays(s, 2 * s)
    empty = SufficientStatistics.from_arrays(s[:0], s[:0])
    for merged in (whole + empty, empty + whole):
        assert merged.solve(offset=True).gamma[0] == pytest.approx(2)
        assert merged.spliced_mean[0] == whole.spliced_mean[0]


@settings(max_examples=20, deadline=None)
@given(gene=genes(3.0), data=st.data())
def test_order_of_cells_does_not_matter(gene, data):
    first = of(gene).solve(offset=True)
    second = of(gene, data.draw(permutations(len(gene[0])))).solve(offset=True)
    np.testing.assert_allclose(second.gamma, first.gamma, rtol=1e-10, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(gene=genes(2.0), a=st.floats(1e-3, 1e3), b=st.floats(1e-3, 1e3))
def test_fits_scale_with_units(gene, a, b):
    s, u, w = gene
    fit, scaled = of(gene).solve(offset=True), of((a * s, b * u, w)).solve(offset=True)
    np.testing.assert_allclose(scaled.gamma, fit.gamma * b / a, rtol=1e-9, atol=1e-11 * b / a)
    np.testing.assert_allclose(scaled.offset, fit.offset * b, rtol=1e-9, atol=1e-11 * b)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), shape=shapes(cells=(3, 20), genes=(1, 4)))
def test_weights_count_cells(data, shape):
    s, u = data.draw(abundances(shape)), data.draw(abundances(shape))
    times = data.draw(counts(shape[0], largest=3))
    times[:2] = 1
    weighted = SufficientStatistics.from_arrays(s, u, times.astype(float))
    repeated = SufficientStatistics.from_arrays(np.repeat(s, times, 0), np.repeat(u, times, 0))
    for field in fields(weighted):
        np.testing.assert_allclose(
            getattr(weighted, field.name), getattr(repeated, field.name), rtol=1e-11, atol=1e-11
        )


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.float32, np.float64])
def test_array_type_and_dtype_do_not_matter(array_type, dtype):
    rng = np.random.default_rng(0)
    s, u = rng.poisson(0.7, (2, 80, 130))
    w = rng.random(80)
    expected = SufficientStatistics.from_arrays(s, u, w).solve(offset=True)
    s, u = (array_type(x.astype(dtype)) for x in (s, u))
    fit = SufficientStatistics.from_arrays(s, u, w)
    np.testing.assert_array_equal(fit.solve(offset=True).gamma, expected.gamma)


def test_float32_input_is_summed_in_float64():
    rng = np.random.default_rng(0)
    s, u = rng.gamma(2, size=(2, 5000, 3)).astype(np.float32)
    single = SufficientStatistics.from_arrays(s, u).solve(offset=True)
    double = SufficientStatistics.from_arrays(s.astype(float), u.astype(float)).solve(offset=True)
    np.testing.assert_array_equal(single.gamma, double.gamma)


def test_weights_per_gene_may_be_sparse():
    rng = np.random.default_rng(0)
    s, u = rng.gamma(2, size=(2, 40, 5))
    w = (rng.random((40, 5)) < 0.3).astype(float)
    dense = SufficientStatistics.from_arrays(s, u, w).solve()
    sparse = SufficientStatistics.from_arrays(s, u, sp.csr_matrix(w)).solve()
    np.testing.assert_array_equal(sparse.gamma, dense.gamma)


def test_lines_are_those_of_the_normal_equations():
    rng = np.random.default_rng(1)
    s, u, w = rng.gamma(2, size=(3, 50))
    design = np.stack([s, np.ones(50)], axis=1)
    slope, offset = np.linalg.solve(design.T @ (w[:, None] * design), design.T @ (w * u))
    fit = SufficientStatistics.from_arrays(s[:, None], u[:, None], w).solve(offset=True)
    np.testing.assert_allclose([fit.gamma[0], fit.offset[0]], [slope, offset], rtol=1e-12)


def test_a_negative_offset_is_replaced_by_a_line_through_the_origin():
    s = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    u = s * [2.0, 0.5] + [-1.0, 1.0]
    statistics = SufficientStatistics.from_arrays(s, u)
    fit = statistics.solve(offset="nonnegative")
    np.testing.assert_allclose(fit.offset, [0, 1], atol=1e-12)
    np.testing.assert_allclose(fit.gamma, [statistics.solve().gamma[0], 0.5])


@settings(max_examples=60, deadline=None)
@given(gene=genes(1.0), high=st.tuples(st.floats(0.1, 2), st.floats(0.1, 2)))
def test_bounds_give_the_constrained_minimum(gene, high):
    s, u, w = gene
    fit = of(gene).solve(
        offset=True, gamma_bounds=(0.0, high[0]), offset_bounds=(0.0, np.array([high[1]]))
    )
    design = np.stack([s, np.ones(len(s))], axis=1) * np.sqrt(w)[:, None]
    expected = lsq_linear(design, np.sqrt(w) * u, ([0, 0], high), tol=1e-14).x
    squares = [
        (w * (u - g * s - o) ** 2).sum() for g, o in ((fit.gamma[0], fit.offset[0]), expected)
    ]
    assert squares[0] <= squares[1] * (1 + 1e-9) + 1e-12
    assert 0 <= fit.gamma[0] <= high[0]
    assert 0 <= fit.offset[0] <= high[1]


def test_a_bound_on_gamma_alone_clips_a_line_through_the_origin():
    statistics = SufficientStatistics.from_arrays(np.ones((2, 1)), 30 * np.ones((2, 1)))
    assert statistics.solve(gamma_bounds=(0.0, 20.0)).gamma[0] == 20


@pytest.mark.parametrize(
    ("spliced", "weights", "offset", "reason"),
    [
        ([0.0, 0.0, 0.0], None, False, NO_SPLICED),
        ([0.0, 0.0, 0.0], None, True, NO_SPLICED),
        ([0.1, 0.1, 0.1], [0.3, 0.7, 0.9], True, SPLICED_CONSTANT),
        ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], False, NO_CELLS),
    ],
)
def test_a_gene_without_a_fit_has_a_reason_and_no_number(spliced, weights, offset, reason):
    weights = None if weights is None else np.array(weights)
    s, u = np.array(spliced)[:, None], np.array([[1.0], [2.0], [3.0]])
    fit = SufficientStatistics.from_arrays(s, u, weights).solve(offset=offset)
    assert fit.reason[0] == reason
    assert np.isnan([fit.gamma[0], fit.offset[0]]).all()


def test_constant_spliced_still_has_a_line_through_the_origin():
    s, u = np.full((3, 1), 2.0), np.array([[1.0], [2.0], [3.0]])
    fit = SufficientStatistics.from_arrays(s, u).solve(offset="nonnegative")
    assert (fit.gamma[0], fit.offset[0], fit.reason[0]) == (1.0, 0.0, "")


def test_no_unspliced_counts_fit_a_ratio_of_zero():
    s = np.array([[1.0], [2.0]])
    fit = SufficientStatistics.from_arrays(s, 0 * s).solve()
    assert (fit.gamma[0], fit.reason[0]) == (0.0, "")


def test_r2_is_the_share_of_spread_explained():
    rng = np.random.default_rng(2)
    s, u = rng.gamma(2, size=(2, 60, 4))
    statistics = SufficientStatistics.from_arrays(s, u)
    for gamma, offset in ((np.full(4, 0.3), np.full(4, 0.1)), (np.full(4, 9.0), np.zeros(4))):
        residual = ((u - gamma * s - offset) ** 2).sum(axis=0)
        expected = 1 - residual / ((u - u.mean(axis=0)) ** 2).sum(axis=0)
        np.testing.assert_allclose(statistics.r2(gamma, offset), expected, rtol=1e-10)
    assert (statistics.r2(np.full(4, 9.0), np.zeros(4)) < 0).all()


def test_r2_of_constant_unspliced_is_unknown():
    statistics = SufficientStatistics.from_arrays(np.array([[1.0], [2.0]]), np.ones((2, 1)))
    assert np.isnan(statistics.r2(np.array([0.5]), np.array([0.0]))[0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones((3, 2)), np.ones((3, 1))), r"the same shape .* \(3, 2\) and \(3, 1\)"),
        ((np.ones((3, 2)), np.ones((3, 2)), np.ones(4)), r"weights must have shape \(3,\)"),
        ((np.ones((3, 1)), np.ones((3, 1)), -np.ones(3)), "weights must not be negative; .* -1"),
        ((np.array([[1.0, np.nan]]), np.ones((1, 2))), "spliced has NaN .* gene number 1"),
        ((np.ones((1, 2)), np.array([[np.inf, 1]])), "unspliced has NaN .* gene number 0"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(arrays, message):
    with pytest.raises(ValueError, match=message), np.errstate(invalid="ignore"):
        SufficientStatistics.from_arrays(*arrays)


def test_unknown_offset_modes_and_bounds_without_offset_are_refused():
    statistics = SufficientStatistics.from_arrays(np.ones((2, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"offset must be .* it is 'free'"):
        statistics.solve(offset="free")
    with pytest.raises(ValueError, match="offset_bounds require offset=True"):
        statistics.solve(offset_bounds=(0.0, 1.0))


def test_merging_is_associative_to_rounding():
    rng = np.random.default_rng(4)
    blocks = [rng.gamma(2, size=(2, 7, 3)) for _ in range(6)]
    parts = [SufficientStatistics.from_arrays(s, u) for s, u in blocks]
    left, right = reduce(add, parts), reduce(lambda a, b: b + a, reversed(parts))
    for field in fields(left):
        pair = getattr(left, field.name), getattr(right, field.name)
        if field.name.endswith("_rest"):  # what is below the last digit of the means
            np.testing.assert_allclose(*pair, atol=1e-15)
        else:
            np.testing.assert_allclose(*pair, rtol=1e-13)


def test_numbers_are_not_taken_for_offset_modes():
    statistics = SufficientStatistics.from_arrays(np.array([[1.0], [2.0]]), np.ones((2, 1)))
    assert statistics.solve(offset=np.False_).offset[0] == 0
    assert statistics.solve(offset=np.True_).offset[0] == pytest.approx(1)
    for number in (0, 1, None):
        with pytest.raises(ValueError, match="offset must be False, True"):
            statistics.solve(offset=number)


@settings(max_examples=60, deadline=None)
@given(gene=genes(1.0), ends=st.tuples(st.floats(0, 2), st.floats(0, 2)).map(sorted))
def test_a_nonnegative_offset_with_bounds_on_gamma_is_the_constrained_minimum(gene, ends):
    s, u, _ = gene
    low, high = ends
    gene = s, u, np.ones(len(s))
    fit = of(gene).solve(offset="nonnegative", gamma_bounds=(low, high))
    design = np.stack([s, np.ones(len(s))], axis=1)
    expected = lsq_linear(design, u, ([low, 0], [high + 1e-12, np.inf]), tol=1e-14).x
    squares = [((u - g * s - o) ** 2).sum() for g, o in ((fit.gamma[0], fit.offset[0]), expected)]
    assert squares[0] <= squares[1] * (1 + 1e-9) + 1e-9
    assert fit.offset[0] >= 0


def test_bounds_of_single_genes_may_be_infinite():
    rng = np.random.default_rng(0)
    s = rng.gamma(2, size=(30, 3))
    statistics = SufficientStatistics.from_arrays(s, s - 1)
    fit = statistics.solve(offset=True, offset_bounds=(np.array([0, 0, -np.inf]), np.inf))
    np.testing.assert_allclose(fit.offset, [0, 0, -1], atol=1e-9)
    with pytest.raises(ValueError, match="low ≤ high"):
        statistics.solve(gamma_bounds=(2, 1))
    with pytest.raises(ValueError, match="low ≤ high"):
        statistics.solve(offset=True, offset_bounds=(2, 1))


def test_statistics_of_other_genes_do_not_merge():
    one, three = (SufficientStatistics.from_arrays(*np.ones((2, 4, n))) for n in (1, 3))
    with pytest.raises(ValueError, match="3 genes cannot be combined with sums of 1 genes"):
        three + one
    with pytest.raises(ValueError, match="1 genes cannot be combined with sums of 3 genes"):
        one - three
