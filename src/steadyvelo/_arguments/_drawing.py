"""Arguments that matplotlib would refuse only while it draws."""

from __future__ import annotations

import difflib

from ._kinds import name

__all__ = ["color_map", "legend_place"]

_OWN_PLACES = ("auto", "on data", "right margin", "none")


def color_map(argument: str, value: object) -> str:
    """Take the name of a colour map of matplotlib."""
    found: str = name("the name of a colour map of matplotlib")(argument, value)
    from matplotlib import colormaps  # noqa: PLC0415 (slow to import)

    if found not in colormaps:
        close = difflib.get_close_matches(found, colormaps, n=1) or ["viridis"]
        msg = (
            f"{argument}={found!r} is not a colour map of matplotlib; see matplotlib.colormaps, "
            f"which has {close[0]!r}."
        )
        raise ValueError(msg)
    return found


def legend_place(argument: str, value: object) -> str | None:
    """Take a place of a legend, here or in matplotlib; ``"none"`` becomes None."""
    found: str = name("a place for the legend")(argument, value)
    from matplotlib.legend import Legend  # noqa: PLC0415 (slow to import)

    places = [*_OWN_PLACES, *Legend.codes]
    if found not in places:
        msg = f"{argument} must be one of {', '.join(map(repr, places))}; it is {found!r}."
        raise ValueError(msg)
    return None if found == "none" else found
