"""The values that each argument of public functions takes, by its name.

A name means the same in every function, with few exceptions. Defaults need no check, and None is
allowed if the annotation of the argument allows it.
"""

from __future__ import annotations

from typing import Any

from steadyvelo._memory_size import parse_memory
from steadyvelo._settings import thread_number

from ._drawing import color_map, legend_place
from ._genes import averages, programme
from ._kinds import (
    Check,
    an_adata,
    any_of,
    axes,
    choice,
    file_path,
    flag,
    instance,
    mapping,
    mask,
    name,
    names,
    number,
    number_pair,
    pair,
    pairs,
    seed,
    share,
    threshold,
    whole_number,
    whole_pair,
)

__all__ = ["ARGUMENTS", "OF_FUNCTIONS"]


def _progress(argument: str, value: Any) -> Any:
    """Take True or False, or a function of the share of the work that is done."""
    return value if callable(value) else _FLAG_OR_FUNCTION(argument, value)


def _weight_rule(argument: str, value: Any) -> Any:
    """Take the name of a rule for the weights of cells."""
    from steadyvelo.model import WEIGHT_RULES  # noqa: PLC0415 (loads numba)

    named = name("the name of a rule")(argument, value)
    return choice(*WEIGHT_RULES)(argument, named)


_FLAG_OR_FUNCTION = any_of("True, False, or a function of the share of the work done", flag)
_COLUMN = "the name of a column of obs"
_LAYER = name("the name of a layer")
_AMBIGUOUS = choice("default", "drop", "spliced", "unspliced", "keep")

_DATA: dict[str, Check] = {
    "adata": an_adata,
    "counts": any_of(
        "an AnnData, or a mapping from samples to AnnData",
        instance("an AnnData", "AnnData"),
        mapping("a mapping from samples to AnnData"),
        # of the values of layers
        choice("auto", "raw", "normalised"),
    ),
    "path": file_path,
}

_NAMES: dict[str, Check] = {
    "groupby": name(_COLUMN),
    "sample_key": name(_COLUMN),
    "condition_key": name(_COLUMN),
    "gamma_by": name(_COLUMN),
    "strata": name(_COLUMN),
    "gene_clusters": name("the name of a column of var"),
    "color": name("the name of a column of obs"),
    "sortby": name(_COLUMN),
    "within": name(_COLUMN),
    "spliced_size": name(_COLUMN),
    "unspliced_size": name(_COLUMN),
    "spliced": _LAYER,
    "unspliced": _LAYER,
    "basis": name("the name of an embedding"),
    "use_rep": name("the name of a representation in obsm"),
    "velocity_key": name("the name of a result"),
    "key_added": name("the name for a result"),
    "neighbors_key": name("the name of a neighbour graph in uns"),
    "cell_attribute": name("the name of a column attribute"),
    "gene_attribute": name("the name of a row attribute"),
    "cluster": name("the name of a cluster"),
    "lineage": name("the name of a lineage"),
    "lineage_key": name(_COLUMN),
    "title": name("a title"),
    "cmap": color_map,
    "legend_loc": legend_place,
}

_LISTS: dict[str, Check] = {
    "genes": names("names of genes"),
    "cells": any_of("names of cells, or a file with them", names("names of cells"), file_path),
    "retain": names("names of genes"),
    "root": names("names of cells or clusters"),
    "end": names("names of cells or clusters"),
    "start": any_of(
        "names of cells or clusters, or a mask of cells",
        mask,
        names("names of cells or clusters"),
    ),
    "groups": names("names of groups", numbers=True),
    "conditions": names("names of conditions", numbers=True),
    "edges": pairs,
    "min_average": averages,
    "expected": pair,
    "components": whole_pair,
    "barcode_map": any_of(
        "a mapping from cell names of adata to cell names of the counts, or the path of a file",
        mapping("a mapping"),
        file_path,
    ),
    "palette": mapping("a mapping from groups to colours"),
    "ax": axes,
}

_FLAGS: dict[str, Check] = dict.fromkeys(
    (
        "backward",
        "dense",
        "filtered",
        "fit_offset",
        "fit_offset2",
        "force",
        "graph_in_uns",
        "hexagons",
        "highly_variable",
        "self_transitions",
        "sensitivity",
        "show",
        "show_fit_cells",
        "signed",
        "sort_genes",
        "sqrt_transform",
        "steady_state",
        "subset",
        "truth",
    ),
    flag,
)

