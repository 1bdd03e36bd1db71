"""Genes for and against the direction that a user expects of a cluster, with what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo import _keys
from steadyvelo._adata._ambiguous import assigned_to
from steadyvelo._adata._checks import listed
from steadyvelo._adata._embeddings import check_finite_embedding
from steadyvelo._adata._fingerprints import check_coordinates
from steadyvelo._adata._fit_params import FitParams

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["ExpectedDirection", "expected_direction"]

# a gene's ambiguous molecules matter from this part of its other unspliced molecules on
_MANY_AMBIGUOUS = 0.5
_SIZES, _AMBIGUOUS = "size factors", "ambiguous molecules"


@dataclass(frozen=True, eq=False)
class ExpectedDirection:
    """How the arrow of a cluster compares with an expected direction.

    Attributes
    ----------
    source, target
        Names of the clusters from whose centre, and to whose centre, the arrow is expected to
        point.
    direction
        Unit vector of this direction on the embedding, shape (dimensions,).
    cosine
        Cosine between it and the arrow of the cluster.
    examined
        Which reasons to doubt a gene could be looked for.
    n_doubted
        Number of genes for which a reason was found.
    arrow_without
        Mean arrow of the cluster without the genes for which a reason was found, shape
        (dimensions,).
    cosine_without
        Cosine between this arrow and the expected direction.

    Examples
    --------
    :func:`direction_support` returns it as ``.expected``.

    >>> import numpy as np
    >>> from steadyvelo.get import ExpectedDirection
    >>> east = np.array([1.0, 0.0])
    >>> found = ExpectedDirection("trunk", "tip", east, -0.8, ("few molecules",), 3, east, 1.0)
    >>> found.cosine_without > found.cosine
    True
    """

    source: str
    target: str
    direction: NDArray[np.float64]
    cosine: float
    examined: tuple[str, ...]
    n_doubted: int
    arrow_without: NDArray[np.float64]
    cosine_without: float


def expected_direction(
    adata: AnnData,
    key: str,
    basis: str,
    rows: pd.DataFrame,
    expected: tuple[str, str],
    codes: dict[str, int],
) -> tuple[ExpectedDirection, pd.DataFrame]:
    """Compare the arrow of a cluster with an expected direction.

    `rows` has a row per gene with its parts of the arrow, and `codes` the number of every cluster
    in ``obs``. Returns the comparison, and the columns ``toward_expected`` and ``reasons`` of the
    genes.
    """
    names = [name for name in rows if str(name).startswith("arrow_")]
    direction = _direction(adata, key, basis, expected, codes, len(names))
    parts = rows[names].to_numpy()
    arrow = parts.sum(axis=0)
    along = parts @ direction
    with np.errstate(invalid="ignore", divide="ignore"):
        toward = along / np.linalg.norm(arrow)
    reasons = _reasons(adata, key, rows, along, direction)
    doubted = np.any(list(reasons.values()) or [np.zeros(len(rows), dtype=bool)], axis=0)
    # checks of the model name several reasons
    texts = [
        "; ".join(name for name, found in reasons.items() if found[g]) for g in range(len(rows))
    ]
    without = parts[~doubted].sum(axis=0)
    compared = ExpectedDirection(
        *expected,
        direction,
        _cosine(arrow, direction),
        tuple(reasons),
        int(doubted.sum()),
        without,
        _cosine(without, direction),
    )
    columns = pd.DataFrame({"toward_expected": toward, "reasons": texts}, index=rows.index)
    return compared, columns


def _direction(
    adata: AnnData,
    key: str,
    basis: str,
    expected: tuple[str, str],
    codes: dict[str, int],
    n_dims: int,
) -> NDArray[np.float64]:
    """Return the unit vector from the centre of one cluster to that of another."""
    for name in expected:
        if name not in codes:
            msg = f"expected={expected!r}: {name!r} is none of the clusters: {listed(codes)}."
            raise KeyError(msg)
    coordinates = check_finite_embedding(adata, basis)
    rerun = f"tl.direction(adata, basis={basis!r}, groupby=...)"
    on, what = _keys.DIRECTIONS_ON, "directions"
    check_coordinates(adata, on, coordinates, key, basis, what=what, rerun=rerun)
    points = coordinates[:, :n_dims]
    clusters = _keys.TESTED_CLUSTERS.values(adata, key, basis)
    centres = []
    for name in expected:
        members = clusters == codes[name]
        if not members.any():
            msg = (
                f"expected={expected!r}: no cell of {name!r} is left in adata; use the whole data."
            )
            raise ValueError(msg)
        centres.append(points[members].mean(axis=0))
    between = centres[1] - centres[0]
    length = float(np.linalg.norm(between))
    if length == 0:
        msg = f"expected={expected!r}: both have the same centre; name two different clusters."
        raise ValueError(msg)
    return np.asarray(between / length)


def _reasons(
    adata: AnnData,
    key: str,
    rows: pd.DataFrame,
    along: NDArray[np.float64],
    direction: NDArray[np.float64],
) -> dict[str, NDArray[np.bool_]]:
    """Return for every reason that could be looked for which genes have it."""
    genes = pd.Index(rows.index)
    found: dict[str, NDArray[np.bool_]] = {}
    if _keys.MODEL.is_in(adata, key):
        model = _keys.MODEL.read(adata, key).astype(str)
        failed = model.reindex(genes).fillna("").str.split("; ")
        names = sorted({name for row in failed for name in row} - {"", "holds"})
        for name in names:
            found[name] = np.array([name in row for row in failed])
    other = [f"other_sizes_arrow_{d + 1}" for d in range(len(direction))]
    if set(other) <= set(rows):
        with_other = rows[other].to_numpy() @ direction
        found[_SIZES] = np.sign(with_other) != np.sign(along)
    if _keys.AMBIGUOUS.is_in(adata):
        found[_AMBIGUOUS] = _many_ambiguous(adata, key, genes)
    return found


def _many_ambiguous(adata: AnnData, key: str, genes: pd.Index[str]) -> NDArray[np.bool_]:
    options = FitParams.read(adata, key, "run tl.velocity(adata) first.").options
    chosen = adata.var_names.get_indexer(genes)
    ambiguous, unspliced = (
        np.asarray(layer[:, chosen].sum(axis=0), dtype=np.float64).ravel()
        for layer in (
            _keys.AMBIGUOUS.read(adata),
            adata.layers[options.unspliced],
        )
    )
    if assigned_to(adata) == "unspliced":
        unspliced = unspliced - ambiguous
    return np.asarray(ambiguous > _MANY_AMBIGUOUS * unspliced)


def _cosine(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    length = float(np.linalg.norm(x))
    return float(x @ y / length) if length > 0 else float("nan")
