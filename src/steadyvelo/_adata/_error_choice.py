"""How a user asks for errors of ratios, and how that is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ._checks import check_level, check_whole_number, one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ErrorChoice", "text"]

_METHODS = ("sandwich", "crossfit")


@dataclass(frozen=True)
class ErrorChoice:
    """How errors of ratios are found; see :func:`steadyvelo.tl.velocity`.

    Attributes
    ----------
    method
        ``"sandwich"`` or ``"crossfit"``; None finds none.
    n_splits, level, gene_clusters, batch_key, rng
        As the arguments of that function.
    """

    method: str | None = None
    n_splits: int = 5
    level: float = 0.95
    gene_clusters: str | None = None
    batch_key: str | None = None
    rng: int = 0

    def check(self) -> None:
        """Refuse what cannot be asked for."""
        if self.method is not None:
            one_of("uncertainty", self.method, _METHODS)
        check_whole_number("n_splits", self.n_splits, least=1)
        check_whole_number("rng", self.rng)
        check_level(self.level)

    def encode(self) -> dict[str, Any]:
        """Return the entries of `uns`; none without a method."""
        if self.method is None:
            return {}
        entries = {
            "uncertainty": self.method,
            "level": self.level,
            "batch_key": self.batch_key or "",
        }
        if self.method == "crossfit":
            clusters = self.gene_clusters or ""
            entries |= {"n_splits": self.n_splits, "gene_clusters": clusters, "rng": self.rng}
        return entries

    @classmethod
    def decode(cls, entries: Mapping[str, Any]) -> Self:
        """Read what :meth:`encode` wrote."""
        return cls(
            text(entries, "uncertainty"),
            int(entries.get("n_splits", 5)),
            float(entries.get("level", 0.95)),
            text(entries, "gene_clusters"),
            text(entries, "batch_key"),
            int(entries.get("rng", 0)),
        )


def text(entries: Mapping[str, Any], name: str) -> str | None:
    """Return text; None for what was written in its place."""
    return str(entries.get(name, "")) or None
