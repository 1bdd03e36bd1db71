"""Each check on data made to trip it, and on real data that must not."""

from __future__ import annotations

import re

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv


def checked(adata, **columns):
    """Return the table of checks that :func:`steadyvelo.pp.qc` writes."""
    assert sv.pp.qc(adata, **columns) is None
    return sv.get.quality_checks(adata)


@pytest.fixture(params=["pancreas_e15_3696x2000", "dyngen_2000x264"])
def good(request, shared):
    return ad.read_h5ad(shared / "data" / f"{request.param}.h5ad")


@pytest.fixture
def pancreas(shared):
    return ad.read_h5ad(shared / "data" / "pancreas_e15_3696x2000.h5ad")


def test_real_data_trip_nothing(good):
    groupby = "clusters" if "clusters" in good.obs else None
    sizes = {f"{kind}_size": f"nCount_{kind}" for kind in ("spliced", "unspliced")}
    table = checked(good, groupby=groupby, **(sizes if "nCount_spliced" in good.obs else {}))
    assert set(table["verdict"]) == {"ok"}, table[table["verdict"] != "ok"]
    assert (table["remedy"] == "").all()
    assert good.uns["qc_proportions"].loc["all cells", "n_cells"] == good.n_obs


def thin(layer, share, rng):
    layer = layer.copy()
    layer.data = rng.binomial(layer.data, share).astype(layer.dtype)
    layer.eliminate_zeros()
    return layer


def exchange(adata):
    adata.layers["spliced"], adata.layers["unspliced"] = (
        adata.layers["unspliced"],
        adata.layers["spliced"],
    )


def swap(adata):
    exchange(adata)


def swap_unknown_genes(adata):
    exchange(adata)
    adata.var_names = [f"g{i}" for i in range(adata.n_vars)]


def same(adata):
    adata.layers["unspliced"] = adata.layers["spliced"].copy()


def log_transform(adata):
    for name in ("spliced", "unspliced"):
        total = np.asarray(adata.layers[name].sum(axis=1)).ravel()
        x = sp.diags(1e4 / np.maximum(total, 1)) @ adata.layers[name]
        adata.layers[name] = sp.csr_matrix(x).log1p()


def log_only(adata):
    for name in ("spliced", "unspliced"):
        adata.layers[name] = adata.layers[name].astype(float).log1p()


def normalise(adata):
    for name in ("spliced", "unspliced"):
        total = np.asarray(adata.layers[name].sum(axis=1)).ravel()
        adata.layers[name] = sp.csr_matrix(
            sp.diags(1e4 / np.maximum(total, 1)) @ adata.layers[name]
        )


def few_unspliced(adata):
    adata.layers["unspliced"] = thin(adata.layers["unspliced"], 0.1, np.random.default_rng(0))


def nuclei(adata):
    adata.layers["spliced"] = thin(adata.layers["spliced"], 0.1, np.random.default_rng(0))


def copies(adata):
    for name in ("spliced", "unspliced"):
        layer = adata.layers[name].tolil()
        layer[10:13] = layer[3]
        adata.layers[name] = layer.tocsr()


def empty(adata):
    layer = adata.layers["unspliced"].tolil()
    layer[:100] = 0
    adata.layers["unspliced"] = layer.tocsr()


def other_genes(adata):
    for name, half in (("spliced", 0), ("unspliced", 1)):
        keep = sp.diags_array((np.arange(adata.n_vars) % 2 == half) * 1, dtype=int)
        adata.layers[name] = sp.csr_matrix(adata.layers[name] @ keep)


def shallow(adata):
    rng = np.random.default_rng(0)
    for name in ("spliced", "unspliced"):
        adata.layers[name] = thin(adata.layers[name], 0.02, rng)


def one_odd_group(adata):
    adata.obs["kit"] = np.where(np.arange(adata.n_obs) < 300, "odd", "usual")
    rows = sp.diags_array((adata.obs["kit"] == "usual").to_numpy() * 1, dtype=int)
    kept = thin(adata.layers["spliced"], 0.2, np.random.default_rng(0))
    odd = sp.identity(adata.n_obs, dtype=int, format="csr") - rows
    adata.layers["spliced"] = sp.csr_matrix(rows @ adata.layers["spliced"] + odd @ kept)


