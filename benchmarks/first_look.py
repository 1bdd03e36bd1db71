"""The first pictures of a data set beside scVelo's: same arrows, no option but the colours' column.

    python benchmarks/first_look.py FILE.h5ad --folder pictures --scvelo-python ENV/bin/python

FILE holds counts, clusters in ``obs["clusters"]`` and a UMAP; totals over all genes are named by
``--spliced-size`` and ``--unspliced-size`` where FILE holds a part of the genes. `steadyvelo run`
makes the arrows, scVelo gets them by `interop.to_scvelo`, and both draw stream, grid and arrows
with figures of the same size. ``--readme`` renews the picture with which the README begins:

    python benchmarks/first_look.py ../shared/data/pancreas_e15_3696x2000.h5ad --readme \
        --spliced-size nCount_spliced --unspliced-size nCount_unspliced
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import anndata as ad
import matplotlib as mpl
from PIL import Image

import steadyvelo as sv

README_PICTURE = Path(__file__).parents[1] / "docs" / "images" / "pancreas_stream.png"
SIDE = Path(__file__).parent / "sides" / "scvelo_first_look.py"
DPI = 150


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--folder", type=Path, help="where all pictures go")
    parser.add_argument("--readme", action="store_true", help="renew the picture of the README")
    parser.add_argument("--scvelo-python", help="scVelo's environment; none leaves scVelo out")
    for name in ("spliced", "unspliced"):
        parser.add_argument(f"--{name}-size", help=f"column of obs with all {name} molecules")
    options = parser.parse_args()
    mpl.use("agg")
    with tempfile.TemporaryDirectory() as temporary:
        result = Path(temporary) / "result.h5ad"
        command = [sys.executable, "-m", "steadyvelo", "run", options.file, "--out", result]
        for name in ("spliced_size", "unspliced_size"):
            if getattr(options, name):
                command += [f"--{name.replace('_', '-')}", getattr(options, name)]
        subprocess.run(command, check=True)
        adata = ad.read_h5ad(result)
        if options.readme:
            save(sv.pl.velocity_stream(adata), README_PICTURE)
            # flat colours are a palette, a third of the size
            Image.open(README_PICTURE).convert("RGB").quantize(256).save(
                README_PICTURE, optimize=True
            )
        if options.folder is not None:
            options.folder.mkdir(parents=True, exist_ok=True)
            side_by_side(adata, options.folder, options.scvelo_python, Path(temporary))


def side_by_side(adata: ad.AnnData, folder: Path, python: str | None, temporary: Path) -> None:
    drawings = {
        "stream": sv.pl.velocity_stream,
        "grid": sv.pl.velocity_grid,
        "arrows": sv.pl.velocity_arrows,
    }
    for name, draw in drawings.items():
        ax = draw(adata)
        save(ax, folder / f"{name}_steadyvelo.png")
    if python is not None:
        handed = temporary / "for_scvelo.h5ad"
        sv.interop.to_scvelo(adata).write_h5ad(handed)
        size = [str(inches) for inches in ax.figure.get_size_inches()]
        subprocess.run([python, SIDE, handed, folder, *size, str(DPI)], check=True)


def save(ax, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(path, dpi=DPI, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
