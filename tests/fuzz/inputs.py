"""A small sound input for every reader."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

import steadyvelo as sv

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["INPUTS", "READ"]

COUNTERS = Path(__file__).parents[1] / "data" / "counters"
KINDS = ("spliced", "unspliced", "ambiguous")


def _adata():
    """Counts with all that an analysed file may contain."""
    adata = sv.datasets.simulate(n_cells=40, n_genes=30, rng=0)
    adata.layers["ambiguous"] = adata.layers["unspliced"].copy()
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    adata.obsp["connectivities"] = sp.random_array((40, 40), density=0.2, format="csr", rng=1)
    adata.obs["batch"] = pd.Categorical(["a", "b"] * 20)
    adata.obs["score"] = np.linspace(0, 1, 40)
    adata.uns["log"] = {"base": "e", "palette": np.array(["#ff0000", "#00ff00"], dtype=object)}
    adata.raw = adata[:, :20].copy()
    return adata


def _h5ad(folder: Path) -> Path:
    _adata().write_h5ad(folder / "a.h5ad", compression="gzip")
    return folder / "a.h5ad"


def _kb_h5ad(folder: Path) -> Path:
    source = COUNTERS / "kb_nac_h5ad" / "counts_unfiltered" / "adata.h5ad"
    return Path(shutil.copyfile(source, folder / "adata.h5ad"))


def _loom(folder: Path) -> Path:
    source = next((COUNTERS / "velocyto_loom").rglob("*.loom"))
    return Path(shutil.copyfile(source, folder / "a.loom"))


def _zarr(version: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with anndata.settings.override(zarr_write_format=version):
            _adata().write_zarr(folder / "a.zarr")
        return folder / "a.zarr"

    return make


def _starsolo(folder: Path) -> Path:
    shutil.copytree(COUNTERS / "starsolo" / "Solo.out" / "Velocyto", folder / "Velocyto")
    return folder / "Velocyto"


def _packed_starsolo(folder: Path) -> Path:
    """As above, with every file compressed."""
    place = _starsolo(folder)
    for path in [path for path in place.rglob("*") if path.suffix in {".mtx", ".tsv"}]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    return place


def _early_starsolo(folder: Path) -> Path:
    """One file with three values in each line."""
    place = folder / "filtered"
    place.mkdir()
    source = _starsolo(folder) / "filtered"
    for name in ("barcodes.tsv", "features.tsv"):
        shutil.copyfile(source / name, place / name)
    whole = sum(scipy.io.mmread(source / f"{kind}.mtx") for kind in KINDS).tocoo()
    lines = [
        f"{i + 1} {j + 1} {x:g} 1 0" for i, j, x in zip(*whole.coords, whole.data, strict=True)
    ]
    head = f"%%MatrixMarket matrix coordinate integer general\n%\n{whole.shape[0]} {whole.shape[1]}"
    (place / "matrix.mtx").write_text(f"{head} {len(lines)}\n" + "\n".join(lines) + "\n")
    shutil.rmtree(source.parent)
    return place


def _kb(folder: Path) -> Path:
    shutil.copytree(COUNTERS / "kb_nac" / "counts_unfiltered", folder / "counts_unfiltered")
    return folder / "counts_unfiltered"


def _lamanno(folder: Path) -> Path:
    source, place = _kb(folder), folder / "lamanno"
    place.mkdir()
    for kind, name in (("spliced", "mature"), ("unspliced", "nascent")):
        shutil.copyfile(source / f"cells_x_genes.{name}.mtx", place / f"{kind}.mtx")
        for end in ("barcodes.txt", "genes.txt"):
            shutil.copyfile(source / f"cells_x_genes.{end}", place / f"{kind}.{end}")
    shutil.rmtree(source)
    return place


def _alevin_fry(folder: Path) -> Path:
    place = folder / "fry"
    (place / "alevin").mkdir(parents=True)
    adata = _adata()
    whole = sp.hstack([adata.layers[kind] for kind in KINDS]).tocoo()
    scipy.io.mmwrite(place / "alevin" / "quants_mat.mtx", whole)
    names = [gene + end for end in ("", "-U", "-A") for gene in adata.var_names]
    (place / "alevin" / "quants_mat_cols.txt").write_text("\n".join(names) + "\n")
    (place / "alevin" / "quants_mat_rows.txt").write_text("\n".join(adata.obs_names) + "\n")
    (place / "quant.json").write_text(json.dumps({"usa_mode": True, "num_genes": 90}))
    return place


def _matrices(folder: Path) -> Path:
    place, adata = folder / "kinds", _adata()
    for kind in KINDS[:2]:
        (place / kind).mkdir(parents=True)
        scipy.io.mmwrite(place / kind / "matrix.mtx", adata.layers[kind].T.tocoo())
        (place / kind / "barcodes.tsv").write_text("\n".join(adata.obs_names) + "\n")
        rows = [f"{gene}\t{gene}\tGene Expression" for gene in adata.var_names]
        (place / kind / "features.tsv").write_text("\n".join(rows) + "\n")
    return place


def _tenx(folder: Path) -> Path:
    place, adata = folder / "runs", _adata()
    for kind in KINDS[:2]:
        (place / kind).mkdir(parents=True)
        csr = sp.csr_array(adata.layers[kind])
        with h5py.File(place / kind / "filtered_feature_bc_matrix.h5", "w") as file:
            group = file.create_group("matrix")
            for name in ("data", "indices", "indptr"):
                group.create_dataset(name, data=getattr(csr, name), compression="gzip")
            group["shape"] = [adata.n_vars, adata.n_obs]
            group["barcodes"] = np.array(list(adata.obs_names), dtype="S")
            for name in ("id", "name"):
                group[f"features/{name}"] = np.array(list(adata.var_names), dtype="S")
            kinds = np.array(["Gene Expression"] * adata.n_vars, dtype="S")
            group["features/feature_type"] = kinds
    return place


def _zip(folder: Path) -> Path:
    place, path = _starsolo(folder), folder / "Velocyto.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(place.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(place))
    shutil.rmtree(place)
    return path


def _packed_h5ad(folder: Path) -> Path:
    place = _h5ad(folder)
    packed = place.with_name("a.h5ad.gz")
    packed.write_bytes(gzip.compress(place.read_bytes()))
    place.unlink()
    return packed


def _lists(folder: Path) -> Path:
    """An h5ad file, of which only the list of cells is damaged."""
    place = folder / "lists"
    place.mkdir()
    (place / "cells.tsv").write_text("\n".join(_adata().obs_names[:30]) + "\n")
    return place / "cells.tsv"


INPUTS: dict[str, Callable[[Path], Path]] = {
    "h5ad": _h5ad,
    "h5ad of kb-python": _kb_h5ad,
    "h5ad.gz": _packed_h5ad,
    "loom": _loom,
    "zarr 2": _zarr(2),
    "zarr 3": _zarr(3),
    "STARsolo": _starsolo,
    "STARsolo, gzip": _packed_starsolo,
    "STARsolo, early": _early_starsolo,
    "STARsolo, zip": _zip,
    "kb-python": _kb,
    "kb-python lamanno": _lamanno,
    "alevin-fry": _alevin_fry,
    "matrices": _matrices,
    "Cell Ranger h5": _tenx,
    "list of cells": _lists,
}


def _read_list(path: Path):
    adata = _adata()
    return sv.io._chosen_cells.chosen_cells(adata, path, 0)


READ = dict.fromkeys(INPUTS, sv.io.read) | {"list of cells": _read_list}
