"""Options of several commands, with the names and defaults of the Python functions."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AmbiguousChoice",
    "AmbiguousOption",
    "CellAttribute",
    "Cells",
    "CountsChoice",
    "CountsOption",
    "Filtered",
    "GeneAttribute",
    "MaxMemory",
    "MinMolecules",
    "NThreads",
    "Out",
    "Rng",
    "SplicedLayer",
    "SplicedSize",
    "UnsplicedLayer",
    "UnsplicedSize",
    "VelocityKey",
    "seed",
]

AmbiguousChoice = StrEnum("AmbiguousChoice", ["default", "drop", "spliced", "unspliced", "keep"])


def seed(value: str | int) -> int | None:
    """Read a seed; ``none`` means one that the system draws."""
    if str(value).lower() == "none":
        return None
    try:
        return int(value)
    except ValueError:
        msg = f"{value!r} is neither a whole number nor none."
        raise typer.BadParameter(msg) from None


# values of the argument of io.read
AmbiguousOption = Annotated[
    AmbiguousChoice,
    typer.Option(
        "--ambiguous",
        help="Use of ambiguous molecules; the default is that of the counting program.",
    ),
]
SplicedLayer = Annotated[
    str | None,
    typer.Option(
        "--spliced", help="Layer of spliced counts, or X; several are joined by + or - (exon+X)."
    ),
]
UnsplicedLayer = Annotated[
    str | None,
    typer.Option(
        "--unspliced",
        help="Layer of unspliced counts; several are joined: intron+spanning, GeneFull-Gene.",
    ),
]
Cells = Annotated[
    str | None,
    typer.Option("--cells", help="File with the names of the cells to keep, one per line."),
]
MinMolecules = Annotated[
    float,
    typer.Option("--min-molecules", help="Smallest number of molecules of a cell that is kept."),
]
SplicedSize = Annotated[
    str | None,
    typer.Option("--spliced-size", help="Column of obs with spliced library sizes."),
]
UnsplicedSize = Annotated[
    str | None,
    typer.Option("--unspliced-size", help="Column of obs with unspliced library sizes."),
]
CountsChoice = StrEnum("CountsChoice", ["auto", "raw", "normalised"])
CountsOption = Annotated[
    CountsChoice,
    typer.Option(
        "--counts", help="Whether values are raw, or were divided by library sizes before."
    ),
]
Filtered = Annotated[
    bool | None,
    typer.Option(
        "--filtered/--no-filtered",
        help="For output of STARsolo: the cells it called (default), or all barcodes.",
    ),
]
CellAttribute = Annotated[
    str | None,
    typer.Option("--cell-attribute", help="Column attribute of a loom file with names of cells."),
]
GeneAttribute = Annotated[
    str | None,
    typer.Option("--gene-attribute", help="Row attribute of a loom file with names of genes."),
]

Out = Annotated[Path, typer.Option("--out", help="h5ad file to write.")]
VelocityKey = Annotated[str, typer.Option("--velocity-key", help="Prefix of the fit.")]
Rng = Annotated[
    int | None,
    typer.Option(
        "--rng",
        parser=seed,
        metavar="<int>|none",
        help="Seed of all random numbers; none draws one.",
    ),
]
MaxMemory = Annotated[
    str | None, typer.Option("--max-memory", help="Memory for blocks of genes, such as 8GB.")
]
NThreads = Annotated[
    int | None, typer.Option("--n-threads", help="Number of threads (default: all processors).")
]
