"""What is recorded of a fit, there and back."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import (
    ErrorChoice,
    FitOptions,
    FitParams,
    GraphParams,
    MadeFrom,
    note_made,
)
from steadyvelo._adata._provenance import SCHEMA

BOUNDS = st.one_of(
    st.none(),
    st.tuples(st.just(-np.inf), st.floats(0, 3)),
    st.tuples(st.floats(-3, 0), st.just(np.inf)),
)
NAMES = st.one_of(st.none(), st.sampled_from(["pca_graph", "batch", "κ"]))
QUANTILE = st.one_of(st.none(), st.floats(0, 1))
ERRORS = st.one_of(
    st.just(ErrorChoice()),
    st.builds(
        ErrorChoice, method=st.just("sandwich"), level=st.floats(0.5, 0.99), sample_key=NAMES
    ),
    st.builds(
        ErrorChoice,
        method=st.just("crossfit"),
        level=st.floats(0.5, 0.99),
        sample_key=NAMES,
        n_repeats=st.integers(1, 9),
        gene_clusters=NAMES,
        rng=st.integers(0, 2**31),
    ),
)
OPTIONS = st.builds(
    FitOptions,
    weights=st.sampled_from(["extremes", "all", "given"]),
    quantiles=st.tuples(QUANTILE, QUANTILE),
    offset=st.sampled_from([False, True, "nonnegative"]),
    min_r2=st.floats(-1, 1),
    r2=st.sampled_from(["fit", "all_cells"]),
    highly_variable=st.booleans(),
    dense=st.booleans(),
    groups=st.just(("a", "b")),
    groupby=st.just("branch"),
    gamma_by=NAMES,
    gamma_bounds=BOUNDS,
    offset_bounds=BOUNDS,
    bounds=st.sampled_from([None, "velocyto"]),
    neighbors_key=NAMES,
    errors=ERRORS,
    stochastic=st.one_of(
        st.none(),
        st.builds(
            sv.Stochastic,
            moments=st.sampled_from(["scvelo", "exact"]),
            fit_offset=st.booleans(),
            fit_offset2=st.booleans(),
        ),
    ),
)
MADE_FROM = st.builds(
    MadeFrom,
    schema=st.just(SCHEMA),
    version=st.just("1"),
    n_cells=st.integers(1, 10**6),
    cells_hash=st.just("0f"),
    moments=st.sampled_from(["counts", "layers"]),
    neighbors_hash=st.one_of(st.none(), st.just("1f")),
    folds_hash=st.one_of(st.none(), st.just("2f")),
    categories=st.sampled_from([None, ("a",), ("a", "b")]),
    categories_hash=st.sampled_from([None, "3f"]),
)
GRAPH = st.one_of(
    st.none(), st.builds(GraphParams, st.integers(1, 3), st.integers(2, 9), st.booleans(), NAMES)
)


@given(options=OPTIONS, made_from=MADE_FROM, graph=GRAPH)
def test_what_is_written_is_read(options, made_from, graph):
    adata = ad.AnnData(np.ones((2, 2)))
    FitParams(options, made_from, graph).write(adata, "velocity")
    assert FitParams.read(adata, "velocity", "") == FitParams(options, made_from, graph)


@pytest.mark.parametrize(
    "options",
    [
        {"uncertainty": sv.CrossFit(n_repeats=1)},
        {"groups": ["trunk"], "groupby": "branch", "uncertainty": sv.CrossFit(n_repeats=1)},
        {"mode": sv.Stochastic(moments="exact", fit_offset=True), "uncertainty": "sandwich"},
    ],
)
def test_a_file_changes_nothing(fitted, tmp_path, options):
    sv.tl.velocity(fitted, offset="nonnegative", **options)
    sv.tl.velocity_graph(fitted, sqrt_transform=True)
    before = Fit.read(fitted, "velocity").params
    fitted.write_h5ad(tmp_path / "a.h5ad")
    after = Fit.read(ad.read_h5ad(tmp_path / "a.h5ad"), "velocity").params
    assert (after.options, after.made_from, after.graph) == (
        before.options,
        before.made_from,
        before.graph,
    )


def test_another_graph_drops_what_was_made_from_the_first(fitted):
    note_made(fitted, "velocity", "directions", {"rng": 3}, under="pca")
    note_made(fitted, "velocity", "pseudotime", {"rng": 4})
    assert fitted.uns["velocity_params"]["embeddings"] == ["pca"]
    sv.tl.velocity_graph(fitted, n_recurse_neighbors=1)
    params = Fit.read(fitted, "velocity").params
    assert set(params.made) == {"directions"}
    assert params.made["directions"]["pca"]["rng"] == 3
    assert params.graph.n_recurse_neighbors == 1


def test_parameters_of_another_tool_are_refused(fitted):
    del fitted.uns["velocity_params"]["cells_hash"]
    with pytest.raises(ValueError, match=r"lacks 'cells_hash'.*another tool.*Rerun tl\.velocity"):
        sv.tl.velocity_graph(fitted)


@pytest.mark.parametrize("found", [SCHEMA + 1, None])
def test_results_in_another_form_are_refused_with_what_to_rerun(fitted, found):
    sv.tl.rank_velocity_genes(fitted, "branch")
    note = fitted.uns["velocity_params"]["ranked_genes"]
    note["schema"] = found
    if found is None:
        del note["schema"]
    with pytest.raises(ValueError, match=r"schema version .* Rerun tl\.rank_velocity_genes"):
        sv.get.ranked_genes(fitted)
    fitted.uns["velocity_params"]["schema"] = found
    with pytest.raises(ValueError, match=r"which reads schema version 1\. Rerun tl\.velocity\("):
        sv.tl.velocity_graph(fitted)


def test_a_neighbour_graph_in_another_form_is_refused(fitted):
    fitted.uns["neighbors"]["params"]["schema"] = SCHEMA + 1
    with pytest.raises(ValueError, match=r"the neighbour graph was stored .* Rerun pp\.neighbors"):
        sv.tl.velocity(fitted, dense=False)


@pytest.mark.parametrize(
    ("uncertainty", "n_cells", "expected"),
    [
        ("crossfit", 5000, 5),
        ("crossfit", 5001, 3),
        ("crossfit", 500_001, 2),
        (sv.CrossFit(n_repeats=7), 10**6, 7),
        (sv.CrossFit(n_repeats=1), 10, 1),
    ],
)
def test_fewer_repeats_of_many_cells_unless_a_number_is_asked_for(uncertainty, n_cells, expected):
    assert ErrorChoice.asked(uncertainty, n_cells).n_repeats == expected


@pytest.mark.parametrize(
    "options",
    [
        {"gamma_by": "branch"},
        {"offset": True, "gamma_bounds": (0, np.inf), "offset_bounds": (-np.inf, 1)},
        {"bounds": "velocyto"},
    ],
)
def test_a_file_keeps_categories_and_bounds(prepared, tmp_path, options):
    sv.tl.velocity(prepared, dense=False, **options)
    before = Fit.read(prepared, "velocity").params
    prepared.write_h5ad(tmp_path / "a.h5ad")
    after = Fit.read(ad.read_h5ad(tmp_path / "a.h5ad"), "velocity").params
    assert (after.options, after.made_from) == (before.options, before.made_from)
