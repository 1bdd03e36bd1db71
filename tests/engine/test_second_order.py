"""Blocks whose velocity genes are fitted again, against dense matrices in float64."""

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
    LayerSource,
    SandwichErrors,
    SecondOrder,
    SmoothingOperator,
    Spreading,
    fit_ratios,
)
from steadyvelo.engine._kernels._second_order import second_order_terms
from steadyvelo.engine._second_order import first_moment_weights

N_CELLS, N_GENES = 1300, 23
EVERY = np.ones(N_CELLS, dtype=bool)


def problem(order=None):
    """Counts on a ring of cells, with their operator as a matrix, too."""
    rng = np.random.default_rng(0)
    place = np.arange(N_CELLS)[:, None] + rng.integers(-12, 13, (N_CELLS, 10))
    indices = np.sort(place % N_CELLS, axis=1).astype(np.int32).ravel()
    smoothing = SmoothingOperator(np.arange(N_CELLS + 1, dtype=np.int64) * 10, indices)
    phase = 2 * np.pi * (np.arange(N_CELLS)[:, None] / N_CELLS + rng.random(N_GENES))
    level = 3 * np.exp(np.sin(phase))
    scales = np.exp(rng.normal(0, 0.3, (2, N_CELLS)))
    counts = [
        rng.poisson(level / scales[0][:, None]),
        rng.poisson(0.4 * level / scales[1][:, None]),
    ]
    order = CellOrder.identity(N_CELLS) if order is None else order
    source = CountsSource(
        *(sp.csr_array(x) for x in counts),
        np.arange(N_GENES),
        order,
        *scales,
        smoothing.reordered(order),
        keep_counts=True,
    )
    return source, smoothing.to_matrix().toarray()


def rule(cells=EVERY, *, weights="extremes", offset=False):
    quantiles = (0.05, 0.95) if offset else (None, 0.95)
    return FitRule(weights, quantiles, offset, EVERY, cells, "fit")


def second(source, *, exact=True, **options):
    linear = source.spliced_scale if exact else np.ones(N_CELLS)
    every = np.ones(source.n_genes, dtype=bool)
    return SecondOrder(source.smoothing, linear, every, 0.01, 0.01, **options)


def moments(source, w, *, exact):
    s, u = (
        x.toarray() * scale[:, None]
        for x, scale in (
            (source.spliced, source.spliced_scale),
            (source.unspliced, source.unspliced_scale),
        )
    )
    d = source.spliced_scale[:, None] if exact else 1.0
    return w @ s, w @ u, w @ (s * (2 * s - d)), w @ (u * (2 * s + d))


def extreme(x, low, high):
    return (x >= np.percentile(x, high, axis=0)) | (
        x <= np.percentile(x, low, axis=0) if low else False
    )


def by_hand(moments, cells, *, fit_offset, fit_offset2):
    """γ and offsets from weighted rows, all in float64."""
    ms, mu, a, b = (x[cells] for x in moments)
    low = 5 if fit_offset else 0
    z = ms / ms.max(axis=0) + mu / mu.max(axis=0)
    ordinary = extreme(z, 0, 95)
    gamma = (ordinary * ms * mu).sum(axis=0) / (ordinary * ms * ms).sum(axis=0)
    m = extreme(z, low, 95) | extreme(ms, low, 95)
    w = 1 / (mu - gamma * ms).var(axis=0)
    own = (a * b).sum(axis=0) / (a * a).sum(axis=0)
    if fit_offset2:
        free = ((a - a.mean(axis=0)) * b).sum(axis=0) / ((a - a.mean(axis=0)) ** 2).sum(axis=0)
        own = np.where(b.mean(axis=0) >= free * a.mean(axis=0), free, own)
    w2 = 1 / (b - own * a).var(axis=0)
    found = np.empty((3, ms.shape[1]))
    for g in range(ms.shape[1]):
        # the rows of cells that are not in the fit have no intercept either
        rows = m[:, g]
        one, none = np.ones(rows.sum()), np.zeros(rows.sum())
        x = [np.r_[ms[rows, g], a[:, g]]]
        x += [np.r_[one, 0 * a[:, g]]] if fit_offset else []
        x += [np.r_[none, 0 * a[:, g] + 1]] if fit_offset2 else []
        weights = np.r_[one * w[g], 0 * a[:, g] + w2[g]]
        x = np.stack(x, axis=1)
        y = np.r_[mu[rows, g], b[:, g]]
        solution = np.linalg.solve(x.T @ (weights[:, None] * x), x.T @ (weights * y))
        rest = iter(solution[1:])
        offsets = [next(rest) if fitted else 0.0 for fitted in (fit_offset, fit_offset2)]
        found[:, g] = [solution[0], *offsets]
    return found


