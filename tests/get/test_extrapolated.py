"""Extrapolated abundances of chosen genes and cells."""

from __future__ import annotations

import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo.model import extrapolated


@pytest.mark.parametrize("assumption", ["constant_velocity", "constant_unspliced"])
@pytest.mark.parametrize("offset", [False, "nonnegative"])
def test_values_are_those_of_the_layers(prepared, assumption, offset):
    sv.tl.velocity(prepared, offset=offset)
    found = sv.get.extrapolated(prepared, 1.5, assumption=assumption)
    gamma = prepared.var["velocity_gamma"].to_numpy()
    layers = (prepared.layers[name].astype(np.float64) for name in ("Ms", "velocity"))
    expected = extrapolated(*layers, gamma, 1.5, assumption)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found.to_numpy().dtype == np.float32
    assert list(found.columns) == list(prepared.var_names)
    # nothing changes in no time
    now = sv.get.extrapolated(prepared, 0.0, assumption=assumption)
    fitted = prepared.var["velocity_gamma"] >= 0
    np.testing.assert_allclose(now.loc[:, fitted], prepared.layers["Ms"][:, fitted], rtol=1e-6)


@pytest.mark.parametrize("assumption", ["constant_velocity", "constant_unspliced"])
def test_names_choose_and_no_dense_layer_is_needed(prepared, assumption, monkeypatch):
    dense = prepared.copy()
    sv.tl.velocity(dense)
    expected = sv.get.extrapolated(dense, 2.0, assumption=assumption)
    sv.tl.velocity(prepared, dense=False)
    monkeypatch.setattr("steadyvelo.get._extrapolated.genes_per_block", lambda _: 1)
    genes, cells = ["gene 9", "gene 2", "gene 9"], ["cell 7", "cell 1"]
    found = sv.get.extrapolated(prepared, 2.0, genes=genes, cells=cells, assumption=assumption)
    assert (list(found.index), list(found.columns)) == (cells, genes)
    np.testing.assert_allclose(found, expected.loc[cells, genes], rtol=1e-5, atol=1e-6)


def test_a_part_of_the_cells_is_read_from_stored_layers(prepared):
    sv.tl.velocity(prepared)
    expected = sv.get.extrapolated(prepared, 1.0, genes="gene 3")
    part = prepared[10:30].copy()
    np.testing.assert_allclose(
        sv.get.extrapolated(part, 1.0, genes="gene 3"), expected.iloc[10:30], rtol=1e-5
    )
    del part.layers["velocity"]
    with pytest.raises(ValueError, match="but adata now has 20 cells"):
        sv.get.extrapolated(part, 1.0, genes="gene 3")


def test_genes_without_a_fit_have_no_future(prepared):
    prepared.var["genes_used"] = np.arange(60) > 0
    sv.tl.velocity(prepared)
    for assumption in ("constant_velocity", "constant_unspliced"):
        found = sv.get.extrapolated(prepared, 1.0, genes="gene 1", assumption=assumption)
        assert found.isna().all().all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"time": -1.0}, ValueError, "time must be finite and not negative; it is -1.0"),
        ({"time": np.inf}, ValueError, "time must be finite and not negative"),
        ({"time": "1"}, TypeError, "time must be a number"),
        ({"assumption": "model I"}, ValueError, "assumption must be one of 'constant_velocity'"),
        ({"genes": "Gene 1"}, KeyError, "perhaps 'gene 1' is meant"),
        ({"cells": "x"}, KeyError, "no cells of adata: 'x'"),
        ({"velocity_key": "other"}, KeyError, "other_gamma"),
    ],
)
def test_what_cannot_be_extrapolated(fitted, call, error, message):
    with pytest.raises(error, match=message):
        sv.get.extrapolated(fitted, **{"time": 1.0, **call})