@pytest.mark.parametrize(
    ("spoil", "check", "verdict", "reason"),
    [
        (same, "same matrix", "stop", "the same values"),
        (swap, "swapped layers", "stop", "layers are swapped"),
        (swap_unknown_genes, "swapped layers", "attention", "may be swapped"),
        (swap, "proportions", "attention", "82.*% of molecules are unspliced"),
        (log_transform, "raw counts", "stop", "looks log-transformed"),
        (log_only, "raw counts", "stop", "looks log-transformed"),
        (normalise, "raw counts", "attention", "not whole numbers"),
        (few_unspliced, "proportions", "attention", "% of molecules are unspliced; 5%"),
        (nuclei, "nuclei", "attention", "as in nuclei"),
        (copies, "duplicated cells", "attention", "3 cells have exactly the same counts"),
        (empty, "empty cells", "attention", "100 of 3,696 cells"),
        (other_genes, "one layer only", "stop", "only spliced or only unspliced"),
        (other_genes, "usable genes", "stop", "0 at 20"),
        (shallow, "depth", "attention", "the median cell has 9 unspliced"),
    ],
)
def test_data_made_to_trip_a_check(pancreas, spoil, check, verdict, reason):
    spoil(pancreas)
    row = checked(pancreas).loc[check]
    assert row["verdict"] == verdict, row["reason"]
    assert re.search(reason, row["reason"])
    assert row["remedy"]


def test_large_normalised_values_do_not_overflow(counts):
    for name in ("spliced", "unspliced"):
        counts.layers[name] = (counts.layers[name] * 70.5).astype(np.float32)
    with np.errstate(all="raise"):
        assert checked(counts).loc["raw counts", "verdict"] == "attention"


def test_a_selection_of_genes_is_seen_by_totals_of_other_tools(pancreas):
    row = checked(pancreas).loc["library sizes"]
    assert row["verdict"] == "attention"
    shares = [
        np.asarray(pancreas.layers[kind].sum(axis=1)).ravel() / pancreas.obs[f"nCount_{kind}"]
        for kind in ("spliced", "unspliced")
    ]
    assert row["value"] == pytest.approx(min(share.median() for share in shares))
    assert "--spliced-size nCount_spliced --unspliced-size nCount_unspliced" in row["remedy"]


def test_a_selection_of_genes_is_seen_after_its_sums_were_kept(pancreas):
    with pytest.warns(UserWarning, match=r"in obs\['nCount_spliced'\].*spliced_size='nCount_spl"):
        sv.pp.size_factors(pancreas)
    assert checked(pancreas).loc["library sizes", "verdict"] == "attention"
    with pytest.warns(UserWarning, match="library sizes are those of selected genes"):
        sv.pp.size_factors(pancreas)


def test_sizes_that_are_named_or_kept_by_a_reader_do_not_depend_on_a_selection(pancreas):
    sizes = {f"{kind}_size": f"nCount_{kind}" for kind in ("spliced", "unspliced")}
    sv.pp.size_factors(pancreas, **sizes)
    for kind in ("spliced", "unspliced"):
        pancreas.obs[f"n_counts_{kind}"] = pancreas.obs[f"nCount_{kind}"]
    pancreas.var["highly_variable"] = True
    assert checked(pancreas).loc["library sizes", "verdict"] == "ok"
    sv.pp.size_factors(pancreas)


def test_genes_that_are_all_highly_variable_are_a_selection():
    adata = sv.datasets.simulate(n_cells=100, n_genes=80, depth=2)
    adata.var["highly_variable"] = np.arange(adata.n_vars) > 0
    assert checked(adata).loc["library sizes", "verdict"] == "ok"
    chosen = adata[:, adata.var["highly_variable"]].copy()
    row = checked(chosen).loc["library sizes"]
    assert row["verdict"] == "attention"
    assert "var['highly_variable']" in row["reason"]


