"""Evenly spaced streamlines of a field, wherever there are cells."""

from __future__ import annotations

from collections import defaultdict, deque
from math import hypot
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._field import Field

__all__ = ["streamlines"]

Place = tuple[float, float]

# number of steps of a line in one distance between lines
_STEPS = 6
# a line ends where its distance from another line is below this share of the distance between lines
_NEAREST = 0.6
# length of the shortest line, and of the shortest line far from others, in distances between lines
_SHORTEST, _SHORTEST_ALONE = 3.0, 1.0
# length of the longest line, as share of the larger side
_LONGEST = 1.0
# if the length of the mean of four unit vectors is below this, they point in different directions,
# and a line ends
_TURNING = 0.2


def streamlines(
    field: Field, distance: float, scale: float | None = None
) -> list[NDArray[np.float64]]:
    """Return lines along the arrows of a field, each of shape (places, 2).

    Each line starts at `distance` from another line or, if no line is near, at the longest arrow.
    It ends where no cells are near, where neighbouring arrows point in different directions, or at
    0.6 of the distance from another line (Jobard and Lefer, 1997,
    https://doi.org/10.1007/978-3-7091-6876-9_5). Places farther than twice the distance from all
    lines get short lines. With `scale`, lines are as long as the larger side at most where arrows
    have this length, and in proportion where they are shorter.
    """
    drawn = _Lines(field, distance, scale)
    there = ~np.ma.getmaskarray(field.u)
    x, y = np.meshgrid(field.x, field.y)
    order = np.argsort(-field.length[there].filled(0.0), kind="stable")
    starts = np.stack([x[there][order], y[there][order]], axis=1)
    drawn.fill(starts, apart=1.0, shortest=_SHORTEST)
    drawn.fill(starts, apart=2.0, shortest=_SHORTEST_ALONE)
    return [np.array(line) for line in drawn.lines]


