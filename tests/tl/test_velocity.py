"""The fit as a user calls it: options, what is written, and what is refused afterwards."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo.model import SufficientStatistics, steady_state_weights


def moments(adata):
    copy = adata.copy()
    sv.tl.velocity(copy)
    return copy.layers["Ms"].astype(float), copy.layers["Mu"].astype(float)


def test_velocities_are_residuals_of_the_fit(prepared):
    sv.tl.velocity(prepared, offset=True)
    ms, mu = prepared.layers["Ms"].astype(float), prepared.layers["Mu"].astype(float)
    gamma, offset = (
        prepared.var["velocity_gamma"].to_numpy(),
        prepared.var["velocity_offset"].to_numpy(),
    )
    expected = mu - gamma * ms - offset
    np.testing.assert_allclose(prepared.layers["velocity"], expected, rtol=1e-4, atol=1e-5)
    assert prepared.layers["velocity"].dtype == np.float32


@pytest.mark.parametrize("weights", ["extremes", "all", "maxmin_diag", "prod"])
@pytest.mark.parametrize("offset", [False, True, "nonnegative"])
def test_the_fit_is_that_of_the_model(prepared, weights, offset):
    ms, mu = moments(prepared)
    quantiles = (None, 0.95) if offset is False else (0.05, 0.95)
    w = steady_state_weights(ms.T.copy(), mu.T.copy(), weights, quantiles=quantiles).T
    fit = SufficientStatistics.from_arrays(ms, mu, w).solve(offset=offset)
    sv.tl.velocity(prepared, weights=weights, offset=offset)
    np.testing.assert_array_equal(prepared.var["velocity_gamma"], fit.gamma)
    np.testing.assert_array_equal(prepared.var["velocity_offset"], fit.offset)
    np.testing.assert_array_equal(prepared.var["velocity_fit_cells"], (w > 0).sum(axis=0))


def test_without_dense_layers_everything_else_is_the_same(prepared):
    lean = prepared.copy()
    sv.tl.velocity(prepared)
    sv.tl.velocity(lean, dense=False)
    assert not {"velocity", "Ms", "Mu"} & set(lean.layers)
    np.testing.assert_array_equal(lean.var["velocity_gamma"], prepared.var["velocity_gamma"])
    for adata in (prepared, lean):
        sv.tl.velocity_graph(adata)
        sv.tl.velocity_embedding(adata, basis="pca")
    assert abs(lean.obsp["velocity_graph"] - prepared.obsp["velocity_graph"]).max() < 1e-6
    np.testing.assert_allclose(
        lean.obsm["velocity_pca"], prepared.obsm["velocity_pca"], rtol=0, atol=1e-5
    )


def test_without_dense_layers_no_large_array_is_made():
    adata = sv.datasets.simulate(n_cells=1500, n_genes=400, depth=0.1, rng=0)
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=5)
    block = {"max_memory": 1500 * 16 * 2, "n_threads": 1}

    def peak(dense):
        tracemalloc.start()
        sv.tl.velocity(adata, dense=dense, **({} if dense else block))
        sv.tl.velocity_graph(adata, **block)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(dense=False)  # compiles
    one_layer = 1500 * 400 * 4
    assert peak(dense=False) < one_layer
    assert peak(dense=True) > 3 * one_layer


def test_existing_layers_are_used(prepared):
    sv.pp.moments(prepared)
    del prepared.uns["moments_params"]
    prepared.layers["Ms"] *= 2
    sv.tl.velocity(prepared)
    doubled = prepared.var["velocity_gamma"].to_numpy()
    assert prepared.uns["velocity_params"]["moments"] == "layers"
    del prepared.layers["Ms"], prepared.layers["Mu"]
    sv.tl.velocity(prepared)
    # z is scaled by its maximum, so the same cells are chosen
    np.testing.assert_allclose(doubled, prepared.var["velocity_gamma"] / 2, rtol=1e-6)


def test_any_block_size_and_number_of_threads_give_the_same(prepared):
    first, second = prepared.copy(), prepared.copy()
    sv.tl.velocity(first, n_threads=1)
    sv.tl.velocity(second, n_threads=3, max_memory=1e6)
    np.testing.assert_array_equal(first.var["velocity_gamma"], second.var["velocity_gamma"])


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(np.int64),
        lambda x: x.astype(np.uint32),
        lambda x: x.astype(np.float64),
        lambda x: x.astype(np.float32),
    ],
    ids=["int64", "uint32", "float64", "float32"],
)
def test_any_type_of_counts_gives_the_same_result(prepared, counts, convert):
    sv.tl.velocity(prepared)
    for name in ("spliced", "unspliced"):
        counts.layers[name] = convert(counts.layers[name])
    sv.pp.size_factors(counts)
    sv.pp.filter_genes(counts)
    sv.pp.neighbors(counts, n_neighbors=15, n_pcs=10)
    sv.tl.velocity(counts)
    np.testing.assert_allclose(
        counts.var["velocity_gamma"], prepared.var["velocity_gamma"], rtol=1e-5
    )


def test_groups_restrict_the_fit(prepared):
    ms, mu = moments(prepared)
    cells = (prepared.obs["branch"] != "trunk").to_numpy()
    w = steady_state_weights(ms[cells].T.copy(), mu[cells].T.copy()).T
    fit = SufficientStatistics.from_arrays(ms[cells], mu[cells], w).solve()
    sv.tl.velocity(prepared, groups=["branch 1", "branch 2"], groupby="branch")
    np.testing.assert_allclose(prepared.var["velocity_gamma"], fit.gamma, rtol=1e-12)
    assert list(prepared.uns["velocity_params"]["groups"]) == ["branch 1", "branch 2"]


def test_groupby_without_groups_is_refused(prepared):
    """scVelo fits each category then."""
    before = set(prepared.var)
    with pytest.raises(ValueError, match=r"groupby='branch' has no effect without groups="):
        sv.tl.velocity(prepared, groupby="branch")
    assert set(prepared.var) == before


def test_weights_of_ones_are_the_rule_all(prepared):
    other = prepared.copy()
    sv.tl.velocity(prepared, weights="all")
    sv.tl.velocity(other, weights=np.ones(240))
    np.testing.assert_array_equal(prepared.var["velocity_gamma"], other.var["velocity_gamma"])
    assert (other.obs["velocity_weights"] == 1).all()


def test_weights_per_gene_are_used_and_kept(prepared):
    ms, mu = moments(prepared)
    w = np.random.default_rng(0).random((240, 60)) * (np.arange(240) % 4 == 0)[:, None]
    expected = SufficientStatistics.from_arrays(ms, mu, w).solve().gamma
    for given in (w, sp.csr_matrix(w)):
        sv.tl.velocity(prepared, weights=given)
        np.testing.assert_allclose(prepared.var["velocity_gamma"], expected, rtol=1e-6)
        assert prepared.layers["velocity_weights"].shape == (240, 60)
    sv.tl.velocity(prepared)
    assert "velocity_weights" not in prepared.layers


def test_r2_of_all_cells_is_that_of_the_unweighted_fit(prepared):
    ms, mu = moments(prepared)
    sums = SufficientStatistics.from_arrays(ms, mu)
    line = sums.solve()
    sv.tl.velocity(prepared, r2="all_cells")
    np.testing.assert_allclose(
        prepared.var["velocity_r2"], sums.r2(line.gamma, line.offset), rtol=1e-12
    )


def test_highly_variable_genes_are_asked_for_only_on_request(prepared):
    prepared.var["highly_variable"] = np.arange(60) < 30
    sv.tl.velocity(prepared)
    assert prepared.var["velocity_genes"].iloc[30:].any()
    assert "velocity_highly_variable" not in prepared.var
    sv.tl.velocity(prepared, highly_variable=True)
    assert not prepared.var["velocity_genes"].iloc[30:].any()
    assert "not highly variable" in set(prepared.var["velocity_reason"])


def test_criterion_columns_explain_every_gene(prepared):
    sv.tl.velocity(prepared, min_r2=0.5, min_gamma=0.2)
    var = prepared.var
    criteria = ["r2_passes", "gamma_passes", "spliced_seen", "unspliced_seen"]
    all_met = var[[f"velocity_{c}" for c in criteria]].all(axis=1)
    assert (all_met == var["velocity_genes"]).all()
    assert ((var["velocity_reason"] == "") == var["velocity_genes"]).all()
    assert set(var["velocity_reason"]) == {"", "R² is not above 0.5", "gamma is not above 0.2"}


def test_thresholds_are_kept_and_the_user_is_told(prepared):
    with pytest.warns(sv.SteadyveloWarning, match="0 of 60 genes meet min_r2=0.9999"):
        sv.tl.velocity(prepared, min_r2=0.9999)
    assert not prepared.var["velocity_genes"].any()
    with pytest.raises(ValueError, match="there are 0 velocity genes, too few"):
        sv.tl.velocity_graph(prepared)


def test_two_fits_live_side_by_side(prepared):
    sv.tl.velocity(prepared)
    sv.tl.velocity(prepared, offset=True, key_added="with_offset")
    assert (prepared.var["with_offset_offset"] != 0).any()
    assert (prepared.var["velocity_offset"] == 0).all()
    sv.tl.velocity_graph(prepared, velocity_key="with_offset")
    assert "with_offset_graph" in prepared.obsp
    assert "velocity_graph" not in prepared.obsp


def test_a_new_fit_leaves_nothing_of_the_old_one(fitted):
    sv.tl.velocity(fitted, dense=False)
    assert "velocity_graph" not in fitted.obsp
    assert "velocity_pca" not in fitted.obsm
    assert "velocity" not in fitted.layers
    assert "velocity_self_transition" not in fitted.obs


def test_progress_ends_at_one(prepared):
    seen = []
    sv.tl.velocity(prepared, dense=False, progress=seen.append, max_memory=240 * 12 * 7)
    assert seen[-1] == 1.0
    assert seen == sorted(seen)
    assert len(seen) == 9


def test_all_cells_at_steady_state_have_velocities_around_zero():
    adata = sv.datasets.simulate(n_cells=600, n_genes=80, steady_state=True, depth=3, rng=0)
    moving = sv.datasets.simulate(n_cells=600, n_genes=80, depth=3, rng=0)
    size = []
    for data in (adata, moving):
        sv.pp.size_factors(data, method="common")
        sv.pp.neighbors(data)
        sv.tl.velocity(data)
        size.append(np.nanmean(data.layers["velocity"] ** 2))
    assert size[0] < 0.2 * size[1]


def test_sliced_cells_can_be_read_but_nothing_new_is_computed(fitted):
    part = fitted[fitted.obs["branch"] == "trunk"].copy()
    with pytest.raises(ValueError, match=r"computed on 240 cells, but adata now has \d+"):
        sv.tl.velocity(part)
    with pytest.raises(ValueError, match="computed on 240 cells"):
        sv.tl.velocity_graph(part)
    with pytest.raises(ValueError, match="computed on 240 cells"):
        sv.tl.velocity_embedding(part, basis="pca")
    with pytest.raises(ValueError, match="neighbour graph was computed on 240 cells"):
        sv.pp.moments(part)


def test_reordered_cells_are_not_the_same_cells(fitted):
    with pytest.raises(
        ValueError, match="computed on 240 cells, but their names or their order have"
    ):
        sv.tl.velocity_graph(fitted[::-1].copy())


def test_changed_counts_are_noticed(prepared):
    sv.tl.velocity(prepared, dense=False)
    prepared.layers["spliced"] = prepared.layers["spliced"] * 2
    with pytest.raises(ValueError, match=r"layer 'spliced' has changed .*gene 'gene 1'"):
        sv.tl.velocity_graph(prepared)
    with pytest.raises(ValueError, match="layer 'spliced' has changed"):
        sv.get.velocity(prepared)


def test_changed_neighbours_and_sizes_are_noticed(prepared):
    sv.tl.velocity(prepared)
    other = prepared.copy()
    sv.pp.neighbors(prepared, n_neighbors=10)
    with pytest.raises(ValueError, match="neighbour graph has changed"):
        sv.tl.velocity(prepared)
    sv.pp.size_factors(other, method="common")
    with pytest.raises(ValueError, match="size factors or used cells have changed"):
        sv.tl.velocity(other)
    del other.layers["Ms"], other.layers["Mu"]
    sv.tl.velocity(other)


def test_a_part_of_the_genes_can_still_be_computed(fitted):
    part = fitted[:, :20].copy()
    full = sv.get.velocity(fitted)
    np.testing.assert_array_equal(sv.get.velocity(part), full.iloc[:, :20])
    sv.tl.velocity(part)


def test_parameters_are_written_and_survive_a_file(prepared, tmp_path):
    sv.tl.velocity(prepared, groups="trunk", groupby="branch", weights=sv.Extremes(0.1, 0.9))
    sv.tl.velocity_graph(prepared)
    sv.tl.velocity_embedding(prepared, basis="pca")
    sv.io.write_h5ad(prepared, tmp_path / "a.h5ad")
    back = sv.io.read_h5ad(tmp_path / "a.h5ad")
    params = back.uns["velocity_params"]
    assert params["weights"] == "extremes"
    assert params["quantiles"].tolist() == [0.1, 0.9]
    assert params["version"] == sv.__version__
    assert list(params["embeddings"]) == ["pca"]
    assert list(params["groups"]) == ["trunk"]
    # and everything that builds on them still runs
    sv.tl.velocity_embedding(back, basis="pca")
    assert list(back.uns["velocity_params"]["embeddings"]) == ["pca"]
    np.testing.assert_array_equal(sv.get.velocity(back), sv.get.velocity(prepared))
    sv.pl.phase_portrait(back, "gene 1")
    sv.pl.velocity_stream(back, basis="pca")


def test_stored_velocities_of_a_part_of_the_cells_can_be_read(fitted):
    trunk = (fitted.obs["branch"] == "trunk").to_numpy()
    part = fitted[trunk].copy()
    table = sv.get.velocity(part, genes=["gene 4", "gene 2"])
    np.testing.assert_array_equal(table, fitted.layers["velocity"][trunk][:, [3, 1]])
    del part.layers["velocity"]
    with pytest.raises(ValueError, match="computed on 240 cells"):
        sv.get.velocity(part)


def test_counts_moved_between_cells_are_noticed(prepared):
    sv.tl.velocity(prepared, dense=False)
    order = np.random.default_rng(0).permutation(240)
    prepared.layers["spliced"] = prepared.layers["spliced"][order]
    with pytest.raises(ValueError, match="layer 'spliced' has changed"):
        sv.get.velocity(prepared)


@pytest.mark.parametrize("change", ["counts", "neighbours", "sizes", "genes"])
def test_a_graph_is_not_made_from_layers_whose_inputs_have_changed(prepared, change):
    sv.tl.velocity(prepared)
    if change == "counts":
        prepared.layers["unspliced"] = prepared.layers["unspliced"] * 2
    elif change == "neighbours":
        sv.pp.neighbors(prepared, n_neighbors=8)
    elif change == "sizes":
        sv.pp.size_factors(prepared, method="common")
    else:
        sv.pp.filter_genes(prepared, min_shared_counts=500)
    with pytest.raises(ValueError, match=r"rerun .*tl\.velocity"):
        sv.tl.velocity_graph(prepared)


def test_another_graph_or_layer_is_not_silently_replaced_by_smoothed_layers(prepared):
    sv.pp.neighbors(prepared, n_neighbors=5, key_added="few")
    sv.tl.velocity(prepared)
    with pytest.raises(ValueError, match="smoothed with neighbors_key=''"):
        sv.tl.velocity(prepared, neighbors_key="few", key_added="v2")
    with pytest.raises(ValueError, match="smoothed with spliced='spliced'"):
        sv.tl.velocity(prepared, spliced="other", key_added="v2")
    sv.pp.moments(prepared, neighbors_key="few")
    sv.tl.velocity(prepared, neighbors_key="few", key_added="v2")
    assert (prepared.var["v2_gamma"] != prepared.var["velocity_gamma"]).any()
    # the first fit is still that of its own graph
    expected = prepared.layers["velocity"].copy()
    np.testing.assert_array_equal(sv.get.velocity(prepared), expected)
    sv.tl.velocity_graph(prepared)
    assert prepared.uns["velocity_params"]["graph_neighbors_key"] == ""
    sv.tl.velocity_graph(prepared, velocity_key="v2")
    assert prepared.uns["v2_params"]["graph_neighbors_key"] == "few"


def test_one_smoothed_layer_without_the_other_is_refused(prepared):
    prepared.layers["Ms"] = np.ones(prepared.shape, dtype=np.float32)
    with pytest.raises(ValueError, match="layers has 'Ms' but not 'Mu'"):
        sv.tl.velocity(prepared)


def test_counts_that_were_normalised_after_the_size_factors_are_noticed(prepared):
    prepared.layers["spliced"] = prepared.layers["spliced"] * 0.5
    with pytest.raises(ValueError, match=r"some no longer are\. If the layer was normalised"):
        sv.tl.velocity(prepared)


def test_given_weights_are_copied_and_aligned(prepared):
    weights = np.random.default_rng(0).random(240)
    sv.tl.velocity(prepared, weights=weights)
    expected = prepared.var["velocity_gamma"].copy()
    weights[:] = 0
    assert (prepared.obs["velocity_weights"] > 0).all()
    shuffled = prepared.obs["velocity_weights"].sample(frac=1, random_state=0)
    sv.tl.velocity(prepared, weights=shuffled)
    np.testing.assert_array_equal(prepared.var["velocity_gamma"], expected)


def test_given_weights_follow_their_genes_and_groups_through_blocks(prepared):
    ms, mu = moments(prepared)
    w = np.random.default_rng(0).random((240, 60))
    trunk = (prepared.obs["branch"] == "trunk").to_numpy()
    expected = SufficientStatistics.from_arrays(ms, mu, w * trunk[:, None]).solve().gamma
    prepared.var["genes_used"] = np.arange(60) % 3 > 0
    used = prepared.var["genes_used"].to_numpy()
    options = {"groups": "trunk", "groupby": "branch", "max_memory": 240 * 16 * 20}
    sv.tl.velocity(prepared, weights=w, dense=False, **options)
    np.testing.assert_allclose(prepared.var["velocity_gamma"][used], expected[used], rtol=1e-6)
    assert (prepared.var["velocity_fit_cells"][used] == trunk.sum()).all()


def test_groups_may_be_numbers_and_cells_may_have_none(prepared):
    prepared.obs["number"] = [0, 1, 2, np.nan] * 60
    sv.tl.velocity(prepared, weights="all", groups=[0.0, 2.0], groupby="number")
    assert (prepared.var["velocity_fit_cells"] == 120).all()
    with pytest.raises(KeyError, match="groups 'nan' are not in"):
        sv.tl.velocity(prepared, groups=["nan"], groupby="number")


def test_flagged_cells_are_in_no_fit_and_no_r2(prepared):
    prepared.obs["cells_used"] = np.arange(240) % 5 > 0
    cells = prepared.obs["cells_used"].to_numpy()
    sv.tl.velocity(prepared)
    ms, mu = (prepared.layers[k].astype(float)[cells] for k in ("Ms", "Mu"))
    w = steady_state_weights(ms.T.copy(), mu.T.copy()).T
    fit = SufficientStatistics.from_arrays(ms, mu, w).solve()
    r2 = SufficientStatistics.from_arrays(ms, mu).r2(fit.gamma, fit.offset)
    np.testing.assert_allclose(prepared.var["velocity_gamma"], fit.gamma, rtol=1e-12)
    np.testing.assert_allclose(prepared.var["velocity_r2"], r2, rtol=1e-9)
    prepared.obs["cells_used"] = prepared.obs["cells_used"].astype("boolean").where(cells)
    with pytest.raises(ValueError, match="has 48 missing values"):
        sv.tl.velocity_graph(prepared)


def test_parameters_of_another_tool_are_not_taken_for_a_fit(fitted):
    fitted.uns["velocity_params"] = {"mode": "stochastic"}
    for call in (
        lambda: sv.get.velocity(fitted),
        lambda: sv.pl.phase_portrait(fitted, "gene 1"),
        lambda: sv.tl.velocity_embedding(fitted, basis="pca"),
    ):
        with pytest.raises(ValueError, match=r"written by another tool. Rerun tl.velocity"):
            call()


def test_smoothing_uses_the_graph_that_is_named(prepared):
    sv.pp.neighbors(prepared, n_neighbors=5, key_added="few")
    sv.pp.moments(prepared, neighbors_key="few")
    few = prepared.layers["Ms"].copy()
    sv.pp.moments(prepared)
    assert abs(few - prepared.layers["Ms"]).max() > 0.1