def shuffled():
    order = np.random.default_rng(9).permutation(N_CELLS).astype(np.int32)
    return CellOrder(order, np.argsort(order).astype(np.int32))


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("fit_offset", "fit_offset2"), [(False, False), (True, False), (False, True), (True, True)]
)
@pytest.mark.parametrize("cells", [EVERY, np.arange(N_CELLS) % 3 > 0])
def test_the_fit_is_that_of_dense_matrices(exact, fit_offset, fit_offset2, cells):
    source, w = problem(shuffled())
    lines = {"fit_offset": fit_offset, "fit_offset2": fit_offset2}
    fit = fit_ratios(
        source, rule(cells), genes_per_block=9, second=second(source, exact=exact, **lines)
    )
    expected = by_hand(moments(source, w, exact=exact), cells, **lines)
    assert fit.refitted.all()
    np.testing.assert_allclose(fit.gamma, expected[0], rtol=2e-6)
    np.testing.assert_allclose(fit.offset, expected[1], atol=2e-5)
    np.testing.assert_allclose(fit.offset2, expected[2], atol=2e-4)


def test_results_do_not_depend_on_blocks_threads_or_order():
    source, _ = problem()
    errors = SandwichErrors(
        np.stack([source.spliced_scale, source.unspliced_scale]),
        0.95,
        None,
        Spreading.transposing(source.smoothing),
    )
    lines = {"fit_offset": True, "fit_offset2": True}
    whole = fit_ratios(
        source, rule(), genes_per_block=N_GENES, second=second(source, **lines), uncertainty=errors
    )
    other, _ = problem(shuffled())
    turned = replace(errors, spreading=Spreading.transposing(other.smoothing))
    parts = fit_ratios(
        other,
        rule(),
        genes_per_block=5,
        second=second(other, **lines),
        uncertainty=turned,
        n_threads=3,
    )
    np.testing.assert_allclose(parts.gamma, whole.gamma, rtol=1e-7)
    for name in ("se", "low", "high", "molecules", "offset_se"):
        np.testing.assert_allclose(
            getattr(parts.errors, name), getattr(whole.errors, name), rtol=1e-4, err_msg=name
        )
    threads = fit_ratios(source, rule(), genes_per_block=5, second=second(source), n_threads=3)
    alone = fit_ratios(source, rule(), genes_per_block=5, second=second(source), n_threads=1)
    np.testing.assert_array_equal(threads.gamma, alone.gamma)


def test_only_velocity_genes_among_the_candidates_are_fitted_again():
    source, _ = problem()
    ordinary = fit_ratios(source, rule(), genes_per_block=9)
    least = np.median(ordinary.r2)
    candidates = np.arange(N_GENES) % 2 == 0
    chosen = replace(second(source), candidates=candidates, min_r2=least)
    fit = fit_ratios(source, rule(), genes_per_block=9, second=chosen)
    expected = candidates & (ordinary.r2 > least)
    assert expected.any()
    np.testing.assert_array_equal(fit.refitted, expected)
    np.testing.assert_array_equal(fit.gamma != ordinary.gamma, expected)
    np.testing.assert_array_equal(np.isnan(fit.offset2), ~expected)
    for name in ("ordinary_gamma", "r2", "reason"):
        np.testing.assert_array_equal(
            getattr(fit, name), getattr(ordinary, name if name != "ordinary_gamma" else "gamma")
        )
    none = replace(chosen, min_r2=1.0)
    np.testing.assert_array_equal(
        fit_ratios(source, rule(), genes_per_block=9, second=none).gamma, ordinary.gamma
    )
    every = replace(none, every=True)
    found = fit_ratios(source, rule(), genes_per_block=9, second=every)
    np.testing.assert_array_equal(found.refitted, candidates)


