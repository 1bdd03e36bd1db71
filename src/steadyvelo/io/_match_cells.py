"""Match the cells of two tables by their names, barcodes or wells, within samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from steadyvelo._adata._checks import listed

from ._cell_names import letters, reversed_strand, split_names, wells_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ._cell_names import CellNames

__all__ = ["CellMatch", "Samples", "match_by_map", "match_cells"]

# a sample belongs to the counts in which at least this share of its cells is found, or the share
# that the user asks for if that is smaller; barcodes are also shared by chance
_SHARE, _LEAST_SHARE = 0.5, 0.1
# and in which at least this many times more are found than in the second best
_CLEAR = 2.0


class CellMatch(NamedTuple):
    """Cells found in a second table.

    Attributes
    ----------
    place
        Each cell's place in the second table, or −1.
    how
        The labels that were compared.
    samples
        The sample of each cell; None for all if they were not distinguished.
    """

    place: NDArray[np.int64]
    how: str
    samples: NDArray[np.object_] | None = None


class Samples(NamedTuple):
    """The samples of both tables.

    Attributes
    ----------
    own
        Sample of each cell; None if the user has not said it.
    other
        Sample of each cell of the counts; None if it is not known.
    binding
        Whether the user has named the counts, so that samples are matched by these names only.
    """

    own: NDArray[np.object_] | None = None
    other: NDArray[np.object_] | None = None
    binding: bool = False


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
    names: pd.Index, others: pd.Index, samples: Samples | None = None, *, min_overlap: float = 0.9
) -> CellMatch:
    """Match cells by name, by barcode or by well, within samples if there are several.

    If it is not clear which samples match, the call is refused.
    """
    given = Samples() if samples is None else samples
    least = max(_LEAST_SHARE, min(_SHARE, min_overlap))
    if not given.binding and others.is_unique:
        direct = others.get_indexer(names)
        if (direct >= 0).mean() >= _SHARE:
            return CellMatch(direct, "cell names", given.own)
    own, other = _split_alike(names, others)
    match = _by_barcodes(own, other, given, least)
    if not (match.place >= 0).any():
        turned = _by_barcodes(own, reversed_strand(other), given, least)
        if (turned.place >= 0).mean() >= least:
            return turned._replace(how=f"{turned.how}, of the other strand")
    if (match.place >= 0).mean() < least and given.own is None:
        wells, other_wells = wells_of(names), wells_of(others)
        if wells.is_unique and other_wells.is_unique:
            place = other_wells.get_indexer(wells)
            if (place >= 0).sum() > (match.place >= 0).sum():
                return CellMatch(place, "names of wells, without files and signs")
    return match


def _split_alike(names: pd.Index, others: pd.Index) -> tuple[CellNames, CellNames]:
    """Divide the names of both tables, with the same number of bases in barcodes."""
    both = split_names(names), split_names(others)
    lengths = [split.barcodes.str.len() for split in both]
    if all(len(set(length)) == 1 for length in lengths) and lengths[0][0] != lengths[1][0]:
        n_bases = int(min(lengths[0][0], lengths[1][0]))
        return split_names(names, n_bases=n_bases), split_names(others, n_bases=n_bases)
    return both


def _by_barcodes(own: CellNames, other: CellNames, given: Samples, least: float) -> CellMatch:
    """Match cells by barcodes, if these are unique, or by barcodes within samples."""
    unique = own.barcodes.is_unique and other.barcodes.is_unique
    if unique and given.own is None and not given.binding:
        several = len(set(own.around)) > 1
        if not several:
            return CellMatch(other.barcodes.get_indexer(own.barcodes), "barcodes")
    groups = own.around if given.own is None else given.own
    others = given.other
    if others is None:
        others = _samples_in(other.around, groups)
    partners = _partners(own, groups, other, others, given, least)
    place = np.full(len(own.barcodes), -1)
    for group, partner in partners.items():
        rows, columns = np.flatnonzero(groups == group), np.flatnonzero(others == partner)
        found = pd.Index(other.barcodes[columns]).get_indexer(own.barcodes[rows])
        place[rows[found >= 0]] = columns[found[found >= 0]]
    said = ", ".join(f"{_shown(g)} with {_shown(p)}" for g, p in list(partners.items())[:6])
    alone = [_shown(g) for g in pd.unique(groups) if g is not None and g not in partners]
    if alone:
        said = f"{said}; no counts of {', '.join(alone[:6])}".removeprefix("; ")
    return CellMatch(place, f"barcodes within samples ({said})", groups)


def _samples_in(around: NDArray[np.object_], groups: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return the sample of each cell of the counts from the text around its barcode."""
    plain = {letters(group): group for group in pd.unique(groups) if group is not None}
    samples = np.array([plain.get(letters(text)) for text in around], dtype=object)
    return around if pd.isna(samples).any() else samples


