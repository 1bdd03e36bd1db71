"""Kinds of arguments; each refuses other values with the argument's name and a remedy.

A check is a function of an argument's name and value. It returns the value in the form that
functions use: plain numbers, flags and lists instead of NumPy's and pandas'.
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
    "mask",
    "name",
    "names",
    "number",
    "number_pair",
    "pairs",
    "seed",
    "share",
    "threshold",
    "whole_number",
    "whole_pair",
]

Check: TypeAlias = Callable[[str, Any], Any]

# the largest seed that other libraries accept
_MOST_SEED = 2**32 - 1


def refuse(argument: str, must_be: str, value: object, remedy: str = "") -> NoReturn:
    """Refuse a value of a wrong type."""
    msg = f"{argument} must be {must_be}; it is {shown(value)}." + (f" {remedy}" if remedy else "")
    raise TypeError(msg)


def name(what: str) -> Check:
    """Take one name, as text."""

    def check(argument: str, value: Any) -> str:
        if not isinstance(value, str):
            refuse(argument, f"{what} (one string)", value)
        if not value:
            msg = f"{argument} must be {what}; it is an empty string."
            raise ValueError(msg)
        return str(value)

    return check


def names(what: str, *, numbers: bool = False) -> Check:
    """Take one name or several in any sequence; with `numbers`, numbers become text."""

    def one(argument: str, value: Any) -> str:
        if isinstance(value, str):
            return str(value)
        if numbers and isinstance(value, Real) and not isinstance(value, bool):
            return str(value)
        mask = isinstance(value, (bool, np.bool_))
        remedy = "Give names instead of a mask, such as adata.var_names[mask]." if mask else ""
        return refuse(argument, f"{what} (strings)", value, remedy)

    def check(argument: str, value: Any) -> str | list[str]:
        if isinstance(value, str):
            return str(value)
        is_list = isinstance(value, Iterable) and not isinstance(value, (Mapping, bytes))
        if not is_list or getattr(value, "ndim", 1) != 1:
            refuse(argument, f"{what}: one string or a list of strings", value)
        return [one(argument, each) for each in value]

    return check


def flag(argument: str, value: Any) -> bool:
    """Take True or False."""
    if not isinstance(value, (bool, np.bool_)):
        refuse(argument, "True or False", value)
    return bool(value)


def whole_number(least: int) -> Check:
    """Take a whole number that is not below `least`."""

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
    """Take a finite number in a range that excludes `above`."""

    def check(argument: str, value: Any) -> float:
        found = _real(argument, value)
        if not (math.isfinite(found) and least <= found <= most and found > above):
            msg = f"{argument} must be {_range(least, above, most)}; it is {value}."
            raise ValueError(msg)
        return found

    return check


def threshold(argument: str, value: Any) -> float:
    """Take a number, or an infinity for a threshold that all or none exceed."""
    found = _real(argument, value)
    if math.isnan(found):
        msg = f"{argument} must be a number, or -inf for no threshold; it is {value}."
        raise ValueError(msg)
    return found


def share(argument: str, value: Any) -> float:
    """Take a probability between 0 and 1, such as the level of an interval."""
    found = _real(argument, value)
    if not 0 < found < 1:
        msg = f"{argument} must be between 0 and 1, such as 0.95 for 95 %; it is {value}."
        raise ValueError(msg)
    return found


def number_pair(argument: str, value: Any) -> tuple[float, float]:
    """Take the lowest and the highest number of a range, of which each may be infinite."""
    two = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))
    if not two or len(value) != 2 or not all(_is_real(each) for each in value):
        refuse(argument, "two numbers (low, high), such as (0, 20)", value)
    low, high = (float(each) for each in value)
    if not (low <= high and low < math.inf and high > -math.inf):
        must_be = "two numbers (low, high) with low ≤ high"
        msg = f"{argument} must be {must_be}; it is ({low:g}, {high:g})."
        raise ValueError(msg)
    return low, high


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
    """Take an object of a class with one of these names, without importing the class."""

    def check(argument: str, value: Any) -> Any:
        if not {each.__name__ for each in type(value).__mro__} & set(class_names):
            refuse(argument, what, value)
        return value

    return check


def any_of(what: str, *checks: Check) -> Check:
    """Take a value that one of the checks takes; a wrong value of a right type gets its error."""

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


def mask(argument: str, value: Any) -> Any:
    """Take True or False for each cell, as an array, a column or a list."""
    flags = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
    flags = flags and all(isinstance(each, (bool, np.bool_)) for each in value)
    dtype = getattr(value, "dtype", None)
    is_array = isinstance(dtype, np.dtype) and dtype.kind == "b" and value.ndim == 1
    if not (flags or is_array):
        refuse(argument, "a mask: an array of True and False", value)
    return value


def pairs(argument: str, value: Any) -> list[tuple[str, str]]:
    """Take a list of pairs of names, or an array with two columns."""
    refusal = "a list of pairs of clusters, such as [('first', 'second')]"
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, (str, bytes)):
        refuse(argument, refusal, value)
    if not all(_is_pair(each) for each in value):
        refuse(argument, refusal, value)
    return [(str(first), str(second)) for first, second in value]


def pair(argument: str, value: Any) -> tuple[str, str]:
    """Take the names of two clusters."""
    if not _is_pair(value):
        refuse(argument, "the names of two clusters, such as ('first', 'second')", value)
    first, second = value
    return str(first), str(second)


def _is_pair(value: Any) -> bool:
    two = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))
    return two and len(value) == 2


def whole_pair(argument: str, value: Any) -> tuple[int, int]:
    """Take two whole numbers that are not negative."""
    two = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))
    found = [_index(each) for each in value] if two else []
    if len(found) != 2 or None in found:
        refuse(argument, "two whole numbers, such as (0, 1)", value)
    first, second = (-1 if each is None else each for each in found)
    if min(first, second) < 0:
        msg = f"{argument} must not be negative; it is {value}."
        raise ValueError(msg)
    return first, second


def axes(argument: str, value: Any) -> Any:
    """Take one or several axes of matplotlib."""
    several = value if isinstance(value, (Sequence, np.ndarray)) else [value]
    each_draws = [hasattr(each, "get_figure") for each in np.ravel(np.asarray(several, object))]
    if isinstance(value, str) or not each_draws or not all(each_draws):
        refuse(argument, "axes of matplotlib, or None for new axes", value)
    return value


def file_path(argument: str, value: Any) -> Any:
    """Take the path of a file or folder."""
    if not isinstance(value, (str, os.PathLike)):
        refuse(argument, "the path of a file or folder", value)
    if not os.fspath(value):
        msg = f"{argument} is an empty string; give a file or folder."
        raise ValueError(msg)
    return value


def an_adata(argument: str, value: Any) -> Any:
    """Take an AnnData."""
    from anndata import AnnData  # noqa: PLC0415 (slow to import)

    if not isinstance(value, AnnData):
        path = isinstance(value, (str, os.PathLike))
        remedy = "Read the file first, with adata = steadyvelo.io.read(path)." if path else ""
        refuse(argument, "an AnnData", value, remedy)
    return value


def seed(argument: str, value: Any) -> int:
    """Return an integer seed: the given one, one from a generator, or a random one for None."""
    if value is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(value, np.random.Generator):
        return int(value.integers(2**31))
    found = _index(value)
    if found is None:
        how = "a whole number, a numpy.random.Generator, or None for a random seed"
        refuse(argument, how, value)
    if not 0 <= found <= _MOST_SEED:
        msg = f"{argument} must be a whole number from 0 to {_MOST_SEED:,}; it is {found}."
        raise ValueError(msg)
    return found


def _index(value: Any) -> int | None:
    """Return a whole number as int, and None for other values."""
    if isinstance(value, (bool, np.bool_, np.ndarray)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _is_real(value: Any) -> bool:
    """Tell whether a value is one number."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _real(argument: str, value: Any) -> float:
    """Return a number as a plain Python number; refuse other values."""
    if not _is_real(value):
        refuse(argument, "a number", value)
    plain: Any = value
    return plain.item() if isinstance(plain, np.generic) else plain


def _range(least: float, above: float, most: float) -> str:
    """Return the text for a range."""
    if most < math.inf:
        return f"from {least:g} to {most:g}"
    if above == 0:
        return "positive and finite"
    return "finite and not negative" if least == 0 else "finite"
