"""`tl.velocity(gamma_by=)`: ratios as scVelo's groupby, velocities by the formula, what is kept."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._adata._fit import Fit

KEY = "lineage"


@pytest.fixture
def lineages(prepared):
    """Cells of three lineages, 6 of a rare one, and 10 of none."""
    names = prepared.obs["branch"].astype(str).to_numpy(dtype=object)
    names[::40] = "rare"
    names[5::24] = None
    prepared.obs[KEY] = pd.Categorical(names)
    return prepared


def normalised(adata, kind):
    scale = adata.obs[f"size_factor_{kind}"].to_numpy()[:, None]
    return adata.layers[kind].toarray() / scale


def smoothing(adata):
    graph = (adata.obsp["connectivities"].toarray() != 0) | np.eye(adata.n_obs, dtype=bool)
    return graph / graph.sum(axis=1, keepdims=True)


def scvelo_fit(ms, mu, *, offset):
    """Slope and offset of scVelo's regression to the extreme quantiles of these cells."""
    z = ms / np.maximum(ms.max(0), 1e-3) + mu / np.maximum(mu.max(0), 1e-3)
    w = z >= np.percentile(z, 95, axis=0)
    if not offset:
        return (w * ms * mu).sum(0) / (w * ms * ms).sum(0), np.zeros(ms.shape[1])
    w |= z <= np.percentile(z, 5, axis=0)
    n = w.sum(0)
    # (XᵀX)⁻¹ Xᵀu with the columns s and 1 of X
    ss, s, su, u = ((w * x).sum(0) for x in (ms * ms, ms, ms * mu, mu))
    gamma = (n * su - s * u) / (n * ss - s * s)
    return gamma, (u - gamma * s) / n


def of_category(adata, column, name):
    """A column of the table of ratios for one category, by gene."""
    table = sv.get.category_ratios(adata)
    return table[table["category"] == name].set_index("gene")[column]


def ratio_of_cells(adata, column):
    """γ or offset that applies to every cell, cells × genes, from the table and the labels."""
    table = sv.get.category_ratios(adata).pivot_table(
        column, index="category", columns="gene", observed=True
    )
    labels = adata.obs[adata.uns["velocity_params"]["gamma_by"]].astype(object)
    genes = adata.var_names[adata.var["velocity_gamma"].notna()]
    out = np.tile(adata.var.loc[genes, f"velocity_{column}"].to_numpy(), (adata.n_obs, 1))
    for name in table.index:
        out[(labels == name).to_numpy()] = table.loc[name, genes].to_numpy()
    return out


@pytest.mark.parametrize("offset", [False, True])
def test_ratios_are_those_of_scvelos_groupby(lineages, offset):
    sv.tl.velocity(lineages, gamma_by=KEY, offset=offset)
    ms, mu = (lineages.layers[name].astype(float) for name in ("Ms", "Mu"))
    genes = lineages.var_names
    n_own = 0
    for name in ("trunk", "branch 1", "branch 2"):
        inside = (lineages.obs[KEY] == name).to_numpy()
        gamma, shift = scvelo_fit(ms[inside], mu[inside], offset=offset)
        common = of_category(lineages, "common", name)
        own = ~common[genes].to_numpy()
        n_own += own.sum()
        found = [of_category(lineages, column, name)[genes] for column in ("gamma", "offset")]
        np.testing.assert_allclose(found[0][own], gamma[own], rtol=1e-5)
        np.testing.assert_allclose(found[1][own], shift[own], rtol=1e-4, atol=1e-6)
    assert n_own > 100
    # the whole of all cells is in var
    plain = lineages.copy()
    sv.tl.velocity(plain, offset=offset)
    np.testing.assert_allclose(
        lineages.var["velocity_gamma"], plain.var["velocity_gamma"], rtol=1e-6
    )


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("offset", [False, True])
def test_velocities_have_the_ratio_of_the_cell_that_is_smoothed(lineages, offset, dense):
    sv.tl.velocity(lineages, gamma_by=KEY, offset=offset, dense=dense)
    s, u = (normalised(lineages, kind) for kind in ("spliced", "unspliced"))
    gamma, shift = (ratio_of_cells(lineages, column) for column in ("gamma", "offset"))
    expected = smoothing(lineages) @ (u - gamma * s - shift)
    np.testing.assert_allclose(sv.get.velocity(lineages), expected, rtol=0, atol=2e-5)
    assert ("velocity" in lineages.layers) == dense
    if dense:
        np.testing.assert_array_equal(sv.get.velocity(lineages), lineages.layers["velocity"])
    # and differ from those with one line
    one = smoothing(lineages) @ (u - lineages.var["velocity_gamma"].to_numpy() * s)
    assert abs(expected - one).max() > 0.1
    spread = (smoothing(lineages) @ u).var(axis=0) * lineages.n_obs
    np.testing.assert_allclose(
        lineages.var["velocity_r2"], 1 - (expected**2).sum(axis=0) / spread, atol=1e-4
    )


