"""Size factors: what they are made from, and cells without molecules."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv


def totals(adata, layer):
    return np.asarray(adata.layers[layer].sum(axis=1)).ravel()


def test_each_layer_is_divided_by_its_own_sizes(counts):
    sv.pp.size_factors(counts)
    for layer in ("spliced", "unspliced"):
        size = totals(counts, layer)
        np.testing.assert_allclose(counts.obs[f"size_factor_{layer}"], size / np.median(size))
        np.testing.assert_array_equal(counts.obs[f"n_counts_{layer}"], size)


def test_common_factors_come_from_the_sum_of_both(counts):
    sv.pp.size_factors(counts, method="common")
    size = totals(counts, "spliced") + totals(counts, "unspliced")
    for layer in ("spliced", "unspliced"):
        np.testing.assert_allclose(counts.obs[f"size_factor_{layer}"], size / np.median(size))


def test_named_columns_are_used_instead_of_the_layers(counts):
    counts.obs["all_s"] = np.arange(1.0, 241)
    sv.pp.size_factors(counts, spliced_size="all_s")
    np.testing.assert_allclose(counts.obs["size_factor_spliced"], np.arange(1, 241) / 120.5)
    assert "n_counts_spliced" not in counts.obs
    assert counts.uns["size_factor_params"]["spliced_size"] == "all_s"
    assert counts.uns["size_factor_params"]["unspliced_size"] == "layer"


def test_totals_over_all_genes_outlive_a_selection_of_genes(counts):
    sv.pp.size_factors(counts)
    before = counts.obs["size_factor_spliced"].copy()
    few = counts[:, :10].copy()
    sv.pp.size_factors(few)
    np.testing.assert_array_equal(few.obs["size_factor_spliced"], before)


def test_counts_are_not_modified(counts):
    before = {name: counts.layers[name].copy() for name in ("spliced", "unspliced")}
    adata = sv.run(counts, basis="pca", neighbors=sv.Neighbors(n_neighbors=15), uncertainty=None)
    for name, layer in before.items():
        for where in (counts, adata):
            kept = where.layers[name]
            assert kept.dtype == layer.dtype
            assert abs(kept - layer[:, counts.var_names.isin(where.var_names)]).nnz == 0


def test_a_cell_without_molecules_is_flagged_and_left_out(counts):
    layer = counts.layers["unspliced"].tolil()
    layer[5] = 0
    counts.layers["unspliced"] = layer.tocsr()
    with pytest.warns(
        sv.SteadyveloWarning, match=r"1 cells have no spliced or no unspliced molecules .*'cell 6'"
    ):
        sv.pp.size_factors(counts)
    assert counts.obs["cells_reason"].iloc[5] == "no molecules in a layer"
    assert counts.obs["cells_used"].sum() == 239
    assert counts.obs["size_factor_unspliced"].iloc[5] == 0
    sv.pp.neighbors(counts, n_neighbors=15, n_pcs=10)
    sv.tl.velocity(counts)
    sv.tl.velocity_graph(counts)
    with pytest.warns(sv.SteadyveloWarning, match="1 cells have no edges"):
        sv.tl.velocity_embedding(counts, basis="pca")
    assert np.isnan(counts.obsm["velocity_pca"][5]).all()
    assert np.isfinite(np.delete(counts.obsm["velocity_pca"], 5, axis=0)).all()
    # the fit is that of the other cells
    w = sp.csr_matrix(counts.obsp["connectivities"]).astype(bool).astype(float).toarray()
    w += np.eye(240)
    w[:, 5] = 0
    w /= w.sum(axis=1, keepdims=True)
    s, u = (
        w
        @ (
            counts.layers[k].toarray()
            / np.maximum(counts.obs[f"size_factor_{k}"], 1e-9).to_numpy()[:, None]
        )
        for k in ("spliced", "unspliced")
    )
    s, u = (np.delete(x, 5, axis=0) for x in (s, u))
    z = s / s.max(axis=0) + u / u.max(axis=0)
    fit = z >= np.percentile(z, 95, axis=0)
    gamma = (fit * s * u).sum(axis=0) / (fit * s * s).sum(axis=0)
    np.testing.assert_allclose(counts.var["velocity_gamma"], gamma, rtol=1e-5)


def divided(layer):
    """Each cell's counts divided by their sum, as scanpy does it."""
    dense = layer.toarray().astype(float)
    return sp.csr_matrix(dense / np.maximum(dense.sum(axis=1, keepdims=True), 1) * 1e3)


FRACTIONAL = {
    "divided by totals": (divided, True),
    # the genes of a selection no longer have the same total in all cells
    "divided by totals of all genes": (lambda x: divided(x)[:, ::2], True),
    "logarithms": (lambda x: divided(x).log1p(), True),
    "all times a number": (lambda x: x * 0.97, False),
    "corrected": (
        lambda x: sp.csr_matrix(x.toarray() * np.random.default_rng(0).uniform(0.6, 1, x.shape)),
        False,
    ),
    "whole numbers": (lambda x: x, False),
}


