"""Comparisons of ratios: variances against their definition, and how often they reject."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.model import GroupRatios, Instruments
from tests.strategies import abundances, instruments, of_cells, permutations


def group_instruments(rng, n_genes, n_cells, ratios, groups, *, level=6.0):
    """Two groups with instruments that reach over the border, one ratio per group."""
    mean = level * rng.gamma(4.0, 0.25, (n_genes, n_cells))
    s = rng.poisson(mean).astype(np.float32)
    u = rng.poisson(np.asarray(ratios)[groups] * mean).astype(np.float32)
    scales = np.ones((n_cells, 2))
    made = []
    for k in (0, 1):
        h = rng.gamma(3.0, 1.0, (n_genes, n_cells)) * np.where(groups == k, 1.0, 0.1)
        made.append(Instruments(h.T, np.ones_like(h).T, s.T, u.T, scales))
    return made


def influences(made, gamma, *, centred):
    """Influence of every cell on γ, and the weight of its counts in γ."""
    q, h0, s, u = (x.astype(float) for x in (made.h, made.h0, made.spliced, made.unspliced))
    if centred:
        total = h0.sum(axis=0)
        s, u = (x - (h0 * x).sum(axis=0) / total for x in (s, u))
        q = q - h0 * (q.sum(axis=0) / total)
    weight = q / (q * s).sum(axis=0)
    return weight * (u - gamma * s), weight


@pytest.mark.parametrize("centred", [False, True])
def test_the_variance_is_that_of_the_difference_of_influences(centred):
    rng = np.random.default_rng(0)
    groups = np.arange(60) % 2
    first, second = group_instruments(rng, 5, 60, [0.5, 0.7], groups)
    ratios = GroupRatios.from_instruments([first, second], centred=centred)
    contrast = ratios.contrast(0, 1)
    a, wa = influences(first, ratios.gamma[0], centred=centred)
    b, wb = influences(second, ratios.gamma[1], centred=centred)
    expected = ((a - b) ** 2).sum(0)
    s, u = first.spliced.astype(float), first.unspliced.astype(float)
    pooled = np.maximum((ratios.gamma[0] + ratios.gamma[1]) / 2, 0)
    np.testing.assert_allclose(contrast.se**2, expected, rtol=1e-6)
    floor = pooled * ((wa - wb) ** 2 * (s + u)).sum(0)
    few = replace(ratios, molecules=np.full_like(ratios.molecules, 5.0)).contrast(0, 1)
    np.testing.assert_allclose(few.se**2, np.maximum(expected, floor), rtol=1e-6)
    assert centred or (floor > expected).any()
    np.testing.assert_allclose(contrast.difference, ratios.gamma[0] - ratios.gamma[1])
    # of one group alone, the influences are the scores of its standard error
    alone = first.errors(centred=centred)
    np.testing.assert_allclose(np.sqrt((a**2).sum(0)), alone.se, rtol=1e-5)
    np.testing.assert_allclose(ratios.se(0), alone.se, rtol=1e-5)
    few = replace(ratios, molecules=np.tile([[9.0], [15.0]], 5))
    assert np.isnan(few.se(0)).all()
    floor = np.maximum(ratios.gamma[1], 0) * (wb**2 * (s + u)).sum(0)
    np.testing.assert_allclose(few.se(1) ** 2, np.maximum((b**2).sum(0), floor), rtol=1e-6)
    back = ratios.contrast(1, 0)
    np.testing.assert_allclose(back.statistic, -contrast.statistic)
    np.testing.assert_allclose(back.p, contrast.p)


def test_equal_ratios_are_told_apart_in_one_of_twenty():
    rng = np.random.default_rng(1)
    groups = np.arange(200) % 2
    pair = group_instruments(rng, 4000, 200, [0.5, 0.5], groups)
    p = GroupRatios.from_instruments(pair, centred=False).contrast(0, 1).p
    assert abs((p < 0.05).mean() - 0.05) < 0.012
    assert abs((p < 0.01).mean() - 0.01) < 0.006
    pair = group_instruments(rng, 500, 200, [0.5, 0.9], groups)
    p = GroupRatios.from_instruments(pair, centred=False).contrast(0, 1).p
    assert (p < 0.05).mean() > 0.95


def test_parts_join_to_the_whole():
    rng = np.random.default_rng(3)
    groups = np.arange(50) % 2
    pair = group_instruments(rng, 6, 50, [0.5, 0.6], groups)
    whole = GroupRatios.from_instruments(pair, centred=False)

    parts = [
        GroupRatios.from_instruments([x.of_genes(genes) for x in pair], centred=False)
        for genes in (slice(0, 2), slice(2, 6))
    ]
    joined = GroupRatios.join(parts)
    np.testing.assert_allclose(joined.contrast(0, 1).p, whole.contrast(0, 1).p, rtol=1e-9)


def test_a_gene_without_counts_in_one_group_is_compared_nowhere_else():
    rng = np.random.default_rng(4)
    groups = np.arange(60) % 2
    pair = group_instruments(rng, 3, 60, [0.5, 0.6], groups)
    first = pair[0]
    pair[0] = replace(first, h=np.where(np.arange(3) == 1, 0.0, first.h))
    contrast = GroupRatios.from_instruments(pair, centred=False).contrast(0, 1)
    np.testing.assert_array_equal(np.isnan(contrast.p), [False, True, False])


@st.composite
def pairs(draw):
    """Two groups' instruments of the same counts."""
    first = draw(instruments(exact=True, genes=(1, 6)))
    second = replace(first, h=draw(abundances(first.h.shape, dtype=np.float32)))
    return [first, second]


