"""Lines of a MatrixMarket file, checked before a parser reads them."""

from __future__ import annotations

import gzip
import io
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._kernels._matrix_market_lines import wrong_byte
from ._text import gzipped

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["HEADER_BYTES", "LINE_BYTES", "Entries", "Header"]

# more than any header, and than any line with numbers
HEADER_BYTES, LINE_BYTES = 1_000_000, 80
# bytes that are checked at a time
_PART = 4_000_000
# what a field may have, and what follows after digits, a sign, a dot, an e or another letter; those
# with a star are complete numbers. Words (nan, inf) are left to the parser
_WHOLE = {"": "0:digits* -:sign", "sign": "0:digits*", "digits*": "0:digits*"}
_REAL = {
    "": "0:digits* -:sign +:sign .:dot a:word* e:word*",
    "sign": "0:digits* .:dot a:word* e:word*",
    "digits*": "0:digits* .:decimals* e:e",
    "dot": "0:decimals*",
    "decimals*": "0:decimals* e:e",
    "e": "0:exponent* -:e sign +:e sign",
    "e sign": "0:exponent*",
    "exponent*": "0:exponent*",
    "word*": "a:word* e:word*",
}
_INDEX = {"": "0:digits*", "digits*": "0:digits*"}
_STATES = list(_REAL)
_BYTES = {"0": b"0123456789", "-": b"-", "+": b"+", ".": b".", "e": b"eE"}
_BYTES["a"] = bytes(c for c in range(65, 123) if chr(c).isalpha() and c not in b"eE")
_COMPLETE = np.array([name.endswith("*") for name in _STATES])


class Header(NamedTuple):
    """What is in front of the entries: their type, the sizes, and the first of them."""

    is_real: bool
    sizes: tuple[int, int, int]
    n_bytes: int
    n_lines: int
    first_entry: str


class Entries(io.RawIOBase):
    """The bytes of a file, of which every line is checked before it is passed on.

    Parsers take "1.9", "1e3" and "0x10" for the whole numbers that they begin with, and scipy's
    ends the program at a byte 0. No more is decompressed than the entries of the header can need.
    """

    def __init__(self, path: Path, header: Header, n_fields: int) -> None:
        self.path, self.header, self.n_fields = path, header, n_fields
        self.file: Any = (gzip.open if gzipped(path) else io.open)(path, "rb")
        real = header.is_real
        self.following = np.stack([_following(_INDEX), _following(_REAL if real else _WHOLE)])
        # complete entries, complete fields of the last line, and what its last field has
        self.state = np.zeros(3, dtype=np.int64)
        self.part, self.given = memoryview(self.file.read(header.n_bytes)), 0
        self.most = (header.sizes[2] + 1) * LINE_BYTES + HEADER_BYTES
        self.passed, self.ended = header.n_bytes, False

    def readable(self) -> bool:
        """Tell that bytes can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with checked bytes, and return their number."""
        if self.given == len(self.part):
            self.part, self.given = memoryview(self._next_part()), 0
        n = min(len(buffer), len(self.part) - self.given)
        buffer[:n] = self.part[self.given : self.given + n]
        self.given += n
        return n

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        super().close()

    def check_complete(self) -> None:
        """Refuse a file with another number of entries than its header says."""
        while len(self._next_part()) > 0:
            pass
        found, said = int(self.state[0]), self.header.sizes[2]
        if found != said:
            msg = (
                f"{self.path} should have {said:,} entries by its header, but has {found:,}; it is "
                "truncated or corrupt."
            )
            raise ValueError(msg)

    def _next_part(self) -> bytes:
        part = self.file.read(_PART)
        if not part and not self.ended:
            # the last line of a compressed file need not have its end, but has to be complete
            self.ended, part = True, b"\n"
        self.passed += len(part)
        if self.passed > self.most:
            msg = (
                f"{self.path} has more than {self.most:,} bytes for the {self.header.sizes[2]:,} "
                "entries of its header; it is corrupt."
            )
            raise ValueError(msg)
        before = int(self.state[0])
        rules = self.n_fields, self.following, _COMPLETE
        wrong = wrong_byte(np.frombuffer(part, dtype=np.uint8), self.state, *rules)
        if wrong >= 0:
            start = part.rfind(b"\n", 0, wrong) + 1
            line = part[start : start + 60].split(b"\n")[0].decode("utf-8", "backslashreplace")
            numbers = "numbers" if self.header.is_real else "whole numbers"
            number = before + part.count(b"\n", 0, wrong) + self.header.n_lines + 1
            msg = (
                f"{self.path}: line {number:,}, {line!r}, should be {self.n_fields} {numbers} "
                "(row, column, count); the file is corrupt."
            )
            raise ValueError(msg)
        return part


def _following(rules: dict[str, str]) -> NDArray[np.int64]:
    """Return the state after every state and byte; −1 if the byte cannot follow."""
    table = np.full((len(_STATES), 256), -1)
    for state, rule in rules.items():
        for kind, _, after in (one.partition(":") for one in re.split(r" (?=.:)", rule)):
            table[_STATES.index(state), list(_BYTES[kind])] = _STATES.index(after)
    return table
