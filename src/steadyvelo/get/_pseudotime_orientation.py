"""Whether velocities tell in which direction a pseudotime runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._fit_params import made_entry
from steadyvelo._arguments import public

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

__all__ = ["PseudotimeOrientation", "pseudotime_orientation"]


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
    adata: AnnData, *, velocity_key: str = "velocity"
) -> PseudotimeOrientation:
    """Return whether velocities tell in which direction the pseudotime runs.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_pseudotime`, which describes the test.
    velocity_key
        Prefix of the fit.

    Returns
    -------
    Verdict, reason, and the statistics of the test.

    Raises
    ------
    KeyError
        If there is no pseudotime.
    ValueError
        If another version of steadyvelo stored it in a different format.

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
    made = made_entry(adata, velocity_key, "pseudotime", "tl.velocity_pseudotime(adata)")
    return PseudotimeOrientation.decode(made["orientation"])
