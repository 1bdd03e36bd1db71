"""Match the genes of two tables by id or by name.

Labels of both tables are compared as they are; then, for genes that are not found, in other forms
that programs give to the same label, such as without the version of an id or with a dash for an
underscore. A label that several genes have decides nothing.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from steadyvelo import _keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["GeneMatch", "match_genes"]

_NAMES = "var_names"
# names are used instead of ids if they match this many times more genes
_CLEARLY = 1.2
# a column of var is compared if so many of its texts differ from each other
_LEAST_UNIQUE = 0.5
_ID = re.compile(r"(?:ENS[A-Z]*G|WBGene|FBgn|RGD:|MGI:|HGNC:|AT[1-5MC]G)\d+(?:\.\d+)?")
_VERSION = re.compile(r"\.\d+$")
# copies of a name that were made unique: by AnnData X-1, by R X.1
_COPY = re.compile(r"[-.]\d+$")
# the genome in front of a name, as Cell Ranger writes it if there are several
_GENOME = re.compile(
    r"^(?:GRC[a-z]{1,2}\d+|hg\d+|mm\d+|rn\d+|mRatBN[\d.]+|dm\d+|BDGP\d+|ce\d+|WBcel\d+|danRer\d+)"
    r"[-_.]+"
)


def _same(labels: pd.Series) -> pd.Series:
    return labels


def _without_version(labels: pd.Series) -> pd.Series:
    # names of clones such as AC000111.1 end like ids with a version
    ids = labels.str.fullmatch(_ID)
    return labels.where(~ids, labels.str.replace(_VERSION, "", regex=True))


def _without_genome(labels: pd.Series) -> pd.Series:
    return labels.str.replace(_GENOME, "", regex=True)


def _with_dashes(labels: pd.Series) -> pd.Series:
    return _without_genome(labels.str.replace(r"[^0-9A-Za-z]", "-", regex=True))


def _in_capitals(labels: pd.Series) -> pd.Series:
    return _with_dashes(labels).str.upper()


# forms of a label from the most to the least certain, and how each is said
_FORMS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "": _same,
    "without version": _without_version,
    "without genome": _without_genome,
    "with dashes for other signs": _with_dashes,
    "in capitals": _in_capitals,
}


class GeneMatch(NamedTuple):
    """Genes found in a second table.

    Attributes
    ----------
    place
        Each gene's place in the second table, or −1.
    how
        The labels that were compared.
    doubled
        Names that several genes have, so that they decide nothing.
    """

    place: NDArray[np.int64]
    how: str
    doubled: tuple[str, ...]


class _Table:
    """Labels of the genes of a table by kind, without those that several genes have."""

    def __init__(self, adata: AnnData, doubled: set[str]) -> None:
        self.n = adata.n_vars
        labels = {_NAMES: pd.Series(adata.var_names.astype(str), dtype=object)}
        for column in adata.var:
            text = _texts(adata.var[column])
            if text is not None:
                labels[str(column)] = text
        labels = {kind: text[text != ""] for kind, text in labels.items()}
        self.is_id = {
            kind: bool(text.str.fullmatch(_ID).mean() > 0.5) for kind, text in labels.items()
        }
        for kind, text in labels.items():
            if not self.is_id[kind]:
                labels[kind] = text[~text.isin(doubled)]
        self.labels = labels
        self._made: dict[tuple[str, str], pd.Series] = {}

    def form(self, kind: str, form: str) -> pd.Series:
        """Return labels in a form, without those that occur twice."""
        if (kind, form) not in self._made:
            changed = _FORMS[form](self.labels[kind])
            self._made[kind, form] = changed[~changed.duplicated(keep=False)]
        return self._made[kind, form]

    def ids(self) -> pd.Series:
        """Return an id of each gene, without version; empty if there is none."""
        kind = next((kind for kind, is_id in self.is_id.items() if is_id), None)
        if kind is None:
            return pd.Series("", index=range(self.n), dtype=object)
        return _without_version(self.labels[kind]).reindex(range(self.n), fill_value="")


def match_genes(adata: AnnData, counts: AnnData) -> GeneMatch:
    """Find each gene of `adata` in the counts.

    Ids are preferred to names; names are used instead only if they match clearly more genes. Genes
    that are not found by these labels are looked up by the others, and by other forms of them, if
    their ids do not differ.
    """
    doubled = _doubled(adata, counts)
    own, other = _Table(adata, doubled), _Table(counts, doubled)
    place = np.full(adata.n_vars, -1)
    said = []
    for kinds, form in _in_turn(own, other):
        found = _found(own, other, kinds, form)
        free = (place < 0) & (found >= 0) & ~np.isin(found, place[place >= 0])
        if said:
            free &= _ids_agree(own, other, found)
        if free.any():
            place[free] = found[free]
            labels = f"{kinds[0]} and {kinds[1]}" + f" {form}".rstrip()
            said.append(labels if not said else f"{int(free.sum()):,} by {labels}")
        if (place >= 0).all():
            break
    left = place < 0
    names = adata.var_names.astype(str)
    unclear = tuple(str(name) for name in names[left] if name in doubled)
    first = f"{_NAMES} and {_NAMES}"
    return GeneMatch(place, ", ".join(said) if said else first, unclear)


def _in_turn(own: _Table, other: _Table) -> list[tuple[tuple[str, str], str]]:
    """Return kinds of labels and forms: first the best kinds, then all kinds, form by form."""
    pairs = list(product(own.labels, other.labels))
    exact = {pair: _found(own, other, pair, "without version") for pair in pairs}

    def worth(pair: tuple[str, str]) -> float:
        ids = own.is_id[pair[0]] and other.is_id[pair[1]]
        return float((exact[pair] >= 0).sum()) * (_CLEARLY if ids else 1.0)

    ranked = sorted(pairs, key=worth, reverse=True)
    # a pair of kinds that have nothing in common as they are may still have it in another form
    return [(ranked[0], ""), (ranked[0], "without version")] + [
        (pair, form) for form in _FORMS for pair in ranked
    ]


def _found(own: _Table, other: _Table, kinds: tuple[str, str], form: str) -> NDArray[np.int64]:
    """Return each gene's place in the other table by one kind of label in one form, or −1."""
    mine, theirs = own.form(kinds[0], form), other.form(kinds[1], form)
    place = np.full(own.n, -1)
    found = pd.Index(theirs).get_indexer(pd.Index(mine))
    known = found >= 0
    place[mine.index.to_numpy()[known]] = theirs.index.to_numpy()[found[known]]
    return place


