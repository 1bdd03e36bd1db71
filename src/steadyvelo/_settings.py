"""What holds for every call unless a call says otherwise."""

from __future__ import annotations

import operator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._memory_size import memory_text, parse_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Settings", "settings"]

_MEANINGS = {
    "verbosity": "0: errors alone; 1: what was done, and warnings; 2: details as well",
    "n_threads": "threads of a computation; None: all processors of this process",
    "max_memory": "bytes a call may take, or text such as '8GB'; None: what is available",
    "progress": "show a progress bar",
    "figure_style": "style of pictures, as matplotlib.style.context takes it; None: yours",
}


class Settings:
    """What holds for every call: an argument comes first, then these settings.

    Attributes
    ----------
    verbosity
        0: errors alone, without warnings of this package. 1: what was done, and warnings. 2:
        details as well.
    n_threads
        Threads of a computation. None means all processors that this process may use.
    max_memory
        Bytes that one call may take, or text such as ``"8GB"``. None means what is available.
    progress
        Show a progress bar during long computations.
    figure_style
        Style of pictures: name of a matplotlib style, mapping of parameters such as
        ``{"figure.dpi": 200}``, or a list of these. None means the style that is in use.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> sv.settings.n_threads = 4
    >>> with sv.settings.override(verbosity=0, max_memory="8GB"):
    ...     sv.settings.max_memory
    8000000000
    >>> sv.settings.max_memory is None
    True
    >>> sv.settings.n_threads = None
    """

    __slots__ = ("_figure_style", "_max_memory", "_n_threads", "_progress", "_verbosity")

    def __init__(self) -> None:
        self._verbosity = 1
        self._n_threads: int | None = None
        self._max_memory: int | None = None
        self._progress = False
        self._figure_style: Any = None

    @property
    def verbosity(self) -> int:
        """How much is said: 0, 1 or 2."""
        return self._verbosity

    @verbosity.setter
    def verbosity(self, value: int) -> None:
        if type(value) is not int or value not in (0, 1, 2):
            msg = f"settings.verbosity must be 0, 1 or 2; it is {value!r}."
            raise ValueError(msg)
        self._verbosity = value

    @property
    def n_threads(self) -> int | None:
        """Threads of a computation, or None."""
        return self._n_threads

    @n_threads.setter
    def n_threads(self, value: int | None) -> None:
        self._n_threads = None if value is None else thread_number("settings.n_threads", value)

    @property
    def max_memory(self) -> int | None:
        """Bytes that a call may take, or None."""
        return self._max_memory

    @max_memory.setter
    def max_memory(self, value: float | str | None) -> None:
        self._max_memory = None if value is None else parse_memory("settings.max_memory", value)

    @property
    def progress(self) -> bool:
        """Whether bars are shown."""
        return self._progress

    @progress.setter
    def progress(self, value: bool) -> None:
        if not isinstance(value, bool):
            msg = f"settings.progress must be True or False; it is {value!r}."
            raise TypeError(msg)
        self._progress = value

    @property
    def figure_style(self) -> Any:
        """Style of pictures, or None."""
        return self._figure_style

    @figure_style.setter
    def figure_style(self, value: Any) -> None:
        if value is not None:
            from matplotlib import style  # noqa: PLC0415 (slow to import)

            try:
                with style.context(value):
                    pass
            except Exception as error:
                # matplotlib refuses what is no style in several ways
                msg = (
                    f"settings.figure_style={value!r} is no style of matplotlib "
                    "(matplotlib.style.available lists them) and no mapping of its parameters."
                )
                raise ValueError(msg) from error
        self._figure_style = value

    @contextmanager
    def override(self, **values: Any) -> Iterator[Settings]:
        """Set some values for the calls of a ``with`` block alone."""
        unknown = sorted(set(values) - set(_MEANINGS))
        if unknown:
            msg = f"there is no setting {unknown[0]!r}; the settings are {', '.join(_MEANINGS)}."
            raise TypeError(msg)
        before = {name: getattr(self, name) for name in values}
        try:
            for name, value in values.items():
                setattr(self, name, value)
            yield self
        finally:
            for name, value in before.items():
                setattr(self, f"_{name}", value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.lstrip("_") not in _MEANINGS:
            msg = f"there is no setting {name!r}; the settings are {', '.join(_MEANINGS)}."
            raise AttributeError(msg)
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        lines = ["steadyvelo settings"]
        for name, meaning in _MEANINGS.items():
            value = getattr(self, name)
            text = memory_text(value) if name == "max_memory" else repr(value)
            lines.append(f"  {name:<13}= {text:<8} {meaning}")
        return "\n".join(lines)


def thread_number(name: str, value: object) -> int:
    """Return a number of threads; refuse by name what is none."""
    try:
        if isinstance(value, bool):
            raise TypeError  # noqa: TRY301 (refused as all that is no whole number)
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        msg = f"{name} must be a whole number of threads, or None for all; it is {value!r}."
        raise TypeError(msg) from None
    if number < 1:
        msg = f"{name} must be at least 1, or None for all processors; it is {number}."
        raise ValueError(msg)
    return number


settings = Settings()
