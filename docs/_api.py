"""The page of the public interface, which conf.py writes."""

from __future__ import annotations

import importlib

PAGES = {
    "io": "Read and write files",
    "pp": "Before the fit",
    "tl": "The fit, the graph and what follows from them",
    "get": "Values as tables",
    "pl": "Figures",
    "report": "The report page",
    "metrics": "Comparison with known truth or order",
    "interop": "Formats of other packages",
    "datasets": "Simulated data",
    "model": "The model, on arrays",
    "engine": "Gene blocks and graphs, on arrays",
}


def page() -> str:
    """Return the page: every public name with the first sentence of its docstring."""
    parts = [
        "# Interface\n",
        "`import steadyvelo as sv`; the functions below are `sv.pp.size_factors` and so on.\n",
        _listed("steadyvelo", ["run", "SteadyveloWarning"]),
    ]
    for name, title in PAGES.items():
        module = importlib.import_module(f"steadyvelo.{name}")
        parts += [f"## `{name}`: {title}\n", _listed(module.__name__, module.__all__)]
    return "\n".join(parts)


def _listed(module: str, names: list[str]) -> str:
    lines = "\n".join(f"   {name}" for name in names)
    return f"""```{{eval-rst}}
.. automodule:: {module}
   :no-members:

.. currentmodule:: {module}

.. autosummary::
   :toctree: generated
   :nosignatures:

{lines}
```
"""