def test_totals_of_other_counts_say_nothing_of_a_selection():
    adata = sv.datasets.simulate(n_cells=100, n_genes=80, depth=2)
    total = np.asarray(adata.layers["spliced"].sum(axis=1)).ravel()
    for other in (total * 1.03, np.where(np.arange(100) == 0, 0, 9 * total), total.astype(str)):
        adata.obs["nCount_spliced"] = other
        assert checked(adata).loc["library sizes", "verdict"] == "ok"
    adata.obs["nCount_spliced"] = total * 2
    assert checked(adata).loc["library sizes", "value"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("spoil", "check"), [(exchange, "swapped layers"), (same, "same matrix"), (None, "depth")]
)
def test_totals_that_do_not_fit_the_counts_stop_no_check(spoil, check):
    adata = sv.datasets.simulate(n_cells=100, n_genes=80, depth=2)
    for kind in ("spliced", "unspliced"):
        adata.obs[f"n_counts_{kind}"] = np.asarray(adata.layers[kind].sum(axis=1)).ravel()
    assert set(checked(adata)["verdict"]) == {"ok"}
    if spoil is None:
        adata.obs["n_counts_spliced"] = adata.obs["n_counts_spliced"].astype(str)
    else:
        spoil(adata)
    table = checked(adata)
    assert (table.loc[check, "verdict"] == "ok") == (spoil is None)
    assert table.loc["library sizes", "verdict"] == "attention"
    assert "n_counts_" in table.loc["library sizes", "reason"]


def test_a_size_column_that_is_missing_is_named(pancreas):
    with pytest.raises(KeyError, match="total_spliced"):
        sv.pp.qc(pancreas, spliced_size="total_spliced")


def test_nuclei_are_not_taken_for_swapped_layers(pancreas):
    nuclei(pancreas)
    assert checked(pancreas).loc["swapped layers", "verdict"] == "ok"


def test_a_group_with_another_unspliced_share(pancreas):
    one_odd_group(pancreas)
    table = checked(pancreas, groupby="kit")
    assert table.loc["groups", "verdict"] == "attention"
    assert "odd (" in table.loc["groups", "reason"]
    shares = pancreas.uns["qc_proportions"]["unspliced_share"]
    assert shares["odd"] > 2 * shares["usual"]


def test_groups_are_checked_only_if_there_are_groups(counts):
    assert "groups" not in checked(counts).index
    assert len(checked(counts)) == 12
    assert list(checked(counts, groupby="branch").index) == [*checked(counts).index, "groups"]


def only(adata, genes):
    return adata[:, genes].copy()


def test_kinases_are_not_taken_for_ribosomal_proteins(pancreas):
    plain = ~pancreas.var_names.str.contains(r"(?i)^(?:mt-|rp[sl])", regex=True)
    adata = only(pancreas, plain)
    names = adata.var_names.to_numpy().copy()
    unspliced = np.asarray(adata.layers["unspliced"].sum(axis=0)).ravel()
    names[unspliced.argsort()[-4:]] = ["Rps6ka5", "Rps6kb1", "Rps6kl1", "Rpl7-ps3"]
    adata.var_names = names
    assert checked(adata).loc["swapped layers", "verdict"] == "ok"


def test_swapped_layers_are_found_by_a_column_of_names(pancreas):
    pancreas.var["gene_name"] = pancreas.var_names
    pancreas.var_names = [f"ENSMUSG{i:011}" for i in range(pancreas.n_vars)]
    swap(pancreas)
    assert checked(pancreas).loc["swapped layers", "verdict"] == "stop"


def test_fractional_counts_are_no_logarithms(pancreas):
    rng = np.random.default_rng(0)
    for name in ("spliced", "unspliced"):
        x = pancreas.layers[name].astype(float)
        x.data = np.minimum(x.data, 12) * rng.uniform(0.3, 1.0, x.nnz)
        pancreas.layers[name] = x
    assert checked(pancreas).loc["raw counts", "verdict"] == "attention"


