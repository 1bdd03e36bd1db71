"""Where neighbours say a cell goes on an embedding, with what their counts leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._ballot import Ballot, Lines, Votes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from steadyvelo.model._typing import Float64Array, IntArray

    from ._crossfit import CrossFit
    from ._fit_rule import FitRule
    from ._moment_source import CountsSource
    from ._threads import Progress

__all__ = ["Lines", "Votes", "bytes_per_vote_value", "cast_votes"]


def bytes_per_vote_value(n_dims: int) -> int:
    """Return what a value of a block takes with all that is made of it for each dimension."""
    return 40 + 30 * n_dims


def cast_votes(
    source: CountsSource,
    errors: CrossFit,
    rule: FitRule,
    lines: Lines,
    embedding: Float64Array,
    groups: IntArray,
    *,
    signs: NDArray[np.int8],
    genes_per_block: int,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> Votes:
    r"""Let the neighbours of every cell say where it goes.

    With displacements on the embedding d of length one and differences of expression δ, centred
    over genes, a change v of expression points on the embedding to :math:`M_i v`,

    .. math:: M_i = \operatorname{mean}_j (d_{ij} - \bar d_i) \tilde\delta_{ij}^\top \Big/
        \sqrt{\operatorname{mean}_j \lVert \tilde\delta_{ij} \rVert^2}

    The length is one for all edges of a cell and all splits: with that of each edge, which holds
    noise, M points elsewhere than noiseless counts do. Neighbour c of cell i votes :math:`M_i r_c`
    with the deviations of its own counts :math:`r_c = \tilde u_c - \gamma \tilde s_c - o`. In every
    split the neighbours for the genes of one fold come from the other, and δ from the cells of one
    fold while those of the other vote; votes are averaged over splits.

    Noise in M turns an arrow as well: a cell c enters M with a known weight :math:`k_{ic}`, and how
    much its counts vary along the velocity is seen in the neighbours, so that
    :math:`\sum_c k_{ic} k_{ic}^\top \operatorname{Var}_{j \in N(i)}(\tilde s_j \cdot v_i)` is
    added, less what the noise of the velocity itself adds to that variance.

    Parameters
    ----------
    source
        Counts of the genes that enter, with ``keep_counts=True``.
    errors
        The splits, and how errors of the lines are found.
    rule
        How the genes were fitted.
    lines
        The fitted lines.
    embedding
        Float64, shape (cells, dimensions).
    groups
        Number of each cell's group, −1 for none, shape (cells,).
    signs
        Random signs by which deviations are turned for a control, shape (controls, cells).
    genes_per_block
        Genes held at a time.
    n_threads
        Number of threads.
    progress
        Called with the share done, in (0, 1].
    """
    ballot = Ballot.open(source, errors.splits, embedding, groups, signs, n_threads)
    n_blocks = 2 * source.n_genes
    for block in source.blocks(genes_per_block, n_threads):
        ballot.measure(block)
        if progress is not None:
            progress(block.genes.stop / n_blocks)
    ballot.steer()
    for block in source.blocks(genes_per_block, n_threads):
        (instruments,) = errors.instruments(block, [rule], n_threads=n_threads)
        ballot.vote(block, instruments, lines)
        if progress is not None:
            progress((source.n_genes + block.genes.stop) / n_blocks)
    return ballot.count()
