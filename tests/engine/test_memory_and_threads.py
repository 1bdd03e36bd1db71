"""Memory limits, block sizes and thread pools."""

from __future__ import annotations

import os
import platform
import signal
import threading
import time

import numpy as np
import psutil
import pytest

from steadyvelo.engine import (
    _control_group,
    available_memory,
    count_threads,
    genes_per_block,
    return_free_memory,
)
from steadyvelo.engine._threads import for_rows, in_threads


def test_blocks_shrink_with_the_memory_allowed():
    assert genes_per_block(1000, max_memory=1e9) == 256
    assert genes_per_block(20_000, max_memory=1e9) == 512
    assert genes_per_block(1_000_000, max_memory=1e9) == 83
    with pytest.raises(
        MemoryError, match=r"1,000,000 cells needs 12 MB of memory, and 1 MB are allowed"
    ):
        genes_per_block(1_000_000, max_memory=1e6)


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """A folder in the place of the system's, and a function that puts this process in a group."""
    own = tmp_path / "own"
    own.write_text("")
    monkeypatch.setattr(_control_group, "_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(_control_group, "_OWN", own)

    def put(line, **files):
        own.write_text(own.read_text() + line + "\n")
        controllers, path = line.split(":")[1:]
        folder = tmp_path / "cgroup" / controllers / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(f"{text}\n")
        return folder

    return put


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries cannot do this")
def test_freed_memory_is_returned_to_the_system():
    held = [np.ones(12_000) for _ in range(2_000)]
    # what is freed below a used array is not returned at once
    last = np.ones(12_000)
    del held
    before = psutil.Process().memory_info().rss
    return_free_memory()
    assert before - psutil.Process().memory_info().rss > 50e6
    assert last.all()


def test_by_default_blocks_are_wider_for_many_cells_if_memory_allows(monkeypatch):
    available = "steadyvelo.engine._memory.available_memory"
    monkeypatch.setattr(available, lambda: 24e9)
    assert genes_per_block(100_000, bytes_per_value=75) == 200
    assert genes_per_block(1_000_000, bytes_per_value=75) == 32
    assert genes_per_block(1_000_000, bytes_per_value=40) == 60
    assert genes_per_block(2_000_000, bytes_per_value=20) == 64
    assert genes_per_block(1_000_000, bytes_per_value=12) == 125
    monkeypatch.setattr(available, lambda: 6e9)
    assert genes_per_block(1_000_000, bytes_per_value=75) == 20


def test_without_a_control_group_the_machine_is_the_limit(groups):
    assert _control_group.memory_left() is None
    assert _control_group.processors_allowed() is None
    assert available_memory() > 1_000_000


def test_a_control_group_limits_what_is_available(groups):
    groups("0::/", memory__max=3_000_000, memory__current=1_000_000, cpu__max="150000 100000")
    assert available_memory() == 2_000_000
    assert count_threads() == min(2, len(os.sched_getaffinity(0)))


def test_the_tightest_of_nested_groups_counts_and_file_cache_is_left(groups, tmp_path):
    inner = groups(
        "0::/batch/job", memory__max="max", memory__current=500_000, cpu__max="max 100000"
    )
    (inner.parent / "memory.max").write_text("2000000")
    (inner.parent / "memory.current").write_text("1900000")
    (inner.parent / "memory.stat").write_text("anon 5\ninactive_file 700000\n")
    assert available_memory() == 800_000
    assert _control_group.processors_allowed() is None
    (inner.parent / "cpu.max").write_text("100000 100000")
    assert count_threads() == 1


def test_groups_of_the_first_version(groups):
    groups("4:memory:/job", memory__limit_in_bytes=5_000_000, memory__usage_in_bytes=6_000_000)
    groups("7:cpu:/job", cpu__cfs_quota_us=-1, cpu__cfs_period_us=100_000)
    assert available_memory() == 0
    assert _control_group.processors_allowed() is None


def test_number_of_threads():
    assert count_threads(3) == 3
    assert count_threads() >= 1
    with pytest.raises(ValueError, match=r"at least 1.* it is 0"):
        count_threads(0)


@pytest.mark.parametrize("n_rows", [1, 63, 64, 1000, 1001])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_chunks_cover_every_row_once(n_rows, n_threads):
    seen, lock = [], threading.Lock()

    def work(start, stop):
        with lock:
            seen.extend(range(start, stop))

    for_rows(work, n_rows, n_threads)
    assert sorted(seen) == list(range(n_rows))


def test_results_keep_their_order():
    tasks = [lambda i=i: time.sleep(0.01 * (3 - i)) or i for i in range(4)]
    assert in_threads(tasks, 4) == [0, 1, 2, 3]


def test_an_error_stops_the_tasks_that_wait():
    started = []

    def task(i):
        started.append(i)
        time.sleep(0.02)
        if i == 0:
            msg = "broken"
            raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="broken"):
        in_threads([lambda i=i: task(i) for i in range(100)], 2)
    assert len(started) < 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked on POSIX only")
def test_a_forked_process_starts_threads_of_its_own():
    assert in_threads([lambda i=i: i for i in range(4)], 2) == [0, 1, 2, 3]
    child = os.fork()
    if child == 0:
        os._exit(in_threads([lambda i=i: i for i in range(4)], 2) != [0, 1, 2, 3])
    for _ in range(100):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("threads that were not forked were waited for")
    assert os.waitstatus_to_exitcode(status) == 0
