"""The memory that a run will need, estimated before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from steadyvelo.engine import (
    available_memory,
    count_threads,
    dense_bytes,
    genes_per_block,
    stores_dense,
)

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """Blocks of genes, and the memory of blocks and dense layers, in bytes."""

    n_cells: int
    n_genes: int
    genes_per_block: int
    bytes_per_value: int
    n_threads: int
    n_layers: int
    allowed: float

    @classmethod
    def make(
        cls,
        shape: tuple[int, int],
        *,
        bytes_per_value: int,
        dense: bool | None,
        max_memory: float | None,
        n_threads: int | None,
    ) -> Self:
        """Plan the fit of cells × genes.

        A value of a block needs `bytes_per_value`, with all that is computed from it.
        """
        allowed = available_memory() if max_memory is None else max_memory
        size = min(genes_per_block(shape[0], max_memory, bytes_per_value), max(shape[1], 1))
        n_layers = 3 if stores_dense(3, shape, max_memory, dense=dense) else 0
        return cls(*shape, size, bytes_per_value, count_threads(n_threads), n_layers, allowed)

    def __str__(self) -> str:
        blocks = -(-self.n_genes // self.genes_per_block)
        held = self.bytes_per_value * self.n_cells * self.genes_per_block
        cut = f"{_number(blocks, 'block')} of up to {self.genes_per_block} genes"
        size = _size(dense_bytes(self.n_layers, (self.n_cells, self.n_genes)))
        layers = f"{_number(self.n_layers, 'dense layer')} ({size})"
        parts = [
            f"{self.n_cells:,} cells × {self.n_genes:,} genes in {cut} ({_size(held)} each)",
            layers if self.n_layers else "no dense layers",
            f"memory limit {_size(self.allowed)}",
            _number(self.n_threads, "thread"),
        ]
        return "; ".join(parts)


def _number(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"
