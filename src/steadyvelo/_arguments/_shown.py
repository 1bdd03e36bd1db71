"""Values in messages: short, with their type if it is not clear from the value."""

from __future__ import annotations

import numpy as np

__all__ = ["shown"]

_MOST = 60
_PLAIN = (str, bool, int, float, type(None))


def shown(value: object) -> str:
    """Return the text of a value in a message.

    Examples
    --------
    >>> import numpy as np
    >>> shown("umap"), shown([1, 2]), shown(np.ones(240))
    ("'umap'", '[1, 2] (a list)', 'an array of shape (240,)')
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    kind = type(value).__name__
    article = "an" if kind[0].lower() in "aeiou" else "a"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{article} {kind} of shape {shape}"
    if isinstance(value, str) and len(value) > _MOST:
        return repr(f"{value[:_MOST]}…")
    text = repr(value)
    if len(text) > _MOST or "\n" in text or " at 0x" in text:
        return f"{article} {kind}"
    return text if isinstance(value, _PLAIN) else f"{text} ({article} {kind})"
