"""Files that claim more than they have, lead elsewhere, or would hang or crash a library."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import re
import shutil
import zipfile

import anndata
import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

import steadyvelo as sv
from steadyvelo.io import _broken
from steadyvelo.io._kernels._hdf5_heaps import largest_object
from tests.fuzz.inputs import INPUTS

HEAD = "%%MatrixMarket matrix coordinate integer general\n"
BODY = "1 1 1\n2 2 2\n"


@pytest.fixture
def starsolo(tmp_path):
    """Three cells and three genes, of which the spliced matrix is written by the test."""
    for kind in ("unspliced", "ambiguous"):
        (tmp_path / f"{kind}.mtx").write_text(f"{HEAD}3 3 2\n{BODY}")
    (tmp_path / "barcodes.tsv").write_text("AAACCCTT\nAAACGGTT\nTTACCCTT\n")
    (tmp_path / "features.tsv").write_text("a\nb\nc\n")
    return tmp_path


@pytest.fixture
def h5ad(tmp_path, truth):
    truth.obs["text"] = [f"note {i}" for i in range(truth.n_obs)]
    truth.write_h5ad(tmp_path / "a.h5ad")
    return tmp_path / "a.h5ad"


@pytest.fixture
def truth():
    return sv.datasets.simulate(n_cells=60, n_genes=40, truth=False, rng=1)


@pytest.fixture
def loom(tmp_path):
    path = tmp_path / "a.loom"
    with h5py.File(path, "w") as file:
        for name in ("matrix", "layers/spliced", "layers/unspliced"):
            file[name] = np.random.default_rng(0).poisson(2, (5, 3))
        file["col_attrs/CellID"] = np.array(["AAAC", "AAAG", "AAAT"], dtype=h5py.string_dtype())
        file["row_attrs/Gene"] = np.array(list("abcde"), dtype=h5py.string_dtype())
    return path


def write_spliced(folder, text, *, head=HEAD, packed=False):
    path = folder / f"spliced.mtx{'.gz' if packed else ''}"
    raw = (head + text).encode("utf-8", "surrogatepass")
    path.write_bytes(gzip.compress(raw) if packed else raw)


# what a line may not be, of which other parsers take some for the number that it begins with
WRONG_LINES = {
    "decimals": "1 1 1.9",
    "exponent": "1 1 1e3",
    "comma": "1 1 1,5",
    "letter": "1 1 1x",
    "hexadecimal": "1 1 0x10",
    "a fourth number": "1 1 1 7",
    "a fourth word": "1 1 1 x",
    "decimals of an index": "1.9 1 1",
    "plus": "+1 +1 +1",
    "negative index": "1 -1 1",
    "no value": "1 1",
    "no value but a space": "1 1 ",
    "sign alone": "1 1 -",
    "comment": "% hi",
    "vertical tabs": "1\x0b1\x0b1",
    "other digits": "1 1 \u0663",
    "byte 0 after the value": "1 1 1\0",
    "byte 0 in the value": "1 1 1\x000",
    "byte 0 for a line break": "1 1 1\x002 2 2",
    "byte 0 alone": "\0",
    "return in the middle": "1 1\r1",
    "underscore": "1 1 1_000",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("wrong", WRONG_LINES)
def test_a_line_that_is_no_entry(starsolo, wrong, packed):
    write_spliced(starsolo, f"3 3 2\n2 2 2\n{WRONG_LINES[wrong]}\n", packed=packed)
    said = r"spliced\.mtx(\.gz)?: line 4, .*, should be 3 whole numbers \(row, column, count\)"
    with pytest.raises(ValueError, match=said):
        sv.io.read(starsolo)


@pytest.mark.parametrize(
    "values", ["1 1 1\n2 2 2\n", "1\t1\t1\r\n2 2  2 \r\n", "\n1 1 1\n\n2 2 2\n\n"]
)
def test_lines_as_programs_write_them(starsolo, values):
    write_spliced(starsolo, f"3 3 2\n{values}")
    assert sv.io.read(starsolo).layers["spliced"].toarray().tolist() == [
        [1, 0, 0],
        [0, 2, 0],
        [0, 0, 0],
    ]


@pytest.mark.parametrize(
    ("line", "known"),
    [("1 1 1.5", True), ("1 1 .5e+1", True), ("1 1 2.", True), ("1 1 1e3", True)]
    + [(line, False) for line in ("1 1 1.5.5", "1 1 e3", "1 1 .", "1 1 1e", "1 1 1,5", "1 1 1x")],
)
def test_values_with_decimals(starsolo, line, known):
    write_spliced(starsolo, f"3 3 2\n2 2 2\n{line}\n", head=HEAD.replace("integer", "real"))
    if known:
        found = sv.io.read(starsolo).layers["spliced"][0, 0]
        assert found == pytest.approx(float(line.split()[2]))
    else:
        with pytest.raises(ValueError, match=r"line 4, .* should be 3 numbers"):
            sv.io.read(starsolo)


@pytest.mark.parametrize("text", ["3 3 2\n1 1 1\n", "3 3 2\n1 1 1\n2 2 2\n3 3 3\n"])
def test_another_number_of_entries_than_the_header_says(starsolo, text):
    write_spliced(starsolo, text)
    with pytest.raises(ValueError, match=r"spliced\.mtx"):
        sv.io.read(starsolo)


@pytest.mark.parametrize("text", ["%a\0b\n3 3 2\n", "3 3 2\0\n"])
def test_a_byte_0_in_front_of_the_entries(starsolo, text):
    write_spliced(starsolo, text + BODY)
    with pytest.raises(ValueError, match=r"spliced\.mtx: line . has a byte 0"):
        sv.io.read(starsolo)


@pytest.mark.parametrize("values", ["1 1 1 0", "1 1 1 0 0 0", "1 1 1.5 0 0", "1 1 1 0 0\0"])
def test_a_line_of_early_starsolo_that_is_no_entry(starsolo, values):
    for kind in ("unspliced", "ambiguous"):
        (starsolo / f"{kind}.mtx").unlink()
    path = starsolo / "matrix.mtx"
    path.write_text(f"{HEAD}3 3 2\n2 2 2 1 0\n1 1 1 2 0\n")
    assert sv.io.read(starsolo).layers["unspliced"].sum() == 3
    path.write_text(f"{HEAD}3 3 2\n2 2 2 1 0\n{values}\n")
    with pytest.raises(ValueError, match=r"matrix\.mtx: line 4, .* should be 5 whole numbers"):
        sv.io.read(starsolo)


def test_lines_that_are_checked_in_parts(starsolo, monkeypatch):
    monkeypatch.setattr("steadyvelo.io._matrix_market_lines._PART", 3)
    write_spliced(starsolo, f"3 3 2\n{BODY}")
    assert sv.io.read(starsolo).layers["spliced"].sum() == 3
    write_spliced(starsolo, "3 3 2\n1 1 1\n2 2x 2\n")
    with pytest.raises(ValueError, match="line 4"):
        sv.io.read(starsolo)


def test_a_list_or_matrix_that_unpacks_to_far_more_than_it_can_need(starsolo):
    write_spliced(starsolo, f"3 3 2\n{BODY}" + "\n" * 3_000_000, packed=True)
    with pytest.raises(
        ValueError, match=r"spliced\.mtx\.gz has more than .* bytes for the 2 entries"
    ):
        sv.io.read(starsolo)
    (starsolo / "spliced.mtx.gz").unlink()
    write_spliced(starsolo, f"3 3 2\n{BODY}")
    (starsolo / "barcodes.tsv").unlink()
    (starsolo / "barcodes.tsv.gz").write_bytes(gzip.compress(b"A" * 20_000_000))
    with pytest.raises(
        ValueError, match=r"barcodes\.tsv\.gz unpacks to more than .* no list of names"
    ):
        sv.io.read(starsolo)


def test_a_byte_0_in_a_list_of_names(starsolo):
    write_spliced(starsolo, f"3 3 2\n{BODY}")
    (starsolo / "features.tsv").write_bytes(b"a\nb\0\nc\n")
    with pytest.raises(ValueError, match=r"features\.tsv: line 2 has a byte 0"):
        sv.io.read(starsolo)


@pytest.mark.parametrize("packed", ["gz", "zip"])
def test_a_packed_file_that_unpacks_to_far_too_much(tmp_path, monkeypatch, packed):
    monkeypatch.setattr("steadyvelo.io._packed._LARGE", 1_000_000)
    path = tmp_path / f"a.h5ad.{packed}"
    if packed == "gz":
        path.write_bytes(gzip.compress(bytes(5_000_000)))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.h5ad", bytes(5_000_000))
    with pytest.raises(ValueError, match=r"a\.h5ad\..* unpacks to more than .* no file of counts"):
        sv.io.read(path)


def test_a_packed_file_that_does_not_fit_on_the_disk(tmp_path, h5ad, monkeypatch):
    (tmp_path / "b.h5ad.gz").write_bytes(gzip.compress(h5ad.read_bytes()))
    free = os.statvfs(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("", (), {"free": 1000})())
    assert free.f_bavail > 0
    with pytest.raises(ValueError, match=r"unpacks to more than .* free .*TMPDIR"):
        sv.io.read(tmp_path / "b.h5ad.gz")


@pytest.mark.parametrize("layer", ["spliced", "unspliced", "ambiguous", "other"])
@pytest.mark.parametrize("part", ["indptr", "indices"])
def test_every_sparse_matrix_is_checked_before_it_is_used(tmp_path, truth, layer, part):
    for name in ("ambiguous", "other"):
        truth.layers[name] = truth.layers["unspliced"].copy()
    truth.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        values = file[f"layers/{layer}/{part}"]
        values[len(values) // 2] = 2**30
    with pytest.raises(ValueError, match=rf"a\.h5ad.*{layer} is corrupt, because its indices"):
        sv.io.read(tmp_path / "a.h5ad")


@pytest.mark.parametrize("slot", ["obsp", "raw", "X"])
def test_graphs_and_raw_counts_are_checked_too(tmp_path, truth, slot):
    truth.obsp["graph"] = sp.random_array((60, 60), density=0.2, format="csr", rng=0)
    truth.X = truth.layers["spliced"].copy()
    truth.raw = truth.copy()
    truth.write_h5ad(tmp_path / "a.h5ad")
    place = {"obsp": "obsp/graph", "raw": "raw/X", "X": "X"}[slot]
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        file[f"{place}/indices"][0] = 2**30
    with pytest.raises(ValueError, match=rf"{place} is corrupt, because its indices"):
        sv.io.read(tmp_path / "a.h5ad")


def external(file, name):
    del file[name]
    file[name] = h5py.ExternalLink("/etc/other.h5", "/")


def external_bytes(file, name):
    shape = file[name].shape
    del file[name]
    file.create_dataset(name, shape, "u1", external=[("/etc/passwd", 0, int(np.prod(shape)))])


def virtual(file, name):
    shape = file[name].shape
    del file[name]
    layout = h5py.VirtualLayout(shape, "f4")
    layout[...] = h5py.VirtualSource("other.h5", "x", shape)
    file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("lead", [external, external_bytes, virtual])
def test_bytes_of_other_files_are_not_read(h5ad, loom, lead):
    for path, name in ((h5ad, "obs/library_size"), (loom, "layers/spliced"), (loom, "matrix")):
        with h5py.File(path, "a") as file:
            lead(file, name)
        with pytest.raises(ValueError, match=rf"{path.name}: .*{name} is .*in another file"):
            sv.io.read(path)


def deep(file, _):
    group = file
    for _ in range(100):
        group = group.create_group("deep")


def circle(file, _):
    file["uns/circle"] = file["/uns"]


def many(file, _):
    for k in range(300):
        file[f"uns/{k}"] = 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (deep, r"deep lies too deep in other groups"),
        (circle, r"/uns/circle contains itself"),
        (many, r"has more than 200 parts"),
    ],
)
def test_groups_without_end(h5ad, change, said, monkeypatch):
    if change is many:
        monkeypatch.setattr("steadyvelo.io._hdf5._MOST_OBJECTS", 200)
    with h5py.File(h5ad, "a") as file:
        file.require_group("uns")
        change(file, "")
    with pytest.raises(ValueError, match=said):
        sv.io.read(h5ad)


def test_a_loom_that_claims_more_than_it_has(loom):
    with h5py.File(loom, "a") as file:
        for name in ("matrix", "layers/spliced", "layers/unspliced"):
            del file[name]
            layer = file.create_dataset(name, (60_000, 10**6), "i4", chunks=(100, 100))
            layer[:100, :100] = 1
    with pytest.raises(ValueError, match=r"has the shape \(60000, 1000000\).* corrupt"):
        sv.io.read(loom)


def test_many_small_claims_are_added_up(h5ad):
    with h5py.File(h5ad, "a") as file:
        for k in range(150):
            file.create_dataset(f"uns/empty {k}", (50_000_000,), "u1", chunks=(1000,))
    with pytest.raises(ValueError, match=r"which does not fit into the 0 bytes that are stored"):
        sv.io.read(h5ad)


def test_texts_that_are_stored_in_one_place_for_many(h5ad):
    """The references of all texts are set to that of one long text."""
    with h5py.File(h5ad, "a") as file:
        del file["obs/text"]
        file["obs/text"] = np.array(["x" * 50_000] + ["y"] * 59, dtype=object)
        place = file["obs/text"].id.get_offset()
    raw = bytearray(h5ad.read_bytes())
    for k in range(1, 60):
        raw[place + 16 * k : place + 16 * (k + 1)] = raw[place : place + 16]
    h5ad.write_bytes(bytes(raw))
    with pytest.raises(ValueError, match=r"the texts of /obs/text are longer than the file"):
        sv.io.read(h5ad)


def free_rest(raw, place):
    """The place of the free rest of a collection; None if there is none."""
    end = place + int.from_bytes(raw[place + 8 : place + 16], "little")
    at = place + 16
    while at + 16 <= end:
        if raw[at : at + 2] == b"\0\0":
            return at
        at += 16 + (int.from_bytes(raw[at + 8 : at + 16], "little") + 7) // 8 * 8
    return None


@pytest.mark.parametrize("kind", ["h5ad", "loom"])
def test_a_collection_of_texts_without_an_end(h5ad, loom, kind):
    """HDF5 would look for the next text for ever."""
    path = {"h5ad": h5ad, "loom": loom}[kind]
    raw = bytearray(path.read_bytes())
    place, rest = next(
        (place, rest)
        for place in (m.start() for m in re.finditer(b"GCOL\x01", raw))
        if (rest := free_rest(raw, place)) is not None
    )
    raw[rest + 8 : rest + 16] = bytes(8)
    path.write_bytes(bytes(raw))
    with pytest.raises(ValueError, match=rf"the texts at byte {place:,} are damaged"):
        sv.io.read(path)


def collection(*objects, free=None):
    """The bytes of a collection of texts, as HDF5 stores it."""
    content = bytearray(b"GCOL\x01\0\0\0" + bytes(8))
    for number, size in objects:
        content += number.to_bytes(2, "little") + bytes(6) + size.to_bytes(8, "little")
        content += bytes(min((size + 7) // 8 * 8, 100))
    if free is not None:
        content += bytes(8) + free.to_bytes(8, "little") + bytes(max(min(free, 64) - 16, 0))
    return np.frombuffer(bytes(content), np.uint8)


@pytest.mark.parametrize(
    ("content", "longest"),
    [
        (collection((1, 5), (2, 17), free=32), 17),
        (collection((1, 8)), 8),
        (collection(free=16), 0),
        (collection((1, 5), free=0), -1),
        (collection((1, 2**63 + 1)), -1),
        (collection((1, 5000)), -1),
        (collection((1, 5), free=2**40), -1),
        (np.concatenate([collection((1, 5), free=24), np.zeros(40, np.uint8)]), -1),
    ],
)
def test_the_longest_text_of_a_collection(content, longest):
    assert largest_object(content) == longest


def test_a_name_that_looks_like_a_collection_is_read(tmp_path, truth):
    truth.obs["text"] = ["GCOL1 and GCOL"] * truth.n_obs
    truth.var_names = [f"GCOL{i}" for i in range(truth.n_vars)]
    truth.write_h5ad(tmp_path / "a.h5ad")
    assert list(sv.io.read(tmp_path / "a.h5ad").var_names) == list(truth.var_names)


@pytest.fixture(params=[2, 3])
def store(request, tmp_path, truth):
    with anndata.settings.override(zarr_write_format=request.param):
        truth.write_zarr(tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def described(store):
    """The document of one array, and the folder of its chunks."""
    folder = store / "obs" / "library_size"
    return next(folder / name for name in (".zarray", "zarr.json") if (folder / name).exists())


def change_array(store, **values):
    path = described(store)
    content = json.loads(path.read_text())
    for name, value in values.items():
        if name == "chunks" and "chunk_grid" in content:
            content["chunk_grid"]["configuration"]["chunk_shape"] = value
            codec = content["codecs"][0]
            if codec["name"] == "sharding_indexed":  # as newer anndata writes
                codec["configuration"]["chunk_shape"] = value
        else:
            content[name] = value
    path.write_text(json.dumps(content))


@pytest.mark.filterwarnings("ignore:Consolidated metadata", "ignore:Object at")
def test_a_store_with_a_link_is_refused(store, tmp_path):
    assert sv.io.read(store).n_obs == 60
    other = tmp_path / "other"
    (store / "obs" / "library_size").rename(other)
    (store / "obs" / "library_size").symlink_to(other)
    with pytest.raises(ValueError, match=r"a\.zarr: obs/library_size is a link"):
        sv.io.read(store)


def test_a_store_that_claims_many_chunks(store):
    change_array(store, shape=[600_000_000], chunks=[1])
    with pytest.raises(ValueError, match=r"a\.zarr: .* ha(ve|s) 600,000,000 chunks"):
        sv.io.read(store)


@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
def test_a_sparse_matrix_without_a_chunk_is_not_read_as_zeros(store, part):
    folder = store / "layers" / "spliced" / part
    chunk = next(path for path in (folder / "0", folder / "c" / "0") if path.exists())
    chunk.unlink()
    with pytest.raises(ValueError, match=rf"a\.zarr: layers/spliced/{part} has 0 of its 1 chunks"):
        sv.io.read(store)


def test_what_a_store_needs_is_compared_with_the_memory(store, monkeypatch):
    change_array(store, shape=[10**9], chunks=[10**9])
    monkeypatch.setattr(_broken, "available_memory", lambda: 10**9)
    with pytest.raises(MemoryError, match=r"a\.zarr needs 8\.0 GB .* and 1\.0 GB are available"):
        sv.io.read(store)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", '{"shape": [-1], "dtype": "<f8"}', "[1, 2]"])
def test_a_document_of_a_store_that_is_none(store, text):
    described(store).write_text(text)
    with pytest.raises(ValueError, match=r"a\.zarr"):
        sv.io.read(store)


def test_what_a_file_needs_is_compared_with_the_memory(h5ad, loom, monkeypatch):
    monkeypatch.setattr(_broken, "available_memory", lambda: 100)
    for path in (h5ad, loom):
        with pytest.raises(
            MemoryError, match=rf"{path.name} needs .* GB of memory when it is read"
        ):
            sv.io.read(path)


@pytest.mark.parametrize(
    "error",
    [RecursionError("deep"), AttributeError(), TypeError("x"), OverflowError("y"), EOFError()],
)
def test_any_error_of_a_library_names_the_file(h5ad, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("anndata.read_h5ad", fail)
    with pytest.raises(ValueError, match=r"a\.h5ad cannot be read as AnnData: \w+"):
        sv.io.read(h5ad)


def test_a_library_that_runs_out_of_memory_names_the_file(h5ad, monkeypatch):
    def fail(*_, **__):
        msg = "no"
        raise MemoryError(msg)

    monkeypatch.setattr("anndata.read_h5ad", fail)
    with pytest.raises(MemoryError, match=r"a\.h5ad needs more memory than there is"):
        sv.io.read(h5ad)


@pytest.mark.parametrize("read", [sv.io.read, sv.io.read_h5ad])
def test_a_file_without_permission(h5ad, monkeypatch, read):
    # not by chmod: the superuser may read every file
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(PermissionError, match=r"a\.h5ad cannot be read: you lack the permission"):
        read(h5ad)


def test_an_early_matrix_of_other_sums_is_that_of_scipy(starsolo):
    """What is checked on its way to the parser arrives there unchanged."""
    rng = np.random.default_rng(0)
    matrix = sp.coo_array(rng.poisson(1, (400, 300)))
    (starsolo / "features.tsv").write_text("".join(f"g{i}\n" for i in range(400)))
    (starsolo / "barcodes.tsv").write_text("".join(f"c{i}\n" for i in range(300)))
    for kind in ("spliced", "unspliced", "ambiguous"):
        scipy.io.mmwrite(starsolo / f"{kind}.mtx", matrix)
    found = sv.io.read(starsolo).layers["spliced"]
    np.testing.assert_array_equal(found.toarray(), matrix.toarray().T)


@pytest.mark.parametrize(
    ("part", "dtype", "value"),
    [
        ("indptr", "u4", 1000),
        ("indptr", "u8", 2**40),
        ("indptr", "u4", 3_000_000),
        ("indices", "f8", 0.7),
        ("indices", "u4", 2**31),
    ],
)
def test_indices_of_other_types_are_checked_as_well(tmp_path, truth, part, dtype, value):
    truth.write_h5ad(tmp_path / "a.h5ad")
    for wrong in (False, True):
        with h5py.File(tmp_path / "a.h5ad", "a") as file:
            values = file[f"layers/spliced/{part}"][()].astype(dtype)
            del file[f"layers/spliced/{part}"]
            if wrong:
                values[5] += value
            file[f"layers/spliced/{part}"] = values
        if wrong or dtype == "f8":
            with pytest.raises(ValueError, match="spliced is corrupt, because its indices"):
                sv.io.read(tmp_path / "a.h5ad")
        else:
            found = sv.io.read(tmp_path / "a.h5ad").layers["spliced"]
            assert abs(found - truth.layers["spliced"]).sum() == 0


@pytest.mark.parametrize("end", ["2 2 4e", "2 2 1e+", "2 2 -", "2 2", "2 2 ."])
def test_a_compressed_matrix_whose_last_line_is_not_complete(starsolo, end):
    real = HEAD.replace("integer", "real")
    write_spliced(starsolo, f"3 3 2\n1 1 3\n{end}", head=real, packed=True)
    with pytest.raises(ValueError, match=r"spliced\.mtx\.gz: line \d"):
        sv.io.read(starsolo)
    write_spliced(starsolo, "3 3 2\n1 1 3\n2 2 4", head=real, packed=True)
    assert sv.io.read(starsolo).layers["spliced"].sum() == 7


def test_claims_with_a_checksum_or_spread_over_arrays(loom, store):
    with h5py.File(loom, "a") as file:
        del file["layers/spliced"]
        options = {"chunks": (100, 100), "fletcher32": True, "compression": "gzip"}
        file.create_dataset("layers/spliced", (60_000, 10**6), "i4", **options)[0, 0] = 1
    with pytest.raises(ValueError, match=r"layers/spliced has the shape .* corrupt"):
        sv.io.read(loom)
    folder = described(store).parent
    for k in range(3):
        shutil.copytree(folder, folder.with_name(f"more {k}"))
    change_array(store, shape=[40_000], chunks=[1])
    content = described(store).read_text()
    for k in range(3):
        (folder.with_name(f"more {k}") / described(store).name).write_text(content)
    with pytest.raises(ValueError, match=r"should have 40,000 chunks \(and others"):
        sv.io.read(store)


def test_texts_of_compound_values_are_counted(h5ad):
    """The references of a table's texts are set to that of one long text."""
    with h5py.File(h5ad, "a") as file:
        dtype = np.dtype([("name", h5py.string_dtype()), ("score", "f8")])
        table = np.array([("x" * 50_000, 1.0)] + [("y", 2.0)] * 59, dtype=dtype)
        file.create_dataset("uns/table", data=table)
        place, step = (
            file["uns/table"].id.get_offset(),
            file["uns/table"].id.get_storage_size() // 60,
        )
    raw = bytearray(h5ad.read_bytes())
    for k in range(1, 60):
        raw[place + step * k : place + step * k + 16] = raw[place : place + 16]
    h5ad.write_bytes(bytes(raw))
    with pytest.raises(ValueError, match=r"the texts of /uns/table are longer than the file"):
        sv.io.read(h5ad)


