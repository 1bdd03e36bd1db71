"""Strategies that draw arrays: what fails shrinks to few cells, few genes and small numbers.

Numbers are whole, or whole multiples of 1/16, unless a test asks for others: a failure is read at a
glance, and sums of a few are exact, so that a difference is one of method and not of rounding.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from steadyvelo.engine import CellOrder
from steadyvelo.model import Instruments


def shapes(cells=(2, 12), genes=(1, 8)):
    """Draw numbers of cells and genes."""
    return st.tuples(st.integers(*cells), st.integers(*genes))


def counts(shape, *, largest=9, dtype=np.int32):
    """Draw molecules per cell and gene."""
    return hnp.arrays(dtype, shape, elements=st.integers(0, largest))


def sixteenths(shape, low, high, dtype=np.float64):
    """Draw multiples of 1/16, which floating-point numbers hold and add exactly."""
    whole = hnp.arrays(np.int32, shape, elements=st.integers(16 * low, 16 * high))
    return whole.map(lambda x: (x / 16).astype(dtype))


def abundances(shape, *, largest=8, dtype=np.float64):
    """Draw smoothed values."""
    return sixteenths(shape, 0, largest, dtype)


def velocities(shape, *, largest=4, dtype=np.float64):
    """Draw values of both signs."""
    return sixteenths(shape, -largest, largest, dtype)


def weights(shape):
    """Draw weights from 0 to 1."""
    return sixteenths(shape, 0, 1)


def group_codes(n_cells, *, n_groups=4):
    """Draw the number of each cell's group, from 0."""
    return hnp.arrays(np.intp, n_cells, elements=st.integers(0, n_groups - 1))


def permutations(n):
    """Draw an order of n things."""
    return st.permutations(range(n)).map(lambda order: np.array(order, dtype=np.intp))


def cell_orders(n_cells):
    """Draw an order of the rows of a block."""
    return permutations(n_cells).map(
        lambda order: CellOrder(order.astype(np.int32), np.argsort(order).astype(np.int32))
    )


@st.composite
def graphs(draw, n_cells, *, values=None, max_degree=6):
    """Draw a directed graph without loops, some rows of it empty; `values` draws its entries."""
    degree = min(max_degree, n_cells - 1)
    # steps to the neighbours, so that no cell is its own
    steps = draw(hnp.arrays(np.int32, (n_cells, degree), elements=st.integers(0, n_cells - 1)))
    rows, step = np.repeat(np.arange(n_cells), degree), steps.ravel()
    marks = np.zeros((n_cells, n_cells))
    marks[rows, (rows + step) % n_cells] = step > 0
    graph = sp.csr_matrix(marks)
    if values is not None:
        graph.data = draw(hnp.arrays(np.float64, graph.nnz, elements=values))
    return graph


@st.composite
def instruments(draw, *, samples=False, exact=False, cells=(2, 12), genes=(1, 40)):
    """Draw instruments and counts of some cells and genes, each cell of a sample where asked.

    With `exact`, sums of their products do not depend on the order in which they are taken.
    """
    shape = draw(shapes(cells, genes))
    scales = (shape[0], 2)
    if exact:
        h, h0 = (draw(abundances(shape, dtype=np.float32)) for _ in "ab")
        scales = 2.0 ** draw(hnp.arrays(np.int8, scales, elements=st.integers(-2, 2)))
    else:
        # subnormal numbers have fewer digits: multiplied by 1/2, they are rounded
        some = st.just(0.0) | st.floats(2.0**-60, 8, width=32)
        values = hnp.arrays(np.float32, shape, elements=some)
        h, h0 = (draw(values) for _ in "ab")
        scales = draw(hnp.arrays(np.float64, scales, elements=st.floats(0.25, 4)))
    s, u = (draw(counts(shape, dtype=np.int8)) for _ in "su")
    scaled = (np.float32(x * d[:, None]) for x, d in zip((s, u), scales.T, strict=True))
    numbers = draw(group_codes(shape[0])) if samples else None
    return Instruments(h, h0, *scaled, scales, numbers)


def of_cells(made, rows):
    """Return the instruments of some of the cells, or of all in another order."""
    return Instruments(
        *(x[rows] for x in (made.h, made.h0, made.spliced, made.unspliced, made.scales)),
        None if made.samples is None else made.samples[rows],
    )


@st.composite
def contributions(draw, n_dims=2, *, most=12):
    """Draw what cells contribute to an arrow, (cells, dimensions), with a spread in all of them."""
    n_cells = draw(st.integers(n_dims + 2, most))
    values = draw(velocities((n_cells, n_dims)))
    # a simplex around what was drawn: no direction is without spread
    corners = np.concatenate([np.eye(n_dims), -np.ones((1, n_dims))])
    values[: n_dims + 1] = 8 * corners + values[: n_dims + 1] / 8
    return values


@st.composite
def arrows(draw, n_dims=2, *, most=6):
    """Draw arrows with their covariances and numbers of contributions."""
    drawn = [draw(contributions(n_dims)) for _ in range(draw(st.integers(1, most)))]
    covariances = np.stack([np.cov(x.T, ddof=1).reshape(n_dims, n_dims) / len(x) for x in drawn])
    return (
        np.stack([x.mean(axis=0) for x in drawn]),
        covariances,
        np.array([*map(len, drawn)], float),
    )
