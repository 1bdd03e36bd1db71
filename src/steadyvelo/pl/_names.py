"""Names from the data as text of a picture."""

from __future__ import annotations

__all__ = ["as_text"]


def as_text(name: object) -> str:
    """Return a name that matplotlib draws as it stands: a dollar does not begin a formula."""
    return str(name).replace("$", r"\$")
