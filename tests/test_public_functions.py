"""Every public function: decorated, its arguments in one table, wrong ones refused by name."""

from __future__ import annotations

import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo._arguments import ARGUMENTS, _public

MODULES = ["datasets", "get", "interop", "io", "metrics", "pl", "pp", "report", "tl"]
FUNCTIONS = {
    f"{module}.{name}": getattr(importlib.import_module(f"steadyvelo.{module}"), name)
    for module in MODULES
    for name in importlib.import_module(f"steadyvelo.{module}").__all__
} | {"run": sv.run}
FUNCTIONS = {name: f for name, f in FUNCTIONS.items() if inspect.isfunction(f)}
CHOICES = ["CrossFit", "Extremes", "Neighbors", "Sandwich", "SizeFactors", "Stochastic"]
# functions of arrays, whose arguments are not those of AnnData
NOT_CHECKED = {"engine", "model"}

# values of a wrong type, or out of every range
LIST, ARRAY, NAN, HALF, MAPPING = [["a"], "b"], np.ones(3), float("nan"), 2.5, {"a": [1]}
WRONG = {
    "text": {"list": LIST, "number": 3, "array": ARRAY},
    "flag": {"array": ARRAY, "number": 1, "text": "yes"},
    "whole": {"fraction": HALF, "flag": True, "text": "3", "array": ARRAY, "negative": -1},
    "number": {"NaN": NAN, "text": "3", "flag": True, "array": ARRAY},
    "names": {"number": HALF, "numbers": [0.5], "mapping": MAPPING, "flags": [True, False]},
    # columns of numbers may be grouped by
    "groups": {"number": HALF, "mapping": MAPPING, "flags": [True, False]},
    "choice": {"text": "no such choice", "list": LIST, "mapping": MAPPING},
    "threads": {"NaN": NAN, "none": 0, "fraction": 2.0, "flag": True, "text": "2"},
    "memory": {"few": 8, "NaN": NAN, "text": "much", "list": [8], "flag": True},
    "seed": {"state": np.random.RandomState(0), "fraction": 0.0, "negative": -1, "text": "0"},
    "progress": {"number": 1, "text": "bar", "array": ARRAY},
    "other": {"number": HALF, "flag": True},
}
KINDS = {
    "choice": [
        *("ambiguous", "assumption", "bounds", "method", "metric", "mode", "moments", "offset"),
        *("r2", "size_factors", "tool", "uncertainty"),
    ],
    "flag": [
        *("backward", "dense", "filtered", "fit_offset", "fit_offset2", "force", "hexagons"),
        *("graph_in_uns", "highly_variable", "self_transitions"),
        *("sensitivity", "show", "show_fit_cells", "signed", "sort_genes", "sqrt_transform"),
        *("steady_state", "subset", "truth"),
    ],
    "memory": ["max_memory"],
    "groups": ["conditions", "groups"],
    "names": ["cells", "end", "genes", "retain", "root"],
    "number": [
        *(
            "alpha",
            "arrow_length",
            "density",
            "depth",
            "diffusion",
            "dispersion",
            "fdr",
            "high",
            "level",
        ),
        *(
            "low",
            "library_size_sd",
            "min_agreement",
            "min_expression",
            "min_gamma",
            "min_molecules",
            "min_overlap",
            "min_r2",
            "min_shared_counts",
            "min_spliced_counts",
            "min_unspliced_counts",
            "scale",
        ),
        *("size", "smoothing", "spacing", "threshold", "time", "tolerance"),
    ],
    "other": [
        *("adata", "ax", "barcode_map", "components", "counts", "edges", "palette", "path"),
        *("expected", "gamma_bounds", "offset_bounds", "start", "weights"),
    ],
    "progress": ["progress"],
    "seed": ["rng"],
    "threads": ["n_threads"],
    "whole": [name for name in ARGUMENTS if name.startswith("n_") and name != "n_threads"]
    + [name for name in ARGUMENTS if name.startswith("min_") and name.endswith("cells")],
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}


def cases():
    """Function, argument and wrong value, of all of them."""
    choices = {name: getattr(sv, name) for name in CHOICES}
    for function, f in (FUNCTIONS | choices).items():
        for name in inspect.signature(f).parameters:
            for what, value in WRONG[KIND_OF.get(name, "text")].items():
                yield pytest.param(function, name, value, id=f"{function}-{name}-{what}")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_public_function_is_checked(function):
    assert FUNCTIONS[function].__code__.co_filename == _public.__file__


@pytest.mark.parametrize("function", FUNCTIONS)
def test_pictures_and_nothing_else_are_drawn_in_the_figure_style(function):
    context = inspect.getclosurevars(FUNCTIONS[function]).nonlocals["context"]
    assert (context is _public._figure_style) == function.startswith("pl.")


def test_every_module_of_functions_is_compared():
    modules = {name for name in sv.__all__ if inspect.ismodule(getattr(sv, name))}
    assert modules == {*MODULES, *NOT_CHECKED}


def test_the_table_has_no_argument_that_no_function_takes():
    callables = [*FUNCTIONS.values(), *(getattr(sv, name) for name in CHOICES)]
    taken = {name for each in callables for name in inspect.signature(each).parameters}
    assert taken == set(ARGUMENTS)


@pytest.fixture(scope="module")
def needed(tmp_path_factory):
    """What arguments without a default are given."""
    adata = sv.datasets.simulate(n_cells=30, n_genes=20)
    _, ax = plt.subplots()
    plt.close(ax.figure)
    return {
        "adata": adata,
        "cells": ["cell 1"],
        "cluster": "trunk",
        "condition_key": "branch",
        "counts": adata,
        "edges": [("root", "fork")],
        "genes": ["gene 1"],
        "groupby": "branch",
        "high": 0.9,
        "low": None,
        "start": "cell 1",
        "time": 1.0,
        "path": tmp_path_factory.mktemp("files") / "absent",
        "tool": "loom",
    }


def held(adata):
    """What an AnnData has where."""
    slots = ("layers", "obs", "var", "obsm", "varm", "obsp", "uns")
    return {slot: sorted(map(str, getattr(adata, slot))) for slot in slots}


@pytest.mark.parametrize(("function", "name", "value"), list(cases()))
def test_a_wrong_argument_is_refused_by_name_before_anything_is_written(
    needed, function, name, value
):
    call = FUNCTIONS[function] if function in FUNCTIONS else getattr(sv, function)
    parameters = inspect.signature(call).parameters
    given = {n: needed[n] for n, p in parameters.items() if p.default is p.empty}
    before = held(needed["adata"])
    with pytest.raises((TypeError, ValueError), match=rf"^{name}\b"):
        call(**given | {name: value})
    assert held(needed["adata"]) == before


def test_choices_hold_plain_values():
    assert sv.CrossFit(n_repeats=np.int64(3), level=np.float32(0.5)) == sv.CrossFit(
        n_repeats=3, level=0.5
    )
    assert type(sv.Neighbors(n_pcs=np.int16(4)).n_pcs) is int


def public_modules():
    return ["steadyvelo", *(f"steadyvelo.{name}" for name in (*MODULES, *sorted(NOT_CHECKED)))]


@pytest.mark.parametrize("name", public_modules())
def test_a_module_shows_what_it_has_to_give_and_nothing_else(name):
    module = importlib.import_module(name)
    shown = {entry for entry in dir(module) if not entry.startswith("_")}
    assert shown == {entry for entry in module.__all__ if not entry.startswith("_")}
