"""Who does what the messages say reaches the result, without being sent around in circles."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import steadyvelo as sv

CLUSTERS = "branch"


@pytest.fixture(scope="module")
def result():
    adata = sv.datasets.simulate(n_cells=300, n_genes=60, depth=2, truth=False, rng=0)
    made = sv.run(adata, groupby=CLUSTERS, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    made.obsm["X_umap"] = made.obsm["X_pca"][:, :2].astype(np.float64)
    sv.tl.velocity_embedding(made, basis="umap")
    return made


def subset(adata):
    return adata[adata.obs[CLUSTERS] != "trunk"].copy()


def sparse_subset(adata):
    """A part of the cells, without dense layers."""
    sv.tl.velocity(adata, dense=False)
    for name in ("velocity", "Ms", "Mu"):
        adata.layers.pop(name, None)
    return subset(adata)


def sorted_cells(adata):
    return adata[::-1].copy()


def new_neighbors(adata):
    sv.pp.neighbors(adata, n_neighbors=10, n_pcs=5)
    return adata


def other_sizes(adata):
    sv.pp.size_factors(adata, method="common")
    return adata


def other_counts(adata):
    adata.layers["spliced"] = adata.layers["spliced"][:, ::-1].copy()
    return adata


def no_moments(adata):
    del adata.layers["Ms"]
    return adata


def other_embedding(adata):
    adata.obsm["X_umap"] = adata.obsm["X_umap"][:, ::-1].copy()
    return adata


CHANGES = [
    subset,
    sparse_subset,
    sorted_cells,
    new_neighbors,
    other_sizes,
    other_counts,
    no_moments,
    other_embedding,
]
CALLS = {
    "pp.size_factors": sv.pp.size_factors,
    "pp.neighbors": lambda a: sv.pp.neighbors(a, n_neighbors=15, n_pcs=10),
    "pp.moments": sv.pp.moments,
    "pp.filter_genes": sv.pp.filter_genes,
    "tl.velocity": lambda a: sv.tl.velocity(a, uncertainty=sv.CrossFit(n_repeats=1)),
    "tl.velocity_graph": sv.tl.velocity_graph,
    "tl.velocity_embedding": lambda a: sv.tl.velocity_embedding(a, basis="umap"),
    "tl.direction": lambda a: sv.tl.direction(a, basis="umap", n_controls=1),
    "tl.reliability": lambda a: sv.tl.reliability(
        a, CLUSTERS, basis="umap", n_controls=1, sensitivity=False
    ),
    "tl.velocity_confidence": sv.tl.velocity_confidence,
    "tl.velocity_pseudotime": sv.tl.velocity_pseudotime,
    "tl.terminal_states": sv.tl.terminal_states,
    "tl.walk": lambda a: sv.tl.walk(a, a.obs_names[0]),
    "tl.paths": lambda a: sv.tl.paths(a, a.obs_names[0]),
    "tl.cluster_graph": lambda a: sv.tl.cluster_graph(a, CLUSTERS, n_controls=1),
    "tl.rank_velocity_genes": lambda a: sv.tl.rank_velocity_genes(a, CLUSTERS),
    "tl.randomized_velocity": lambda a: sv.tl.randomized_velocity(a, basis="umap"),
    "tl.check_model": sv.tl.check_model,
    "pl.velocity_stream": lambda a: sv.pl.velocity_stream(a, basis="umap"),
    "pl.phase_portrait": lambda a: sv.pl.phase_portrait(a, a.var_names[0]),
    "report.headline": lambda a: sv.report.headline(a, basis="umap"),
    "get.velocity": sv.get.velocity,
    "get.extrapolated": lambda a: sv.get.extrapolated(a, 1.0),
}
WANTED = [name for name in CALLS if not name.startswith("pp.")]


def remedies(message):
    """Names of the functions that a message asks for, in order; of alternatives the first."""
    if not message:
        return []
    asked = message[re.search(r"[Rr]erun|run (pp|tl)\.|restore", message).start() :]
    asked = re.sub(r"\b((?:pp|tl)\.\w+)(?:\([^)]*\))? or (?:pp|tl)\.\w+", r"\1", asked)
    return re.findall(r"\b(?:pp|tl)\.\w+", asked)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("wanted", WANTED)
def test_what_one_message_asks_for_is_enough(result, change, wanted):
    adata = change(result.copy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in remedies(refusal(CALLS[wanted], adata)):
            CALLS[name](adata)
        CALLS[wanted](adata)


def refusal(call, adata):
    """The message of a refusal; empty if the call is not refused."""
    try:
        call(adata)
    except (ValueError, KeyError) as error:
        return str(error)
    return ""


def test_a_part_of_a_result_is_run_again(result, said):
    part = subset(result)
    again = sv.run(part, groupby=CLUSTERS, basis="pca", uncertainty=sv.CrossFit(n_repeats=1))
    assert "neighbours: the graph in adata was found for other cells; it is found again" in said
    assert again.n_obs == part.n_obs
    before, after = (x.uns["neighbors"]["params"]["n_neighbors"] for x in (result, again))
    assert before == after
