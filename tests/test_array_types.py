"""Whatever kind of array holds the counts, every function finds what it finds in dense counts."""

from __future__ import annotations

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv

# what is called on counts with cells' groups, and what on a fit of them
ON_COUNTS = {
    "pp.size_factors": sv.pp.size_factors,
    "pp.filter_genes": sv.pp.filter_genes,
    "pp.filter_genes, all criteria": lambda a: sv.pp.filter_genes(
        a, min_shared_cells=30, min_unspliced_cells=40, min_spliced_counts=99, groupby="clusters"
    ),
    "pp.qc": sv.pp.qc,
    "pl.proportions": lambda a: heights(sv.pl.proportions(a, "clusters")),
}
ON_PREPARED = {
    "pp.neighbors": lambda a: sv.pp.neighbors(a, n_neighbors=15, n_pcs=10),
    "pp.neighbors, within": lambda a: sv.pp.neighbors(
        a, n_neighbors=15, metric="cosine", within="mixed"
    ),
    "pp.moments": sv.pp.moments,
    "tl.velocity": sv.tl.velocity,
    "tl.velocity, no layers": lambda a: sv.tl.velocity(a, dense=False),
    "tl.velocity, crossfit": lambda a: sv.tl.velocity(a, uncertainty="crossfit"),
    "tl.velocity, sandwich": lambda a: sv.tl.velocity(a, uncertainty="sandwich"),
}
ON_FIT = {
    "tl.velocity_graph": sv.tl.velocity_graph,
    "tl.velocity_embedding": lambda a: sv.tl.velocity_embedding(a, basis="pca"),
    "tl.velocity_embedding, projection": lambda a: sv.tl.velocity_embedding(
        a, basis="pca", method="projection"
    ),
    "tl.velocity_graph, programme": lambda a: sv.tl.velocity_graph(a, genes=list(a.var_names[:40])),
    "tl.transition_matrix": lambda a: sv.tl.transition_matrix(a, backward=True, diffusion=0.2),
    "tl.velocity_confidence": sv.tl.velocity_confidence,
    "tl.compare_ratios": lambda a: sv.tl.compare_ratios(a, "mixed"),
    "tl.compare_ratios, extremes": lambda a: sv.tl.compare_ratios(
        a, "clusters", contrast="extremes"
    ),
    "tl.check_model": sv.tl.check_model,
    "tl.direction": lambda a: sv.tl.direction(a, basis="pca"),
    "tl.randomized_velocity": lambda a: sv.tl.randomized_velocity(a, basis="pca"),
    "tl.rank_velocity_genes": lambda a: sv.tl.rank_velocity_genes(a, "clusters"),
    "tl.reliability": lambda a: sv.tl.reliability(a, "clusters", basis="pca"),
    "get.velocity": sv.get.velocity,
    "get.velocity_se": lambda a: sv.get.velocity_se(a, genes=list(a.var_names[:5])),
    "metrics.agreement_with_truth": sv.metrics.agreement_with_truth,
    "interop.to_scvelo": sv.interop.to_scvelo,
    "pl.phase_portrait": lambda a: places(sv.pl.phase_portrait(a, list(a.var_names[:2]))),
}


def heights(ax):
    return np.array([bar.get_height() for bar in ax.patches])


def places(axes):
    return np.concatenate([ax.collections[0].get_offsets() for ax in np.ravel(axes)])


def made_by(function, adata):
    """What a function returns, and the AnnData it may have written to."""
    returned = function(adata)
    plt.close("all")
    return returned, adata


def assert_close(found, expected, where):
    """Compare what was returned or written, to 1e-6."""
    if isinstance(expected, pd.DataFrame):
        options = {"rtol": 1e-6, "atol": 1e-6, "check_exact": False, "obj": where}
        pd.testing.assert_frame_equal(found, expected, **options)
    elif isinstance(expected, ad.AnnData):
        for slot in ("obs", "var"):
            assert_close(getattr(found, slot), getattr(expected, slot), f"{where}.{slot}")
        for slot in ("uns", "layers", "obsm", "obsp", "varm"):
            values = (dict(getattr(a, slot)) for a in (found, expected))
            assert_close(*values, f"{where}.{slot}")
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_close(found[key], value, f"{where}[{key!r}]")
    elif sp.issparse(found) or sp.issparse(expected):
        dense = (x.toarray() if sp.issparse(x) else x for x in (found, expected))
        np.testing.assert_allclose(*dense, rtol=1e-6, atol=1e-6, err_msg=where)
    elif np.asarray(expected).dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6, err_msg=where)
    elif not hasattr(expected, "__dict__"):
        np.testing.assert_array_equal(found, expected, err_msg=where)


def converted(adata, convert):
    """A copy whose counts lie in another kind of array."""
    adata = adata.copy()
    for layer in ("spliced", "unspliced"):
        adata.layers[layer] = convert(adata.layers[layer])
    return adata


@pytest.fixture(scope="module")
def starts(_counts, _prepared):
    """Dense counts, the same prepared for a fit, and a fit of them with errors and a graph."""
    counts, prepared = (converted(a, lambda x: x.toarray()) for a in (_counts, _prepared))
    prepared.obs["mixed"] = np.where(np.arange(prepared.n_obs) % 2, "a", "b")
    fit = prepared.copy()
    sv.tl.velocity(fit, uncertainty="crossfit")
    sv.tl.velocity_graph(fit)
    return {"counts": counts, "prepared": prepared, "fit": fit}


@pytest.fixture(scope="module")
def expected(starts):
    """What a function makes of dense counts, computed once."""
    known = {}

    def of(start, function):
        if function not in known:
            known[function] = made_by(function, starts[start].copy())
        return known[function]

    return of


CASES = [
    pytest.param(start, function, id=name)
    for start, functions in (("counts", ON_COUNTS), ("prepared", ON_PREPARED), ("fit", ON_FIT))
    for name, function in functions.items()
]


@pytest.mark.parametrize(("start", "function"), CASES)
def test_a_function_finds_what_it_finds_in_dense_counts(
    starts, expected, array_type, start, function
):
    adata = converted(starts[start], array_type)
    kept = {name: adata.layers[name].copy() for name in ("spliced", "unspliced")}
    found = made_by(function, adata)
    for part, other, where in zip(
        found, expected(start, function), ("returned", "adata"), strict=True
    ):
        assert_close(part, other, where)
    # counts are read, never put into another order or type
    for name, layer in kept.items():
        assert type(adata.layers[name]) is type(layer)
        if sp.issparse(layer):
            np.testing.assert_array_equal(adata.layers[name].indices, layer.indices)


@pytest.mark.parametrize("store", ["h5ad", "zarr"])
def test_counts_are_written_and_read(starts, array_type, tmp_path, store):
    adata = converted(starts["counts"], array_type)
    path = tmp_path / f"counts.{store}"
    if store == "h5ad":
        sv.io.write_h5ad(adata, path)
        back = sv.io.read_h5ad(path)
    else:
        adata.write_zarr(path)
        back = sv.io.read_zarr(path)
    for name, layer in starts["counts"].layers.items():
        assert_close(back.layers[name], layer, name)
