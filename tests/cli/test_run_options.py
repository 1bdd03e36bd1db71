"""What `steadyvelo run` prints for programs, what it plans, and how it ends."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
import scipy.sparse as sp
from typer.testing import CliRunner

import steadyvelo as sv
from steadyvelo.cli._app import app


@pytest.fixture
def counts_file(counts, tmp_path):
    path = tmp_path / "counts.h5ad"
    counts.write_h5ad(path)
    return path


@pytest.fixture
def run(counts_file):
    def call(*arguments, source=counts_file):
        target = counts_file.parent / "result.h5ad"
        command = ["run", str(source), "--out", str(target), "--basis", "pca"]
        if "--uncertainty" not in arguments:
            command += ["--n-repeats", "1"]
        return CliRunner().invoke(app, [*command, *map(str, arguments)]), target

    return call


def test_a_summary_for_programs_is_all_that_is_printed(run, counts):
    done, target = run("--json", "--quiet", "--groupby", "clusters", "--n-neighbors", 15)
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    found = json.loads(done.stdout)
    result = sv.io.read_h5ad(target)
    assert found["cells"] == counts.n_obs
    assert found["genes"] == counts.n_vars
    assert found["genes_used"] == result.n_vars
    assert found["velocity_genes"] == int(result.var["velocity_genes"].sum())
    assert found["clusters"].keys() == set(counts.obs["clusters"].cat.categories)
    table = result.uns["velocity_reliability"]
    for name, said in found["clusters"].items():
        assert said == {k: table.loc[name, k] for k in ("verdict", "reason")}
    assert found["files"][0] == str(target)
    assert found["version"] == sv.__version__
    assert sum(found["seconds"].values()) > 0


def test_quiet_prints_nothing(run):
    done, target = run("--quiet", "--uncertainty", "none", "--n-neighbors", 15)
    assert done.exit_code == 0
    assert done.output == ""
    assert target.exists()


def test_a_dry_run_prints_the_plan_and_computes_nothing(run, tmp_path):
    done, _ = run("--dry-run", "--uncertainty", "none", "--n-neighbors", 15)
    assert done.exit_code == 0, done.output
    assert "plan: 240 cells × " in done.stdout
    assert " each)" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"counts.h5ad"}
    planned = next(line for line in done.stdout.splitlines() if line.startswith("plan:"))
    real, _ = run("--uncertainty", "none", "--n-neighbors", 15)
    # but for the memory that is free meanwhile
    assert planned.split(";")[0] in real.output


@pytest.mark.filterwarnings("default::steadyvelo.SteadyveloWarning")
def test_data_without_splicing_signal_end_with_4(run, counts, tmp_path):
    against = counts.copy()
    spliced = np.random.default_rng(0).binomial(6, 0.5, counts.shape)
    # genes with more spliced molecules have fewer unspliced ones: no line fits
    for name, values in (("spliced", spliced), ("unspliced", 6 - spliced)):
        against.layers[name] = sp.csr_matrix(values.astype(np.float32))
    path = tmp_path / "against.h5ad"
    against.write_h5ad(path)
    done, target = run("--force", "--n-neighbors", 15, source=path)
    assert done.exit_code == 4, done.output
    assert "too few for a correlation over genes" in done.output
    assert "Traceback" not in done.output
    assert not target.exists()


def test_the_command_is_written_into_the_result(run, counts_file):
    _, target = run("--uncertainty", "none", "--n-neighbors", 15, "--no-dense", "-q")
    command = sv.io.read_h5ad(target).uns["velocity_run"]["command"]
    assert shlex.split(command) == [
        *["steadyvelo", "run", str(counts_file), "--out", str(target), "--basis", "pca"],
        *["--n-neighbors", "15", "--uncertainty", "none", "--no-dense", "--quiet"],
    ]


def test_a_report_lies_beside_the_result(run):
    done, target = run("--report", "--uncertainty", "none", "--n-neighbors", 15, "--json", "-q")
    assert done.exit_code == 0, done.output
    page = target.with_name("result_report.html")
    assert str(page) in json.loads(done.stdout)["files"]
    assert "<h1>RNA velocity of result</h1>" in page.read_text(encoding="utf-8")


def test_a_report_of_an_earlier_result_is_said(run, tmp_path):
    report, fast = tmp_path / "result_report.html", ("--uncertainty", "none", "--n-neighbors", 15)
    report.write_text("old")
    assert f"{report} is that of an earlier result; write it again:" in run(*fast)[0].stderr
    assert report.read_text() == "old"
    assert "earlier result" not in run("--report", *fast)[0].stderr
    assert report.read_text() != "old"


def test_a_dry_run_for_programs(run, tmp_path):
    done, target = run("--dry-run", "--json", "--quiet", "--report", "--n-neighbors", 15)
    found = json.loads(done.stdout)
    assert found["plan"].startswith("240 cells × ")
    names = ["result.h5ad", "result_stream.png", "result_phase_portraits.png", "result_report.html"]
    assert found["would_write"] == [str(target.with_name(name)) for name in names]
    assert {path.name for path in tmp_path.iterdir()} == {"counts.h5ad"}


@pytest.mark.filterwarnings("default::steadyvelo.SteadyveloWarning")
def test_a_picture_that_fails_loses_no_result(run, monkeypatch, tmp_path):
    def fail(*_, **__):
        msg = "no ink"
        raise ValueError(msg)

    monkeypatch.setattr(sv.pl, "phase_portrait", fail)
    done, target = run("--uncertainty", "none", "--n-neighbors", 15)
    assert done.exit_code == 3
    assert f"{target} was written, but its pictures and report were not: no ink" in done.stderr
    assert "velocity_graph" in sv.io.read_h5ad(target).obsp
    assert {path.name for path in tmp_path.iterdir()} == {"counts.h5ad", "result.h5ad"}


def test_too_many_clusters_for_a_page_are_refused_at_once(run, counts, tmp_path):
    counts.obs["each"] = counts.obs_names
    counts.write_h5ad(tmp_path / "counts.h5ad")
    done, target = run("--report", "--groupby", "each", "--n-neighbors", 15)
    assert done.exit_code == 3
    assert "240 different values" in done.output
    assert "neighbours …" not in done.output
    assert not target.exists()


def test_a_usual_column_that_holds_no_clusters_is_passed_over(run, counts, tmp_path):
    counts.obs["cell_type"] = counts.obs_names
    del counts.obs["clusters"]
    counts.write_h5ad(tmp_path / "counts.h5ad")
    done, _ = run("--report", "--uncertainty", "none", "--n-neighbors", 15)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("--clusters", "--groupby"),
        ("--quantiles", "--low and --high"),
        ("--splits=3", "--n-repeats"),
        ("--seed", "--rng"),
        ("--threads", "--n-threads"),
    ],
)
def test_options_of_other_names_are_refused_with_what_was_meant(run, written, meant):
    done, target = run(written, 3)
    assert done.exit_code == 2
    text = " ".join(done.stderr.replace("│", " ").split())
    assert f"No such option: {written.partition('=')[0]}; did you mean {meant}?" in text
    assert not target.exists()


def test_a_seed_may_be_drawn_by_the_system(run):
    seeds = []
    for _ in range(2):
        done, target = run("--rng", "none", "--uncertainty", "none", "--n-neighbors", 15)
        assert done.exit_code == 0, done.output
        seeds.append(sv.io.read_h5ad(target).uns["neighbors"]["params"]["random_state"])
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("command", ["run", "demo", "report", "plot"])
def test_a_seed_is_a_number_or_none(command):
    done = CliRunner().invoke(app, [command, "--rng", "some"])
    assert done.exit_code == 2
    text = " ".join(done.stderr.replace("│", " ").split())
    assert "'some' is neither a whole number nor none" in text
    # only the rest of the command is wrong then: its files are missing
    rest = ["--n-cells", "few"] if command == "demo" else []
    for seed in ("none", "7"):
        done = CliRunner().invoke(app, [command, "--rng", seed, *rest])
        assert done.exit_code == 2
        assert "--rng" not in done.stderr


def test_velocytos_bounds_are_an_option(run):
    fit = ("--offset", "free", "--bounds", "velocyto", "--n-neighbors", 15)
    done, target = run("--uncertainty", "none", *fit, "-q")
    assert done.exit_code == 0, done.output
    result = sv.io.read_h5ad(target)
    assert result.uns["velocity_params"]["bounds"] == "velocyto"
    assert result.var["velocity_offset"].min() == 0
    assert "--bounds velocyto" in result.uns["velocity_run"]["command"]
    done, _ = run(*fit)
    assert done.exit_code == 3
    text = " ".join(done.stderr.split())
    assert "bounds cannot be used with uncertainty='crossfit'" in text
    assert "--uncertainty none" in text


def test_a_stochastic_fit_is_asked_for_by_its_options(run):
    fast = ("--uncertainty", "sandwich", "--n-neighbors", 15)
    done, target = run("--mode", "stochastic", "--moments", "exact", "--fit-offset", *fast)
    assert done.exit_code == 0, done.output
    params = sv.io.read_h5ad(target).uns["velocity_params"]
    assert (params["mode"], params["second_moments"]) == ("stochastic", "exact")
    assert params["fit_offset"]
    assert not params["fit_offset2"]
    assert params["sqrt_transform"]


def test_options_of_a_stochastic_fit_are_refused_where_they_have_no_effect(run):
    done, target = run("--fit-offset2", "--moments", "exact")
    assert done.exit_code == 3
    assert "--mode deterministic does not use --fit-offset2, --moments" in done.stderr
    # crossfit is the default
    done, _ = run("--mode", "stochastic")
    assert done.exit_code == 3
    assert "cannot be combined with mode='stochastic'" in done.stderr
    assert "--uncertainty sandwich" in done.stderr
    assert not target.exists()


def test_categories_get_separate_ratios(run, counts):
    fit = ("--gamma-by", "branch", "--n-neighbors", 15)
    # crossfit is the default
    done, target = run(*fit)
    assert done.exit_code == 3
    text = " ".join(done.stderr.split())
    assert "uncertainty='crossfit' cannot be used with gamma_by='branch'" in text
    assert "(--uncertainty sandwich)" in text
    assert "neighbours …" not in done.output
    assert not target.exists()
    done, _ = run(*fit, "--uncertainty", "sandwich")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert any(line.startswith("ratios          3 categories of obs['branch']") for line in lines)
    result = sv.io.read_h5ad(target)
    assert "--gamma-by branch" in result.uns["velocity_run"]["command"]
    table = sv.get.category_ratios(result)
    assert "gamma_se" in table
    assert set(table["category"]) == set(counts.obs["branch"])


def test_the_summary_for_programs_counts_separate_ratios(run, counts, counts_file):
    branch = counts.obs["branch"].astype(str).to_numpy(dtype=object)
    branch[::40] = "rare"
    counts.obs["lineage"] = branch
    counts.write_h5ad(counts_file)
    fast = ("--uncertainty", "none", "--n-neighbors", 15, "--json", "-q")
    done, target = run("--gamma-by", "lineage", *fast)
    assert done.exit_code == 0, done.output
    common = sv.get.category_ratios(sv.io.read_h5ad(target)).groupby("category", observed=True)[
        "common"
    ]
    assert json.loads(done.stdout)["categories"] == {
        name: {"separate_ratios": int((~own).sum()), "common_ratios": int(own.sum())}
        for name, own in common
    }
    assert json.loads(run(*fast)[0].stdout)["categories"] == {}


@pytest.mark.parametrize(
    ("options", "portraits"), [((), "branch"), (("--color", "clusters"), "clusters")]
)
def test_lines_of_categories_have_the_colours_of_cells(run, monkeypatch, options, portraits):
    colors = {}

    def recording(name):
        draw = getattr(sv.pl, name)

        def call(*args, **kwargs):
            colors[name] = kwargs["color"]
            return draw(*args, **kwargs)

        monkeypatch.setattr(sv.pl, name, call)

    for name in ("phase_portrait", "velocity_stream"):
        recording(name)
    fit = ("--gamma-by", "branch", "--uncertainty", "none", "--n-neighbors", 15)
    done, _ = run(*fit, *options)
    assert done.exit_code == 0, done.output
    assert colors == {"phase_portrait": portraits, "velocity_stream": "clusters"}


def test_bounds_are_two_numbers_each(run):
    bounds = ("--gamma-bounds", 0, 0.3, "--offset", "free", "--offset-bounds", -1, 2)
    done, target = run(*bounds, "--uncertainty", "none", "--n-neighbors", 15, "-q")
    assert done.exit_code == 0, done.output
    result = sv.io.read_h5ad(target)
    params = result.uns["velocity_params"]
    assert params["gamma_bounds"].tolist() == [0, 0.3]
    assert params["offset_bounds"].tolist() == [-1, 2]
    assert result.var["velocity_gamma"].max() <= 0.3
    assert result.var["velocity_at_bound"].any()
    command = shlex.split(result.uns["velocity_run"]["command"])
    for name, values in (("gamma", ["0.0", "0.3"]), ("offset", ["-1.0", "2.0"])):
        at = command.index(f"--{name}-bounds")
        assert command[at + 1 : at + 3] == values
    done, _ = run("--gamma-bounds", 0.5, 0, "--uncertainty", "none")
    assert done.exit_code == 3
    assert "gamma_bounds must be two numbers (low, high) with low ≤ high" in done.stderr


def test_thresholds_of_velocity_genes_are_options(run):
    fast = ("--uncertainty", "none", "--n-neighbors", 15, "-q")
    done, target = run("--min-r2", "-inf", "--min-gamma", 0.2, *fast)
    assert done.exit_code == 0, done.output
    result = sv.io.read_h5ad(target)
    params = result.uns["velocity_params"]
    assert (params["min_r2"], params["min_gamma"]) == (-np.inf, 0.2)
    fitted = result.var[result.var["velocity_gamma"].notna()]
    assert fitted["velocity_r2_passes"].all()
    assert fitted.loc[fitted["velocity_genes"], "velocity_gamma"].min() > 0.2
    assert not fitted["velocity_genes"].all()
