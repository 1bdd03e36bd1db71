"""A paragraph of methods that can be pasted into a paper, with what it cites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._version import __version__

if TYPE_CHECKING:
    from anndata import AnnData

    from steadyvelo._fitted import Fitted

__all__ = ["Methods", "section"]

_REFERENCES = {
    "Bergen et al. 2020": "Bergen V, Lange M, Peidli S, Wolf FA, Theis FJ. Generalizing RNA "
    "velocity to transient cell states through dynamical modeling. Nature Biotechnology 38, "
    "1408–1414 (2020). doi:10.1038/s41587-020-0591-3",
    "Fieller 1954": "Fieller EC. Some problems in interval estimation. Journal of the Royal "
    "Statistical Society B 16, 175–185 (1954). doi:10.1111/j.2517-6161.1954.tb00159.x",
    "Holm 1979": "Holm S. A simple sequentially rejective multiple test procedure. Scandinavian "
    "Journal of Statistics 6, 65–70 (1979).",
    "La Manno et al. 2018": "La Manno G, Soldatov R, Zeisel A, et al. RNA velocity of single "
    "cells. Nature 560, 494–498 (2018). doi:10.1038/s41586-018-0414-6",
    "McInnes et al. 2018": "McInnes L, Healy J, Saul N, Großberger L. UMAP: Uniform Manifold "
    "Approximation and Projection. Journal of Open Source Software 3, 861 (2018). "
    "doi:10.21105/joss.00861",
    "Virshup et al. 2024": "Virshup I, Rybakov S, Theis FJ, Angerer P, Wolf FA. anndata: Access "
    "and store annotated data matrices. Journal of Open Source Software 9, 4371 (2024). "
    "doi:10.21105/joss.04371",
    "Wolf et al. 2018": "Wolf FA, Angerer P, Theis FJ. SCANPY: large-scale single-cell gene "
    "expression data analysis. Genome Biology 19, 15 (2018). doi:10.1186/s13059-017-1382-0",
}
_RULES = {
    "extremes": "cells at the extremes of s / max(s) + u / max(u)",
    "all": "all cells",
    "given": "cells weighted as the authors chose",
}


@dataclass(frozen=True)
class Methods:
    """The paragraph and its references, in the order of names."""

    text: str
    references: list[str]


def section(adata: AnnData, fitted: Fitted, basis: str) -> Methods:
    """Say what was done, and nothing that was not."""
    params = fitted.params
    sentences = [
        _counts(adata, fitted),
        _smoothing(adata, params),
        _ratio(fitted),
        _velocities(adata, fitted, basis),
        *_errors(params),
        *_directions(params.get("directions", {}).get(basis), adata, fitted.key, basis),
        (
            f"Computed with steadyvelo {params.get('version', __version__)} on annotated data "
            "matrices (Virshup et al. 2024)."
        ),
    ]
    text = " ".join(sentence for sentence in sentences if sentence)
    return Methods(text, [entry for name, entry in _REFERENCES.items() if name in text])


def _counts(adata: AnnData, fitted: Fitted) -> str:
    made = adata.uns.get(_keys.SIZE_PARAMS.of(), {})
    sizes = {
        "per_layer": "size factors of each kind of molecule",
        "common": "one size factor per cell for both kinds of molecules",
    }.get(str(made.get("method", "")), "given size factors")
    genes = adata.uns.get(_keys.ALL_GENES.of(fitted.key))
    least = adata.uns.get(_keys.RUN.of(fitted.key), {}).get("min_shared_counts")
    chosen = f"{adata.n_vars:,} genes"
    if genes is not None:
        chosen = f"{adata.n_vars:,} of {len(genes):,} genes"
        if least is not None:
            chosen += (
                f" (at least {float(least):g} spliced and as many unspliced molecules in cells "
                "that hold both)"
            )
    return (
        f"Spliced (s) and unspliced (u) counts of {adata.n_obs:,} cells and {chosen} were divided "
        f"by {sizes}."
    )


def _smoothing(adata: AnnData, params: dict[str, Any]) -> str:
    if params["moments"] != "counts":
        return "Abundances smoothed over neighbours were taken as given."
    entry = adata.uns.get(params["neighbors_key"] or _keys.NEIGHBORS.of(), {})
    found = dict(entry.get("params", {}))
    k, pcs = found.get("n_neighbors"), found.get("n_pcs")
    among = f"{k} nearest neighbours" if k is not None else "nearest neighbours"
    where = found.get("use_rep")
    if where and str(where) != _keys.PCA.of():
        among += f" in {where}"
    elif pcs is not None:
        among += f" in {pcs} principal components of logarithmic spliced counts"
    return f"They were averaged over each cell and its {among} (Wolf et al. 2018)."


def _ratio(fitted: Fitted) -> str:
    params = fitted.params
    how = {
        "False": "through the origin",
        "True": "with an offset",
        "nonnegative": "with an offset that is not negative",
    }[str(params["offset"])]
    rule = str(params["weights"])
    cells = _RULES.get(rule, f"cells weighted by the rule “{rule}” of velocyto")
    if rule == "extremes":
        ends = [f"{100 * q:g}th" for q in fitted.quantiles if q is not None]
        cells += f" (beyond the {' and '.join(ends)} percentile)"
    groups = params.get("groups")
    if groups is not None and len(groups):
        cells += f" of the groups {', '.join(map(str, np.asarray(groups)))}"
    return (
        "For every gene the ratio γ of unspliced to spliced abundance at steady state was found by "
        f"least squares {how} on {cells} (La Manno et al. 2018; Bergen et al. 2020)."
    )


def _velocities(adata: AnnData, fitted: Fitted, basis: str) -> str:
    params = fitted.params
    n = int(fitted.velocity_genes.sum())
    umap = " (McInnes et al. 2018)" if basis == "umap" else ""
    line = "u − γs" if str(params["offset"]) == "False" else "u − γs − o"
    text = (
        f"Velocities v = {line} of the {n:,} genes with R² > {float(params['min_r2']):g} and "
        f"γ > {float(params['min_gamma']):g} were used."
    )
    if _keys.GRAPH.of(fitted.key) in adata.obsp:
        steps = int(params.get("n_recurse_neighbors", 2))
        reach = {1: "its neighbours", 2: "its neighbours and theirs"}.get(
            steps, f"the cells within {steps} steps"
        )
        text += (
            f" The correlation of a cell's velocity with the differences to {reach} gives "
            f"transition probabilities, and these its arrow on {basis}{umap}."
        )
    return text


def _errors(params: dict[str, Any]) -> list[str]:
    kind = params.get("uncertainty")
    if kind == "crossfit":
        return [
            (
                f"Ratios and their errors were cross-fitted over genes and cells "
                f"({int(params['n_splits'])} splits, seed {int(params['rng'])}), with intervals at "
                f"{100 * float(params['level']):g} % (Fieller 1954); they are ratios over the "
                "extreme cells."
            )
        ]
    if kind == "sandwich":
        return ["Standard errors of the ratios take the smoothing into account (sandwich)."]
    return []


def _directions(made: Any, adata: AnnData, key: str, basis: str) -> list[str]:
    if made is None:
        return []
    text = (
        "Whether a direction can be told from noise was tested for each cell by Hotelling's test "
        "on what its neighbours' raw counts say, at 5 %"
    )
    n = int(made["n_controls"])
    if n > 0:
        text += f", beside {n} controls with one random sign per cell"
    text += "."
    table = adata.uns.get(_keys.RELIABILITY.of(key))
    if table is None:
        return [text]
    good = int((table["verdict"].astype(str) == "supported").sum())
    return [
        text,
        (
            f"Directions of clusters were tested on their summed votes (Holm 1979); {good} of "
            f"{len(table)} clusters have a direction on {basis} that is also found with other size "
            "factors and other choices."
        ),
    ]
