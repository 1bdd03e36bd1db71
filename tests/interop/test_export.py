"""Files for other packages: what is in them, and that nothing is lost without a word."""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo.interop import _loom

SLOTS = ("obs", "var", "layers", "obsm", "varm", "obsp", "uns")


@pytest.fixture
def result(fitted):
    """A fit with everything that an export may meet."""
    sv.tl.velocity_confidence(fitted)
    fitted.obs["name"] = [f"cell of {name}" for name in fitted.obs_names]
    fitted.obs["whole"] = pd.array([1, None] * (fitted.n_obs // 2), dtype="Int64")
    fitted.obs["flag"] = pd.array([True, None] * (fitted.n_obs // 2), dtype="boolean")
    fitted.obs["many"] = np.arange(fitted.n_obs) + 2**40
    fitted.obs["number"] = pd.Categorical([10, 9] * (fitted.n_obs // 2))
    fitted.obs["real"] = np.where(np.arange(fitted.n_obs) == 3, np.inf, 0.5)
    fitted.var["gene_id"] = [f"ENSG{k:011d}" for k in range(fitted.n_vars)]
    fitted.uns["clusters_colors"] = np.array(["red"] * fitted.obs["clusters"].nunique(), object)
    fitted.uns["branch_colors"] = ["red"]
    fitted.varm["PCs"] = np.ones((fitted.n_vars, 2))
    fitted.obsm["flags"] = np.arange(2 * fitted.n_obs).reshape(-1, 2) % 3 == 0
    return fitted


def exported(adata, tmp_path, tool, **options):
    path = tmp_path / ("out.loom" if tool == "loom" else "out.h5ad")
    notes = sv.interop.export(adata, path, tool=tool, **options)
    return path, notes


def names_of(slot):
    """Names in a slot of an AnnData; None is X among the layers of coming versions."""
    return [name for name in slot if name is not None]


@pytest.mark.parametrize("tool", ["scvelo", "cellrank"])
def test_files_for_scvelo_and_cellrank_lose_nothing(result, tmp_path, tool):
    path, _ = exported(result, tmp_path, tool)
    back = ad.read_h5ad(path)
    for slot in SLOTS:
        assert set(getattr(result, slot)) <= set(getattr(back, slot)), slot
    copy = getattr(sv.interop, f"to_{tool}")(result)
    for name in copy.layers:
        np.testing.assert_array_equal(dense(back.layers[name]), dense(copy.layers[name]))
    np.testing.assert_array_equal(dense(back.X), dense(copy.X))


def dense(x):
    return x.toarray() if sp.issparse(x) else np.asarray(x)


def test_every_change_is_reported_and_returned(result, tmp_path, said):
    _, notes = exported(result, tmp_path, "scvelo")
    assert said == notes
    assert "layer 'spliced' has the counts divided by size factors" in notes[0]
    assert any(note.startswith("X is log1p of spliced counts") for note in notes)
    assert any("not subset with the cells" in note for note in notes)
    said.clear()
    sv.interop.to_scvelo(result)
    assert said == notes


def test_counts_can_be_had_back_as_the_words_say(result, tmp_path):
    path, _ = exported(result, tmp_path, "scvelo")
    back = ad.read_h5ad(path)
    for kind in ("spliced", "unspliced"):
        factor = back.obs[f"size_factor_{kind}"].to_numpy()[:, None]
        counts = dense(back.layers[kind]) * factor
        np.testing.assert_allclose(counts, dense(result.layers[kind]), rtol=1e-5)


def test_x_is_replaced_only_where_it_has_counts(result):
    factor = result.obs["size_factor_spliced"].to_numpy()[:, None]
    expected = np.log1p(dense(result.layers["spliced"]) / factor)
    for call in (sv.interop.to_scvelo, sv.interop.to_cellrank, sv.interop.to_cellxgene):
        np.testing.assert_allclose(dense(call(result).X), expected, rtol=1e-5)
    mine = result.copy()
    mine.X = np.full(mine.shape, 0.5, dtype=np.float32)
    for call in (sv.interop.to_scvelo, sv.interop.to_cellrank, sv.interop.to_cellxgene):
        assert (dense(call(mine).X) == 0.5).all()


@pytest.mark.parametrize(
    ("value", "reason"),
    [(-0.5, "has negative values"), (np.nan, "has NaN or infinite"), (np.inf, "has NaN or inf")],
)
def test_cellxgene_gets_no_x_that_it_cannot_show(result, tmp_path, value, reason):
    result.X = np.full(result.shape, 0.5, dtype=np.float32)
    result.X[0, 0] = value
    path, notes = exported(result, tmp_path, "cellxgene")
    assert any(f"because X of the result {reason}" in note for note in notes)
    assert dense(ad.read_h5ad(path).X).min() == 0
    del result.X
    assert any(
        "X of the result is missing" in note for note in exported(result, tmp_path, "cellxgene")[1]
    )


def test_a_file_for_cellxgene_is_one_that_it_opens(result, tmp_path):
    path, _ = exported(result, tmp_path, "cellxgene")
    back = ad.read_h5ad(path)
    # the rules of its reader, server/data_anndata/anndata_adaptor.py
    assert (back.X.format, back.X.dtype) == ("csc", np.float32)
    assert np.isfinite(back.X.data).all()
    for table in (back.obs, back.var):
        assert table.index.is_unique
        assert table.columns.is_unique
        for name, column in table.items():
            kinds = {"bool", "int32", "float32", "category"}
            assert str(column.dtype) in kinds, name
            if column.dtype == np.float32:
                assert not np.isinf(column).any(), name
            if column.dtype == "category":
                assert all(isinstance(label, str) for label in column.cat.categories), name
    assert set(back.obsm) == {"X_pca"}
    for layout in back.obsm.values():
        assert layout.dtype.kind == "f"
        assert layout.shape[0] == back.n_obs
        assert layout.shape[1] >= 2
        assert not np.isinf(layout).any()
        assert not np.isnan(layout).all()
    assert set(back.uns) == {"clusters_colors"}
    colors = list(back.uns["clusters_colors"])
    assert colors == ["#ff0000"] * result.obs["clusters"].nunique()
    for slot in ("layers", "obsp", "varm", "varp"):
        assert names_of(getattr(back, slot)) == []


def test_columns_for_cellxgene_keep_their_values(result):
    obs = sv.interop.to_cellxgene(result).obs
    assert obs["clusters"].tolist() == result.obs["clusters"].tolist()
    assert obs["number"].tolist()[:2] == ["10", "9"]
    assert obs["number"].cat.categories.tolist() == ["9", "10"]
    assert obs["name"].iloc[3] == result.obs["name"].iloc[3]
    np.testing.assert_array_equal(obs["whole"][:2], [1, np.nan])
    np.testing.assert_array_equal(obs["flag"][:2], [1, np.nan])
    np.testing.assert_allclose(obs["many"], result.obs["many"], rtol=1e-6)
    assert np.isnan(obs["real"].iloc[3])
    np.testing.assert_allclose(
        obs["velocity_confidence"], result.obs["velocity_confidence"], rtol=1e-6
    )


def test_all_that_cellxgene_does_not_get_is_named(result, tmp_path):
    result.raw = result
    path, notes = exported(result, tmp_path, "cellxgene")
    back, words = ad.read_h5ad(path), " ".join(notes)
    for slot in SLOTS:
        for name in getattr(result, slot):
            assert name in getattr(back, slot) or repr(name) in words, (slot, name)
    assert "'raw'" in words
    assert "'real'" in words
    assert "'velocity_pca_on'" in words


def test_without_an_embedding_there_is_no_file_for_cellxgene(result, tmp_path):
    del result.obsm["X_pca"]
    result.obsm["X_bad"] = np.full((result.n_obs, 2), np.nan)
    result.obsm["X_text"] = np.full((result.n_obs, 2), "a")
    with pytest.raises(ValueError, match=r"no embedding that cellxgene .*scanpy\.tl\.umap"):
        exported(result, tmp_path, "cellxgene")
    assert not list(tmp_path.iterdir())


def by_loom(path):
    """What a loom file has: text as text."""
    with h5py.File(path) as file:
        found = {}

        def visit(name, item):
            if isinstance(item, h5py.Dataset):
                text = item.dtype.kind == "O"
                found[name] = item.asstr()[()] if text else item[()]

        file.visititems(visit)
    return found


def test_a_loom_file_has_counts_smoothed_layers_and_attributes(result, tmp_path):
    result.obs["broken/down"] = result.obs["whole"]
    path, notes = exported(result, tmp_path, "loom")
    found = by_loom(path)
    np.testing.assert_array_equal(found["matrix"], dense(result.X).T)
    for name in names_of(result.layers):
        np.testing.assert_array_equal(found[f"layers/{name}"], dense(result.layers[name]).T)
    assert found["row_attrs/Gene"].tolist() == result.var_names.tolist()
    assert found["row_attrs/Accession"].tolist() == result.var["gene_id"].tolist()
    assert found["col_attrs/CellID"].tolist() == result.obs_names.tolist()
    assert found["col_attrs/clusters"].tolist() == result.obs["clusters"].tolist()
    np.testing.assert_array_equal(found["col_attrs/X_pca"], result.obsm["X_pca"])
    np.testing.assert_array_equal(found["row_attrs/velocity_gamma"], result.var["velocity_gamma"])
    np.testing.assert_array_equal(found["row_attrs/velocity_genes"], result.var["velocity_genes"])
    np.testing.assert_array_equal(found["col_attrs/broken_down"][:2], [1, np.nan])
    np.testing.assert_array_equal(found["col_attrs/flags"], result.obsm["flags"])
    np.testing.assert_array_equal(found["row_attrs/PCs"], result.varm["PCs"])
    for name, graph in result.obsp.items():
        a, b, w = (found[f"col_graphs/{name}/{part}"] for part in "abw")
        again = sp.coo_matrix((w, (a, b)), graph.shape)
        np.testing.assert_array_equal(dense(again), dense(graph))
    assert found["attrs/LOOM_SPEC_VERSION"] == "3.0.0"
    assert '"weights": "extremes"' in found["attrs/velocity_params"]
    assert any("slashes in names are underscores in the file: 'broken/down'" in n for n in notes)


def test_our_reader_reads_our_loom_file(result, tmp_path):
    path, _ = exported(result, tmp_path, "loom")
    back = sv.io.read_loom(path)
    assert back.obs_names.tolist() == result.obs_names.tolist()
    assert back.var_names.tolist() == result.var_names.tolist()
    for kind in ("spliced", "unspliced"):
        assert back.layers[kind].dtype == np.int32
        np.testing.assert_array_equal(dense(back.layers[kind]), dense(result.layers[kind]))


def test_layers_that_are_not_stored_are_computed_for_a_loom_file(result, tmp_path):
    path, _ = exported(result, tmp_path, "loom")
    expected = by_loom(path)
    # more genes than a block has would need large data; the blocks are those of the fit
    for name in ("Ms", "Mu", "velocity"):
        del result.layers[name]
    del result.uns["moments_params"]
    path, _ = exported(result, tmp_path, "loom")
    found = by_loom(path)
    for name in ("Ms", "Mu", "velocity"):
        np.testing.assert_allclose(
            found[f"layers/{name}"], expected[f"layers/{name}"], rtol=1e-5, atol=1e-5
        )


def test_all_that_a_loom_file_does_not_get_is_named(result, tmp_path):
    result.raw = result
    result.obs["CellID"] = "mine"
    result.var["Gene"] = "mine"
    result.obsm["cube"] = np.zeros((result.n_obs, 2, 2))
    result.obsm["sparse"] = sp.csr_matrix((result.n_obs, 2))
    path, notes = exported(result, tmp_path, "loom")
    found, words = by_loom(path), " ".join(notes)
    folders = {"obs": "col_attrs", "obsm": "col_attrs", "var": "row_attrs", "varm": "row_attrs"}
    folders |= {"layers": "layers", "uns": "attrs"}
    for slot, folder in folders.items():
        for name in names_of(getattr(result, slot)):
            assert f"{folder}/{name.replace('/', '_')}" in found or repr(name) in words, name
    for part in ("'cube'", "'sparse'", "'raw'", """obs['CellID']""", """var['Gene']"""):
        assert part in words, part
    assert found["col_attrs/CellID"].tolist() == result.obs_names.tolist()


def test_velocyto_gets_an_empty_layer_of_ambiguous_molecules(result, tmp_path):
    path, notes = exported(result, tmp_path, "loom")
    assert (by_loom(path)["layers/ambiguous"] == 0).all()
    assert any("layer 'ambiguous' is empty" in note for note in notes)
    result.layers["ambiguous"] = result.layers["unspliced"].copy()
    path, notes = exported(result, tmp_path, "loom")
    assert not any("ambiguous" in note for note in notes)
    np.testing.assert_array_equal(
        by_loom(path)["layers/ambiguous"], dense(result.layers["ambiguous"]).T
    )


def test_more_genes_than_are_made_dense_at_a_time(result, tmp_path, monkeypatch):
    path, _ = exported(result, tmp_path, "loom")
    expected = by_loom(path)
    monkeypatch.setattr(_loom, "_BYTES", 1)
    monkeypatch.setattr(_loom, "_CHUNK", (7, 50))
    path, _ = exported(result, tmp_path, "loom")
    for name, values in by_loom(path).items():
        np.testing.assert_array_equal(values, expected[name])


@pytest.fixture
def renamed(counts):
    """A fit of layers, neighbours and an embedding that have other names."""
    sv.pp.size_factors(counts)
    sv.pp.neighbors(counts, n_neighbors=15, n_pcs=10, key_added="mine")
    sv.pp.neighbors(counts, n_neighbors=10, n_pcs=10)
    counts.layers["exon"], counts.layers["intron"] = (
        counts.layers.pop(kind) for kind in ("spliced", "unspliced")
    )
    counts.layers["spliced"] = counts.layers["exon"].copy()
    names = {"spliced": "exon", "unspliced": "intron"}
    sv.tl.velocity(counts, **names, neighbors_key="mine")
    sv.tl.velocity_graph(counts)
    counts.obsm["UMAP"] = counts.obsm["X_pca"][:, :2].copy()
    counts.obsm["wide"] = counts.obsm["X_pca"][:, :5].copy()
    return counts


@pytest.mark.parametrize("tool", ["scvelo", "cellrank"])
def test_neighbours_and_embeddings_get_the_usual_names(renamed, tmp_path, tool):
    path, notes = exported(renamed, tmp_path, tool)
    back = ad.read_h5ad(path)
    for graph in ("connectivities", "distances"):
        assert (back.obsp[graph] != renamed.obsp[f"mine_{graph}"]).nnz == 0
        assert back.uns["neighbors"][f"{graph}_key"] == graph
    assert back.uns["neighbors"]["params"]["n_neighbors"] == 15
    replaced = "'mine', which the fit used, .* replaces 'connectivities', 'distances'"
    assert any(pd.Series([note]).str.contains(replaced).item() for note in notes)
    np.testing.assert_array_equal(back.obsm["X_umap"], renamed.obsm["UMAP"])
    assert "X_wide" not in back.obsm
    assert "X_umap" not in renamed.obsm


def test_a_graph_without_an_entry_in_uns_gets_one(fitted):
    del fitted.uns["neighbors"]
    theirs = sv.interop.to_scvelo(fitted)
    assert theirs.uns["neighbors"]["params"]["n_neighbors"] == 15
    assert (theirs.obsp["distances"] != fitted.obsp["distances"]).nnz == 0


def test_counts_of_other_layers_get_the_usual_names(renamed, tmp_path):
    path, notes = exported(renamed, tmp_path, "scvelo")
    back = ad.read_h5ad(path)
    factor = renamed.obs["size_factor_unspliced"].to_numpy()[:, None]
    expected = dense(renamed.layers["intron"]) / factor
    np.testing.assert_allclose(dense(back.layers["unspliced"]), expected, rtol=1e-6)
    assert any("'unspliced' has the counts of layer 'intron' divided" in note for note in notes)
    assert any("former layer 'spliced', which the fit did not use" in note for note in notes)
    path, notes = exported(renamed, tmp_path, "loom")
    found = by_loom(path)
    np.testing.assert_array_equal(found["layers/unspliced"], dense(renamed.layers["intron"]).T)
    assert "layers/exon" not in found
    assert any("layer 'exon', which the fit used, is named 'spliced'" in note for note in notes)
    assert any(note.startswith("left out: 'spliced' in layers") for note in notes)


def test_layers_without_size_factors_are_handed_over_as_they_are(fitted, tmp_path):
    del fitted.obs["size_factor_spliced"], fitted.obs["size_factor_unspliced"]
    path, notes = exported(fitted, tmp_path, "scvelo")
    assert not any("divided by size factors, as scVelo" in note for note in notes)
    back = ad.read_h5ad(path)
    np.testing.assert_array_equal(dense(back.layers["spliced"]), dense(fitted.layers["spliced"]))


def test_cellrank_gets_transition_probabilities(fitted, tmp_path):
    sv.tl.transition_matrix(fitted, scale=3)
    mine = fitted.obsp["velocity_transitions"]
    theirs = sv.interop.to_cellrank(fitted)
    assert (theirs.obsp["velocity_transitions"] != mine).nnz == 0
    # arrows have signed transitions, which are no probabilities
    sv.tl.transition_matrix(fitted, signed=True)
    _, notes = exported(fitted, tmp_path, "cellrank")
    assert any("those that were stored are not of steps forward" in note for note in notes)
    theirs = sv.interop.to_cellrank(fitted).obsp["velocity_transitions"]
    np.testing.assert_allclose(theirs.sum(axis=1), 1, rtol=1e-5)
    assert fitted.obsp["velocity_transitions"].min() < 0
    # transitions backward have no place there either
    sv.tl.transition_matrix(fitted, scale=3)
    record = fitted.uns["velocity_params"]["transitions"]["velocity_transitions"]
    record["backward"] = True
    theirs = sv.interop.to_cellrank(fitted).obsp["velocity_transitions"]
    assert abs(theirs - fitted.obsp["velocity_transitions"]).max() > 0.01


def test_cells_without_a_pseudotime_are_counted_for_cellrank(fitted, tmp_path):
    fitted.obs["velocity_pseudotime"] = 0.5
    _, notes = exported(fitted, tmp_path, "cellrank")
    assert not any("PseudotimeKernel" in note for note in notes)
    fitted.obs.loc[fitted.obs_names[:3], "velocity_pseudotime"] = np.nan
    _, notes = exported(fitted, tmp_path, "cellrank")
    assert any("has no value in 3 cells; PseudotimeKernel" in note for note in notes)


def test_dense_layers_for_cellrank_are_computed_without_a_fit_they_are_nan(fitted):
    before = {name: fitted.layers[name].copy() for name in ("Ms", "Mu", "velocity")}
    for name in before:
        del fitted.layers[name]
    del fitted.uns["moments_params"]
    theirs = sv.interop.to_cellrank(fitted)
    for name, layer in before.items():
        np.testing.assert_allclose(theirs.layers[name], layer, rtol=1e-5, atol=1e-5)


def test_genes_that_the_run_left_out_are_counted(counts, tmp_path):
    sv.pp.filter_genes(counts)
    result = sv.run(
        counts,
        basis="pca",
        min_shared_counts=counts.var["shared_counts"].median(),
        neighbors=sv.Neighbors(n_neighbors=15, n_pcs=10),
        uncertainty=None,
    )
    n = counts.n_vars - result.n_vars
    assert n > 0
    for tool in ("scvelo", "cellrank", "cellxgene", "loom"):
        _, notes = exported(result, tmp_path, tool)
        assert any(note.startswith(f"{n} of 60 genes were not used by the run") for note in notes)


@pytest.mark.parametrize(
    ("tool", "name", "better"),
    [("loom", "a.h5ad", "a.loom"), ("scvelo", "a.loom", "a.h5ad"), ("cellxgene", "a", "a.h5ad")],
)
def test_a_file_with_another_ending_is_refused_with_a_better_name(
    fitted, tmp_path, tool, name, better
):
    with pytest.raises(ValueError, match=rf"tool='{tool}' .*{better}'"):
        sv.interop.export(fitted, tmp_path / name, tool=tool)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("tool", ["scvelo", "cellrank", "cellxgene", "loom"])
def test_without_a_fit_there_is_no_file(counts, tmp_path, tool):
    with pytest.raises(KeyError, match="velocity_gamma"):
        exported(counts, tmp_path, tool)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("tool", ["scvelo", "cellrank"])
def test_without_a_graph_the_remedy_is_named(fitted, tmp_path, tool):
    del fitted.obsp["velocity_graph"]
    with pytest.raises(KeyError, match=r"run tl\.velocity_graph"):
        exported(fitted, tmp_path, tool)


def test_a_failed_loom_file_leaves_the_former_one(result, tmp_path, monkeypatch):
    path, _ = exported(result, tmp_path, "loom")
    before = path.read_bytes()

    def fail(*_):
        msg = "no"
        raise OSError(msg)

    monkeypatch.setattr(_loom, "_write_graphs", fail)
    with pytest.raises(OSError, match="no"):
        exported(result, tmp_path, "loom")
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["out.loom"]


def test_a_named_graph_replaces_nothing_if_there_is_no_other(renamed, tmp_path):
    for graph in ("connectivities", "distances"):
        del renamed.obsp[graph]
    _, notes = exported(renamed, tmp_path, "scvelo")
    said = [note for note in notes if "'mine', which the fit used" in note]
    assert len(said) == 1
    assert "replaces" not in said[0]


def test_layers_of_other_names_without_size_factors_are_named(renamed, tmp_path):
    del renamed.obs["size_factor_spliced"], renamed.obs["size_factor_unspliced"]
    path, notes = exported(renamed, tmp_path, "scvelo")
    assert "layer 'unspliced' has the counts of layer 'intron'" in notes
    back = ad.read_h5ad(path)
    np.testing.assert_array_equal(dense(back.layers["unspliced"]), dense(renamed.layers["intron"]))


def test_without_columns_of_ours_none_is_left_out_for_cellxgene(fitted, tmp_path):
    del fitted.obs["velocity_pca_on"]
    _, notes = exported(fitted, tmp_path, "cellxgene")
    assert not any(note.startswith("left out of obs") for note in notes)


def test_an_embedding_in_columns_of_obs_is_one_in_the_copy(fitted):
    fitted.obs["UMAP_1"], fitted.obs["UMAP_2"] = fitted.obsm["X_pca"][:, :2].astype(float).T
    for call in (sv.interop.to_scvelo, sv.interop.to_cellrank, sv.interop.to_cellxgene):
        np.testing.assert_allclose(call(fitted).obsm["X_umap"], fitted.obsm["X_pca"][:, :2])
