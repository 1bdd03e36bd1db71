"""Sizes of text and figures, and colours of lines, for all pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LEGEND_TEXT", "MAP_SIDE", "NAME_TEXT", "NOTE_TEXT", "STRONG", "tone_apart"]

# sizes of names of clusters on the data, of legends, and of notes inside a picture
NAME_TEXT, LEGEND_TEXT, NOTE_TEXT = "medium", "small", "x-small"
# larger side of a picture of cells on an embedding, inches
MAP_SIDE = 7.0
# colour of significant lines and arrows; for those that are not significant, the first of these
# colours that differs enough from the colours of the cells
STRONG = "#1a1a1a"
_PALE = ("#8a8a8a", "#6c7a89", "#8a7a6a", "#7a6a8a", "#6a8a7a", "#b5b5b5", "#5f5f5f")
_FAR_ENOUGH = 0.2


def tone_apart(colors: Iterable[Any]) -> str:
    """Return a pale colour that differs from the given colours, if there is one."""
    taken = np.array([mpl.colors.to_rgb(color) for color in colors]).reshape(-1, 3)
    if len(taken) == 0:
        return _PALE[0]
    nearest = [
        float(np.linalg.norm(taken - mpl.colors.to_rgb(tone), axis=1).min()) for tone in _PALE
    ]
    far = [tone for tone, distance in zip(_PALE, nearest, strict=True) if distance >= _FAR_ENOUGH]
    return far[0] if far else _PALE[int(np.argmax(nearest))]
