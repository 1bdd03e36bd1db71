"""Length and confidence, and that no result depends on how the work was cut."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import steadyvelo as sv

COLUMNS = ["velocity_length", "velocity_confidence", "velocity_confidence_transition"]


def steps(adata, **options):
    sv.tl.velocity(adata, dense=False, **options)
    sv.tl.velocity_graph(adata, **options)
    sv.tl.velocity_confidence(adata, **options)
    return adata


def exact(adata):
    """Graph, length and confidence in float64 and whole matrices, from counts and γ."""
    weights = (adata.obsp["connectivities"].toarray() != 0).astype(float) + np.eye(adata.n_obs)
    weights /= weights.sum(axis=1, keepdims=True)
    genes = adata.var["velocity_genes"].to_numpy()
    s, u = (
        weights
        @ (adata.layers[name].toarray() / adata.obs[f"size_factor_{name}"].to_numpy()[:, None])
        for name in ("spliced", "unspliced")
    )
    s, u = s[:, genes], u[:, genes]
    v = u - s * adata.var["velocity_gamma"].to_numpy()[genes]
    v -= v.mean(axis=1, keepdims=True)
    near = adata.obsp["distances"].toarray() > 0
    reach = (near.astype(int) + near.astype(int) @ near > 0) & ~np.eye(adata.n_obs, dtype=bool)
    graph = np.zeros(reach.shape)
    for i, j in zip(*np.nonzero(reach), strict=True):
        delta = s[j] - s[i]
        delta -= delta.mean()
        size = np.linalg.norm(delta) * np.linalg.norm(v[i])
        # cells with the same neighbourhood have the same smoothed values
        graph[i, j] = delta @ v[i] / size if size > 0 else 0
    length = np.linalg.norm(v, axis=1)
    cosine = (v @ v.T) / np.outer(length, length)
    confidence = np.maximum(np.where(near, cosine, 0).sum(axis=1) / near.sum(axis=1), 0)
    largest = graph.max(axis=1)
    filled = graph + np.diag(np.clip(np.percentile(largest, 98) - largest, 0, 1))
    transitions = np.where(filled != 0, np.exp(10 * filled), 0)
    transitions /= transitions.sum(axis=1, keepdims=True)
    moved = transitions @ s - s
    moved -= moved.mean(axis=1, keepdims=True)
    along = (moved * v).sum(axis=1) / np.linalg.norm(moved, axis=1) / length
    return graph, dict(zip(COLUMNS, (length, confidence, along), strict=True))


def test_results_in_float32_are_those_of_float64_to_1e_4(prepared):
    adata = steps(prepared)
    graph, columns = exact(adata)
    ours = (adata.obsp["velocity_graph"] + adata.obsp["velocity_graph_neg"]).toarray()
    np.testing.assert_allclose(ours, graph, rtol=0, atol=1e-4)
    for name, expected in columns.items():
        np.testing.assert_allclose(adata.obs[name], expected, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    "options", [{"n_threads": 1}, {"n_threads": 5}, {"max_memory": 240 * 20 * 7}]
)
def test_no_result_depends_on_threads_or_blocks(prepared, options):
    once, again = steps(prepared.copy()), prepared.copy()
    steps(again, **options)
    np.testing.assert_array_equal(again.var["velocity_gamma"], once.var["velocity_gamma"])
    for name in ("velocity_graph", "velocity_graph_neg"):
        assert abs(again.obsp[name] - once.obsp[name]).max() < 1e-6
    for name in COLUMNS:
        np.testing.assert_allclose(again.obs[name], once.obs[name], rtol=1e-5, atol=1e-6)


def test_results_are_in_the_order_of_the_cells(prepared):
    once = steps(prepared.copy())
    shuffled = np.random.default_rng(0).permutation(prepared.n_obs)
    again = prepared[shuffled].copy()
    # made by another tool, as far as this can tell
    del again.uns["neighbors"]["params"]["cells_hash"]
    steps(again)
    for name in ("velocity_graph", "velocity_graph_neg"):
        difference = again.obsp[name] - once.obsp[name][shuffled][:, shuffled]
        assert abs(difference).max() < 1e-5
    for name in COLUMNS:
        np.testing.assert_allclose(again.obs[name], once.obs[name].iloc[shuffled], atol=1e-5)


def test_confidence_is_a_pure_function_of_what_is_there(fitted):
    sv.tl.velocity_confidence(fitted)
    first = fitted.obs[COLUMNS].copy()
    sv.tl.transition_matrix(fitted, self_transitions=False)
    sv.tl.velocity_confidence(fitted)
    assert fitted.obs[COLUMNS].equals(first)
    assert fitted.obs["velocity_confidence"].between(0, 1).all()
    sv.tl.velocity_graph(fitted)
    # of an earlier graph
    assert not set(COLUMNS) & set(fitted.obs)


def test_confidence_needs_a_graph(prepared):
    sv.tl.velocity(prepared)
    with pytest.raises(KeyError, match=r"run tl\.velocity_graph"):
        sv.tl.velocity_confidence(prepared)


def test_a_flagged_cell_has_no_confidence_and_gives_none(prepared):
    prepared.obs["cells_used"] = np.arange(prepared.n_obs) != 4
    steps(prepared)
    assert np.isnan(prepared.obs["velocity_confidence"].iloc[4])
    others = prepared.obs["velocity_confidence"].drop(prepared.obs_names[4])
    assert others.notna().mean() > 0.9


def test_square_roots_give_another_graph_and_are_recorded(fitted):
    plain = fitted.obsp["velocity_graph"].copy()
    sv.tl.velocity_graph(fitted, sqrt_transform=True)
    assert abs(fitted.obsp["velocity_graph"] - plain).max() > 0.01
    assert fitted.uns["velocity_params"]["sqrt_transform"]


def test_a_bar_moves_on_stderr_when_it_is_asked_for(prepared, capsys):
    sv.tl.velocity(prepared, progress=True)
    sv.tl.velocity_graph(prepared, progress=True)
    shown = capsys.readouterr()
    assert "fit" in shown.err
    assert "velocity graph" in shown.err
    assert shown.out == ""
    sv.tl.velocity_graph(prepared)
    assert capsys.readouterr().err == ""


BUSY = """
import os
import signal
import sys
import time
import numpy as np
from steadyvelo.engine import EdgeCorrelation
from steadyvelo.engine._kernels import _velocity_graph as kernels
n, degree = 40_000, 40
rng = np.random.default_rng(0)
indices = np.sort(rng.integers(0, n, (n, degree), dtype=np.int32), axis=1).ravel()
x = rng.random((n, 16), dtype=np.float32)
edges = EdgeCorrelation(np.arange(n + 1) * degree, indices)
done, interrupt_after, add_edge_sums = [], None, kernels.add_edge_sums

def counted(*arguments):
    add_edge_sums(*arguments)
    done.append(True)
    if len(done) == interrupt_after:
        os.kill(os.getpid(), signal.SIGINT)
    if interrupt_after and len(done) >= interrupt_after:
        # long chunks: the main thread has time to hear before many are done
        time.sleep(1.0)

kernels.add_edge_sums = counted
edges.add(x, x, int(sys.argv[1]))
whole = len(done)
done.clear()
interrupt_after = 3
# a shell may have started the tests with the signal ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    edges.add(x, x, int(sys.argv[1]))
except KeyboardInterrupt:
    print(len(done), whole)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_is_heard_between_two_chunks_of_cells(n_threads):
    command = [sys.executable, "-c", BUSY, str(n_threads)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    done, whole = map(int, run.stdout.split())
    assert 3 <= done < whole / 2
