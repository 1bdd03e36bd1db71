"""Every command reads the same forms, with the same options, as io.read does."""

from __future__ import annotations

import gzip
import json

import anndata as ad
import numpy as np
import pytest
from typer.testing import CliRunner

import steadyvelo as sv
from steadyvelo.cli._app import app
from tests.fuzz.inputs import INPUTS

FORMS = ["h5ad", "zarr 2", "zarr 3", "loom", "STARsolo", "kb-python", "STARsolo, zip", "h5ad.gz"]


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        done = CliRunner().invoke(app, [str(a) for a in arguments])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return call


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The path of every form."""
    made = {}
    for form in FORMS:
        folder = tmp_path_factory.mktemp("form")
        made[form] = INPUTS[form](folder)
    return made


pytestmark = pytest.mark.filterwarnings("ignore:.*zarr", "ignore:Consolidated", "ignore:.*sharding")


@pytest.mark.parametrize("ambiguous", ["default", "drop", "unspliced"])
@pytest.mark.parametrize("form", FORMS)
def test_commands_read_the_same_counts(invoke, inputs, tmp_path, form, ambiguous):
    path = inputs[form]
    expected = sv.io.read(path, ambiguous=ambiguous)
    totals = {
        name: float(x.sum())
        for name, x in expected.layers.items()
        if name in ("spliced", "unspliced")
    }
    options = ["--ambiguous", ambiguous, "--json", "--quiet"]
    imported = invoke("import", path, "--out", "i.h5ad", *options)
    assert {name: imported["molecules"][name] for name in totals} == totals
    inspected = invoke("inspect", path, *options)
    assert (inspected["cells"], inspected["genes"]) == expected.shape
    line = ["run", path, "--out", "r.h5ad", "--dry-run", "--force", "--ambiguous", ambiguous]
    done = CliRunner().invoke(app, [str(a) for a in line])
    said = "{spliced:,.0f} spliced and {unspliced:,.0f} unspliced molecules".format(**totals)
    assert said in done.stdout
    # with the ids, because some names occur twice
    analysed = ad.AnnData(obs=expected.obs[[]], var=expected.var)
    analysed.write_h5ad(tmp_path / "a.h5ad")
    attached = invoke("attach", "a.h5ad", path, "--out", "b.h5ad", *options)
    assert {name: attached["molecules"][name] for name in totals} == totals


@pytest.mark.parametrize("form", ["h5ad", "zarr 2", "zarr 3", "h5ad.gz"])
def test_analysed_cells_are_read_in_any_form(invoke, inputs, tmp_path, form):
    counts = sv.io.read(inputs["h5ad"])
    counts.write_h5ad(tmp_path / "counts.h5ad")
    analysed = ad.AnnData(obs=counts.obs, var=counts.var, obsm={"X_umap": counts.obsm["X_umap"]})
    path = tmp_path / f"a.{form.replace(' ', '')}"
    if form.startswith("zarr"):
        with ad.settings.override(zarr_write_format=int(form[-1])):
            analysed.write_zarr(path)
    else:
        analysed.write_h5ad(tmp_path / "a.h5ad")
        if form.endswith(".gz"):
            path.write_bytes(gzip.compress((tmp_path / "a.h5ad").read_bytes()))
    found = invoke("attach", path, "counts.h5ad", "--out", "b.h5ad", "--json", "--quiet")
    assert found["cells_with_counts"] == counts.n_obs
    np.testing.assert_array_equal(
        ad.read_h5ad(tmp_path / "b.h5ad").obsm["X_umap"], counts.obsm["X_umap"]
    )


@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_result_is_read_in_any_form(invoke, tmp_path, command):
    adata = sv.datasets.simulate(n_cells=200, n_genes=60, depth=2, truth=False, rng=0)
    result = sv.run(adata, basis="pca", uncertainty="sandwich", groupby=None)
    result.write_zarr(tmp_path / "r.zarr")
    line = {"plot": ["stream", "--out", "p.png"], "report": ["--out", "p.html"]}[command]
    written = invoke(command, "r.zarr", *line, "--json", "--quiet")
    assert (tmp_path / written["files"][0]).stat().st_size > 10_000
