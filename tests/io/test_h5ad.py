"""Files are there whole or not at all."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo.io._files import check_target, replacing


def test_results_come_back_as_they_were(fitted, tmp_path):
    sv.io.write_h5ad(fitted, tmp_path / "a.h5ad")
    back = sv.io.read_h5ad(tmp_path / "a.h5ad")
    assert (back.var["velocity_reason"] == fitted.var["velocity_reason"]).all()
    np.testing.assert_array_equal(back.obsm["velocity_pca"], fitted.obsm["velocity_pca"])
    assert abs(back.obsp["velocity_graph"] - fitted.obsp["velocity_graph"]).nnz == 0


def test_what_is_no_file_or_no_anndata_is_refused(tmp_path, counts):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*absent\.h5ad"):
        sv.io.read_h5ad(tmp_path / "absent.h5ad")
    text = tmp_path / "text.h5ad"
    text.write_text("gene\tcount\n")
    with pytest.raises(ValueError, match="is not an HDF5 file"):
        sv.io.read_h5ad(text)
    with h5py.File(tmp_path / "other.h5ad", "w") as file:
        file["matrix"] = np.ones(3)
    with pytest.raises(ValueError, match="without obs and var, not an AnnData"):
        sv.io.read_h5ad(tmp_path / "other.h5ad")


def test_a_file_of_no_counting_program_is_an_anndata_file(tmp_path, counts, said):
    sv.io.write_h5ad(counts, tmp_path / "a.h5ad")
    sv.io.read(tmp_path / "a.h5ad")
    assert f"read an AnnData file: {counts.n_obs} cells" in "\n".join(said)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_a_truncated_file_is_refused(tmp_path, counts, share):
    path = tmp_path / "a.h5ad"
    sv.io.write_h5ad(counts, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="may be truncated"):
        sv.io.read_h5ad(path)


def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write_a_part():
        with replacing(target) as temporary:
            temporary.write_text("new, but not all of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_a_part()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_complete_file_replaces_the_old_one(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with replacing(target) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert target.stat().st_mode & 0o044 == 0o044


def test_targets_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder .*none does not exist; create it first"):
        check_target(tmp_path / "none" / "a.h5ad")
    with pytest.raises(IsADirectoryError, match="is a folder; give a file in it"):
        check_target(tmp_path)


def test_a_folder_without_permission_is_refused(monkeypatch, tmp_path):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(PermissionError, match="is not writable"):
        check_target(tmp_path / "a.h5ad")


@pytest.mark.parametrize("slot", ["obs", "uns"])
def test_what_cannot_be_stored_is_named(tmp_path, counts, slot):
    values = np.array([1, "x", None] * 80, dtype=object)
    if slot == "obs":
        counts.obs["mixed"] = values
    else:
        counts.uns["mixed"] = object()
    with pytest.raises(TypeError, match=r"cannot be written to a file \(key 'mixed' to /.*astype"):
        sv.io.write_h5ad(counts, tmp_path / "a.h5ad")
    assert list(tmp_path.iterdir()) == []