def test_without_shared_neighbours_velocities_are_those_of_scvelo(lineages):
    lineages.obs[KEY] = lineages.obs["branch"]
    codes = lineages.obs["branch"].cat.codes.to_numpy()
    for name in ("connectivities", "distances"):
        graph = sp.coo_array(lineages.obsp[name])
        keep = codes[graph.row] == codes[graph.col]
        inside = (graph.data[keep], (graph.row[keep], graph.col[keep]))
        lineages.obsp[name] = sp.csr_matrix(inside, shape=graph.shape)
    sv.tl.velocity(lineages, gamma_by=KEY)
    ms, mu = (lineages.layers[name].astype(float) for name in ("Ms", "Mu"))
    theirs = mu - ratio_of_cells(lineages, "gamma") * ms
    np.testing.assert_allclose(lineages.layers["velocity"], theirs, rtol=0, atol=2e-5)


def test_few_molecules_and_no_category_get_the_common_ratio(lineages):
    sv.tl.velocity(lineages, gamma_by=KEY)
    table = sv.get.category_ratios(lineages)
    assert list(table["category"].cat.categories) == ["branch 1", "branch 2", "rare", "trunk"]
    few = ~(table["molecules"] >= 10)
    assert few.any()
    np.testing.assert_array_equal(table["common"], few)
    gamma = lineages.var["velocity_gamma"][table["gene"]].to_numpy()
    assert (table["gamma"][few] == gamma[few]).all()
    assert (table["gamma"][~few] != gamma[~few]).all()
    assert table["r2"][few].isna().all()
    assert table["r2"][~few].notna().all()
    cells = lineages.obs[KEY].value_counts()
    assert (table["fit_cells"] <= table["category"].map(cells).astype(int)).all()


def test_genes_of_the_table(lineages):
    lineages.var["genes_used"] = np.arange(60) % 3 > 0
    sv.tl.velocity(lineages, gamma_by=KEY)
    table = sv.get.category_ratios(lineages)
    assert len(table) == 4 * 40
    part = sv.get.category_ratios(lineages, ["gene 3", "gene 2"])
    assert part["gene"].tolist() == ["gene 3"] * 4 + ["gene 2"] * 4
    pd.testing.assert_frame_equal(
        part.iloc[:4].reset_index(drop=True),
        table[table["gene"] == "gene 3"].reset_index(drop=True),
    )
    left_out = sv.get.category_ratios(lineages, "gene 1")
    assert left_out["gamma"].isna().all()
    assert not left_out["common"].any()
    assert (left_out["fit_cells"] == 0).all()


def test_standard_errors_of_categories_are_their_sandwich(lineages):
    sv.tl.velocity(lineages, gamma_by=KEY, dense=False)
    assert "gamma_se" not in sv.get.category_ratios(lineages)
    sv.tl.velocity(lineages, gamma_by=KEY, uncertainty="sandwich", dense=False)
    restricted = lineages.copy()
    sv.tl.velocity(restricted, groups="trunk", groupby=KEY, uncertainty="sandwich", dense=False)
    own = ~of_category(lineages, "common", "trunk")
    for column, field in (("gamma", "gamma"), ("gamma_se", "gamma_se")):
        found = of_category(lineages, column, "trunk")[own]
        expected = restricted.var[f"velocity_{field}"][found.index]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    molecules = of_category(lineages, "molecules", "trunk")
    np.testing.assert_allclose(
        molecules, restricted.var["velocity_gamma_molecules"][molecules.index], rtol=1e-6
    )


