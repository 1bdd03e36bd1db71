"""The retest without a steady state, against the formulas with dense matrices and known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyvelo.model._retest import n_retest_sums, retest


def packed(spliced, deviations, projection, groups, n_groups):
    """Sums of every group in their order: arrays of (folds, cells, genes), p with dimensions."""
    (a, b), (x, y), (m, n) = spliced, deviations, projection
    terms = [np.ones_like(a), a, b, x, y, a * a, b * b, a * x, b * y, x * x, y * y]
    terms += [a * b, b * x, a * y]
    for d in range(len(m)):
        terms += [m[d], n[d], b * m[d], a * n[d], n[d] * x, m[d] * y]
    for d in range(len(m)):
        for f in range(len(m)):
            terms += [m[d] * n[f], m[d] * m[f], n[d] * n[f]]
    each = np.stack(terms, axis=1)
    return np.stack([each[groups == k].sum(axis=0) for k in [*range(n_groups), -1]])


def twin(spliced, deviations, projection, groups, directions, abundance):
    """The statistics from dense matrices, one gene after the other."""
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    n_groups, n_genes = len(unit), spliced[0].shape[1]
    of_cells = np.vstack([unit, np.zeros((1, unit.shape[1]))])[groups]
    along = [np.einsum("dcg,cd->cg", p, of_cells) for p in projection]
    member = groups == np.arange(n_groups)[:, None]
    folds = []
    for h in (0, 1):
        s, r, p = spliced[h], deviations[h], along[h]
        s1, p1 = spliced[1 - h], along[1 - h]
        away, instrument = s - s.mean(axis=0), s1 - s1.mean(axis=0)
        spread = (instrument * s).sum(axis=0)
        e = r - r.mean(axis=0) - (instrument * r).sum(axis=0) / spread * away
        b, q = np.zeros((n_genes, n_groups, n_groups)), np.zeros((n_genes, n_groups))
        for other in range(n_groups):
            part = p * member[other][:, None]
            rest = part - part.mean(axis=0) - (instrument * part).sum(axis=0) / spread * away
            for k in range(n_groups):
                b[:, k, other] = (p1 * rest)[member[k]].sum(axis=0)
        for k in range(n_groups):
            q[:, k] = (p1 * e)[member[k]].sum(axis=0)
        squares = np.stack([(p1 * p1)[of].sum(axis=0) for of in member], axis=1)
        left = np.stack([(e * e)[of].sum(axis=0) for of in member], axis=1)
        folds.append((b, q, squares, left, (e * e).mean(axis=0)))
    wb = sum(b / v[:, None, None] for b, _, _, _, v in folds)
    wq = sum(q / v[:, None] for _, q, _, _, v in folds)
    c = np.linalg.solve(wb.sum(axis=0), wq.sum(axis=0))
    without = np.array(
        [
            np.linalg.solve(np.delete(wb, g, 0).sum(axis=0), np.delete(wq, g, 0).sum(axis=0))
            for g in range(n_genes)
        ]
    )
    z = c / np.sqrt((n_genes - 1) * without.var(axis=0))
    b, q, squares, left = (sum(fold[k] for fold in folds) for k in range(4))
    bare = (b / abundance[:, None, None]).sum(axis=0)
    c = np.linalg.solve(bare, (q / abundance[:, None]).sum(axis=0))
    own = np.einsum("gkk->gk", b)
    r = (q - b @ c + own * c) / np.sqrt(squares * left)
    return r.mean(axis=0) / (r.std(axis=0, ddof=1) / np.sqrt(n_genes)), z


def drawn(seed, n_cells=120, n_genes=12, n_groups=3, n_dims=2):
    """Two folds that share a signal, with cells outside of all groups."""
    rng = np.random.default_rng(seed)
    shape = n_cells, n_genes
    spliced = rng.normal(3, 1, shape) + rng.normal(0, 0.5, (2, *shape))
    projection = rng.normal(0, 1, (n_dims, *shape)) + rng.normal(0, 0.5, (2, n_dims, *shape))
    deviations = rng.normal(0, 1, (2, *shape)) + 0.2 * spliced
    groups = rng.integers(-1, n_groups, n_cells)
    directions = rng.normal(size=(n_groups, n_dims))
    return spliced, deviations, projection, groups, directions, rng.uniform(0.5, 1, n_genes)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n_dims=st.integers(1, 3))
def test_sums_give_what_dense_matrices_give(seed, n_dims):
    *arrays, groups, directions, abundance = drawn(seed, n_dims=n_dims)
    sums = packed(*arrays, groups, len(directions))
    assert sums.shape[1] == n_retest_sums(n_dims)
    found = retest(sums, directions, abundance)
    t, z = twin(*arrays, groups, directions, abundance)
    np.testing.assert_allclose(found.t, t, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.z, z, rtol=1e-6, atol=1e-9)


def test_groups_without_an_arrow_or_cells_are_left_out():
    *arrays, groups, directions, abundance = drawn(0)
    directions = np.vstack([directions, [[1.0, 0.0], [0.0, 0.0], [np.nan, 0.0]]])
    # the fourth group has no cells, the last two have no arrow
    groups[:10], groups[10:20] = 4, 5
    found = retest(packed(*arrays, groups, 6), directions, abundance)
    outside = np.where(groups > 2, -1, groups)
    alone = retest(packed(*arrays, outside, 3), directions[:3], abundance)
    np.testing.assert_allclose(found.t[:3], alone.t, rtol=1e-9)
    np.testing.assert_allclose(found.z[:3], alone.z, rtol=1e-9)
    assert np.isnan(found.t[3:]).all()
    assert np.isnan(found.z[3:]).all()


@pytest.mark.parametrize("few", [1, 3])
def test_few_genes_give_no_statistic(few):
    *arrays, groups, directions, abundance = drawn(0, n_genes=few)
    found = retest(packed(*arrays, groups, 3), directions, abundance)
    assert np.isnan(found.t).all()
    assert np.isnan(found.z).all()


@pytest.mark.parametrize(("c", "low", "high"), [(0.3, 4, 60), (0.0, -3.5, 3.5), (-0.3, -60, -4)])
def test_the_sign_of_the_change_along_the_arrow_is_found(c, low, high):
    # u has a line through s of any slope and offset, and c p; neither is what the fit found
    rng = np.random.default_rng(7)
    state = rng.normal(3, 1, (600, 60))
    ahead = rng.normal(0, 1, (600, 60))
    u = rng.uniform(0.1, 2, 60) * state + rng.uniform(0, 3, 60) + c * ahead
    noisy = [x + rng.normal(0, 0.7, (2, 600, 60)) for x in (state, u, ahead)]
    gamma = np.full(60, 0.5)
    groups = rng.integers(0, 2, 600)
    deviations = noisy[1] - gamma * noisy[0]
    projection = noisy[2][:, None]
    sums = packed(noisy[0], deviations, projection, groups, 2)
    found = retest(sums, np.ones((2, 1)), u.mean(axis=0))
    assert (found.t > low).all()
    assert (found.t < high).all()
    assert (found.z > low).all()
    assert (found.z < high).all()


def test_a_group_with_one_gene_is_not_tested():
    *arrays, groups, directions, abundance = drawn(1)
    projection = arrays[2]
    # in group 0 one gene differs along the arrow, in group 1 two that are the same
    projection[:, :, groups == 0, 1:] = 0.0
    projection[:, :, groups == 1, 2:] = 0.0
    found = retest(packed(*arrays, groups, 3), directions, abundance)
    assert np.isnan(found.t[0])
    assert np.isnan(found.z[0])
    assert np.isfinite(found.t[1:]).all()
    assert np.isfinite(found.z[1:]).all()
    alone = np.where(groups == 0, -1, groups)
    rest = retest(packed(*arrays, alone, 3), directions, abundance)
    np.testing.assert_allclose(found.z[1:], rest.z[1:], rtol=1e-9)


def test_a_gene_without_unspliced_counts_has_no_weight():
    spliced, deviations, *rest, groups, directions, abundance = drawn(2)
    # all of its cells are on one line; in float32, something is left
    deviations[:, :, 0] = np.float32(-0.3) * spliced[:, :, 0].astype(np.float32)
    sums = packed(spliced, deviations, *rest, groups, 3)
    found = retest(sums, directions, abundance)
    without = retest(sums[..., 1:], directions, abundance[1:])
    np.testing.assert_array_equal(found.t, without.t)
    np.testing.assert_array_equal(found.z, without.z)
