"""Simulated data, and the agreement of results with their truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._errors import plain_errors
from ._imports import importing
from ._options import Rng
from ._speech import AsJson, Quiet, Speech

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["demo"]


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("demo"),
    n_cells: Annotated[int, typer.Option(min=100, help="Number of cells to simulate.")] = 2000,
    n_genes: Annotated[int, typer.Option(min=50, help="Number of genes to simulate.")] = 400,
    rng: Rng = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Simulate data with known truth, analyse them, and compare the results with the truth.

    Example: steadyvelo demo --out demo
    """
    with plain_errors(quiet=quiet):
        with importing():
            from steadyvelo.datasets import simulate  # noqa: PLC0415

            from ._analysis import analyse  # noqa: PLC0415

        if out.exists() and not out.is_dir():
            msg = f"{out} is a file; name a folder."
            raise NotADirectoryError(msg)
        out.mkdir(parents=True, exist_ok=True)
        speech = Speech(quiet, as_json)
        speech.say(f"simulating {n_cells:,} cells × {n_genes:,} genes")
        adata = simulate(n_cells=n_cells, n_genes=n_genes, rng=rng)
        result = analyse(
            adata,
            out / "result.h5ad",
            color="clusters",
            groupby="clusters",
            context=context,
            page=True,
            # with --json only the agreement is printed
            speech=Speech(quiet=quiet or as_json),
            rng=rng,
            # simulated counts are always analysed; the report has the results of the checks
            force=True,
        )
        agreement = _agreement(result)
        speech.say("")
        speech.say("agreement with the simulated truth (1 is perfect)")
        for what, value in agreement.items():
            speech.say(f"  {what:<38} {value:.3f}")
        speech.sum_up({what: round(float(value), 6) for what, value in agreement.items()})


def _agreement(result: AnnData) -> dict[str, float]:
    """Return the agreement of results with the truth, by name of the result."""
    from steadyvelo import _keys  # noqa: PLC0415
    from steadyvelo.metrics import agreement_with_truth, cross_boundary_direction  # noqa: PLC0415

    close = agreement_with_truth(result)
    edges = [tuple(edge) for edge in _keys.TRUE_EDGES.read(result)]
    return {
        "ratios, rank correlation": close["gamma_rank_correlation"],
        "velocities per gene, correlation": close["velocity_correlation"],
        "velocities per cell, cosine": close["cell_cosine"],
        "arrows at cluster borders, cosine": cross_boundary_direction(result, edges)[
            "cosine"
        ].mean(),
    }
