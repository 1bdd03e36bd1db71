"""Memory and threads that a step may use, and the function that it reports progress to."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from steadyvelo.engine import BYTES_PER_VALUE, block_bytes, count_threads, genes_per_block
from steadyvelo.engine._progress import part_of, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steadyvelo.engine._progress import ShowProgress
    from steadyvelo.engine._threads import Progress

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Memory for gene blocks in bytes (None: the default), threads, and reporting of progress."""

    max_memory: float | None
    n_threads: int
    report: Progress | None = None

    @classmethod
    @contextmanager
    def of_call(
        cls, label: str, max_memory: float | None, n_threads: int | None, progress: ShowProgress
    ) -> Iterator[Self]:
        """Check the arguments of a user, and show progress under the label."""
        threads = count_threads(n_threads)
        with shown(progress, label) as report:
            yield cls(max_memory, threads, report)

    def genes_per_block(self, n_cells: int, bytes_per_value: int = BYTES_PER_VALUE) -> int:
        """Return the largest number of genes in a block of all cells."""
        return genes_per_block(n_cells, self.max_memory, bytes_per_value)

    def block_bytes(self, n_cells: int, bytes_per_value: int = BYTES_PER_VALUE) -> float:
        """Return the bytes that blocks of genes may use."""
        return block_bytes(n_cells, self.max_memory, bytes_per_value)

    def of_blocks(self, n_cells: int, bytes_per_value: int = BYTES_PER_VALUE) -> dict[str, Any]:
        """Return the arguments for functions of `engine` that work on blocks of genes."""
        size = self.genes_per_block(n_cells, bytes_per_value)
        return {"genes_per_block": size, "n_threads": self.n_threads, "progress": self.report}

    def tell(self, done: float) -> None:
        """Report the share of the work that is done."""
        if self.report is not None:
            self.report(done)

    def part(self, start: float, stop: float) -> Limits:
        """Return the limits of a step whose progress goes from `start` to `stop`."""
        return replace(self, report=part_of(self.report, start, stop))

    def silent(self) -> Limits:
        """Return the limits of a step that does not report progress."""
        return replace(self, report=None)
