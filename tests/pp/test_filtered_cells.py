"""Barcodes without a cell are said as such, with a remedy that works."""

from __future__ import annotations

import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import steadyvelo as sv


@pytest.fixture(scope="module")
def raw():
    """300 cells among 5,000 barcodes, most of them without a cell."""
    cells = sv.datasets.simulate(n_cells=300, n_genes=200, depth=2, truth=False, rng=0)
    rng = np.random.default_rng(1)
    profile = np.asarray(cells.layers["spliced"].sum(axis=0)).ravel()
    rates = np.outer(rng.lognormal(1.5, 0.8, 4_700), profile / profile.sum())
    empty = ad.AnnData(
        obs=pd.DataFrame(index=[f"empty {i}" for i in range(4_700)]),
        var=cells.var,
        layers={
            "spliced": sp.csr_matrix(rng.poisson(rates)),
            "unspliced": sp.csr_matrix(rng.poisson(0.25 * rates)),
        },
    )
    del cells.X
    joint = ad.concat([cells, empty])
    joint.X = joint.layers["spliced"].copy()
    return joint[rng.permutation(joint.n_obs)].copy()


def test_unfiltered_barcodes_are_said_and_the_remedy_is_followed(raw, tmp_path):
    sv.pp.qc(raw)
    row = sv.get.quality_checks(raw).loc["filtered cells"]
    assert row["verdict"] == "stop"
    assert "barcodes without a cell were not filtered out" in row["reason"]
    with pytest.raises(ValueError, match=r"fail quality checks \(filtered cells\)"):
        sv.run(raw)
    raw.write_h5ad(tmp_path / "raw.h5ad")
    least = float(re.search(r"--min-molecules (\d+)", row["remedy"])[1])
    kept = sv.io.read(tmp_path / "raw.h5ad", min_molecules=least)
    assert 290 <= kept.n_obs <= 310
    sv.pp.qc(kept)
    assert sv.get.quality_checks(kept).loc["filtered cells", "verdict"] == "ok"
    (tmp_path / "cells.txt").write_text("\n".join(f"cell {i}" for i in range(1, 301)))
    assert sv.io.read(tmp_path / "raw.h5ad", cells=tmp_path / "cells.txt").n_obs == 300


@pytest.mark.parametrize("sd", [0.3, 0.7, 1.0])
def test_cells_of_unequal_depth_are_cells(sd):
    cells = sv.datasets.simulate(n_cells=1000, n_genes=100, library_size_sd=sd, truth=False, rng=0)
    sv.pp.qc(cells)
    assert sv.get.quality_checks(cells).loc["filtered cells", "verdict"] == "ok"


def test_kits_without_unspliced_molecules_are_named(raw):
    cells = raw[raw.obs_names.str.startswith("cell")].copy()
    few = cells.layers["unspliced"].copy()
    few.data = np.random.default_rng(0).binomial(few.data.astype(int), 0.005)
    cells.layers["unspliced"] = few
    sv.pp.qc(cells)
    row = sv.get.quality_checks(cells).loc["proportions"]
    assert row["verdict"] == "attention"
    assert "kits with probes (10x Flex, for fixed cells and FFPE)" in row["remedy"]


def test_layers_that_are_swapped_in_one_batch(raw):
    cells = raw[raw.obs_names.str.startswith("cell")].copy()
    old = np.arange(cells.n_obs) < 150
    s, u = (cells.layers[name].toarray() for name in ("spliced", "unspliced"))
    cells.layers["spliced"] = sp.csr_matrix(np.where(old[:, None], u, s))
    cells.layers["unspliced"] = sp.csr_matrix(np.where(old[:, None], s, u))
    cells.obs["batch"] = np.where(old, "old", "new")
    sv.pp.qc(cells, groupby="batch")
    row = sv.get.quality_checks(cells).loc["groups"]
    assert row["verdict"] == "attention"
    assert row["reason"].startswith("most molecules of old are unspliced")
    assert "may be swapped" in row["remedy"]
