"""Directions as a user asks for them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

import steadyvelo as sv
from steadyvelo.pl._plane import Plane
from steadyvelo.tl._multiple_tests import holm


def prepared(*, still=False, rng=0, n_cells=600, **options):
    adata = sv.datasets.simulate(
        n_cells=n_cells, n_genes=120, library_size_sd=0.5, steady_state=still, rng=rng, **options
    )
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=15)
    adata.obsm["X_plane"] = adata.obsm["X_pca"][:, :2].astype(np.float64)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=3), dense=False)
    return adata


@pytest.fixture(scope="module")
def moving_once():
    adata = prepared()
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="plane")
    sv.tl.direction(adata, basis="plane", groupby="clusters", n_controls=20)
    return adata


@pytest.fixture
def moving(moving_once):
    return moving_once.copy()


def test_cells_that_move_are_seen_to(moving):
    table = moving.uns["velocity_direction_plane"]
    assert (table["p_holm"] < 0.05).all()
    assert (moving.obs["velocity_plane_determined"]).mean() > 0.5
    assert moving.obs["velocity_plane_agreement"].median() > 0.9
    # from the trunk to the branches: along the time that was simulated
    arrows = moving.obsm["velocity_direction_plane"]
    time = moving.obs["true_time"].to_numpy()
    ahead = moving.obsm["X_plane"][time > np.quantile(time, 0.3)].mean(axis=0)
    root = time < np.quantile(time, 0.2)
    ahead = ahead - moving.obsm["X_plane"][root].mean(axis=0)
    assert (arrows[root] @ ahead > 0).mean() > 0.9
    low, high = (moving.obs[f"velocity_plane_angle_{end}"] for end in ("low", "high"))
    angle = moving.obs["velocity_plane_angle"]
    assert ((low <= angle) & (angle <= high)).all()
    open_ = ~moving.obs["velocity_plane_determined"]
    np.testing.assert_allclose((high - low)[open_], 2 * np.pi)
    assert ((high - low)[~open_] < np.pi + 1e-9).all()


@pytest.mark.parametrize("dispersion", [0.0, 0.5])
def test_cells_at_steady_state_have_no_direction(dispersion):
    share, clusters = [], []
    for seed in range(4):
        adata = prepared(still=True, rng=seed, dispersion=dispersion)
        sv.tl.direction(adata, basis="plane", groupby="clusters", n_controls=0)
        share.append(adata.obs["velocity_plane_determined"].mean())
        clusters += list(adata.uns["velocity_direction_plane"]["p"])
        assert "control_significant" not in adata.uns["velocity_direction_plane"]
        assert "velocity_plane_determined_in_controls" not in adata.obsm
    assert np.mean(share) < 0.06
    # 24 tests at 5 %: five or more in 1.2 % of cases
    assert (np.array(clusters) < 0.05).sum() <= 5


def test_the_control_has_no_direction(moving):
    table = moving.uns["velocity_direction_plane"]
    made = moving.uns["velocity_params"]["directions"]["plane"]
    assert made["determined_in_controls"] < 0.06
    in_controls = moving.obsm["velocity_plane_determined_in_controls"]
    assert in_controls.shape == (moving.n_obs, 20)
    assert in_controls.mean() == pytest.approx(made["determined_in_controls"])
    assert table["control_any_significant"].iloc[0] <= 0.15
    assert (table["control_determined"] < table["determined"]).all()


def test_the_control_equals_the_arrows_of_sign_flipped_counts(moving):
    """One sign a cell, the line fitted again to what it makes of u: the same summed p-values."""
    fitted = moving.var["velocity_gamma"].to_numpy()
    genes = moving.var["velocity_genes"].to_numpy()
    from steadyvelo._adata._fit import Fit  # noqa: PLC0415
    from steadyvelo.engine import Lines, find_directions  # noqa: PLC0415
    from steadyvelo.tl._uncertainty import Errors  # noqa: PLC0415

    fit, chosen = Fit.read(moving, "velocity"), np.flatnonzero(genes)
    counts, rule = fit.counts(chosen), fit.rule(chosen)
    errors = Errors.of_fit(fit).of(counts)
    gamma = fitted[genes]
    rng = np.random.default_rng(1)
    signs = (2 * rng.integers(0, 2, (1, moving.n_obs)) - 1).astype(np.int8)
    groups = moving.obs["clusters"].cat.codes.to_numpy().astype(np.intp)
    embedding = moving.obsm["X_plane"]

    def directions(source, lines, signs):
        return find_directions(
            source, errors, rule, lines, embedding, groups, signs=signs, genes_per_block=200
        )

    lines = Lines(gamma, np.zeros(len(gamma)))
    data = directions(counts, lines, signs)
    s = counts.spliced.toarray()[:, chosen] * counts.spliced_scale[:, None]
    u = counts.unspliced.toarray()[:, chosen] * counts.unspliced_scale[:, None]
    turned = gamma * s + signs[0][:, None] * (u - gamma * s)
    block = counts.block(slice(0, len(gamma)))
    h = errors.instruments(block, [rule])[0].h[block.order.row_of_cell]
    again = (h * turned).sum(axis=0) / (h * s).sum(axis=0)
    from dataclasses import replace  # noqa: PLC0415

    scale = np.ones(moving.n_obs)
    source = replace(
        counts, spliced=s, unspliced=turned, genes=np.arange(len(gamma)),
        spliced_scale=scale, unspliced_scale=scale,
    )  # fmt: skip
    true = directions(source, Lines(again, np.zeros(len(gamma))), signs[:0])
    turned_arrows = data.controls(lambda arrows, *_: arrows)[0]
    np.testing.assert_allclose(turned_arrows, true.arrows, atol=1e-3 * np.abs(data.arrows).max())


def test_drawn_and_tested_arrows_are_compared_on_the_same_coordinates(moving):
    name = "velocity_plane_agreement"
    adata = moving.copy()
    sv.tl.velocity_graph(adata)
    assert name not in adata.obs
    sv.tl.velocity_embedding(adata, basis="plane")
    sv.tl.direction(adata, basis="plane", n_controls=0)
    before = adata.obs[name].copy()
    x, y = adata.obsm["velocity_plane"], adata.obsm["velocity_direction_plane"]
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    np.testing.assert_allclose(before, (x * y).sum(axis=1) / lengths)
    # in the other order
    sv.tl.velocity_embedding(adata, basis="plane", scale=3)
    assert (adata.obs[name] != before).any()
    sv.tl.velocity_embedding(adata, basis="plane")
    np.testing.assert_array_equal(adata.obs[name], before)
    # other coordinates, with another number of dimensions
    adata.obsm["X_plane"] = np.hstack([adata.obsm["X_plane"], adata.obsm["X_plane"][:, :1] ** 2])
    sv.tl.velocity_embedding(adata, basis="plane")
    assert name not in adata.obs
    sv.tl.direction(adata, basis="plane", n_controls=0)
    assert name in adata.obs
    sv.tl.velocity_graph(adata)
    assert name not in adata.obs


def test_holm_is_that_of_statsmodels():
    p = np.random.default_rng(0).random(12) ** 3
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    with_none = np.insert(p, 3, np.nan)
    np.testing.assert_array_equal(np.delete(holm(with_none), 3), holm(p))
    assert np.isnan(holm(with_none)[3])


def test_what_is_written_survives_a_file(moving, tmp_path):
    moving.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    table = back.uns["velocity_direction_plane"]
    assert list(table.index) == list(moving.obs["clusters"].cat.categories)
    sv.tl.direction(back, basis="plane", groupby="clusters", n_controls=20)
    np.testing.assert_allclose(
        back.obsm["velocity_direction_plane"], moving.obsm["velocity_direction_plane"], rtol=1e-4
    )


def test_nothing_stale_stays(moving):
    sv.tl.direction(moving, basis="plane", n_controls=0)
    assert "velocity_direction_plane" not in moving.uns
    moving.obsm["X_solid"] = moving.obsm["X_pca"][:, :3].astype(np.float64)
    sv.tl.direction(moving, basis="solid", n_controls=0)
    assert "velocity_solid_angle" not in moving.obs
    assert moving.obs["velocity_solid_determined"].mean() > 0.5
    sv.tl.velocity(moving, dense=False)
    left = [name for name in [*moving.obs, *moving.obsm, *moving.uns] if "plane" in name]
    assert left == ["X_plane"]


@pytest.mark.parametrize("offset", [True, "nonnegative"])
def test_lines_with_an_offset_have_directions(offset):
    adata = prepared(n_cells=400)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), dense=False, offset=offset)
    sv.tl.direction(adata, basis="plane", groupby="clusters", n_controls=5)
    assert (adata.uns["velocity_direction_plane"]["p"] < 0.05).mean() > 0.5


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"basis": "umap"}, KeyError, "umap"),
        ({"basis": "plane", "level": 95}, ValueError, "95"),
        ({"basis": "plane", "n_controls": -1}, ValueError, "-1"),
        ({"basis": "plane", "groupby": "nothing"}, KeyError, "nothing"),
        ({"basis": "plane", "n_controls": 2.5}, TypeError, "2.5"),
        ({"basis": "plane", "rng": "seed"}, TypeError, "seed"),
    ],
)
def test_wrong_arguments_are_refused(moving, options, error, text):
    with pytest.raises(error, match=text):
        sv.tl.direction(moving, **options)


def test_a_fit_without_cross_fitted_errors_is_refused(moving):
    sv.tl.velocity(moving, uncertainty="sandwich", dense=False)
    with pytest.raises(ValueError, match="uncertainty='crossfit'"):
        sv.tl.direction(moving, basis="plane")


def test_counts_that_have_changed_are_refused(moving):
    moving.layers["unspliced"] = moving.layers["unspliced"] * 2
    with pytest.raises(ValueError, match="changed"):
        sv.tl.direction(moving, basis="plane")


@pytest.mark.parametrize("change", ["fewer genes", "highly variable"])
def test_folds_that_cannot_be_made_again_are_refused(moving, change):
    if change == "fewer genes":
        moving = moving[:, moving.var["velocity_genes"]].copy()
    else:
        moving.var["highly_variable"] = np.arange(moving.n_vars) % 2 == 0
    with pytest.raises(ValueError, match="have changed since the fit"):
        sv.tl.direction(moving, basis="plane")


def test_of_a_wide_embedding_the_plane_that_is_drawn_is_judged(moving):
    moving.obsm["X_wide"] = np.hstack([moving.obsm["X_plane"], moving.obsm["X_pca"][:, 2:6]])
    sv.tl.velocity_embedding(moving, basis="wide")
    sv.tl.direction(moving, basis="wide", groupby="clusters", n_controls=20)
    for name in ("p", "determined", "angle", "angle_low"):
        np.testing.assert_array_equal(
            moving.obs[f"velocity_wide_{name}"], moving.obs[f"velocity_plane_{name}"]
        )
    assert moving.obsm["velocity_direction_wide"].shape == (moving.n_obs, 2)
    assert moving.obs["velocity_wide_agreement"].median() > 0.8
    # components that were not judged are drawn as such
    assert Plane.of(moving, "wide", "velocity", (0, 1)).determined is not None
    assert Plane.of(moving, "wide", "velocity", (1, 3)).determined is None
    moving.obsm["X_space"] = moving.obsm["X_pca"][:, :3].copy()
    sv.tl.direction(moving, basis="space", n_controls=0)
    assert moving.obsm["velocity_direction_space"].shape == (moving.n_obs, 3)
