"""Streamlines of a field that lie evenly, in every place that has cells."""

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

# steps of a line in one distance between lines
_STEPS = 6
# lines end where they come nearer to another than this share of that distance
_NEAREST = 0.6
# the shortest line, and beside nothing else the shortest, in distances between lines
_SHORTEST, _SHORTEST_ALONE = 3.0, 1.0
# the longest, as share of the larger side
_LONGEST = 1.0
# mean of four unit vectors under which they point apart: a line would jump
_TURNING = 0.2


def streamlines(field: Field, distance: float) -> list[NDArray[np.float64]]:
    """Return lines along the arrows of a field, each of shape (places, 2).

    Each line starts `distance` beside another, or where there is none near, at the longest arrow;
    it ends where no cells are near, where arrows point apart, or at 0.6 of the distance from
    another line (Jobard and Lefer, 1997, https://doi.org/10.1007/978-3-7091-6876-9_5). Places that
    lie farther than twice the distance from all lines get short ones.
    """
    drawn = _Lines(field, distance)
    there = ~np.ma.getmaskarray(field.u)
    x, y = np.meshgrid(field.x, field.y)
    order = np.argsort(-field.length[there].filled(0.0), kind="stable")
    starts = np.stack([x[there][order], y[there][order]], axis=1)
    drawn.fill(starts, apart=1.0, shortest=_SHORTEST)
    drawn.fill(starts, apart=2.0, shortest=_SHORTEST_ALONE)
    return [np.array(line) for line in drawn.lines]


class _Lines:
    """Lines that were drawn, and what lies near them."""

    def __init__(self, field: Field, distance: float) -> None:
        self.lines: list[list[Place]] = []
        self._distance = distance
        self._most_steps = int(0.5 * _LONGEST * field.side / distance * _STEPS)
        self._corner = float(field.x[0]), float(field.y[0])
        self._step = field.step
        there = ~np.ma.getmaskarray(field.u)
        length = np.where(there, field.length.filled(0.0), np.nan)
        length[length == 0] = np.nan
        # unit vectors as lists, whose items Python reads faster than those of arrays
        self._u = (field.u.filled(0.0) / length).tolist()
        self._v = (field.v.filled(0.0) / length).tolist()
        # places of lines by squares of that distance
        self._squares: dict[tuple[int, int], list[Place]] = defaultdict(list)

    def fill(self, starts: NDArray[np.float64], *, apart: float, shortest: float) -> None:
        """Draw lines from places, shape (places, 2), as far as they are apart from all others."""
        left = self._far(starts, apart)
        while len(left):
            x, y = left[0].tolist()
            grown = self._grow((x, y), apart, shortest)
            left = self._far(left[1:], apart) if grown else left[1:]

    def _far(self, places: NDArray[np.float64], apart: float) -> NDArray[np.float64]:
        """Return those of the places that are as far from all lines."""
        if not self.lines or len(places) == 0:
            return places
        nearest, _ = KDTree(np.concatenate(self.lines)).query(places)
        return places[nearest >= apart * self._distance]

    def _grow(self, start: Place, apart: float, shortest: float) -> bool:
        """Draw a line through a place, then lines beside it, beside these, and so on.

        Returns whether there is a line through the place.
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
        """Return the line through a place, kept; empty where none of that length fits."""
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
        """Follow the arrows, or with −1 go against them, by steps to the midpoint and on.

        `other` is the other half, from its start on.
        """
        step = sign * self._distance / _STEPS
        line: list[Place] = []
        while len(line) < self._most_steps:
            way = self._way(place)
            if way is None:
                break
            way = self._way((place[0] + 0.5 * step * way[0], place[1] + 0.5 * step * way[1]))
            if way is None:
                break
            place = place[0] + step * way[0], place[1] + step * way[1]
            if self._is_near(place, _NEAREST * self._distance) or self._way(place) is None:
                break
            # turning back takes some steps, and need not be looked for at each
            passed = len(line) % (_STEPS // 2) == 0 and [*other[_STEPS:], *line[: -2 * _STEPS]]
            if passed and self._meets(place, passed):
                break
            line.append(place)
        return line

    def _meets(self, place: Place, line: list[Place]) -> bool:
        """Tell whether a line comes near to where it was: it would run in circles."""
        x, y = place
        near = _NEAREST * self._distance
        return any((x - a) * (x - a) + (y - b) * (y - b) < near * near for a, b in line[::2])

    def _way(self, place: Place) -> Place | None:
        """Return the unit vector at a place; None where no cells are near or arrows point apart."""
        x = (place[0] - self._corner[0]) / self._step
        y = (place[1] - self._corner[1]) / self._step
        i, j = int(x), int(y)
        if x < 0 or y < 0 or j + 1 >= len(self._u) or i + 1 >= len(self._u[0]):
            return None
        # bilinear, written out: it is called at every step of every line
        a, b = x - i, y - j
        low, high = self._u[j], self._u[j + 1]
        u = (1 - b) * ((1 - a) * low[i] + a * low[i + 1])
        u += b * ((1 - a) * high[i] + a * high[i + 1])
        low, high = self._v[j], self._v[j + 1]
        v = (1 - b) * ((1 - a) * low[i] + a * low[i + 1])
        v += b * ((1 - a) * high[i] + a * high[i + 1])
        length = hypot(u, v)
        # false for NaN, too
        return (u / length, v / length) if length > _TURNING else None

    def _square(self, place: Place) -> tuple[int, int]:
        return int(place[0] // self._distance), int(place[1] // self._distance)

    def _is_near(self, place: Place, distance: float) -> bool:
        """Tell whether a line passes nearer than this, at most twice the distance of lines."""
        x, y = place
        squares, side = self._squares, self._distance
        for column in range(int((x - distance) // side), int((x + distance) // side) + 1):
            for row in range(int((y - distance) // side), int((y + distance) // side) + 1):
                for a, b in squares.get((column, row), ()):
                    if (x - a) * (x - a) + (y - b) * (y - b) < distance * distance:
                        return True
        return False