def assert_equal_contrasts(found, expected, difference=1.0):
    """Compare what was computed of sums in another order."""
    unit = {"difference": difference, "se": difference, "statistic": 1, "p": 1}
    # where influences are equal but for rounding, their difference has no error
    known = np.nan_to_num(expected.se) > 1e-6
    for name, factor in unit.items():
        values = getattr(found, name)[known], factor * getattr(expected, name)[known]
        np.testing.assert_allclose(*values, rtol=1e-6, atol=1e-12, err_msg=name)


@settings(max_examples=40, deadline=None)
@given(pair=pairs(), data=st.data())
def test_no_order_of_cells_moves_a_contrast(pair, data):
    expected = GroupRatios.from_instruments(pair, centred=False)
    order = data.draw(permutations(len(pair[0].h)))
    turned = [of_cells(x, order) for x in pair]
    found = GroupRatios.from_instruments(turned, centred=False)
    np.testing.assert_array_equal(found.gamma, expected.gamma)
    np.testing.assert_array_equal(found.df, expected.df)
    assert_equal_contrasts(found.contrast(0, 1), expected.contrast(0, 1))


@settings(max_examples=40, deadline=None)
@given(pair=pairs(), powers=st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
def test_a_contrast_is_in_the_unit_of_ratios(pair, powers):
    # by powers of two nothing is rounded otherwise
    s, u = (2.0**power for power in powers)
    other = [
        replace(x, spliced=x.spliced * s, unspliced=x.unspliced * u, scales=x.scales * [s, u])
        for x in pair
    ]
    first, second = (
        GroupRatios.from_instruments(x, centred=False).contrast(0, 1) for x in (pair, other)
    )
    assert_equal_contrasts(second, first, difference=u / s)


@settings(max_examples=20, deadline=None)
@given(pair=pairs())
def test_a_contrast_turns_with_its_groups_and_is_computed_in_float64(pair):
    ratios = GroupRatios.from_instruments(pair, centred=False)
    forth, back, itself = (ratios.contrast(*k) for k in ((0, 1), (1, 0), (1, 1)))
    np.testing.assert_array_equal(back.difference, -forth.difference)
    known = np.nan_to_num(forth.se) > 1e-6
    np.testing.assert_allclose(back.p[known], forth.p[known], rtol=1e-6, atol=1e-12)
    assert (np.nan_to_num(itself.difference) == 0).all()
    names = ("h", "h0", "spliced", "unspliced")
    wide = [replace(x, **{name: getattr(x, name).astype(float) for name in names}) for x in pair]
    double = GroupRatios.from_instruments(wide, centred=False)
    np.testing.assert_allclose(double.gamma, ratios.gamma, rtol=1e-12)
    assert_equal_contrasts(double.contrast(0, 1), forth)