def test_a_sum_that_is_too_large_for_a_count(starsolo, tmp_path, truth):
    write_spliced(starsolo, "3 3 2\n1 1 2147483647\n2 2 2\n")
    assert sv.io.read(starsolo).layers["spliced"].max() == 2**31 - 1
    with pytest.raises(ValueError, match=r"spliced has the value .* too large for a count"):
        sv.io.read(starsolo, ambiguous="spliced")
    truth.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        layer = file["layers/spliced"]
        start = next(p for p, q in itertools.pairwise(layer["indptr"][()]) if q - p > 2)
        layer["indices"][start : start + 3] = layer["indices"][start]
        layer["data"][start : start + 3] = 2**30
    with pytest.raises(ValueError, match=r"spliced has the value .* too large for a count"):
        sv.io.read(tmp_path / "a.h5ad")


def test_sound_files_of_unusual_forms_are_read(h5ad, store, truth, starsolo):
    with h5py.File(h5ad, "a") as file:
        file["layers/again"] = file["layers/spliced"]
        file["layers/soft"] = h5py.SoftLink("/layers/spliced")
    assert abs(sv.io.read(h5ad).layers["soft"] - truth.layers["spliced"]).sum() == 0
    write_spliced(starsolo, f"3 3 2\n{BODY}", head=HEAD.replace("integer", "unsigned-integer"))
    for name in ("._spliced.mtx", "._barcodes.tsv"):
        (starsolo / name).write_bytes(b"\0")
    assert sv.io.read(starsolo).layers["spliced"].sum() == 3
    truth.layers["counts[raw]"] = truth.layers["spliced"].copy()
    truth.write_zarr(store.with_name("b.zarr"))
    assert "counts[raw]" in sv.io.read(store.with_name("b.zarr")).layers


