"""Random draws by names: a cell or gene gets the same draw, whatever other names there are.

A draw is computed from the hash of a name, the seed and the purpose. So it does not depend on the
order of cells and genes, and removing one does not change the draws of others.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["Names", "hash_names"]

# fewer names are split exactly in half, because one half could be empty by chance
_FEW = 64
_BITS = 64


def hash_names(names: Iterable[object]) -> NDArray[np.uint64]:
    """Return a 64-bit number for every name, the same on every machine."""
    digests = b"".join(_digest(str(name)) for name in names)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


class Names:
    """Names of cells, genes or clusters with a seed, for random draws.

    `hashes` are from :func:`hash_names`, shape (names,).
    """

    def __init__(self, hashes: NDArray[np.uint64], seed: int) -> None:
        self.hashes = hashes
        self.seed = seed

    def numbers(self, purpose: str) -> NDArray[np.uint64]:
        """Return uniform 64-bit numbers, independent for each purpose."""
        word = np.frombuffer(_digest(f"{self.seed} {purpose}"), dtype="<u8").astype(np.uint64)
        # the finalizer of splitmix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195)
        mixed = self.hashes ^ word
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))

    def halves(self, purpose: str) -> NDArray[np.int8]:
        """Return 0 or 1 for each name, with equal probabilities."""
        numbers = self.numbers(purpose)
        if len(numbers) >= _FEW:
            return (numbers >> np.uint64(63)).astype(np.int8)
        fold = np.zeros(len(numbers), dtype=np.int8)
        fold[np.argsort(numbers, kind="stable")[: len(numbers) // 2]] = 1
        return fold

    def sample(self, purpose: str, n: int) -> NDArray[np.intp]:
        """Return the ascending places of n names, or of all if there are no more."""
        numbers = self.numbers(purpose)
        if len(numbers) <= n:
            return np.arange(len(numbers))
        return np.sort(np.argpartition(numbers, n - 1)[:n])

    def signs(self, purpose: str, n: int) -> NDArray[np.int8]:
        """Return n independent signs, −1 or 1, for every name, shape (n, names)."""
        signs = np.empty((n, len(self.hashes)), dtype=np.int8)
        for row in range(n):
            if row % _BITS == 0:
                numbers = self.numbers(f"{purpose}, draws from {row}")
            bit = (numbers >> np.uint64(row % _BITS)) & np.uint64(1)
            signs[row] = 2 * bit.astype(np.int8) - 1
        return signs

    def uniform(self, purpose: str) -> NDArray[np.float64]:
        """Return uniform numbers in (0, 1), shape (names,)."""
        # 53 bits, as many as a float64 has, plus half a step so that 0 is excluded
        return ((self.numbers(purpose) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
