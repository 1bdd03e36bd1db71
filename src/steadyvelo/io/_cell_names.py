"""The parts of a cell's name: its barcode or well, and the sample in the text around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["CellNames", "core_barcode", "letters", "reversed_strand", "split_names", "wells_of"]

# velocyto writes sample:BARCODEx, 10x BARCODE-1; other text around a barcode is a sample, too
_BARCODE = re.compile(r"[ACGTN]{6,}|[acgtn]{8,}")
# three rounds of wells, as Parse Biosciences writes them
_ROUNDS = re.compile(r"(?<!\d)\d{2,3}_\d{2,3}_\d{2,3}(?!\d)")
_OTHER_STRAND = str.maketrans("ACGT", "TGCA")
# the end of the file of a cell, after which velocyto names cells that were sequenced in wells
_FILE_END = re.compile(r"([._]?Aligned[.\w]*|[._]sorted\w*)?\.(bam|cram|sam)$", re.IGNORECASE)


class CellNames(NamedTuple):
    """For each cell its barcode, and the text around it as the name of its sample."""

    barcodes: pd.Index
    around: NDArray[np.object_]


def core_barcode(name: str) -> tuple[str, str, str]:
    """Return the text before the barcode, the barcode in capitals, and the text after it.

    The barcode is the longest run of bases, together with runs at least half as long (combinatorial
    indices), without the signs between them. If there are no bases, three rounds of wells are the
    barcode; other names are their own barcodes.

    Examples
    --------
    >>> core_barcode("lung:AAACCTGAGAGGGATAx")
    ('lung:', 'AAACCTGAGAGGGATA', 'x')
    >>> core_barcode("AAACCTGAGAGGGATA-1-batch2")
    ('', 'AAACCTGAGAGGGATA', '-1-batch2')
    >>> core_barcode("ACGTACGTA_CCGTACGTA_GCGTACGTA")
    ('', 'ACGTACGTACCGTACGTAGCGTACGTA', '')
    >>> core_barcode("01_22_07__s1")
    ('', '01_22_07', '__s1')
    >>> core_barcode("cell 7")
    ('', 'cell 7', '')
    """
    runs = list(_BARCODE.finditer(name))
    if not runs:
        rounds = _ROUNDS.search(name)
        if rounds is None:
            return "", name, ""
        return name[: rounds.start()], rounds.group(), name[rounds.end() :]
    longest = max(len(run.group()) for run in runs)
    parts = [run for run in runs if 2 * len(run.group()) >= longest]
    barcode = "".join(run.group() for run in parts).upper()
    return name[: parts[0].start()], barcode, name[parts[-1].end() :]


def split_names(names: Iterable[object], *, n_bases: int | None = None) -> CellNames:
    """Divide names; bases after the first `n_bases` of a barcode belong to the sample.

    Probe sets for fixed cells put the sample's bases after the barcode of the cell.
    """
    barcodes, around = [], []
    for name in names:
        before, barcode, after = core_barcode(str(name))
        barcodes.append(barcode[:n_bases])
        around.append(f"{before}…{'' if n_bases is None else barcode[n_bases:]}{after}")
    return CellNames(pd.Index(barcodes, dtype=object), np.array(around, dtype=object))


def reversed_strand(names: CellNames) -> CellNames:
    """Return barcodes as they are read from the other strand."""
    turned = [str(name)[::-1].translate(_OTHER_STRAND) for name in names.barcodes]
    return CellNames(pd.Index(turned, dtype=object), names.around)


def wells_of(names: Iterable[object]) -> pd.Index:
    """Return names without a sample before a colon and without the end of a file, as letters."""
    bare = (_FILE_END.sub("", str(name).rpartition(":")[2]) for name in names)
    return pd.Index([letters(name) for name in bare], dtype=object)


def letters(text: object) -> str:
    """Return the letters and digits of a text in lower case.

    Examples
    --------
    >>> letters("Lung_1") == letters("lung-1")
    True
    """
    return re.sub(r"[^0-9a-z]", "", re.sub(r"…x$", "", str(text)).lower())
