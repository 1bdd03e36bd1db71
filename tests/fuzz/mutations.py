"""Damage to a file or folder, by bytes and by structure."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["damage"]

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_WORDS = (
    *("1.9", "1e3", "1,5", "0x10", "-1", "+1", "nan", "inf", "1_000", "٣", "²", "", " ", "\t"),
    *("9" * 25, "4294967297", "\0", "\x1b[31m", "\u202e", "%", "'", '"', "=", "\r", "a" * 5000),
)


def damage(rng: np.random.Generator, path: Path) -> str:
    """Damage one file of an input, and return what was done."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    file = files[rng.integers(len(files))]
    kinds = [_bytes, _bytes]
    if h5py.is_hdf5(file):
        kinds += [_hdf5] * 3
    elif file.name.startswith(".z") or file.suffix == ".json":
        kinds += [_json] * 3
    elif file.suffix in {".mtx", ".tsv", ".txt", ".gz"} and not file.name.endswith(".h5ad.gz"):
        kinds += [_text] * 3
    if path.is_dir():
        kinds.append(_place)
    done = kinds[rng.integers(len(kinds))](rng, file)
    return f"{file.relative_to(path.parent)}: {done}"


def _bytes(rng: np.random.Generator, file: Path) -> str:
    """Change bytes, move them, or cut the file."""
    raw = bytearray(file.read_bytes())
    kind = rng.choice(["flip", "number", "cut", "insert", "remove", "double", "zeros"])
    at, n = int(rng.integers(len(raw) + 1)), int(rng.integers(1, 64))
    if kind == "flip":
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(max(len(raw), 1)))
            if raw:
                raw[at] ^= 1 << int(rng.integers(8))
    elif kind == "number":
        width = int(rng.choice([1, 2, 4, 8]))
        number = int(rng.choice(np.array(_NUMBERS, dtype=object))) % 256**width
        raw[at : at + width] = number.to_bytes(width, "little")
    elif kind == "cut":
        del raw[at:]
    elif kind == "insert":
        raw[at:at] = rng.bytes(n)
    elif kind == "remove":
        del raw[at : at + n]
    elif kind == "double":
        raw[at:at] = raw[at : at + n]
    else:
        raw[at : at + n] = bytes(len(raw[at : at + n]))
    file.write_bytes(bytes(raw))
    return f"{kind} at byte {at}"


def _text(rng: np.random.Generator, file: Path) -> str:
    """Change a line or a word of a text, plain or compressed."""
    packed = file.suffix == ".gz"
    raw = file.read_bytes()
    lines = (gzip.decompress(raw) if packed else raw).decode().split("\n")
    kind = rng.choice(["word", "lose", "double", "swap", "join", "empty", "long", "ends"])
    at = int(rng.integers(len(lines)))
    if kind == "word":
        words = lines[at].split(" ")
        words[rng.integers(len(words))] = _WORDS[rng.integers(len(_WORDS))]
        lines[at] = " ".join(words)
    elif kind == "lose":
        del lines[at]
    elif kind == "double":
        lines.insert(at, lines[at])
    elif kind == "swap":
        other = int(rng.integers(len(lines)))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "join":
        lines[at : at + 2] = [" ".join(lines[at : at + 2])]
    elif kind == "empty":
        lines = [] if rng.random() < 0.5 else ["", *lines]
    elif kind == "long":
        lines[at] += "1" * 300_000
    text = ("\r\n" if kind == "ends" else "\n").join(lines).encode("utf-8", "surrogatepass")
    if packed and rng.random() < 0.1:
        text, kind = bytes(60_000_000), "zeros"
    file.write_bytes(gzip.compress(text, 1) if packed else text)
    return f"{kind} in line {at + 1}"


