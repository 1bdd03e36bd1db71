"""Choice of genes by shared counts."""

from __future__ import annotations

import numpy as np
import pytest

import steadyvelo as sv


def test_shared_counts_are_those_of_cells_with_both_kinds(counts):
    sv.pp.filter_genes(counts)
    s, u = (counts.layers[k].toarray() for k in ("spliced", "unspliced"))
    expected = ((s + u) * ((s > 0) & (u > 0))).sum(axis=0)
    np.testing.assert_array_equal(counts.var["shared_counts"], expected)
    np.testing.assert_array_equal(counts.var["genes_used"], expected >= 20)


def test_every_gene_that_is_not_used_has_its_reason(counts):
    layer = counts.layers["unspliced"].tolil()
    layer[:, 4] = 0
    counts.layers["unspliced"] = layer.tocsr()
    sv.pp.filter_genes(counts, min_shared_counts=100)
    reason, used = counts.var["genes_reason"], counts.var["genes_used"]
    assert ((reason == "") == used).all()
    assert reason.iloc[4] == "no unspliced counts"
    assert (reason[~used].drop(counts.var_names[4]) == "fewer than 100 shared counts").all()


def test_genes_to_retain_are_used_whatever_their_counts(counts):
    sv.pp.filter_genes(counts, min_shared_counts=1e4, retain=["gene 3"], subset=True)
    assert list(counts.var_names) == ["gene 3"]


def test_unmarked_genes_get_no_velocity_but_keep_their_place(prepared):
    prepared.var["genes_used"] = np.arange(60) % 2 == 0
    prepared.var["genes_reason"] = np.where(prepared.var["genes_used"], "", "not wanted")
    sv.tl.velocity(prepared)
    odd = ~prepared.var["genes_used"]
    assert prepared.var["velocity_gamma"][odd].isna().all()
    assert (prepared.var["velocity_reason"][odd] == "not wanted").all()
    assert np.isnan(prepared.layers["velocity"][:, odd]).all()
    assert np.isfinite(prepared.layers["velocity"][:, ~odd]).all()
    assert np.isfinite(prepared.layers["Ms"]).all()


def test_no_gene_left_and_unknown_genes_are_refused(counts):
    with pytest.raises(ValueError, match=r"no gene has 1e\+09 shared counts \(the maximum is"):
        sv.pp.filter_genes(counts, min_shared_counts=1e9)
    with pytest.raises(KeyError, match=r"retain has names that are no genes of adata: 'Actb'"):
        sv.pp.filter_genes(counts, retain=["Actb"])
    assert "genes_used" not in counts.var
