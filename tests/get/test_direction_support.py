"""Genes for and against the direction that a user expects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo import _keys


@pytest.fixture(scope="module")
def tested_once():
    adata = sv.datasets.simulate(n_cells=500, n_genes=80, library_size_sd=0.5, rng=0)
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=15)
    adata.obsm["X_plane"] = adata.obsm["X_pca"][:, :2].astype(np.float64)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), dense=False)
    sv.tl.velocity_graph(adata)
    sv.tl.reliability(adata, "clusters", basis="plane", n_controls=5)
    return adata


@pytest.fixture
def tested(tested_once):
    return tested_once.copy()


def support(adata, expected, cluster="root"):
    return sv.get.direction_support(adata, cluster, expected=expected, basis="plane")


def test_parts_of_genes_sum_to_the_arrow_of_the_cluster(tested):
    genes = tested.uns["velocity_direction_plane_genes"]
    arrows = ["arrow_1", "arrow_2"]
    summed = genes.groupby("cluster", observed=True)[arrows].sum()
    table = tested.uns["velocity_direction_plane"][arrows]
    np.testing.assert_allclose(summed.loc[table.index], table, rtol=1e-4, atol=1e-9)
    # the same with the other size factors
    other = genes.groupby("cluster", observed=True)[[f"other_sizes_{x}" for x in arrows]].sum()
    cosine = sv.get.verdicts(tested)["other_sizes_cosine"]
    for name in table.index:
        x, y = table.loc[name].to_numpy(), other.loc[name].to_numpy()
        expected = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        np.testing.assert_allclose(cosine[name], expected, rtol=1e-4)


def test_the_arrow_is_compared_with_the_expected_direction(tested):
    forward, back = support(tested, ("root", "fork")), support(tested, ("fork", "root"))
    place, clusters = tested.obsm["X_plane"], tested.obs["clusters"]
    centre = {name: place[(clusters == name).to_numpy()].mean(axis=0) for name in ("root", "fork")}
    between = centre["fork"] - centre["root"]
    np.testing.assert_allclose(
        forward.expected.direction, between / np.linalg.norm(between), rtol=1e-6
    )
    row = sv.get.verdicts(tested).loc["root"]
    arrow = row[["arrow_1", "arrow_2"]].to_numpy(dtype=float)
    cosine = arrow @ forward.expected.direction / np.linalg.norm(arrow)
    np.testing.assert_allclose(forward.expected.cosine, cosine, rtol=1e-4)
    assert forward.expected.cosine > 0.5
    np.testing.assert_allclose(back.expected.cosine, -forward.expected.cosine)
    # each gene's part of the cosine
    np.testing.assert_allclose(forward.genes["toward_expected"].sum(), cosine, rtol=1e-4)
    size = forward.genes["toward_expected"].abs()
    assert size.is_monotonic_decreasing
    turned = back.genes["toward_expected"].reindex(forward.genes.index)
    np.testing.assert_allclose(turned, -forward.genes["toward_expected"])


def test_reasons_are_those_of_the_checks_and_of_the_other_size_factors(tested):
    before = support(tested, ("root", "fork"))
    first, second, third = before.genes.index[:3]
    model = tested.var["velocity_model"].astype(object)
    model[:] = "holds"
    model[first] = "few molecules; one cluster"
    tested.var["velocity_model"] = pd.Categorical(model)
    genes = tested.uns["velocity_direction_plane_genes"]
    row = (genes["cluster"] == "root") & (genes["gene"] == second)
    for d in (1, 2):
        genes[f"other_sizes_arrow_{d}"] = genes[f"arrow_{d}"]
        genes.loc[row, f"other_sizes_arrow_{d}"] = -genes.loc[row, f"arrow_{d}"]
    layer = sp.lil_matrix(tested.shape, dtype=np.float32)
    column = tested.var_names.get_loc(third)
    most = np.ceil(tested.layers["unspliced"][:, [column]].sum() * 0.6)
    layer[0, column] = most
    tested.layers["ambiguous"] = layer.tocsr()
    found = support(tested, ("root", "fork"))
    assert found.expected.examined == (
        "few molecules",
        "one cluster",
        "size factors",
        "ambiguous molecules",
    )
    assert found.genes["reasons"][first] == "few molecules; one cluster"
    assert found.genes["reasons"][second] == "size factors"
    assert found.genes["reasons"][third] == "ambiguous molecules"
    assert (found.genes["reasons"] != "").sum() == found.expected.n_doubted == 3
    kept = genes[(genes["cluster"] == "root") & ~genes["gene"].isin([first, second, third])]
    without = kept[["arrow_1", "arrow_2"]].sum().to_numpy()
    np.testing.assert_allclose(found.expected.arrow_without, without)
    np.testing.assert_allclose(
        found.expected.cosine_without,
        without @ found.expected.direction / np.linalg.norm(without),
    )
    # counted as unspliced already, they are more than half of the others, too
    _keys.IMPORT.write(tested, {"ambiguous": "unspliced"})
    unspliced = tested.layers["unspliced"].tolil()
    unspliced[0, column] += most
    tested.layers["unspliced"] = unspliced.tocsr()
    assert support(tested, ("root", "fork")).genes["reasons"][third] == "ambiguous molecules"


def test_without_genes_that_carry_it_there_is_no_arrow(tested):
    tested.var["velocity_model"] = pd.Categorical(["one cluster"] * tested.n_vars)
    found = support(tested, ("root", "fork")).expected
    assert found.n_doubted > 0
    np.testing.assert_array_equal(found.arrow_without, 0)
    assert np.isnan(found.cosine_without)


def test_without_an_expected_direction_nothing_is_compared(tested):
    found = sv.get.direction_support(tested, "root", basis="plane")
    assert found.expected is None
    assert "reasons" not in found.genes


@pytest.mark.parametrize(
    ("expected", "error", "says"),
    [
        ("root", TypeError, "expected must be the names of two clusters"),
        (("root",), TypeError, "expected must be the names of two clusters"),
        (("root", "nowhere"), KeyError, "'nowhere' is none of the clusters: 'fork'"),
        (("root", "root"), ValueError, "same centre; name two different clusters"),
    ],
)
def test_wrong_expectations_are_refused(tested, expected, error, says):
    with pytest.raises(error) as caught:
        support(tested, expected)
    assert says in str(caught.value)


def test_a_cluster_that_was_left_out_has_no_centre(tested):
    part = tested[(tested.obs["clusters"] != "fork").to_numpy()].copy()
    with pytest.raises(ValueError, match="no cell of 'fork' is left in adata; use the whole data"):
        support(part, ("root", "fork"))


def test_an_embedding_that_changed_is_refused(tested):
    tested.obsm["X_plane"] = tested.obsm["X_plane"] + 1.0
    with pytest.raises(ValueError, match=r"Rerun tl\.direction"):
        support(tested, ("root", "fork"))
