"""The examples of a function that draws, as the picture they draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def draw_examples(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Turn the doctest of a function of `pl` into a picture with its code below."""
    del app, what, obj, options
    if not name.startswith("steadyvelo.pl.") or "Examples" not in lines:
        return
    start = lines.index("Examples") + 2
    code = [f"   {line}" for line in lines[start:]]
    lines[start:] = [".. plot::", "   :include-source: true", "", *code, ""]
