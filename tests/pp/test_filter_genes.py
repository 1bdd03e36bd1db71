"""Choice of genes by shared counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

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


def dense(adata):
    return (adata.layers[k].toarray() for k in ("spliced", "unspliced"))


# what is counted for each argument, with dense arrays
COUNTED = {
    "min_shared_counts": lambda s, u: ((s + u) * ((s > 0) & (u > 0))).sum(axis=0),
    "min_shared_cells": lambda s, u: ((s > 0) & (u > 0)).sum(axis=0),
    "min_spliced_counts": lambda s, _: s.sum(axis=0),
    "min_unspliced_counts": lambda _, u: u.sum(axis=0),
    "min_spliced_cells": lambda s, _: (s > 0).sum(axis=0),
    "min_unspliced_cells": lambda _, u: (u > 0).sum(axis=0),
}
REASONS = {
    "min_shared_counts": "shared counts",
    "min_shared_cells": "cells with spliced and unspliced counts",
    "min_spliced_counts": "spliced counts",
    "min_unspliced_counts": "unspliced counts",
    "min_spliced_cells": "cells with spliced counts",
    "min_unspliced_cells": "cells with unspliced counts",
}


@pytest.mark.parametrize("argument", COUNTED)
def test_every_criterion_is_that_of_dense_counts(counts, argument):
    values = COUNTED[argument](*dense(counts))
    least = int(np.median(values))
    sv.pp.filter_genes(counts, **{"min_shared_counts": 0, argument: least})
    used = counts.var["genes_used"].to_numpy()
    np.testing.assert_array_equal(used, values >= least)
    assert 0 < used.sum() < 60
    assert set(counts.var["genes_reason"][~used]) == {f"fewer than {least} {REASONS[argument]}"}


def test_all_criteria_together_and_the_first_that_is_not_met(counts):
    values = {name: count(*dense(counts)) for name, count in COUNTED.items()}
    least = {name: int(np.quantile(each, 0.2)) for name, each in values.items()}
    sv.pp.filter_genes(counts, **least)
    passes = {name: each >= least[name] for name, each in values.items()}
    used = counts.var["genes_used"].to_numpy()
    np.testing.assert_array_equal(used, np.logical_and.reduce(list(passes.values())))
    for gene in np.flatnonzero(~used):
        first = next(name for name in passes if not passes[name][gene])
        reason = counts.var["genes_reason"].iloc[gene]
        assert reason == f"fewer than {least[first]} {REASONS[first]}"


def test_stored_zeros_and_repeated_entries_are_no_cells(counts):
    expected, both = counts.copy(), ("min_unspliced_cells", "min_shared_cells")
    least = {name: int(np.median(COUNTED[name](*dense(counts)))) for name in both}
    least["min_shared_counts"] = 0
    sv.pp.filter_genes(expected, **least)
    for name in ("spliced", "unspliced"):
        layer = counts.layers[name].tocoo()
        # every count in two entries, and one of 0
        half = layer.data // 2
        parts = [half, layer.data - half, np.zeros_like(half)]
        columns = [layer.col, layer.col, (layer.col + 1) % 60]
        rows = sp.coo_matrix(
            (np.concatenate(parts), (np.tile(layer.row, 3), np.concatenate(columns)))
        )
        order = np.argsort(rows.row, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows.row, minlength=240))])
        counts.layers[name] = sp.csr_matrix((rows.data[order], rows.col[order], indptr), (240, 60))
    sv.pp.filter_genes(counts, **least)
    np.testing.assert_array_equal(counts.var["genes_used"], expected.var["genes_used"])
    assert 0 < expected.var["genes_used"].sum() < 60


@pytest.mark.parametrize("min_average", [None, (0.5, 0.1), [1.0, 0.3]])
def test_the_largest_mean_of_a_cluster_is_velocytos(counts, min_average):
    # two large clusters, and a small one that expresses some genes more than all others
    groups = np.repeat(["a", "b", "few"], [120, 90, 30])
    counts.obs["clusters"] = groups
    s, u = dense(counts)
    s[:, 40:] //= 40
    s[210:, 50:] += 100
    # 2 on average in the small cluster, and 0.25 in all cells
    s[:, 45] = 0
    s[210:, 45] = 2
    counts.layers["spliced"] = sp.csr_matrix(s)
    options = {} if min_average is None else {"min_average": min_average}
    sv.pp.filter_genes(counts, min_shared_counts=0, groupby="clusters", **options)
    least = (0.08, 0.02) if min_average is None else min_average
    passes = []
    for x, threshold in zip((s, u), least, strict=True):
        means = [x[groups == "a"].mean(axis=0), x[groups == "b"].mean(axis=0), x.mean(axis=0)]
        passes.append(np.max(means, axis=0) > threshold)
    np.testing.assert_array_equal(counts.var["genes_used"], passes[0] & passes[1])
    reasons = counts.var["genes_reason"][~passes[0]]
    assert set(reasons) <= {
        f"no cluster with a mean above {least[0]:g} spliced counts",
        "no spliced counts",
    }
    assert min_average is None or not passes[0].all()


def test_cells_without_a_cluster_have_no_part_in_means(counts):
    counts.obs["clusters"] = pd.Categorical(np.where(np.arange(240) < 120, "a", "b"))
    counts.obs["some"] = counts.obs["clusters"].where(np.arange(240) < 120)
    s = counts.layers["spliced"].toarray()
    s[:120, 7] = 0
    counts.layers["spliced"] = sp.csr_matrix(s)
    sv.pp.filter_genes(counts, min_shared_counts=0, groupby="clusters")
    assert counts.var["genes_used"].iloc[7]
    sv.pp.filter_genes(counts, min_shared_counts=0, groupby="some")
    assert not counts.var["genes_used"].iloc[7]
    assert counts.var["genes_reason"].iloc[7] == "no cluster with a mean above 0.08 spliced counts"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"min_average": (1, 1)}, ValueError, r"min_average=\(1, 1\) needs groupby="),
        ({"groupby": "none"}, KeyError, "groupby='none' is not a column"),
        (
            {"groupby": "branch", "min_average": (1e5, 0)},
            ValueError,
            r"no gene has a mean above 100000 spliced counts in any cluster of obs\['branch'\]",
        ),
        (
            {"min_unspliced_counts": 1e9},
            ValueError,
            r"no gene has 1e\+09 unspliced counts \(the maximum is .*\); lower min_unspliced_c",
        ),
        (
            {"min_shared_cells": 241},
            ValueError,
            "no gene has 241 cells with spliced and unspliced counts .* both layers belong to",
        ),
    ],
)
def test_criteria_that_leave_no_gene_or_cannot_be_used(counts, options, error, message):
    with pytest.raises(error, match=message):
        sv.pp.filter_genes(counts, **options)
    assert "genes_used" not in counts.var


def test_criteria_that_no_gene_meets_together_are_counted(counts):
    s, u = dense(counts)
    s[:, :30], u[:, 30:] = 0, 0
    s[0, 0] = u[0, 59] = 5
    for name, x in (("spliced", s), ("unspliced", u)):
        counts.layers[name] = sp.csr_matrix(x)
    with pytest.raises(ValueError, match=r"no gene meets all criteria \(\d+ genes: fewer than 9"):
        sv.pp.filter_genes(
            counts, min_shared_counts=0, min_spliced_counts=9, min_unspliced_counts=9
        )


def test_a_run_chooses_genes_by_all_criteria(counts):
    fast = {
        "basis": "pca",
        "uncertainty": None,
        "neighbors": sv.Neighbors(n_neighbors=15, n_pcs=10),
    }
    s, u = dense(counts)
    least = {
        "min_unspliced_counts": int(np.quantile(u.sum(axis=0), 0.2)),
        "min_spliced_cells": int(np.quantile((s > 0).sum(axis=0), 0.1)),
    }
    result = sv.run(counts, **least, **fast)
    sv.pp.filter_genes(counts, **least, subset=True)
    assert list(result.var_names) == list(counts.var_names)
    assert 30 < counts.n_vars < 60
    run = result.uns["velocity_run"]
    asked = {name: run[name] for name in run if name.startswith("min_")}
    assert asked == {"min_shared_counts": 20, **least}