def _ids_agree(own: _Table, other: _Table, found: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each gene whether its id is that of the gene that was found, or one has none."""
    mine = own.ids().to_numpy(dtype=object)
    theirs = other.ids().to_numpy(dtype=object)[found]
    return np.asarray((mine == theirs) | (mine == "") | (theirs == ""), dtype=bool)


def _texts(column: pd.Series) -> pd.Series | None:
    """Return a column as texts with their places; None if it does not name genes."""
    kind = column.dtype
    if not (isinstance(kind, pd.CategoricalDtype) or pd.api.types.is_string_dtype(kind)):
        return None
    values = column.reset_index(drop=True)
    values = values[values.notna()].astype(str).astype(object)
    if len(values) == 0 or values.nunique() < _LEAST_UNIQUE * len(values):
        return None
    return values


def _doubled(*tables: AnnData) -> set[str]:
    """Return the names that several genes have, with the copies that were made unique of them.

    The n-th copy in one table need not be the n-th in the other.
    """
    bases: set[str] = set()
    genuine: set[str] = set()
    for table in tables:
        original = _original_names(table)
        if original is not None:
            repeated = original.duplicated(keep=False)
            bases |= set(original[repeated])
            genuine |= set(original[~repeated])
    for table in tables:
        if _original_names(table) is None:
            names = pd.Index(table.var_names.astype(str))
            copies = names[names.str.contains(_COPY)]
            starts = copies.str.replace(_COPY, "", regex=True)
            bases |= {base for base in starts[starts.isin(names)] if base not in genuine}
    copied = set()
    for table in tables:
        names = pd.Series(table.var_names.astype(str))
        start = names.str.replace(_COPY, "", regex=True)
        copied |= set(names[start.isin(bases) & ~names.isin(genuine)])
    return bases | copied


def _original_names(table: AnnData) -> pd.Series | None:
    """Return the names of genes before they were made unique; None if they are not known."""
    for column in _keys.GENE_NAME_COLUMNS:
        if column in table.var:
            return table.var[column].astype(str).reset_index(drop=True)
    entry = _keys.IMPORT.read(table, default=None)
    # a counting program's names that are unique were not changed
    counted = entry is not None and entry.get("tool") != "AnnData"
    return pd.Series(table.var_names.astype(str)) if counted else None
