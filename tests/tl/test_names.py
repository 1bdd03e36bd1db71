"""Results follow the names of cells and genes, not their order or which others there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import steadyvelo as sv


def analysed(adata, **options):
    adata = adata.copy()
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=20, n_pcs=15)
    sv.tl.velocity(adata, uncertainty=sv.CrossFit(n_repeats=2), **options)
    return adata


def every_number(adata):
    """Return all floating-point results by name, each with its rows in the order of their names."""
    cells, genes = np.argsort(adata.obs_names), np.argsort(adata.var_names)
    found = {}
    for kind, table, order in (("obs", adata.obs, cells), ("var", adata.var, genes)):
        for name in table:
            # a checksum of the counts knows their order
            if table[name].dtype.kind == "f" and not name.endswith("checksum"):
                found[f"{kind} {name}"] = table[name].to_numpy()[order]
    for name, values in adata.obsm.items():
        if name.startswith("velocity"):
            found[f"obsm {name}"] = np.asarray(values)[cells] / np.nanmax(np.abs(values))
    for name, values in adata.layers.items():
        if name in {"Ms", "Mu", "velocity"}:
            chosen = values[np.ix_(cells, genes)]
            found[f"layer {name}"] = chosen / np.nanmax(np.abs(chosen))
    for name, graph in adata.obsp.items():
        found[f"obsp {name}"] = graph[cells][:, cells].toarray()
    for name, table in adata.uns.items():
        if isinstance(table, pd.DataFrame):
            keys = [c for c in ("cluster", "gene") if c in table]
            by_name = table.sort_values(keys) if keys else table.sort_index()
            for column in by_name.select_dtypes("float"):
                values = by_name[column].to_numpy()
                found[f"uns {name} {column}"] = values / max(np.nanmax(np.abs(values)), 1.0)
    return found


@pytest.mark.parametrize("offset", [False, True])
def test_the_order_of_cells_and_genes_changes_nothing(offset):
    adata = sv.datasets.simulate(n_cells=500, n_genes=100, rng=0)
    cells, genes = (np.random.default_rng(1).permutation(n) for n in adata.shape)
    plane = sv.datasets.simulate(n_cells=500, n_genes=2, rng=0).layers["true_spliced"]
    adata.obsm["X_plane"] = plane + np.random.default_rng(2).normal(0, 0.1, plane.shape)
    both = []
    for counts in (adata, adata[cells, genes]):
        x = analysed(counts, offset=offset)
        sv.tl.velocity_graph(x)
        sv.tl.velocity_embedding(x, basis="plane")
        sv.tl.reliability(x, "branch", basis="plane", n_controls=20)
        sv.tl.terminal_states(x)
        sv.tl.velocity_pseudotime(x)
        sv.tl.velocity_confidence(x)
        both.append(every_number(x))
    first, second = both
    assert len(first) > 60
    assert list(first) == list(second)
    for name, values in first.items():
        np.testing.assert_allclose(second[name], values, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.slow
def test_leaving_out_a_gene_hardly_moves_the_others():
    """One of 2,000: ratios move by 0.02 standard errors at the median, and by 0.3 at most."""
    adata = sv.datasets.simulate(n_cells=400, n_genes=2000, rng=0)
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata)
    sv.tl.velocity(adata, uncertainty="crossfit", dense=False)
    moved = []
    for gene in np.random.default_rng(0).choice(adata.n_vars, 2, replace=False):
        less = adata[:, np.arange(adata.n_vars) != gene].copy()
        sv.tl.velocity(less, uncertainty="crossfit", dense=False)
        every = adata.var.loc[less.var_names]
        shift = (less.var["velocity_gamma"] - every["velocity_gamma"]) / every["velocity_gamma_se"]
        moved.append(shift.abs().dropna())
    moved = pd.concat(moved)
    assert moved.median() <= 0.02
    assert moved.max() <= 0.3
