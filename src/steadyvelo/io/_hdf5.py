"""HDF5 files (h5ad, h5mu, loom, 10x): all that could hang, crash or fill the memory is found first.

HDF5's own reader trusts what a file says of itself. Its claims are compared with what is stored,
before anything of it is read.
"""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ._broken import check_memory, check_readable, refusing
from ._hdf5_heaps import check_heaps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["opened_hdf5"]

# gzip, which most files use, compresses at most about 1,032 bytes into one
_MOST_PACKED = 2000
# filters that compress no more than that, how far others may, and the names of those that h5py does
# not have
_LIMITED = {
    getattr(h5py.h5z, f"FILTER_{name}")
    for name in ("DEFLATE", "SHUFFLE", "LZF", "FLETCHER32", "NBIT", "SCALEOFFSET", "SZIP")
}
_MOST_OF_OTHERS = 200_000
_NAMES = {32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32015: "zstd", 32026: "blosc2"}
# zeros need not be written; more bytes than these are nowhere without a reason
_UNWRITTEN = 64_000_000
# more groups, tables and attributes than any file has, and how deep they lie in each other
_MOST_OBJECTS, _MOST_DEPTH = 100_000, 40
# texts of an attribute are refused if all of them could have more bytes than this and are as many
# times longer than the file
_LONG_TEXTS, _MOST_LONGER = 500_000_000, 50
# bytes of a text in Python, in addition to its letters
_TEXT_BYTES = 60


def _check_kind(source: Path, kind: str) -> None:
    """Refuse a path that is not an HDF5 file."""
    if not source.is_file():
        msg = f"there is no file {source}."
        raise FileNotFoundError(msg)
    check_readable(source)
    if not h5py.is_hdf5(source):
        msg = f"{source} is not an HDF5 file, so it is not {kind} file."
        raise ValueError(msg)


@contextmanager
def opened_hdf5(
    source: Path,
    kind: str,
    *,
    by_rows: tuple[str, ...] = (),
    part: Callable[[h5py.File], str] = lambda _: "",
) -> Iterator[Any]:
    """Yield what is safe to read of an HDF5 file; any error is one that names the file.

    This is the group that `part` returns. The memory that it will need is compared with what is
    there, without the tables and groups `by_rows`, which are converted to sparse matrices in parts.
    """
    _check_kind(source, kind)
    said = f"cannot be read as {kind} file; it may be truncated or corrupt:"
    with refusing(source, said), h5py.File(source, "r") as file:
        found = _Contents(source, by_rows)
        found.look_at(file)
        # before any text is read, such as an attribute
        longest = check_heaps(source, found.places)
        size = source.stat().st_size
        if found.most_texts * longest > max(_LONG_TEXTS, _MOST_LONGER * size):
            msg = f"{source} has an attribute with far longer texts than the file; it is corrupt."
            raise ValueError(msg)
        wanted = part(file)
        needed = [sizes for name, *sizes in found.claims if name.startswith(wanted)]
        n_texts = sum(n for _, n in needed)
        check_memory(source, sum(n for n, _ in needed) + n_texts * _TEXT_BYTES)
        if n_texts * longest > size:
            # one long text could be meant by many
            _check_texts(source, found.texts, longest)
        yield file[wanted or "/"]


