"""Instruments from lists of marked cells, and kept instruments, against those of all cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from steadyvelo.engine import CellOrder, CrossFitErrors, KeptInstruments, MomentBlock
from tests.engine.test_uncertainty import N_GENES, cross_fit, problem, rule, shuffled


def rules(*, offset):
    """Rules of a fit, of the test of its offset, and of other extreme cells."""
    fit = rule(offset=offset)
    test = replace(fit.two_ended(), tests_offset=True)
    return [fit, test, replace(fit, quantiles=(0.2, 0.6))]


def arrays(instruments):
    return [[made.h.copy(), made.h0.copy()] for made in instruments]


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("most_precise", [5_000, 0])
def test_lists_of_marked_cells_give_the_sums_over_all_cells(
    monkeypatch, offset, n_threads, most_precise
):
    source, _, scales, _, generator = problem(order=shuffled())
    errors, asked = cross_fit(scales, generator), rules(offset=offset)
    block = source.block(slice(0, N_GENES))
    monkeypatch.setattr("steadyvelo.engine._crossfit.MOST_RULES", 0)
    expected = arrays(errors.instruments(block, asked))
    monkeypatch.setattr("steadyvelo.engine._crossfit.MOST_RULES", 5)
    monkeypatch.setattr("steadyvelo.engine._precision.MOST_PRECISE", most_precise)
    found = arrays(errors.instruments(block, asked, n_threads=n_threads))
    for ours, theirs in zip(found, expected, strict=True):
        for x, y in zip(ours, theirs, strict=True):
            assert x.shape == y.shape
            np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
    # more cells have more weight
    assert np.abs(found[2][0] - found[0][0]).max() > 0
    assert (found[2][0] >= found[0][0] - 1e-4).all()


def test_rules_that_mark_nothing_add_nothing():
    source, _, scales, _, generator = problem()
    errors = cross_fit(scales, generator)
    nobody = np.zeros(len(scales[0]), dtype=bool)
    none = replace(rule(), fit_cells=nobody)
    (made,) = errors.instruments(source.block(slice(0, N_GENES)), [none])
    assert (made.h == 0).all()


@pytest.mark.parametrize("n_cells", [5, 61, 64])
def test_instruments_of_any_number_of_cells_are_kept(n_cells):
    rng, order = np.random.default_rng(0), CellOrder.identity(n_cells)
    s, u = (rng.poisson(0.5, (n_cells, 3)).astype(np.float32) for _ in range(2))
    h = rng.random((n_cells, 3), dtype=np.float32)
    s[-1] = h[-1] = 1.0
    h[:, 1] = 0.0
    block = MomentBlock(np.arange(3), order, s, u, (s, u))
    scales = np.ones((2, n_cells))
    errors = CrossFitErrors(scales, 0.95, None, [])
    kept = KeptInstruments(order)
    kept.add(block, np.arange(3), errors.weighing(block, h, np.zeros((n_cells, 0))), 1)
    found = kept.of(block, np.array([2, 1, 0]), errors, 1).h
    np.testing.assert_array_equal(found, np.where((s > 0) | (u > 0), h, 0)[:, ::-1])


def test_kept_instruments_have_the_same_influences():
    source, _, scales, _, generator = problem(order=shuffled())
    errors = cross_fit(scales, generator)
    kept = KeptInstruments(source.order)
    genes = np.arange(N_GENES) + 100
    for part in (slice(0, 3), slice(3, N_GENES)):
        block = source.block(part)
        (made,) = errors.instruments(block, [rule()])
        kept.add(block, genes[part], made, 2)
    assert kept.has(genes)
    assert not kept.has(np.array([99]))
    # other blocks, and some of the genes
    some = slice(2, 6)
    block = source.block(some)
    (made,) = errors.instruments(block, [rule()])
    gamma, offset = np.full(4, 0.5), np.zeros(4)
    expected, _ = made.line_influences(gamma, offset)
    found, none = kept.of(block, genes[some], errors, 2).line_influences(gamma, offset)
    np.testing.assert_array_equal(found, expected)
    assert none.shape[1] == 0
    other, *_ = problem()
    with pytest.raises(ValueError, match="another order of the cells"):
        kept.of(other.block(some), genes[some], errors, 1)
