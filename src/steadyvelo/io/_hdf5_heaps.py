"""Where an HDF5 file stores its texts: in collections that HDF5 can read for ever if damaged."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

import numpy as np

from ._kernels._hdf5_heaps import largest_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_heaps"]

_SIGNATURE = b"GCOL\x01\0\0\0"
_HEAD = 16
# smaller arrays are searched as well: a file could say that one lies where texts are
_LARGE = 64_000_000


def check_heaps(source: Path, places: list[tuple[int, int]]) -> int:
    """Return the size of the longest text; refuse a file with a damaged collection of texts.

    HDF5 looks for the next object of a collection where the last one ends; if one has no length,
    it never arrives. Collections are searched outside the `places` of large arrays.
    """
    longest = 0
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for start, stop in _between(places, len(content)):
            place = content.find(_SIGNATURE, start, stop)
            while place >= 0:
                size = int.from_bytes(content[place + 8 : place + _HEAD], "little")
                objects = np.frombuffer(content[place : place + min(size, len(content))], np.uint8)
                found = largest_object(objects) if len(objects) == size > _HEAD else -1
                if found < 0:
                    msg = f"{source}: the texts at byte {place:,} are damaged; it is corrupt."
                    raise ValueError(msg)
                longest = max(longest, found)
                place = content.find(_SIGNATURE, place + size, stop)
    return longest


def _between(places: list[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a file in which no array is."""
    last = 0
    for start, size in sorted(place for place in places if place[1] >= _LARGE):
        if start > last:
            yield last, start
        last = max(last, start + size)
    if last < end:
        yield last, end