_WHOLE: dict[str, Check] = {
    "min_cells": whole_number(1),
    "min_shared_cells": whole_number(0),
    "min_spliced_cells": whole_number(0),
    "min_unspliced_cells": whole_number(0),
    "n_bins": whole_number(1),
    "n_branches": whole_number(1),
    "n_cells": whole_number(1),
    "n_columns": whole_number(1),
    "n_components": whole_number(2),
    "n_controls": whole_number(0),
    "n_genes": whole_number(1),
    "n_grid": whole_number(2),
    "n_neighbors": whole_number(2),
    "n_paths": whole_number(1),
    "n_pcs": whole_number(1),
    "n_portraits": whole_number(1),
    "n_recurse_neighbors": whole_number(1),
    "n_repeats": whole_number(1),
    "n_steps": whole_number(1),
}

_NUMBERS: dict[str, Check] = {
    "alpha": number(least=0, most=1),
    "arrow_length": number(above=0),
    "density": number(above=0),
    "depth": number(above=0),
    "diffusion": number(least=0, most=1),
    "dispersion": number(least=0),
    "fdr": number(least=0, most=1),
    "gamma_bounds": number_pair,
    "high": number(least=0, most=1),
    "level": share,
    "library_size_sd": number(least=0),
    "low": number(least=0, most=1),
    "min_expression": number(least=0, most=1),
    "min_gamma": threshold,
    "min_agreement": number(least=0, most=1),
    "min_molecules": number(least=0),
    "min_overlap": number(least=0, most=1),
    "min_r2": threshold,
    "min_shared_counts": number(least=0),
    "min_spliced_counts": number(least=0),
    "min_unspliced_counts": number(least=0),
    "offset_bounds": number_pair,
    "scale": number(above=0),
    "size": number(above=0),
    "smoothing": number(above=0),
    "spacing": number(least=0),
    "time": number(least=0),
    "threshold": number(least=-1, most=1),
    "tolerance": number(above=0),
}

_CHOICES: dict[str, Check] = {
    "ambiguous": _AMBIGUOUS,
    "assumption": choice("constant_velocity", "constant_unspliced"),
    "bounds": choice("velocyto"),
    "contrast": choice("matched", "extremes"),
    "method": choice("per_layer", "common"),
    "metric": choice("euclidean", "cosine", "correlation"),
    "mode": any_of(
        "'deterministic', 'stochastic' or Stochastic(...)",
        choice("deterministic", "stochastic"),
        instance("Stochastic(...)", "Stochastic"),
    ),
    "moments": choice("scvelo", "exact"),
    "size_factors": any_of(
        "'per_layer', 'common' or SizeFactors(...)",
        choice("per_layer", "common"),
        instance("SizeFactors(...)", "SizeFactors"),
    ),
    "neighbors": any_of(
        "the name of a neighbour graph, or Neighbors(...)",
        name("the name of a neighbour graph in uns"),
        instance("Neighbors(...)", "Neighbors"),
    ),
    "offset": choice(*(False, True), "nonnegative"),
    "r2": choice("fit", "all_cells"),
    "tool": choice("scvelo", "cellrank", "cellxgene", "loom"),
    "uncertainty": any_of(
        "'crossfit', 'sandwich', CrossFit(...) or Sandwich(...)",
        choice("crossfit", "sandwich"),
        instance("CrossFit(...) or Sandwich(...)", "CrossFit", "Sandwich"),
    ),
    # the name of a rule, a rule with options, or numbers per cell or per cell and gene
    "weights": any_of(
        "'extremes', 'all', Extremes(...), or an array of numbers per cell, or per cell and gene",
        _weight_rule,
        instance("Extremes(...)", "Extremes"),
        instance("an array", "ndarray", "sparray", "spmatrix", "Series", "list", "tuple"),
    ),
}

_LIMITS: dict[str, Check] = {
    "n_threads": thread_number,
    "max_memory": parse_memory,
    "progress": _progress,
    "rng": seed,
}

ARGUMENTS: dict[str, Check] = {
    **_DATA,
    **_NAMES,
    **_LISTS,
    **_FLAGS,
    **_WHOLE,
    **_NUMBERS,
    **_CHOICES,
    **_LIMITS,
}

# arguments that mean something else in one function, by its name
OF_FUNCTIONS: dict[str, dict[str, Check]] = {
    "velocity_graph": {"genes": programme},
    "velocity_embedding": {"method": choice("transitions", "projection")},
}
