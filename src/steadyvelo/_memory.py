"""Refusing dense layers that would not fit, before anything is computed."""

from __future__ import annotations

from steadyvelo._checks import dense_bytes
from steadyvelo.engine import available_memory

__all__ = ["check_dense_fits"]


def check_dense_fits(
    n_layers: int, shape: tuple[int, int], max_memory: float | None, *, remedy: str
) -> None:
    """Refuse dense float32 layers larger than the memory allowed or available.

    Parameters
    ----------
    n_layers
        Number of cells × genes layers to be made.
    shape
        Cells and genes.
    max_memory
        Bytes allowed; None means what this process may still take.
    remedy
        What to do instead, for the message.
    """
    if max_memory is not None and not 0 < max_memory < float("inf"):
        msg = f"max_memory must be a positive number of bytes, or None; it is {max_memory}."
        raise ValueError(msg)
    needed = dense_bytes(n_layers, shape)
    allowed = available_memory() if max_memory is None else max_memory
    if needed > allowed:
        msg = (
            f"{n_layers} dense layers of {shape[0]:,} cells × {shape[1]:,} genes take "
            f"{needed / 1e9:.2f} GB and {allowed / 1e9:.2f} GB are "
            f"{'available' if max_memory is None else 'allowed by max_memory'}; {remedy}."
        )
        raise MemoryError(msg)
