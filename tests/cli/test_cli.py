"""The command line, in processes of its own where start-up is the point."""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
import time

import anndata as ad
import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import steadyvelo as sv
from steadyvelo.cli._app import app
from steadyvelo.cli._errors import plain_errors


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return call


@pytest.fixture
def counts_file(counts, tmp_path):
    path = tmp_path / "counts.h5ad"
    counts.write_h5ad(path)
    return path


def modules_after(code):
    """Names of the modules loaded after some code in a fresh interpreter."""
    code += "\nimport sys, json; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_loads_nothing_heavy():
    loaded = modules_after("import steadyvelo")
    assert not loaded & {"numpy", "scipy", "numba", "pandas", "anndata", "scanpy", "matplotlib"}


def test_help_loads_nothing_heavy():
    loaded = modules_after(
        "import sys; sys.argv = ['steadyvelo', '--help']\n"
        "from steadyvelo.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert not loaded & {"numpy", "numba", "scanpy", "matplotlib", "anndata"}


def test_the_functions_load_neither_scanpy_nor_umap():
    loaded = modules_after("import steadyvelo as sv; sv.pp, sv.tl, sv.get, sv.run")
    assert not loaded & {"scanpy", "umap", "pynndescent", "matplotlib", "sklearn", "scipy.stats"}


def test_version(invoke):
    assert invoke("version").stdout.strip() == sv.__version__


def test_run_writes_result_and_pictures_and_says_what_it_did(invoke, counts_file, tmp_path):
    done = invoke("run", counts_file, "--out", "result.h5ad", "--basis", "pca", "--n-neighbors", 15)
    assert done.exit_code == 0, done.output
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {
        "counts.h5ad",
        "result.h5ad",
        "result_stream.png",
        "result_phase_portraits.png",
    }
    for line in (
        "supported",
        "in sign-flipped controls)",
        "cells           240",
        "genes           60 of 60 used",
        "velocity genes",
        "seconds",
    ):
        assert line in done.stdout
    result = ad.read_h5ad(tmp_path / "result.h5ad")
    assert np.isfinite(result.obsm["velocity_pca"]).all()
    assert len(result.uns["velocity_all_genes"]) == 60
    assert set(result.uns["velocity_run"]["seconds"]) >= {"genes", "velocity graph", "arrows"}
    assert (tmp_path / "result_stream.png").read_bytes()[:4] == b"\x89PNG"


def test_the_table_of_all_genes_says_why_each_is_missing(invoke, counts_file, tmp_path):
    done = invoke(
        *("run", counts_file, "--out", "r.h5ad", "--basis", "pca", "--n-neighbors", 15),
        *("--min-shared-counts", 300, "--no-dense"),
    )
    assert done.exit_code == 0, done.output
    result = ad.read_h5ad(tmp_path / "r.h5ad")
    table = result.uns["velocity_all_genes"]
    assert (table["genes_used"] == table.index.isin(result.var_names)).all()
    assert (
        table.loc[~table["genes_used"], "velocity_reason"] == "fewer than 300 shared counts"
    ).all()
    assert ((table["velocity_reason"] == "") == table["velocity_genes"]).all()
    assert "velocity" not in result.layers
    assert (
        f"{result.n_vars} of 60 used; not used: fewer than 300 shared counts ({60 - result.n_vars})"
        in done.stdout
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.h5ad", "--out", "r.h5ad"], "there is no file or folder absent.h5ad"),
        (["counts.h5ad", "--out", "none/r.h5ad"], "the folder none does not exist"),
        (["counts.h5ad", "--out", "."], "is a folder"),
        (["counts.h5ad", "--out", "counts.h5ad"], "is also the input"),
        (["text.h5ad", "--out", "r.h5ad"], "is not a loom file, an h5ad file or a folder"),
        (["counts.h5ad", "--out", "r.h5ad", "--spliced", "mature"], "has no layer 'mature'"),
        (["counts.h5ad", "--out", "r.h5ad", "--basis", "tsne"], "basis='tsne'"),
        (
            ["counts.h5ad", "--out", "r.h5ad", "--n-neighbors", "900"],
            "n_neighbors=900 is too",
        ),
        (["counts.h5ad", "--out", "r.h5ad", "--color", "no"], "color='no' is not in adata.obs"),
        (["counts.h5ad", "--out", "r.h5ad", "--spliced-size", "none"], "no 'none'"),
    ],
)
def test_bad_input_is_one_plain_line_and_leaves_nothing(
    invoke, counts_file, tmp_path, arguments, message
):
    (tmp_path / "text.h5ad").write_text("no data")
    done = invoke("run", *arguments)
    assert done.exit_code == 3
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert {p.name for p in tmp_path.iterdir()} == {"counts.h5ad", "text.h5ad"}


