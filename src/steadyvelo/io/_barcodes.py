"""Names of cells as tools write them: sample, barcode and what hangs on it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from steadyvelo._adata._checks import listed

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["checked_names", "core_barcode", "split_cell_ids"]

# velocyto writes sample:BARCODEx, 10x BARCODE-1; what else is around them is a sample, too
_BARCODE = re.compile(r"[ACGTN]{6,}")
_VELOCYTO = re.compile(r"(?P<sample>.+):(?P<barcode>[ACGTN]{6,})x?")


def core_barcode(name: str) -> tuple[str, str, str]:
    """Return what stands before the barcode, the barcode, and what stands after it.

    The longest run of bases is the barcode, with others that are at least half as long
    (combinatorial indices); a name without one is its own barcode.

    Examples
    --------
    >>> core_barcode("lung:AAACCTGAGAGGGATAx")
    ('lung:', 'AAACCTGAGAGGGATA', 'x')
    >>> core_barcode("AAACCTGAGAGGGATA-1-batch2")
    ('', 'AAACCTGAGAGGGATA', '-1-batch2')
    >>> core_barcode("cell 7")
    ('', 'cell 7', '')
    """
    runs = list(_BARCODE.finditer(name))
    if not runs:
        return "", name, ""
    longest = max(len(run.group()) for run in runs)
    parts = [run for run in runs if 2 * len(run.group()) >= longest]
    start, end = parts[0].start(), parts[-1].end()
    return name[:start], name[start:end], name[end:]


def split_cell_ids(cells: list[str], source: str) -> pd.DataFrame:
    """Return `obs` with barcodes as index, and the sample where names hold one.

    Barcodes that several samples share keep the sample in their name.
    """
    matches = [_VELOCYTO.fullmatch(cell) for cell in cells]
    if not all(matches):
        return pd.DataFrame(index=checked_names(cells, "cells", source))
    samples = [m["sample"] for m in matches if m]
    barcodes = [m["barcode"] for m in matches if m]
    index = barcodes
    if not pd.Index(barcodes).is_unique:
        index = [f"{s}:{b}" for s, b in zip(samples, barcodes, strict=True)]
    frame = {"sample": pd.Categorical(samples), "cell_id": cells}
    return pd.DataFrame(frame, index=checked_names(index, "cells", source))


def checked_names(names: list[str], what: str, source: Path | str) -> list[str]:
    """Refuse names that stand twice where each must be one thing."""
    index = pd.Index(names)
    if not index.is_unique:
        doubled = index[index.duplicated()].unique()
        msg = (
            f"{source} names {len(doubled)} {what} more than once ({listed(doubled, 3)}): two "
            "files or samples joined without telling them apart?"
        )
        raise ValueError(msg)
    return names
