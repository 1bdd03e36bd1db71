"""Velocities recomputed from counts."""

from __future__ import annotations

import numpy as np
import pytest

import steadyvelo as sv


@pytest.mark.parametrize("offset", [False, True])
def test_recomputed_velocities_are_those_of_the_layer(prepared, offset):
    sv.tl.velocity(prepared, offset=offset)
    table = sv.get.velocity(prepared)
    np.testing.assert_array_equal(table.to_numpy(), prepared.layers["velocity"])
    assert list(table.columns) == list(prepared.var_names)


def test_names_choose_and_order(prepared):
    sv.tl.velocity(prepared, dense=False)
    table = sv.get.velocity(
        prepared, genes=["gene 9", "gene 2", "gene 9"], cells=["cell 7", "cell 1"]
    )
    full = sv.get.velocity(prepared)
    assert list(table.index) == ["cell 7", "cell 1"]
    assert list(table.columns) == ["gene 9", "gene 2", "gene 9"]
    np.testing.assert_array_equal(
        table.iloc[:, :2], full.loc[["cell 7", "cell 1"], ["gene 9", "gene 2"]]
    )


def test_genes_without_a_fit_are_unknown(prepared):
    prepared.var["genes_used"] = np.arange(60) > 0
    sv.tl.velocity(prepared)
    assert sv.get.velocity(prepared, genes="gene 1").isna().all().all()


def test_fits_on_layers_of_another_tool_are_recomputed_from_them(prepared):
    sv.pp.moments(prepared)
    del prepared.uns["moments_params"]
    prepared.layers["Mu"] = prepared.layers["Mu"] + 1
    sv.tl.velocity(prepared)
    np.testing.assert_array_equal(sv.get.velocity(prepared), prepared.layers["velocity"])


def test_unknown_names_are_refused(fitted):
    with pytest.raises(KeyError, match=r"no genes of adata: 'Gene 1', perhaps 'gene 1' is meant"):
        sv.get.velocity(fitted, genes="Gene 1")
    with pytest.raises(KeyError, match=r"no cells of adata: 'x'"):
        sv.get.velocity(fitted, cells=["cell 1", "x"])