def test_wrong_usage_has_its_own_exit_code(invoke):
    assert invoke("run").exit_code == 2
    assert invoke("fly").exit_code == 2


@pytest.mark.filterwarnings("default::steadyvelo.SteadyveloWarning")
def test_warnings_are_one_line(invoke, counts, tmp_path):
    counts.layers["spliced"] = counts.layers["spliced"] * 0.5
    counts.write_h5ad(tmp_path / "half.h5ad")
    done = invoke("run", "half.h5ad", "--out", "r.h5ad", "--basis", "pca", "--n-neighbors", 15)
    assert done.exit_code == 0, done.output
    assert "warning: layer 'spliced' has values that are not whole numbers" in done.stderr


def test_a_result_can_be_run_again(invoke, counts_file, tmp_path):
    options = ("--basis", "pca", "--n-neighbors", 15)
    assert invoke("run", counts_file, "--out", "a.h5ad", *options).exit_code == 0
    again = invoke("run", "a.h5ad", "--out", "b.h5ad", *options)
    assert again.exit_code == 0, again.output
    first, second = (ad.read_h5ad(tmp_path / name) for name in ("a.h5ad", "b.h5ad"))
    np.testing.assert_array_equal(first.var["velocity_gamma"], second.var["velocity_gamma"])


def test_a_part_of_a_result_is_run_with_new_neighbours(invoke, counts_file, tmp_path):
    options = ("--basis", "pca", "--n-neighbors", 15)
    assert invoke("run", counts_file, "--out", "a.h5ad", *options).exit_code == 0
    ad.read_h5ad(tmp_path / "a.h5ad")[:150].write_h5ad(tmp_path / "part.h5ad")
    done = invoke("run", "part.h5ad", "--out", "b.h5ad", "--basis", "pca")
    assert done.exit_code == 0, done.output
    assert "the graph in adata was found for other cells; it is found again" in done.output
    assert ad.read_h5ad(tmp_path / "b.h5ad").n_obs == 150


def test_import_recognises_and_writes(invoke, counters, tmp_path):
    solo = counters / "starsolo" / "Solo.out"
    done = invoke("import", solo, "--out", "c.h5ad", "--ambiguous", "spliced")
    assert done.exit_code == 0, done.output
    adata = ad.read_h5ad(tmp_path / "c.h5ad")
    assert adata.layers["spliced"].sum() == 4982 + 117
    said = done.stdout.splitlines()
    assert said[0].startswith("read STARsolo output: 25 cells")
    assert said[1:] == ["wrote c.h5ad"]
    done = invoke("import", solo, "--out", "all.h5ad", "--no-filtered")
    assert ad.read_h5ad(tmp_path / "all.h5ad").n_obs == 200
    refused = invoke("import", solo, "--out", "d.h5ad", "--cell-attribute", "CellID")
    assert "cell_attribute='CellID' does not apply to" in refused.stderr
    refused = invoke("import", tmp_path / "none", "--out", "d.h5ad")
    assert refused.exit_code == 3
    assert "there is no file or folder" in refused.stderr
    assert not (tmp_path / "d.h5ad").exists()


def test_attach_brings_counts_of_one_or_several_samples(invoke, counts, tmp_path):
    analysed = ad.AnnData(counts.X.copy(), obs=counts.obs, var=counts.var[[]])
    analysed.write_h5ad(tmp_path / "cells.h5ad")
    counts.write_h5ad(tmp_path / "counts.h5ad")
    done = invoke("attach", "cells.h5ad", "counts.h5ad", "--out", "joint.h5ad")
    assert done.exit_code == 0, done.output
    assert "240 of 240" in done.stdout
    joint = ad.read_h5ad(tmp_path / "joint.h5ad")
    assert abs(joint.layers["unspliced"] - counts.layers["unspliced"]).nnz == 0

    counts[:100].write_h5ad(tmp_path / "a.h5ad")
    counts[100:].write_h5ad(tmp_path / "b.h5ad")
    analysed.obs["organ"] = ["lung"] * 100 + ["liver"] * 140
    analysed.write_h5ad(tmp_path / "cells.h5ad")
    options = ("--out", "two.h5ad", "--sample-key", "organ")
    done = invoke("attach", "cells.h5ad", "liver=b.h5ad", "lung=a.h5ad", *options)
    assert done.exit_code == 0, done.output
    two = ad.read_h5ad(tmp_path / "two.h5ad")
    assert abs(two.layers["spliced"] - counts.layers["spliced"]).nnz == 0
    refused = invoke("attach", "cells.h5ad", "a.h5ad", "b.h5ad", "--out", "c.h5ad")
    assert refused.exit_code == 3
    assert "SAMPLE=PATH" in refused.stderr


