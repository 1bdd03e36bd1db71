"""Input that cannot be used: a clear refusal, and nothing written."""

from __future__ import annotations

import anndata as ad
import joblib
import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv

NEIGHBORS = sv.Neighbors(n_neighbors=15)

STEPS = {
    "size_factors": sv.pp.size_factors,
    "filter_genes": sv.pp.filter_genes,
    "run": lambda a: sv.run(a, basis="pca", neighbors=NEIGHBORS, uncertainty=None),
}


def contents(adata):
    """A hash of everything that a refused call might have changed."""
    return {
        (slot, name): joblib.hash(getattr(adata, slot)[name])
        for slot in ("obs", "var", "layers", "obsm", "obsp", "uns")
        for name in getattr(adata, slot)
    }


def refuses(call, adata, error, message):
    before = contents(adata)
    with pytest.raises(error, match=message):
        call(adata)
    assert contents(adata) == before


def spoil(adata, value, layer="spliced"):
    x = adata.layers[layer].astype(np.float64)
    x.data[3] = value
    adata.layers[layer] = x


@pytest.mark.parametrize("step", STEPS)
def test_missing_layers_are_named_with_those_that_are_there(counts, step):
    counts.layers["nascent"] = counts.layers.pop("unspliced")
    refuses(
        STEPS[step], counts, KeyError, r"no 'unspliced' \(it has 'spliced', .*'nascent'.*unspliced="
    )


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-2.0, "'spliced' has 1 negative values, the smallest is -2"),
        (np.nan, "'spliced' has 1 NaN or infinite"),
        (np.inf, "'spliced' has 1 NaN or infinite"),
    ],
)
def test_impossible_counts(counts, step, value, message):
    spoil(counts, value)
    refuses(STEPS[step], counts, ValueError, message)


@pytest.mark.parametrize("step", STEPS)
def test_an_all_zero_layer(counts, step):
    counts.layers["unspliced"] = sp.csr_matrix(counts.shape, dtype=np.int32)
    refuses(STEPS[step], counts, ValueError, "'unspliced' has only zeros")


def test_values_that_are_not_counts_run_with_a_warning(counts):
    for name in ("spliced", "unspliced"):
        size = np.maximum(counts.layers[name].sum(axis=1), 1)
        counts.layers[name] = sp.csr_matrix(counts.layers[name] / size * 100)
    with pytest.warns(sv.SteadyveloWarning, match="taken as normalised"):
        result = sv.run(
            counts, basis="pca", neighbors=NEIGHBORS, uncertainty=None, min_shared_counts=5
        )
    assert result.uns["size_factor_params"]["spliced_taken_as_normalised"]
    assert (result.obs["size_factor_spliced"] == 1).all()


def test_an_empty_gene_and_an_empty_cell_are_left_out_with_a_reason(counts):
    for name in ("spliced", "unspliced"):
        layer = counts.layers[name].tolil()
        layer[10] = 0
        layer[:, 20] = 0
        counts.layers[name] = layer.tocsr()
    with pytest.warns(sv.SteadyveloWarning):
        result = sv.run(counts, basis="pca", neighbors=NEIGHBORS, uncertainty=None)
    assert result.n_obs == 240
    assert result.obs["cells_reason"].iloc[10] == "no molecules in a layer"
    assert np.isnan(result.obsm["velocity_pca"][10]).all()
    table = result.uns["velocity_all_genes"]
    assert table.loc["gene 21", "genes_reason"] == "no unspliced counts"
    assert "gene 21" not in result.var_names


def test_fewer_cells_than_neighbours(counts):
    few = counts[:20].copy()
    refuses(sv.run, few, ValueError, "n_neighbors=30 is too large for 20 cells")


@pytest.mark.parametrize(
    ("axis", "remedy"), [("obs", r", or by a prefix for each sample\."), ("var", r"\.$")]
)
def test_names_that_are_not_unique(counts, axis, remedy):
    names = getattr(counts, f"{axis}_names").to_numpy().copy()
    names[1] = names[0]
    setattr(counts, f"{axis}_names", names)
    for call in (sv.pp.size_factors, sv.run):
        said = rf"{axis}_names has 1 name more than once .*_names_make_unique\(\){remedy}"
        refuses(call, counts, ValueError, said)
    names[3] = names[2]
    setattr(counts, f"{axis}_names", names)
    refuses(sv.pp.size_factors, counts, ValueError, rf"{axis}_names has 2 names more than once")


