"""Where results are written, and what lies there before and after."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

import steadyvelo as sv
from steadyvelo.io import _files
from steadyvelo.io._files import check_target, replacing, replacing_together
from steadyvelo.io._hdf5_output import _Output, created_hdf5

fcntl = pytest.importorskip("fcntl", reason="unfinished files are locked on Unix")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_device_or_pipe_is_not_replaced(tmp_path, kind, counts):
    target = tmp_path / "out.h5ad"
    if kind == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to("/dev/null")
    with pytest.raises(ValueError, match=r"out\.h5ad is a device or a pipe"):
        sv.io.write_h5ad(counts, target)
    assert stat.S_ISFIFO(target.stat().st_mode) or stat.S_ISCHR(target.stat().st_mode)


def test_an_input_is_not_replaced(tmp_path):
    folder = tmp_path / "Solo.out"
    folder.mkdir()
    for path in (tmp_path / "a.h5ad", folder / "b.mtx"):
        path.write_text("x")
    (tmp_path / "link.h5ad").symlink_to(tmp_path / "a.h5ad")
    os.link(tmp_path / "a.h5ad", tmp_path / "hard.h5ad")
    for target in ("a.h5ad", "link.h5ad", "hard.h5ad", "Solo.out/b.mtx"):
        with pytest.raises(ValueError, match=r"is also the input, which would be lost"):
            check_target(tmp_path / target, [None, tmp_path / "a.h5ad", folder])
    assert check_target(folder / "new.h5ad", [folder]) == folder / "new.h5ad"
    assert check_target(tmp_path / "new.h5ad", [tmp_path / "absent"]) == tmp_path / "new.h5ad"


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    target.chmod(0o600)
    with replacing(target) as temporary:
        temporary.write_text("new")
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", 0o600)


def test_a_link_is_followed_and_said(tmp_path, said):
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "real.txt", tmp_path / "a.txt"
    link.symlink_to(real)
    for text in ("first", "second"):
        with replacing(link) as temporary:
            assert temporary.parent == real.parent
            temporary.write_text(text)
        assert link.is_symlink()
        assert real.read_text() == text
    assert f"{link} is a link; the file {real} is written" in said


def test_files_of_one_result_are_renamed_together(tmp_path):
    targets = [tmp_path / name for name in ("a.h5ad", "a.png", "a.html")]
    for target in targets:
        target.write_text("old")

    def write_a_part():
        with replacing_together(targets) as files:
            files[0].write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_a_part()
    assert [target.read_text() for target in targets] == ["old"] * 3
    with replacing_together(targets) as files:
        for file in files[:2]:
            file.write_text("new")
        # what could not be made: that of the earlier result does not stay beside the new one
        files[2].unlink()
    assert [target.read_text() for target in targets[:2]] == ["new"] * 2
    assert names(tmp_path) == ["a.h5ad", "a.png"]


def test_unfinished_files_of_dead_processes_are_removed(tmp_path):
    code = (
        "import os, sys, pathlib; from steadyvelo.io._files import replacing\n"
        f"with replacing({str(tmp_path / 'a.h5ad')!r}) as file:\n"
        "    file.write_text('half'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    (left,) = names(tmp_path)
    assert left.startswith(".steadyvelo-a-")
    with replacing(tmp_path / "b.h5ad") as other:
        # that of a process at work stays
        with replacing(tmp_path / "c.h5ad") as file:
            assert names(tmp_path) == sorted([other.name, file.name])
            file.write_text("c")
        assert other.exists()
        other.write_text("b")
    assert names(tmp_path) == ["b.h5ad", "c.h5ad"]


def test_a_file_that_was_swept_away_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    lock, seen = _files._lock, []

    def late(handle):
        seen.append(handle)
        return lock(handle) and len(seen) > 1

    monkeypatch.setattr(_files, "_lock", late)
    with replacing(tmp_path / "a.txt") as file:
        file.write_text("x")
    assert len(seen) == 2
    assert (tmp_path / "a.txt").read_text() == "x"


@pytest.mark.parametrize("most", [0, 2000, 30_000, 100_000, 200_000])
def test_a_disk_that_becomes_full(tmp_path, most, counts):
    """A limit of this size for files acts like a full disk, after which HDF5 could crash."""
    (tmp_path / "a.h5ad").write_text("old")
    counts.write_h5ad(tmp_path / "counts.h5ad")
    code = (
        "import resource, steadyvelo as sv\n"
        f"adata = sv.io.read_h5ad({str(tmp_path / 'counts.h5ad')!r})\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))\n"
        "try:\n"
        f"    sv.io.write_h5ad(adata, {str(tmp_path / 'a.h5ad')!r})\n"
        "except OSError as error:\n"
        "    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"{tmp_path} has no room for the result (File too large); free some" in done.stdout
    assert names(tmp_path) == ["a.h5ad", "counts.h5ad"]
    assert (tmp_path / "a.h5ad").read_text() == "old"


def test_a_disk_that_is_too_small_from_the_start(tmp_path, counts, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("", (), {"free": 1000})())
    with pytest.raises(OSError, match=r"the result needs about .* GB, and 0\.00 GB are free"):
        sv.io.write_h5ad(counts, tmp_path / "a.h5ad")
    assert names(tmp_path) == []


def test_an_error_in_the_middle_is_not_taken_for_a_full_disk(tmp_path):
    def write_a_part():
        with replacing(tmp_path / "a.h5ad") as file, created_hdf5(file, 10) as content:
            content["x"] = 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_a_part()
    assert names(tmp_path) == []


def test_inputs_by_their_beginning_or_from_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("GSM1_spliced.mtx", "GSM1_barcodes.tsv.gz", "GSM1_result.h5ad", "raw.h5ad"):
        (tmp_path / name).write_text("x")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.mtx").symlink_to(tmp_path / "GSM1_spliced.mtx")
    for target, given in (
        ("GSM1_spliced.mtx", tmp_path / "GSM1"),
        ("GSM1_barcodes.tsv.gz", tmp_path / "GSM1"),
        ("raw.h5ad", "~/raw.h5ad"),
        ("GSM1_spliced.mtx", tmp_path / "links"),
    ):
        with pytest.raises(ValueError, match="is also the input"):
            check_target(tmp_path / target, [given])
    # an earlier result beside them may be replaced
    check_target(tmp_path / "GSM1_result.h5ad", [tmp_path / "GSM1"])


def test_a_link_to_itself(tmp_path):
    (tmp_path / "a.h5ad").symlink_to(tmp_path / "a.h5ad")
    with pytest.raises(ValueError, match="is a link that leads back to itself"):
        check_target(tmp_path / "a.h5ad")


def test_an_unfinished_file_that_is_gone_is_no_success(tmp_path):
    def lose():
        with replacing(tmp_path / "a.txt") as file:
            file.unlink()

    with pytest.raises(FileNotFoundError, match=r"was removed before .* was complete"):
        lose()


def test_files_of_the_user_are_not_swept_away(tmp_path):
    mine = tmp_path / ".steadyvelo-mine.txt"
    mine.write_text("notes")
    with replacing(tmp_path / "a.txt") as file:
        file.write_text("x")
    assert mine.read_text() == "notes"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("at", [1, 2, 5, 10, 20, 40, 80])
def test_a_signal_while_hdf5_writes_leaves_the_old_file(tmp_path, counts, monkeypatch, name, at):
    """HDF5 would take it for a failed write, go on, and leave zeros."""
    number, write, calls = getattr(signal, name), _Output.write, []

    def interrupted(self, data):
        calls.append(None)
        if len(calls) == at:
            signal.raise_signal(number)
        return write(self, data)

    def end(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_Output, "write", interrupted)
    (tmp_path / "a.h5ad").write_text("old")
    before = signal.signal(number, end)
    try:
        with pytest.raises(KeyboardInterrupt):
            sv.io.write_h5ad(counts, tmp_path / "a.h5ad")
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)
    assert (tmp_path / "a.h5ad").read_text() == "old"
    assert names(tmp_path) == ["a.h5ad"]


@pytest.mark.parametrize("at", [1, 5, 20, 40])
def test_an_error_while_hdf5_writes_is_told(tmp_path, counts, monkeypatch, at):
    seen = []

    class Failing:
        def __init__(self, raw):
            self.raw = raw

        def __getattr__(self, name):
            return getattr(self.raw, name)

        def write(self, data):
            seen.append(None)
            if len(seen) >= at:
                raise MemoryError
            return self.raw.write(data)

    start = _Output.__init__
    monkeypatch.setattr(_Output, "__init__", lambda self, raw: start(self, Failing(raw)))
    with pytest.raises(MemoryError):
        sv.io.write_h5ad(counts, tmp_path / "a.h5ad")
    assert names(tmp_path) == []
