"""Settings of the documentation: make docs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import _api

import steadyvelo

(Path(__file__).parent / "api.md").write_text(_api.page(), encoding="utf-8")

project = "steadyvelo"
author = "The steadyvelo developers"
copyright = author  # noqa: A001 (Sphinx's name)
version = release = steadyvelo.__version__

extensions = [
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
html_theme_options = {"home_page_in_toc": True, "show_navbar_depth": 1}
