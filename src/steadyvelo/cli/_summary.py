"""What a run found, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steadyvelo import _keys
from steadyvelo._version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

__all__ = ["json_summary"]


def json_summary(result: AnnData, files: list[Path]) -> dict[str, Any]:
    """Return counts of cells and genes, verdicts, seconds and files, as plain values."""
    genes = result.uns[_keys.ALL_GENES.of()]
    clusters = result.uns.get(_keys.RELIABILITY.of())
    checks = result.uns.get(_keys.RELIABILITY_CHECKS.of())
    seconds = result.uns[_keys.RUN.of()]["seconds"]
    return {
        "version": __version__,
        "cells": result.n_obs,
        "cells_used": int(result.obs[_keys.CELLS_USED.of()].sum()),
        "genes": len(genes),
        "genes_used": int(genes[_keys.GENES_USED.of()].sum()),
        "velocity_genes": int(result.var[_keys.VELOCITY_GENES.of()].sum()),
        "clusters": _verdicts(clusters),
        "checks": _verdicts(checks),
        "seconds": {step: round(float(spent), 3) for step, spent in seconds.items()},
        "files": [str(path) for path in files],
    }


def _verdicts(table: Any) -> dict[str, dict[str, str]]:
    """Return verdict and reason of every row; nothing where there is no table."""
    if table is None:
        return {}
    return {
        str(name): {"verdict": str(row.verdict), "reason": str(row.reason)}
        for name, row in table.iterrows()
    }
