"""Steady-state RNA velocity: from spliced and unspliced counts to arrows and tests of them.

Every step is a function on an AnnData: :mod:`steadyvelo.pp` prepares the fit, :mod:`steadyvelo.tl`
computes fit, velocity graph, arrows and tests, :mod:`steadyvelo.get` returns tables,
:mod:`steadyvelo.pl` draws pictures, and :mod:`steadyvelo.report` writes a page.
:func:`steadyvelo.run` runs all steps in order. Modules are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._settings import settings
from ._version import __version__
from ._warnings import SteadyveloWarning

if TYPE_CHECKING:
    from . import datasets, engine, get, interop, io, metrics, model, pl, pp, report, tl
    from ._choices import CrossFit, Extremes, Neighbors, Sandwich, SizeFactors, Stochastic
    from ._run._planned import plan
    from ._run._run import run

__all__ = [
    "CrossFit",
    "Extremes",
    "Neighbors",
    "Sandwich",
    "SizeFactors",
    "SteadyveloWarning",
    "Stochastic",
    "__version__",
    "datasets",
    "engine",
    "get",
    "interop",
    "io",
    "metrics",
    "model",
    "pl",
    "plan",
    "pp",
    "report",
    "run",
    "settings",
    "tl",
]

# modules of the names that are imported when they are first used
_LAZY = {
    "CrossFit": "._choices",
    "Extremes": "._choices",
    "Neighbors": "._choices",
    "Sandwich": "._choices",
    "SizeFactors": "._choices",
    "Stochastic": "._choices",
    "plan": "._run._planned",
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
