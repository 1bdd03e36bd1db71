"""Kernels that run on chunks of rows in a pool of threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ._control_group import processors_allowed

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Progress",
    "count_threads",
    "for_genes",
    "for_rows",
    "in_threads",
    "row_chunks",
    "row_parts",
]

Progress = Callable[[float], None]
Result = TypeVar("Result")

# chunks per thread: enough that threads finish at the same time and Ctrl-C acts soon
_CHUNKS_PER_THREAD = 4
_MOST_ROWS = 2_500
# parts of a sparse matrix, each of which may need an array of all columns
_MOST_PARTS = 16
_ENTRIES_PER_PART = 500_000


def count_threads(n_threads: int | None = None) -> int:
    """Return a number of threads; None means all processors that this process may use.

    Examples
    --------
    >>> from steadyvelo.engine import count_threads
    >>> count_threads(3)
    3
    >>> count_threads() >= 1
    True
    """
    if n_threads is None:
        own = hasattr(os, "sched_getaffinity")
        there = len(os.sched_getaffinity(0)) if own else os.cpu_count() or 1
        return min(there, processors_allowed() or there)
    if n_threads < 1:
        msg = f"n_threads must be at least 1, or None for all processors; it is {n_threads}."
        raise ValueError(msg)
    return n_threads


def row_chunks(n_rows: int, n_threads: int, *, min_rows: int = 500) -> list[tuple[int, int]]:
    """Divide rows into chunks that threads process one after the other."""
    n_chunks = max(n_threads * _CHUNKS_PER_THREAD, n_rows // _MOST_ROWS)
    n_chunks = max(1, min(n_chunks, n_rows // min_rows))
    return list(pairwise(n_rows * c // n_chunks for c in range(n_chunks + 1)))


def row_parts(indptr: NDArray[Any]) -> list[tuple[int, int]]:
    """Divide the rows of a sparse matrix into ranges with similar numbers of entries.

    Their number depends on the matrix only, so that sums over them do not depend on the number of
    threads.
    """
    n_rows, n_entries = len(indptr) - 1, int(indptr[-1])
    n_parts = min(max(n_entries // _ENTRIES_PER_PART, 1), _MOST_PARTS)
    shares = np.linspace(0, n_entries, n_parts + 1)[1:-1]
    return list(pairwise([0, *np.searchsorted(indptr, shares).tolist(), n_rows]))


def for_rows(
    work: Callable[[int, int], Result], n_rows: int, n_threads: int, *, min_rows: int = 500
) -> list[Result]:
    """Return the results of ``work(start, stop)`` for chunks that cover all rows, in order."""
    chunks = row_chunks(n_rows, n_threads, min_rows=min_rows)
    return in_threads([partial(work, *chunk) for chunk in chunks], n_threads)


def for_genes(
    work: Callable[[slice], Result], n_genes: int, genes_per_task: int, n_threads: int
) -> list[Result]:
    """Return the results of ``work(genes)`` for slices that cover all genes, in order."""
    starts = range(0, n_genes, genes_per_task)
    slices = [slice(start, min(start + genes_per_task, n_genes)) for start in starts]
    return in_threads([partial(work, genes) for genes in slices], n_threads)


def in_threads(tasks: Iterable[Callable[[], Result]], n_threads: int) -> list[Result]:
    """Run tasks and return their results in order; an exception or Ctrl-C stops the rest.

    This thread works, too. A task must not call this function: it would wait for threads that wait
    for it.
    """
    todo = list(tasks)
    if n_threads == 1 or len(todo) <= 1:
        return [task() for task in todo]
    results: dict[int, Result] = {}
    left, lock = deque(enumerate(todo)), Lock()

    def following() -> tuple[int, Callable[[], Result]] | None:
        with lock:
            return left.popleft() if left else None

    def work() -> None:
        # one future per thread: a future per task takes longer than some kernels
        try:
            while (task := following()) is not None:
                results[task[0]] = task[1]()
        except BaseException:
            stop()
            raise

    def stop() -> None:
        with lock:
            left.clear()

    pool = _pool(n_threads)
    others = [pool.submit(work) for _ in range(min(n_threads, len(todo)) - 1)]
    try:
        work()
    finally:
        stop()
        # with a timeout, this thread can receive signals
        while wait(others, timeout=0.2).not_done:
            pass
    for other in others:
        other.result()
    return [results[number] for number in range(len(todo))]


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    """Return threads that are started once: starting them takes longer than some kernels."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="steadyvelo")


# threads do not exist in a forked process
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
