"""Every field that the package writes, stored by one version of it and compared with another's.

    python benchmarks/every_field.py store before.npz --shared ../shared
    python benchmarks/every_field.py compare before.npz after.npz

`store` runs every public step on the mouse pancreas (with the columns of its sizes named), on
dyngen's simulation and on the data of `steadyvelo demo`, under many choices of the fit. `compare`
says how many fields are equal to the last bit, and the largest relative difference of the others:
that of two arrays is the largest absolute difference divided by the largest absolute value.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import steadyvelo as sv

# what says when, where and by which version something was made
NOT_COMPARED = ("seconds", "version", "command")


class Store:
    """Arrays by name."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def put(self, name: str, value) -> None:
        """Keep a value, whatever it is, as arrays of numbers or text."""
        if name.rsplit("/", 1)[-1] in NOT_COMPARED:
            return
        if isinstance(value, ad.AnnData):
            self.put_data(name, value)
        elif isinstance(value, pd.DataFrame):
            self.put(f"{name}/index", value.index.to_numpy())
            for column in value:
                self.put(f"{name}/{column}", value[column])
        elif isinstance(value, pd.Series):
            self.put(name, np.asarray(value.astype(object) if value.dtype == "category" else value))
        elif sp.issparse(value):
            csr = sp.csr_array(value)
            csr.sort_indices()
            for part in ("data", "indices", "indptr"):
                self.put(f"{name}/{part}", getattr(csr, part))
        elif hasattr(value, "items"):
            for key, entry in value.items():
                self.put(f"{name}/{key}", entry)
        else:
            array = np.asarray(value)
            text = array.dtype.kind not in "iufb"
            self.arrays[name] = array.astype(str) if text else array

    def put_data(self, name: str, adata: ad.AnnData) -> None:
        for slot in ("obs", "var", "uns", "obsm", "varm", "obsp", "layers"):
            mapping = getattr(adata, slot)
            for key in mapping:
                if key is not None:
                    self.put(f"{name}/{slot}/{key}", mapping[key])


