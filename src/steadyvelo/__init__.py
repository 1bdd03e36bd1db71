"""Steady-state RNA velocity: from spliced and unspliced counts to arrows that can be defended.

The steps are functions on an AnnData: :mod:`steadyvelo.pp` before the fit, :mod:`steadyvelo.tl`
the fit, the graph and the arrows, :mod:`steadyvelo.get` their tables, :mod:`steadyvelo.pl`
pictures, :mod:`steadyvelo.report` a page; :func:`steadyvelo.run` does them in order. Nothing heavy
is imported before it is needed.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._settings import settings
from ._version import __version__
from ._warnings import SteadyveloWarning

if TYPE_CHECKING:
    from . import datasets, engine, get, interop, io, metrics, model, pl, pp, report, tl
    from ._choices import CrossFit, Extremes, Neighbors, Sandwich, SizeFactors
    from ._run._run import run

__all__ = [
    "CrossFit",
    "Extremes",
    "Neighbors",
    "Sandwich",
    "SizeFactors",
    "SteadyveloWarning",
    "__version__",
    "datasets",
    "engine",
    "get",
    "interop",
    "io",
    "metrics",
    "model",
    "pl",
    "pp",
    "report",
    "run",
    "settings",
    "tl",
]

# where names lie that are imported when they are first asked for
_LAZY = {
    "CrossFit": "._choices",
    "Extremes": "._choices",
    "Neighbors": "._choices",
    "Sandwich": "._choices",
    "SizeFactors": "._choices",
    "run": "._run._run",
}
_SUBPACKAGES = set(__all__) - {"SteadyveloWarning", "__version__", "settings", *_LAZY}


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f".{name}", __name__)
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name], __name__), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