def test_attach_takes_a_map_of_names(invoke, counts, tmp_path):
    analysed = ad.AnnData(counts.X[::-1].copy(), obs=counts.obs[[]], var=counts.var[[]])
    analysed.obs_names = [f"c{i}" for i in range(counts.n_obs)]
    analysed.write_h5ad(tmp_path / "cells.h5ad")
    counts.write_h5ad(tmp_path / "counts.h5ad")
    lines = [f"{a},{b}" for a, b in zip(analysed.obs_names, counts.obs_names[::-1], strict=True)]
    (tmp_path / "map.csv").write_text("\n".join(lines))
    options = ("--barcode-map", "map.csv", "--out", "joint.h5ad")
    done = invoke("attach", "cells.h5ad", "counts.h5ad", *options)
    assert done.exit_code == 0, done.output
    assert "240 of 240, by the given map" in done.stdout
    joint = ad.read_h5ad(tmp_path / "joint.h5ad")
    assert abs(joint.layers["spliced"] - counts.layers["spliced"][::-1]).nnz == 0


def test_inspect_gives_a_verdict_a_line(invoke, counts_file):
    done = invoke("inspect", counts_file, "--groupby", "branch")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert sum(line.startswith("ok ") for line in lines) == 13
    assert any("trunk" in line and "unspliced" in line for line in lines)
    refused = invoke("inspect", counts_file, "--spliced-size", "total")
    assert refused.exit_code == 3
    assert "adata.obs has no 'total'" in refused.stderr


@pytest.mark.filterwarnings("default::steadyvelo.SteadyveloWarning")
def test_run_says_that_the_genes_are_a_selection(invoke, counts, tmp_path):
    for kind in ("spliced", "unspliced"):
        counts.obs[f"nCount_{kind}"] = 3 * counts.layers[kind].sum(axis=1)
    counts.write_h5ad(tmp_path / "chosen.h5ad")
    options = ("run", "chosen.h5ad", "--out", "r.h5ad", "--dry-run", "--basis", "pca")
    said = invoke(*options)
    asked = "--spliced-size nCount_spliced --unspliced-size nCount_unspliced"
    assert said.stderr.count(asked) == 1
    assert "attention library sizes" in invoke("inspect", "chosen.h5ad").stdout
    done = invoke(*options, *asked.split())
    assert done.exit_code == 0, done.output
    assert "selection" not in done.output
    missing = invoke(*options, "--spliced-size", "nCount")
    assert missing.exit_code == 3
    assert "adata.obs has no 'nCount'" in missing.stderr


@pytest.mark.filterwarnings("default::steadyvelo.SteadyveloWarning")
def test_what_cannot_be_fitted_is_not_run(invoke, counts, tmp_path):
    counts.layers["unspliced"] = counts.layers["spliced"].copy()
    counts.write_h5ad(tmp_path / "same.h5ad")
    inspected = invoke("inspect", "same.h5ad")
    assert inspected.exit_code == 3
    assert "stop      same matrix" in inspected.stdout
    options = ("--out", "r.h5ad", "--basis", "pca", "--n-neighbors", 15)
    refused = invoke("run", "same.h5ad", *options)
    assert refused.exit_code == 3
    assert "fail quality checks (same matrix); to run nevertheless, use" in refused.stderr
    assert not (tmp_path / "r.h5ad").exists()
    for name in ("spliced", "unspliced"):
        counts.layers[name] = sv.datasets.simulate(n_cells=240, n_genes=60, rng=5).layers[name]
        counts.layers[name] = counts.layers[name].log1p()
    counts.write_h5ad(tmp_path / "log.h5ad")
    assert invoke("run", "log.h5ad", *options).exit_code == 3
    assert invoke("run", "log.h5ad", *options, "--force").exit_code == 0


