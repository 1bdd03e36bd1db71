"""Real outputs of upstream counters: every entry against what is known to be in them.

`tests/data/counters` holds outputs of STARsolo, kb-python and velocyto for simulated reads whose
molecules are known; that of alevin-fry lies beside the project.
"""

from __future__ import annotations

import gzip
import shutil

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._log import heard_by


@pytest.fixture(scope="module")
def truth(counters):
    """Known molecules as tables cells × gene ids."""
    table = pd.read_csv(counters / "truth.csv")
    columns = ["spliced_molecules", "intronic_molecules", "exon3_only_molecules"]
    table = table.set_index(["cell", "gene_id"])
    return {name: table[name].unstack() for name in columns}  # noqa: PD010


def frame(adata, layer):
    """A layer by barcode and gene id."""
    ids = adata.var.get("gene_id", adata.var_names)
    return pd.DataFrame(adata.layers[layer].toarray(), adata.obs_names, list(ids))


def same_entries(adata, layer, expected):
    found = frame(adata, layer).reindex(index=expected.index, columns=expected.columns)
    pd.testing.assert_frame_equal(
        found, expected, check_dtype=False, check_names=False, check_column_type=False
    )


def looks_right(adata):
    assert adata.X.format == "csr"
    for name in ("spliced", "unspliced"):
        layer = adata.layers[name]
        assert isinstance(layer, sp.csr_matrix)
        assert layer.dtype == np.int32
        assert layer.data.all(), "stored zeros"
        assert layer.has_sorted_indices
        np.testing.assert_array_equal(
            adata.obs[f"n_counts_{name}"], np.asarray(layer.sum(axis=1)).ravel()
        )
    assert abs(adata.X - adata.layers["spliced"]).nnz == 0
    assert adata.X is not adata.layers["spliced"]
    assert adata.var_names.is_unique
    assert adata.obs_names.is_unique


@pytest.mark.parametrize(
    "place", ["", "Velocyto", "Velocyto/filtered", "Velocyto/raw"], ids=lambda p: p or "Solo.out"
)
def test_starsolo(counters, truth, place):
    adata = sv.io.read(counters / "starsolo" / "Solo.out" / place)
    looks_right(adata)
    # every spliced molecule is there; intronic ones that overlap an exon are ambiguous
    same_entries(adata, "spliced", truth["spliced_molecules"] + truth["exon3_only_molecules"])
    assert adata.layers["spliced"].sum() == 4982
    assert adata.layers["unspliced"].sum() == 1672
    assert adata.uns["import"]["ambiguous_molecules"] == 117
    assert adata.uns["import"]["ambiguous"] == "keep"
    assert adata.layers["ambiguous"].sum() == 117
    assert adata.n_obs == (200 if place.endswith("raw") else 25)
    kept = sv.io.read(counters / "starsolo" / "Solo.out" / place, ambiguous="keep")
    intronic = frame(kept, "unspliced") + frame(kept, "ambiguous")
    expected = truth["intronic_molecules"]
    pd.testing.assert_frame_equal(
        intronic.reindex(index=expected.index, columns=expected.columns),
        expected,
        check_dtype=False,
        check_names=False,
        check_column_type=False,
    )


def test_raw_and_filtered_can_be_chosen(counters):
    path = counters / "starsolo" / "Solo.out"
    assert sv.io.read_starsolo(path, filtered=False).n_obs == 200
    assert sv.io.read_starsolo(path, filtered=True).n_obs == 25
    assert sv.io.read(path, filtered=False).n_obs == 200
    assert sv.io.read(path).n_obs == 25


def test_gene_names_that_occur_twice_keep_their_ids(counters):
    adata = sv.io.read(counters / "starsolo" / "Solo.out")
    assert adata.var.loc[["Gene6", "Gene6-1"], "gene_id"].tolist() == ["G006", "G007"]
    assert adata.var.loc[["Gene6", "Gene6-1"], "gene_name"].tolist() == ["Gene6", "Gene6"]


