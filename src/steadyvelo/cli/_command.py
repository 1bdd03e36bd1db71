"""A command that says which option was meant by a name of other programs or versions."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

__all__ = ["Command"]

_MEANT = {
    "--batch-key": "--sample-key",
    "--clusters": "--groupby",
    "--jobs": "--n-threads",
    "--n-jobs": "--n-threads",
    "--n-splits": "--n-repeats",
    "--quantiles": "--low and --high",
    "--random-state": "--rng",
    "--seed": "--rng",
    "--splits": "--n-repeats",
    "--threads": "--n-threads",
    "--tool": "--for",
    "--vkey": "--velocity-key",
}


class Command(TyperCommand):
    """A command of the program."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options; refuse names that are known to mean another option."""
        own = {written for option in self.get_params(ctx) for written in option.opts}
        for arg in args[: args.index("--")] if "--" in args else args:
            written = arg.partition("=")[0]
            meant = _MEANT.get(written)
            if meant is not None and written not in own and meant.split()[0] in own:
                ctx.fail(f"No such option: {written}; did you mean {meant}?")
        return super().parse_args(ctx, args)
