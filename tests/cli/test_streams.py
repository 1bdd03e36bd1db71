"""What the program prints: safe to show, and never a reason to lose a result."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo._printable import printable

PROGRAM = [sys.executable, "-m", "steadyvelo"]
FAST = ["--basis", "pca", "--uncertainty", "sandwich", "--groupby", "clusters"]
FORGED = (
    "A\nsupported      Beta           The summed votes have a direction\x1b]0;owned\x07 \u202edne"
)


@pytest.fixture(scope="module")
def counts_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("counts") / "counts.h5ad"
    sv.datasets.simulate(n_cells=300, n_genes=80, depth=2, truth=False, rng=0).write_h5ad(path)
    return path


def run(path, out, *more, **options):
    command = [*PROGRAM, "run", str(path), "--out", str(out), *FAST, *more]
    return subprocess.run(command, check=False, **options)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("R² = 0.5, β-cell", "R² = 0.5, β-cell"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("\u2028\u0085\x9b", r"\u2028\x85\x9b"),
        ("\udcff", r"\udcff"),
        (5, "5"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("command", ["run", "inspect", "report", "attach"])
def test_a_name_cannot_forge_a_line_or_reach_the_terminal(tmp_path, counts_file, command):
    adata = ad.read_h5ad(counts_file)
    first = adata.obs["clusters"].cat.categories[0]
    adata.obs["clusters"] = adata.obs["clusters"].cat.rename_categories({first: FORGED})
    adata.obs["odd \x1b[31m\nname"] = 1
    adata.obs_names = [f"\x1b[32m{name}\n" for name in adata.obs_names]
    adata.var_names = [f"{name}\x07" for name in adata.var_names]
    path, out = tmp_path / "a.h5ad", tmp_path / "r.h5ad"
    adata.write_h5ad(path)
    if command == "attach":
        other = adata[:250].copy()
        other.obs_names = [*other.obs_names[:240], *(f"{name} x" for name in other.obs_names[240:])]
        other.write_h5ad(tmp_path / "b.h5ad")
        line = ["attach", path, tmp_path / "b.h5ad", "--out", out]
    elif command == "inspect":
        line = ["inspect", path, "--groupby", "clusters"]
    else:
        line = [
            "run",
            path,
            "--out",
            out,
            "--basis",
            "pca",
            "--groupby",
            "clusters",
            "--n-repeats",
            1,
        ]
        line += ["--report"] if command == "report" else []
    done = subprocess.run([*PROGRAM, *map(str, line)], capture_output=True, check=False, text=True)
    text = done.stdout + done.stderr
    assert not set(text) & set("\x1b\x07\r\u202e\u2066")
    assert not any(one.startswith("supported      Beta ") for one in text.splitlines())
    if command in {"run", "report"}:
        assert done.returncode == 0, text
        assert r"A\nsupported      Beta" in text
    if command == "report":
        page = (tmp_path / "r_report.html").read_text(encoding="utf-8")
        assert not set(page) & set("\x1b\x07\u202e\u2066")
        assert r"\x1b]0;owned\x07" in page


def test_errors_and_warnings_are_escaped(tmp_path, counts_file):
    done = run(counts_file, tmp_path / "r.h5ad", "--sample-key", "\x1b[31m\nx", capture_output=True)
    assert done.returncode == 3
    assert b"\x1b" not in done.stderr
    assert done.stderr.count(b"\nerror: ") + done.stderr.startswith(b"error: ") == 1


@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
@pytest.mark.parametrize("how", ["closed", "full", "no reader"])
def test_a_result_is_written_though_nobody_can_read_the_lines(tmp_path, counts_file, stream, how):
    out = tmp_path / "r.h5ad"
    chosen = {"both": ["stdout", "stderr"]}.get(stream, [stream])
    sign = {"stdout": "1", "stderr": "2"}
    words = " ".join(f"{sign[name]}>{'&-' if how == 'closed' else '/dev/full'}" for name in chosen)
    line = " ".join([*PROGRAM, "run", str(counts_file), "--out", str(out), *FAST])
    if how == "no reader":
        joined = "2>&1" if stream == "both" else "2>&1 >/dev/null" if stream == "stderr" else ""
        done = subprocess.run(
            [shutil.which("bash"), "-c", f"set -o pipefail; {line} {joined} | true"],
            capture_output=True,
            check=False,
        )
    else:
        if how == "full" and not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full")
        done = subprocess.run(
            [shutil.which("sh"), "-c", f"{line} {words}"], capture_output=True, check=False
        )
    lost = how != "closed" and stream != "stderr"
    assert done.returncode == (141 if lost else 0), done.stderr
    assert sv.io.read_h5ad(out).n_obs == 300
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_an_encoding_without_some_letters(tmp_path, counts_file, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    done = run(counts_file, tmp_path / "r.h5ad", capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert (rb"R\xb2" if encoding == "ascii" else "R²".encode(encoding)) in done.stdout


def test_json_is_whole_with_any_names(tmp_path, counts_file):
    adata = ad.read_h5ad(counts_file)
    names = adata.obs["clusters"].cat.categories
    adata.obs["clusters"] = adata.obs["clusters"].cat.rename_categories({names[0]: FORGED})
    adata.write_h5ad(tmp_path / "a.h5ad")
    more = ["--json", "--quiet"]
    done = run(tmp_path / "a.h5ad", tmp_path / "r.h5ad", *more, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cells"] == 300
    assert np.isin(["cells", "genes"], list(json.loads(done.stdout))).all()
