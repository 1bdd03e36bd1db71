"""Memory limits, block sizes and thread pools."""

from __future__ import annotations

import threading
import time

import pytest

from steadyvelo.engine import _memory, available_memory, count_threads, genes_per_block
from steadyvelo.engine._threads import for_rows, in_threads


def test_blocks_shrink_with_the_memory_allowed():
    assert genes_per_block(1000, max_memory=1e9) == 128
    assert genes_per_block(1_000_000, max_memory=1e9) == 62
    with pytest.raises(MemoryError, match=r"1,000,000 cells needs 16 MB and 1 MB are allowed"):
        genes_per_block(1_000_000, max_memory=1e6)


def test_a_control_group_limits_what_is_available(monkeypatch):
    numbers = {"memory.max": 3_000_000, "memory.current": 1_000_000}
    monkeypatch.setattr(_memory, "_read_bytes", lambda *names: numbers[names[0]])
    assert available_memory() == 2_000_000
    numbers["memory.current"] = 5_000_000
    assert available_memory() == 0


def test_an_unlimited_control_group_leaves_the_machine(monkeypatch):
    monkeypatch.setattr(_memory, "_read_bytes", lambda *_: None)
    assert available_memory() > 1_000_000


def test_number_of_threads():
    assert count_threads(3) == 3
    assert count_threads() >= 1
    with pytest.raises(ValueError, match=r"at least 1.* got 0"):
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