@pytest.mark.parametrize("weights", ["all", np.arange(N_CELLS) % 7 / 6.0])
def test_weights_of_first_moments_are_those_of_the_rule(weights):
    source, w = problem()
    ms, mu, a, b = moments(source, w, exact=True)
    m = np.ones(N_CELLS) if isinstance(weights, str) else weights
    m = m[:, None]
    gamma = (m * ms * mu).sum(axis=0) / (m * ms * ms).sum(axis=0)
    own = (a * b).sum(axis=0) / (a * a).sum(axis=0)
    v, v2 = (mu - gamma * ms).var(axis=0), (b - own * a).var(axis=0)
    above = (m * ms * mu).sum(axis=0) / v + (a * b).sum(axis=0) / v2
    below = (m * ms * ms).sum(axis=0) / v + (a * a).sum(axis=0) / v2
    fit = fit_ratios(source, rule(weights=weights), genes_per_block=9, second=second(source))
    np.testing.assert_allclose(fit.gamma, above / below, rtol=2e-6)
    assert (fit.n_cells == (m > 0).sum()).all()


def test_cells_extreme_in_spliced_counts_alone_are_in_the_first_moments():
    source, _ = problem()
    block = source.block(slice(0, 9))
    spliced, unspliced = block.by_gene(slice(0, 9))
    places = np.arange(9)
    for offset, low in ((False, 0), (True, 5)):
        s, u = spliced.T.astype(float), unspliced.T.astype(float)
        z = s / s.max(axis=0) + u / u.max(axis=0)
        expected = extreme(z, low, 95) | extreme(s, low, 95)
        found = first_moment_weights(rule(), spliced, unspliced, places, fit_offset=offset)
        np.testing.assert_array_equal(found, expected.T)


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("weights", ["extremes", "all"])
def test_the_sandwich_is_its_formula(offset, weights):
    """The influence of a cell, from dense matrices and for given weights of both blocks."""
    source, w = problem(shuffled())
    scales = np.stack([source.spliced_scale, source.unspliced_scale])
    errors = SandwichErrors(scales, 0.95, None, Spreading.transposing(source.smoothing))
    cells = np.arange(N_CELLS) % 4 > 0
    lines = {"fit_offset": offset, "fit_offset2": offset}
    fit = fit_ratios(
        source,
        rule(cells, weights=weights),
        genes_per_block=9,
        second=second(source, **lines),
        uncertainty=errors,
        n_threads=2,
    )
    s, u = (
        x.toarray() * scale[:, None]
        for x, scale in zip((source.spliced, source.unspliced), scales, strict=True)
    )
    d = scales[0][:, None]
    a, b = s * (2 * s - d), u * (2 * s + d)
    ms, mu, ma, mb = (w @ x for x in (s, u, a, b))
    own = cells[:, None].astype(float)
    z = ms[cells] / ms[cells].max(axis=0) + mu[cells] / mu[cells].max(axis=0)
    m, first = own * np.ones(N_GENES), own * np.ones(N_GENES)
    if weights == "extremes":
        low = 5 if offset else 0
        m[cells] = extreme(z, 0, 95)
        first[cells] = extreme(z, low, 95) | extreme(ms[cells], low, 95)
    gamma = (m * ms * mu).sum(axis=0) / (m * ms * ms).sum(axis=0)
    slope = (own * ma * mb).sum(axis=0) / (own * ma * ma).sum(axis=0)
    if offset:
        x, y = ma[cells], mb[cells]
        free = ((x - x.mean(axis=0)) * y).sum(axis=0) / ((x - x.mean(axis=0)) ** 2).sum(axis=0)
        slope = np.where(y.mean(axis=0) >= free * x.mean(axis=0), free, slope)
    w1 = 1 / (mu - gamma * ms)[cells].var(axis=0)
    w2 = 1 / (mb - slope * ma)[cells].var(axis=0)
    h, k = w.T @ (first * ms), w.T @ (own * ma)
    h0, k0 = w.T @ first, w.T @ own

    def centred(values, weights):
        return values - offset * (weights * values).sum(axis=0) / weights.sum(axis=0)

    q = h - offset * h0 * h.sum(axis=0) / h0.sum(axis=0)
    q2 = k - offset * k0 * k.sum(axis=0) / k0.sum(axis=0)
    above = w1 * q * centred(u, h0) + w2 * q2 * centred(b, k0)
    below = w1 * q * centred(s, h0) + w2 * q2 * centred(a, k0)
    ratio = above.sum(axis=0) / below.sum(axis=0)
    psi = (above - ratio * below) / below.sum(axis=0)
    np.testing.assert_allclose(fit.gamma, ratio, rtol=1e-5)
    np.testing.assert_allclose(fit.errors.gamma, ratio, rtol=1e-5)
    np.testing.assert_allclose(fit.errors.se, np.sqrt((psi**2).sum(axis=0)), rtol=1e-4)
    if offset:
        omega = h0 * (u - ratio * s - fit.offset) / h0.sum(axis=0)
        omega -= (h0 * s).sum(axis=0) / h0.sum(axis=0) * psi
        np.testing.assert_allclose(fit.errors.offset_se, np.sqrt((omega**2).sum(axis=0)), rtol=1e-3)


