"""Settings of the documentation: make docs."""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))
import _api
import _pictures

import steadyvelo

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_api.write(Path(__file__).parent)

project = "steadyvelo"
author = "The steadyvelo developers"
copyright = author  # noqa: A001 (Sphinx's name)
version = release = steadyvelo.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
nitpicky = True
# other packages' types: their inventories would be fetched from the network
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(anndata|matplotlib|numpy|pandas|scipy|os|pathlib|collections|typing|warnings)\b.*",
    ),
]
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = True
autosummary_ignore_module_all = False
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"

html_theme = "sphinx_book_theme"
html_title = "steadyvelo"
# the theme has a field for search at the side; this would be a second one at the top
html_theme_options = {"home_page_in_toc": True, "show_navbar_depth": 1, "navbar_persistent": []}

# formulas are drawn by a file that lies with the pages, which need no network then
html_static_path = [
    str(distribution("django-static-mathjax").locate_file("mathjax/static/mathjax/es5/tex-svg.js"))
]
mathjax_path = "tex-svg.js"

plot_formats = ["png"]
plot_html_show_formats = False
plot_html_show_source_link = False


def setup(app: Sphinx) -> None:
    """Draw what the examples draw, before numpydoc reads the docstrings."""
    app.connect("autodoc-process-docstring", _pictures.draw_examples, priority=100)
