"""Choices with options: each can be given by its name, or as an object of a class here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._arguments import check_fields, names_checked

__all__ = [
    "CrossFit",
    "Extremes",
    "Mode",
    "Neighbors",
    "Sandwich",
    "SizeFactors",
    "Stochastic",
    "Uncertainty",
]


@names_checked
@dataclass(frozen=True, kw_only=True)
class Sandwich:
    """Standard errors of the ordinary fit that take smoothing into account.

    This is fast, but errors are slightly too small, because cells and neighbours of the fit are
    chosen from the same counts. ``docs/uncertainty.md`` explains and evaluates them.

    Parameters
    ----------
    level
        Probability that the interval contains the ratio of the extreme cells.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.Sandwich(level=0.9)
    Sandwich(level=0.9)
    """

    level: float = 0.95

    def __post_init__(self) -> None:
        check_fields(self)


@names_checked
@dataclass(frozen=True, kw_only=True)
class CrossFit:
    """A fit with instruments from other cells and neighbours from other genes.

    Its intervals contain the ratio of the extreme cells with probability `level`, and velocities
    use its ratios. ``docs/uncertainty.md`` explains and evaluates it.

    Parameters
    ----------
    n_repeats
        Number of repeats. Each divides genes and cells at random into two folds, and two
        neighbour graphs are computed. Instruments are averaged over the repeats. None means 5,
        3 with more than 5,000 cells, and 2 with more than 500,000: with more cells, ratios depend
        less on how these are divided.
    gene_clusters
        Column of ``var`` with clusters of genes that share noise; all genes of a cluster are in the
        same fold. None assigns each gene independently.
    level
        Probability that the interval contains the ratio of the extreme cells.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.CrossFit(n_repeats=10)
    CrossFit(n_repeats=10, gene_clusters=None, level=0.95)
    """

    n_repeats: int | None = None
    gene_clusters: str | None = None
    level: float = 0.95

    def __post_init__(self) -> None:
        check_fields(self)


@names_checked
@dataclass(frozen=True)
class Extremes:
    """A fit to the extreme cells, with chosen quantiles.

    With z = s / max(s) + u / max(u), these are the cells with z at or below the low quantile and at
    or above the high quantile.

    Parameters
    ----------
    low, high
        Quantiles in [0, 1]; None takes no cells at this end.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.Extremes(0.02, 0.98)
    Extremes(low=0.02, high=0.98)
    """

    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        check_fields(self)
        from .model import resolve_quantiles  # noqa: PLC0415 (loads numba)

        resolve_quantiles((self.low, self.high), offset=False)


@names_checked
@dataclass(frozen=True, kw_only=True)
class SizeFactors:
    """How size factors are computed; see :func:`steadyvelo.pp.size_factors`.

    Parameters
    ----------
    method
        ``"per_layer"`` computes separate size factors for spliced and unspliced counts, as scVelo
        does; ``"common"`` computes one for both, from the sum of their molecules.
    spliced_size, unspliced_size
        Columns of ``obs`` with library sizes over all genes; None uses those of the reader, or sums
        of the layers.
    counts
        ``"raw"``, or ``"normalised"`` if values were divided by library sizes before; ``"auto"``
        judges by the values.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.SizeFactors(method="common").method
    'common'
    """

    method: Literal["per_layer", "common"] = "per_layer"
    spliced_size: str | None = None
    unspliced_size: str | None = None
    counts: Literal["auto", "raw", "normalised"] = "auto"

    def __post_init__(self) -> None:
        check_fields(self)


@names_checked
@dataclass(frozen=True, kw_only=True)
class Neighbors:
    """Neighbours that are computed again; see :func:`steadyvelo.pp.neighbors`.

    Parameters
    ----------
    n_neighbors
        Number of neighbours, including the cell itself.
    n_pcs
        Number of principal components.
    use_rep
        Name of a representation in ``obsm``; None means principal components.
    metric
        Distance between cells: ``"euclidean"``, ``"cosine"`` or ``"correlation"``.
    within
        Column of ``obs`` with groups within which neighbours are searched; None means all cells.
    key_added
        Name of the graph; None means scanpy's ``uns["neighbors"]``.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.Neighbors(n_neighbors=15).n_pcs
    30
    """

    n_neighbors: int = 30
    n_pcs: int = 30
    use_rep: str | None = None
    metric: Literal["euclidean", "cosine", "correlation"] = "euclidean"
    within: str | None = None
    key_added: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)


@names_checked
@dataclass(frozen=True, kw_only=True)
class Stochastic:
    """A fit of first and second moments together, scVelo's stochastic mode.

    Second moments are means over neighbours of products of counts. They use all cells, not only the
    extreme ones. ``docs/model.md`` derives the fit and shows where it is biased.

    Parameters
    ----------
    moments
        ``"scvelo"`` computes second moments as scVelo does; if library sizes differ, they are
        biased. ``"exact"`` corrects them for the size of each cell; it needs raw counts.
    fit_offset, fit_offset2
        Whether the lines of first and of second moments have an offset, which may be negative. With
        `fit_offset`, first moments are fitted to the cells at both ends.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.Stochastic(moments="exact")
    Stochastic(moments='exact', fit_offset=False, fit_offset2=False)
    """

    moments: Literal["scvelo", "exact"] = "scvelo"
    fit_offset: bool = False
    fit_offset2: bool = False

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def of(cls, mode: Mode) -> Stochastic | None:
        """Return the options of a mode that is given by its name or as such; None for others."""
        if isinstance(mode, str):
            return cls() if mode == "stochastic" else None
        return mode


Mode: TypeAlias = Literal["deterministic", "stochastic"] | Stochastic
Uncertainty: TypeAlias = Literal["sandwich", "crossfit"] | Sandwich | CrossFit
