"""Phase portraits: the interval around the line, and densities of many cells."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

import steadyvelo as sv


def band(ax):
    """Lower and upper edge of the interval at the largest s, and that s."""
    (drawn,) = [c for c in ax.collections if str(c.get_label()).endswith("interval")]
    points = drawn.get_paths()[0].vertices
    s = points[:, 0].max()
    edge = points[np.isclose(points[:, 0], s), 1]
    return edge.min(), edge.max(), s


def test_the_interval_of_a_line_through_the_origin_is_that_of_gamma(prepared):
    sv.tl.velocity(prepared, uncertainty=sv.Sandwich(level=0.9))
    gene = prepared.var_names[prepared.var["velocity_genes"]][0]
    ax = sv.pl.phase_portrait(prepared, gene)
    low, high, s = band(ax)
    assert low / s == pytest.approx(prepared.var.loc[gene, "velocity_gamma_low"])
    assert high / s == pytest.approx(prepared.var.loc[gene, "velocity_gamma_high"])
    assert "90 % interval" in [text.get_text() for text in ax.artists[0].get_texts()]


def test_the_interval_of_a_line_with_offset_is_narrowest_among_the_cells(prepared):
    sv.tl.velocity(prepared, uncertainty="sandwich", offset=True, weights="all")
    some = prepared.var["velocity_genes"] & prepared.var["velocity_gamma_se"].notna()
    gene = prepared.var.loc[some].index[0]
    ax = sv.pl.phase_portrait(prepared, gene)
    (drawn,) = [c for c in ax.collections if str(c.get_label()).endswith("interval")]
    points = drawn.get_paths()[0].vertices
    at, where = np.unique(points[:, 0].round(6), return_inverse=True)
    wide = np.array([np.ptp(points[where == k, 1]) for k in range(len(at))])
    se = prepared.var.loc[gene]
    pivot = -se["velocity_gamma_offset_covariance"] / se["velocity_gamma_se"] ** 2
    assert abs(at[wide.argmin()] - pivot) <= 2 * (at[1] - at[0])
    # at s = 0 the interval is that of the offset: at least 1.96 standard errors to each side
    half = wide[0] / 2
    assert 1.95 * se["velocity_offset_se"] < half < 2.3 * se["velocity_offset_se"]


def test_a_fit_without_errors_has_no_interval(fitted):
    ax = sv.pl.phase_portrait(fitted, fitted.var_names[0])
    assert not [c for c in ax.collections if str(c.get_label()).endswith("interval")]


def test_a_density_counts_every_cell(fitted):
    gene = fitted.var_names[fitted.var["velocity_genes"]][0]
    ax = sv.pl.phase_portrait(fitted, gene, hexagons=True)
    hexagons, marked = [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert hexagons.get_array().sum() == fitted.n_obs
    assert marked.get_array().sum() == fitted.var.loc[gene, "velocity_fit_cells"]
    assert "cells of the fit" in [text.get_text() for text in ax.artists[0].get_texts()]
    # hexagons of both are the same
    places = {tuple(place) for place in hexagons.get_offsets()}
    assert {tuple(place) for place in marked.get_offsets()} <= places


def test_marks_of_the_fit_cover_no_colours(fitted):
    points, rings = sv.pl.phase_portrait(fitted, fitted.var_names[0], color="branch").collections
    assert rings.get_label() == "cells of the fit"
    assert rings.get_zorder() < points.get_zorder()


def test_a_density_has_no_colours(fitted):
    with pytest.raises(ValueError, match="leave out hexagons=True or color='clusters'"):
        sv.pl.phase_portrait(fitted, fitted.var_names[0], hexagons=True, color="clusters")
