"""Other packages on our results.

`make test-handover`, which is part of the full checks, makes one environment with scVelo, CellRank
and this package; where they are not installed their tests skip.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from matplotlib.quiver import Quiver

import steadyvelo as sv


@pytest.fixture(scope="module")
def result():
    adata = sv.datasets.simulate(n_cells=400, n_genes=120, depth=2, rng=0)
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=20)
    # an embedding that needs no UMAP: these tests are about handing over
    adata.obsm["X_umap"] = adata.obsm["X_pca"][:, :2].astype(np.float64)
    adata = sv.run(adata, uncertainty=None)
    first = adata.obs_names[adata.obs["clusters"] == "root"][0]
    sv.tl.velocity_pseudotime(adata, root=first, end=None)
    return adata


def read_by(tool, script, adata, tmp_path):
    """Run a script with another package on an export, in a process of its own."""
    package, ending = ("loompy", ".loom") if tool == "loom" else (tool, ".h5ad")
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"no {package} here; make test-handover installs it")
    source, target = tmp_path / f"in{ending}", tmp_path / "out.npz"
    sv.interop.export(adata, source, tool=tool)
    command = [sys.executable, Path(__file__).with_name(script), source, target]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(target))


def cosine(a, b):
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("dense", [True, False])
def test_scvelo_runs_on_our_result(result, tmp_path, dense):
    adata = result.copy()
    if not dense:
        del adata.layers["Ms"], adata.layers["Mu"], adata.layers["velocity"]
        del adata.uns["moments_params"]
    theirs = read_by("scvelo", "scvelo_reads.py", adata, tmp_path)
    assert theirs["n_lines"] > 20
    empty = theirs["figures"][theirs["drawn"] == 0]
    assert list(empty) == []
    # every ranked gene is a velocity gene of ours
    assert set(theirs["ranked"].ravel()) <= set(adata.var_names[adata.var["velocity_genes"]])
    # scanpy on the same file: entry [j, i] is the confidence of the way from i to j
    place = {name: k for k, name in enumerate(theirs["clusters"])}
    for source, target in (("root", "fork"), ("middle 1", "tip 1"), ("middle 2", "tip 2")):
        there = theirs["paga"][place[target], place[source]]
        assert there > theirs["paga"][place[source], place[target]], (source, target)
    # its transition matrix and arrows, from our graph, are ours
    sv.tl.transition_matrix(adata)
    ours = adata.obsp["velocity_transitions"].toarray()
    np.testing.assert_allclose(theirs["transitions"], ours, atol=1e-5)
    assert cosine(theirs["arrows"], adata.obsm["velocity_umap"]).min() > 0.9999
    assert np.isfinite(theirs["confidence"]).all()
    assert (theirs["pseudotime"].min(), theirs["pseudotime"].max()) == (0, 1)
    assert len(np.unique(theirs["pseudotime"])) > 300


def test_cellrank_runs_on_our_result(result, tmp_path):
    adata = result.copy()
    theirs = read_by("cellrank", "cellrank_reads.py", adata, tmp_path)
    sv.tl.transition_matrix(adata)
    np.testing.assert_allclose(
        theirs["precomputed"], adata.obsp["velocity_transitions"].toarray(), atol=1e-6
    )
    for kernel in ("velocity", "pseudotime"):
        np.testing.assert_allclose(theirs[kernel].sum(axis=1), 1, rtol=1e-6)
    # both prefer the neighbours our velocities point to
    pairs = theirs["velocity"] > 0
    assert np.corrcoef(theirs["velocity"][pairs], theirs["precomputed"][pairs])[0, 1] > 0.3
    # GPCCA: cells of a branch end at its tip, whichever kernel gives the transitions
    for kernel in ("velocity", "precomputed"):
        fates = theirs[f"{kernel}_fates"]
        np.testing.assert_allclose(fates.sum(axis=1), 1, atol=1e-6)
        assert len(theirs[f"{kernel}_macrostates"]) >= 3
        assert set(theirs[f"{kernel}_drivers"]) <= set(adata.var_names)
        first, second = (
            fates[theirs["clusters"] == name].mean(axis=0) for name in ("middle 1", "middle 2")
        )
        assert first[0] > 0.5 > second[0]


def test_readers_of_loom_files_read_ours(result, tmp_path):
    theirs = read_by("loom", "loom_reads.py", result, tmp_path)
    for kind in ("spliced", "unspliced"):
        np.testing.assert_array_equal(theirs[kind], result.layers[kind].toarray().T)
    assert not theirs["ambiguous"].any()
    for ours, name in (
        (result.obs_names, "cells"),
        (result.obs_names, "names"),
        (result.obs["clusters"], "clusters"),
        (result.var_names, "genes"),
        (result.var_names, "symbols"),
    ):
        assert theirs[name].tolist() == ours.tolist(), name
    for ours, name in (
        (result.obsm["X_umap"], "umap"),
        (result.obsm["X_umap"], "embedding"),
        (result.var["velocity_gamma"], "gamma"),
        (result.obsp["velocity_graph"].toarray(), "graph"),
        (result.layers["velocity"], "velocity"),
        (result.X.toarray(), "x"),
    ):
        np.testing.assert_allclose(theirs[name], ours, rtol=1e-6, err_msg=name)


def test_the_copy_for_scvelo_is_normalised_and_complete(result):
    theirs = sv.interop.to_scvelo(result)
    for kind in ("spliced", "unspliced"):
        factor = result.obs[f"size_factor_{kind}"].to_numpy()[:, None]
        expected = result.layers[kind].toarray() / factor
        np.testing.assert_allclose(theirs.layers[kind].toarray(), expected, rtol=1e-6)
        total = result.obs[f"n_counts_{kind}"]
        np.testing.assert_array_equal(theirs.obs[f"initial_size_{kind}"], total)
    assert abs(theirs.uns["velocity_graph"] - result.obsp["velocity_graph"]).nnz == 0
    assert result.layers["spliced"].dtype == np.int32
    assert "velocity_graph" not in result.uns
    lone = result.copy()
    del lone.obsp["velocity_graph"]
    with pytest.raises(KeyError, match=r"run tl\.velocity_graph"):
        sv.interop.to_scvelo(lone)


def test_scanpy_draws_our_arrows(result):
    ax = sc.pl.embedding(result, "umap", color="clusters", arrows=True, show=False)
    quivers = [c for c in ax.collections if isinstance(c, Quiver)]
    assert len(quivers) == 1
    drawn = np.stack([quivers[0].U, quivers[0].V], axis=1)
    expected = result.obsm["velocity_umap"]
    assert cosine(np.asarray(drawn), expected).min() > 0.9999
    plt.close("all")


def walk(value, path="uns"):
    """All leaves of nested mappings."""
    if isinstance(value, dict):
        assert value, f"{path} is an empty mapping"
        for key, part in value.items():
            yield from walk(part, f"{path}/{key}")
    else:
        yield path, value


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("store", ["h5ad", "zarr"])
def test_written_results_hold_what_viewers_and_r_can_read(result, tmp_path, store, dense):
    adata = sv.run(result, dense=dense, uncertainty=None)
    path = tmp_path / f"a.{store}"
    adata.write_h5ad(path) if store == "h5ad" else adata.write_zarr(path)
    back = ad.read_h5ad(path) if store == "h5ad" else ad.read_zarr(path)
    # cellxgene: embeddings are X_*, finite or partly NaN, never infinite; no infinity in X
    for name, values in back.obsm.items():
        assert not np.isinf(values).any(), name
        assert not np.isnan(values).all(), name
    assert np.isfinite(back.X.data if sp.issparse(back.X) else back.X).all()
    # no empty values in uns, no dtype beyond numbers, booleans and text
    for where, value in walk(dict(back.uns)):
        assert np.size(value) > 0, where
        if hasattr(value, "dtypes") and hasattr(value, "columns"):
            kinds = {str(t) for t in value.dtypes}
            assert kinds <= {"bool", "category", "float64", "int64", "object", "str"}, (
                where,
                kinds,
            )
        else:
            assert np.asarray(value).dtype.kind in "biufOUST", where
    for slot in ("layers", "obsm", "obsp"):
        for name, value in getattr(back, slot).items():
            assert value.dtype.kind in "biuf", name
            assert value.dtype.itemsize <= 8, name
    for table in (back.obs, back.var):
        for name, column in table.items():
            assert str(column.dtype) in {
                *("bool", "category", "float64", "float32", "int64", "int32", "object"),
            }, name


def test_states_have_scvelos_names(fitted):
    assert "root_cells" not in sv.interop.to_scvelo(fitted).obs
    sv.tl.terminal_states(fitted)
    theirs = sv.interop.to_scvelo(fitted)
    for ours, name in (
        ("velocity_root_cells", "root_cells"),
        ("velocity_end_points", "end_points"),
    ):
        assert theirs.obs[name].tolist() == fitted.obs[ours].tolist()


# run where scVelo is installed: the names in a file and what their signatures are
SIGNATURES = """
import inspect, json, sys
from functools import reduce
import scvelo, scvelo.core, scvelo.inference

