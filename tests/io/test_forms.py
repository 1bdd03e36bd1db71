"""The forms in which people have counts: every one is read right, or named with a remedy."""

from __future__ import annotations

import gzip
import shutil

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo._log import heard_by

N_CELLS, N_GENES = 60, 80


@pytest.fixture(scope="module")
def truth():
    """Counts whose genes have ids, and whose cells have barcodes."""
    adata = sv.datasets.simulate(n_cells=N_CELLS, n_genes=N_GENES, truth=False, rng=0)
    rng = np.random.default_rng(0)
    adata.obs_names = ["".join(word) for word in rng.choice(list("ACGT"), (N_CELLS, 16))]
    adata.var_names = [f"Gene{i}" for i in range(N_GENES)]
    adata.var["gene_id"] = [f"ENSMUSG{i:011d}" for i in range(N_GENES)]
    return adata


def same(found, truth, genes=slice(None), cells=slice(None)):
    """Whether both layers have the true counts of cells and genes in their order."""
    assert list(found.var_names) == list(truth.var_names[genes])
    return all(
        abs(found.layers[name] - truth.layers[name][cells][:, genes]).nnz == 0
        for name in ("spliced", "unspliced")
    )


def loom(path, adata, cells, **attributes):
    with h5py.File(path, "w") as file:
        file["matrix"] = (adata.layers["spliced"] + adata.layers["unspliced"]).toarray().T
        for name in ("spliced", "unspliced"):
            file[f"layers/{name}"] = adata.layers[name].toarray().T
        genes = {"Gene": adata.var_names, "Accession": adata.var["gene_id"]}
        for axis, given in (("row", genes), ("col", {"CellID": cells})):
            for name, values in {**given, **attributes.get(axis, {})}.items():
                data = np.asarray(values)
                text = data.dtype.kind in "OSUT"
                file.create_dataset(
                    f"{axis}_attrs/{name}",
                    data=data.astype(object) if text else data,
                    dtype=h5py.string_dtype() if text else None,
                )
    return path


def tenx(folder, counts, truth, cells=None, file="matrix.mtx", prefix=""):
    folder.mkdir(parents=True, exist_ok=True)
    scipy.io.mmwrite(folder / f"{prefix}{file}", counts.T.tocoo().astype(int), field="integer")
    names = truth.obs_names if cells is None else cells
    (folder / f"{prefix}barcodes.tsv").write_text("\n".join(names) + "\n")
    genes = zip(truth.var["gene_id"], truth.var_names, strict=True)
    (folder / f"{prefix}features.tsv").write_text("".join(f"{i}\t{n}\n" for i, n in genes))
    return folder


def starsolo(folder, truth, cells=None, prefix=""):
    zero = sp.csr_matrix(truth.shape, dtype=int)
    for kind in ("spliced", "unspliced", "ambiguous"):
        counts = truth.layers.get(kind, zero)
        tenx(folder, counts, truth, cells, f"{kind}.mtx", prefix)
    return folder


def with_layers(truth, **layers):
    adata = ad.AnnData(obs=truth.obs[[]].copy(), var=truth.var.copy())
    for name, layer in layers.items():
        adata.layers[name] = layer
    return adata


def test_kinds_of_several_layers(truth, tmp_path):
    spliced, unspliced = truth.layers["spliced"], truth.layers["unspliced"]
    half = unspliced.copy()
    half.data = half.data // 2
    adata = with_layers(truth, exon=spliced, intron=unspliced - half, spanning=half)
    adata.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(ValueError, match=r"spliced='exon', unspliced='intron\+spanning'"):
        sv.io.read(tmp_path / "a.h5ad")
    found = sv.io.read(tmp_path / "a.h5ad", spliced="exon", unspliced="intron + spanning")
    assert same(found, truth)
    # some versions of anndata list X among the layers
    assert set(found.layers) - {None} == {"spliced", "unspliced"}
    assert found.uns["import"]["layers"] == ["exon", "intron+spanning"]
    said = []
    with heard_by(said.append, said.append):
        sv.io.read(tmp_path / "a.h5ad", spliced="exon", unspliced="intron")
    assert f"'spanning' with {half.sum():,} molecules is counted neither" in said[0]
    adata.write_zarr(tmp_path / "a.zarr")
    assert same(sv.io.read(tmp_path / "a.zarr", spliced="exon", unspliced="intron+spanning"), truth)
    with pytest.raises(
        ValueError, match="has no layer 'exons'; it has 'exon', 'intron', 'spanning'"
    ):
        sv.io.read(tmp_path / "a.h5ad", spliced="exons", unspliced="intron+spanning")


