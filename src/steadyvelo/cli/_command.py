"""The command that is running, as text that can be pasted."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

__all__ = ["command_line"]


def command_line(context: typer.Context) -> str:
    """Return program, command and everything that was named, options by their long names."""
    words = ["steadyvelo", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        if parameter.param_type_name == "argument":
            words += map(str, values)
        else:
            for one in values:
                words += _option(parameter, one)
    return shlex.join(words)


def _option(parameter: Any, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [parameter.opts[0] if value else parameter.secondary_opts[0]]
    return [parameter.opts[0], str(value)]
