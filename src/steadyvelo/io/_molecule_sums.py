"""A kind of molecules as a sum of matrices, such as ``intron+spanning`` or ``GeneFull-Gene``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steadyvelo._adata._checks import listed
from steadyvelo._log import say

from ._layers import KB_LAYERS, as_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

__all__ = ["Kinds", "MoleculeSum", "chosen_kinds"]

_USUAL = (("spliced", "unspliced"), KB_LAYERS)
_ONE = {"layers": "layer", "matrices": "matrix"}
# layers that programs write, and what to ask for if they are there
_SUGGESTED = (
    ({"exon", "intron", "spanning"}, ("exon", "intron+spanning")),
    ({"exon", "intron"}, ("exon", "intron")),
    ({"uu", "ul", "su", "sl"}, ("su+sl", "uu+ul")),
    ({"Gene", "GeneFull"}, ("Gene", "GeneFull-Gene")),
    ({"GeneFull_Ex50pAS", "Gene"}, ("Gene", "GeneFull_Ex50pAS-Gene")),
    ({"spliced", "unspliced"}, ("spliced", "unspliced")),
    ({"X", "unspliced"}, ("X", "unspliced")),
)


@dataclass(frozen=True)
class MoleculeSum:
    """Matrices that are added or subtracted.

    Attributes
    ----------
    terms
        Sign and name of every matrix.
    """

    terms: tuple[tuple[int, str], ...]

    @classmethod
    def parsed(cls, text: str, there: Collection[str]) -> MoleculeSum | None:
        """Read names joined by + and −, which names may contain, too; None if one is not there."""
        if text in there:
            return cls(((1, text),))
        names = "|".join(re.escape(name) for name in sorted(there, key=len, reverse=True))
        one = rf"\s*({names})\s*"
        if not names or re.fullmatch(rf"{one}(?:[+-]{one})*", text) is None:
            return None
        found = re.findall(rf"([+-]?){one}", text)
        return cls(tuple((-1 if sign == "-" else 1, name) for sign, name in found))

    @property
    def names(self) -> list[str]:
        """Names of the matrices."""
        return [name for _, name in self.terms]

    def __str__(self) -> str:
        """Return it as the user writes it."""
        signs = ("+" if sign > 0 else "-" for sign, _ in self.terms)
        joined = "".join(s + name for s, name in zip(signs, self.names, strict=True))
        return joined.removeprefix("+")

    def read(self, load: Callable[[str], Any], source: Path | str) -> Any:
        """Return the sum of matrices, which `load` returns by name; negative values become 0."""
        if len(self.terms) == 1 and self.terms[0][0] > 0:
            return load(self.names[0])
        total: Any = None
        for sign, name in self.terms:
            counts = as_counts(load(name), f"{source}: {name}")
            if total is not None and total.shape != counts.shape:
                msg = (
                    f"{source}: {name!r} is {counts.shape}, but {self.names[0]!r} is "
                    f"{total.shape}; they must have the same cells and genes."
                )
                raise ValueError(msg)
            # in a type that holds the sum
            wide = counts.astype(np.float64 if counts.dtype.kind == "f" else np.int64)
            total = sign * wide if total is None else total + sign * wide
        total = sp.csr_matrix(total)
        below = total.data < 0
        if below.any():
            # a molecule of several genes in one matrix may be of one gene in the other
            say(
                f"{self}: {-total.data[below].sum():,.0f} molecules in {int(below.sum()):,} "
                f"entries below 0 are set to 0, of {total.data[~below].sum():,.0f} molecules"
            )
            total.data[below] = 0
            total.eliminate_zeros()
        return as_counts(total, f"{source}: {self}")


class Kinds(NamedTuple):
    """The matrices of both kinds of molecules, and whether they are named as kb-python does."""

    spliced: MoleculeSum
    unspliced: MoleculeSum
    kb: bool

    @property
    def names(self) -> list[str]:
        """Names of all matrices."""
        return list(dict.fromkeys(self.spliced.names + self.unspliced.names))


def chosen_kinds(
    there: Collection[str],
    source: Path,
    spliced: str | None,
    unspliced: str | None,
    *,
    what: str = "layers",
) -> Kinds:
    """Return the matrices of both kinds; refuse if they are not clear."""
    if spliced is not None and spliced == unspliced:
        msg = f"spliced and unspliced are both {spliced!r}; they must be two layers."
        raise ValueError(msg)
    pairs = _USUAL
    if (spliced, unspliced) != (None, None):
        pairs = ((spliced or "spliced", unspliced or "unspliced"),)
    for pair in pairs:
        first, second = (MoleculeSum.parsed(text, there) for text in pair)
        if first is not None and second is not None:
            return Kinds(first, second, pair == KB_LAYERS)
        wrong = [text for text in (spliced, unspliced) if text in pair]
        wrong = [text for text in wrong if text and MoleculeSum.parsed(text, there) is None]
        if wrong:
            msg = (
                f"{source} has no {_ONE[what]} {wrong[0]!r}; it has "
                f"{listed(sorted(there))}{_suggestion(there)}."
            )
            raise ValueError(msg)
    if set(there) <= {"X"}:
        msg = (
            f"{source} has one matrix and no layers, so spliced and unspliced molecules cannot be "
            "told apart. Import the output of a counting program (STARsolo, kb-python, alevin-fry, "
            "velocyto), or attach it to these cells: steadyvelo attach CELLS COUNTS."
        )
        raise ValueError(msg)
    msg = (
        f"{source} has {what} {listed(name for name in there if name != 'X')}"
        f"{' and X' if 'X' in there else ''}; name the two of counts by spliced= and unspliced= "
        f"(--spliced, --unspliced){_suggestion(there)}. Several can be joined by + or -."
    )
    raise ValueError(msg)


def _suggestion(there: Collection[str]) -> str:
    for names, (spliced, unspliced) in _SUGGESTED:
        if names <= set(there):
            return f", such as spliced={spliced!r}, unspliced={unspliced!r}"
    for name in there:
        other = name.replace("unspliced", "spliced").replace("Unspliced", "Spliced")
        if other != name and other in there:
            return f", such as spliced={other!r}, unspliced={name!r}"
    return ""