def test_genes_that_are_not_fitted_again_keep_their_errors():
    source, _ = problem()
    scales = np.stack([source.spliced_scale, source.unspliced_scale])
    errors = SandwichErrors(scales, 0.95, None, Spreading.transposing(source.smoothing))
    plain = fit_ratios(source, rule(), genes_per_block=9, uncertainty=errors)
    again = replace(second(source), candidates=np.arange(N_GENES) < 3)
    fit = fit_ratios(source, rule(), genes_per_block=9, uncertainty=errors, second=again)
    np.testing.assert_array_equal(fit.errors.se[3:], plain.errors.se[3:])
    assert (fit.errors.se[:3] != plain.errors.se[:3]).all()


def test_what_second_moments_need_is_refused_if_it_is_missing():
    source, _ = problem()
    folds = CrossFitErrors(np.ones((2, N_CELLS)), 0.95, None, [])
    with pytest.raises(ValueError, match="no errors but those of SandwichErrors"):
        fit_ratios(source, rule(), genes_per_block=9, second=second(source), uncertainty=folds)
    layers = LayerSource(source.spliced, source.unspliced, source.genes, source.order)
    with pytest.raises(ValueError, match="the block has no counts"):
        fit_ratios(layers, rule(), genes_per_block=9, second=second(source))


def test_products_of_counts_are_those_of_their_definition():
    rng = np.random.default_rng(3)
    s, u = rng.random((2, 7, 5)).astype(np.float32)
    d, columns = rng.random(7), np.array([1, 4])
    out = np.full((7, 4), np.nan, dtype=np.float32)
    second_order_terms(s, u, d, columns, out, 2, 7)
    x, y = s[:, columns].astype(float), u[:, columns].astype(float)
    expected = np.concatenate([x * (2 * x - d[:, None]), y * (2 * x + d[:, None])], axis=1)
    np.testing.assert_allclose(out[2:], expected[2:], rtol=1e-6, atol=1e-7)
    assert np.isnan(out[:2]).all()


def test_products_of_counts_have_the_expectations_of_the_model_where_sizes_differ():
    """b − γa is 0 on average at steady state: with d = 1 / size, not with d = 1."""
    sizes, noise = (np.random.default_rng(x) for x in np.random.SeedSequence(7).spawn(2))
    n, gamma = 200_000, 0.3
    size = np.exp(sizes.normal(0, 0.5, n))
    mean = np.array([0.5, 2.0, 8.0])
    s, u = (
        (noise.poisson(size[:, None] * x) / size[:, None]).astype(np.float32)
        for x in (mean, gamma * mean)
    )
    found = {}
    for name, d in {"exact": 1 / size, "scvelo": np.ones(n)}.items():
        out = np.empty((n, 6), dtype=np.float32)
        second_order_terms(s, u, d, np.arange(3), out, 0, n)
        a, b = out[:, :3].astype(float), out[:, 3:].astype(float)
        error = (b - gamma * a).std(axis=0) / np.sqrt(n)
        found[name] = (b - gamma * a).mean(axis=0) / error
    assert (abs(found["exact"]) < 4).all()
    assert (found["scvelo"][:2] < -8).all()
