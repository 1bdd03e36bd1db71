"""Whether velocities tell in which direction a pseudotime runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from steadyvelo._adata._checks import check_adata, listed
from steadyvelo._adata._fit_params import made_entry
from steadyvelo._arguments import public

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

__all__ = ["PseudotimeOrientation", "orientations", "pseudotime_orientation"]


@dataclass(frozen=True)
class PseudotimeOrientation:
    """The test of the orientation of a pseudotime.

    Attributes
    ----------
    verdict
        ``"determined"`` if velocities support the orientation, ``"reversed"`` if they support the
        opposite one, ``"not determined"``, or ``"not tested"``.
    reason
        The reason in a sentence.
    total, standard_error
        Sum of the contributions of all tested cells along the gradient of the pseudotime, positive
        if velocities run with it, and its standard error. NaN if not tested, as the next three.
    p
        Two-sided p-value of the hypothesis that this sum is zero.
    retest_t, retest_z
        Statistics of the retest without a steady state, positive if it agrees with the sign of the
        sum.
    n_cells
        Number of cells that were tested; 0 if none were.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=400, n_genes=80, depth=2, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=sv.CrossFit(n_repeats=2))
    >>> sv.tl.velocity_pseudotime(adata)
    >>> found = sv.get.pseudotime_orientation(adata)
    >>> found.verdict, found.n_cells
    ('determined', 400)
    """

    verdict: str
    reason: str
    total: float = float("nan")
    standard_error: float = float("nan")
    p: float = float("nan")
    retest_t: float = float("nan")
    retest_z: float = float("nan")
    n_cells: int = 0

    def encode(self) -> dict[str, Any]:
        """Return the entries that are stored."""
        return asdict(self)

    @classmethod
    def decode(cls, entries: Mapping[str, Any]) -> Self:
        """Read the entries of :meth:`encode`, as files return them."""
        words = {name: str(entries[name]) for name in ("verdict", "reason")}
        names = ("total", "standard_error", "p", "retest_t", "retest_z")
        numbers = {name: float(entries[name]) for name in names}
        return cls(**words, **numbers, n_cells=int(entries["n_cells"]))


@public
def pseudotime_orientation(
    adata: AnnData, *, lineage: str | None = None, velocity_key: str = "velocity"
) -> PseudotimeOrientation:
    """Return whether velocities tell in which direction the pseudotime runs.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_pseudotime`, which describes the test.
    lineage
        Name of a lineage, if each lineage has a pseudotime; None means that there is only one.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    Verdict, reason, and the statistics of the test.

    Raises
    ------
    KeyError
        If there is no pseudotime, or no such lineage.
    ValueError
        If each lineage has a pseudotime and none is named, or another version of steadyvelo stored
        it in a different format.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.velocity_pseudotime(adata)
    >>> sv.get.pseudotime_orientation(adata).verdict
    'not tested'
    """
    check_adata(adata)
    found = orientations(adata, velocity_key)
    if lineage is None and list(found) != [""]:
        msg = f"each lineage has a pseudotime; name one as lineage=, of {listed(found)}."
        raise ValueError(msg)
    if (lineage or "") not in found:
        there = listed(found) if list(found) != [""] else "one pseudotime for all cells"
        msg = f"lineage={lineage!r} has no pseudotime; there is {there}."
        raise KeyError(msg)
    return found[lineage or ""]


def orientations(adata: AnnData, velocity_key: str) -> dict[str, PseudotimeOrientation]:
    """Return the test of each lineage; one with an empty name if there are no lineages."""
    made = made_entry(adata, velocity_key, "pseudotime", "tl.velocity_pseudotime(adata)")
    if "lineages" not in made:
        return {"": PseudotimeOrientation.decode(made["orientation"])}
    columns = made["lineages"]
    return {
        str(name): PseudotimeOrientation.decode({key: columns[key][row] for key in columns})
        for row, name in enumerate(columns["lineage"])
    }