def test_names_that_have_signs_in_them(truth, tmp_path):
    spliced, unspliced = truth.layers["spliced"], truth.layers["unspliced"]
    layers = {"a-b": spliced, "a": unspliced, "b": unspliced, "a-b+a": unspliced}
    with_layers(truth, **layers).write_h5ad(tmp_path / "a.h5ad")
    assert same(sv.io.read(tmp_path / "a.h5ad", spliced="a-b", unspliced="a-b+a"), truth)
    found = sv.io.read(tmp_path / "a.h5ad", spliced="a-b-a", unspliced="a+b-b")
    difference = (spliced - unspliced).toarray().clip(0)
    np.testing.assert_array_equal(found.layers["spliced"].toarray(), difference)


def test_x_as_spliced(truth, tmp_path):
    adata = with_layers(truth, unspliced=truth.layers["unspliced"])
    adata.X = truth.layers["spliced"].copy()
    adata.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(ValueError, match="such as spliced='X', unspliced='unspliced'"):
        sv.io.read(tmp_path / "a.h5ad")
    found = sv.io.read(tmp_path / "a.h5ad", spliced="X")
    assert same(found, truth)
    assert abs(found.X - truth.layers["spliced"]).nnz == 0
    path = loom(tmp_path / "a.loom", truth, truth.obs_names)
    found = sv.io.read(path, spliced="X-unspliced")
    assert same(found, truth)


def test_genes_with_and_without_introns_of_starsolo(truth, tmp_path):
    both = truth.layers["spliced"] + truth.layers["unspliced"]
    wells = [f"well{i}" for i in range(N_CELLS)]
    tenx(tmp_path / "Solo.out/Gene/raw", truth.layers["spliced"], truth, wells)
    tenx(tmp_path / "Solo.out/GeneFull/raw", both, truth, wells)
    for path in (tmp_path, tmp_path / "Solo.out"):
        with pytest.raises(ValueError, match="such as spliced='Gene', unspliced='GeneFull-Gene'"):
            sv.io.read(path)
    found = sv.io.read(tmp_path / "Solo.out", spliced="Gene", unspliced="GeneFull-Gene")
    assert same(found, truth)
    assert list(found.obs_names) == wells
    assert list(found.var["gene_id"]) == list(truth.var["gene_id"])


def test_molecules_that_become_negative_are_said(truth, tmp_path):
    tenx(tmp_path / "Gene", truth.layers["spliced"], truth)
    tenx(tmp_path / "GeneFull", truth.layers["unspliced"], truth)
    said = []
    with heard_by(said.append, said.append):
        found = sv.io.read(tmp_path, spliced="Gene", unspliced="GeneFull-Gene")
    difference = (truth.layers["unspliced"] - truth.layers["spliced"]).toarray()
    np.testing.assert_array_equal(found.layers["unspliced"].toarray(), difference.clip(0))
    assert f"{-difference.clip(None, 0).sum():,} molecules in" in said[0]


