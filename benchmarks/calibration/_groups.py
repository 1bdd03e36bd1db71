"""How often the test of two groups rejects: equal ratios, and one that is larger."""

from __future__ import annotations

import itertools

import numpy as np
from _data import Draws, prepare, redraw, simulated
from _summary import FEWEST_MOLECULES, Share

import steadyvelo as sv

LAYOUTS = ("mixed", "apart")


def one_data_set(number: int, layout: str, factor: float, depth: float, dispersion: float):
    """Return p-values and quotients of both ratios, of genes with enough molecules in both groups.

    Groups that lie apart are the two branches; mixed ones are drawn for every cell.
    """
    draws = Draws(number)
    adata = simulated(draws, depth=depth, dispersion=dispersion)
    labels = draws.generator().choice(["branch 1", "branch 2"], adata.n_obs)
    adata.obs["group"] = labels if layout == "mixed" else adata.obs["branch"].astype(str)
    if factor != 1:
        second = (adata.obs["group"] == "branch 2").to_numpy()[:, None]
        redraw(adata, "unspliced", np.where(second, factor, 1.0), draws, dispersion)
    prepare(adata)
    sv.tl.velocity(adata, dense=False)
    pair = ["branch 1", "branch 2"]
    sv.tl.compare_ratios(adata, "group", conditions=pair, rng=draws.seed())
    table = sv.get.ratio_differences(adata)
    table = table[(table["reference"] == pair[1]) & (table["molecules"] >= FEWEST_MOLECULES)]
    return table["p"].to_numpy(), (table["gamma_reference"] / table["gamma"]).to_numpy()


def run(options) -> bool:
    """Print a line for every condition; return whether equal ratios are rejected as promised."""
    kept = True
    for layout, factor, depth, dispersion in itertools.product(
        options.layouts, options.factors, options.depths, options.dispersions
    ):
        found = [
            one_data_set(number, layout, factor, depth, dispersion)
            for number in range(options.seeds)
        ]
        at_5, at_1 = (Share.of([p < level for p, _ in found]) for level in (0.05, 0.01))
        quotient = np.median(np.concatenate([quotients for _, quotients in found]))
        kept &= factor != 1 or (at_5.may_be(most=0.05) and at_1.may_be(most=0.01))
        print(
            f"{layout}  ratio {factor:3.1f}  depth {depth:3.1f}  φ {dispersion:3.1f}  "
            f"at 5 %: {at_5}  at 1 %: {at_1}  "
            f"median quotient {quotient:.2f}  ({at_5.n} tests)",
            flush=True,
        )
    return kept
