"""The pages of the public interface, which conf.py writes: one of tables per module."""

from __future__ import annotations

import importlib
import shutil
from typing import TYPE_CHECKING

import steadyvelo

if TYPE_CHECKING:
    from pathlib import Path

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


def write(docs: Path) -> None:
    """Write api.md, and in api/ a page per module with the first sentence of every name."""
    folder = docs / "api"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    top = [n for n in steadyvelo.__all__ if n not in PAGES and not n.startswith("__")]
    pages = {"steadyvelo": ("All steps at once", "steadyvelo", top)}
    for name, title in PAGES.items():
        module = importlib.import_module(f"steadyvelo.{name}")
        pages[name] = (title, module.__name__, module.__all__)
    for name, (title, module, names) in pages.items():
        text = f"# `{name}`: {title}\n\n{_listed(module, names)}"
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (docs / "api.md").write_text(_first_page(list(pages)), encoding="utf-8")


def _first_page(names: list[str]) -> str:
    pages = "\n".join(f"api/{name}" for name in names)
    return f"""# Interface

`import steadyvelo as sv`; a function of `pp` is `sv.pp.size_factors` and so on.

```{{toctree}}
:maxdepth: 1

{pages}
```
"""


def _listed(module: str, names: list[str]) -> str:
    lines = "\n".join(f"   {name}" for name in names)
    return f"""```{{eval-rst}}
.. automodule:: {module}
   :no-members:

.. currentmodule:: {module}

.. autosummary::
   :toctree: ../generated
   :nosignatures:

{lines}
```
"""
