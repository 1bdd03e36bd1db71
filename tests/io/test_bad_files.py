"""Malformed files: a clear refusal, never a partial AnnData."""

from __future__ import annotations

import gzip
import shutil

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo.io._cell_names import core_barcode
from steadyvelo.io._count_table import split_cell_ids

GENES = [f"ENSG{i:04}\tGene{i}\tGene Expression" for i in range(5)]
CELLS = ["AAACCCTT", "AAACGGTT", "TTACCCTT"]


@pytest.fixture
def starsolo(tmp_path):
    """A small but complete STARsolo folder."""
    rng = np.random.default_rng(0)
    for name in ("spliced", "unspliced", "ambiguous"):
        scipy.io.mmwrite(tmp_path / f"{name}.mtx", sp.coo_matrix(rng.poisson(2, (5, 3))))
    (tmp_path / "barcodes.tsv").write_text("\n".join(CELLS) + "\n")
    (tmp_path / "features.tsv").write_text("\n".join(GENES) + "\n")
    return tmp_path


@pytest.fixture
def loom(tmp_path):
    """A small but complete loom file."""
    rng = np.random.default_rng(0)
    path = tmp_path / "a.loom"
    with h5py.File(path, "w") as file:
        for name in ("matrix", "layers/spliced", "layers/unspliced", "layers/ambiguous"):
            file[name] = rng.poisson(2, (5, 3))
        file["col_attrs/CellID"] = np.array([f"s:{c}x" for c in CELLS], dtype="S")
        file["row_attrs/Gene"] = np.array([f"Gene{i}" for i in range(5)], dtype="S")
    return path


def replace_in(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_complete_examples_are_read(starsolo, loom):
    assert sv.io.read(starsolo).shape == (3, 5)
    assert sv.io.read(loom).shape == (3, 5)


@pytest.mark.parametrize("name", ["spliced.mtx", "ambiguous.mtx", "barcodes.tsv", "features.tsv"])
def test_a_missing_file_is_named(starsolo, name):
    (starsolo / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"has no [a-z ]+ \({name}[ ,]"):
        sv.io.read_starsolo(starsolo)


@pytest.mark.parametrize("lost", [1, 2, 10, 40, 100])
def test_a_truncated_matrix(starsolo, lost):
    path = starsolo / "spliced.mtx"
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(ValueError, match=r"spliced\.mtx"):
        sv.io.read(starsolo)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("%%MatrixMarket", "%MatrixMarket", "should begin with '%%MatrixMarket"),
        ("coordinate", "array", "not a matrix of counts"),
        ("\n5 3 ", "\n5 3 99999999", "99.* entries, which do not fit into its"),
        ("\n5 3 ", "\n5 -3 ", "should be numbers of rows, columns and entries"),
        (
            "\n5 3 ",
            "\n4 3 ",
            "the matrix is 3 cells × 4 genes, but there are 3 names of cells and 5 of genes",
        ),
        (
            "\n5 3 ",
            "\n5 7 ",
            "the matrix is 7 cells × 5 genes, but there are 3 names of cells and 5 of genes",
        ),
        ("\n5 3 ", "\n99999999999 3 ", "too large to be read"),
        ("\n1 1 ", "\n1 a ", r"spliced\.mtx: line \d+, '1 a \d', should be 3 whole numbers"),
    ],
)
def test_a_wrong_header_or_entry(starsolo, old, new, message):
    replace_in(starsolo / "spliced.mtx", old, new)
    with pytest.raises(ValueError, match=message):
        sv.io.read(starsolo)


def test_negative_counts(starsolo):
    scipy.io.mmwrite(starsolo / "spliced.mtx", sp.coo_matrix(-np.ones((5, 3), dtype=int)))
    with pytest.raises(ValueError, match="spliced has negative values"):
        sv.io.read(starsolo)


def test_infinite_counts(starsolo):
    replace_in(starsolo / "spliced.mtx", "integer", "real")
    text = (starsolo / "spliced.mtx").read_text().rstrip()
    (starsolo / "spliced.mtx").write_text(text.rsplit(" ", 1)[0] + " inf\n")
    with pytest.raises(ValueError, match="NaN or infinite"):
        sv.io.read(starsolo)


@pytest.mark.parametrize("name", ["barcodes.tsv", "features.tsv"])
def test_matrices_and_names_that_do_not_belong_together(starsolo, name):
    with (starsolo / name).open("a") as file:
        file.write("GGGGGGGG\tx\n")
    with pytest.raises(ValueError, match="do not match"):
        sv.io.read(starsolo)


