"""Seconds, recall and memory of searches for 30 neighbours in 30 principal components.

    python benchmarks/neighbors_search.py --cells 100000 --tissues 12 --threads 2

Cells are simulated like those of `side_by_side.py`. For a million cells, give `--genes 300` and
keep the components with `--input FILE.npy`. Every search is a process of its own; compilation is
done before the clock starts. Of the settings of a search, in increasing order, the first is used
that reaches `--recall` in 1,000 cells, and the recall in 1,000 others is printed. faiss-2 has 2 √N
lists of N cells, and so on. Other work on the machine changes seconds more than processor seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import anndata as ad
import faiss
import numpy as np
from _counts import add_data_options, simulated
from sides._measure import memory

import steadyvelo as sv
from steadyvelo.pp._nearest import nearest_neighbors
from steadyvelo.pp._neighbors import principal_components

K = 30
SAMPLE = 1_000


class Package:
    """This package, with its own measurement of the recall."""

    settings = (None,)

    def __init__(self, x, options):
        self.found, _ = nearest_neighbors(
            x, K, recall=options.recall, most_exact=0, n_threads=options.threads
        )

    def search(self, rows, _):
        return self.found[rows]


class Flat:
    """faiss: the same number of lists for every cell."""

    settings = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)

    def __init__(self, x, options, factor=2, iterations=8, most=64):
        faiss.omp_set_num_threads(options.threads)
        self.x = x
        self.index = self.made(x.shape[1], int(factor * np.sqrt(len(x))))
        means = self.index.cp
        means.niter, means.max_points_per_centroid = iterations, most
        means.min_points_per_centroid = 1
        self.index.train(x)
        self.index.add(x)

    def made(self, n_dims, n_lists):
        return faiss.IndexIVFFlat(faiss.IndexFlatL2(n_dims), n_dims, n_lists)

    def search(self, rows, n_lists):
        self.index.nprobe = n_lists
        return self.index.search(self.x[rows], K)[1]


class FlatInOrder(Flat):
    """The same, for the cells of a list one after another."""

    def __init__(self, x, options):
        super().__init__(x, options)
        self.nearest = self.index.quantizer.search(x, 1)[1][:, 0]

    def search(self, rows, n_lists):
        order = np.argsort(self.nearest[rows], kind="stable")
        found = np.empty((len(rows), K), dtype=np.int64)
        found[order] = super().search(rows[order], n_lists)
        return found


class Codes(Flat):
    """faiss: codes of 4 bits for 2 dimensions, then distances of the nearest 10 × 30 cells."""

    def __init__(self, x, options):
        super().__init__(x, options, 4)
        self.exact = faiss.IndexFlat(x.shape[1])
        self.exact.add(x)
        self.refined = faiss.IndexRefine(self.index, self.exact)
        self.refined.k_factor = 10

    def made(self, n_dims, n_lists):
        centres = faiss.IndexFlatL2(n_dims)
        return faiss.IndexIVFPQFastScan(centres, n_dims, n_lists, n_dims // 2, 4)

    def search(self, rows, n_lists):
        self.index.nprobe = n_lists
        return self.refined.search(self.x[rows], K)[1]


class SmallWorld:
    """faiss: hierarchical navigable small world."""

    settings = (32, 48, 64, 96, 128, 192, 256, 384)

    def __init__(self, x, options):
        faiss.omp_set_num_threads(options.threads)
        self.x, self.index = x, faiss.IndexHNSWFlat(x.shape[1], 16)
        self.index.add(x)

    def search(self, rows, breadth):
        self.index.hnsw.efSearch = breadth
        return self.index.search(self.x[rows], K)[1]


class Descent:
    """faiss: descent over neighbours of neighbours; its graph has the neighbours."""

    settings = (None,)

    def __init__(self, x, options):
        faiss.omp_set_num_threads(options.threads)
        index = faiss.IndexNNDescentFlat(x.shape[1], 2 * K)
        index.add(x)
        graph = faiss.vector_to_array(index.nndescent.final_graph).reshape(len(x), -1)
        own = np.arange(len(x), dtype=graph.dtype)[:, None]
        self.found = np.hstack([own, graph[:, : K - 1]])

    def search(self, rows, _):
        return self.found[rows]


class PyNNDescent:
    """pynndescent: the graph that scanpy uses."""

    settings = (None,)

    def __init__(self, x, options):
        from pynndescent import NNDescent  # noqa: PLC0415 (slow to import)

        made = NNDescent(x, n_neighbors=K, n_jobs=options.threads, random_state=0)
        self.found = made.neighbor_graph[0]

    def search(self, rows, _):
        return self.found[rows]


METHODS = {
    "steadyvelo": Package,
    "faiss-2": Flat,
    "faiss-2-fast": lambda x, options: Flat(x, options, 2, 4, 32),
    "faiss-4": lambda x, options: Flat(x, options, 4),
    "faiss-8": lambda x, options: Flat(x, options, 8),
    "faiss-16": lambda x, options: Flat(x, options, 16),
    "faiss-in-order": FlatInOrder,
    "faiss-codes": Codes,
    "faiss-hnsw": SmallWorld,
    "faiss-descent": Descent,
    "pynndescent": PyNNDescent,
}


def components(options) -> np.ndarray:
    """Return principal components as `sv.pp.neighbors` computes them, float32."""
    adata = ad.concat([simulated(options, tissue) for tissue in range(options.tissues)])
    adata.obs_names_make_unique()
    sv.pp.size_factors(adata)
    genes = np.ones(adata.n_vars, dtype=bool)
    return principal_components(adata, "spliced", genes, 30, 0).of_cells


def true_neighbors(x, rows) -> np.ndarray:
    """Return the neighbours of some cells among all, without the cell, from float64."""
    near = faiss.knn(x[rows], x, 2 * K)[1]
    squares = ((x[near].astype(float) - x[rows, None].astype(float)) ** 2).sum(axis=2)
    squares[near == rows[:, None]] = np.inf
    return np.take_along_axis(near, np.argsort(squares, axis=1)[:, : K - 1], axis=1)


def recall(found, true) -> float:
    return (found[:, :, None] == true[:, None]).any(axis=1).mean()


def print_bounds(options) -> None:
    """Print how many comparisons an exact search saves by the triangle inequality.

    No cell of a list is nearer than the plane between two centres, nor than its centre by more
    than the radius of the list. Lists without nearer cells are left out, given the distance of the
    farthest neighbour.
    """
    x = np.load(options.input)
    lists = faiss.Kmeans(x.shape[1], int(4 * np.sqrt(len(x))), niter=8, min_points_per_centroid=1)
    lists.train(x)
    away, own = (part[:, 0] for part in lists.index.search(x, 1))
    sizes, radius = np.bincount(own, minlength=lists.k), np.zeros(lists.k)
    np.maximum.at(radius, own, np.sqrt(away))
    rows = np.random.default_rng(1).choice(len(x), SAMPLE, replace=False)
    far = np.linalg.norm(x[true_neighbors(x, rows)[:, -1]] - x[rows], axis=1)
    left = 0
    for cell, farthest in zip(rows, far, strict=True):
        squares = ((lists.centroids - x[cell]) ** 2).sum(axis=1)
        between = np.linalg.norm(lists.centroids - lists.centroids[own[cell]], axis=1)
        between[own[cell]] = np.inf
        plane = (squares - squares[own[cell]]) / (2 * between)
        bound = np.maximum(plane, np.sqrt(squares) - radius)
        left += sizes[bound <= farthest].sum() / len(rows)
    print(f"exact search with bounds compares a cell with {left:,.0f} ({left / len(x):.0%})")


def measure(options) -> None:
    """Build and search in this process; print what it took as JSON."""
    x, method = np.load(options.input), METHODS[options.only]
    draws = np.random.default_rng(1)
    tried, tested = np.split(draws.permutation(len(x))[: 2 * SAMPLE], 2)
    true = [true_neighbors(x, rows) for rows in (tried, tested)]
    few = method(x[:5000].copy(), options)
    few.search(np.arange(100), few.settings[0])
    Path("/proc/self/clear_refs").write_text("5")
    before, started, worked = memory("VmRSS"), time.perf_counter(), time.process_time()
    built = method(x, options)
    build = time.perf_counter() - started, time.process_time() - worked
    for setting in built.settings:
        if recall(built.search(tried, setting), true[0]) >= options.recall:
            break
    every = np.arange(len(x))
    if options.part < 1 and isinstance(built, FlatInOrder):
        every = np.argsort(built.nearest, kind="stable")
    some = every[: round(options.part * len(x))]
    started, worked = time.perf_counter(), time.process_time()
    built.search(some, setting)
    search = time.perf_counter() - started, time.process_time() - worked
    search = [seconds * len(x) / len(some) for seconds in search]
    result = {
        "setting": setting,
        "recall": recall(built.search(tested, setting), true[1]),
        "build": build,
        "search": search,
        "memory": (memory("VmHWM") - before) / 1000,
    }
    print(json.dumps(result))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_options(parser)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--recall", type=float, default=0.98)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--part", type=float, default=1.0, help="search for this part of the cells, and multiply"
    )
    parser.add_argument("--limit", type=float, default=3600, help="seconds for one search")
    parser.add_argument("--only", choices=METHODS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        measure(options)
        return
    with TemporaryDirectory() as folder:
        options.input = options.input or Path(folder) / "components.npy"
        if not options.input.exists():
            np.save(options.input, components(options))
        print(f"{len(np.load(options.input, mmap_mode='r')):,} cells, {options.threads} threads")
        print_bounds(options)
        head = ("build s", "search s", "CPU s", "recall", "GB", "setting")
        print(f"{'search':<16}" + "".join(f"{name:>10}" for name in head))
        for name in options.methods:
            print(f"{name:<16}" + row(name, options), flush=True)


def row(name, options) -> str:
    """Run one search in a process of its own."""
    command = [sys.executable, __file__, "--only", name, "--input", options.input]
    names = ("threads", "recall", "part")
    more = [word for n in names for word in (f"--{n}", str(getattr(options, n)))]
    try:
        done = subprocess.run(
            [*command, *more], check=True, stdout=subprocess.PIPE, timeout=options.limit
        )
    except subprocess.TimeoutExpired:
        return f"   more than {options.limit:.0f} s"
    got = json.loads(done.stdout)
    build, search = got["build"], got["search"]
    setting = "" if got["setting"] is None else f"{got['setting']:.4g}"
    return (
        f"{build[0]:10.1f}{search[0]:10.1f}{build[1] + search[1]:10.1f}"
        f"{got['recall']:10.4f}{got['memory']:10.2f}{setting:>10}"
    )


if __name__ == "__main__":
    main()
