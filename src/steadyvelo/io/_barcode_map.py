"""Tables of two columns: names of cells, and their names in the counts."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ._broken import refusing

if TYPE_CHECKING:
    import os

__all__ = ["read_barcode_map"]


def read_barcode_map(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read two columns without a header, separated by commas in csv files, otherwise by tabs."""
    source = Path(path)
    if not source.is_file():
        msg = f"there is no file {source}."
        raise FileNotFoundError(msg)
    separator = "," if source.suffix.lower() == ".csv" else "\t"
    with (
        refusing(source, "cannot be read as a table:"),
        source.open(newline="", encoding="utf-8-sig") as file,
    ):
        rows = [row for row in csv.reader(file, delimiter=separator) if row]
    wrong = next((row for row in rows if len(row) != 2), None)
    if wrong is not None or not rows:
        msg = (
            f"{source} must have two columns (the name of a cell, its name in the counts), "
            f"separated by {'commas' if separator == ',' else 'tabs'}; "
            f"{'it is empty' if wrong is None else f'a line has {len(wrong)}: {wrong!r}'}."
        )
        raise ValueError(msg)
    name, times = Counter(first for first, _ in rows).most_common(1)[0]
    if times > 1:
        msg = f"{source} contains the cell {name!r} {times} times; each cell may occur once."
        raise ValueError(msg)
    return dict(rows)