@pytest.mark.parametrize(
    "place",
    [
        "kb_nac",
        "kb_nac/counts_unfiltered",
        "kb_nac_h5ad/counts_unfiltered/adata.h5ad",
        "kb_nac_loom/counts_unfiltered/adata.loom",
    ],
)
def test_kb_nac(counters, truth, place):
    adata = sv.io.read(counters / place)
    looks_right(adata)
    kept = sv.io.read(counters / place, ambiguous="keep")
    # mature counts only molecules that span a junction
    same_entries(kept, "spliced", truth["spliced_molecules"])
    assert kept.layers["spliced"].sum() == 3985
    assert kept.layers["ambiguous"].sum() == 1114
    assert adata.layers["unspliced"].sum() == 1672
    # by default the 997 of a single exon are not lost, with the 117 that are ambiguous indeed
    assert adata.layers["spliced"].sum() == 3985 + 997 + 117
    assert adata.uns["import"]["ambiguous"] == "spliced"
    both = frame(kept, "unspliced") + frame(kept, "ambiguous")
    expected = truth["intronic_molecules"] + truth["exon3_only_molecules"]
    pd.testing.assert_frame_equal(
        both.reindex(index=expected.index, columns=expected.columns),
        expected,
        check_dtype=False,
        check_names=False,
        check_column_type=False,
    )


def test_velocyto_loom(counters, truth):
    adata = sv.io.read(counters / "velocyto_loom" / "synth.loom")
    looks_right(adata)
    # velocyto loses 51 spliced molecules
    lost = (
        truth["spliced_molecules"]
        + truth["exon3_only_molecules"]
        - frame(adata, "spliced").reindex(
            index=truth["spliced_molecules"].index, columns=truth["spliced_molecules"].columns
        )
    )
    assert lost.to_numpy().sum() == 51
    assert (lost >= 0).all().all()
    assert adata.layers["unspliced"].sum() == 1672
    assert adata.uns["import"]["ambiguous_molecules"] == 117
    assert set(adata.obs["sample"]) == {"synth"}
    assert all(adata.obs["cell_id"] == "synth:" + adata.obs_names + "x")
    starsolo = sv.io.read(counters / "starsolo" / "Solo.out")
    same_entries(adata, "unspliced", frame(starsolo, "unspliced"))


def test_alevin_fry(shared):
    folder = shared / "counters" / "alevin_fry_usa"
    known = pd.read_csv(folder / "example-dat.csv", skiprows=1, skipinitialspace=True)
    known = known.set_index(known.columns[0]) if known.shape[1] == 13 else known
    values = known.to_numpy()
    spliced, unspliced, both = values[:, :4], values[:, 4:8], values[:, 8:]
    adata = sv.io.read(folder)
    np.testing.assert_array_equal(adata.layers["spliced"].toarray(), spliced + both)
    np.testing.assert_array_equal(adata.layers["unspliced"].toarray(), unspliced)
    assert list(adata.obs_names) == ["bc1", "bc2", "bc3", "bc4"]
    assert list(adata.var_names) == ["gene1", "gene2", "gene3", "gene4"]
    looks_right(adata)


@pytest.mark.parametrize("choice", ["drop", "spliced", "unspliced", "keep"])
def test_ambiguous_molecules_go_where_they_are_sent(counters, choice):
    adata = sv.io.read(counters / "starsolo" / "Solo.out", ambiguous=choice)
    sums = {"spliced": 4982, "unspliced": 1672}
    if choice in sums:
        sums[choice] += 117
    assert {name: int(adata.layers[name].sum()) for name in sums} == sums
    assert ("ambiguous" in adata.layers) == (choice != "drop")
    assert adata.uns["import"]["ambiguous"] == choice


