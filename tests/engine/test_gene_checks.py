"""Sums for the model checks, against plain sums over cells."""

from __future__ import annotations

import numpy as np
import pytest

from steadyvelo.engine import Lines, check_genes
from tests.engine.test_uncertainty import N_CELLS, N_GENES, problem, rule, shuffled


@pytest.mark.parametrize("genes_per_block", [3, N_GENES])
def test_sums_by_cluster_are_those_of_normalised_counts(genes_per_block):
    source, *_ = problem(order=shuffled())
    rng = np.random.default_rng(0)
    lines = Lines(rng.uniform(0.2, 1.0, N_GENES), rng.uniform(0, 0.1, N_GENES))
    clusters, places = rng.integers(-1, 3, N_CELLS), rng.normal(0, 1, (N_CELLS, 2))
    checks = check_genes(
        source, rule(), lines, clusters, places, genes_per_block=genes_per_block, n_threads=2
    )
    block = source.block(slice(0, N_GENES))
    s, u = (counts[block.order.row_of_cell].astype(np.float64) for counts in block.kept_counts)
    v = u - lines.gamma * s - lines.offset
    for k in range(3):
        inside = clusters == k
        terms = [s, s * s, v, v * v, places[:, :1] * s, places[:, 1:] * s]
        expected = [term[inside].sum(axis=0) for term in terms]
        np.testing.assert_allclose(checks.sums[:, k].T, expected, rtol=1e-6)
    held = checks.upper.sum(axis=1)
    assert ((held > 0) & (held <= 1 + 1e-9)).all()
