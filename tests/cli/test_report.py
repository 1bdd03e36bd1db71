"""`steadyvelo report`: a page about a result that lies on a disk."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from steadyvelo.cli._app import app


@pytest.fixture
def result(fitted, tmp_path):
    path = tmp_path / "result.h5ad"
    fitted.write_h5ad(path)
    return path


def report(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_a_page_is_written_and_the_result_left_alone(result, tmp_path):
    before = result.read_bytes()
    out = tmp_path / "page.html"
    done = report(result, "--out", out, "--basis", "pca", "--n-portraits", 1, "--title", "Mine <3")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"wrote {out}\n"
    assert "<h1>Mine &lt;3</h1>" in out.read_text(encoding="utf-8")
    assert result.read_bytes() == before


def test_a_summary_for_programs(result, tmp_path):
    out = tmp_path / "page.html"
    done = report(result, "--out", out, "--basis", "pca", "--n-portraits", 1, "--json", "--quiet")
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["files"] == [str(out)]
    assert found["bytes"] == out.stat().st_size
    assert found["headline"][0].startswith("Directions were not tested")


def test_without_arrows_there_is_no_page(result, tmp_path):
    done = report(result, "--out", tmp_path / "page.html", "--basis", "umap")
    assert done.exit_code == 3
    assert "umap" in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "page.html").exists()
