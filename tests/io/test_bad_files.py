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
from steadyvelo.io._barcodes import core_barcode, split_cell_ids

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
    with pytest.raises((FileNotFoundError, ValueError), match=name.split(".")[0]):
        sv.io.read_starsolo(starsolo)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_matrix(starsolo, share):
    path = starsolo / "spliced.mtx"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"spliced\.mtx"):
        sv.io.read(starsolo)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("%%MatrixMarket", "%MatrixMarket", "does not begin with '%%MatrixMarket"),
        ("coordinate", "array", "does not begin with"),
        ("\n5 3 ", "\n5 3 99999999", "99.* entries, which do not fit into its"),
        ("\n5 3 ", "\n5 -3 ", "should be rows, columns and entries"),
        ("\n5 3 ", "\n4 3 ", r"spliced\.mtx cannot be read"),
        ("\n5 3 ", "\n5 7 ", "the spliced matrix is 7 cells × 5 genes, but 3 cells and 5 genes"),
        ("\n5 3 ", "\n99999999999 3 ", "no such matrix can be read"),
        ("\n1 1 ", "\n1 a ", "cannot be read as MatrixMarket"),
    ],
)
def test_a_wrong_header_or_entry(starsolo, old, new, message):
    replace_in(starsolo / "spliced.mtx", old, new)
    with pytest.raises(ValueError, match=message):
        sv.io.read(starsolo)


def test_negative_counts(starsolo):
    scipy.io.mmwrite(starsolo / "spliced.mtx", sp.coo_matrix(-np.ones((5, 3), dtype=int)))
    with pytest.raises(ValueError, match="spliced matrix holds negative values"):
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
    with pytest.raises(ValueError, match="do not belong together"):
        sv.io.read(starsolo)


def test_barcodes_that_stand_twice(starsolo):
    (starsolo / "barcodes.tsv").write_text("AAACCCTT\nAAACCCTT\nTTACCCTT\n")
    with pytest.raises(ValueError, match=r"1 cells more than once .'AAACCCTT'"):
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
    with pytest.raises(ValueError, match="0 cells and 5 genes; nothing to read"):
        sv.io.read(starsolo)


def test_empty_folders_and_folders_of_other_tools(tmp_path):
    with pytest.raises(ValueError, match=r"is no output of STARsolo .* it holds nothing"):
        sv.io.read(tmp_path)
    (tmp_path / "abundance.tsv").write_text("target_id\n")
    for reader in (sv.io.read_starsolo, sv.io.read_kb, sv.io.read_alevin_fry):
        with pytest.raises(FileNotFoundError, match="holds no"):
            reader(tmp_path)


def test_a_plain_10x_folder_is_not_taken_for_velocyto_counts(starsolo):
    for name in ("unspliced", "ambiguous"):
        (starsolo / f"{name}.mtx").unlink()
    (starsolo / "spliced.mtx").rename(starsolo / "matrix.mtx")
    with pytest.raises(ValueError, match="is no output of STARsolo"):
        sv.io.read(starsolo)


def test_files_that_are_neither(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(ValueError, match="neither loom nor h5ad"):
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
        ("col_attrs/CellID", "column attributes none; name the one .* cell_attribute="),
        ("row_attrs/Gene", "row attributes none; name the one .* gene_attribute="),
        ("layers/unspliced", "has layers 'ambiguous', 'spliced'; give two"),
        ("matrix", "has no matrix: not a loom file"),
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
    with pytest.raises(ValueError, match=r"layer 'spliced' is \(5, 2\), but 5 genes and 3 cells"):
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
    with pytest.raises(ValueError, match="is not the JSON"):
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
