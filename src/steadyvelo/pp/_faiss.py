"""Settings of faiss, which it keeps for a thread or for the whole process."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["faiss_threads", "precise_distances"]

# one search at a time changes how all of them compute
_PRECISE = Lock()


@contextmanager
def faiss_threads(n_threads: int) -> Iterator[None]:
    """Let faiss compute in this number of threads if this thread calls it."""
    import faiss  # noqa: PLC0415 (slow to import)

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(n_threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


@contextmanager
def precise_distances() -> Iterator[None]:
    """Let faiss sum squared differences.

    Otherwise it computes ‖x‖² + ‖y‖² − 2xy in float32, which is imprecise for cells that are near.
    """
    import faiss  # noqa: PLC0415 (slow to import)

    with _PRECISE:
        before = faiss.cvar.distance_compute_blas_threshold
        faiss.cvar.distance_compute_blas_threshold = 2**31 - 1
        try:
            yield
        finally:
            faiss.cvar.distance_compute_blas_threshold = before
