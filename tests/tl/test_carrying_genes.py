"""Genes that carry the arrow of a cluster: shares, their effective number, rising and falling."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steadyvelo as sv
from steadyvelo.tl._carrying_genes import carrying_genes


def contributions(shares, velocities, cluster="A"):
    genes = [f"Gene{number}" for number in range(len(shares))]
    columns = {"cluster": cluster, "gene": genes, "share": shares, "velocity": velocities}
    return pd.DataFrame(columns)


def test_the_largest_shares_are_named_and_counted():
    found = carrying_genes(contributions([0.1, -0.2, 0.9, 0.2], [1.0, 2.0, -3.0, -1.0])).loc["A"]
    assert found["genes"] == "Gene2 90%, Gene1 -20%, Gene3 20%"
    assert found["only_gene"] == "Gene2"
    assert found["effective_genes"] == pytest.approx(1.4**2 / (0.01 + 0.04 + 0.81 + 0.04))
    assert found["rising"] == pytest.approx(-0.1)


def test_clusters_without_an_arrow_have_no_genes():
    table = pd.concat(
        [
            contributions([np.nan, np.nan], [0.0, 1.0], "none"),
            contributions([0.5, 0.5], [0.0, 1.0], "two"),
        ]
    )
    found = carrying_genes(table)
    assert list(found.index) == ["none", "two"]
    assert found.loc["none", "genes"] == ""
    assert np.isnan(found.loc["none", "effective_genes"])
    assert found.loc["two", ["effective_genes", "rising", "only_gene"]].tolist() == [2, 0.5, ""]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1, 1).filter(lambda x: abs(x) > 1e-6), min_size=1, max_size=30))
def test_the_effective_number_lies_between_one_and_all(shares):
    found = carrying_genes(contributions(shares, [1.0] * len(shares))).loc["A"]
    assert 1 - 1e-9 <= found["effective_genes"] <= len(shares) * (1 + 1e-9)
    assert found["rising"] == pytest.approx(sum(shares), abs=1e-9)


def test_verdicts_name_the_genes_that_carry_them():
    adata = sv.datasets.simulate(n_cells=600, n_genes=60, rng=0)
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1), dense=False)
    adata.obsm["X_plane"] = adata.obsm["X_pca"][:, :2]
    sv.tl.reliability(adata, "branch", basis="plane", n_controls=5, sensitivity=False)
    table = sv.get.verdicts(adata)
    shares = adata.uns["velocity_direction_plane_genes"]
    for name, row in table.iterrows():
        of_cluster = shares[shares["cluster"] == name].set_index("gene")["share"]
        largest = of_cluster.abs().idxmax()
        assert row["genes"].startswith(f"{largest} {of_cluster[largest]:.0%}")
        assert of_cluster.sum() == pytest.approx(1)
        assert (row["only_gene"] != "") == (of_cluster.max() > 2 / 3)
        assert ("It rests on one gene" in row["reason"]) == (row["only_gene"] != "")
