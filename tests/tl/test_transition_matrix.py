"""Transition probabilities against the velocities and with diffusion, from dense arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._adata._provenance import hash_cells

DATA = Path(__file__).parents[1] / "data" / "scvelo"


def dense_weights(adata, scale=10.0, *, stay=True, signed=False):
    """Weights of all pairs of cells before rows are divided."""
    c = (adata.obsp["velocity_graph"] + adata.obsp["velocity_graph_neg"]).toarray()
    c = c.astype(float)
    if stay:
        np.fill_diagonal(c, adata.obs["velocity_self_transition"])
    if signed:
        return np.sign(c) * np.expm1(scale * abs(c))
    return np.where(c != 0, np.exp(scale * c), 0)


def divided(weights):
    total = abs(weights).sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def diffusion_of(adata):
    return divided(adata.obsp["connectivities"].toarray().astype(float))


@pytest.mark.parametrize("stay", [True, False])
@pytest.mark.parametrize("signed", [True, False])
def test_backward_weights_are_transposed_before_rows_are_divided(fitted, stay, signed):
    options = {"self_transitions": stay, "signed": signed, "scale": 7.0}
    sv.tl.transition_matrix(fitted, backward=True, **options)
    expected = divided(dense_weights(fitted, 7.0, stay=stay, signed=signed).T)
    if signed and stay:
        np.fill_diagonal(expected, 0)
    found = fitted.obsp["velocity_transitions"]
    assert found.has_canonical_format
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-5, atol=1e-9)
    made = fitted.uns["velocity_params"]["transitions"]["velocity_transitions"]
    assert {"backward": True, "diffusion": 0.0, **options}.items() <= made.items()


def test_a_narrow_kernel_does_not_overflow_backward(fitted):
    sv.tl.transition_matrix(fitted, backward=True, scale=1e5)
    np.testing.assert_allclose(fitted.obsp["velocity_transitions"].sum(axis=1), 1, rtol=1e-5)


def test_backward_on_the_graph_of_scvelo(fitted):
    """`T.T`, then rows divided: scvelo/tools/transition_matrix.py, version 0.3.4."""
    with np.load(DATA / "numbers.npz") as numbers:
        graph, stay = (numbers[f"deterministic/{name}"] for name in ("graph", "self_transition"))
        forward = numbers["deterministic/transitions"]
    n = len(stay)
    adata = fitted[:n].copy()
    adata.obsp["velocity_graph"] = sp.csr_matrix(np.maximum(graph, 0))
    adata.obsp["velocity_graph_neg"] = sp.csr_matrix(np.minimum(graph, 0))
    adata.uns["velocity_params"]["cells_hash"] = hash_cells(adata)
    adata.uns["velocity_params"]["n_cells"] = n
    sv.tl.transition_matrix(adata)
    np.testing.assert_allclose(adata.obsp["velocity_transitions"].toarray(), forward, atol=1e-5)
    positive, negative = np.maximum(graph, 0).astype(float), np.minimum(graph, 0).astype(float)
    np.fill_diagonal(positive, stay)
    weights = np.expm1(10 * positive) + np.expm1(10 * negative)
    weights[weights != 0] += 1
    sv.tl.transition_matrix(adata, backward=True)
    found = adata.obsp["velocity_transitions"].toarray()
    np.testing.assert_allclose(found, divided(weights.T), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("share", [0.2, 0.75, 1.0])
def test_diffusion_is_a_share_of_the_connectivities(fitted, backward, share):
    sv.tl.transition_matrix(fitted, backward=backward, diffusion=share)
    weights = dense_weights(fitted)
    velocity = divided(weights.T if backward else weights)
    found = fitted.obsp["velocity_transitions"]
    expected = (1 - share) * velocity + share * diffusion_of(fitted)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-5, atol=1e-8)
    assert found.dtype == np.float32
    assert found.has_canonical_format
    assert (
        fitted.uns["velocity_params"]["transitions"]["velocity_transitions"]["diffusion"] == share
    )


def test_diffusion_has_no_part_of_cells_that_are_not_used(prepared):
    out = np.arange(240) % 6 == 0
    prepared.obs.loc[prepared.obs_names[out], "cells_used"] = False
    sv.tl.velocity(prepared)
    sv.tl.velocity_graph(prepared)
    sv.tl.transition_matrix(prepared, self_transitions=False, diffusion=0.3)
    found = prepared.obsp["velocity_transitions"].toarray()
    assert (found[out] == 0).all()
    assert (found[:, out] == 0).all()
    np.testing.assert_allclose(found[~out].sum(axis=1), 1, rtol=1e-5)


def test_diffusion_on_the_graph_of_the_velocity_graph(prepared):
    sv.pp.neighbors(prepared, n_neighbors=8, key_added="few")
    sv.tl.velocity(prepared)
    sv.tl.velocity_graph(prepared, neighbors_key="few")
    sv.tl.transition_matrix(prepared, diffusion=1.0)
    expected = divided(prepared.obsp["few_connectivities"].toarray().astype(float))
    found = prepared.obsp["velocity_transitions"].toarray()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


def test_options_that_cannot_be_used_are_refused(fitted):
    with pytest.raises(ValueError, match=r"diffusion=0.5 is a share .* use signed=False"):
        sv.tl.transition_matrix(fitted, signed=True, diffusion=0.5)
    with pytest.raises(ValueError, match=r"diffusion must be from 0 to 1; it is 1.5"):
        sv.tl.transition_matrix(fitted, diffusion=1.5)
    with pytest.raises(TypeError, match="backward must be True or False"):
        sv.tl.transition_matrix(fitted, backward=1)
    sv.pp.neighbors(fitted, n_neighbors=9)
    with pytest.raises(ValueError, match=r"neighbour graph has changed .* tl\.velocity_graph"):
        sv.tl.transition_matrix(fitted, diffusion=0.5)
    assert "velocity_transitions" not in fitted.obsp
