"""Ambiguous molecules stay known, and arrows are compared if they are counted in another layer."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._adata._ambiguous import assigned_to
from steadyvelo._adata._fit import Fit
from steadyvelo.tl._limits import Limits
from steadyvelo.tl._variant import Variant, fit_variant


@pytest.fixture(scope="module")
def apart():
    """Counts with a tenth of the spliced molecules apart, as ambiguous ones."""
    adata = sv.datasets.simulate(n_cells=400, n_genes=80, depth=2, truth=False, rng=0)
    spliced = adata.layers["spliced"].astype(int)
    both = spliced.copy()
    both.data = np.random.default_rng(0).binomial(spliced.data, 0.1)
    both.eliminate_zeros()
    adata.layers["spliced"], adata.layers["ambiguous"] = sp.csr_matrix(spliced - both), both
    adata.X = adata.layers["spliced"].copy()
    return adata


@pytest.mark.parametrize("choice", ["keep", "spliced", "unspliced"])
def test_arrows_are_compared_with_other_assignments(apart, tmp_path, choice):
    apart.write_h5ad(tmp_path / "a.h5ad")
    adata = sv.io.read(tmp_path / "a.h5ad", ambiguous=choice)
    assert adata.layers["ambiguous"].sum() == apart.layers["ambiguous"].sum()
    result = sv.run(adata, basis="pca", uncertainty=None, min_shared_counts=5)
    sv.tl.sensitivity(result, basis="pca")
    rows = [row for row in sv.get.sensitivity(result).index if row.startswith("ambiguous")]
    kinds = ("spliced", "unspliced")
    assert rows == [f"ambiguous as {kind}" for kind in kinds if kind != choice]


def test_the_other_assignment_is_that_of_the_other_reader(apart, tmp_path):
    apart.write_h5ad(tmp_path / "a.h5ad")
    found = {}
    for choice in ("spliced", "unspliced"):
        adata = sv.io.read(tmp_path / "a.h5ad", ambiguous=choice)
        sv.pp.size_factors(adata)
        sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
        sv.tl.velocity(adata, dense=False)
        found[choice] = adata
    first, second = found["spliced"], found["unspliced"]
    # neighbours differ, because they are found from spliced counts
    second.obsp, second.uns["neighbors"] = first.obsp, first.uns["neighbors"]
    sv.tl.velocity(second, dense=False)
    fit = Fit.read(first, "velocity")
    with Limits.of_call("test", None, 1, None) as limits:
        other = fit_variant(fit, Variant(ambiguous="unspliced"), "pca", limits)
    np.testing.assert_allclose(other.gamma, second.var["velocity_gamma"], rtol=1e-6)
    assert not np.allclose(fit.gamma, other.gamma, rtol=1e-2)


def test_molecules_that_are_assigned_are_not_counted_twice(apart, tmp_path):
    apart.write_h5ad(tmp_path / "a.h5ad")
    total = sum(apart.layers[name].sum() for name in ("spliced", "unspliced", "ambiguous"))
    for choice in ("keep", "spliced"):
        adata = sv.io.read(tmp_path / "a.h5ad", ambiguous=choice)
        sv.pp.qc(adata)
        row = sv.get.proportions(adata).loc["all cells"]
        assert row[["spliced", "unspliced", "ambiguous"]].sum() == total
        bars = sv.pl.proportions(adata)
        assert len(bars.get_legend().get_texts()) == (3 if choice == "keep" else 2)
    sv.io.write_h5ad(adata, tmp_path / "b.h5ad")
    again = sv.io.read(tmp_path / "b.h5ad")
    assert assigned_to(again) == "spliced"
    assert abs(again.layers["spliced"] - adata.layers["spliced"]).nnz == 0
    with pytest.raises(ValueError, match="are counted as spliced already"):
        sv.io.read(tmp_path / "b.h5ad", ambiguous="spliced")


def test_what_they_were_assigned_to_comes_along_when_counts_are_attached(apart, tmp_path):
    apart.write_h5ad(tmp_path / "a.h5ad")
    counts = sv.io.read(tmp_path / "a.h5ad", ambiguous="spliced")
    adata = counts.copy()
    for name in list(adata.layers):
        del adata.layers[name]
    adata.uns.clear()
    sv.io.attach_counts(adata, counts)
    assert assigned_to(adata) == "spliced"
