"""The linear arrows of velocities on principal components, summed over gene blocks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ._threads import for_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steadyvelo.model._typing import Float32Array, Float64Array

__all__ = ["component_arrows"]


def component_arrows(
    blocks: Iterable[tuple[Float32Array, Float32Array]],
    loadings: Float64Array,
    n_rows: int,
    n_threads: int = 1,
) -> Float64Array:
    r"""Return the change of principal components that velocities cause.

    Components are sums over genes of the loadings :math:`w_{gk}` multiplied by
    :math:`\log(1 + x_{ig})`. By the chain rule, they change by

    .. math:: a_{ik} = \sum_g \frac{v_{ig}}{1 + x_{ig}} w_{gk}

    Each block has x and v of the next genes, float32, shape (rows, genes of the block). The
    loadings of all these genes have the shape (genes, components), the result has the shape
    (rows, components).

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.engine import component_arrows
    >>> first = np.float32([[1.0], [3.0]]), np.float32([[2.0], [4.0]])
    >>> second = np.float32([[0.0], [1.0]]), np.float32([[1.0], [-2.0]])
    >>> component_arrows([first, second], np.array([[1.0, 0.0], [1.0, 2.0]]), 2).tolist()
    [[2.0, 2.0], [0.0, -2.0]]
    """
    arrows, first = np.zeros((n_rows, loadings.shape[1])), 0
    for expression, velocity in blocks:
        of_block = loadings[first : first + velocity.shape[1]]
        add = partial(_add, expression, velocity, of_block, arrows)
        for_rows(add, n_rows, n_threads)
        first += velocity.shape[1]
    return arrows


def _add(
    expression: Float32Array,
    velocity: Float32Array,
    loadings: Float64Array,
    arrows: Float64Array,
    start: int,
    stop: int,
) -> None:
    slopes = velocity[start:stop] / (1.0 + expression[start:stop])
    arrows[start:stop] += slopes @ loadings
