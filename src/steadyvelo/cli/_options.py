"""Options that several commands have: named, explained and defaulted as in Python."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AmbiguousChoice",
    "AmbiguousOption",
    "CellAttribute",
    "Filtered",
    "GeneAttribute",
    "MaxMemory",
    "NThreads",
    "Out",
    "SplicedLayer",
    "UnsplicedLayer",
    "VelocityKey",
]

AmbiguousChoice = StrEnum("AmbiguousChoice", ["default", "drop", "spliced", "unspliced", "keep"])

# what io.read takes
AmbiguousOption = Annotated[
    AmbiguousChoice,
    typer.Option(
        "--ambiguous", help="What becomes of ambiguous molecules; default is what the tool means."
    ),
]
SplicedLayer = Annotated[
    str | None, typer.Option("--spliced", help="Layer of spliced counts, where layers are named.")
]
UnsplicedLayer = Annotated[
    str | None,
    typer.Option("--unspliced", help="Layer of unspliced counts, where layers are named."),
]
Filtered = Annotated[
    bool | None,
    typer.Option(
        "--filtered/--no-filtered",
        help="Of STARsolo's output, the cells that it called (the default), or all barcodes.",
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
VelocityKey = Annotated[str, typer.Option("--velocity-key", help="Prefix of the result.")]
MaxMemory = Annotated[
    str | None, typer.Option("--max-memory", help="Memory for blocks of genes, as 8GB.")
]
NThreads = Annotated[int | None, typer.Option("--n-threads", help="Threads (all processors).")]