@pytest.mark.parametrize("form", ["mtx", "h5"])
def test_matched_runs_with_and_without_introns(truth, tmp_path, form):
    both = truth.layers["spliced"] + truth.layers["unspliced"]
    # each run calls cells of its own
    for name, counts, cells in (
        ("exons", truth.layers["spliced"], slice(0, 50)),
        ("introns", both, slice(10, 60)),
    ):
        folder = tmp_path / name / "outs" / "filtered_feature_bc_matrix"
        some = truth[cells]
        if form == "mtx":
            tenx(folder, counts[cells], some)
            continue
        folder.parent.mkdir(parents=True)
        csr = counts[cells].tocsr()
        with h5py.File(folder.with_suffix(".h5"), "w") as file:
            for part in ("data", "indices", "indptr"):
                file[f"matrix/{part}"] = getattr(csr, part)
            file["matrix/shape"] = [N_GENES, csr.shape[0]]
            file["matrix/barcodes"] = some.obs_names.to_numpy().astype("S")
            file["matrix/features/id"] = truth.var["gene_id"].to_numpy().astype("S")
            file["matrix/features/name"] = truth.var_names.to_numpy().astype("S")
            file["matrix/features/feature_type"] = np.full(N_GENES, b"Gene Expression")
    with pytest.raises(ValueError, match="spliced='exons', unspliced='introns-exons'"):
        sv.io.read(tmp_path)
    found = sv.io.read(tmp_path, spliced="exons", unspliced="introns-exons")
    assert same(found, truth, cells=slice(10, 50))


@pytest.mark.parametrize(
    "names", [("spliced", "unspliced"), ("cellranger_mature", "cellranger_nascent")]
)
def test_folders_for_each_kind(truth, tmp_path, names):
    for name, kind in zip(names, ("spliced", "unspliced"), strict=True):
        tenx(tmp_path / "counts_unfiltered" / name, truth.layers[kind], truth)
    assert same(sv.io.read(tmp_path), truth)


@pytest.mark.parametrize(
    "below", ["", "S1.Solo.out/Velocyto/filtered", "star/S1/S1.Solo.out/Velocyto/raw"]
)
def test_output_below_the_folder(truth, tmp_path, below):
    starsolo(tmp_path / below, truth)
    assert same(sv.io.read(tmp_path), truth)


def test_output_of_several_samples_below_the_folder(truth, tmp_path):
    for sample in "AB":
        starsolo(tmp_path / sample / "Solo.out/Velocyto/raw", truth)
    with pytest.raises(ValueError, match=r"output of 2 runs \('A.*', 'B.*'\); give one of them"):
        sv.io.read(tmp_path)


@pytest.mark.parametrize("place", ["run1/velocyto/run1.loom", "run1/velocyto", "run1", ""])
def test_the_folder_of_velocyto(truth, tmp_path, place):
    (tmp_path / "run1/velocyto").mkdir(parents=True)
    cells = [f"run1:{name}x" for name in truth.obs_names]
    loom(tmp_path / "run1/velocyto/run1.loom", truth, cells)
    assert same(sv.io.read(tmp_path / place), truth)


def test_looms_of_chromosomes_and_of_cells(truth, tmp_path):
    parts = tmp_path / "chromosomes"
    parts.mkdir()
    for n, genes in enumerate((slice(0, 30), slice(30, 80))):
        # cells in another order
        some = truth[:, genes][:: 1 - 2 * n].copy()
        loom(parts / f"chr{n}.loom", some, [f"chr{n}:{name}x" for name in some.obs_names])
    found = sv.io.read(parts)
    assert same(found, truth)
    total = np.asarray(truth.layers["spliced"].sum(axis=1)).ravel()
    np.testing.assert_array_equal(found.obs["n_counts_spliced"], total)
    wells = tmp_path / "cells"
    wells.mkdir()
    for n in range(5):
        loom(wells / f"{n}.loom", truth[n : n + 1], [f"x:A{n}.bam"])
    assert same(sv.io.read(wells), truth, cells=slice(0, 5))
    samples = tmp_path / "samples"
    samples.mkdir()
    for n in range(2):
        loom(samples / f"{n}.loom", truth[n * 30 : n * 30 + 30], truth.obs_names[n * 30 :][:30])
    with pytest.raises(ValueError, match="seem to be of several samples"):
        sv.io.read(samples)


