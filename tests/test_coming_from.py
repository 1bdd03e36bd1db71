"""The page for users of scVelo and velocyto: a row for everything, and names that exist."""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections import defaultdict
from dataclasses import replace
from functools import reduce
from pathlib import Path

import pytest
import typer

import steadyvelo as sv
from steadyvelo import _keys
from steadyvelo.cli._app import app

DOCS = Path(__file__).parents[1] / "docs"
COMMANDS = typer.main.get_command(app).commands
FIELDS = {(field.slot, field.of("velocity", "umap")) for field in _keys.FIELDS}
# other packages, and objects of theirs, whose names are not checked
THEIRS = (
    *("adata", "anndata.", "ax.", "cellrank.", "matplotlib.", "numpy.", "pandas.", "scanpy."),
    *("scipy.", "seaborn."),
)
MODULES = "datasets|engine|get|interop|io|metrics|model|pl|pp|report|tl"
# a name in text that is one of ours
OURS = re.compile(rf"(?:sv\.\w|(?:{MODULES})\.\w).*")
PACKAGES = ("scvelo", "velocyto")
NOTHING = object()


def loaded(name):
    """A module of the folder docs/coming_from, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "coming_from" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    # data classes look their module up
    importlib.sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


tables = loaded("tables")


@pytest.fixture(params=PACKAGES)
def answers(request):
    return tables.Answers(request.param)


def spans(text):
    return re.findall(r"`([^`]+)`", text)


def found(path):
    """What a dotted name is here, or NOTHING: settings may be None."""
    return reduce(lambda at, part: getattr(at, part, NOTHING), path.split("."), sv)


def callables(text):
    """What is called by the code in a text."""
    names = [re.match(r"(?:sv\.)?([\w.]+)", span) for span in spans(text)]
    each = [found(match[1]) for match in names if match]
    return [one for one in each if callable(one)]


def parameters(functions):
    return {name for each in functions for name in inspect.signature(each).parameters}


def wrong(span, functions):
    """What is wrong with a name of ours in code; empty if nothing. `functions` are of its row."""
    if span.startswith(THEIRS):
        return ""
    if command := re.fullmatch(r"steadyvelo (\w+)(.*)", span):
        name, rest = command.groups()
        known = {one for p in COMMANDS[name].params for one in p.opts} if name in COMMANDS else ()
        lacking = [option for option in re.findall(r"--[\w-]+", rest) if option not in known]
        return f"no such command: {span}" if name not in COMMANDS or lacking else ""
    if field := re.fullmatch(r'(obs|var|layers|obsm|obsp|uns)\["(\w+)"\]', span):
        return "" if field.groups() in FIELDS else f"no such field: {span}"
    if argument := re.fullmatch(r"(\w+)=(.*)", span):
        value = re.match(r"sv\.(\w+)", argument[2])
        known = argument[1] in parameters(functions) and not (value and found(value[1]) is NOTHING)
        return "" if known else f"no such argument: {span}"
    name = re.match(r"(?:sv\.)?([\w.]+)(?:\((.*)\))?$", span)
    if name is None or found(name[1]) is NOTHING:
        return f"no such name: {span}"
    lacking = set(re.findall(r"(\w+)=", name[2] or "")) - parameters(callables(f"`{span}`"))
    return f"no such argument: {span}" if lacking else ""


def faults(answers):
    """Names of ours in the rows of a package that do not exist."""
    # a parameter in the row of a pattern is one of each function that the row answers
    of_row = defaultdict(set)
    for function, names in answers.names.items():
        row = answers.of(function)
        of_row[row].add(function)
        for name in names if row.verdict != "not here" else ():
            of_row[answers.of(function, name)].add(function)
    faulty = []
    for row, functions in of_row.items():
        for function in functions:
            of = callables(row.here) + callables(answers.of(function).here)
            said = [wrong(span, of) for span in spans(row.here)]
            faulty += [f"{function}: {each}" for each in said if each]
    for row in answers.rows:
        words = [s for s in spans(row.words) if OURS.fullmatch(s) or s.startswith("steadyvelo ")]
        faulty += [f"{row.function}: {wrong(s, [])}" for s in words if wrong(s, [])]
    return faulty


def test_every_function_and_parameter_has_a_row(answers):
    assert answers.problems() == []


def test_rows_name_only_what_exists(answers):
    assert faults(answers) == []


def test_the_page_has_the_tables(answers):
    page = (DOCS / "coming_from.md").read_text(encoding="utf-8")
    assert tables.page(page) == page


def test_the_versions_are_those_that_the_page_is_about():
    page = (DOCS / "coming_from.md").read_text(encoding="utf-8")
    assert tables.Answers("scvelo").version == "0.3.4"
    assert tables.Answers("velocyto").version.startswith("0.17")
    assert "scVelo 0.3.4 and velocyto 0.17" in page


def test_what_is_missing_is_named():
    answers = tables.Answers("scvelo")
    answers.names["tl.brand_new"] = ["data"]
    answers.names["tl.velocity"].append("wholly_new")
    first = answers.rows[0]
    answers.rows += [
        replace(first, function="tl.gone", parameters=()),
        replace(first, function="tl.velocity", parameters=("gone",)),
        replace(first, function="pp.moments", parameters=("mode",), verdict="perhaps"),
        replace(first, function="pp.moments", verdict="not here", words=""),
        replace(first, function="pp.moments", verdict="same", here=""),
    ]
    text = "\n".join(answers.problems())
    for part in (
        "no row for tl.brand_new",
        "no row for tl.velocity(wholly_new)",
        "scvelo 0.3.4 has no tl.gone",
        "has no tl.velocity(gone)",
        "'perhaps' is none of same, better, other name, not here",
        "why is it not here?",
        "what is it here?",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("span", "says"),
    [
        ("tl.velocity(adata)", ""),
        ("tl.velocity(weights=)", ""),
        ("tl.velocity(wights=)", "no such argument"),
        ("tl.velocitys(adata)", "no such name"),
        ("tl.velocitys", "no such name"),
        ("sv.settings.n_threads", ""),
        ("sv.settings.loudness", "no such name"),
        ("min_gamma=", ""),
        ("weights=sv.Extremes(0.05, 0.95)", ""),
        ("weights=sv.Extreme(0.05, 0.95)", "no such argument"),
        ("min_ratio=", "no such argument"),
        ('layers["Ms"]', ""),
        ('layers["Mss"]', "no such field"),
        ("steadyvelo export --for scvelo", ""),
        ("steadyvelo export --to scvelo", "no such command"),
        ("steadyvelo exports", "no such command"),
        ("scanpy.pl.embedding", ""),
    ],
)
def test_names_of_ours_are_checked(span, says):
    assert wrong(span, [sv.tl.velocity]).startswith(says)
    assert bool(wrong(span, [sv.tl.velocity])) == bool(says)


def test_a_row_that_names_nothing_is_found():
    answers = tables.Answers("scvelo")
    answers.rows = [
        replace(row, here="`tl.velocitys(adata)`") if row.function == "tl.velocity" else row
        for row in answers.rows
    ]
    assert any("no such name: tl.velocitys(adata)" in fault for fault in faults(answers))
