"""Seconds and memory of error bars, above those of the fit without them.

    python benchmarks/uncertainty_time.py --cells 30000 --genes 2000

One process, everything compiled before the clock starts. The fit with and without the sandwich
takes turns; the fit by folds is measured with its parts, the components and neighbours that each
repeat needs twice. With `--categories 1 6 24`, the fit of separate ratios is measured for these
numbers of categories of cells, which are cut along the first principal component.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import numpy as np
from _counts import add_data_options, prepare
from sides._measure import Steps

import steadyvelo as sv
from steadyvelo.tl import _fold_neighbors


def compile_kernels(adata, methods) -> None:
    """Run every fit once on a few cells."""
    few = adata[: min(300, adata.n_obs)].copy()
    sv.pp.neighbors(few, n_neighbors=10, n_pcs=10)
    for method in methods:
        sv.tl.velocity(few, dense=False, uncertainty=method)


@contextmanager
def parts_of_a_repeat(seconds: dict[str, list[float]]):
    """Note how long each call of the functions takes that make a repeat's graphs."""
    names = ("_components", "nearest_neighbors")
    functions = {name: getattr(_fold_neighbors, name) for name in names}

    def timed(name):
        def call(*arguments, **options):
            started = time.perf_counter()
            result = functions[name](*arguments, **options)
            seconds.setdefault(name, []).append(time.perf_counter() - started)
            return result

        return call

    for name in names:
        setattr(_fold_neighbors, name, timed(name))
    yield
    for name, function in functions.items():
        setattr(_fold_neighbors, name, function)


def fit(adata, method, **options) -> tuple[float, float]:
    """Return seconds, and gigabytes above what was held before."""
    step = Steps()
    with step("fit"):
        sv.tl.velocity(adata, dense=False, uncertainty=method, **options)
    return step.seconds["fit"], (step.peaks["fit"] - step.before) / 1000


def print_sandwich(adata, pairs: int) -> None:
    found = np.array(
        [[seconds for m in (None, "sandwich") for seconds in fit(adata, m)] for _ in range(pairs)]
    )
    plain, _, sandwich, memory = found.T
    more = np.sort(sandwich / plain - 1)
    print(
        f"sandwich: {np.median(sandwich):.2f} s beside {np.median(plain):.2f} s, "
        f"median {np.median(more):+.0%} of {pairs} pairs ({more[0]:+.0%} to {more[-1]:+.0%}); "
        f"{memory.max():.2f} GB above the counts"
    )


def print_categories(adata, numbers: list[int], pairs: int) -> None:
    """Print seconds of the fit with separate ratios beside those of one line per gene."""
    place = np.argsort(np.argsort(adata.obsm["X_pca"][:, 0]))
    for n in numbers:
        adata.obs["category"] = [f"part {part}" for part in place * n // len(place)]
        ways = ({}, {"gamma_by": "category"})
        fit(adata, None, **ways[1])
        found = [[x for way in ways for x in fit(adata, None, **way)] for _ in range(pairs)]
        plain, _, apart, memory = np.array(found).T
        print(
            f"{n} categories: {np.median(apart):.2f} s beside {np.median(plain):.2f} s with one "
            f"line, of {pairs} pairs; {memory.max():.2f} GB above the counts"
        )


def print_crossfit(adata, n_repeats: int, runs: int) -> None:
    seconds, memory, parts = [], [], {}
    for _ in range(runs):
        with parts_of_a_repeat(parts):
            took, peak = fit(adata, sv.CrossFit(n_repeats=n_repeats))
        seconds.append(took)
        memory.append(peak)
    print(
        f"crossfit, {n_repeats} repeats: median {statistics.median(seconds):.1f} s of {runs} runs, "
        f"{max(memory):.2f} GB above the counts"
    )
    for name, took in parts.items():
        print(f"  {name:<22}{sum(took) / runs:6.1f} s in {len(took) // runs} calls")
    rest = (sum(seconds) - sum(map(sum, parts.values()))) / runs
    print(f"  {'instruments and fit':<22}{rest:6.1f} s")


def print_reliability(adata, clusters: str, n_repeats: int) -> None:
    sv.tl.velocity(adata, dense=False, uncertainty=sv.CrossFit(n_repeats=n_repeats))
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis="umap")
    step = Steps()
    with step("all"):
        sv.tl.reliability(adata, clusters, basis="umap")
    memory = (step.peaks["all"] - step.before) / 1000
    print(f"reliability: {step.seconds['all']:.1f} s, {memory:.2f} GB above the counts")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_options(parser)
    parser.add_argument("--pairs", type=int, default=12, help="of fits, plain and sandwich")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=int, default=2, help="of the fit by folds")
    parser.add_argument("--reliability", action="store_true", help="as well")
    parser.add_argument("--categories", type=int, nargs="*", default=[], help="their numbers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        source = options.input or Path(temporary) / "input.h5ad"
        if not source.exists():
            prepare(options, source)
        adata = ad.read_h5ad(source)
    sv.pp.size_factors(adata, spliced_size="n_counts_spliced", unspliced_size="n_counts_unspliced")
    compile_kernels(adata, (None, "sandwich", "crossfit"))
    print(f"{adata.n_obs:,} cells × {adata.n_vars:,} genes")
    if options.pairs:
        print_sandwich(adata, options.pairs)
    if options.runs:
        print_crossfit(adata, options.repeats, options.runs)
    print_categories(adata, options.categories, options.pairs)
    if options.reliability:
        print_reliability(adata, "clusters", options.repeats)


if __name__ == "__main__":
    main()