def test_categories_may_be_fitted_to_some_groups_only(lineages):
    some = (lineages.obs["clusters"].isin(["fork", "root"])).to_numpy()
    sv.tl.velocity(
        lineages, weights="all", gamma_by=KEY, groups=["fork", "root"], groupby="clusters"
    )
    ms, mu = (lineages.layers[name].astype(float)[some] for name in ("Ms", "Mu"))
    inside = (lineages.obs[KEY] == "trunk").to_numpy()[some]
    gamma = (ms * mu)[inside].sum(0) / (ms * ms)[inside].sum(0)
    own = ~of_category(lineages, "common", "trunk").to_numpy()
    assert own.sum() > 30
    np.testing.assert_allclose(of_category(lineages, "gamma", "trunk")[own], gamma[own], rtol=1e-5)


def test_weights_may_be_given(lineages):
    weights = np.random.default_rng(0).random(240)
    sv.tl.velocity(lineages, weights=weights, gamma_by=KEY)
    ms, mu = (lineages.layers[name].astype(float) for name in ("Ms", "Mu"))
    w = (weights * (lineages.obs[KEY] == "branch 1").to_numpy())[:, None]
    gamma = (w * ms * mu).sum(0) / (w * ms * ms).sum(0)
    own = ~of_category(lineages, "common", "branch 1").to_numpy()
    np.testing.assert_allclose(
        of_category(lineages, "gamma", "branch 1")[own], gamma[own], rtol=1e-5
    )


def test_bounds_are_those_of_every_category(lineages):
    sv.tl.velocity(lineages, gamma_by=KEY, gamma_bounds=(0.2, 0.4))
    table = sv.get.category_ratios(lineages)
    assert table["gamma"].between(0.2, 0.4).all()
    assert (table["gamma"][~table["common"]] == 0.4).any()


def test_any_block_size_and_number_of_threads_give_the_same(lineages):
    other = lineages.copy()
    sv.tl.velocity(lineages, gamma_by=KEY, n_threads=1)
    sv.tl.velocity(other, gamma_by=KEY, n_threads=3, max_memory=240 * 60 * 60)
    pd.testing.assert_frame_equal(sv.get.category_ratios(lineages), sv.get.category_ratios(other))
    np.testing.assert_array_equal(lineages.layers["velocity"], other.layers["velocity"])


def test_smoothed_layers_that_are_there_are_kept(lineages):
    sv.pp.moments(lineages)
    before = lineages.layers["Ms"].copy()
    sv.tl.velocity(lineages, gamma_by=KEY)
    np.testing.assert_array_equal(lineages.layers["Ms"], before)
    np.testing.assert_allclose(
        sv.get.velocity(lineages), lineages.layers["velocity"], rtol=0, atol=1e-6
    )
    del lineages.uns["moments_params"]
    with pytest.raises(ValueError, match=r"gamma_by='lineage'\) need the counts that were"):
        sv.tl.velocity(lineages, gamma_by=KEY)


def test_a_file_keeps_the_ratios(lineages, tmp_path):
    sv.tl.velocity(lineages, gamma_by=KEY, dense=False)
    sv.tl.velocity_graph(lineages)
    sv.io.write_h5ad(lineages, tmp_path / "a.h5ad")
    back = sv.io.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(sv.get.category_ratios(back), sv.get.category_ratios(lineages))
    assert Fit.read(back, "velocity").params.options.gamma_by == KEY
    np.testing.assert_array_equal(sv.get.velocity(back), sv.get.velocity(lineages))
    # as one category does
    lineages.obs[KEY] = "all"
    sv.tl.velocity(lineages, gamma_by=KEY, dense=False)
    lineages.write_h5ad(tmp_path / "b.h5ad")
    one = ad.read_h5ad(tmp_path / "b.h5ad")
    assert sv.get.category_ratios(one)["category"].cat.categories.tolist() == ["all"]


def test_a_part_of_genes_or_cells(lineages):
    sv.tl.velocity(lineages, gamma_by=KEY)
    genes = lineages[:, 20:40].copy()
    full = sv.get.velocity(lineages)
    np.testing.assert_array_equal(sv.get.velocity(genes), full.iloc[:, 20:40])
    assert len(sv.get.category_ratios(genes)) == 4 * 20
    cells = lineages[lineages.obs[KEY] == "trunk"].copy()
    np.testing.assert_array_equal(
        sv.get.velocity(cells), full[(lineages.obs[KEY] == "trunk").to_numpy()]
    )
    assert len(sv.get.category_ratios(cells)) == 4 * 60


