"""Choices that have options of their own: each is asked for by its name, or as one of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._arguments import check_fields

__all__ = ["CrossFit", "Extremes", "Neighbors", "Sandwich", "SizeFactors", "Uncertainty"]


@dataclass(frozen=True, kw_only=True)
class Sandwich:
    """Standard errors of the ordinary fit that take into account how counts were smoothed.

    Fast, and somewhat too small: the cells and neighbours of the fit are chosen from the same
    counts. ``docs/uncertainty.md`` derives and measures them.

    Parameters
    ----------
    level
        Probability with which the interval contains the ratio over the extreme cells.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.Sandwich(level=0.9)
    Sandwich(level=0.9)
    """

    level: float = 0.95

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class CrossFit:
    """A fit whose instruments come from other cells and whose neighbours come from other genes.

    Its intervals contain the ratio over the extreme cells as often as `level` says, and velocities
    use its ratios. ``docs/uncertainty.md`` derives and measures it.

    Parameters
    ----------
    n_repeats
        How many times genes and cells are divided at random into two folds; instruments are
        averaged over the repeats. Each repeat takes two neighbour graphs.
    gene_clusters
        Column of ``var`` with clusters of genes that share noise; all genes of a cluster go into
        the same fold. None divides the genes one by one.
    level
        Probability with which the interval contains the ratio over the extreme cells.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.CrossFit(n_repeats=10)
    CrossFit(n_repeats=10, gene_clusters=None, level=0.95)
    """

    n_repeats: int = 5
    gene_clusters: str | None = None
    level: float = 0.95

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Extremes:
    """Fit on the cells at the extremes of expression, with quantiles of your own.

    With z = s / max(s) + u / max(u), the cells with z at or below the low quantile and at or above
    the high one.

    Parameters
    ----------
    low, high
        Quantiles in [0, 1]; None takes no cells at that end.

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


@dataclass(frozen=True, kw_only=True)
class SizeFactors:
    """How size factors are computed; see :func:`steadyvelo.pp.size_factors`.

    Parameters
    ----------
    method
        ``"per_layer"`` gives each layer a size factor of its own, as scVelo does; ``"common"``
        gives both layers one, from the sum of their molecules.
    spliced_size, unspliced_size
        Columns of ``obs`` with the molecules of each cell over all genes; None finds them.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.SizeFactors(method="common").method
    'common'
    """

    method: Literal["per_layer", "common"] = "per_layer"
    spliced_size: str | None = None
    unspliced_size: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class Neighbors:
    """Neighbours that are to be found anew; see :func:`steadyvelo.pp.neighbors`.

    Parameters
    ----------
    n_neighbors
        Neighbours of a cell, the cell itself included.
    n_pcs
        Number of principal components.
    use_rep
        Name of a representation in ``obsm``; None means principal components.
    key_added
        Name for the graph; None means scanpy's, ``uns["neighbors"]``.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.Neighbors(n_neighbors=15).n_pcs
    30
    """

    n_neighbors: int = 30
    n_pcs: int = 30
    use_rep: str | None = None
    key_added: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)


Uncertainty: TypeAlias = Literal["sandwich", "crossfit"] | Sandwich | CrossFit