@dataclass
class _Contents:
    """What an HDF5 file says that it contains.

    Attributes
    ----------
    claims
        Name of each array, the memory that it needs, and its number of texts of variable length.
    texts
        Data sets with such texts.
    most_texts
        Largest number of texts in an attribute, of which a part cannot be read.
    places
        Where in the file arrays are stored: first byte and number of bytes.
    """

    source: Path
    by_rows: tuple[str, ...]
    claims: list[tuple[str, int, int]] = field(default_factory=list)
    texts: list[h5py.Dataset] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    most_texts: int = 0
    n_objects: int = 0
    n_unwritten: int = 0

    def look_at(self, file: h5py.File) -> None:
        """Go through all groups, as often as they are linked."""
        waiting: list[tuple[h5py.Group, tuple[int, ...]]] = [(file["/"], ())]
        while waiting:
            group, above = waiting.pop()
            place = h5py.h5o.get_info(group.id).addr
            if place in above or len(above) > _MOST_DEPTH:
                why = "contains itself" if place in above else "lies too deep in other groups"
                self._refuse(group.name, f"{why}; the file is corrupt")
            self._attributes(group)
            for name in group:
                self._count(1)
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    self._refuse(f"{group.name}/{name}", "is in another file, which is not read")
                item = group.get(name)
                if isinstance(item, h5py.Group):
                    waiting.append((item, (*above, place)))
                elif isinstance(item, h5py.Dataset):
                    self._attributes(item)
                    self._dataset(item)

    def _refuse(self, name: str, why: str) -> None:
        msg = f"{self.source}: {name} {why}."
        raise ValueError(msg)

    def _count(self, n: int) -> None:
        self.n_objects += n
        if self.n_objects > _MOST_OBJECTS:
            msg = f"{self.source} has more than {_MOST_OBJECTS:,} parts; it is corrupt."
            raise ValueError(msg)

    def _attributes(self, item: Any) -> None:
        n = h5py.h5a.get_num_attrs(item.id)
        self._count(n)
        for k in range(n):
            attribute = h5py.h5a.open(item.id, index=k)
            # None is a shape without values; HDF5 has no storage size for none
            size = 0 if attribute.shape is None else prod(attribute.shape)
            self.most_texts = max(self.most_texts, size * _n_texts(attribute.dtype))
            if size > 0:
                self._claim(size, attribute.dtype, attribute.get_storage_size(), item.name)

    def _dataset(self, data: h5py.Dataset) -> None:
        if data.shape is None:
            return
        created = data.id.get_create_plist()
        if created.get_external_count() > 0 or data.is_virtual:
            self._refuse(data.name, "is stored in another file, which is not read")
        filters = [created.get_filter(k)[0] for k in range(created.get_nfilters())]
        self._check_filters(filters)
        packed = _MOST_PACKED if set(filters) <= _LIMITED else _MOST_OF_OTHERS
        stored = data.id.get_storage_size()
        self._claim(
            prod(data.shape), data.dtype, stored, data.name, packed=packed, shape=data.shape
        )
        self._place(data)
        if _n_texts(data.dtype) > 0:
            self.texts.append(data)

    def _claim(
        self,
        size: int,
        dtype: Any,
        stored: int,
        name: str,
        *,
        packed: int = 1,
        shape: tuple[int, ...] = (),
    ) -> None:
        """Add the memory of values; refuse more of them than the stored bytes can contain."""
        needed, place = size * dtype.itemsize, name.lstrip("/")
        rows = place.startswith(self.by_rows)
        # a layer that was never written is known to be zero without reading it
        if stored > 0 or not rows:
            self.n_unwritten += max(needed - packed * stored, 0)
        if self.n_unwritten > _UNWRITTEN:
            self._refuse(
                name,
                f"has the shape {shape}, which does not fit into the {stored:,} bytes that are "
                "stored; the file is corrupt",
            )
        if not rows:
            self.claims.append((place, needed, size * _n_texts(dtype)))

    def _check_filters(self, filters: list[int]) -> None:
        """Refuse an array that is compressed in a way that h5py cannot read."""
        missing = [code for code in filters if not h5py.h5z.filter_avail(code)]
        if missing and importlib.util.find_spec("hdf5plugin") is not None:
            # its import adds filters to h5py
            importlib.import_module("hdf5plugin")
            missing = [code for code in missing if not h5py.h5z.filter_avail(code)]
        if missing:
            name = _NAMES.get(missing[0], f"filter {missing[0]}")
            msg = (
                f"{self.source} is compressed with {name}, which h5py cannot read by itself; "
                "install hdf5plugin (pip install hdf5plugin)."
            )
            raise ValueError(msg)

    def _place(self, data: h5py.Dataset) -> None:
        """Note where the values of an array are; refuse a chunk that is larger than its values."""
        if data.chunks is not None:
            # texts are elsewhere; filters add few bytes to values that cannot be compressed
            most = 1.1 * prod(data.chunks) * max(data.dtype.itemsize, 16) + 4096

            def note(chunk: Any) -> None:
                if chunk.size > most:
                    self._refuse(data.name, f"has a chunk of {chunk.size:,} bytes; it is corrupt")
                self.places.append((chunk.byte_offset, chunk.size))

            data.id.chunk_iter(note)
        elif data.id.get_offset() is not None:
            self.places.append((data.id.get_offset(), data.id.get_storage_size()))


def _n_texts(dtype: Any) -> int:
    """Return how many texts or arrays of variable length a value has."""
    if dtype.names is not None:
        return sum(_n_texts(dtype[name]) for name in dtype.names)
    text = h5py.check_string_dtype(dtype)
    return int(h5py.check_vlen_dtype(dtype) is not None or (text is not None and not text.length))


def _check_texts(source: Path, texts: list[h5py.Dataset], longest: int) -> None:
    """Refuse texts that together are longer than the file: several would be stored in one place."""
    left = source.stat().st_size
    for data in texts:
        n_rows, start = (data.shape[0] if data.ndim else 1), 0
        of_row = max(prod(data.shape[1:]) * _n_texts(data.dtype), 1)
        while start < n_rows:
            # no more of them than could be as long as what is left of the file
            stop = start + max(left // (longest * of_row), 1)
            values = data[start:stop] if data.ndim else data[()]
            left -= sum(map(_length, np.atleast_1d(values).ravel()))
            start = stop
            if left < 0:
                msg = f"{source}: the texts of {data.name} are longer than the file; it is corrupt."
                raise ValueError(msg)


def _length(value: Any) -> int:
    """Return the length of a text or array, or of those in a compound value."""
    if isinstance(value, np.void) and value.dtype.names is not None:
        return sum(_length(value[name]) for name in value.dtype.names)
    return len(value) if hasattr(value, "__len__") else 0
