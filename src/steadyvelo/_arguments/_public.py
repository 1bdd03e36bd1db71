"""Wrappers of public functions, which check their arguments before the function begins."""

from __future__ import annotations

import difflib
import inspect
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from steadyvelo._log import nested
from steadyvelo._settings import settings

from ._table import ARGUMENTS, OF_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Binder", "check_fields", "names_checked", "picture", "public"]

P = ParamSpec("P")
Result = TypeVar("Result")
Choice = TypeVar("Choice")

# None means the value in the settings
_OF_SETTINGS = ("n_threads", "max_memory", "progress")
# arguments that are meant by names of other packages and of earlier versions, and by options of
# a choice that are given directly; the first that a function has is suggested
_NEIGHBORS, _SIZES = "neighbors=sv.Neighbors(...)", "size_factors=sv.SizeFactors(...)"
_MEANT = {
    "batch_key": ("sample_key", "within"),
    "clusters": ("groupby",),
    "constrain_ratio": ("gamma_bounds",),
    "fit_offset": ("offset",),
    "fit_offset2": ("mode=sv.Stochastic(fit_offset2=)",),
    "gene_clusters": ("uncertainty=sv.CrossFit(gene_clusters=)",),
    "level": ("uncertainty=sv.CrossFit(level=)",),
    "metric": (_NEIGHBORS,),
    "n_jobs": ("n_threads",),
    "n_neighbors": (_NEIGHBORS,),
    "n_pcs": (_NEIGHBORS,),
    "n_repeats": ("uncertainty=sv.CrossFit(n_repeats=)",),
    "n_splits": ("n_repeats", "uncertainty=sv.CrossFit(n_repeats=)"),
    "new_neighbors": (_NEIGHBORS,),
    "quantiles": ("weights=sv.Extremes(low, high)",),
    "random_state": ("rng",),
    "report": ("progress",),
    "seed": ("rng",),
    "size_factor_method": ("size_factors", "method"),
    "spliced_size": (_SIZES,),
    "unspliced_size": (_SIZES,),
    "use_rep": (_NEIGHBORS,),
    "vkey": ("velocity_key",),
    "within": (_NEIGHBORS,),
}


def public(function: Callable[P, Result]) -> Callable[P, Result]:
    """Check the arguments of a function by their names, and fill in values from the settings.

    Wrong types and values are refused before the function begins, so before anything is written.
    ``n_threads``, ``max_memory`` and ``progress`` are taken from the settings if they are None.
    ``rng`` is replaced by the integer that is recorded.
    """
    return _checked(function, nullcontext)


def picture(function: Callable[P, Result]) -> Callable[P, Result]:
    """Do the same for a function that draws, and use the figure style of the settings."""
    return _checked(function, _figure_style)


def check_fields(choice: Any) -> None:
    """Check the fields of a data class as arguments of the same names."""
    for field in fields(choice):
        value = getattr(choice, field.name)
        if value is not field.default and not (value is None and "None" in str(field.type)):
            # a choice is frozen once it is made
            object.__setattr__(choice, field.name, ARGUMENTS[field.name](field.name, value))


def names_checked(choice: type[Choice]) -> type[Choice]:
    """Let a data class refuse unknown options with the name that was probably meant."""
    make = choice.__init__
    known = inspect.signature(choice).parameters

    @wraps(make)
    def checked(self: Choice, *args: Any, **kwargs: Any) -> None:
        _refuse_unknown(choice.__name__, known, kwargs)
        make(self, *args, **kwargs)

    # types take __init__ for a method that cannot be replaced; here it is that of the data class
    choice.__init__ = checked  # type: ignore[method-assign, assignment]
    return choice


def _figure_style() -> AbstractContextManager[Any]:
    if settings.figure_style is None:
        return nullcontext()
    from matplotlib import style  # noqa: PLC0415 (slow to import)

    return style.context(settings.figure_style)


class Binder:
    """Binds the arguments of calls of a public function, after checking each by its name."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.signature = inspect.signature(function)
        self.parameters = self.signature.parameters
        checks = ARGUMENTS | OF_FUNCTIONS.get(function.__name__, {})
        self.checks = {name: checks[name] for name in self.parameters}
        # values that need no check
        self.allowed = {n: [each.default, *_none(each)] for n, each in self.parameters.items()}

    def bind(self, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        """Return the arguments of a call as the function gets them."""
        _refuse_unknown(self.function.__name__, self.parameters, kwargs)
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError:
            # Python's own message has the name of the function
            self.function(*args, **kwargs)
            raise
        values = bound.arguments
        for name, value in values.items():
            if not any(value is each for each in self.allowed[name]):
                values[name] = self.checks[name](name, value)
        if "rng" in self.checks:
            seed = values.get("rng", self.parameters["rng"].default)
            values["rng"] = self.checks["rng"]("rng", seed)
        for name in _OF_SETTINGS:
            if name in self.checks and values.get(name) is None:
                values[name] = _of_settings(name)
        return bound


def _checked(
    function: Callable[P, Result], context: Callable[[], AbstractContextManager[Any]]
) -> Callable[P, Result]:
    binder = Binder(function)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Result:
        try:
            bound = binder.bind(*args, **kwargs)
        except (TypeError, ValueError) as error:
            # the error is in the call, so the traceback of the checks is left out
            raise error.with_traceback(None) from None
        with nested(), context():
            return function(*bound.args, **bound.kwargs)

    return checked


def _of_settings(name: str) -> Any:
    """Return the value in the settings, which show no progress if nothing is reported."""
    silent = name == "progress" and settings.verbosity == 0
    return False if silent else getattr(settings, name)


def _none(parameter: inspect.Parameter) -> tuple[None] | tuple[()]:
    """Return None if the annotation of an argument allows it."""
    return (None,) if "None" in str(parameter.annotation) else ()


def _refuse_unknown(function: str, known: Mapping[str, Any], given: dict[str, Any]) -> None:
    """Refuse an unknown argument, and suggest the name that was probably meant."""
    unknown = next((name for name in given if name not in known), None)
    if unknown is None:
        return
    close = [name for name in _MEANT.get(unknown, ()) if name.partition("=")[0] in known]
    if not close:
        close = difflib.get_close_matches(unknown, known, n=1)
    meant = f"did you mean {close[0]}?" if close else f"it takes {', '.join(known)}."
    msg = f"{function}() has no argument {unknown!r}; {meant}"
    raise TypeError(msg)
