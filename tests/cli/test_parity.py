"""What a command can do by an option, Python can by an argument of this name, and the other way."""

from __future__ import annotations

import inspect
from enum import Enum

import pytest
import typer

import steadyvelo as sv
from steadyvelo.cli import _plot
from steadyvelo.cli._app import app

COMMANDS = typer.main.get_command(app).commands
CHOICES = (sv.CrossFit, sv.Neighbors, sv.SizeFactors, sv.Extremes, sv.Stochastic)
FUNCTIONS = {
    "run": [sv.run, sv.io.read, *CHOICES],
    "inspect": [sv.io.read, sv.pp.qc],
    "import": [sv.io.read],
    "attach": [sv.io.read, sv.io.attach_counts],
    "plot": [
        sv.tl.rank_velocity_genes,
        sv.tl.paths,
        *(getattr(sv.pl, name) for name in _plot._FUNCTIONS.values()),
    ],
    "report": [sv.report.write],
    "export": [sv.interop.export],
    "demo": [sv.datasets.simulate],
}
# what only one of the two has, with the reason
OF_FUNCTIONS = {
    "adata": "commands read a file",
    "path": "an argument of commands",
    "progress": "a command shows bars at a terminal, and lines elsewhere",
    "ax": "a command draws one figure",
    "show": "a command writes a file",
}
OF_FUNCTIONS_OF = {
    "run": {"method": "--size-factors", "key_added": "--neighbors-key", "neighbors": "its options"},
    "plot": {
        "palette": "colours lie in the file",
        "scale": "that of the arrows",
        "max_memory": "pictures need little",
        "n_threads": "pictures need little",
    },
    "attach": {"counts": "an argument of commands"},
    # they only ask for data as they are made by default
    "demo": dict.fromkeys(
        set(inspect.signature(sv.datasets.simulate).parameters) - {"n_cells", "n_genes", "rng"}, ""
    ),
}
OF_COMMANDS = {"out", "quiet", "as_json"}
OF_COMMANDS_OF = {
    "run": {"neighbors_key", "new_neighbors", "color", "dry_run", "report"},
    # n_controls is of tl.randomized_velocity
    "plot": {"dpi", "n_controls"},
}
# option and argument of another default, with the reason
OTHER_DEFAULTS = {
    ("report", "title"): "names the file",
    ("run", "offset"): "none is no flag",
    ("demo", "n_genes"): "larger data show more",
}
WRITTEN = {
    "genes": "--gene",
    "groups": "--group",
    "as_json": "--json",
}
# pictures take names one by one, readers the name of a file
WRITTEN_OF = {"plot": {"cells": "--cell"}, "export": {"tool": "--for"}}


def options(command):
    return {p.name: p for p in COMMANDS[command].params if p.param_type_name == "option"}


def arguments(command):
    """Names and defaults of all arguments of a command's functions."""
    found = {}
    for function in FUNCTIONS[command]:
        for name, parameter in inspect.signature(function).parameters.items():
            found.setdefault(name, set()).add(repr(plain(parameter.default)))
    return found


def plain(default):
    if isinstance(default, Enum):
        return default.value
    return None if default in ((), [], inspect.Parameter.empty) else default


@pytest.mark.parametrize("command", FUNCTIONS)
def test_options_and_arguments_have_the_same_names(command):
    of_functions = set(arguments(command)) - set(OF_FUNCTIONS)
    of_functions -= set(OF_FUNCTIONS_OF.get(command, {}))
    of_command = set(options(command)) - OF_COMMANDS - OF_COMMANDS_OF.get(command, set())
    assert of_command == of_functions


@pytest.mark.parametrize("command", FUNCTIONS)
def test_options_and_arguments_have_the_same_defaults(command):
    expected = arguments(command)
    other = {}
    for name, option in options(command).items():
        own = repr(plain(option.default))
        # pictures differ in their defaults, so that none given means that of the function
        if command == "plot" and option.default is None:
            continue
        if name in expected and own not in expected[name]:
            other[command, name] = (own, expected[name])
    assert set(other) == {pair for pair in OTHER_DEFAULTS if pair[0] == command}, other


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_written_as_arguments_are(command):
    for name, option in options(command).items():
        written = WRITTEN | WRITTEN_OF.get(command, {})
        assert option.opts[0] == written.get(name, "--" + name.replace("_", "-"))


def test_every_command_is_compared():
    assert set(FUNCTIONS) == set(COMMANDS) - {"version"}
