"""Results are not drawn or told where what they were computed from has changed since then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import steadyvelo as sv
from steadyvelo._adata._fingerprints import fingerprints


@pytest.fixture(scope="module")
def tested():
    """A result with arrows, tests of directions and verdicts."""
    adata = sv.datasets.simulate(n_cells=400, n_genes=80, depth=2, rng=0)
    options = {"neighbors": sv.Neighbors(n_neighbors=20, n_pcs=10)}
    errors = sv.CrossFit(n_repeats=1)
    return sv.run(adata, groupby="branch", basis="pca", uncertainty=errors, **options)


PICTURES = {
    "stream": sv.pl.velocity_stream,
    "grid": sv.pl.velocity_grid,
    "arrows": sv.pl.velocity_arrows,
    "control": sv.pl.control,
    "headline": lambda adata, basis: sv.report.headline(adata, basis=basis),
    "agreement": lambda adata, basis: sv.metrics.cross_boundary_direction(
        adata, [("root", "middle 1")], groupby="clusters", basis=basis
    ),
}


@pytest.mark.parametrize("picture", PICTURES)
def test_an_embedding_that_was_computed_again(tested, picture):
    adata = tested.copy()
    if picture == "control":
        sv.tl.randomized_velocity(adata, basis="pca")
    adata.obsm["X_pca"] = adata.obsm["X_pca"][:, ::-1].copy()
    with pytest.raises(ValueError, match=r"arrows were computed on other coordinates of 'pca'"):
        PICTURES[picture](adata, basis="pca")
    # the remedy is followed
    sv.tl.velocity_embedding(adata, basis="pca")
    found = "tests of directions were computed on other coordinates|run tl.randomized_velocity"
    with pytest.raises((ValueError, KeyError), match=found):
        PICTURES[picture](adata, basis="pca")
    sv.tl.reliability(adata, "branch", basis="pca", n_controls=2, sensitivity=False)
    if picture == "control":
        sv.tl.randomized_velocity(adata, basis="pca")
    PICTURES[picture](adata, basis="pca")


def test_arrows_of_other_dimensions(tested):
    adata = tested.copy()
    adata.obsm["X_pca"] = adata.obsm["X_pca"][:, :3].copy()
    with pytest.raises(ValueError, match="have 10 dimensions and the embedding has 3"):
        sv.pl.velocity_stream(adata, basis="pca")


@pytest.mark.parametrize("form", ["subset", "sorted", "float32", "file"])
def test_cells_that_are_left_out_or_sorted_are_no_change(tested, tmp_path, form):
    adata = tested.copy()
    if form == "subset":
        adata = adata[adata.obs["branch"] != "trunk"].copy()
    elif form == "sorted":
        adata = adata[::-1].copy()
    elif form == "float32":
        adata.obsm["X_pca"] = adata.obsm["X_pca"].astype(np.float32)
    else:
        sv.io.write_h5ad(adata, tmp_path / "a.h5ad")
        adata = sv.io.read_h5ad(tmp_path / "a.h5ad")
    sv.pl.velocity_stream(adata, basis="pca")
    there = set(adata.obs["branch"].unique())
    assert there <= set(sv.get.verdicts(adata).index)


def test_other_names_of_clusters_are_no_change(tested):
    adata = tested.copy()
    before = sv.get.verdicts(adata)
    names = {name: f"cluster {name}" for name in adata.obs["branch"].cat.categories}
    adata.obs["branch"] = adata.obs["branch"].cat.rename_categories(names)
    after = sv.get.verdicts(adata)
    assert list(after.index) == [names[name] for name in before.index]
    assert list(after["verdict"]) == list(before["verdict"])
    first = next(iter(names))
    old = sv.get.direction_support(tested, first, basis="pca")
    new = sv.get.direction_support(adata, names[first], basis="pca")
    assert new.cluster == names[first]
    pd.testing.assert_frame_equal(new.genes, old.genes)


@pytest.mark.parametrize("change", ["joined", "divided", "moved"])
def test_other_clusters_are_refused(tested, change):
    adata = tested.copy()
    labels = adata.obs["branch"].astype(str)
    if change == "joined":
        labels[labels != "trunk"] = "rest"
    elif change == "divided":
        labels[np.arange(len(labels)) % 2 == 0] += " even"
    else:
        labels.iloc[0] = next(name for name in labels.unique() if name != labels.iloc[0])
    adata.obs["branch"] = labels.astype("category")
    for read in (sv.get.verdicts, lambda x: sv.get.cluster_directions(x, basis="pca")):
        with pytest.raises(ValueError, match=r"not those whose directions were tested.*Rerun tl\."):
            read(adata)
    sv.tl.reliability(adata, "branch", basis="pca", n_controls=2, sensitivity=False)
    assert set(sv.get.verdicts(adata).index) == set(labels.unique())


def test_a_fingerprint_changes_with_every_coordinate():
    x = np.random.default_rng(0).normal(size=(1000, 2))
    for change in (1e-6, 1e-3, 1.0):
        for column in (0, 1):
            moved = x.copy()
            moved[:, column] += change
            assert (fingerprints(moved) != fingerprints(x)).mean() > 0.99
    assert (fingerprints(x[:, ::-1]) != fingerprints(x)).mean() > 0.99
    np.testing.assert_array_equal(fingerprints(x), fingerprints(x.astype(np.float32)))
    np.testing.assert_array_equal(fingerprints(np.zeros((2, 2))), fingerprints(-np.zeros((2, 2))))
    assert len(np.unique(fingerprints(x))) == 1000


def moved_counts(adata):
    adata.layers["spliced"] = adata.layers["spliced"][:, ::-1].copy()


def other_weights(adata):
    adata.obs["velocity_weights"] = adata.obs["velocity_weights"].to_numpy()[::-1]


# all that new results are computed from, as listed in docs/anndata.md
INPUTS = {
    "order of cells": (lambda a: a._inplace_subset_obs(np.arange(a.n_obs)[::-1]), "order have"),
    "fewer cells": (lambda a: a._inplace_subset_obs(np.arange(a.n_obs - 1)), "now has 399 cells"),
    "counts": (moved_counts, "layer 'spliced' has changed"),
    "size factors": (lambda a: sv.pp.size_factors(a, method="common"), "size factors or used"),
    "used cells": (lambda a: a.obs.__setitem__("cells_used", np.arange(400) > 0), "or used cells"),
    "neighbours": (lambda a: sv.pp.neighbors(a, n_neighbors=9, n_pcs=5), "neighbour graph has"),
    "weights": (other_weights, r"obs\['velocity_weights'\], the weights of the fit, have changed"),
}
NEW = {
    "velocity graph": sv.tl.velocity_graph,
    "checks of the model": sv.tl.check_model,
    "verdicts": lambda a: sv.tl.reliability(a, "branch", basis="pca", n_controls=1),
    "comparison": lambda a: sv.tl.sensitivity(a, "branch", basis="pca"),
    "ratios of groups": lambda a: sv.tl.compare_ratios(a, "branch", contrast="extremes"),
}


@pytest.fixture(scope="module")
def weighted(tested):
    """A fit with weights that were given, without stored velocities."""
    adata = tested.copy()
    for name in ("Ms", "Mu", "velocity"):
        adata.layers.pop(name, None)
    weights = np.random.default_rng(0).uniform(0.5, 1.0, adata.n_obs)
    sv.tl.velocity(adata, weights=weights, uncertainty=sv.CrossFit(n_repeats=1), dense=False)
    return adata


@pytest.mark.parametrize("new", NEW)
@pytest.mark.parametrize("change", INPUTS)
def test_new_results_are_refused_after_a_change(weighted, change, new):
    adata = weighted.copy()
    make, message = INPUTS[change]
    make(adata)
    with pytest.raises(ValueError, match=message):
        NEW[new](adata)


def test_weights_of_every_gene_that_have_changed(weighted):
    adata = weighted.copy()
    sv.tl.velocity(adata, weights=np.ones(adata.shape), dense=False)
    part = adata[:, 5:].copy()
    sv.tl.velocity_graph(part)
    part.layers["velocity_weights"][3, 2] = 0
    with pytest.raises(ValueError, match=r"layers\['velocity_weights'\].*rerun tl\.velocity"):
        sv.tl.velocity_graph(part)
