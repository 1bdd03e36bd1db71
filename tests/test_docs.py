"""Documentation that repeats what the code says must not drift from it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import steadyvelo as sv

ROOT = Path(__file__).parents[1]


def test_the_table_of_fields_is_up_to_date():
    spec = importlib.util.spec_from_file_location("fields", ROOT / "docs" / "fields.py")
    fields = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fields)
    assert fields.table() in (ROOT / "docs" / "anndata.md").read_text()


def test_functions_and_options_named_in_the_documentation_exist():
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for name in re.findall(r"\b(?:sv|steadyvelo)\.((?:\w+\.)*\w+)\(", page.read_text()):
            found = sv
            for part in name.split("."):
                found = getattr(found, part)
            assert callable(found)


def test_versions_agree():
    assert f"version: {sv.__version__}" in (ROOT / "CITATION.cff").read_text()
