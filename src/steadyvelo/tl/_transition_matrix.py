"""Transition probabilities between cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo import _keys
from steadyvelo._adata._checks import writable
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo.engine import count_threads

from ._stored_graph import StoredGraph

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["transition_matrix"]


@public
def transition_matrix(
    adata: AnnData,
    *,
    velocity_key: str = "velocity",
    scale: float = 10.0,
    self_transitions: bool = True,
    signed: bool = False,
    key_added: str | None = None,
    n_threads: int | None = None,
) -> None:
    r"""Compute transition probabilities from the velocity graph.

    .. math:: T_{ij} = e^{\lambda c_{ij}} / \textstyle\sum_k e^{\lambda c_{ik}}

    over the edges of the velocity graph. The signed variant, from which arrows are computed, is
    :math:`\mathrm{sign}(c)\,(e^{\lambda |c|} - 1)`; each row is divided by the sum of its absolute
    values.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`.
    velocity_key
        Prefix of the fit.
    scale
        λ, the inverse width of the exponential kernel.
    self_transitions
        Use clip(P98(c) − c, 0, 1) as the correlation of a cell with itself, where c is the largest
        correlation of the cell and P98(c) the 98th percentile of c.
    signed
        Compute the signed variant.
    key_added
        Name of the result; None means ``"velocity_transitions"`` for
        ``velocity_key="velocity"``.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.

    Returns
    -------
    None. Sets:

    ``obsp["velocity_transitions"]``
        CSR float32, cells × cells. Rows of the unsigned variant sum to 1. A cell without edges has
        a self-transition of 1 or, without self-transitions, an empty row.
    ``uns["velocity_params"]["transitions"]``
        Scale and variant of every matrix.

    Raises
    ------
    KeyError
        If there is no velocity graph.
    ValueError
        If `scale` is not positive, cells were removed since the graph was computed, or `key_added`
        is already the name of another matrix in ``obsp``.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=40, rng=0)
    >>> sv.pp.size_factors(adata)
    >>> sv.pp.neighbors(adata, n_neighbors=20, n_pcs=10)
    >>> sv.tl.velocity(adata)
    >>> sv.tl.velocity_graph(adata)
    >>> sv.tl.transition_matrix(adata)
    >>> float(adata.obsp["velocity_transitions"].sum(axis=1).max().round(5))
    1.0
    """
    graph = StoredGraph.read(Fit.read(adata, velocity_key))
    threads = count_threads(n_threads)
    form = {"self_transitions": self_transitions, "signed": signed}
    transitions = graph.transitions(scale, threads, **form)
    name = key_added or _keys.TRANSITIONS.of(velocity_key)
    if name in adata.obsp and name not in graph.fit.params.made.get("transitions", {}):
        msg = f"key_added={name!r} would overwrite obsp[{name!r}]; choose another name."
        raise ValueError(msg)
    writable(adata)
    adata.obsp[name] = transitions
    note_made(adata, velocity_key, "transitions", {"scale": scale, **form}, under=name)