@pytest.fixture
def call_of_run(invoke, counts_file, monkeypatch):
    """The arguments with which `steadyvelo run` calls the steps."""
    seen = {}

    def stop(adata, **options):
        seen.update(options)
        msg = "stopped by the test"
        raise ValueError(msg)

    monkeypatch.setattr("steadyvelo.cli._analysis.run", stop)

    def call(*options):
        done = invoke("run", counts_file, "--out", "r.h5ad", *options)
        assert "stopped by the test" in done.stderr
        return seen

    return call


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ([], "offset", False),
        (["--offset", "free"], "offset", True),
        (["--offset", "nonnegative"], "offset", "nonnegative"),
        ([], "size_factors", sv.SizeFactors()),
        (["--size-factors", "common"], "size_factors", sv.SizeFactors(method="common")),
        (["--spliced-size", "size"], "size_factors", sv.SizeFactors(spliced_size="size")),
        (["--unspliced-size", "size"], "size_factors", sv.SizeFactors(unspliced_size="size")),
        (["--rng", "7"], "rng", 7),
        (["--n-threads", "1"], "n_threads", 1),
        (["--max-memory", "0.5GB"], "max_memory", "0.5GB"),
        ([], "neighbors", None),
        (["--neighbors-key", "few"], "neighbors", "few"),
        (["--n-neighbors", "9"], "neighbors", sv.Neighbors(n_neighbors=9)),
        (["--n-pcs", "8"], "neighbors", sv.Neighbors(n_pcs=8)),
        (["--use-rep", "X_scVI"], "neighbors", sv.Neighbors(use_rep="X_scVI")),
        (["--metric", "cosine"], "neighbors", sv.Neighbors(metric="cosine")),
        (["--within", "batch"], "neighbors", sv.Neighbors(within="batch")),
        (["--new-neighbors"], "neighbors", sv.Neighbors()),
        (
            ["--new-neighbors", "--neighbors-key", "few"],
            "neighbors",
            sv.Neighbors(key_added="few"),
        ),
        (["--min-shared-counts", "3"], "min_shared_counts", 3.0),
        (["--min-unspliced-counts", "9"], "min_unspliced_counts", 9.0),
        (["--min-spliced-counts", "9"], "min_spliced_counts", 9.0),
        (["--min-shared-cells", "4"], "min_shared_cells", 4),
        (["--min-spliced-cells", "4"], "min_spliced_cells", 4),
        (["--min-unspliced-cells", "4"], "min_unspliced_cells", 4),
        (["--retain", "gene 3", "--retain", "gene 4"], "retain", ["gene 3", "gene 4"]),
        ([], "groupby", "auto"),
        (["--groupby", "none"], "groupby", None),
        (["--groupby", "branch"], "groupby", "branch"),
        ([], "basis", "auto"),
        (["--basis", "tsne"], "basis", "tsne"),
        ([], "weights", "extremes"),
        (["--weights", "all"], "weights", "all"),
        (["--high", "0.9"], "weights", sv.Extremes(None, 0.9)),
        (["--low", "0.1", "--high", "0.9"], "weights", sv.Extremes(0.1, 0.9)),
        ([], "uncertainty", sv.CrossFit()),
        (["--uncertainty", "none"], "uncertainty", None),
        (["--uncertainty", "sandwich", "--level", "0.9"], "uncertainty", sv.Sandwich(level=0.9)),
        (["--n-repeats", "2"], "uncertainty", sv.CrossFit(n_repeats=2)),
        (["--gene-clusters", "module"], "uncertainty", sv.CrossFit(gene_clusters="module")),
        (["--sample-key", "donor"], "sample_key", "donor"),
        (["--no-dense"], "dense", False),
        (["--force"], "force", True),
    ],
)
def test_every_option_reaches_the_steps(call_of_run, options, name, value):
    assert call_of_run(*options)[name] == value


def test_options_that_a_method_does_not_have_are_refused(invoke, counts_file):
    for options, name in (
        (["--uncertainty", "sandwich", "--n-repeats", "3"], "--n-repeats"),
        (["--uncertainty", "none", "--level", "0.9"], "--level"),
        (["--weights", "all", "--high", "0.9"], "--high"),
    ):
        done = invoke("run", counts_file, "--out", "r.h5ad", *options)
        assert done.exit_code == 3
        assert name in done.stderr


