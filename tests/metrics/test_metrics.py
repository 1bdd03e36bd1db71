"""Metrics against loops, and against data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

import steadyvelo as sv


def test_cross_boundary_direction_in_a_loop(fitted):
    edges = [("root", "fork"), ("fork", "middle 1"), ("root", "tip 2")]
    table = sv.metrics.cross_boundary_direction(fitted, edges, basis="pca")
    labels = fitted.obs["clusters"].astype(str).to_numpy()
    points, arrows = fitted.obsm["X_pca"].astype(float), fitted.obsm["velocity_pca"]
    for row, (first, second) in zip(table.itertuples(), edges, strict=True):
        cells = []
        for i in np.flatnonzero(labels == first):
            targets = fitted.obsp["distances"][[i]].indices
            targets = targets[labels[targets] == second]
            if len(targets) == 0:
                continue
            way = points[targets] - points[i]
            cosine = way @ arrows[i] / np.linalg.norm(way, axis=1) / np.linalg.norm(arrows[i])
            cells.append(cosine.mean())
        assert row.n_cells == len(cells)
        assert (
            row.cosine == pytest.approx(np.mean(cells), nan_ok=True)
            if cells
            else np.isnan(row.cosine)
        )


def test_cells_without_an_arrow_do_not_count(fitted):
    fitted.obsm["velocity_pca"][::2] = np.nan
    fitted.obsm["velocity_pca"][1] = 0
    table = sv.metrics.cross_boundary_direction(fitted, [("root", "fork")], basis="pca")
    assert np.isfinite(table["cosine"][0])


def test_unknown_clusters_are_refused(fitted):
    with pytest.raises(KeyError, match="clusters 'leaf' are not in"):
        sv.metrics.cross_boundary_direction(fitted, [("root", "leaf")], basis="pca")
    with pytest.raises(KeyError, match="no 'leiden'"):
        sv.metrics.cross_boundary_direction(fitted, [], basis="pca", groupby="leiden")


def test_agreement_with_truth_by_hand(fitted):
    agreement = sv.metrics.agreement_with_truth(fitted)
    gamma, truth = fitted.var["velocity_gamma"], fitted.layers["true_velocity"].astype(float)
    v = fitted.layers["velocity"].astype(float)
    expected = spearmanr(gamma, fitted.var["true_gamma"]).statistic
    assert agreement["gamma_rank_correlation"] == pytest.approx(expected)
    per_gene = [np.corrcoef(v[:, g], truth[:, g])[0, 1] for g in range(60) if truth[:, g].any()]
    assert agreement["velocity_correlation"] == pytest.approx(np.median(per_gene), abs=1e-6)
    cosine = (v * truth).sum(1) / np.linalg.norm(v, axis=1) / np.linalg.norm(truth, axis=1)
    assert agreement["cell_cosine"] == pytest.approx(np.nanmean(cosine), abs=1e-6)


def test_the_truth_agrees_with_itself(fitted):
    fitted.layers["Ms"] = fitted.layers["true_spliced"]
    fitted.layers["Mu"] = fitted.layers["true_unspliced"]
    del fitted.uns["moments_params"]
    sv.tl.velocity(fitted, weights="all")
    fitted.var["velocity_gamma"] = fitted.var["true_gamma"]
    agreement = sv.metrics.agreement_with_truth(fitted)
    np.testing.assert_allclose(agreement.iloc[:2], 1, rtol=1e-5)
    # cells that rest have rounding for a direction
    assert agreement["cell_cosine"] > 0.98


def test_data_without_truth_are_refused(fitted):
    del fitted.var["true_gamma"]
    with pytest.raises(KeyError, match="no 'true_gamma'"):
        sv.metrics.agreement_with_truth(fitted)