def test_attributes_of_a_loom_are_kept(truth, tmp_path):
    clusters, x = ["a", "b"] * 30, np.arange(60.0)
    column = {"Clusters": clusters, "_X": x, "pca": np.ones((60, 3))}
    row = {"Chromosome": ["1", "2"] * 40, "Symbol": [f"S{i}" for i in range(80)]}
    path = loom(tmp_path / "a.loom", truth, truth.obs_names, col=column, row=row)
    found = sv.io.read(path)
    assert list(found.obs["Clusters"]) == clusters
    np.testing.assert_array_equal(found.obs["_X"], x)
    assert list(found.var["Chromosome"]) == ["1", "2"] * 40
    # some programs write the ids as names, too
    with h5py.File(path, "a") as file:
        file["row_attrs/Gene"][...] = file["row_attrs/Accession"][()]
    assert list(sv.io.read(path).var_names) == [f"S{i}" for i in range(80)]


def test_published_files_with_the_sample_in_front(truth, tmp_path):
    starsolo(tmp_path, truth, prefix="GSM1_lung_")
    assert same(sv.io.read(tmp_path), truth)
    starsolo(tmp_path, truth[:30], prefix="GSM2_liver_")
    for path in tmp_path.iterdir():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    with pytest.raises(ValueError, match=r"2 samples \('GSM1_lung', 'GSM2_liver'\); give one"):
        sv.io.read(tmp_path)
    assert same(sv.io.read(tmp_path / "GSM2_liver"), truth, cells=slice(0, 30))
    assert same(sv.io.read(tmp_path / "GSM1_lung"), truth)


@pytest.mark.parametrize("name", ["adata.h5ad", "quants.h5ad", "tidesurf.h5ad"])
def test_the_folder_of_an_h5ad_file(truth, tmp_path, name):
    (tmp_path / "out").mkdir()
    truth.write_h5ad(tmp_path / "out" / name)
    assert same(sv.io.read(tmp_path), truth)


def test_packed_files(truth, tmp_path):
    truth.write_h5ad(tmp_path / "a.h5ad")
    (tmp_path / "a.h5ad.gz").write_bytes(gzip.compress((tmp_path / "a.h5ad").read_bytes()))
    assert same(sv.io.read(tmp_path / "a.h5ad.gz"), truth)
    starsolo(tmp_path / "run/Solo.out/Velocyto/raw", truth)
    shutil.make_archive(str(tmp_path / "run"), "zip", tmp_path / "run")
    assert same(sv.io.read(tmp_path / "run.zip"), truth)
    (tmp_path / "bad.h5ad.gz").write_bytes(gzip.compress(b"no h5ad"))
    with pytest.raises(ValueError, match=r"bad\.h5ad\.gz is not a loom file, an h5ad file"):
        sv.io.read(tmp_path / "bad.h5ad.gz")


def test_one_modality_or_table_of_several(truth, tmp_path):
    truth.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "m.h5mu", "w") as file, h5py.File(tmp_path / "a.h5ad") as rna:
        rna.copy("/", file, name="mod/rna")
        file["mod/rna"].attrs.update(rna.attrs)
        for name in ("obs", "var", "mod/atac"):
            file.create_group(name)
    said = []
    with heard_by(said.append, said.append):
        assert same(sv.io.read(tmp_path / "m.h5mu"), truth)
    assert said[0] == "m.h5mu is MuData: 'rna' of its modalities is read"
    store = tmp_path / "s.zarr"
    (store / "tables").mkdir(parents=True)
    (store / "zarr.json").write_text("{}")
    truth.write_zarr(store / "tables" / "table")
    assert same(sv.io.read(store), truth)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.rds", b"X\n000", r"is a file of R; write the object as h5ad"),
        ("a.bam", b"\x1f\x8b\x08\x04", "has aligned reads, not counts"),
        ("a.txt", b"gene\t1", "is not a loom file, an h5ad file or a folder"),
    ],
)
def test_files_of_other_programs_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        sv.io.read(tmp_path / name)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["assays/spliced", "cell.names"], "is a Seurat file .* SeuratDisk::Convert"),
        (["matrix/barcodes"], "is a matrix of Cell Ranger, whose counts are not divided"),
        (["mod/rna", "obs", "var"], "is MuData with modalities none, of which none has layers"),
        (["obs", "var"], "obs says in no attribute '_index' which column .* names of the cells"),
    ],
)
def test_hdf5_files_of_other_programs_are_named(tmp_path, groups, message):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in groups:
            file.create_group(name)
    with pytest.raises(ValueError, match=message):
        sv.io.read(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("address", "fetch"),
    [
        ("s3://bucket/a.h5ad", r"aws s3 cp s3://bucket/a\.h5ad \."),
        ("gs://bucket/a.zarr", r"gsutil cp gs://bucket/a\.zarr \."),
        ("https://example.org/a.h5ad", r"curl -LO https://example\.org/a\.h5ad"),
    ],
)
def test_an_address_is_named(address, fetch):
    with pytest.raises(ValueError, match=rf"is an address, .* fetch it first: {fetch}"):
        sv.io.read(address)


