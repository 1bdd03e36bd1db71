"""A paragraph of methods for a paper, with its references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steadyvelo import _keys
from steadyvelo._adata._neighbor_graph import external, neighbor_params, search_options
from steadyvelo.tl._component_arrows import PROJECTION

if TYPE_CHECKING:
    from steadyvelo._adata._fit import Fit
    from steadyvelo._adata._fit_params import FitOptions

    from ._verdicts import Judged

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
    "all": "all cells",
    "given": "cells with weights chosen by the authors",
}
_ENDS = {1: "st", 2: "nd", 3: "rd"}
# criteria for genes in the record of a run, as they are said after "at least"
_GENE_RULES = {
    "min_shared_counts": "{:g} molecules, spliced and unspliced together, in cells that contain "
    "both",
    "min_shared_cells": "{:g} cells with both",
    "min_spliced_counts": "{:g} spliced molecules",
    "min_unspliced_counts": "{:g} unspliced molecules",
    "min_spliced_cells": "{:g} cells with spliced molecules",
    "min_unspliced_cells": "{:g} cells with unspliced molecules",
}


@dataclass(frozen=True)
class Methods:
    """The paragraph and its references, in alphabetical order."""

    text: str
    references: list[str]


def section(fit: Fit, basis: str, judged: Judged) -> Methods:
    """Describe the steps that were done, and only those."""
    sentences = [
        _counts(fit),
        _smoothing(fit),
        _ratio(fit.options),
        *_errors(fit),
        _velocities(fit, basis),
        *_directions(basis, judged),
        (
            f"Computed with steadyvelo {fit.params.made_from.version} on annotated data matrices "
            "(Virshup et al. 2024)."
        ),
    ]
    text = " ".join(sentence for sentence in sentences if sentence)
    return Methods(text, [entry for name, entry in _REFERENCES.items() if name in text])


def _counts(fit: Fit) -> str:
    adata = fit.adata
    used = int(fit.inputs.cells.sum())
    cells = f"{used:,} cells" if used == adata.n_obs else f"{used:,} of {adata.n_obs:,} cells"
    n_used = adata.n_vars
    if _keys.GENES_USED.is_in(adata):
        n_used = int(_keys.GENES_USED.values(adata).sum())
    everything = _keys.ALL_GENES.read(adata, fit.key, default=None)
    n_genes = adata.n_vars if everything is None else len(everything)
    genes = f"{n_used:,} of {n_genes:,} genes" if n_used < n_genes else f"{n_used:,} genes"
    run = _keys.RUN.read(adata, fit.key, default={})
    rules = [text.format(float(run[name])) for name, text in _GENE_RULES.items() if name in run]
    if rules and n_used < n_genes:
        rule = f"at least {', '.join(rules)}"
        kept = [str(name) for name in run.get("retain", ())]
        genes += f" ({rule}{', or chosen by name' if kept else ''})"
    if not fit.params.made_from.counts_known:
        return (
            f"Smoothed spliced (s) and unspliced (u) abundances of {cells} and {genes} were used."
        )
    made = _keys.SIZE_PARAMS.read(adata, default={})
    taken = [made.get(f"{kind}_taken_as_normalised", True) for kind in ("spliced", "unspliced")]
    start = f"Spliced (s) and unspliced (u) counts of {cells} and {genes}"
    if all(taken):
        return start.replace("counts", "normalised abundances") + " were used."
    sizes = {
        "per_layer": "per-layer size factors (one for spliced and one for unspliced counts)",
        "common": "common size factors (one per cell for spliced and unspliced counts)",
    }[str(made["method"])]
    return f"{start} were divided by {sizes}."


def _smoothing(fit: Fit) -> str:
    if not fit.params.made_from.counts_known:
        return ""
    found = neighbor_params(fit.adata, fit.options.neighbors_key)
    ours = "cells_hash" in found
    text = "They were averaged over each cell and its neighbours in a given neighbour graph."
    if "n_neighbors" in found:
        # the number includes the cell itself, and smoothing uses neighbours in both directions
        text = (
            "They were averaged over each cell, its "
            f"{int(found['n_neighbors']) - 1} nearest neighbours"
        )
        rep, pcs = str(found.get("use_rep", "") or ""), found.get("n_pcs")
        if rep and rep != _keys.PCA.of():
            text += f" in {rep}"
        elif pcs is not None and int(pcs) > 0:
            text += f" in {int(pcs)} principal components"
        search = search_options(found)
        if search["metric"] != "euclidean":
            text += f" by the {search['metric']} distance"
        if search["within"] is not None:
            text += f" among the cells with the same value of {search['within']}"
        text += " and the cells that have it as a neighbour"
        text += "." if ours else " (Wolf et al. 2018)."
    return text


def _ratio(options: FitOptions) -> str:
    how = {
        False: "through the origin",
        True: "with an offset (o)",
        "nonnegative": "with an offset (o) that is not negative",
    }[options.offset]
    rule = options.weights
    cells = _RULES.get(rule, f"cells weighted by velocyto's rule “{rule}”")
    if rule == "extremes":
        ends = [
            f"{side} the {_ordinal(100 * q)}"
            for side, q in zip(("below", "above"), options.quantiles, strict=True)
            if q is not None
        ]
        cells = f"cells {' and '.join(ends)} percentile of s / max(s) + u / max(u)"
    if options.groups:
        cells += f" of the groups {', '.join(options.groups)}"
    start = (
        "For every gene the ratio γ of unspliced to spliced abundance at steady state was "
        f"estimated by least squares {how} from {cells} (La Manno et al. 2018; Bergen et al. 2020)"
    )
    if options.errors.method == "crossfit":
        start += ", with cross-fitting"
    return f"{start}{_bounds(options)}.{_categories(options)}{_second_moments(options)}"


def _bounds(options: FitOptions) -> str:
    """Return which bounds lines have, or the empty string."""
    if options.bounds is not None:
        offset = ", and an offset of at most twice the mean of u" if options.offset else ""
        return f", with γ from 0 to 20{offset} (velocyto's bounds)"
    given = {"γ": options.gamma_bounds, "offset": options.offset_bounds}
    ranges = [f"{name} from {x[0]:g} to {x[1]:g}" for name, x in given.items() if x is not None]
    return f", with {' and '.join(ranges)}" if ranges else ""


def _categories(options: FitOptions) -> str:
    """Return how categories of cells were fitted, or the empty string."""
    if options.gamma_by is None:
        return ""
    return (
        f" Each category of {options.gamma_by} was fitted separately, and the ratio of the cell "
        "whose counts were smoothed was used; a category whose ratio rests on fewer than 10 "
        "effective molecules got the ratio over all cells."
    )


def _second_moments(options: FitOptions) -> str:
    """Return the sentence on a stochastic fit; empty for others."""
    stochastic = options.stochastic
    if stochastic is None:
        return ""
    offsets = {(True, False): "first", (False, True): "second", (True, True): "both"}
    with_offset = offsets.get((stochastic.fit_offset, stochastic.fit_offset2), "")
    line = f" with an offset of {with_offset} moments" if with_offset else " through the origin"
    exact = ", with linear terms divided once more by the size factor of each cell"
    return (
        " γ of the velocity genes was then fitted again, to first and second moments (2⟨s²⟩ − ⟨s⟩ "
        f"and 2⟨us⟩ + ⟨u⟩ over neighbours{exact * (stochastic.moments == 'exact')}) together, each "
        f"divided by the standard deviation of its residuals,{line} (stochastic mode of Bergen et "
        "al. 2020)."
    )


def _errors(fit: Fit) -> list[str]:
    choice = fit.options.errors
    level = f"{100 * choice.level:g}%"
    how = f"The {level} intervals of γ were computed by Fieller's method (Fieller 1954)."
    if choice.sample_key is not None:
        how = (
            f"The {level} intervals of γ are the estimate ± t standard errors, with "
            f"{choice.sample_key} as the unit of replication (CR3)."
        )
    if choice.method == "sandwich":
        return [f"Standard errors (sandwich) account for the smoothing. {how}"]
    if choice.method != "crossfit":
        return []
    one_graph = external(neighbor_params(fit.adata, fit.options.neighbors_key))
    cut = "cells" if one_graph else "genes and cells"
    kept = ""
    if choice.gene_clusters is not None and not one_graph:
        kept = f"; genes with the same value of {choice.gene_clusters} stay in one fold"
    n = choice.n_repeats
    repeats = "one repeat, a random division" if n == 1 else f"{n} repeats, each a random division"
    text = (
        f"In cross-fitting, the weight of a cell's counts came from other {cut}. It was averaged "
        f"over {repeats} of {cut} into two folds (seed {choice.rng}{kept}). {how}"
    )
    if fit.options.weights == "extremes":
        text += " They refer to the ratio over the extreme cells."
    return [text]


def _velocities(fit: Fit, basis: str) -> str:
    options, graph = fit.options, fit.params.graph
    n = int(fit.velocity_genes.sum())
    line = "u − γs − o" if options.has_offset else "u − γs"
    r2 = "R² of an unweighted fit" if options.r2 == "all_cells" else "R²"
    variable = ", highly variable," if options.highly_variable else ""
    first = "" if options.stochastic is None else " in the first fit"
    text = (
        f"Velocities v = {line} of the {n:,} genes{variable} with {r2} > "
        f"{options.min_r2:g} and γ > {options.min_gamma:g}{first} were used."
    )
    drawn = dict(fit.params.made.get("arrows", {}).get(basis, {}))
    if drawn.get("method") == PROJECTION:
        return text + (
            " They were projected on principal components: the arrow of a cell is the sum over "
            "genes of v / (1 + s), the change of log(1 + s), multiplied by their loadings."
        )
    steps = 2 if graph is None else graph.n_recurse_neighbors
    reach = {1: "its neighbours", 2: "its neighbours and their neighbours"}.get(
        steps, f"the cells within {steps} steps"
    )
    other = None if graph is None else graph.neighbors_key
    if other is not None and other != options.neighbors_key:
        reach += f" (neighbour graph {other})"
    root = ", both as square roots" if graph is not None and graph.sqrt_transform else ""
    umap = " (McInnes et al. 2018)" if basis == "umap" else ""
    how = ""
    if drawn:
        stay = "" if drawn["self_transitions"] else " without self-transitions"
        how = f" (exponential kernel, λ = {float(drawn['scale']):g}{stay})"
    return text + (
        " Transition probabilities of each cell were computed from the correlations between its "
        f"velocity and the differences in expression to {reach}{root}{how}. The arrow "
        f"of a cell on {basis} is its mean step under these probabilities{umap}."
    )


def _directions(basis: str, judged: Judged) -> list[str]:
    made = judged.directions
    if made is None:
        return []
    level = f"{100 * (1 - float(made['level'])):.3g}%"
    text = (
        "For each cell, the hypothesis of no direction was tested at the level of "
        f"{level} by Hotelling's test on the contributions of its neighbours' raw counts"
    )
    n = int(made["n_controls"])
    if n > 0:
        controls = "one sign-flipped control" if n == 1 else f"{n} sign-flipped controls"
        text += f", and compared with {controls} (seed {int(made['rng'])})"
    text += "."
    table = judged.clusters
    if table is None:
        return [text]
    good = int((table["verdict"].astype(str) == "supported").sum())
    same = ", and similar with other size factors and other settings"
    clusters = "cluster" if len(table) == 1 else "clusters"
    have = "has" if good == 1 else "have"
    return [
        text,
        (
            "Directions of clusters were tested on the summed contributions of their cells, and "
            f"p-values adjusted (Holm 1979); {good} of {len(table)} {clusters} ({judged.groupby}) "
            f"{have} a supported direction on {basis}: significant for the cluster and for at "
            f"least a tenth of its cells{same * (judged.sensitivity is not None)}."
        ),
    ]


def _ordinal(value: float) -> str:
    text = f"{value:g}"
    if "." in text or round(value) % 100 in {11, 12, 13}:
        return f"{text}th"
    return text + _ENDS.get(round(value) % 10, "th")
