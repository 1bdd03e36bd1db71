"""Kinds of arguments: each refuses, by name and value and with a remedy, what is not of it.

A check is a function of an argument's name and value that returns the value as functions use it:
plain numbers, flags and lists in place of NumPy's and pandas'.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, NoReturn, TypeAlias

import numpy as np

from ._shown import shown

__all__ = [
    "Check",
    "an_adata",
    "any_of",
    "axes",
    "choice",
    "file_path",
    "flag",
    "instance",
    "mapping",
    "name",
    "names",
    "number",
    "pairs",
    "seed",
    "share",
    "whole_number",
    "whole_pair",
]

Check: TypeAlias = Callable[[str, Any], Any]

# what other libraries take as a seed, too
_MOST_SEED = 2**32 - 1


def refuse(argument: str, must_be: str, value: object, remedy: str = "") -> NoReturn:
    """Refuse a value of a wrong type."""
    msg = f"{argument} must be {must_be}; it is {shown(value)}." + (f" {remedy}" if remedy else "")
    raise TypeError(msg)


def name(what: str) -> Check:
    """Take one name, as a string."""

    def check(argument: str, value: Any) -> str:
        if not isinstance(value, str):
            refuse(argument, f"{what}, as a string", value)
        if not value:
            msg = f"{argument} must be {what}; it is an empty string."
            raise ValueError(msg)
        return str(value)

    return check


def names(what: str, *, numbers: bool = False) -> Check:
    """Take one name or several, in any sequence; with `numbers` also whole numbers."""

    def one(argument: str, value: Any) -> str:
        if isinstance(value, str):
            return str(value)
        if numbers and isinstance(value, (int, np.integer)) and not isinstance(value, bool):
            return str(value)
        mask = isinstance(value, (bool, np.bool_))
        remedy = "For a mask give the names it selects, as adata.var_names[mask]." if mask else ""
        return refuse(argument, f"{what}, as strings", value, remedy)

    def check(argument: str, value: Any) -> str | list[str]:
        if isinstance(value, str):
            return str(value)
        is_list = isinstance(value, Iterable) and not isinstance(value, (Mapping, bytes))
        if not is_list or getattr(value, "ndim", 1) != 1:
            refuse(argument, f"{what}: a string or a list of strings", value)
        return [one(argument, each) for each in value]

    return check


def flag(argument: str, value: Any) -> bool:
    """Take True or False."""
    if not isinstance(value, (bool, np.bool_)):
        refuse(argument, "True or False", value)
    return bool(value)


def whole_number(least: int) -> Check:
    """Take a whole number that is not under the least."""

    def check(argument: str, value: Any) -> int:
        found = _index(value)
        if found is None:
            refuse(argument, "a whole number", value)
        if found < least:
            msg = f"{argument} must be at least {least}; it is {found}."
            raise ValueError(msg)
        return found

    return check


def number(*, least: float = -math.inf, above: float = -math.inf, most: float = math.inf) -> Check:
    """Take a finite number in a range; `above` itself is not in it."""

    def check(argument: str, value: Any) -> float:
        found = _real(argument, value)
        if not (math.isfinite(found) and least <= found <= most and found > above):
            msg = f"{argument} must be {_range(least, above, most)}; it is {value}."
            raise ValueError(msg)
        return found

    return check


def share(argument: str, value: Any) -> float:
    """Take a probability between 0 and 1, as of an interval."""
    found = _real(argument, value)
    if not 0 < found < 1:
        msg = f"{argument} must lie between 0 and 1, as 0.95 for 95 %; it is {value}."
        raise ValueError(msg)
    return found


def choice(*choices: Any) -> Check:
    """Take one of a few values."""

    def check(argument: str, value: Any) -> Any:
        for each in choices:
            alike = isinstance(value, str) if isinstance(each, str) else type(value) is type(each)
            if alike and value == each:
                return each
        msg = f"{argument} must be one of {', '.join(map(repr, choices))}; it is {shown(value)}."
        raise (ValueError if isinstance(value, (str, int, float)) else TypeError)(msg)

    return check


def instance(what: str, *class_names: str) -> Check:
    """Take an object of a class of one of these names, which need not be imported for it."""

    def check(argument: str, value: Any) -> Any:
        if not {each.__name__ for each in type(value).__mro__} & set(class_names):
            refuse(argument, what, value)
        return value

    return check


def any_of(what: str, *checks: Check) -> Check:
    """Take what one of the checks takes; the error of a right type and wrong value is its own."""

    def check(argument: str, value: Any) -> Any:
        wrong_value = None
        for each in checks:
            try:
                return each(argument, value)
            except ValueError as error:
                wrong_value = wrong_value or error
            except TypeError:
                continue
        if wrong_value is not None:
            raise wrong_value
        return refuse(argument, what, value)

    return check


def mapping(what: str) -> Check:
    """Take a mapping."""

    def check(argument: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            refuse(argument, what, value)
        return value

    return check


def pairs(argument: str, value: Any) -> list[tuple[str, str]]:
    """Take a list of pairs of names, an array of two columns among them."""
    refusal = "a list of pairs of clusters, as [('first', 'second')]"
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, (str, bytes)):
        refuse(argument, refusal, value)
    for pair in value:
        two = isinstance(pair, (Sequence, np.ndarray)) and not isinstance(pair, (str, bytes))
        if not two or len(pair) != 2:
            refuse(argument, refusal, value)
    return [(str(first), str(second)) for first, second in value]


def whole_pair(argument: str, value: Any) -> tuple[int, int]:
    """Take two whole numbers from 0."""
    two = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))
    found = [_index(each) for each in value] if two else []
    if len(found) != 2 or None in found:
        refuse(argument, "two whole numbers, as (0, 1)", value)
    first, second = (-1 if each is None else each for each in found)
    if min(first, second) < 0:
        msg = f"{argument} counts from 0; it is {value}."
        raise ValueError(msg)
    return first, second


def axes(argument: str, value: Any) -> Any:
    """Take axes of matplotlib, or several."""
    several = value if isinstance(value, (Sequence, np.ndarray)) else [value]
    each_draws = [hasattr(each, "get_figure") for each in np.ravel(np.asarray(several, object))]
    if isinstance(value, str) or not each_draws or not all(each_draws):
        refuse(argument, "axes of matplotlib, or None for new ones", value)
    return value


def file_path(argument: str, value: Any) -> Any:
    """Take the path of a file or folder."""
    if not isinstance(value, (str, os.PathLike)):
        refuse(argument, "the path of a file or folder", value)
    if not os.fspath(value):
        msg = f"{argument} is an empty string; name a file or folder."
        raise ValueError(msg)
    return value


def an_adata(argument: str, value: Any) -> Any:
    """Take an AnnData."""
    from anndata import AnnData  # noqa: PLC0415 (slow to import)

    if not isinstance(value, AnnData):
        path = isinstance(value, (str, os.PathLike))
        remedy = "Read the file first, as adata = steadyvelo.io.read(path)." if path else ""
        refuse(argument, "an AnnData", value, remedy)
    return value


def seed(argument: str, value: Any) -> int:
    """Return an integer seed: the one given, one drawn by a generator, or for None a fresh one."""
    if value is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(value, np.random.Generator):
        return int(value.integers(2**31))
    found = _index(value)
    if found is None:
        how = "a whole number, a numpy.random.Generator, or None for a new number at each call"
        refuse(argument, how, value)
    if not 0 <= found <= _MOST_SEED:
        msg = f"{argument} must be a whole number from 0 to {_MOST_SEED:,}; it is {found}."
        raise ValueError(msg)
    return found


def _index(value: Any) -> int | None:
    """Return a whole number as int, None for everything else."""
    if isinstance(value, (bool, np.bool_, np.ndarray)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _real(argument: str, value: Any) -> float:
    """Return a number of Python for one of NumPy; refuse everything else."""
    if not isinstance(value, Real) or isinstance(value, bool):
        refuse(argument, "a number", value)
    return value.item() if isinstance(value, np.generic) else value  # type: ignore[return-value]


def _range(least: float, above: float, most: float) -> str:
    """Return a range in words."""
    if most < math.inf:
        return f"from {least:g} to {most:g}"
    if above == 0:
        return "positive and finite"
    return "finite and not negative" if least == 0 else "finite"