def _json(rng: np.random.Generator, file: Path) -> str:
    """Replace a value of a document."""
    content = json.loads(file.read_text())
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in list(items):
            places.append((node, key))
            if isinstance(value, (dict, list)):
                walk(value)

    walk(content)
    values: list[Any] = [None, -1, 0, 10**9, 10**30, 1.5, "x", "|O", "<f8", [], {}, [10**12], True]
    node, key = places[rng.integers(len(places))] if places else ({}, "shape")
    node[key] = values[rng.integers(len(values))]
    text = json.dumps(content)
    if rng.random() < 0.05:
        text = "[" * 100_000
    file.write_text(text)
    return f"{key} = {str(node[key])[:20]}"


def _place(rng: np.random.Generator, file: Path) -> str:
    """Lose, empty or rename a file, or put a link or folder in its place."""
    kind = rng.choice(["lose", "empty", "rename", "link", "folder", "itself"])
    if kind == "rename":
        file.rename(file.with_name(f"x{file.name}"))
        return str(kind)
    file.unlink()
    if kind == "empty":
        file.write_bytes(b"")
    elif kind == "link":
        file.symlink_to("/etc/passwd")
    elif kind == "folder":
        file.mkdir()
    elif kind == "itself":
        file.symlink_to(file.parent)
    return str(kind)


def _hdf5(rng: np.random.Generator, path: Path) -> str:
    """Lose, replace, enlarge or link a part of a file."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = names[rng.integers(len(names))]
        kind = str(rng.choice(["lose", "value", "shape", "type", "attribute", "link", "deep"]))
        item = file[name]
        if kind == "value" and isinstance(item, h5py.Dataset) and item.size:
            _change_value(rng, item)
        elif kind == "shape" and isinstance(item, h5py.Dataset):
            dtype, shape = (
                item.dtype,
                [int(rng.choice([0, 1, 7, 10**6, 10**11]))] * (item.ndim or 1),
            )
            del file[name]
            file.create_dataset(name, shape=shape, dtype=dtype, chunks=True)
        elif kind == "type":
            del file[name]
            texts = ["x"] * 3
            file[name] = [0.5, 1.5] if rng.random() < 0.5 else np.array(texts, dtype="S")
        elif kind == "attribute":
            there = list(item.attrs) or ["encoding-type"]
            key = there[rng.integers(len(there))]
            values = ["x", -1, 10**9, [10**6, 10**6], "dict", "csr_matrix", "0.1.0", b"\xff"]
            item.attrs[key] = values[rng.integers(len(values))]
        elif kind == "link":
            _link(rng, file, name)
        elif kind == "deep":
            group = file
            for _ in range(int(rng.integers(10, 3000))):
                group = group.create_group("deep") if "deep" not in group else group["deep"]
        else:
            del file[name]
    return f"{kind} of {name}"


def _change_value(rng: np.random.Generator, item: h5py.Dataset) -> None:
    values = np.atleast_1d(item[()]).copy()
    at = rng.integers(values.size)
    if values.dtype.kind in "iu":
        limits = np.iinfo(values.dtype)
        values.flat[at] = int(rng.choice([limits.min, limits.max, 0, 1, limits.max // 2]))
    elif values.dtype.kind == "f":
        values.flat[at] = rng.choice([np.nan, np.inf, -1.0, 0.5, 1e30])
    elif values.dtype.kind in "OS":
        values.flat[at] = _WORDS[rng.integers(len(_WORDS))].replace("\0", "").encode()
    item[...] = values.reshape(item.shape)


def _link(rng: np.random.Generator, file: h5py.File, name: str) -> None:
    """Put a link in place of a part: to the whole file, nowhere, another file, or outside bytes."""
    kind = rng.choice(["itself", "nowhere", "file", "bytes", "soft"])
    shape = getattr(file[name], "shape", None) or (3,)
    del file[name]
    if kind == "itself":
        file[name] = file["/"]
    elif kind == "nowhere":
        file[name] = h5py.SoftLink("/nowhere")
    elif kind == "soft":
        file[name] = h5py.SoftLink("/")
    elif kind == "file":
        file[name] = h5py.ExternalLink("/other.h5", "/")
    else:
        size = int(np.prod(shape))
        file.create_dataset(name, shape, "u1", external=[("/etc/passwd", 0, max(size, 1))])