def test_a_filter_that_h5py_does_not_have(truth, tmp_path, monkeypatch):
    truth.write_h5ad(tmp_path / "a.h5ad", compression="gzip")
    monkeypatch.setattr("steadyvelo.io._hdf5.h5py.h5z.filter_avail", lambda code: code != 1)
    monkeypatch.setattr("steadyvelo.io._hdf5._NAMES", {1: "zstd"})
    monkeypatch.setattr("steadyvelo.io._hdf5.importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"compressed with zstd, .*\(pip install hdf5plugin\)"):
        sv.io.read(tmp_path / "a.h5ad")


def test_cells_of_a_list_and_with_enough_molecules(truth, tmp_path):
    truth.write_h5ad(tmp_path / "a.h5ad")
    names = [f"{name}-1" for name in truth.obs_names[5:20]]
    (tmp_path / "cells.tsv").write_text("\n".join(names) + "\n")
    for given in (names, str(tmp_path / "cells.tsv"), tmp_path / "cells.tsv"):
        found = sv.io.read(tmp_path / "a.h5ad", cells=given)
        assert same(found, truth, cells=slice(5, 20))
    total = np.asarray((truth.layers["spliced"] + truth.layers["unspliced"]).sum(axis=1)).ravel()
    least = np.median(total)
    found = sv.io.read(tmp_path / "a.h5ad", min_molecules=least)
    assert list(found.obs_names) == list(truth.obs_names[total >= least])
    with pytest.raises(ValueError, match=r"0 of 2 cells of the list are in the counts"):
        sv.io.read(tmp_path / "a.h5ad", cells=["x", "y"])
    with pytest.raises(ValueError, match=r"no cell is left of 60"):
        sv.io.read(tmp_path / "a.h5ad", min_molecules=1e9)
    with pytest.raises(FileNotFoundError, match=r"there is no file .* with names of cells"):
        sv.io.read(tmp_path / "a.h5ad", cells=tmp_path / "absent.tsv")


def test_gene_names_of_alevin_fry(shared, tmp_path):
    source = shared / "counters" / "alevin_fry_usa"
    if not source.is_dir():
        pytest.skip("no output of alevin-fry")
    shutil.copytree(source, tmp_path / "a")
    ids = sv.io.read(tmp_path / "a").var_names
    table = pd.DataFrame({"id": ids, "name": [f"name of {i}" for i in ids]})
    table.to_csv(tmp_path / "a" / "gene_id_to_name.tsv", sep="\t", header=False, index=False)
    found = sv.io.read(tmp_path / "a")
    assert list(found.var_names) == list(table["name"])
    assert list(found.var["gene_id"]) == list(ids)


def test_one_matrix_has_no_kinds_of_molecules(truth, tmp_path):
    ad.AnnData(truth.layers["spliced"], obs=truth.obs, var=truth.var).write_h5ad(
        tmp_path / "a.h5ad"
    )
    with pytest.raises(ValueError, match=r"has one matrix and no layers.*steadyvelo attach CELLS"):
        sv.io.read(tmp_path / "a.h5ad")