def test_one_logged_layer_is_enough(pancreas):
    copy = pancreas.copy()
    log_transform(copy)
    normalise(pancreas)
    pancreas.layers["unspliced"] = copy.layers["unspliced"]
    assert checked(pancreas).loc["raw counts", "verdict"] == "stop"


def test_rounded_normalised_values_are_noticed(pancreas):
    normalise(pancreas)
    for name in ("spliced", "unspliced"):
        pancreas.layers[name] = sp.csr_matrix(np.round(100 * pancreas.layers[name]).astype(int))
    assert checked(pancreas).loc["raw counts", "verdict"] == "attention"


def test_shallow_cells_that_are_equal_by_chance_are_no_copies():
    adata = sv.datasets.simulate(n_cells=3000, n_genes=30, depth=0.02, rng=0)
    assert checked(adata).loc["duplicated cells", "verdict"] == "ok"


def test_few_cells_and_unfiltered_genes_are_not_taken_for_shallow(pancreas):
    assert checked(pancreas[:300].copy()).loc["depth", "verdict"] == "ok"
    low = sp.random_array((3696, 6000), density=0.001, rng=np.random.default_rng(0), format="csr")
    low.data[:] = 1
    low = sp.csr_matrix(low.astype(int))
    extra = ad.AnnData(obs=pancreas.obs[[]], layers={"spliced": low, "unspliced": low[::-1]})
    extra.var_names = [f"low{i}" for i in range(6000)]
    del pancreas.X
    wide = ad.concat([pancreas, extra], axis=1)
    assert checked(wide).loc["depth", "verdict"] == "ok"


def test_few_genes():
    adata = sv.datasets.simulate(n_cells=200, n_genes=30)
    assert checked(adata).loc["usable genes", "verdict"] == "attention"


def test_all_cells_empty_in_one_layer_or_the_other(counts):
    for name, start in (("spliced", 0), ("unspliced", 1)):
        layer = counts.layers[name].tolil()
        layer[start::2] = 0
        counts.layers[name] = layer.tocsr()
    assert checked(counts).loc["empty cells", "verdict"] == "stop"


def test_proportions_are_counted(counts):
    counts.layers["ambiguous"] = counts.layers["unspliced"].copy()
    table = checked(counts, groupby="branch")
    proportions = sv.get.proportions(counts)
    assert list(proportions.index) == ["all cells", "branch 1", "branch 2", "trunk"]
    trunk = (counts.obs["branch"] == "trunk").to_numpy()
    assert proportions.loc["trunk", "unspliced"] == counts.layers["unspliced"][trunk].sum()
    assert proportions["n_cells"].iloc[1:].sum() == counts.n_obs
    assert "are ambiguous" in table.loc["proportions", "reason"]


def test_cells_known_to_be_without_counts_are_not_judged(counts):
    for name in ("spliced", "unspliced"):
        layer = counts.layers[name].tolil()
        layer[:50] = 0
        counts.layers[name] = layer.tocsr()
    counts.obs["counts_attached"] = np.arange(240) >= 50
    assert checked(counts).loc["empty cells", "verdict"] == "ok"


def test_the_tables_survive_a_file(counts, tmp_path):
    sv.pp.qc(counts, groupby="branch")
    sv.io.write_h5ad(counts, tmp_path / "a.h5ad")
    back = sv.io.read(tmp_path / "a.h5ad")
    assert list(back.uns["qc"]["verdict"]) == list(counts.uns["qc"]["verdict"])


def test_tables_are_refused_where_nothing_was_checked(counts):
    for read in (sv.get.quality_checks, sv.get.proportions):
        with pytest.raises(KeyError, match=r"run pp\.qc\(adata\) first"):
            read(counts)


def test_counts_are_left_alone(counts):
    before = counts.layers["spliced"].copy()
    sv.pp.qc(counts)
    assert abs(counts.layers["spliced"] - before).nnz == 0
    with pytest.raises(KeyError, match="groupby='kit' is not a column"):
        sv.pp.qc(counts, groupby="kit")