def named(p):
    return {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "") + p.name

differs = []
for name, listed in json.load(open(sys.argv[1]))["names"].items():
    *path, last = name.split(".")
    owner = reduce(getattr, path, scvelo)
    value = getattr(owner, last)
    if not callable(value) or not value.__module__.startswith("scvelo"):
        continue
    bound = inspect.isclass(owner) and not isinstance(vars(owner).get(last), staticmethod)
    # a decorator may show the parameters of another function, or hide those of its own
    shown = [inspect.signature(value, follow_wrapped=follow).parameters for follow in (True, False)]
    found = [[named(p) for p in each.values()][1 if bound else 0 :] for each in shown]
    if listed not in found:
        differs.append([name, found, listed])
print(json.dumps(differs))
"""


def test_the_page_for_users_of_scvelo_is_about_its_functions():
    if importlib.util.find_spec("scvelo") is None:
        pytest.skip("no scvelo here; make test-handover installs it")
    facts = Path(__file__).parents[2] / "docs" / "coming_from" / "scvelo.json"
    command = [sys.executable, "-W", "ignore", "-c", SIGNATURES, facts]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_recipes_of_the_page_run(result, tmp_path):
    for package in ("scvelo", "cellrank"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"no {package} here; make test-handover installs it")
        sv.interop.export(result, tmp_path / f"for_{package}.h5ad", tool=package)
    page = (Path(__file__).parents[2] / "docs" / "coming_from.md").read_text(encoding="utf-8")
    recipe = page.split("```python\n")[1].split("```")[0]
    genes = list(result.var_names)
    code = f"""
s_genes, g2m_genes = {genes[:10]}, {genes[10:20]}
{recipe}
assert {{"phase", "velocity_clusters"}} <= set(adata.obs)
assert adata.uns["paga"]["transitions_confidence"].nnz > 0
assert estimator.fate_probabilities.shape[0] == fates.n_obs
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