def test_a_picture_that_fails_leaves_the_result(invoke, prepared, tmp_path):
    prepared.obsm["X_pca"] = prepared.obsm["X_pca"][:, :1]
    prepared.write_h5ad(tmp_path / "a.h5ad")
    done = invoke("run", "a.h5ad", "--out", "r.h5ad", "--basis", "pca")
    assert done.exit_code == 3, done.output
    assert "r.h5ad was written, but its pictures and report were not: " in done.stderr
    assert "Traceback" not in done.output
    assert {p.name for p in tmp_path.iterdir()} == {"a.h5ad", "r.h5ad"}


@pytest.mark.filterwarnings("default::steadyvelo.SteadyveloWarning")
def test_colours_that_are_none_do_not_stop_a_run(invoke, prepared, tmp_path):
    prepared.uns["clusters_colors"] = ["notacolour"] * 6
    prepared.write_h5ad(tmp_path / "a.h5ad")
    done = invoke("run", "a.h5ad", "--out", "r.h5ad", "--basis", "pca", "--uncertainty", "none")
    assert done.exit_code == 0, done.output
    assert "has 'notacolour'" in done.stderr
    assert (tmp_path / "r_stream.png").exists()


@pytest.mark.parametrize("encoding", ["weird", None])
def test_a_corrupt_file_is_one_plain_line(invoke, counts_file, tmp_path, encoding):
    with h5py.File(counts_file, "a") as file:
        if encoding is None:
            del file["layers/spliced/indptr"]
            file["layers/spliced/indptr"] = np.arange(7)
        else:
            file["layers/spliced"].attrs["encoding-type"] = encoding
    done = invoke("run", counts_file, "--out", "r.h5ad")
    assert done.exit_code == 3
    assert "Traceback" not in done.output
    assert "error: " in done.stderr
    assert not (tmp_path / "r.h5ad").exists()


@pytest.mark.parametrize(
    ("line", "delay"),
    [("ready", 0.0), ("embedding", 0.0), ("embedding", 1.5), ("velocity graph", 0.0)],
)
def test_an_interrupt_leaves_nothing_half_written(tmp_path, line, delay):
    # a shell may have started the tests with the signal ignored
    program = (
        "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "print('ready', file=sys.stderr, flush=True); "
        "runpy.run_module('steadyvelo', run_name='__main__')"
    )
    command = [sys.executable, "-c", program, "demo", "--out", "d", "--n-cells", "1500"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert any(read.startswith(line) for read in process.stderr)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    folder = tmp_path / "d"
    assert not folder.exists() or not list(folder.iterdir())
    assert process.returncode in {130, -signal.SIGINT}, errors
    if line != "ready":
        assert "Traceback" not in errors
        assert "interrupted" in errors


@pytest.mark.parametrize("then", ["goes on", "fails", "ends"])
def test_an_interrupt_that_python_can_only_report_comes_again(capsys, then):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    @ctypes.CFUNCTYPE(None)
    def called_from_c():
        raise KeyboardInterrupt

    def command():
        with plain_errors():
            called_from_c()
            if then == "fails":
                msg = "no compiled object yet"
                raise RuntimeError(msg)
            if then == "goes on":
                time.sleep(20)
                went_on.append(True)

    went_on = []
    try:
        with pytest.raises(SystemExit) as left:
            command()
        time.sleep(0.2)  # nor does it come a second time
    finally:
        signal.signal(signal.SIGINT, before)
    assert left.value.code == 130
    assert not went_on
    assert "interrupted" in capsys.readouterr().err


def test_other_errors_that_python_can_only_report_are_reported(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)

    @ctypes.CFUNCTYPE(None)
    def called_from_c():
        raise ValueError

    with plain_errors():
        called_from_c()
    called_from_c()
    assert [one.exc_type for one in reported] == [ValueError, ValueError]


def test_demo_refuses_what_it_cannot_do(invoke, tmp_path):
    (tmp_path / "file").write_text("x")
    done = invoke("demo", "--out", "file")
    assert done.exit_code == 3
    assert "file is a file; name a folder" in done.stderr
    assert invoke("demo", "--n-cells", 5).exit_code == 2


@pytest.mark.slow
def test_demo_comes_close_to_the_truth(invoke, tmp_path):
    done = invoke("demo", "--out", "d")
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "d").iterdir()} == {
        "result.h5ad",
        "result_stream.png",
        "result_phase_portraits.png",
        "result_report.html",
    }
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("  ")]
    numbers = [float(line[-1]) for line in lines]
    assert len(numbers) == 4
    assert numbers[0] > 0.9
    assert min(numbers) > 0.6
    page = (tmp_path / "d" / "result_report.html").read_text(encoding="utf-8")
    assert "The counts pass all" in page
