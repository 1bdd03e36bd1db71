"""Which genes are velocity genes, and the reason for each that is not."""

from __future__ import annotations

import numpy as np

from steadyvelo.model import gene_criteria

NO_CELLS = "no cell has a weight above 0 in the fit"


def test_every_criterion_has_its_column_and_the_deepest_cause_is_the_reason():
    criteria = gene_criteria(
        gamma=np.array([0.5, 0.5, 0.01, 0.5, 0.5, np.nan, 0.5]),
        r2=np.array([0.5, 0.01, 0.5, 0.5, 0.5, np.nan, 0.5]),
        spliced_max=np.array([1.0, 1, 1, 0, 1, 1, 1]),
        unspliced_max=np.array([1.0, 1, 1, 1, 0, 1, 1]),
        highly_variable=np.array([1, 1, 1, 1, 1, 1, 0], dtype=bool),
        no_fit=np.array(["", "", "", "", "", NO_CELLS, ""], dtype=object),
    )
    assert criteria.reason.tolist() == [
        "",
        "R² is not above 0.01",
        "gamma is not above 0.01",
        "no spliced counts",
        "no unspliced counts",
        NO_CELLS,
        "not highly variable",
    ]
    assert criteria.velocity_genes.tolist() == [True] + [False] * 6
    assert criteria.r2_passes.tolist() == [True, False, True, True, True, False, True]
    assert criteria.gamma_passes.tolist() == [True, True, False, True, True, False, True]


def test_thresholds_are_not_lowered_when_nothing_passes():
    none = gene_criteria(
        np.full(3, 0.5), np.full(3, -1.0), spliced_max=np.ones(3), unspliced_max=np.ones(3)
    )
    assert not none.velocity_genes.any()