def test_duplicated_cells_run_with_a_warning(counts):
    double = ad.concat([counts, counts[:5]], index_unique="-")
    with pytest.warns(sv.SteadyveloWarning, match="5 cells are exact copies"):
        result = sv.run(double, basis="pca", neighbors=NEIGHBORS, uncertainty=None)
    assert np.isfinite(result.obsm["velocity_pca"]).all()


def test_a_graph_of_another_size(prepared):
    with pytest.raises(ValueError, match="Value passed for key"):
        prepared.obsp["connectivities"] = sp.eye(10, format="csr")
    # early scanpy kept graphs in uns, where nothing keeps them in step with the cells
    graphs = {name: prepared.obsp.pop(name)[:100, :100] for name in ("connectivities", "distances")}
    prepared.uns["neighbors"] = {"params": {"n_neighbors": 15}, **graphs}
    message = "neighbour graph in uns is 100 × 100, but adata has 240 cells"
    refuses(sv.tl.velocity, prepared, ValueError, message)


def test_a_graph_in_uns_of_early_scanpy_is_used(prepared):
    expected = prepared.copy()
    sv.tl.velocity(expected)
    graphs = {name: prepared.obsp.pop(name) for name in ("connectivities", "distances")}
    prepared.uns["neighbors"] = {"params": {"n_neighbors": 15}, **graphs}
    sv.tl.velocity(prepared)
    sv.tl.velocity_graph(prepared)
    np.testing.assert_array_equal(prepared.var["velocity_gamma"], expected.var["velocity_gamma"])


@pytest.mark.parametrize("where", ["indices", "indptr"])
@pytest.mark.parametrize("step", STEPS)
def test_a_corrupt_layer(counts, step, where):
    layer = counts.layers["spliced"].copy()
    getattr(layer, where)[5] = 9999
    counts.layers["spliced"] = layer
    refuses(STEPS[step], counts, ValueError, "layer 'spliced' is corrupt, because its indices")


def test_a_corrupt_neighbour_graph(prepared):
    prepared.obsp["connectivities"].indices[3] = 100_000
    refuses(sv.tl.velocity, prepared, ValueError, "'connectivities'. is corrupt")


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.toarray().astype(np.longdouble),
        lambda x: x.toarray().astype(">i4"),
        lambda x: x.toarray().astype(np.float16),
    ],
    ids=["longdouble", "big endian", "float16"],
)
def test_layers_that_cannot_be_computed_with(counts, convert):
    counts.layers["spliced"] = convert(counts.layers["spliced"])
    with pytest.raises(TypeError, match="convert it"):
        sv.pp.size_factors(counts)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16])
def test_small_numbers_are_counts_too(counts, dtype):
    for name in ("spliced", "unspliced"):
        small = counts.layers[name].toarray()
        counts.layers[name] = sp.csr_matrix(np.minimum(small, 100).astype(dtype))
    sv.pp.size_factors(counts)
    sv.pp.neighbors(counts, n_neighbors=15, n_pcs=10)
    sv.tl.velocity(counts)
    assert np.isfinite(counts.var["velocity_gamma"]).all()


def test_a_backed_file(counts, tmp_path):
    counts.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with pytest.raises(TypeError, match=r"backed by its file; call .*to_memory"):
        sv.run(backed)
    backed.file.close()


@pytest.mark.parametrize(
    "key", ["spliced", "unspliced", "Ms", "moments", "genes", "size_factor", "X", ""]
)
def test_results_do_not_take_the_place_of_anything(prepared, key):
    refuses(
        lambda a: sv.tl.velocity(a, key_added=key),
        prepared,
        ValueError,
        "would overwrite|cannot be used as a name|is an empty string",
    )


def test_transitions_do_not_take_the_place_of_a_graph(fitted):
    refuses(
        lambda a: sv.tl.transition_matrix(a, key_added="connectivities"),
        fitted,
        ValueError,
        "would overwrite obsp.'connectivities'",
    )