class _Lines:
    """Lines that were drawn, and a search for the lines near a place."""

    def __init__(self, field: Field, distance: float, scale: float | None) -> None:
        self.lines: list[list[Place]] = []
        self._distance = distance
        self._most_steps = 0.5 * _LONGEST * field.side / distance * _STEPS
        self._field, self._scale = field, scale
        self._corner = float(field.x[0]), float(field.y[0])
        self._step = field.step
        there = ~np.ma.getmaskarray(field.u)
        self._length = field.length.filled(0.0)
        length = np.where(there, self._length, np.nan)
        length[length == 0] = np.nan
        # unit vectors as lists, because Python reads their items faster than those of arrays
        self._u = (field.u.filled(0.0) / length).tolist()
        self._v = (field.v.filled(0.0) / length).tolist()
        # points of lines, by squares whose side is the distance between lines
        self._squares: dict[tuple[int, int], list[Place]] = defaultdict(list)

    def fill(self, starts: NDArray[np.float64], *, apart: float, shortest: float) -> None:
        """Draw lines from those places, shape (places, 2), that are far enough from other lines."""
        left = self._far(starts, apart)
        while len(left):
            x, y = left[0].tolist()
            grown = self._grow((x, y), apart, shortest)
            left = self._far(left[1:], apart) if grown else left[1:]

    def _far(self, places: NDArray[np.float64], apart: float) -> NDArray[np.float64]:
        """Return the places that are at least this far from all lines."""
        if not self.lines or len(places) == 0:
            return places
        nearest, _ = KDTree(np.concatenate(self.lines)).query(places)
        return places[nearest >= apart * self._distance]

    def _grow(self, start: Place, apart: float, shortest: float) -> bool:
        """Draw a line through a place, then its neighbours on both sides, and theirs.

        Returns whether a line was drawn through the place.
        """
        first = self._through(start, apart, shortest)
        waiting = deque([first] if first else [])
        while waiting:
            line = waiting.popleft()
            for place in line[:: _STEPS // 2]:
                way = self._way(place)
                if way is None:
                    continue
                for side in (1.01 * self._distance, -1.01 * self._distance):
                    beside = place[0] - side * way[1], place[1] + side * way[0]
                    another = self._through(beside, 1.0, shortest)
                    if another:
                        waiting.append(another)
        return bool(first)

    def _through(self, start: Place, apart: float, shortest: float) -> list[Place]:
        """Draw the line through a place and return it; empty if no line of this length fits."""
        if self._way(start) is None or self._is_near(start, apart * self._distance):
            return []
        before = self._half(start, -1.0, [])
        line = [*before[::-1], start, *self._half(start, 1.0, before)]
        if len(line) <= shortest * _STEPS:
            return []
        for place in line:
            self._squares[self._square(place)].append(place)
        self.lines.append(line)
        return line

    def _half(self, place: Place, sign: float, other: list[Place]) -> list[Place]:
        """Follow the arrows with `sign` 1, or go against them with −1, by the midpoint method.

        `other` is the other half of the line, from its start.
        """
        step = sign * self._distance / _STEPS
        line: list[Place] = []
        most_steps = int(self._most_steps * self._share(place))
        while len(line) < most_steps:
            way = self._way(place)
            if way is None:
                break
            way = self._way((place[0] + 0.5 * step * way[0], place[1] + 0.5 * step * way[1]))
            if way is None:
                break
            place = place[0] + step * way[0], place[1] + step * way[1]
            if self._is_near(place, _NEAREST * self._distance) or self._way(place) is None:
                break
            # a line needs several steps to return to itself, so not every step is checked
            passed = len(line) % (_STEPS // 2) == 0 and [*other[_STEPS:], *line[: -2 * _STEPS]]
            if passed and self._meets(place, passed):
                break
            line.append(place)
        return line

    def _share(self, place: Place) -> float:
        """Return the length of the arrow at a place, as share of the scale and at most 1."""
        if self._scale is None:
            return 1.0
        length = self._field.at(self._length, np.array([place]))
        return min(float(length[0]) / self._scale, 1.0)

    def _meets(self, place: Place, line: list[Place]) -> bool:
        """Return whether a place is near an earlier part of its line, as in a circle."""
        x, y = place
        near = _NEAREST * self._distance
        return any((x - a) * (x - a) + (y - b) * (y - b) < near * near for a, b in line[::2])

    def _way(self, place: Place) -> Place | None:
        """Return the unit vector at a place; None where lines end."""
        x = (place[0] - self._corner[0]) / self._step
        y = (place[1] - self._corner[1]) / self._step
        i, j = int(x), int(y)
        if x < 0 or y < 0 or j + 1 >= len(self._u) or i + 1 >= len(self._u[0]):
            return None
        # bilinear interpolation, written out because it runs at every step of every line
        a, b = x - i, y - j
        low, high = self._u[j], self._u[j + 1]
        u = (1 - b) * ((1 - a) * low[i] + a * low[i + 1])
        u += b * ((1 - a) * high[i] + a * high[i + 1])
        low, high = self._v[j], self._v[j + 1]
        v = (1 - b) * ((1 - a) * low[i] + a * low[i + 1])
        v += b * ((1 - a) * high[i] + a * high[i + 1])
        length = hypot(u, v)
        # the comparison is also false for NaN
        return (u / length, v / length) if length > _TURNING else None

    def _square(self, place: Place) -> tuple[int, int]:
        return int(place[0] // self._distance), int(place[1] // self._distance)

    def _is_near(self, place: Place, distance: float) -> bool:
        """Return whether a line is nearer than `distance`, at most twice that between lines."""
        x, y = place
        squares, side = self._squares, self._distance
        for column in range(int((x - distance) // side), int((x + distance) // side) + 1):
            for row in range(int((y - distance) // side), int((y + distance) // side) + 1):
                for a, b in squares.get((column, row), ()):
                    if (x - a) * (x - a) + (y - b) * (y - b) < distance * distance:
                        return True
        return False
