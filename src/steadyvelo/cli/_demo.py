"""Simulated data, and how close the results come to their truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._analysis import analyse, inspect_first
from ._command import command_line
from ._errors import plain_errors
from ._speech import AsJson, Quiet, Speech

__all__ = ["demo"]


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("demo"),
    cells: Annotated[int, typer.Option(min=100, help="Cells to simulate.")] = 2000,
    genes: Annotated[int, typer.Option(min=50, help="Genes to simulate.")] = 400,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Simulate data with known truth, run everything on them, and compare.

    Example: steadyvelo demo --out demo
    """
    with plain_errors(quiet=quiet):
        from steadyvelo import _keys  # noqa: PLC0415
        from steadyvelo.datasets import simulate  # noqa: PLC0415
        from steadyvelo.metrics import (  # noqa: PLC0415
            agreement_with_truth,
            cross_boundary_direction,
        )

        if out.exists() and not out.is_dir():
            msg = f"{out} is a file; name a folder."
            raise NotADirectoryError(msg)
        out.mkdir(parents=True, exist_ok=True)
        speech = Speech(quiet, as_json)
        speech.say(f"simulating {cells:,} cells × {genes:,} genes")
        adata = simulate(n_cells=cells, n_genes=genes, rng=seed)
        # the report says what the checks found; simulated counts are never refused
        inspect_first(adata, force=True, speech=Speech(quiet=quiet or as_json))
        result = analyse(
            adata,
            out / "result.h5ad",
            color="clusters",
            clusters="clusters",
            command=command_line(context),
            uncertainty="crossfit",
            page=True,
            # with --json what is printed is the agreement
            speech=Speech(quiet=quiet or as_json),
            rng=seed,
        )
        close = agreement_with_truth(result)
        edges = [tuple(edge) for edge in result.uns[_keys.TRUE_EDGES.of()]]
        along = cross_boundary_direction(result, edges)
        agreement = {
            "ratios, rank correlation": close["gamma_rank_correlation"],
            "velocities per gene, correlation": close["velocity_correlation"],
            "velocities per cell, cosine": close["cell_cosine"],
            "arrows at cluster borders, cosine": along["cosine"].mean(),
        }
        speech.say("\nagreement with the truth (1 is perfect)")
        for what, value in agreement.items():
            speech.say(f"  {what:<38} {value:.3f}")
        speech.sum_up({what: round(float(value), 6) for what, value in agreement.items()})
