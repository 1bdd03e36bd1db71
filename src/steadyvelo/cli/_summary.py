"""Results as lines of text and as JSON summaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

__all__ = [
    "checks_summary",
    "counts_summary",
    "json_summary",
]


def json_summary(result: AnnData, files: list[Path]) -> dict[str, Any]:
    """Return counts of cells, genes and ratios, verdicts, seconds and files, as plain values."""
    genes = _keys.ALL_GENES.read(result)
    clusters = _keys.RELIABILITY.read(result, default=None)
    checks = _keys.RELIABILITY_CHECKS.read(result, default=None)
    seconds = _keys.RUN.read(result)["seconds"]
    return {
        "version": __version__,
        "cells": result.n_obs,
        "cells_used": int(_keys.CELLS_USED.read(result).sum()),
        "genes": len(genes),
        "genes_used": int(genes[_keys.GENES_USED.of()].sum()),
        "velocity_genes": int(_keys.VELOCITY_GENES.read(result).sum()),
        "categories": _categories(result),
        "clusters": _verdicts(clusters),
        "checks": _verdicts(checks),
        "seconds": {step: round(float(spent), 3) for step, spent in seconds.items()},
        "files": [str(path) for path in files],
    }


def checks_summary(adata: AnnData, table: pd.DataFrame) -> dict[str, Any]:
    """Return the verdicts of :func:`steadyvelo.pp.qc` and the molecules of every group."""
    proportions = _keys.QC_PROPORTIONS.read(adata)
    return {
        "version": __version__,
        "cells": adata.n_obs,
        "genes": adata.n_vars,
        "checks": _verdicts(table),
        "proportions": {
            # JSON has no NaN
            str(name): {column: x if np.isfinite(x) else None for column, x in row.items()}
            for name, row in proportions.iterrows()
        },
    }


def counts_summary(adata: AnnData, files: list[Path]) -> dict[str, Any]:
    """Return the numbers of cells, genes and molecules in a file."""
    layers = (_keys.SPLICED, _keys.UNSPLICED, _keys.AMBIGUOUS)
    found: dict[str, Any] = {"version": __version__, "cells": adata.n_obs, "genes": adata.n_vars}
    if _keys.COUNTS_ATTACHED.is_in(adata):
        found["cells_with_counts"] = int(_keys.COUNTS_ATTACHED.read(adata).sum())
    return {
        **found,
        "molecules": {
            field.of(): float(field.read(adata).sum()) for field in layers if field.is_in(adata)
        },
        "files": [str(path) for path in files],
    }


def _categories(result: AnnData) -> dict[str, dict[str, int]]:
    """Return how many genes have separate and common ratios in each category of cells.

    Empty if all cells have the same ratios.
    """
    if not _keys.CATEGORY_COMMON.is_in(result):
        return {}
    names = np.atleast_1d(_keys.PARAMS.read(result)["categories"])
    fitted = _keys.GAMMA.read(result).notna().to_numpy()
    common = np.asarray(_keys.CATEGORY_COMMON.read(result))[fitted].T
    return {
        str(name): {"separate_ratios": int((~one).sum()), "common_ratios": int(one.sum())}
        for name, one in zip(names, common, strict=True)
    }


def _verdicts(table: Any) -> dict[str, dict[str, str]]:
    """Return verdict and reason of every row; empty without a table."""
    if table is None:
        return {}
    return {
        str(name): {"verdict": str(row.verdict), "reason": str(row.reason)}
        for name, row in table.iterrows()
    }
