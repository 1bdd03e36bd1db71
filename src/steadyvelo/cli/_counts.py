"""Commands that check counts, import them, and attach them to analysed cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ._errors import plain_errors
from ._imports import importing
from ._options import (
    AmbiguousChoice,
    AmbiguousOption,
    CellAttribute,
    Cells,
    CountsChoice,
    CountsOption,
    Filtered,
    GeneAttribute,
    MinMolecules,
    Out,
    SplicedLayer,
    SplicedSize,
    UnsplicedLayer,
    UnsplicedSize,
)
from ._reading import read_counts
from ._speech import AsJson, Quiet, Speech

__all__ = ["attach", "import_counts", "inspect"]


def inspect(
    path: Annotated[
        Path,
        typer.Argument(metavar="COUNTS", help="h5ad file, or output of a counting program."),
    ],
    groupby: Annotated[
        str | None, typer.Option(help="Column of obs with groups to compare.")
    ] = None,
    spliced_size: SplicedSize = None,
    unspliced_size: UnsplicedSize = None,
    counts: CountsOption = CountsChoice.auto,
    ambiguous: AmbiguousOption = AmbiguousChoice.default,
    spliced: SplicedLayer = None,
    unspliced: UnsplicedLayer = None,
    filtered: Filtered = None,
    cell_attribute: CellAttribute = None,
    gene_attribute: GeneAttribute = None,
    cells: Cells = None,
    min_molecules: MinMolecules = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Check the counts and print one verdict per line.

    The exit code is 3 if a verdict is "stop".

    Example: steadyvelo inspect counts.h5ad --groupby sample

    Example: steadyvelo inspect Solo.out --json --quiet > checks.json
    """
    speech = Speech(quiet, as_json)
    with plain_errors(quiet=quiet), speech.heard():
        with importing():
            from steadyvelo import get  # noqa: PLC0415
            from steadyvelo._run._summary import refuse_stop  # noqa: PLC0415
            from steadyvelo.pp import qc  # noqa: PLC0415

            from ._summary import checks_summary  # noqa: PLC0415

        adata = read_counts(
            path,
            ambiguous,
            spliced=spliced,
            unspliced=unspliced,
            filtered=filtered,
            cell_attribute=cell_attribute,
            gene_attribute=gene_attribute,
            cells=cells,
            min_molecules=min_molecules,
        )
        sizes = {"spliced_size": spliced_size, "unspliced_size": unspliced_size}
        qc(adata, groupby=groupby, counts=counts.value, **sizes)
        table = get.quality_checks(adata)
        speech.sum_up(checks_summary(adata, table))
        refuse_stop(table)


def import_counts(
    path: Annotated[Path, typer.Argument(help="File or folder written by a counting program.")],
    out: Out,
    ambiguous: AmbiguousOption = AmbiguousChoice.default,
    spliced: SplicedLayer = None,
    unspliced: UnsplicedLayer = None,
    filtered: Filtered = None,
    cell_attribute: CellAttribute = None,
    gene_attribute: GeneAttribute = None,
    cells: Cells = None,
    min_molecules: MinMolecules = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Read the counts at PATH and write them to an h5ad file.

    Output of STARsolo (Velocyto), kb-python (nac, lamanno), alevin-fry (USA mode) and velocyto
    (loom), and h5ad and zarr files are recognised by their content.

    Example: steadyvelo import Solo.out --out counts.h5ad
    """
    speech = Speech(quiet, as_json)
    with plain_errors(quiet=quiet), speech.heard():
        with importing():
            from steadyvelo.io import write_h5ad  # noqa: PLC0415
            from steadyvelo.io._files import check_target  # noqa: PLC0415

            from ._summary import counts_summary  # noqa: PLC0415

        target = check_target(out, [path, cells])
        adata = read_counts(
            path,
            ambiguous,
            spliced=spliced,
            unspliced=unspliced,
            filtered=filtered,
            cell_attribute=cell_attribute,
            gene_attribute=gene_attribute,
            cells=cells,
            min_molecules=min_molecules,
        )
        write_h5ad(adata, target)
        speech.say(f"wrote {target}")
        speech.sum_up(counts_summary(adata, [target]))


def attach(
    analysed: Annotated[
        Path, typer.Argument(help="h5ad file or zarr store that was analysed without counts.")
    ],
    counts: Annotated[
        list[str],
        typer.Argument(
            help="Output of a counting program; SAMPLE=PATH for each of several samples."
        ),
    ],
    out: Out,
    sample_key: Annotated[
        str | None, typer.Option(help="Column of obs with the sample of each cell.")
    ] = None,
    barcode_map: Annotated[
        Path | None,
        typer.Option(help="csv or tsv file: names of cells in ANALYSED, names in the counts."),
    ] = None,
    min_overlap: Annotated[
        float, typer.Option(help="Share of cells that must be found in the counts.")
    ] = 0.9,
    min_agreement: Annotated[
        float,
        typer.Option(
            help="Share of cells whose expression must fit to their own counts, in all samples."
        ),
    ] = 0.5,
    ambiguous: AmbiguousOption = AmbiguousChoice.default,
    spliced: SplicedLayer = None,
    unspliced: UnsplicedLayer = None,
    filtered: Filtered = None,
    cell_attribute: CellAttribute = None,
    gene_attribute: GeneAttribute = None,
    cells: Cells = None,
    min_molecules: MinMolecules = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Add spliced and unspliced counts to the cells of ANALYSED.

    Example: steadyvelo attach cells.h5ad lung=run1/Solo.out liver=run2/Solo.out --sample-key organ
    --out counts.h5ad
    """
    speech = Speech(quiet, as_json)
    with plain_errors(quiet=quiet), speech.heard():
        with importing():
            from steadyvelo.io import attach_counts, write_h5ad  # noqa: PLC0415
            from steadyvelo.io._analysed import load_analysed  # noqa: PLC0415
            from steadyvelo.io._files import check_target  # noqa: PLC0415

            from ._summary import counts_summary  # noqa: PLC0415

        paths = _paths(counts)
        of_counts = [paths] if isinstance(paths, str) else list(paths.values())
        target = check_target(out, [analysed, *of_counts, barcode_map, cells])
        adata = load_analysed(analysed)
        options = {
            "spliced": spliced,
            "unspliced": unspliced,
            "filtered": filtered,
            "cell_attribute": cell_attribute,
            "gene_attribute": gene_attribute,
            "cells": cells,
            "min_molecules": min_molecules,
        }
        if isinstance(paths, str):
            tables: Any = read_counts(paths, ambiguous, **options)
        else:
            tables = {name: read_counts(path, ambiguous, **options) for name, path in paths.items()}
        attach_counts(
            adata,
            tables,
            barcode_map=barcode_map,
            sample_key=sample_key,
            min_overlap=min_overlap,
            min_agreement=min_agreement,
        )
        write_h5ad(adata, target)
        speech.say(f"wrote {target}")
        speech.sum_up(counts_summary(adata, [target]))


def _paths(counts: list[str]) -> str | dict[str, str]:
    """Return the one path, or the paths by sample."""
    named = [entry.partition("=") for entry in counts]
    if len(counts) > 1 and not all(separator for _, separator, _ in named):
        msg = f"name each of several counts as SAMPLE=PATH; they are {' '.join(counts)}."
        raise ValueError(msg)
    # a path may contain "="
    if len(counts) == 1 and (Path(counts[0]).exists() or not named[0][1]):
        return counts[0]
    return {name: path for name, _, path in named}