def test_what_was_done_is_said(counters):
    said = []
    with heard_by(said.append, said.append):
        sv.io.read(counters / "velocyto_loom" / "synth.loom")
    assert len(said) == 1
    assert "4,931 spliced and 1,672 unspliced" in said[0]
    assert "117 ambiguous molecules kept in a separate layer" in said[0]


@pytest.mark.parametrize(
    ("output", "asked", "message"),
    [
        ("kb_nac", {"spliced": "S"}, "spliced='S' does not apply to output of kb-python"),
        (
            "starsolo/Solo.out",
            {"cell_attribute": "CellID"},
            "cell_attribute='CellID' does not apply",
        ),
        (
            "velocyto_loom/synth.loom",
            {"filtered": False},
            "filtered=False does not apply to a loom file",
        ),
    ],
)
def test_what_a_format_does_not_have_is_refused(counters, output, asked, message):
    with pytest.raises(ValueError, match=f"{message}.*leave it out"):
        sv.io.read(counters / output, **asked)


def compress(folder):
    for path in list(folder.iterdir()):
        with gzip.open(f"{path}.gz", "wb") as file:
            file.write(path.read_bytes())
        path.unlink()


def copied(source, target):
    """A copy that can be written to (the original may be read only)."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    target.chmod(0o755)
    return target


def test_gzip_and_windows_line_ends_change_nothing(counters, tmp_path):
    expected = sv.io.read(counters / "starsolo" / "Solo.out")
    folder = copied(counters / "starsolo" / "Solo.out" / "Velocyto" / "filtered", tmp_path / "f")
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert abs(sv.io.read(folder).layers["spliced"] - expected.layers["spliced"]).nnz == 0
    compress(folder)
    adata = sv.io.read(folder)
    assert list(adata.var_names) == list(expected.var_names)
    for name in ("spliced", "unspliced"):
        assert abs(adata.layers[name] - expected.layers[name]).nnz == 0


@pytest.mark.parametrize("packed", [False, True])
def test_early_starsolo_with_three_values_a_line(counters, tmp_path, packed):
    source = counters / "starsolo" / "Solo.out" / "Velocyto" / "raw"
    parts = [scipy.io.mmread(source / f"{k}.mtx").tocoo() for k in ("spliced", "unspliced")]
    both = scipy.io.mmread(source / "ambiguous.mtx").tocoo()
    folder = tmp_path / "raw"
    folder.mkdir()
    rows = [
        f"{i + 1} {j + 1} {a} {b} {c}"
        for i, j, a, b, c in zip(
            parts[0].row, parts[0].col, parts[0].data, parts[1].data, both.data, strict=True
        )
    ]
    banner = "%%MatrixMarket matrix coordinate integer general\n%\n"
    text = banner + f"40 200 {len(rows)}\n" + "\n".join(rows) + "\n"
    (folder / "matrix.mtx").write_text(text)
    for name in ("barcodes.tsv", "features.tsv"):
        shutil.copyfile(source / name, folder / name)
    if packed:
        compress(folder)
    adata, expected = sv.io.read(folder), sv.io.read(source)
    for name in ("spliced", "unspliced"):
        assert abs(adata.layers[name] - expected.layers[name]).nnz == 0
    assert adata.uns["import"]["ambiguous_molecules"] == 117


def test_kb_lamanno_with_barcodes_of_each_matrix(tmp_path):
    rng = np.random.default_rng(0)
    genes = [f"G{i}" for i in range(6)]
    cells = {
        "spliced": ["AAAAAAAA", "CCCCCCCC", "GGGGGGGG"],
        "unspliced": ["GGGGGGGG", "AAAAAAAA", "TTTTTTTT"],
    }
    dense = {}
    for kind, names in cells.items():
        dense[kind] = pd.DataFrame(rng.poisson(2, (3, 6)), names, genes)
        scipy.io.mmwrite(tmp_path / f"{kind}.mtx", sp.coo_matrix(dense[kind].to_numpy()))
        (tmp_path / f"{kind}.barcodes.txt").write_text("\n".join(names) + "\n")
        (tmp_path / f"{kind}.genes.txt").write_text("\n".join(genes) + "\n")
    adata = sv.io.read(tmp_path)
    assert list(adata.obs_names) == ["AAAAAAAA", "CCCCCCCC", "GGGGGGGG", "TTTTTTTT"]
    for kind in cells:
        expected = dense[kind].reindex(adata.obs_names).fillna(0)
        np.testing.assert_array_equal(adata.layers[kind].toarray(), expected)
    assert adata.uns["import"]["tool"] == "kb-python lamanno"


@pytest.mark.parametrize("store", ["h5ad", "zarr"])
def test_layers_of_any_name(counts, tmp_path, store):
    counts.layers["exonic"] = counts.layers.pop("spliced")
    counts.layers["intronic"] = counts.layers.pop("unspliced").astype(float)
    path = tmp_path / f"a.{store}"
    counts.write_h5ad(path) if store == "h5ad" else counts.write_zarr(path)
    with pytest.raises(ValueError, match=r"has layers .*'exonic'.*by spliced= and unspliced="):
        sv.io.read(path)
    adata = sv.io.read(path, spliced="exonic", unspliced="intronic")
    assert abs(adata.layers["spliced"] - counts.layers["exonic"]).nnz == 0
    assert adata.layers["unspliced"].dtype == np.int32
    assert "exonic" not in adata.layers
    assert list(adata.obs["branch"]) == list(counts.obs["branch"])


def test_counts_that_are_not_whole_stay_float32(counts, tmp_path):
    counts.layers["spliced"] = counts.layers["spliced"] * 0.5
    counts.write_h5ad(tmp_path / "a.h5ad")
    adata = sv.io.read(tmp_path / "a.h5ad")
    assert adata.layers["spliced"].dtype == np.float32
    assert adata.layers["unspliced"].dtype == np.int32


def test_the_steps_start_from_what_was_read(counters):
    adata = sv.io.read(counters / "starsolo" / "Solo.out")
    sv.pp.size_factors(adata)
    sv.pp.neighbors(adata, n_neighbors=8, n_pcs=5)
    # these molecules were drawn without kinetics, so that no line fits well
    sv.tl.velocity(adata, min_r2=-10)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="pca")
    assert np.isfinite(adata.obsm["velocity_pca"]).all()


def test_small_integers_do_not_overflow_when_ambiguous_is_added(counts, tmp_path):
    counts.layers["mature"] = sp.csr_matrix(np.full(counts.shape, 200, dtype=np.uint8))
    counts.layers["nascent"] = counts.layers.pop("unspliced")
    counts.layers["ambiguous"] = sp.csr_matrix(np.full(counts.shape, 100, dtype=np.uint8))
    del counts.layers["spliced"]
    counts.write_h5ad(tmp_path / "a.h5ad")
    adata = sv.io.read(tmp_path / "a.h5ad")
    assert (adata.layers["spliced"].data == 300).all()
    assert abs(adata.X - adata.layers["spliced"]).nnz == 0
    assert "ambiguous" in adata.layers


def test_where_counts_came_from_is_not_forgotten(counters, tmp_path):
    adata = sv.io.read(counters / "starsolo" / "Solo.out")
    sv.io.write_h5ad(adata, tmp_path / "a.h5ad")
    back = sv.io.read(tmp_path / "a.h5ad")
    assert back.uns["import"]["tool"] == "STARsolo"
    assert back.uns["import"]["ambiguous_molecules"] == 117


def test_a_last_gene_without_a_name_keeps_its_id(counters, tmp_path):
    folder = copied(counters / "kb_nac" / "counts_unfiltered", tmp_path / "k")
    path = folder / "cells_x_genes.genes.names.txt"
    names = path.read_text().rstrip("\n").split("\n")
    path.write_text("\n".join([*names[:-2], "", ""]) + "\n")
    assert list(sv.io.read(folder).var_names[-2:]) == ["G038", "G039"]
