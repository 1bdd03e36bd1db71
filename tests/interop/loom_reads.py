"""Run where loompy is installed: what loompy, anndata and velocyto read of our loom file.

python loom_reads.py EXPORT.loom OUTPUT.npz
"""

from __future__ import annotations

import sys
import warnings

import anndata as ad
import loompy
import numpy as np

warnings.simplefilter("ignore")


def main(source: str, target: str) -> None:
    # validates the file by the rules of the format
    with loompy.connect(source, mode="r", validate=True) as file:
        # as velocyto.VelocytoLoom does
        spliced, unspliced, ambiguous = (
            file.layer[name][:, :] for name in ("spliced", "unspliced", "ambiguous")
        )
        columns, rows = dict(file.col_attrs.items()), dict(file.row_attrs.items())
        graph = file.col_graphs["velocity_graph"].toarray()
    # as scVelo's and scanpy's readers do
    adata = ad.io.read_loom(source, sparse=True)
    np.savez(
        target,
        spliced=spliced,
        unspliced=unspliced,
        ambiguous=ambiguous,
        cells=columns["CellID"].astype(str),
        clusters=columns["clusters"].astype(str),
        umap=columns["X_umap"],
        genes=rows["Gene"].astype(str),
        gamma=rows["velocity_gamma"],
        graph=graph,
        names=adata.obs_names.to_numpy(dtype=str),
        symbols=adata.var_names.to_numpy(dtype=str),
        velocity=adata.layers["velocity"].toarray(),
        x=adata.X.toarray(),
        embedding=adata.obsm["X_umap"],
    )


main(*sys.argv[1:])
