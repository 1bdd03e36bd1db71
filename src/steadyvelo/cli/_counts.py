"""Commands on counts: check them, import them, attach them to analysed cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import plain_errors
from ._options import (
    AmbiguousChoice,
    AmbiguousOption,
    CellAttribute,
    Filtered,
    GeneAttribute,
    Out,
    SplicedLayer,
    UnsplicedLayer,
)
from ._speech import AsJson, Quiet, Speech

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["attach", "import_counts", "inspect"]


def inspect(
    counts: Annotated[Path, typer.Argument(help="h5ad file, or what a counter wrote.")],
    groupby: Annotated[str | None, typer.Option(help="Column of obs to compare.")] = None,
    spliced_size: Annotated[
        str | None, typer.Option(help="Column of obs with a cell's spliced molecules.")
    ] = None,
    unspliced_size: Annotated[
        str | None, typer.Option(help="Column of obs with a cell's unspliced molecules.")
    ] = None,
    ambiguous: AmbiguousOption = AmbiguousChoice.default,
    spliced: SplicedLayer = None,
    unspliced: UnsplicedLayer = None,
    filtered: Filtered = None,
    cell_attribute: CellAttribute = None,
    gene_attribute: GeneAttribute = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Check the counts before anything is fitted, a verdict a line.

    Ends with 3 where a verdict is "stop".

    Example: steadyvelo inspect counts.h5ad --groupby sample

    Example: steadyvelo inspect Solo.out --json --quiet > checks.json
    """
    speech = Speech(quiet, as_json)
    with plain_errors(quiet=quiet), speech.heard():
        from steadyvelo import get  # noqa: PLC0415
        from steadyvelo._run._summary import check_lines, refuse_stop  # noqa: PLC0415
        from steadyvelo.pp import qc  # noqa: PLC0415

        from ._summary import checks_summary, proportion_lines  # noqa: PLC0415

        adata = _read(
            counts,
            ambiguous,
            spliced=spliced,
            unspliced=unspliced,
            filtered=filtered,
            cell_attribute=cell_attribute,
            gene_attribute=gene_attribute,
        )
        qc(adata, groupby=groupby, spliced_size=spliced_size, unspliced_size=unspliced_size)
        table = get.quality_checks(adata)
        speech.say("\n".join(check_lines(table)))
        if groupby is not None:
            speech.say("\n".join(proportion_lines(adata)))
        speech.sum_up(checks_summary(adata, table))
        refuse_stop(table)


def import_counts(
    path: Annotated[Path, typer.Argument(help="File or folder that a counter wrote.")],
    out: Out,
    ambiguous: AmbiguousOption = AmbiguousChoice.default,
    spliced: SplicedLayer = None,
    unspliced: UnsplicedLayer = None,
    filtered: Filtered = None,
    cell_attribute: CellAttribute = None,
    gene_attribute: GeneAttribute = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Read the counts at PATH, whichever tool wrote them, and write them as h5ad.

    STARsolo (Velocyto), kb-python (nac, lamanno), alevin-fry (USA mode), velocyto's loom, h5ad
    and zarr are recognised by their content.

    Example: steadyvelo import Solo.out --out counts.h5ad
    """
    speech = Speech(quiet, as_json)
    with plain_errors(quiet=quiet), speech.heard():
        from steadyvelo.io import write_h5ad  # noqa: PLC0415
        from steadyvelo.io._files import check_target  # noqa: PLC0415

        from ._summary import counts_summary  # noqa: PLC0415

        target = check_target(out)
        adata = _read(
            path,
            ambiguous,
            spliced=spliced,
            unspliced=unspliced,
            filtered=filtered,
            cell_attribute=cell_attribute,
            gene_attribute=gene_attribute,
        )
        write_h5ad(adata, target)
        speech.say(f"wrote {target}")
        speech.sum_up(counts_summary(adata, [target]))


def attach(
    analysed: Annotated[Path, typer.Argument(help="h5ad file that was analysed without counts.")],
    counts: Annotated[
        list[str],
        typer.Argument(help="What a counter wrote; for several samples SAMPLE=PATH of each."),
    ],
    out: Out,
    sample_key: Annotated[
        str | None, typer.Option(help="Column of obs that holds the sample of each cell.")
    ] = None,
    barcode_map: Annotated[
        Path | None,
        typer.Option(help="csv or tsv file: names of cells, and their names in the counts."),
    ] = None,
    min_overlap: Annotated[float, typer.Option(help="Share of cells that must be found.")] = 0.9,
    ambiguous: AmbiguousOption = AmbiguousChoice.default,
    spliced: SplicedLayer = None,
    unspliced: UnsplicedLayer = None,
    filtered: Filtered = None,
    cell_attribute: CellAttribute = None,
    gene_attribute: GeneAttribute = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Bring spliced and unspliced counts to the cells of ANALYSED.

    Example: steadyvelo attach cells.h5ad lung=run1/Solo.out liver=run2/Solo.out --sample-key organ
    --out counts.h5ad
    """
    speech = Speech(quiet, as_json)
    with plain_errors(quiet=quiet), speech.heard():
        from steadyvelo.io import attach_counts, write_h5ad  # noqa: PLC0415
        from steadyvelo.io._anndata_files import load_h5ad  # noqa: PLC0415
        from steadyvelo.io._files import check_target  # noqa: PLC0415

        from ._summary import counts_summary  # noqa: PLC0415

        target = check_target(out)
        adata = load_h5ad(analysed)
        options = {
            "spliced": spliced,
            "unspliced": unspliced,
            "filtered": filtered,
            "cell_attribute": cell_attribute,
            "gene_attribute": gene_attribute,
        }
        paths = _paths(counts)
        if isinstance(paths, str):
            tables: Any = _read(paths, ambiguous, **options)
        else:
            tables = {name: _read(path, ambiguous, **options) for name, path in paths.items()}
        attach_counts(
            adata,
            tables,
            barcode_map=barcode_map,
            sample_key=sample_key,
            min_overlap=min_overlap,
        )
        write_h5ad(adata, target)
        speech.say(f"wrote {target}")
        speech.sum_up(counts_summary(adata, [target]))


def _read(path: Path | str, ambiguous: AmbiguousChoice, **options: Any) -> AnnData:
    from steadyvelo.io import read  # noqa: PLC0415

    return read(path, ambiguous=ambiguous.value, **options)


def _paths(counts: list[str]) -> str | dict[str, str]:
    """Return the one path, or those of the samples by their names."""
    named = [entry.partition("=") for entry in counts]
    if len(counts) > 1 and not all(separator for _, separator, _ in named):
        msg = f"several counts need names, as in SAMPLE=PATH; got {' '.join(counts)}."
        raise ValueError(msg)
    # a path may hold "=" itself
    if len(counts) == 1 and (Path(counts[0]).exists() or not named[0][1]):
        return counts[0]
    return {name: path for name, _, path in named}
