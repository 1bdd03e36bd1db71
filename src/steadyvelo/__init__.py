"""Steady-state RNA velocity: from spliced and unspliced counts to arrows that can be defended.

The steps are functions on an AnnData: :mod:`steadyvelo.pp` before the fit, :mod:`steadyvelo.tl`
the fit, the graph and the arrows, :mod:`steadyvelo.pl` pictures, :mod:`steadyvelo.report` a page;
:func:`steadyvelo.run` does them in order. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._settings import settings
from ._version import __version__
from ._warnings import SteadyveloWarning

if TYPE_CHECKING:
    from . import datasets, engine, get, interop, io, metrics, model, pl, pp, report, tl
    from ._run._run import run

__all__ = [
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

_SUBPACKAGES = set(__all__) - {"SteadyveloWarning", "__version__", "run", "settings"}


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f".{name}", __name__)
    if name == "run":
        from ._run._run import run  # noqa: PLC0415 (imports every step)

        return run
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