def test_a_new_fit_leaves_no_ratios_of_categories(lineages):
    sv.tl.velocity(lineages, gamma_by=KEY, uncertainty="sandwich")
    assert {name for name in lineages.varm if "category" in name}
    sv.tl.velocity(lineages)
    assert not {name for name in lineages.varm if "category" in name}
    with pytest.raises(KeyError, match=r"the same ratios for all cells; run .*gamma_by=\.\.\."):
        sv.get.category_ratios(lineages)


def test_changed_categories_are_noticed(lineages):
    sv.tl.velocity(lineages, gamma_by=KEY, dense=False)
    before = sv.get.velocity(lineages)
    # another order of the same categories is no change
    lineages.obs[KEY] = lineages.obs[KEY].cat.reorder_categories(
        ["trunk", "rare", "branch 2", "branch 1"]
    )
    np.testing.assert_array_equal(sv.get.velocity(lineages), before)
    renamed = lineages.copy()
    renamed.obs[KEY] = renamed.obs[KEY].cat.rename_categories({"trunk": "stem"})
    moved = lineages.copy()
    moved.obs.loc[moved.obs_names[0], KEY] = "trunk"
    for adata in (renamed, moved):
        with pytest.raises(ValueError, match=r"obs\['lineage'\], whose .* has changed .* rerun"):
            sv.get.velocity(adata)
        with pytest.raises(ValueError, match=r"rerun tl\.velocity\(adata, gamma_by='lineage'"):
            sv.tl.velocity_graph(adata)
    del lineages.obs[KEY]
    with pytest.raises(KeyError, match="gamma_by='lineage' is not a column"):
        sv.tl.velocity_graph(lineages)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"gamma_by": "none"}, KeyError, "gamma_by='none' is not a column"),
        ({"gamma_by": "library_size"}, ValueError, "gamma_by='library_size' does not group"),
        (
            {"gamma_by": KEY, "uncertainty": "crossfit"},
            ValueError,
            r"'crossfit' cannot be used with gamma_by='lineage'.*tl\.compare_ratios",
        ),
        (
            {"gamma_by": KEY, "mode": "stochastic"},
            ValueError,
            "mode='stochastic' cannot be used with gamma_by='lineage'.*Use mode='deterministic'",
        ),
        ({"gamma_by": KEY, "r2": "all_cells"}, ValueError, "use r2='fit' with gamma_by='lineage'"),
        ({"groupby": KEY}, ValueError, "For a ratio of each group, use gamma_by='lineage'"),
    ],
)
def test_what_cannot_be_fitted_by_category(lineages, options, error, message):
    before = set(lineages.var), set(lineages.varm), set(lineages.uns)
    with pytest.raises(error, match=message):
        sv.tl.velocity(lineages, **options)
    assert (set(lineages.var), set(lineages.varm), set(lineages.uns)) == before


def test_what_was_found_is_said(lineages, said):
    sv.tl.velocity(lineages, gamma_by=KEY)
    (line,) = [each for each in said if "separate ratios" in each]
    table = sv.get.category_ratios(lineages)
    assert (
        f"4 categories of obs['lineage'] have separate ratios; {table['common'].sum()} of" in line
    )
    graph = sp.coo_array(lineages.obsp["connectivities"])
    labels = lineages.obs[KEY].astype(object)
    pairs = labels.iloc[graph.row].to_numpy(), labels.iloc[graph.col].to_numpy()
    known = pd.notna(pairs[0]) & pd.notna(pairs[1])
    share = (pairs[0] != pairs[1])[known].mean()
    assert f"{share:.1%} of the neighbours are in another category" in line
    most = table.groupby("category", observed=True)["common"].sum()
    assert f"most often for {most.idxmax()} ({most.max()} of 60 genes)" in line
    assert f"{labels.isna().sum()} cells without a category have the common ratios" in line


def test_what_applies_to_no_cell_is_not_said(prepared, said):
    sv.tl.velocity(prepared, gamma_by="branch", weights="all")
    table = sv.get.category_ratios(prepared)
    few = prepared.var_names.isin(table.loc[table["common"], "gene"])
    prepared.var["genes_used"] = ~few
    said.clear()
    sv.tl.velocity(prepared, gamma_by="branch", weights="all")
    (line,) = [each for each in said if "separate ratios" in each]
    n = 3 * (~few).sum()
    assert n > 60
    assert f"; 0 of {n} rest on too few molecules and are the common ones; " in line
    assert "without a category" not in line
