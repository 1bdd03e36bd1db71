"""How often intervals hold the true ratio, where all that is assumed is true."""

from __future__ import annotations

import itertools
import json
import sys
import time
from dataclasses import asdict

import numpy as np
import pandas as pd
from _comparators import halves_of, naive, thinned
from _data import Draws, fit, prepare, simulated
from _summary import Share, enough, median_bias, score

import steadyvelo as sv

METHODS = ("crossfit", "sandwich", "thinning")
CONDITION = ["n_cells", "depth", "dispersion", "n_neighbors", "weights", "offset"]
# thinned counts need their own neighbours, and get them at one number of these
THINNED_AT = 30


def one_data_set(number: int, neighbors: list[int], methods: set[str], **place):
    """Yield what each method covers, and relative errors, for every fit of a data set."""
    draws = Draws(number)
    adata = simulated(draws, **place)
    folds, halves = draws.seed(), halves_of(adata, draws.generator())
    for k in neighbors:
        data = prepare(adata.copy(), n_neighbors=k)
        sv.pp.moments(data)
        for weights, offset in itertools.product(("extremes", "all"), (False, True)):
            rule = {"weights": weights, "offset": offset}
            tables = {"crossfit": fit(data, uncertainty="crossfit", rng=folds, **rule)}
            if "sandwich" in methods:
                tables["sandwich"] = fit(data, uncertainty="sandwich", **rule)
                tables["naive"] = naive(data, **rule)
            if "thinning" in methods and k == THINNED_AT:
                tables["thinning"] = thinned(data, halves, k, **rule)
            genes, truth = enough(tables["crossfit"]), data.var["true_gamma"].to_numpy()
            for method, table in tables.items():
                covered, errors = score(table, truth, genes)
                found = {"method": method, "covered": covered, "errors": errors}
                yield {**place, "n_neighbors": k, **rule, **found}


def run(options) -> bool:
    """Print a line for every condition; return whether crossfit keeps its promise in all."""
    parts, started = [], time.time()
    for values in itertools.product(options.cells, options.depths, options.dispersions):
        place = dict(zip(CONDITION, values, strict=False))
        data_sets = (
            one_data_set(number, options.neighbors, set(options.methods), **place)
            for number in range(options.seeds)
        )
        parts.append(pd.DataFrame(itertools.chain.from_iterable(data_sets)))
        for condition, rows in parts[-1].groupby(CONDITION, sort=False):
            print(line(condition, rows), flush=True)
        print(f"  ({time.time() - started:.0f} s)", file=sys.stderr, flush=True)
    found = pd.concat(parts)
    for method, rows in found.groupby("method", sort=False):
        covered = np.concatenate(list(rows["covered"]))
        print(
            f"{method:<10}pooled coverage {covered.mean():.4f} of {len(covered):,} intervals, "
            f"median relative bias {median_bias(rows['errors']):+.4f}"
        )
    conditions = list(found.groupby(CONDITION, sort=False))
    low = [pair for pair in conditions if not shares(pair[1])["crossfit"].may_be(least=0.95)]
    print(f"conditions more than three standard errors under 0.95: {len(low)} of {len(conditions)}")
    for pair in low:
        print("   ", line(*pair))
    if options.out:
        texts = [
            {"condition": condition, **{name: asdict(x) for name, x in shares(rows).items()}}
            for condition, rows in conditions
        ]
        options.out.write_text(json.dumps(texts, indent=1, default=lambda value: value.item()))
    return not low


def shares(rows: pd.DataFrame) -> dict[str, Share]:
    """Return the coverage by each method."""
    return {name: Share.of(x["covered"]) for name, x in rows.groupby("method", sort=False)}


def line(condition, rows: pd.DataFrame) -> str:
    n_cells, depth, dispersion, k, weights, offset = condition
    covered = shares(rows)
    crossfit = covered.pop("crossfit")
    others = "".join(f"  {name} {x.share:.3f}" for name, x in covered.items())
    bias = median_bias(rows.loc[rows["method"] == "crossfit", "errors"])
    return (
        f"n {n_cells:5d}  depth {depth:3.1f}  φ {dispersion:3.1f}  k {k:2d}  {weights:<8}  "
        f"{'offset' if offset else 'origin'}  crossfit {crossfit}  bias {bias:+.4f}{others}  "
        f"({crossfit.n} intervals)"
    )
