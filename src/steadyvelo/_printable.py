"""Names and texts from data, in a form that is safe to show."""

from __future__ import annotations

__all__ = ["printable", "printable_lines"]


def printable(text: object) -> str:
    r"""Return a text in which characters that cannot be seen are written as escapes.

    These are control characters, with which a name could forge a line or change the colours and
    title of a terminal, and marks that reverse the direction of what follows.

    Examples
    --------
    >>> print(printable("α\nsupported \x1b[31m"))
    α\nsupported \x1b[31m
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    # lone surrogates, from file names that are not UTF-8, are not printable either
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def printable_lines(text: object) -> str:
    """Return the same of a text that may have several lines, for pictures and pages."""
    return "\n".join(map(printable, str(text).split("\n")))