def _shown(sample: object) -> str:
    """Return a sample as it is said; text around a barcode is shown with the barcode's place."""
    return "the only sample" if sample == "…" else str(sample)


def _partners(
    own: CellNames,
    groups: NDArray[np.object_],
    other: CellNames,
    others: NDArray[np.object_],
    given: Samples,
    least: float,
) -> dict[object, object]:
    """Return the sample of the counts that belongs to each sample of the cells."""
    sets = {g: pd.Index(other.barcodes[others == g]) for g in pd.unique(others)}
    doubled = [g for g, index in sets.items() if not index.is_unique]
    if doubled:
        msg = (
            f"barcodes occur more than once in the counts of {listed(doubled, 3)}; add the sample "
            "to the names of the counts' cells, or give one table per sample."
        )
        raise ValueError(msg)
    by_name = {letters(g): g for g in sets}
    known = {letters(g) for g in pd.unique(groups) if g is not None}
    absent = [g for name, g in by_name.items() if name not in known]
    if given.binding and given.own is not None and absent:
        msg = (
            f"there are counts named {listed(absent, 4)}, but the samples of adata's cells are "
            f"{listed(sorted(map(str, {g for g in groups if g is not None})), 6)}; name each "
            "counts like its sample."
        )
        raise ValueError(msg)
    pairs: dict[object, object] = {}
    for group in pd.unique(groups):
        if group is None:  # cells without a sample have no counts
            continue
        barcodes = own.barcodes[groups == group]
        if not barcodes.is_unique:
            msg = (
                f"barcodes occur more than once in sample {group!r} of adata; give the name of the "
                "column with samples as sample_key=."
            )
            raise ValueError(msg)
        named = by_name.get(letters(group)) if letters(group) else None
        if named is None and not (given.binding and given.own is not None):
            shared = pd.Series({g: int(barcodes.isin(index).sum()) for g, index in sets.items()})
            named = _clear_partner(group, shared, len(barcodes), least)
        if named is not None:
            pairs[group] = named
    partners = pd.Series(pairs, dtype=object)
    if partners.duplicated().any():
        twice = partners[partners.duplicated(keep=False)]
        msg = (
            f"samples {listed(map(_shown, twice.index), 4)} of adata share barcodes with the same "
            f"counts ({listed(map(_shown, twice.unique()), 2)}); define which cells match by "
            "sample_key= or barcode_map=."
        )
        raise ValueError(msg)
    return pairs


def _clear_partner(group: object, shared: pd.Series, n_cells: int, least: float) -> object | None:
    """Return the counts that have most of a sample's barcodes; refuse if a second is close."""
    ranked = shared.sort_values(ascending=False)
    if ranked.iloc[0] < least * n_cells:
        return None
    if len(ranked) > 1 and ranked.iloc[0] < _CLEAR * ranked.iloc[1]:
        counted = ", ".join(f"{name!r} {n:,}" for name, n in ranked.iloc[:3].items())
        msg = (
            f"the {n_cells:,} cells of sample {group!r} share barcodes with several counts "
            f"({counted}), so the match is not clear; give sample_key= or barcode_map=."
        )
        raise ValueError(msg)
    return ranked.index[0]
