"""`--json` and `--quiet` of the commands that read, check and draw."""

from __future__ import annotations

import json
import subprocess
import sys

import anndata as ad
import pytest
from typer.testing import CliRunner

import steadyvelo as sv
from steadyvelo.cli._app import app


@pytest.fixture
def counts_file(counts, tmp_path):
    path = tmp_path / "counts.h5ad"
    counts.write_h5ad(path)
    return path


def summary(*arguments):
    """What is printed with --json and --quiet, which must be all."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found.pop("version") == sv.__version__
    return found


def quiet(*arguments):
    done = CliRunner().invoke(app, [*map(str, arguments), "--quiet"])
    assert done.exit_code == 0, done.output
    return done.output


def test_inspect(counts_file, counts):
    found = summary("inspect", counts_file, "--groupby", "clusters")
    sv.pp.qc(counts, groupby="clusters")
    table = sv.get.quality_checks(counts)
    assert {name: said["verdict"] for name, said in found["checks"].items()} == dict(
        table["verdict"]
    )
    shares = counts.uns["qc_proportions"]["unspliced_share"]
    assert found["proportions"].keys() == set(shares.index)
    for name, row in found["proportions"].items():
        assert row["unspliced_share"] == pytest.approx(shares[name])
    assert quiet("inspect", counts_file) == ""


def test_inspect_stops_with_a_summary_all_the_same(counts, tmp_path):
    counts.layers["unspliced"] = counts.layers["spliced"].copy()
    path = tmp_path / "same.h5ad"
    counts.write_h5ad(path)
    done = CliRunner().invoke(app, ["inspect", str(path), "--json"])
    assert done.exit_code == 3
    assert json.loads(done.stdout)["checks"]["same matrix"]["verdict"] == "stop"
    assert "same matrix" in done.stderr


def test_import(counts_file, counts, tmp_path):
    out = tmp_path / "again.h5ad"
    found = summary("import", counts_file, "--out", out)
    assert found["files"] == [str(out)]
    assert (found["cells"], found["genes"]) == counts.shape
    assert found["molecules"]["unspliced"] == counts.layers["unspliced"].sum()
    assert quiet("import", counts_file, "--out", out) == ""


def test_attach(counts_file, counts, tmp_path):
    analysed = tmp_path / "analysed.h5ad"
    ad.AnnData(obs=counts.obs.iloc[:100], var=counts.var[[]], X=counts.X[:100]).write_h5ad(analysed)
    out = tmp_path / "both.h5ad"
    found = summary("attach", analysed, counts_file, "--out", out)
    assert found["cells"] == 100
    assert found["cells_with_counts"] == 100
    assert found["molecules"]["spliced"] == counts.layers["spliced"][:100].sum()


def test_plot(fitted, tmp_path):
    path, out = tmp_path / "result.h5ad", tmp_path / "picture.png"
    fitted.write_h5ad(path)
    found = summary("plot", path, "control", "--out", out, "--basis", "pca")
    assert found == {"files": [str(out)]}
    assert out.stat().st_size > 10_000


def test_a_reader_that_has_seen_enough_is_no_error(counts_file):
    command = [sys.executable, "-m", "steadyvelo", "inspect", str(counts_file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # before anything is printed, so that the first line has no reader
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141