@pytest.mark.parametrize("form", FRACTIONAL)
def test_values_are_judged_by_the_totals_of_cells(counts, form):
    change, normalised = FRACTIONAL[form]
    spliced = change(counts.layers["spliced"])
    adata = counts[:, :: counts.n_vars // spliced.shape[1]].copy()
    adata.layers["spliced"] = spliced
    said = "taken as normalised" if normalised else "taken as raw counts"
    with pytest.warns(sv.SteadyveloWarning) if form != "whole numbers" else nullcontext() as found:
        sv.pp.size_factors(adata)
    assert found is None or any(said in str(w.message) for w in found)
    assert (adata.obs["size_factor_spliced"] == 1).all() == normalised
    assert adata.obs["size_factor_unspliced"].nunique() > 1
    assert adata.uns["size_factor_params"]["spliced_taken_as_normalised"] == normalised
    # what the user says is obeyed, without a warning
    for choice in ("raw", "normalised"):
        sv.pp.size_factors(adata, counts=choice)
        assert (adata.obs["size_factor_spliced"] == 1).all() == (choice == "normalised")


def test_named_sizes_are_used_for_values_of_any_kind(counts):
    counts.layers["spliced"] = divided(counts.layers["spliced"])
    counts.obs["size"] = np.linspace(1, 3, counts.n_obs)
    sv.pp.size_factors(counts, spliced_size="size")
    np.testing.assert_allclose(counts.obs["size_factor_spliced"], counts.obs["size"] / 2)


def test_ratios_of_corrected_counts_are_those_of_raw_counts(counts):
    corrected = counts.copy()
    for name in ("spliced", "unspliced"):
        corrected.layers[name] = counts.layers[name] * 0.97
    gammas = []
    for adata in (counts, corrected):
        sv.pp.size_factors(adata, counts="raw")
        sv.pp.neighbors(adata, n_neighbors=15, n_pcs=10)
        sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=1))
        gammas.append(adata.var["velocity_gamma"])
    # log(1 + s) of smaller values gives slightly other neighbours
    assert np.abs(np.log(gammas[0] / gammas[1])).median() < 0.02


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([np.nan] * 240, ValueError, "has negative or non-finite values"),
        ([-1.0] * 240, ValueError, "has negative or non-finite values"),
        ([0.0] * 240, ValueError, "all zero"),
        (["a"] * 240, TypeError, "sizes must be numbers"),
    ],
)
def test_sizes_that_cannot_be_used_are_refused(counts, values, error, message):
    counts.obs["size"] = values
    with pytest.raises(error, match=message):
        sv.pp.size_factors(counts, spliced_size="size")
    assert "size_factor_spliced" not in counts.obs


def test_a_missing_column_and_an_unknown_method_are_refused(counts):
    with pytest.raises(KeyError, match="no 'depth'"):
        sv.pp.size_factors(counts, spliced_size="depth")
    with pytest.raises(ValueError, match="method must be one of 'per_layer', 'common'"):
        sv.pp.size_factors(counts, method="tpm")


def test_another_layer_has_sizes_of_its_own(counts):
    sv.pp.size_factors(counts)
    counts.layers["other"] = counts.layers["spliced"][::-1]
    sv.pp.size_factors(counts, spliced="other")
    size = totals(counts, "other")
    np.testing.assert_allclose(counts.obs["size_factor_spliced"], size / np.median(size))


def test_totals_of_other_counts_are_noticed(counts):
    sv.pp.size_factors(counts)
    counts.layers["spliced"] = counts.layers["spliced"] * 2
    with pytest.raises(ValueError, match=r"'n_counts_spliced'. has fewer molecules than layer"):
        sv.pp.size_factors(counts)


def test_the_median_is_that_of_cells_with_molecules(counts):
    layer = counts.layers["spliced"].tolil()
    layer[:100] = 0
    counts.layers["spliced"] = layer.tocsr()
    with pytest.warns(sv.SteadyveloWarning, match="100 cells"):
        sv.pp.size_factors(counts)
    size = totals(counts, "spliced")
    expected = size / np.median(size[size > 0])
    np.testing.assert_allclose(counts.obs["size_factor_spliced"], expected)


def test_bad_sizes_are_named_with_their_cells(counts):
    counts.obs["size"] = np.where(np.arange(240) == 7, np.nan, 100.0)
    with pytest.raises(
        ValueError, match=r"negative or non-finite values in 1 cells \('cell 8', nan\)"
    ):
        sv.pp.size_factors(counts, spliced_size="size")