def fits(adata: ad.AnnData) -> dict[str, dict]:
    """Return choices of the fit, by the prefix under which each is written."""
    generator = np.random.default_rng(5)
    adata.obs["batch"] = pd.Categorical(generator.choice(["a", "b", "c", "d"], adata.n_obs))
    adata.var["module"] = pd.Categorical((np.arange(adata.n_vars) // 10).astype(str))
    adata.var["highly_variable"] = generator.random(adata.n_vars) < 0.7
    groups = adata.obs["clusters"].value_counts().index[:3].astype(str).tolist()
    rules = ("all", "maxmin", "maxmin_diag", "sum", "prod", "maxmin_weighted", "maxmin_double")
    line = {"offset": True, "weights": sv.Extremes(0.05, 0.95)}
    return {
        **{f"rule_{rule}": {"weights": rule} for rule in rules},
        "given": {"weights": generator.random(adata.n_obs)},
        "given_by_gene": {"weights": generator.random(adata.shape), "uncertainty": "sandwich"},
        "both_ends": {"weights": sv.Extremes(0.1, 0.9), "r2": "all_cells"},
        "line": {"offset": True},
        "nonnegative": {"offset": "nonnegative", "uncertainty": "sandwich"},
        "groups": {"groups": groups, "groupby": "clusters", "uncertainty": "sandwich"},
        "variable": {"highly_variable": True},
        "categories": {"gamma_by": "clusters", "uncertainty": "sandwich", **line},
        "limited": {"gamma_bounds": (0.0, 0.3)},
        "velocyto": {"weights": "maxmin_diag", "offset": True, "bounds": "velocyto"},
        "sandwich": {"uncertainty": "sandwich"},
        "sandwich_line": {"uncertainty": sv.Sandwich(level=0.9), **line},
        "sandwich_batches": {"uncertainty": "sandwich", "sample_key": "batch"},
        "stochastic": {"mode": "stochastic", "uncertainty": "sandwich"},
        "stochastic_lines": {
            "mode": sv.Stochastic(fit_offset=True, fit_offset2=True),
            "uncertainty": "sandwich",
            "groups": groups,
            "groupby": "clusters",
        },
        "folds": {"uncertainty": sv.CrossFit(n_repeats=2), "rng": 3},
        "folds_line": {"uncertainty": sv.CrossFit(n_repeats=2), **line},
        "folds_nonnegative": {"uncertainty": sv.CrossFit(n_repeats=2), "offset": "nonnegative"},
        "folds_batches": {"uncertainty": sv.CrossFit(n_repeats=2), "sample_key": "batch"},
        "folds_modules": {"uncertainty": sv.CrossFit(n_repeats=2, gene_clusters="module")},
        "folds_given": {
            "uncertainty": sv.CrossFit(n_repeats=2),
            "weights": generator.random(adata.shape),
        },
    }


def every_fit(store: Store, name: str, adata: ad.AnnData, basis: str) -> None:
    """Fit in many ways, and take from some fits what follows from them."""
    for key, options in fits(adata).items():
        sv.tl.velocity(adata, key_added=key, dense=key in {"sandwich", "folds_line"}, **options)
    for key in ("sandwich", "sandwich_line", "folds_nonnegative", "given_by_gene"):
        sv.tl.check_model(adata, "clusters", velocity_key=key)
    for key in ("folds", "folds_line", "folds_given"):
        sv.tl.direction(adata, basis=basis, groupby="clusters", velocity_key=key, n_controls=5)
    genes = adata.var_names[::17].tolist()
    for key in ("sandwich", "sandwich_line", "folds_line"):
        store.put(f"{name}/get.velocity/{key}", sv.get.velocity(adata, velocity_key=key))
        errors = sv.get.velocity_se(adata, velocity_key=key, genes=genes)
        store.put(f"{name}/get.velocity_se/{key}", errors)
    for key, options in {
        "rule_all": {"sqrt_transform": True},
        "nonnegative": {"n_recurse_neighbors": 1},
        "sandwich": {},
        "categories": {},
        "stochastic": {},
    }.items():
        sv.tl.velocity_graph(adata, velocity_key=key, **options)
        sv.tl.velocity_embedding(adata, basis=basis, velocity_key=key)
        sv.tl.velocity_confidence(adata, velocity_key=key)
        sv.tl.randomized_velocity(adata, basis=basis, velocity_key=key)
    for key in ("sandwich_line", "given"):
        sv.tl.sensitivity(adata, "clusters", basis=basis, velocity_key=key)
        store.put(f"{name}/sensitivity/{key}", sv.get.sensitivity(adata, velocity_key=key))


def every_step(store: Store, name: str, result: ad.AnnData, basis: str) -> None:
    """Take all that follows from a run with directions that are judged."""
    sv.tl.velocity_confidence(result)
    sv.tl.terminal_states(result)
    sv.tl.velocity_pseudotime(result)
    sv.tl.transition_matrix(result)
    sv.tl.randomized_velocity(result, basis=basis)
    two = result.obs["clusters"].value_counts().index[:2].astype(str).tolist()
    comparisons = {
        "ratios": {"strata": "sample"},
        "slopes": {"contrast": "extremes", "uncertainty": sv.CrossFit(n_repeats=2)},
        "slopes, sandwich": {"contrast": "extremes", "uncertainty": "sandwich"},
        "slopes by sample": {
            "contrast": "extremes",
            "uncertainty": sv.CrossFit(n_repeats=1),
            "sample_key": "sample",
        },
    }
    for what, options in comparisons.items():
        sv.tl.compare_ratios(result, "clusters", conditions=two, **options)
        store.put(f"{name}/{what}", sv.get.ratio_differences(result))
    for what, sample_key in (("ranked", None), ("ranked by sample", "sample")):
        sv.tl.rank_velocity_genes(result, "clusters", sample_key=sample_key)
        store.put(f"{name}/{what}", sv.get.ranked_genes(result))
    tables = {
        "support": sv.get.direction_support(result, two[0], basis=basis).genes,
        "for scVelo": sv.interop.to_scvelo(result),
    }
    for what, value in tables.items():
        store.put(f"{name}/{what}", value)
    store.put(f"{name}/result", result)
    layers = result.copy()
    for key in [key for key in layers.layers if key not in {"spliced", "unspliced"}]:
        del layers.layers[key]
    sv.pp.moments(layers)
    sv.tl.velocity(layers)
    sv.tl.velocity_graph(layers)
    store.put(f"{name}/after moments", layers)


def analysed(store: Store, name: str, adata: ad.AnnData, basis: str, **options) -> None:
    """Run everything on one data set."""
    generator = np.random.default_rng(8)
    adata.obs["sample"] = pd.Categorical(generator.choice(list("pqrstu"), adata.n_obs))
    sv.pp.qc(adata, groupby="clusters", **options)
    store.put(f"{name}/qc", sv.get.quality_checks(adata))
    sizes = sv.SizeFactors(**options)
    result = sv.run(adata, groupby="clusters", basis=basis, size_factors=sizes)
    every_step(store, name, result, basis)
    sizes = sv.SizeFactors(method="common", **options)
    plain = sv.run(adata, basis=basis, dense=False, size_factors=sizes, uncertainty=None)
    every_fit(store, name, plain, basis)
    store.put(f"{name}/fits", plain)


def store_all(out: Path, shared: Path) -> None:
    store = Store()
    started = time.time()

    def say(what: str) -> None:
        print(f"{what}: {len(store.arrays):,} fields, {time.time() - started:.0f} s", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "steadyvelo", "demo", "--out", folder, "--quiet"], check=True
        )
        store.put("demo", ad.read_h5ad(Path(folder) / "result.h5ad"))
    say("demo")
    dyngen = ad.read_h5ad(shared / "data" / "dyngen_2000x264.h5ad")
    dyngen.obsm["X_plane"] = np.asarray(dyngen.obsm["X_dimred"], dtype=np.float64)[:, :2]
    quarter = pd.qcut(dyngen.obs["sim_time"], 4, labels=["early", "mid", "late", "last"])
    dyngen.obs["clusters"] = pd.Categorical(quarter.astype(str))
    analysed(store, "dyngen", dyngen, "plane")
    say("dyngen")
    pancreas = ad.read_h5ad(shared / "data" / "pancreas_e15_3696x2000.h5ad")
    sizes = {"spliced_size": "nCount_spliced", "unspliced_size": "nCount_unspliced"}
    analysed(store, "pancreas", pancreas, "umap", **sizes)
    say("pancreas")
    np.savez(out, **store.arrays)


def difference(before: np.ndarray, after: np.ndarray) -> float:
    """Return the largest difference relative to the largest value; infinite where it has none."""
    if before.shape != after.shape or before.dtype.kind != after.dtype.kind:
        return np.inf
    if before.dtype.kind not in "iuf":
        return 0.0 if (before == after).all() else np.inf
    x, y = before.astype(np.float64), after.astype(np.float64)
    finite = np.isfinite(x)
    if (
        not np.array_equal(x[~finite], y[~finite], equal_nan=True)
        or not np.isfinite(y[finite]).all()
    ):
        return np.inf
    largest = np.abs(x[finite]).max(initial=0.0)
    apart = np.abs(x[finite] - y[finite]).max(initial=0.0)
    return float(apart / largest) if largest > 0 else (0.0 if apart == 0 else np.inf)


def compare(first: Path, second: Path, tolerance: float) -> bool:
    """Print how two stores differ and return whether all fields agree to the tolerance."""
    before, after = np.load(first), np.load(second)
    names = [name for name in before.files if name in after.files]
    lost = sorted(set(before.files) ^ set(after.files))
    equal, near, far = 0, {}, {}
    for name in names:
        x, y = before[name], after[name]
        if x.dtype == y.dtype and x.tobytes() == y.tobytes() and x.shape == y.shape:
            equal += 1
            continue
        apart = difference(x, y)
        (near if apart <= tolerance else far)[name] = apart
    print(f"{len(names):,} fields in both; {equal:,} equal to the last bit")
    largest = max(near.values(), default=0.0)
    print(f"{len(near):,} more within {tolerance:g} (the largest difference: {largest:.1e})")
    for name, apart in sorted(near.items(), key=lambda item: -item[1])[:10]:
        print(f"    {apart:.1e}  {name}")
    print(f"{len(far):,} further apart")
    for name, apart in sorted(far.items(), key=lambda item: -item[1])[:60]:
        print(f"    {apart:.1e}  {name}")
    print(f"{len(lost):,} in one of them only")
    for name in lost[:60]:
        print(f"    {name}")
    return not far and not lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("store")
    one.add_argument("out", type=Path)
    one.add_argument("--shared", type=Path, default=Path("../shared"))
    two = commands.add_parser("compare")
    two.add_argument("before", type=Path)
    two.add_argument("after", type=Path)
    two.add_argument("--tolerance", type=float, default=1e-6)
    options = parser.parse_args()
    if options.command == "store":
        warnings.simplefilter("ignore")
        store_all(options.out, options.shared)
    elif not compare(options.before, options.after, options.tolerance):
        sys.exit(1)


if __name__ == "__main__":
    main()
