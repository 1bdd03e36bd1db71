"""Amounts of memory as a person writes them: a number of bytes, or text such as "8GB"."""

from __future__ import annotations

import re
from numbers import Real

__all__ = ["memory_text", "parse_memory"]

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_WRITTEN = re.compile(r"\s*(?P<number>\d+(\.\d*)?|\.\d+)\s*(?P<unit>[A-Za-z]*)\s*")
# whoever gives fewer bytes means gigabytes or megabytes
_FEWEST = 10_000


def parse_memory(name: str, value: object) -> int:
    """Return bytes; refuse by the name of the argument what is no amount of memory.

    Examples
    --------
    >>> parse_memory("max_memory", "1.5 GB"), parse_memory("max_memory", 2e9)
    (1500000000, 2000000000)
    """
    how = "give a number of bytes, or text such as '8GB' or '500MB'"
    if isinstance(value, str):
        written = _WRITTEN.fullmatch(value)
        unit = None if written is None else _UNITS.get(written["unit"].upper())
        if written is None or unit is None:
            msg = f"{name}={value!r} is not an amount of memory; {how}."
            raise ValueError(msg)
        n_bytes = float(written["number"]) * unit
    elif isinstance(value, Real) and not isinstance(value, bool):
        n_bytes = float(value)
    else:
        msg = f"{name}={value!r} is not an amount of memory; {how}."
        raise TypeError(msg)
    if not 0 < n_bytes < float("inf"):
        msg = f"{name} must be a positive number of bytes; it is {value!r}: {how}."
        raise ValueError(msg)
    if n_bytes < _FEWEST:
        msg = f"{name}={value!r} means {n_bytes:g} bytes; for gigabytes write '{n_bytes:g}GB'."
        raise ValueError(msg)
    return int(n_bytes)


def memory_text(n_bytes: int | None) -> str:
    """Return an amount in the unit that reads best."""
    if n_bytes is None:
        return "None"
    unit = next((u for u in ("TB", "GB", "MB", "KB") if n_bytes >= _UNITS[u]), "B")
    return f"{n_bytes / _UNITS[unit]:g} {unit}"