def test_barcodes_that_occur_twice(starsolo):
    (starsolo / "barcodes.tsv").write_text("AAACCCTT\nAAACCCTT\nTTACCCTT\n")
    with pytest.raises(ValueError, match=r"1 names of cells more than once .'AAACCCTT'"):
        sv.io.read(starsolo)


@pytest.mark.parametrize("name", ["spliced.mtx", "barcodes.tsv"])
def test_gzip_that_is_not(starsolo, name):
    (starsolo / name).rename(starsolo / f"{name}.gz")
    with pytest.raises(ValueError, match=r"is named .gz but is not gzip"):
        sv.io.read(starsolo)


@pytest.mark.parametrize("name", ["spliced.mtx", "barcodes.tsv"])
def test_gzip_that_is_cut(starsolo, name):
    path = starsolo / name
    packed = gzip.compress(path.read_bytes() * 3)
    (starsolo / f"{name}.gz").write_bytes(packed[: len(packed) // 2])
    path.unlink()
    with pytest.raises(ValueError, match="trunca"):
        sv.io.read(starsolo)


def test_names_that_are_not_ascii_or_not_utf8(starsolo):
    (starsolo / "features.tsv").write_text("\n".join(GENES).replace("Gene3", "Gène-β"), "utf-8")
    assert "Gène-β" in sv.io.read(starsolo).var_names
    (starsolo / "features.tsv").write_bytes(
        "\n".join(GENES).replace("Gene3", "Gène").encode("latin1")
    )
    with pytest.raises(ValueError, match=r"is not text in UTF-8"):
        sv.io.read(starsolo)


def test_no_cells(starsolo):
    (starsolo / "barcodes.tsv").write_text("")
    for name in ("spliced", "unspliced", "ambiguous"):
        (starsolo / f"{name}.mtx").write_text(
            "%%MatrixMarket matrix coordinate integer general\n5 0 0\n"
        )
    with pytest.raises(ValueError, match="0 cells and 5 genes, so there are no counts"):
        sv.io.read(starsolo)


def test_empty_folders_and_folders_of_other_tools(tmp_path):
    with pytest.raises(
        ValueError, match=r"is not recognised: .* STARsolo .* The folder contains nothing"
    ):
        sv.io.read(tmp_path)
    (tmp_path / "abundance.tsv").write_text("target_id\n")
    for reader in (sv.io.read_starsolo, sv.io.read_kb, sv.io.read_alevin_fry):
        with pytest.raises(FileNotFoundError, match="contains no"):
            reader(tmp_path)


def test_a_plain_10x_folder_is_not_taken_for_velocyto_counts(starsolo):
    for name in ("unspliced", "ambiguous"):
        (starsolo / f"{name}.mtx").unlink()
    (starsolo / "spliced.mtx").rename(starsolo / "matrix.mtx")
    with pytest.raises(ValueError, match="has one matrix of Cell Ranger's format, which is not"):
        sv.io.read(starsolo)


def test_files_that_are_neither(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(ValueError, match="is not a loom file, an h5ad file or a folder"):
        sv.io.read(tmp_path / "a.txt")
    (tmp_path / "a.mtx").write_text("hello")
    with pytest.raises(ValueError, match="is one matrix; give the folder"):
        sv.io.read(tmp_path / "a.mtx")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_loom(loom, share):
    loom.write_bytes(loom.read_bytes()[: int(share * loom.stat().st_size)])
    with pytest.raises(ValueError, match=r"a\.loom .*truncated"):
        sv.io.read(loom)


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("col_attrs/CellID", "column attributes none; give the one .* cell_attribute="),
        ("row_attrs/Gene", "row attributes none; give the one .* gene_attribute="),
        ("layers/unspliced", "has layers 'ambiguous', 'spliced' and X; name the two"),
        ("matrix", "has no matrix, so it is not a loom file"),
    ],
)
def test_an_incomplete_loom(loom, drop, message):
    with h5py.File(loom, "a") as file:
        del file[drop]
    with pytest.raises(ValueError, match=message):
        sv.io.read_loom(loom)


def test_loom_layers_and_names_of_other_size(loom):
    with h5py.File(loom, "a") as file:
        del file["layers/spliced"]
        file["layers/spliced"] = np.ones((5, 2))
    with pytest.raises(
        ValueError, match=r"layer 'spliced' is \(5, 2\), but the file names 5 genes and 3 cells"
    ):
        sv.io.read(loom)


@pytest.mark.parametrize("name", ["col_attrs/CellID", "layers/spliced"])
def test_sizes_that_a_loom_claims_but_does_not_hold(loom, name):
    with h5py.File(loom, "a") as file:
        del file[name]
        shape = (10**10,) if name.startswith("col") else (5, 10**10)
        file.create_dataset(name, shape=shape, dtype="S16", chunks=True)
    with pytest.raises(ValueError, match="corrupt"):
        sv.io.read(loom)


def test_other_attribute_names_can_be_given(loom):
    with h5py.File(loom, "a") as file:
        file.move("col_attrs/CellID", "col_attrs/Zellname")
    adata = sv.io.read_loom(loom, cell_attribute="Zellname")
    assert list(adata.obs_names) == CELLS
    with pytest.raises(ValueError, match="no column attribute 'x'; it has 'Zellname'"):
        sv.io.read_loom(loom, cell_attribute="x")


def test_barcodes_that_samples_share_keep_their_sample(loom):
    with h5py.File(loom, "a") as file:
        file["col_attrs/CellID"][...] = np.array(
            ["s:AAACCCTTx", "t:AAACCCTTx", "t:GGACCCTTx"], dtype="S"
        )
    adata = sv.io.read(loom)
    assert list(adata.obs_names) == ["s:AAACCCTT", "t:AAACCCTT", "t:GGACCCTT"]
    assert list(adata.obs["sample"]) == ["s", "t", "t"]


def test_alevin_fry_out_of_usa_mode(shared, tmp_path):
    shutil.copytree(
        shared / "counters" / "alevin_fry_usa", tmp_path / "a", copy_function=shutil.copyfile
    )
    meta = tmp_path / "a" / "meta_info.json"
    meta.write_text(meta.read_text().replace("true", "false"))
    with pytest.raises(ValueError, match="usa_mode is off"):
        sv.io.read(tmp_path / "a")
    meta.write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        sv.io.read(tmp_path / "a")


def test_an_unknown_choice_for_ambiguous_molecules(starsolo):
    with pytest.raises(ValueError, match="ambiguous must be one of 'default', 'drop'"):
        sv.io.read(starsolo, ambiguous="split")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("AAACCTGAGAGGGATA", ("", "AAACCTGAGAGGGATA", "")),
        ("AAACCTGAGAGGGATA-1", ("", "AAACCTGAGAGGGATA", "-1")),
        ("lung:AAACCTGAGAGGGATAx", ("lung:", "AAACCTGAGAGGGATA", "x")),
        ("GATTACA_AAACCTGAGAGGGATA-1", ("GATTACA_", "AAACCTGAGAGGGATA", "-1")),
    ],
)
def test_parts_of_cell_names(name, parts):
    assert core_barcode(name) == parts