def test_cells_without_molecules_at_the_start_of_a_store(tmp_path, truth):
    """Chunks of zeros are not written: the first pointers are missing."""
    many = truth[np.r_[[0] * 300_000, range(60)]].copy()
    many.obs_names = [f"c{i}" for i in range(many.n_obs)]
    for name in ("spliced", "unspliced"):
        rows = sp.csr_matrix((300_000, many.n_vars), dtype=np.int32)
        many.layers[name] = sp.vstack([rows, truth.layers[name]]).tocsr()
    many.X = None
    many.write_zarr(tmp_path / "a.zarr")
    assert sv.io.read(tmp_path / "a.zarr").layers["spliced"].sum() == truth.layers["spliced"].sum()


@pytest.mark.parametrize(
    "name", ["barcodes", "features/id", "features/name", "features/feature_type"]
)
def test_lists_of_cell_ranger_that_do_not_fit_the_matrix(tmp_path, name):
    folder = INPUTS["Cell Ranger h5"](tmp_path)
    assert sv.io.read(folder).n_obs == 40
    with h5py.File(folder / "spliced" / "filtered_feature_bc_matrix.h5", "a") as file:
        values = file[f"matrix/{name}"][:-1]
        del file[f"matrix/{name}"]
        file[f"matrix/{name}"] = values
    with pytest.raises(ValueError, match=r"matrix\.h5 has a matrix of 40 cells × 30 features, but"):
        sv.io.read(folder)


@pytest.mark.parametrize("kind", ["spliced", "unspliced"])
@pytest.mark.parametrize("end", ["h5", "folder"])
def test_cells_that_a_matrix_of_cell_ranger_has_twice(tmp_path, kind, end):
    folder = INPUTS["Cell Ranger h5" if end == "h5" else "matrices"](tmp_path)
    if end == "h5":
        with h5py.File(folder / kind / "filtered_feature_bc_matrix.h5", "a") as file:
            values = file["matrix/barcodes"][()]
            values[[3, 7]] = values[1]
            file["matrix/barcodes"][()] = values
    else:
        path = folder / kind / "barcodes.tsv"
        lines = path.read_text().split("\n")
        lines[3] = lines[7] = lines[1]
        path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=rf"{kind}.* has 1 names of cells more than once"):
        sv.io.read(folder)
