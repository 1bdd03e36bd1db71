"""The public interface as a whole."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import steadyvelo as sv
from steadyvelo import _keys

MODULES = ["datasets", "get", "interop", "io", "metrics", "model", "pl", "pp", "tl"]
FUNCTIONS = {
    f"{module}.{name}": getattr(importlib.import_module(f"steadyvelo.{module}"), name)
    for module in MODULES
    for name in importlib.import_module(f"steadyvelo.{module}").__all__
} | {"run": sv.run}
FUNCTIONS = {name: f for name, f in FUNCTIONS.items() if inspect.isfunction(f)}
CHOICES = ["CrossFit", "Extremes", "Neighbors", "Sandwich", "SizeFactors"]
NAMES = {
    f"{module}.{name}": getattr(importlib.import_module(f"steadyvelo.{module}"), name)
    for module in (*MODULES, "engine", "report")
    for name in importlib.import_module(f"steadyvelo.{module}").__all__
} | {name: getattr(sv, name) for name in (*CHOICES, "plan", "run")}
NAMES = {
    n: value for n, value in NAMES.items() if inspect.isfunction(value) or inspect.isclass(value)
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures(name):
    parameters = list(inspect.signature(FUNCTIONS[name]).parameters.values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    if name.split(".")[0] in {"pp", "tl", "pl", "get", "metrics", "run"}:
        assert parameters[0].name == "adata"
        assert len(positional) <= 3
    assert all(p.annotation is not p.empty for p in parameters)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstrings_explain_every_parameter_and_have_an_example(name):
    text = inspect.getdoc(FUNCTIONS[name])
    assert text, "no docstring"
    if name != "io.write_h5ad":
        assert "Returns\n-------" in text or "evolve" in text
    assert ">>>" in text
    if name in {"model.induction", "model.repression"}:
        return
    section = text.split("Parameters\n----------")[1].split("\n\n")
    described = set()
    for line in "\n\n".join(section).splitlines():
        if re.fullmatch(r"[a-z_0-9]+(, [a-z_0-9]+)*", line):
            described.update(line.split(", "))
    assert set(inspect.signature(FUNCTIONS[name]).parameters) <= described


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_an_example(name):
    described = [NAMES[name]]
    if inspect.isclass(NAMES[name]):
        described += [x for key, x in vars(NAMES[name]).items() if not key.startswith("_")]
    # a default of a field is not a method; that of a number has the example of `int`
    kinds = property, classmethod, staticmethod
    own = [x for x in described if isinstance(x, (type, *kinds)) or inspect.isroutine(x)]
    texts = [x.__doc__ or "" for x in own]
    assert any(">>>" in text for text in texts), "no example"


def test_everything_listed_exists():
    for name in sv.__all__:
        assert getattr(sv, name) is not None
    assert set(dir(sv)) == set(sv.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sv.nothing


def test_every_module_can_be_imported():
    for module in pkgutil.walk_packages(sv.__path__, "steadyvelo."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def test_key_strings_are_in_one_place_only():
    names = [(f.slot, f.name) for f in _keys.FIELDS]
    assert len(set(names)) == len(names)
    assert all(f.meaning for f in _keys.FIELDS)
    # in code (not in docstrings and messages) no slot is subscripted with a literal
    pattern = re.compile(r"\.(?:obs|var|obsm|obsp|uns|layers)\[\"")
    for path in Path(sv.__file__).parent.rglob("*.py"):
        code = re.sub(r'"""(?s:.*?)"""', "", path.read_text())
        lines = [line for line in code.splitlines() if pattern.search(line)]
        assert not lines, (path.name, lines)


def test_what_a_run_writes_is_declared(fitted):
    plain = sv.datasets.simulate(n_cells=20, n_genes=10)
    for slot in ("layers", "obs", "var", "obsm", "obsp", "uns"):
        declared = {
            field.of(key, "pca")
            for field in _keys.FIELDS
            for key in ("velocity", "moments")
            if field.slot == slot
        }
        written = set(getattr(fitted, slot)) - set(getattr(plain, slot))
        assert written <= declared, (slot, written - declared)
