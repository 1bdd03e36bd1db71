"""Transition probabilities between cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steadyvelo import _keys
from steadyvelo._adata._checks import writable
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._arguments import public
from steadyvelo.engine import count_threads, with_diffusion

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
    backward: bool = False,
    diffusion: float = 0.0,
    key_added: str | None = None,
    n_threads: int | None = None,
) -> None:
    r"""Compute transition probabilities from the velocity graph.

    .. math:: T_{ij} = e^{\lambda c_{ij}} / \textstyle\sum_k e^{\lambda c_{ik}}

    over the edges of the velocity graph. The signed variant, from which arrows are computed, is
    :math:`\mathrm{sign}(c)\,(e^{\lambda |c|} - 1)`; each row is divided by the sum of its absolute
    values.

    Backward, the weights :math:`e^{\lambda c_{ij}}` are transposed before rows are divided by their
    sums: :math:`T_{ij} = e^{\lambda c_{ji}} / \sum_k e^{\lambda c_{ki}}` leads from a cell to those
    from which it may have come. A share w of diffusion mixes T with a random walk on the neighbour
    graph that ignores velocities, :math:`(1 - w)\, T + w\, T^c`, where :math:`T^c` are the
    connectivities with rows divided by their sums.

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
    backward
        Compute transitions against the velocities.
    diffusion
        w, the share of diffusion, from 0 to 1. The connectivities are those of the neighbours from
        which the velocity graph was computed. If a cell has an empty row in one of the two
        matrices, it gets that of the other.
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
        a self-transition of 1 or, without self-transitions, an empty row. Backward, the row of a
        cell to which no edge leads is empty, too, if its self-transition is 0.
    ``uns["velocity_params"]["transitions"]``
        Scale, variant, direction and diffusion of every matrix.

    Raises
    ------
    KeyError
        If there is no velocity graph.
    ValueError
        If `scale` is not positive, cells were removed since the graph was computed, `key_added` is
        already the name of another matrix in ``obsp``, `diffusion` is not from 0 to 1 or given for
        the signed variant, or with `diffusion`, counts or neighbours have changed since the fit.

    References
    ----------
    Bergen et al. (2020), https://doi.org/10.1038/s41587-020-0591-3, whose scVelo computes the same
    forward and backward. Lange et al. (2022), https://doi.org/10.1038/s41592-021-01346-6, for
    diffusion: as CellRank's ``ConnectivityKernel`` with ``density_normalize=False``.

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
    if signed and diffusion > 0:
        msg = (
            f"diffusion={diffusion:g} is a share of probabilities, but the signed variant has "
            "negative values; use signed=False, or diffusion=0."
        )
        raise ValueError(msg)
    graph = StoredGraph.read(Fit.read(adata, velocity_key, then=("tl.velocity_graph",)))
    threads = count_threads(n_threads)
    form = {"self_transitions": self_transitions, "signed": signed, "backward": backward}
    transitions = graph.transitions(scale, threads, **form)
    if diffusion > 0:
        transitions = with_diffusion(transitions, graph.connectivities(), diffusion)
    name = key_added or _keys.TRANSITIONS.of(velocity_key)
    if name in adata.obsp and name not in graph.fit.params.made.get("transitions", {}):
        msg = f"key_added={name!r} would overwrite obsp[{name!r}]; choose another name."
        raise ValueError(msg)
    writable(adata)
    adata.obsp[name] = transitions
    made = {"scale": scale, **form, "diffusion": diffusion}
    note_made(adata, velocity_key, "transitions", made, under=name)
