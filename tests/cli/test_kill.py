"""Runs that are killed, ended, or meet on one file (`make test-kill`), and what they leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import steadyvelo as sv

pytestmark = [
    pytest.mark.kill,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are those of Unix"),
]

N_KILLS = int(os.environ.get("KILLS", "12"))
LINE = [sys.executable, "-m", "steadyvelo", "run"]
FAST = ["--basis", "pca", "--uncertainty", "sandwich", "--report"]
NAMES = ["r.h5ad", "r_phase_portraits.png", "r_report.html", "r_stream.png"]


@pytest.fixture(scope="module")
def counts_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("counts") / "counts.h5ad"
    sv.datasets.simulate(n_cells=300, n_genes=80, depth=2, truth=False, rng=0).write_h5ad(path)
    return path


def started(counts_file, out, **options):
    command = [*LINE, str(counts_file), "--out", str(out), *FAST]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **{**quiet, **options})


@pytest.fixture(scope="module")
def seconds(counts_file, tmp_path_factory):
    """How long a whole run takes."""
    before = time.monotonic()
    process = started(counts_file, tmp_path_factory.mktemp("whole") / "r.h5ad")
    process.communicate(timeout=120)
    assert process.returncode == 0
    return time.monotonic() - before


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def version_of(path):
    """Whether a file is that of the earlier run, whole and new, or something else."""
    if path.read_bytes() == b"old":
        return "old"
    if path.suffix == ".h5ad":
        return "new" if sv.io.read_h5ad(path).n_obs == 300 else "broken"
    raw = path.read_bytes()
    end = b"IEND\xaeB`\x82" if path.suffix == ".png" else b"</html>"
    return "new" if raw.rstrip().endswith(end) else "broken"


@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT"])
def test_runs_that_are_ended_at_any_time(tmp_path, counts_file, seconds, number, record_property):
    """Every file is the old or the new one, whole; what a kill leaves, the next run removes."""
    code = getattr(signal, number)
    allowed = {0, -code} if number == "SIGKILL" else {0, -code, 128 + code}
    counts = Counter()
    # half of the kills in the last fifth, in which files are written
    times = np.concatenate([np.linspace(0.2, 0.8, N_KILLS // 2), np.linspace(0.8, 1, N_KILLS // 2)])
    for share in times:
        for name in NAMES:
            (tmp_path / name).write_bytes(b"old")
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = started(counts_file, tmp_path / "r.h5ad")
        signal.signal(signal.SIGINT, before)
        time.sleep(share * seconds)
        process.send_signal(code)
        _, errors = process.communicate(timeout=120)
        assert process.returncode in allowed, errors
        assert "Traceback" not in errors
        left = [name for name in files(tmp_path) if name.startswith(".")]
        assert number == "SIGKILL" or left == []
        there = {name: version_of(tmp_path / name) for name in files(tmp_path) if name in NAMES}
        assert "broken" not in there.values(), there
        # no picture or report of the earlier result is beside a new one
        assert there["r.h5ad"] == "old" or "old" not in there.values(), there
        counts[f"{there['r.h5ad']}, exit {process.returncode}"] += 1
        counts["unfinished files left"] += len(left)
    record_property(number, dict(counts))
    print(f"\n{number}: {dict(counts)}")
    process = started(counts_file, tmp_path / "r.h5ad")
    process.communicate(timeout=120)
    assert files(tmp_path) == NAMES


def test_two_runs_on_one_file(tmp_path, counts_file):
    """Whoever ends last has written; both results are whole."""
    runs = [started(counts_file, tmp_path / "r.h5ad") for _ in range(2)]
    for process in runs:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    assert files(tmp_path) == NAMES
    assert {version_of(tmp_path / name) for name in NAMES} == {"new"}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes, if one may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    line = [str(mount), "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if mount is None or subprocess.run(line, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system may not be mounted here")
    yield place
    subprocess.run([str(shutil.which("umount")), str(place)], check=True)


@pytest.mark.parametrize("free", [0, 4096, 100_000, 300_000, 600_000, 900_000, 1_200_000])
def test_a_full_disk(small_disk, counts_file, free):
    """The exit code is 3, the old result is there, and nothing else."""
    (small_disk / "r.h5ad").write_bytes(b"old")
    room = shutil.disk_usage(small_disk).free
    (small_disk / "other").write_bytes(bytes(max(room - free, 0)))
    process = started(counts_file, small_disk / "r.h5ad")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 3, errors
    assert "Traceback" not in errors
    assert "HDF5" not in errors
    assert [line for line in errors.splitlines() if line.startswith("error: ")], errors
    assert set(files(small_disk)) <= {"other", "r.h5ad"}
    assert (Path(small_disk) / "r.h5ad").read_bytes() == b"old" or "was written, but" in errors
