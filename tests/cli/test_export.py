"""`steadyvelo export`: a result for another package."""

from __future__ import annotations

import json

import anndata as ad
import h5py
import pytest
from typer.testing import CliRunner

import steadyvelo as sv
from steadyvelo.cli._app import app


@pytest.fixture
def result(fitted, tmp_path):
    path = tmp_path / "result.h5ad"
    fitted.write_h5ad(path)
    return path


def export(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.mark.parametrize("tool", ["scvelo", "cellrank", "cellxgene", "loom"])
def test_the_command_writes_and_says_what_python_does(result, tmp_path, fitted, tool):
    before = result.read_bytes()
    ending = "loom" if tool == "loom" else "h5ad"
    out, mine = tmp_path / f"out.{ending}", tmp_path / f"mine.{ending}"
    done = export(result, "--for", tool, "--out", out)
    assert done.exit_code == 0, done.output
    notes = sv.interop.export(fitted, mine, tool=tool)
    assert done.stdout.splitlines() == [*notes, f"wrote {out}"]
    assert result.read_bytes() == before
    if tool == "loom":
        with h5py.File(out) as file, h5py.File(mine) as same:
            assert set(file["layers"]) == set(same["layers"])
    else:
        found, same = ad.read_h5ad(out), ad.read_h5ad(mine)
        for slot in ("obs", "var", "layers", "obsm", "obsp", "uns"):
            assert set(getattr(found, slot)) == set(getattr(same, slot)), slot


def test_a_summary_for_programs(result, tmp_path):
    out = tmp_path / "out.h5ad"
    done = export(result, "--for", "cellxgene", "--out", out, "--json", "--quiet")
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["files"] == [str(out)]
    assert any(note.startswith("left out, because cellxgene") for note in found["notes"])


def test_what_cannot_be_written_is_refused_in_one_line(result, tmp_path):
    for arguments, message in (
        (("--for", "loom", "--out", tmp_path / "a.h5ad"), "a.loom"),
        (("--for", "scvelo", "--out", result), "is also the input"),
        (
            ("--for", "scvelo", "--out", tmp_path / "a.h5ad", "--velocity-key", "mine"),
            "mine_gamma",
        ),
    ):
        done = export(result, *arguments)
        assert done.exit_code == 3
        assert message in done.output.replace("\n", "")
        assert "Traceback" not in done.output
    done = export(result, "--for", "seurat", "--out", tmp_path / "a.h5ad")
    assert done.exit_code == 2
    done = export(result, "--tool", "loom", "--out", tmp_path / "a.loom")
    assert "did you mean --for" in done.output
    assert not list(tmp_path.glob("a.*"))