def test_names_without_barcodes_stay_as_they_are():
    assert list(split_cell_ids(["bc1", "bc2"], "x").index) == ["bc1", "bc2"]


def edit(path, name, change):
    """Change an array inside an HDF5 file."""
    with h5py.File(path, "a") as file:
        values = change(file[name][:])
        del file[name]
        file[name] = values


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("layers/spliced/indices", lambda x: np.where(np.arange(len(x)) == 0, 7777, x)),
        ("layers/spliced/indices", lambda x: np.where(np.arange(len(x)) == 0, -1, x)),
        ("layers/unspliced/indptr", lambda x: np.where(np.arange(len(x)) == 1, 30_000, x)),
        ("layers/unspliced/indptr", lambda x: x[:-3]),
    ],
)
def test_a_corrupt_h5ad(counts, tmp_path, name, change):
    path = tmp_path / "a.h5ad"
    counts.write_h5ad(path)
    edit(path, name, change)
    with pytest.raises(ValueError, match="corrupt"):
        sv.io.read(path)


def test_sizes_that_an_h5ad_claims_but_does_not_hold(counts, tmp_path):
    path = tmp_path / "a.h5ad"
    counts.write_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["layers/spliced/data"]
        file.create_dataset("layers/spliced/data", shape=(10**12,), dtype="i4", chunks=True)
    with pytest.raises(ValueError, match=r"layers/spliced/data has the shape .* corrupt"):
        sv.io.read(path)


