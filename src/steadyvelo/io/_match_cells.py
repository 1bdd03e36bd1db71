"""Match the cells of two tables by their barcodes and the text around the barcodes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from steadyvelo._adata._checks import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["CellMatch", "core_barcode", "match_by_map", "match_cells"]

# velocyto writes sample:BARCODEx, 10x BARCODE-1; other text around a barcode is a sample, too
_BARCODE = re.compile(r"[ACGTN]{6,}")
# a sample is matched if the best counts share at least this many times more barcodes than the
# second best
_CLEAR = 2.0
# cells are matched by unchanged names if at least this share is found
_MOST_DIRECT = 0.5


class CellMatch(NamedTuple):
    """For every cell its place in the second table, or −1; and the labels that were compared."""

    place: NDArray[np.int64]
    how: str


def match_by_map(names: pd.Index, others: pd.Index, barcode_map: Mapping[str, str]) -> CellMatch:
    """Match cells by a mapping of the user."""
    unknown = [name for name in barcode_map if name not in names]
    if unknown:
        msg = f"barcode_map has cells that are not in adata: {listed(unknown, 3)}; remove them."
        raise KeyError(msg)
    wanted = [barcode_map.get(name) for name in names]
    place = others.get_indexer(pd.Index(wanted, dtype=object))
    used = pd.Index(place[place >= 0])
    if not used.is_unique:
        doubled = others[used[used.duplicated()].unique()]
        msg = (
            f"barcode_map assigns several cells of adata to the same cell of the counts "
            f"({listed(doubled, 3)}); assign each cell of the counts once."
        )
        raise ValueError(msg)
    return CellMatch(np.where(pd.isna(wanted), -1, place), "the given map")


def match_cells(
    names: pd.Index,
    others: pd.Index,
    *,
    groups: NDArray[np.object_] | None = None,
    other_groups: NDArray[np.object_] | None = None,
) -> CellMatch:
    """Match cells by name, by barcode, or by barcode within samples.

    `groups` and `other_groups` are the sample of each cell; None takes the text around the barcode
    as the sample. If several samples share barcodes and their matching is not clear, the call is
    refused.
    """
    barcodes, around = _split(names)
    other_barcodes, other_around = _split(others)
    if others.is_unique:
        direct = others.get_indexer(names)
        if (direct >= 0).mean() >= _MOST_DIRECT:
            return CellMatch(direct, "cell names")
    if other_groups is None:
        other_groups = _samples_in(other_around, groups)
    single = groups is None and len(set(around)) == 1 == len(set(other_groups))
    if single and barcodes.is_unique and other_barcodes.is_unique:
        return CellMatch(other_barcodes.get_indexer(barcodes), "barcodes")
    if groups is None and len(set(around)) > 1 and len(set(other_groups)) == 1:
        shown = listed(pd.unique(around), 4)
        msg = (
            f"the names of adata's cells look like those of several samples ({shown}), and those "
            "of the counts like those of one; give the counts of each sample, or barcode_map=."
        )
        raise ValueError(msg)
    return _match_groups(
        barcodes,
        around if groups is None else groups,
        other_barcodes,
        other_groups,
        named=groups is not None,
    )


def _samples_in(
    around: NDArray[np.object_], groups: NDArray[np.object_] | None
) -> NDArray[np.object_]:
    """Return the sample of each cell of the counts from the text around its barcode."""
    if groups is None:
        return around
    plain = {_letters(group): group for group in pd.unique(groups) if group is not None}
    samples = np.array([plain.get(_letters(text)) for text in around], dtype=object)
    return around if pd.isna(samples).any() else samples


def _letters(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", re.sub(r"…x$", "", str(text)).lower())


def core_barcode(name: str) -> tuple[str, str, str]:
    """Return the text before the barcode, the barcode, and the text after it.

    The barcode is the longest run of bases, together with runs at least half as long (combinatorial
    indices). A name without bases is its own barcode.

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


def _split(names: pd.Index) -> tuple[pd.Index, NDArray[np.object_]]:
    """Return barcodes, and the text around each as the name of its sample."""
    parts = [core_barcode(str(name)) for name in names]
    around = np.array([f"{before}…{after}" for before, _, after in parts], dtype=object)
    return pd.Index([barcode for _, barcode, _ in parts], dtype=object), around


def _match_groups(
    barcodes: pd.Index,
    groups: NDArray[np.object_],
    other_barcodes: pd.Index,
    other_groups: NDArray[np.object_],
    *,
    named: bool,
) -> CellMatch:
    """Find the counts whose barcodes each sample shares, and match cells within each pair."""
    place = np.full(len(barcodes), -1)
    sets = {g: pd.Index(other_barcodes[other_groups == g]) for g in pd.unique(other_groups)}
    doubled = [g for g, index in sets.items() if not index.is_unique]
    if doubled:
        msg = (
            f"barcodes occur more than once in the counts of {listed(doubled, 3)}; add the sample "
            "to the names of the counts' cells, or give one table per sample."
        )
        raise ValueError(msg)
    pairs = {}
    for group in pd.unique(groups):
        if group is None:  # cells without a sample have no counts
            continue
        own = barcodes[groups == group]
        if not own.is_unique:
            msg = (
                f"barcodes occur more than once in sample {group!r} of adata; give the name of the "
                "column with samples as sample_key=."
            )
            raise ValueError(msg)
        shared = pd.Series({g: int(own.isin(index).sum()) for g, index in sets.items()})
        partner = group if named and group in sets else _clear_partner(group, shared, len(own))
        if partner is not None:
            pairs[group] = partner
    partners = pd.Series(pairs, dtype=object)
    if partners.duplicated().any():
        twice = partners[partners.duplicated(keep=False)]
        msg = (
            f"samples {listed(twice.index, 4)} of adata share barcodes with the same counts "
            f"({listed(twice.unique(), 2)}); define which cells match by sample_key= or "
            "barcode_map=."
        )
        raise ValueError(msg)
    for group, partner in pairs.items():
        rows = np.flatnonzero(groups == group)
        columns = np.flatnonzero(other_groups == partner)
        found = sets[partner].get_indexer(barcodes[rows])
        place[rows[found >= 0]] = columns[found[found >= 0]]
    said = ", ".join(f"{group} with {partner}" for group, partner in list(pairs.items())[:6])
    return CellMatch(place, f"barcodes within samples ({said})")


def _clear_partner(group: object, shared: pd.Series, n_cells: int) -> object | None:
    """Return the counts that share most barcodes with a sample; refuse if a second is close."""
    ranked = shared.sort_values(ascending=False)
    if ranked.iloc[0] == 0:
        return None
    if len(ranked) > 1 and ranked.iloc[0] < _CLEAR * ranked.iloc[1]:
        counted = ", ".join(f"{name!r} {n:,}" for name, n in ranked.iloc[:3].items())
        msg = (
            f"the {n_cells:,} cells of sample {group!r} share barcodes with several counts "
            f"({counted}), so the match is not clear; give sample_key= or barcode_map=."
        )
        raise ValueError(msg)
    return ranked.index[0]
