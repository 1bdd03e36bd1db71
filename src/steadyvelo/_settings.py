"""Settings for all calls, unless an argument of a call differs."""

from __future__ import annotations

import operator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._memory_size import memory_text, parse_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Settings", "settings"]

_MEANINGS = {
    "verbosity": "0: errors only; 1: also results and warnings; 2: also details",
    "n_threads": "threads of a computation; None: all processors of this process",
    "max_memory": "bytes that a call may use, or text such as '8GB'; None: available memory",
    "progress": "show a progress bar",
    "figure_style": "matplotlib style of figures; None: the current style",
}


class Settings:
    """Settings for all calls; an argument of a call takes precedence.

    Attributes
    ----------
    verbosity
        0: errors only, without warnings of this package. 1: also results and warnings. 2: also
        details.
    n_threads
        Number of threads. None means all processors that this process may use.
    max_memory
        Memory that one call may use, in bytes or as text such as ``"8GB"``. None means the
        available memory.
    progress
        Whether to show a progress bar during long computations; none is shown with verbosity 0.
    figure_style
        Style of figures: the name of a matplotlib style, a mapping of parameters such as
        ``{"figure.dpi": 200}``, or a list of these. None means the current style.

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
        """How much is reported: 0, 1 or 2."""
        return self._verbosity

    @verbosity.setter
    def verbosity(self, value: int) -> None:
        if type(value) is not int or value not in (0, 1, 2):
            msg = f"settings.verbosity must be 0, 1 or 2; it is {value!r}."
            raise ValueError(msg)
        self._verbosity = value

    @property
    def n_threads(self) -> int | None:
        """Number of threads, or None."""
        return self._n_threads

    @n_threads.setter
    def n_threads(self, value: int | None) -> None:
        self._n_threads = None if value is None else thread_number("settings.n_threads", value)

    @property
    def max_memory(self) -> int | None:
        """Bytes that a call may use, or None."""
        return self._max_memory

    @max_memory.setter
    def max_memory(self, value: float | str | None) -> None:
        self._max_memory = None if value is None else parse_memory("settings.max_memory", value)

    @property
    def progress(self) -> bool:
        """Whether progress bars are shown."""
        return self._progress

    @progress.setter
    def progress(self, value: bool) -> None:
        if not isinstance(value, bool):
            msg = f"settings.progress must be True or False; it is {value!r}."
            raise TypeError(msg)
        self._progress = value

    @property
    def figure_style(self) -> Any:
        """Style of figures, or None."""
        return self._figure_style

    @figure_style.setter
    def figure_style(self, value: Any) -> None:
        if value is not None:
            from matplotlib import style  # noqa: PLC0415 (slow to import)

            try:
                with style.context(value):
                    pass
            except Exception as error:
                # matplotlib raises several kinds of errors for unknown styles
                msg = (
                    f"settings.figure_style={value!r} is not a style of matplotlib (see "
                    "matplotlib.style.available) or a mapping of its parameters."
                )
                raise ValueError(msg) from error
        self._figure_style = value

    @contextmanager
    def override(self, **values: Any) -> Iterator[Settings]:
        """Change settings within a ``with`` block only."""
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


def thread_number(name: str, value: Any) -> int:
    """Return a number of threads; refuse other values with the name of the argument."""
    try:
        if isinstance(value, bool):
            raise TypeError  # noqa: TRY301 (gets the same message as other wrong types)
        number = operator.index(value)
    except TypeError:
        msg = f"{name} must be a whole number of threads, or None for all; it is {value!r}."
        raise TypeError(msg) from None
    if number < 1:
        msg = f"{name} must be at least 1, or None for all processors; it is {number}."
        raise ValueError(msg)
    return number


settings = Settings()