def test_a_basis_that_does_not_exist(counts):
    refuses(
        lambda a: sv.run(a, basis="tsne"), counts, KeyError, "'tsne' is not in adata.obsm.*'umap'"
    )


def test_a_view_is_copied_with_a_warning_and_its_parent_left_alone(counts):
    view = counts[:, :30]
    with pytest.warns(sv.SteadyveloWarning, match="adata is a view"):
        sv.pp.size_factors(view)
    assert not view.is_view
    assert "size_factor_spliced" in view.obs
    assert "size_factor_spliced" not in counts.obs


def test_run_takes_a_view_as_it_is(counts):
    result = sv.run(
        counts[counts.obs_names[::-1]], basis="pca", neighbors=NEIGHBORS, uncertainty=None
    )
    assert list(result.obs_names) == list(counts.obs_names[::-1])


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("counts.h5ad", TypeError, "adata must be an AnnData; it is 'counts.h5ad'"),
        (ad.AnnData(np.ones((0, 3))), ValueError, "has 0 cells and 3 genes"),
    ],
)
def test_what_is_not_an_anndata(value, error, message):
    with pytest.raises(error, match=message):
        sv.run(value)


@pytest.mark.parametrize("dtype", [object, str])
def test_layers_that_are_not_numbers(counts, dtype):
    counts.layers["spliced"] = counts.layers["spliced"].toarray().astype(dtype)
    refuses(sv.pp.size_factors, counts, TypeError, "counts must be numbers")


def test_dense_layers_that_would_not_fit(prepared):
    refuses(
        lambda a: sv.tl.velocity(a, dense=True, max_memory=1e5),
        prepared,
        MemoryError,
        r"3 dense layers of 240 cells × 60 genes need 0.00 GB .* use tl.velocity\(dense=False\)",
    )
    refuses(lambda a: sv.pp.moments(a, max_memory=1e5), prepared, MemoryError, "2 dense layers")
    for dense in (False, None):
        sv.tl.velocity(prepared, dense=dense, max_memory=1e5)
        assert "velocity" not in prepared.layers


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": "top"}, ValueError, "weights must be one of 'extremes'"),
        ({"weights": np.ones(7)}, ValueError, r"weights have shape \(7,\)"),
        ({"weights": -np.ones(240)}, ValueError, "finite and not negative"),
        ({"weights": np.full(240, np.nan)}, ValueError, "finite and not negative"),
        (
            {"weights": 0.95},
            TypeError,
            r"weights must be 'extremes', .*Extremes\(...\), or an array",
        ),
        (
            {"offset": "positive"},
            ValueError,
            "offset must be one of False, True, 'nonnegative'; it is 'positive'",
        ),
        ({"r2": "adjusted"}, ValueError, "r2 must be one of"),
        ({"groups": ["trunk"]}, ValueError, "needs groupby="),
        ({"groups": ["leaf"], "groupby": "branch"}, KeyError, "groups 'leaf' are not in"),
        ({"groups": ["trunk"], "groupby": "none"}, KeyError, "groupby='none' is not a column"),
        ({"highly_variable": True}, KeyError, "highly_variable_genes"),
        ({"spliced": "mature"}, KeyError, "no 'mature'"),
        ({"neighbors_key": "other"}, KeyError, "no 'other'"),
    ],
)
def test_options_that_cannot_be_used(prepared, options, error, message):
    refuses(lambda a: sv.tl.velocity(a, **options), prepared, error, message)


def test_marked_genes_must_leave_some(prepared):
    prepared.var["genes_used"] = False
    refuses(sv.tl.velocity, prepared, ValueError, "has no True value")


def test_smoothed_layers_must_be_finite(prepared):
    sv.pp.moments(prepared)
    prepared.layers["Ms"][0, 0] = np.nan
    refuses(sv.tl.velocity, prepared, ValueError, "layer 'Ms' has NaN")


def test_a_neighbour_graph_must_be_finite(prepared):
    prepared.obsp["distances"].data[0] = np.nan
    sv.tl.velocity(prepared)
    refuses(sv.tl.velocity_graph, prepared, ValueError, r"obsp\['distances'\] has NaN")