def test_cells_of_an_h5ad_that_occur_twice(counts, tmp_path):
    names = counts.obs_names.to_numpy().copy()
    names[1] = names[0]
    counts.obs_names = names
    counts.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(ValueError, match=r"1 names of cells more than once .'cell 1'"):
        sv.io.read(tmp_path / "a.h5ad")


def test_a_filtered_folder_that_is_incomplete_is_not_passed_over(starsolo, tmp_path):
    solo = tmp_path / "Solo.out" / "Velocyto"
    for name in ("filtered", "raw"):
        shutil.copytree(starsolo, solo / name, ignore=shutil.ignore_patterns("Solo.out"))
    (solo / "filtered" / "spliced.mtx").unlink()
    with pytest.raises(FileNotFoundError, match=r"filtered has no spliced matrix"):
        sv.io.read(tmp_path / "Solo.out")
    shutil.rmtree(solo / "filtered")
    assert sv.io.read(tmp_path / "Solo.out").n_obs == 3


@pytest.mark.parametrize("kind", ["pattern", "complex"])
def test_matrices_of_other_kinds(starsolo, kind):
    replace_in(starsolo / "spliced.mtx", "integer", kind)
    with pytest.raises(ValueError, match="not a matrix of counts"):
        sv.io.read(starsolo)


def test_an_entry_that_occurs_twice(starsolo):
    path = starsolo / "spliced.mtx"
    lines = path.read_text().splitlines()
    lines[-1] = lines[-2]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match="1 entries more than once; it is corrupt"):
        sv.io.read(starsolo)


def test_a_claimed_size_takes_no_memory(starsolo):
    replace_in(starsolo / "spliced.mtx", "\n5 3 ", "\n5 2000000000 ")
    with pytest.raises(
        ValueError, match="2,000,000,000 cells × 5 genes, but there are 3 names of cells"
    ):
        sv.io.read(starsolo)


def test_names_are_stripped_and_empty_ones_refused(starsolo):
    (starsolo / "barcodes.tsv").write_text("\ufeff" + "\n".join(c + " " for c in CELLS) + "\n\n")
    assert list(sv.io.read(starsolo).obs_names) == CELLS
    (starsolo / "barcodes.tsv").write_text("AAACCCTT\n\nTTACCCTT\n")
    with pytest.raises(ValueError, match="line 2 is empty"):
        sv.io.read(starsolo)


def test_a_loom_layer_that_is_a_group_or_was_never_written(loom):
    with h5py.File(loom, "a") as file:
        del file["layers/ambiguous"]
        file.create_dataset("layers/ambiguous", shape=(5, 3), dtype="i4", chunks=True)
    assert sv.io.read(loom).uns["import"]["ambiguous_molecules"] == 0
    with h5py.File(loom, "a") as file:
        del file["layers/spliced"]
        file.create_group("layers/spliced")
    with pytest.raises(ValueError, match="layer 'spliced' is a group, but the file names 5 genes"):
        sv.io.read(loom)


def test_loom_names_that_do_not_fit(loom):
    with h5py.File(loom, "a") as file:
        file["row_attrs/Accession"] = np.array(["a", "b"], dtype="S")
    with pytest.raises(ValueError, match="2 gene ids but 5 gene names"):
        sv.io.read(loom)


def test_alevin_fry_must_say_that_it_was_in_usa_mode(shared, tmp_path):
    shutil.copytree(
        shared / "counters" / "alevin_fry_usa", tmp_path / "a", copy_function=shutil.copyfile
    )
    (tmp_path / "a" / "meta_info.json").unlink()
    with pytest.raises(ValueError, match="does not say that it was made in USA mode"):
        sv.io.read(tmp_path / "a")
    columns = tmp_path / "a" / "alevin" / "quants_mat_cols.txt"
    genes = [f"gene{i}" for i in range(1, 5)]
    columns.write_text("\n".join(g + end for end in ("", "-U", "-A") for g in genes) + "\n")
    assert list(sv.io.read(tmp_path / "a").var_names) == genes


def test_layer_names_where_there_are_none(starsolo, loom, counts, tmp_path):
    with pytest.raises(ValueError, match=r"spliced=.a. does not apply to output of STARsolo"):
        sv.io.read(starsolo, spliced="a", unspliced="b")
    counts.write_h5ad(tmp_path / "a.h5ad")
    for path in (tmp_path / "a.h5ad", loom):
        with pytest.raises(ValueError, match="they must be two layers"):
            sv.io.read(path, spliced="spliced", unspliced="spliced")
