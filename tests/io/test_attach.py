"""Counts joined to analysed cells: every way names differ, and no cell lost."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import steadyvelo as sv
from steadyvelo._log import heard_by


def barcodes(n, seed):
    rng = np.random.default_rng(seed)
    return ["".join(word) for word in rng.choice(list("ACGT"), (n, 16))]


def sample_of(seed, names, n_genes=30):
    adata = sv.datasets.simulate(n_cells=len(names), n_genes=n_genes, rng=seed)
    adata.obs_names = names
    adata.var["gene_id"] = [f"ENSG{i:08}.{i % 4 + 1}" for i in range(n_genes)]
    return adata


def analysed(counts, names=None):
    """The same cells without counts, with an analysis."""
    adata = ad.AnnData(
        np.log1p(counts.X.toarray()), obs=pd.DataFrame(index=counts.obs_names), var=counts.var
    )
    if names is not None:
        adata.obs_names = names
    adata.obs["clusters"] = pd.Categorical(["a", "b"] * (adata.n_obs // 2))
    adata.uns["clusters_colors"] = ["#111111", "#222222"]
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(adata.n_obs, 2))
    return adata


def check(adata, counts, place):
    """Every cell holds the counts of its place, or none."""
    for name in ("spliced", "unspliced"):
        layer, source = adata.layers[name].toarray(), counts.layers[name].toarray()
        for cell, where in enumerate(place):
            expected = source[where] if where >= 0 else np.zeros(counts.n_vars)
            np.testing.assert_array_equal(layer[cell], expected)


NAMES = {
    "same": lambda b: b,
    "10x": lambda b: f"{b}-1",
    "10x batch": lambda b: f"{b}-1-0",
    "prefix": lambda b: f"lung_{b}",
    "velocyto": lambda b: f"lung:{b}x",
    "both": lambda b: f"day 3#{b}-2",
}


@pytest.mark.parametrize("ours", NAMES)
@pytest.mark.parametrize("theirs", NAMES)
def test_any_text_around_a_barcode(ours, theirs):
    names = barcodes(40, 0)
    counts = sample_of(1, [NAMES[theirs](b) for b in names])
    adata = analysed(counts[::-1], [NAMES[ours](b) for b in names[::-1]])
    report = sv.io.attach_counts(adata, counts)
    check(adata, counts, np.arange(40)[::-1])
    assert report.n_matched == 40
    assert adata.obs["counts_attached"].all()


def test_nothing_of_the_analysis_is_lost():
    counts = sample_of(1, barcodes(60, 0))
    adata = analysed(counts)
    before = adata.copy()
    sv.io.attach_counts(adata, counts[5:].copy())
    assert list(adata.obs_names) == list(before.obs_names)
    assert list(adata.var_names) == list(before.var_names)
    np.testing.assert_array_equal(adata.X, before.X)
    np.testing.assert_array_equal(adata.obsm["X_umap"], before.obsm["X_umap"])
    assert list(adata.obs["clusters"]) == list(before.obs["clusters"])
    assert list(adata.uns["clusters_colors"]) == ["#111111", "#222222"]
    assert not adata.obs["counts_attached"].iloc[:5].any()


def test_cells_without_counts_are_left_out_and_drawn_without_an_arrow():
    counts = sample_of(1, barcodes(200, 0), n_genes=50)
    adata = analysed(counts)
    sv.io.attach_counts(adata, counts[10:].copy())
    with pytest.warns(sv.SteadyveloWarning):
        result = sv.run(adata, neighbors=sv.Neighbors(n_neighbors=15, n_pcs=10), uncertainty=None)
    assert result.n_obs == 200
    assert (result.obs["cells_reason"].iloc[:10] == "no counts attached").all()
    assert np.isnan(result.obsm["velocity_umap"][:10]).all()
    assert np.isfinite(result.obsm["velocity_umap"][10:]).all()
    assert (
        sv.pl.velocity_stream(result, color="clusters").collections[0].get_offsets().shape[0] == 200
    )


def test_totals_are_over_all_genes_of_the_counts():
    counts = sample_of(1, barcodes(40, 0))
    adata = analysed(counts)[:, :10].copy()
    report = sv.io.attach_counts(adata, counts)
    total = np.asarray(counts.layers["spliced"].sum(axis=1)).ravel()
    np.testing.assert_array_equal(adata.obs["n_counts_spliced"], total)
    assert (report.n_genes, report.n_genes_matched) == (10, 10)


def two_samples(shared_barcodes):
    """Two samples, of whose barcodes some are the same by chance."""
    common = barcodes(shared_barcodes, 9)
    first, second = (common + barcodes(50 - shared_barcodes, seed) for seed in (1, 2))
    return sample_of(3, first), sample_of(4, second)


@pytest.mark.parametrize("shared_barcodes", [0, 5, 20])
def test_samples_that_share_barcodes_are_told_apart(shared_barcodes):
    first, second = two_samples(shared_barcodes)
    joint = ad.concat([analysed(first), analysed(second)], index_unique="-", merge="same")
    joint.obs_names = [
        name.replace("-0", "-1-0").replace("-1-0", "-1-0") for name in joint.obs_names
    ]
    counts = {"B": second, "A": first}
    report = sv.io.attach_counts(joint, counts)
    stacked = ad.concat([first, second], index_unique="-")
    check(joint, stacked, np.arange(100))
    assert report.n_matched == 100


def test_a_column_of_samples_decides():
    first, second = two_samples(50)  # the same barcodes in both
    joint = ad.concat(
        [analysed(first), analysed(second)],
        keys=["A", "B"],
        label="organ",
        index_unique="-",
        merge="same",
    )
    with pytest.raises(ValueError, match=r"share barcodes with several counts .*give sample_key="):
        sv.io.attach_counts(joint.copy(), {"second": second, "first": first})
    sv.io.attach_counts(joint, {"B": second, "A": first}, sample_key="organ")
    check(joint, ad.concat([first, second], index_unique="-"), np.arange(100))


def test_a_loom_of_several_samples():
    first, second = two_samples(20)
    counts = ad.concat(
        [first, second], keys=["s1", "s2"], label="sample", index_unique=None, merge="same"
    )
    counts.obs_names = [
        f"{s}:{b}" for s, b in zip(counts.obs["sample"], counts.obs_names, strict=True)
    ]
    joint = ad.concat([analysed(second), analysed(first)], index_unique="-", merge="same")
    sv.io.attach_counts(joint, counts)
    check(joint, counts, np.r_[50:100, 0:50])


def test_a_map_of_names():
    counts = sample_of(1, [f"well {i}" for i in range(20)])
    adata = analysed(counts, [f"cell {i}" for i in range(20)])
    with pytest.raises(ValueError, match=r"0 of 20 cells \(0%\) were found .*'cell 0'.*'well 0'"):
        sv.io.attach_counts(adata, counts)
    assert "spliced" not in adata.layers
    names = {f"cell {i}": f"well {19 - i}" for i in range(19)}
    report = sv.io.attach_counts(adata, counts, barcode_map=names)
    check(adata, counts, [*range(19, 0, -1), -1])
    assert report.unmatched_cells == ("cell 19",)
    assert report.unmatched_counts == ("well 0",)


def test_genes_by_id_with_other_versions_or_by_name():
    counts = sample_of(1, barcodes(20, 0))
    adata = analysed(counts[:, ::-1])
    adata.var = pd.DataFrame(index=[g.split(".")[0] + ".9" for g in counts.var["gene_id"][::-1]])
    report = sv.io.attach_counts(adata, counts)
    np.testing.assert_array_equal(
        adata.layers["spliced"].toarray(), counts.layers["spliced"].toarray()[:, ::-1]
    )
    assert report.genes_by == "var_names and gene_id without version"


def test_a_gene_name_that_occurs_twice_is_not_guessed():
    counts = sample_of(1, barcodes(20, 0), n_genes=4)
    counts.var = pd.DataFrame({"gene_name": ["A", "B", "B", "C"]}, index=["1", "2", "3", "4"])
    adata = analysed(counts)[:, [0, 1, 3]].copy()
    adata.var = pd.DataFrame(index=["A", "B", "C"])
    with pytest.warns(sv.SteadyveloWarning, match=r"several genes have their names \('B'\)"):
        report = sv.io.attach_counts(adata, counts)
    assert (report.unmatched_genes, report.doubled_genes) == (("B",), ("B",))
    assert list(adata.var["counts_attached"]) == [True, False, True]
    assert adata.layers["spliced"][:, 1].sum() == 0


def test_the_report_is_said_with_examples():
    counts = sample_of(1, barcodes(40, 0))
    adata = analysed(counts)
    said, others = [], []
    with heard_by(said.append, others.append):
        report = sv.io.attach_counts(adata, counts[3:].copy())
    assert (said, others) == (str(report).splitlines(), [])
    assert "37 of 40" in said[0]
    assert adata.obs_names[0] in said[1]


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.8])
def test_too_few_cells_are_refused_and_nothing_is_written(overlap):
    counts = sample_of(1, barcodes(40, 0))
    adata = analysed(
        counts, [*barcodes(40, 0)[: int(40 * overlap)], *barcodes(40, 5)[int(40 * overlap) :]]
    )
    before = set(adata.obs), set(adata.layers), set(adata.uns)
    with pytest.raises(ValueError, match=r"fewer than min_overlap=0.9"):
        sv.io.attach_counts(adata, counts)
    assert (set(adata.obs), set(adata.layers), set(adata.uns)) == before
    sv.io.attach_counts(adata, counts, min_overlap=overlap)


def of_other_genes(counts):
    other = counts.copy()
    other.var_names, other.var["gene_id"] = "x" + other.var_names, "x" + other.var["gene_id"]
    return other


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (lambda _, c: (c, c), {}, ValueError, "already has layers 'spliced', 'unspliced'"),
        (lambda a, _: (a, {}), {}, ValueError, "empty mapping"),
        (lambda a, c: (a, c), {"min_overlap": 2}, ValueError, "min_overlap must be from 0 to 1"),
        (lambda a, c: (a, c), {"sample_key": "organ"}, KeyError, "no 'organ'"),
        (lambda a, c: (a, c), {"barcode_map": {"x": "y"}}, KeyError, "not in adata: .*'x"),
        (lambda a, c: (a, {"A": c, "B": of_other_genes(c)}), {}, ValueError, "no gene in common"),
        (lambda a, _: (a, a), {}, KeyError, "no 'spliced'"),
    ],
)
def test_what_cannot_be_joined_is_refused(change, options, error, message):
    counts = sample_of(1, barcodes(20, 0))
    adata, counts = change(analysed(counts), counts)
    with pytest.raises(error, match=message):
        sv.io.attach_counts(adata, counts, **options)


def test_a_map_that_sends_two_cells_to_one_is_refused():
    counts = sample_of(1, barcodes(20, 0))
    adata = analysed(counts)
    names = dict.fromkeys(adata.obs_names, counts.obs_names[0])
    with pytest.raises(ValueError, match=r"assigns several cells of adata to the same cell"):
        sv.io.attach_counts(adata, counts, barcode_map=names)


def test_no_gene_in_common_is_refused():
    counts = sample_of(1, barcodes(20, 0))
    adata = analysed(counts)
    adata.var = pd.DataFrame(index=[f"Other{i}" for i in range(30)])
    with pytest.raises(ValueError, match=r"no gene was found .*'Other0'"):
        sv.io.attach_counts(adata, counts)


def test_two_samples_of_adata_with_one_table_of_counts_are_refused():
    first, _ = two_samples(0)
    joint = ad.concat([analysed(first), analysed(first)], index_unique="-", merge="same")
    with pytest.raises(ValueError, match=r"share barcodes with the same counts"):
        sv.io.attach_counts(joint, first)


def test_ids_are_believed_before_names():
    counts = sample_of(1, barcodes(20, 0))
    adata = analysed(counts)
    # two genes of one name, told apart in another order
    ids = counts.var["gene_id"].to_numpy().copy()
    ids[[0, 1]] = ids[[1, 0]]
    adata.var["gene_id"] = ids
    sv.io.attach_counts(adata, counts)
    expected = counts.layers["spliced"].toarray()[:, [1, 0, *range(2, 30)]]
    np.testing.assert_array_equal(adata.layers["spliced"].toarray(), expected)


def test_one_gene_of_the_counts_is_given_to_one_gene():
    counts = sample_of(1, barcodes(20, 0), n_genes=6)
    counts.var = pd.DataFrame(index=["A", "B", "C", "D", "E", "F"])
    adata = analysed(counts)
    adata.var = pd.DataFrame({"gene_name": ["A", "A", "C", None, "E", "F"]}, index=list("uvwxyz"))
    report = sv.io.attach_counts(adata, counts)
    assert report.n_genes_matched == 3
    assert adata.layers["spliced"][:, :2].sum() == 0


def test_combinatorial_barcodes_are_compared_whole():
    rng = np.random.default_rng(0)
    first, second, third = (["".join(w) for w in rng.choice(list("ACGT"), (20, 8))] for _ in "abc")
    counts = sample_of(1, [f"{a}-{b}" for a, b in zip(first, second, strict=True)])
    other = analysed(counts, [f"{a}-{b}-1" for a, b in zip(first, third, strict=True)])
    with pytest.raises(ValueError, match=r"0 of 20 cells"):
        sv.io.attach_counts(other, counts)
    same = analysed(counts, [f"{a}-{b}-1" for a, b in zip(first, second, strict=True)])
    assert sv.io.attach_counts(same, counts).n_matched == 20


def test_the_barcodes_of_two_samples_are_not_looked_up_in_one():
    counts = sample_of(1, barcodes(80, 0))
    names = [f"{b}-1-{i // 40}" for i, b in enumerate(counts.obs_names)]
    with pytest.raises(ValueError, match=r"share barcodes with the same counts"):
        sv.io.attach_counts(analysed(counts, names), counts)


def test_exact_names_win_over_what_barcodes_say():
    first, second = two_samples(50)
    joint = ad.concat([first, second], index_unique="-", merge="same")
    adata = analysed(joint)
    report = sv.io.attach_counts(adata, joint[1:].copy())
    check(adata, joint[1:], [-1, *range(99)])
    assert report.cells_by == "cell names"


def test_samples_in_the_names_of_the_counts():
    first, second = two_samples(50)
    counts = ad.concat([first, second], index_unique=None, merge="same")
    counts.obs_names = [f"{'AB'[i // 50]}:{b}x" for i, b in enumerate(counts.obs_names)]
    adata = analysed(
        counts, [f"{b}-{i}" for i, b in enumerate([*first.obs_names, *second.obs_names])]
    )
    adata.obs["organ"] = pd.Categorical(["A"] * 50 + ["B"] * 50)
    sv.io.attach_counts(adata, counts, sample_key="organ")
    check(adata, counts, np.arange(100))


def test_cells_without_a_sample_are_cells_without_counts():
    first, second = two_samples(10)
    joint = ad.concat([analysed(first), analysed(second)], index_unique="-", merge="same")
    organ = np.array(["A"] * 50 + ["B"] * 50, dtype=object)
    organ[[3, 60]] = None
    joint.obs["organ"] = pd.Categorical(organ)
    report = sv.io.attach_counts(
        joint, {"A": first, "B": second[:, ::-1].copy()}, sample_key="organ"
    )
    assert report.n_matched == 98
    assert not joint.obs["counts_attached"].iloc[[3, 60]].any()
    stacked = ad.concat([first, second], index_unique="-")
    check(joint, stacked, [-1 if i in (3, 60) else i for i in range(100)])


def test_ambiguous_molecules_come_along_and_few_genes_are_told():
    counts = sample_of(1, barcodes(20, 0))
    counts.layers["ambiguous"] = counts.layers["unspliced"].copy()
    adata = analysed(counts)
    adata.var = pd.DataFrame(index=[*counts.var_names[:5], *(f"x{i}" for i in range(25))])
    with pytest.warns(sv.SteadyveloWarning, match="only 5 of 30 genes"):
        sv.io.attach_counts(adata, counts)
    assert adata.layers["ambiguous"][:, :5].sum() == counts.layers["ambiguous"][:, :5].sum()


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("a.csv", "a,b\nc", ValueError, r"two columns .* by commas; a line has 1: \['c'\]"),
        ("a.tsv", "a,b\n", ValueError, r"by tabs; a line has 1: \['a,b'\]"),
        ("a.csv", "", ValueError, "it is empty"),
        ("a.csv", "a,b\na,c", ValueError, "contains the cell 'a' 2 times"),
        ("a.csv", b"\xff\xfe,a", ValueError, "cannot be read as a table"),
        ("a.csv", None, FileNotFoundError, "there is no file"),
    ],
)
def test_a_file_that_is_no_map_of_names(tmp_path, name, text, error, message):
    counts = sample_of(1, barcodes(20, 0))
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(error, match=message):
        sv.io.attach_counts(analysed(counts), counts, barcode_map=path)


def test_a_map_of_names_is_read_from_a_file(tmp_path):
    counts = sample_of(1, barcodes(20, 0))
    adata = analysed(counts)
    adata.obs_names = [f"c{i}" for i in range(20)]
    pairs = dict(zip(adata.obs_names, counts.obs_names[::-1], strict=True))
    path = tmp_path / "map.tsv"
    path.write_text("".join(f"{a}\t{b}\n\n" for a, b in pairs.items()))
    expected = adata.copy()
    sv.io.attach_counts(expected, counts, barcode_map=pairs)
    sv.io.attach_counts(adata, counts, barcode_map=path)
    assert abs(adata.layers["spliced"] - expected.layers["spliced"]).nnz == 0
    assert abs(adata.layers["spliced"] - counts.layers["spliced"][::-1]).nnz == 0


def of_many_genes(seed, names, n_genes=200):
    adata = sv.datasets.simulate(n_cells=len(names), n_genes=n_genes, depth=2, rng=seed)
    adata.obs_names = names
    adata.var["gene_id"] = [f"ENSG{i:08}" for i in range(n_genes)]
    return adata


def as_analysed(counts, names, genes=None):
    """Cells as after an analysis of X only, with the raw counts in a layer."""
    adata = ad.AnnData(counts.X.copy(), obs=pd.DataFrame(index=names))
    adata.var_names = list(counts.var_names if genes is None else genes)
    adata.layers["counts"] = counts.X.copy()
    return adata


def equal_counts(adata, counts, genes=slice(None)):
    return abs(adata.layers["unspliced"] - counts.layers["unspliced"][:, genes]).nnz == 0


@pytest.mark.parametrize("copy", ["-1", ".1"])
def test_copies_of_a_name_in_another_order_get_no_counts_of_each_other(copy):
    counts = of_many_genes(0, barcodes(60, 0))
    names = counts.var_names.to_numpy(dtype=object).copy()
    names[[5, 6]] = "DUP"
    # the counts have the second copy first, as a counting program with another order of genes
    swapped = counts[:, [*range(5), 6, 5, *range(7, 200)]].copy()
    swapped.var["gene_name"] = names
    swapped.var_names = [*names[:5], "DUP", "DUP-1", *names[7:]]
    own = [*names[:5], "DUP", f"DUP{copy}", *names[7:]]
    adata = as_analysed(counts, counts.obs_names, own)
    with pytest.warns(sv.SteadyveloWarning, match="2 genes of adata get no counts"):
        report = sv.io.attach_counts(adata, swapped)
    assert report.doubled_genes == ("DUP", f"DUP{copy}")
    assert adata.layers["spliced"][:, [5, 6]].nnz == 0
    # with ids all is known
    adata = as_analysed(counts, counts.obs_names, own)
    adata.var["gene_ids"] = counts.var["gene_id"].to_numpy()
    assert sv.io.attach_counts(adata, swapped).n_genes_matched == 200
    assert equal_counts(adata, counts)


def test_names_that_only_look_like_copies_are_names():
    counts = of_many_genes(0, barcodes(60, 0))
    counts.var_names = ["SNORD115", "SNORD115-1", *counts.var_names[2:]]
    counts.uns["import"] = {"tool": "STARsolo"}
    del counts.var["gene_id"]
    adata = as_analysed(counts, counts.obs_names)
    assert sv.io.attach_counts(adata, counts).n_genes_matched == 200


FORMS = {
    "without version": (lambda i: f"ENSG{i:08}.7", lambda i: f"ENSG{i:08}.{i % 3}"),
    "worms": (lambda i: f"WBGene{i:08}", lambda i: f"WBGene{i:08}.1"),
    "without genome": (lambda i: f"GRCh38___Gene{i}", lambda i: f"Gene{i}"),
    "dashes": (lambda i: f"HLA-{i}", lambda i: f"HLA_{i}"),
    "some dashes": (
        lambda i: f"mt-{i}" if i < 40 else f"G{i}",
        lambda i: f"mt_{i}" if i < 40 else f"G{i}",
    ),
    "dots": (lambda i: f"H2.K{i}", lambda i: f"H2-K{i}"),
    "capitals": (lambda i: f"GENE{i}", lambda i: f"Gene{i}"),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_that_programs_give_to_a_gene(form):
    ours, theirs = FORMS[form]
    counts = of_many_genes(0, barcodes(60, 0))
    del counts.var["gene_id"]
    adata = as_analysed(counts, counts.obs_names, map(ours, range(200)))
    counts.var_names = list(map(theirs, range(200)))
    report = sv.io.attach_counts(adata, counts)
    assert report.n_genes_matched == 200
    assert equal_counts(adata, counts)
    if form == "some dashes":
        assert "40 by var_names and var_names with dashes for other signs" in report.genes_by


def test_a_name_does_not_join_genes_of_different_ids():
    counts = of_many_genes(0, barcodes(60, 0))
    adata = as_analysed(counts, counts.obs_names)
    ids = counts.var["gene_id"].to_numpy(dtype=object).copy()
    ids[:3] = ["ENSG99999991", "ENSG99999992", ""]
    adata.var["gene_ids"] = ids
    report = sv.io.attach_counts(adata, counts)
    # the third has no id, so that its name decides
    assert report.unmatched_genes == tuple(counts.var_names[:2])


def test_counts_of_other_cells_with_the_same_barcodes_are_refused():
    names = barcodes(120, 0)
    cells, others = of_many_genes(0, names), of_many_genes(1, names)
    adata = as_analysed(cells, [f"{b}-1" for b in names])
    before = adata.copy()
    with pytest.raises(ValueError, match=r"do not seem to be .* fit best to their own counts"):
        sv.io.attach_counts(adata, others)
    assert set(adata.layers) == set(before.layers)
    assert list(adata.obs) == list(before.obs)
    assert 0.9 < sv.io.attach_counts(adata.copy(), cells).agreement.share <= 1
    report = sv.io.attach_counts(adata, others, min_agreement=0)
    assert report.agreement.share < 0.4


@pytest.mark.parametrize("form", ["log", "scaled", "raw", "totals"])
def test_what_is_known_of_the_cells_in_any_form(form):
    names = barcodes(120, 0)
    cells, others = of_many_genes(0, names), of_many_genes(1, names)
    adata = as_analysed(cells, names)
    del adata.layers["counts"]
    adata.obs["total_counts"] = np.asarray(cells.X.sum(axis=1)).ravel()
    if form == "raw":
        adata.raw = adata.copy()
    log = np.log1p(cells.X.toarray() / cells.X.toarray().sum(1, keepdims=True) * 1e3)
    adata.X = log if form == "log" else (log - log.mean(0)) / (log.std(0) + 1e-3)
    if form == "totals":
        adata.X = None
    found = sv.io.attach_counts(adata.copy(), cells).agreement
    assert found.totals > 0.9
    assert form == "totals" or found.share > 0.9
    with pytest.raises(ValueError, match="do not seem to be the counts of these cells"):
        sv.io.attach_counts(adata, others)


def test_one_of_two_samples_with_the_counts_of_the_other_is_refused():
    first, second = (barcodes(100, seed) for seed in (1, 2))
    one, two = of_many_genes(3, first), of_many_genes(4, second)
    both = ad.concat([one, two])
    adata = as_analysed(both, [f"{b}-1" for b in first + second])
    adata.obs["sample"] = ["one"] * 100 + ["two"] * 100
    # all barcodes of the first sample's droplets: those of the second are empty ones
    empty = of_many_genes(5, second)
    whole = ad.concat([one, empty], merge="same")
    with pytest.raises(ValueError, match=r"fewest in 'two' of obs\['sample'\]: \d+%"):
        sv.io.attach_counts(adata, whole)
    report = sv.io.attach_counts(adata, {"one": one, "two": two})
    assert report.n_matched == 200
    assert equal_counts(adata, both)


def test_nothing_to_compare_with_is_said():
    counts = of_many_genes(0, barcodes(60, 0))
    adata = ad.AnnData(obs=counts.obs[[]].copy(), var=counts.var[[]].copy())
    report = sv.io.attach_counts(adata, counts)
    assert str(report).endswith("nothing to compare the counts with in adata")


def test_chance_barcodes_make_no_partner():
    first, second = (barcodes(100, seed) for seed in (1, 2))
    second[:4] = first[:4]
    one, two = of_many_genes(3, first), of_many_genes(4, second)
    adata = as_analysed(
        ad.concat([one, two]), [*(f"{b}-1_1" for b in first), *(f"{b}-1_2" for b in second)]
    )
    for counts in (one, {"A": one}):
        report = sv.io.attach_counts(adata.copy(), counts, min_overlap=0.4)
        assert report.n_matched == 100
        assert "no counts of …-1_2" in report.cells_by


def test_names_of_counts_are_binding():
    first, second = (barcodes(100, seed) for seed in (1, 2))
    one, two = of_many_genes(3, first), of_many_genes(4, second)
    adata = as_analysed(
        ad.concat([one, two]), [f"{b}-{i // 100}" for i, b in enumerate(first + second)]
    )
    adata.obs["organ"] = ["Lung_1"] * 100 + ["Lung_2"] * 100
    with pytest.raises(ValueError, match=r"0 of 200 cells .*\(Lung_1 with lung-1"):
        sv.io.attach_counts(adata.copy(), {"lung-1": two, "lung-2": one}, sample_key="organ")
    with pytest.raises(ValueError, match=r"counts named 'lung-3', .* 'Lung_1', 'Lung_2'"):
        sv.io.attach_counts(adata.copy(), {"lung-1": one, "lung-3": two}, sample_key="organ")
    # only one sample has counts
    report = sv.io.attach_counts(adata.copy(), {"lung-1": one}, sample_key="organ", min_overlap=0.4)
    assert report.n_matched == 100
    # the column is found by the names
    assert sv.io.attach_counts(adata, {"lung-1": one, "lung-2": two}).n_matched == 200


def test_donors_in_one_lane():
    names = barcodes(100, 1)
    counts = of_many_genes(3, names)
    counts.obs["sample"] = ["a"] * 60 + ["b"] * 40
    adata = as_analysed(counts, [f"{b}-1" for b in names])
    assert sv.io.attach_counts(adata, counts).n_matched == 100


def test_samples_with_other_genes_are_joined_by_id():
    first, second = (barcodes(60, seed) for seed in (1, 2))
    one, two = of_many_genes(3, first), of_many_genes(4, second)
    both = ad.concat([one, two])
    # copies of a name are made unique in the order of each file
    one.var_names = ["DUP", "DUP-1", *one.var_names[2:]]
    other = two[:, [1, 0, *range(2, 190)]].copy()
    other.var_names = ["DUP", "DUP-1", *other.var_names[2:]]
    adata = as_analysed(both, [f"{b}-{i // 60}" for i, b in enumerate(first + second)])
    adata.var["gene_ids"] = one.var["gene_id"].to_numpy()
    said = []
    with heard_by(said.append, said.append):
        report = sv.io.attach_counts(adata, {"one": one, "two": other})
    assert any("190 that all have are joined by ids, 10 that only some" in line for line in said)
    assert report.n_genes_matched == 190
    assert equal_counts(adata[:, :190], both, slice(190))


CELLS = {
    "labels with and without signs": ("_".join, "".join),
    "labels with other signs": ("-".join, "_".join),
    "small letters": (lambda w: "".join(w).lower(), "".join),
    "probe barcode": (lambda w: "".join(w)[:16] + "-1", lambda w: "".join(w)[:16] + "ACTTTAGG"),
    "other strand": (
        lambda w: "".join(w)[::-1].translate(str.maketrans("ACGT", "TGCA")),
        "".join,
    ),
    "make.names": (lambda w: "X5k_" + "".join(w) + ".1", "".join),
}


@pytest.mark.parametrize("form", CELLS)
def test_forms_that_programs_give_to_a_cell(form):
    words = list(zip(*(barcodes(60, seed) for seed in (1, 2)), strict=True))
    words = [(a[:9], b[:9]) for a, b in words]
    ours, theirs = CELLS[form]
    counts = of_many_genes(0, [theirs(w) for w in words])
    adata = as_analysed(counts, [ours(w) for w in words])
    assert sv.io.attach_counts(adata, counts).n_matched == 60
    assert equal_counts(adata, counts)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda i: f"P1-A{i}", lambda i: f"onefilepercell_x:P1_A{i}.bam"),
        (lambda i: f"P1.A{i}", lambda i: f"run:P1_A{i}Aligned.sortedByCoord.out.bam"),
        (lambda i: f"0{i % 9}_{i // 10:02}_{i:02}__s1", lambda i: f"0{i % 9}_{i // 10:02}_{i:02}"),
        (lambda i: f"01_02_{i + 70:02}__s1", lambda i: f"01_02_{i + 70:02}"),
        (lambda i: f"{4294967296 + i}", lambda i: f"{4294967296 + i}"),
    ],
)
def test_cells_that_are_named_by_wells_or_bins(ours, theirs):
    counts = of_many_genes(0, [theirs(i) for i in range(60)])
    adata = as_analysed(counts, [ours(i) for i in range(60)])
    assert sv.io.attach_counts(adata, counts).n_matched == 60
    assert equal_counts(adata, counts)


def test_cells_that_are_numbered_are_matched_by_the_column_of_their_names():
    counts = of_many_genes(0, barcodes(60, 0))
    adata = as_analysed(counts, [str(i) for i in range(60)])
    adata.obs["score"] = np.arange(60.0)
    adata.obs["barcode"] = [f"{name}-1" for name in counts.obs_names]
    report = sv.io.attach_counts(adata, counts)
    assert report.cells_by == "obs['barcode'], barcodes"
    assert equal_counts(adata, counts)
