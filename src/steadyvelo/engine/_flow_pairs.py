"""Pairs of groups between which there are edges, whose flows are retested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from steadyvelo.model._typing import IntArray

    from ._fold_graph import FoldGraphs

__all__ = ["bordering_pairs", "no_pairs", "pairs_of_groups"]

# the retest solves equations of all pairs for every gene that is left out
_MOST_PAIRS = 500


def no_pairs() -> IntArray:
    """Return the array that means that arrows of groups are retested, not flows."""
    return np.zeros((0, 0), dtype=np.int64)


def bordering_pairs(graphs: FoldGraphs, groups: IntArray, n_groups: int) -> IntArray:
    """Return the number of each pair of groups with edges between them, −1 for the others.

    `groups` has the group of each row, −1 for rows without one. Of very many pairs, those with the
    most edges have a number. The result has the shape (groups, groups) and is symmetric.
    """
    edges = np.zeros(n_groups * n_groups, dtype=np.int64)
    for graph in graphs.graphs:
        near = graph.neighbors
        own, other = np.repeat(groups, np.diff(near.indptr)), groups[near.indices]
        known = (own >= 0) & (other >= 0)
        edges += np.bincount(own[known] * n_groups + other[known], minlength=len(edges))
    of_pairs = edges.reshape(n_groups, n_groups)
    of_pairs = np.triu(of_pairs + of_pairs.T, 1)
    first, second = np.nonzero(of_pairs)
    some = np.sort(np.argsort(-of_pairs[first, second], kind="stable")[:_MOST_PAIRS])
    first, second = first[some], second[some]
    pairs: IntArray = np.full((n_groups, n_groups), -1, dtype=np.int64)
    pairs[first, second] = pairs[second, first] = np.arange(len(some))
    return pairs


def pairs_of_groups(pairs: IntArray, some: IntArray) -> tuple[IntArray, IntArray]:
    """Return the numbers of the pairs of some groups, and for every pair its place among these.

    The second is −1 for other pairs, shape (groups, groups). A group −1 belongs to no pair.
    """
    rows = pairs[some[some >= 0]]
    numbers = np.unique(rows[rows >= 0])
    place = np.full(pairs.max(initial=-1) + 2, -1, dtype=np.int64)
    place[numbers] = np.arange(len(numbers))
    # a pair without a number, −1, has the last place
    return numbers, place[pairs]
