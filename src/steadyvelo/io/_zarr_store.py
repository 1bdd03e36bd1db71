"""Zarr stores: what they say of themselves is compared with their files and with memory."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from math import ceil, prod
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ._broken import check_memory, refusing

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_store"]

# more files than any store has, and how deep they lie
_MOST_FILES, _MOST_DEPTH = 3_000_000, 60
_METADATA_BYTES = 50_000_000
# chunks of zeros need not be stored: these many may be missing, and ten times those that are there
_FEW_CHUNKS, _MISSING = 50_000, 10
# more chunks in the shards of an array than take seconds to find
_MOST_INNER = 500_000
_TEXT_BYTES = 68


def check_store(source: Path, part: str) -> None:
    """Refuse a store that has links, or whose arrays need more chunks or memory than there are.

    Memory is needed for the arrays in the folder `part` of the store.
    """
    store = _Store(source, part)
    store.look_at(source, 0)
    for document in store.documents:
        for place, node in _nodes(source, document):
            store.check_array(place, node)
    store.check_sparse()
    check_memory(source, store.n_bytes)


@dataclass
class _Store:
    """What a store has: documents with metadata, a number of files, and the bytes of arrays."""

    source: Path
    part: str
    documents: list[Path] = field(default_factory=list)
    n_files: int = 0
    n_bytes: int = 0
    n_chunks: int = 0
    needed: dict[PurePosixPath, int] = field(default_factory=dict)
    chunks: dict[PurePosixPath, int] = field(default_factory=dict)

    def look_at(self, folder: Path, depth: int) -> None:
        """Go through all files; refuse links, which could lead out of the store."""
        if depth > _MOST_DEPTH:
            self._refuse("folders", f"are more than {_MOST_DEPTH} deep; the store is corrupt")
        with os.scandir(folder) as entries:
            for entry in entries:
                self.n_files += 1
                if self.n_files > _MOST_FILES:
                    self._refuse("folders", f"have more than {_MOST_FILES:,} files")
                if entry.is_symlink():
                    where = Path(entry.path).relative_to(self.source)
                    self._refuse(str(where), "is a link, which is not followed; copy its content")
                if entry.is_dir():
                    self.look_at(Path(entry.path), depth + 1)
                elif entry.name in {".zarray", ".zmetadata", "zarr.json"}:
                    self.documents.append(Path(entry.path))

    def check_array(self, place: PurePosixPath, node: Any) -> None:
        """Add the memory of an array; refuse one with far more chunks than are stored."""
        if not isinstance(node, dict) or "shape" not in node:
            return
        if ".." in place.parts:
            self._refuse(place, "leads out of the store")
        shape = [int(n) for n in node["shape"]]
        grid = node.get("chunk_grid", {}).get("configuration", {})
        chunks = [int(n) for n in node.get("chunks", grid.get("chunk_shape", shape))]
        if min([*shape, 0]) < 0 or len(chunks) != len(shape) or min([*chunks, 1]) < 0:
            self._refuse(place, f"has the shape {shape} and chunks {chunks}; the store is corrupt")
        n_chunks = _number(shape, chunks)
        n_inner = _number(shape, _inner_chunks(node) or chunks)
        if n_inner > max(n_chunks, _MOST_INNER):
            self._refuse(place, f"has {n_inner:,} chunks in its shards; the store is corrupt")
        # an array may be described twice
        known = self.chunks.get(place, 0)
        before = self.n_chunks - known
        if n_chunks + before > _FEW_CHUNKS + _MISSING * self.n_files:
            self._refuse(
                place,
                f"should have {n_chunks:,} chunks (and others {before:,}), but the store has "
                f"{self.n_files:,} files; it is corrupt",
            )
        self.chunks[place] = max(n_chunks, known)
        self.n_chunks = before + self.chunks[place]
        needed = prod(shape) * _itemsize(node.get("dtype", node.get("data_type")))
        if not place.is_relative_to(self.part):
            return
        self.n_bytes += max(needed - self.needed.get(place, 0), 0)
        self.needed[place] = needed

    def check_sparse(self) -> None:
        """Refuse a sparse matrix without some of its chunks, which would be read as zeros.

        Those of other arrays may be missing, because chunks that have only zeros are not written.
        """
        for folder in {place.parent for place in self.chunks}:
            parts = [folder / name for name in ("data", "indices", "indptr")]
            if not all(part in self.chunks for part in parts) or self.chunks[parts[0]] == 0:
                continue
            for part in parts:
                n = self.chunks[part]
                there = [self._has_chunk(part, k) for k in range(n)]
                # the first pointers are zeros if the first cells have no molecules
                first = there.index(True) if part.name == "indptr" and any(there) else 0
                if not all(there[first:]):
                    self._refuse(part, f"has {sum(there):,} of its {n:,} chunks; copy it again")

    def _has_chunk(self, place: PurePosixPath, k: int) -> bool:
        folder = self.source / place
        return any((folder / name).is_file() for name in (str(k), f"c/{k}", f"c.{k}"))

    def _refuse(self, place: PurePosixPath | str, why: str) -> None:
        msg = f"{self.source}: {place} {why}."
        raise ValueError(msg)


def _nodes(source: Path, document: Path) -> Iterator[tuple[PurePosixPath, Any]]:
    """Yield folders and metadata of all arrays that a document describes."""
    if document.stat().st_size > _METADATA_BYTES:
        msg = f"{document} has more than {_METADATA_BYTES:,} bytes; the store is corrupt."
        raise ValueError(msg)
    with refusing(document, "is not JSON as zarr writes it:"):
        content = json.loads(document.read_text(encoding="utf-8"))
        folder = PurePosixPath(document.parent.relative_to(source).as_posix())
        yield folder, content
        # metadata of the whole store in one document, which zarr prefers
        whole = content.get("consolidated_metadata") or {}
        found = content if document.name == ".zmetadata" else whole
        for name, node in found.get("metadata", {}).items():
            yield folder / name.removesuffix(".zarray"), node


def _number(shape: list[int], chunks: list[int]) -> int:
    return prod(ceil(n / max(chunk, 1)) for n, chunk in zip(shape, chunks, strict=True))


def _inner_chunks(node: dict[str, Any]) -> list[int] | None:
    """Return the shape of the chunks in the shards of an array; None without shards."""
    codecs = node.get("codecs") or [{}]
    if codecs[0].get("name") != "sharding_indexed":
        return None
    return [int(n) for n in codecs[0]["configuration"]["chunk_shape"]]


def _itemsize(dtype: Any) -> int:
    """Return the bytes of a value in memory."""
    try:
        known = np.dtype(dtype)
    except TypeError:  # texts, and types that only zarr knows
        return _TEXT_BYTES
    return _TEXT_BYTES if known.kind == "O" else known.itemsize
