"""`steadyvelo plot`: one picture of a result."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest
from typer.testing import CliRunner

import steadyvelo as sv
from steadyvelo.cli._app import app


@pytest.fixture(scope="module")
def result_file(tmp_path_factory):
    adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    result = sv.run(adata, basis="pca", uncertainty="crossfit", groupby="clusters")
    path = tmp_path_factory.mktemp("result") / "result.h5ad"
    sv.io.write_h5ad(result, path)
    return path


@pytest.fixture
def draw(result_file, tmp_path):
    def call(*arguments, out="picture.png"):
        target = tmp_path / out
        command = ["plot", str(result_file), *map(str, arguments), "--out", str(target)]
        done = CliRunner().invoke(app, command)
        plt.close("all")
        return done, target

    return call


PICTURES = {
    "stream": ["--components", "1", "0", "--smoothing", "0.03"],
    "grid": ["--basis", "X_pca"],
    "arrows": ["--basis", "pca", "--color", "branch"],
    "control": ["--basis", "pca", "--n-controls", "2"],
    "graph": ["--basis", "pca", "--cell", "cell 3"],
    "flows": ["--n-controls", "3", "--groupby", "branch"],
    "paths": ["--start", "root", "--groupby", "clusters", "--n-paths", "3", "--n-steps", "20"],
    "phase": ["--gene", "gene 1", "--gene", "gene 2"],
    "gene": ["--gene", "gene 1", "--basis", "pca"],
    "heatmap": ["--gene", "gene 1", "--gene", "gene 2"],
    "rank": ["--groupby", "branch", "--group", "trunk", "--n-genes", "3"],
    "proportions": [],
    "reliability": [],
}


@pytest.mark.parametrize("picture", PICTURES)
def test_every_picture_is_written(draw, picture):
    done, target = draw(picture, *PICTURES[picture])
    assert done.exit_code == 0, done.output
    assert f"wrote {target}" in done.output
    assert ("Agreement by chance" in done.output) == (picture == "control")
    assert plt.imread(target).std() > 0.02


@pytest.mark.parametrize(("ending", "begins"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_ending_decides_the_format(draw, ending, begins):
    done, target = draw("stream", "--basis", "pca", out=f"picture.{ending}")
    assert done.exit_code == 0, done.output
    assert target.read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "out", "message"),
    [
        (["stream", "--basis", "pca"], "picture.docx", "picture.docx has no ending of"),
        (["stream", "--basis", "umap"], "picture.png", "'umap' is not in"),
        (["phase"], "picture.png", "phase needs genes"),
        (["phase", "--gene", "Actb"], "picture.png", "no genes of adata: 'Actb'"),
        (["stream", "--basis", "pca", "--color", "no"], "picture.png", "color='no' is not in"),
        (["graph", "--basis", "pca", "--cell", "no"], "picture.png", "no cells of adata: 'no'"),
        (["stream", "--velocity-key", "other"], "picture.png", "no 'other_pca'"),
        (["rank", "--groupby", "none"], "picture.png", "name their column of obs with"),
        (["flows", "--groupby", "none"], "picture.png", "the picture flows needs clusters"),
        (["flows", "--start", "root"], "picture.png", "flows has no option --start"),
        (["paths"], "picture.png", "name them with --start NAME"),
        (["paths", "--start", "nobody"], "picture.png", "no cells of adata: 'nobody'"),
        (["stream", "--n-bins", "3"], "picture.png", "stream has no option --n-bins"),
        (["stream", "--gene", "gene 1"], "picture.png", "stream has no option --gene"),
        (["stream", "--alpha", "2"], "picture.png", "alpha must be from 0 to 1; it is 2.0"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_leaves_no_file(draw, arguments, out, message):
    done, target = draw(*arguments, out=out)
    assert done.exit_code == 3
    assert message in done.output
    assert "Traceback" not in done.output
    assert not list(target.parent.iterdir())


def test_an_unknown_picture_is_wrong_usage(draw):
    done, _ = draw("pie")
    assert done.exit_code == 2
    assert "stream" in done.output


@pytest.mark.parametrize("picture", ["flows", "paths"])
def test_results_that_the_file_has_are_drawn(result_file, tmp_path, picture, monkeypatch):
    adata = sv.io.read_h5ad(result_file)
    sv.tl.cluster_graph(adata, "clusters", n_controls=2)
    sv.tl.paths(adata, "cell 1", n_paths=2, n_steps=5, backward=True)
    source, target = tmp_path / "in.h5ad", tmp_path / "out.png"
    sv.io.write_h5ad(adata, source)
    for name in ("cluster_graph", "paths"):
        monkeypatch.delattr(f"steadyvelo.tl.{name}")
    command = ["plot", str(source), picture, "--basis", "pca", "--out", str(target)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert target.exists()
