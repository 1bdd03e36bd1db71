"""How often the tests of two conditions reject, with cells as units: equal ratios, and others."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
from _data import Draws, prepare, redraw, simulated
from _summary import FEWEST_MOLECULES, Share

import steadyvelo as sv

CONTRASTS = ("matched", "extremes")
LEVELS = (0.05, 0.01, 0.001)
PAIR = ["control", "treated"]
SMALL_STRATA = "5 to 20 cells a stratum"
# of the condition without late cells, only cells up to this quantile of the time are kept
_LATE = 0.6


def mixed(adata, draws: Draws) -> None:
    """Assign conditions to cells at random."""
    adata.obs["condition"] = draws.generator().choice(PAIR, adata.n_obs)


def apart(adata, draws: Draws) -> None:
    """Let the two branches be the conditions; half of the trunk belongs to each."""
    mixed(adata, draws)
    for name, branch in zip(PAIR, ("branch 1", "branch 2"), strict=True):
        adata.obs.loc[adata.obs["branch"] == branch, "condition"] = name


def no_late_cells(adata, draws: Draws) -> None:
    """Leave one condition without late cells."""
    mixed(adata, draws)
    late = adata.obs["true_time"] > adata.obs["true_time"].quantile(_LATE)
    keep = ~(late & (adata.obs["condition"] == PAIR[1]))
    adata._inplace_subset_obs(keep.to_numpy())  # noqa: SLF001 (a copy would take twice the memory)


def unequal_depth(adata, draws: Draws) -> None:
    """Give one condition four times as many molecules as the other."""
    mixed(adata, draws)
    adata.obs["library_size"] *= np.where(adata.obs["condition"] == PAIR[0], 0.4, 1.6)


def later(adata, draws: Draws) -> None:
    """Let one condition have more of the late cells and fewer of the early ones."""
    share = 0.1 + 0.8 * adata.obs["true_time"].rank(pct=True).to_numpy()
    adata.obs["condition"] = np.where(draws.generator().random(adata.n_obs) < share, *PAIR[::-1])


def small_strata(adata, draws: Draws) -> None:
    """Divide cells along the branches into strata of 5 to 20 cells."""
    mixed(adata, draws)
    sizes = draws.generator().integers(5, 21, adata.n_obs)
    ends = np.cumsum(sizes)
    stratum = np.searchsorted(ends, np.arange(adata.n_obs), side="right")
    order = np.lexsort([adata.obs["true_time"], adata.obs["branch"].astype(str)])
    adata.obs.loc[adata.obs_names[order], "stratum"] = [f"s{n}" for n in stratum]


LAYOUTS = {
    "mixed": mixed,
    "later": later,
    "apart": apart,
    "no late cells": no_late_cells,
    "depth 1:4": unequal_depth,
    SMALL_STRATA: small_strata,
}


def one_data_set(number: int, layout: str, factor: float, depth: float, dispersion: float, only):
    """Return p-values and log2 ratios of each contrast, of genes with enough molecules."""
    draws = Draws(number)
    adata = simulated(draws, depth=depth, dispersion=dispersion)
    LAYOUTS[layout](adata, draws)
    if factor != 1 or layout == "depth 1:4":
        second = (adata.obs["condition"] == PAIR[1]).to_numpy()[:, None]
        redraw(adata, "spliced", 1.0, draws, dispersion)
        redraw(adata, "unspliced", np.where(second, factor, 1.0), draws, dispersion)
    prepare(adata)
    sv.tl.velocity(adata, dense=False)
    return {name: compared(adata, name, draws) for name in only}


def compared(adata, contrast: str, draws: Draws):
    """Return p-values and log2 ratios of one contrast."""
    strata = "stratum" if "stratum" in adata.obs and contrast == "matched" else None
    with warnings.catch_warnings():
        # conditions that lie apart share few strata
        warnings.simplefilter("ignore", sv.SteadyveloWarning)
        sv.tl.compare_ratios(adata, "condition", contrast=contrast, strata=strata, rng=draws.seed())
    table = sv.get.ratio_differences(adata)
    if contrast == "extremes":
        table = table[table["molecules"] >= FEWEST_MOLECULES]
    table = table[table["p"].notna()]
    return table["p"].to_numpy(), -table["log2_ratio"].to_numpy()


def rejected(p_values) -> list[Share]:
    """Return the shares of tests that reject at each level."""
    return [Share.of([p < level for p in p_values]) for level in LEVELS]


def line(name: str, found) -> str:
    """Return the shares of one contrast as a line."""
    shares = rejected([p for p, _ in found])
    ratio = np.median(np.concatenate([ratios for _, ratios in found]))
    texts = "".join(
        f"  at {100 * level:g} %: {share.share:.4f} ± {share.three_errors:.4f}"
        for level, share in zip(LEVELS, shares, strict=True)
    )
    return f"{name:<9}{texts}  median log2 ratio {ratio:+.2f}  ({shares[0].n:,} tests)"


def run(options) -> bool:
    """Print a line for every condition; return whether equal ratios are rejected as promised."""
    kept, pooled = True, {name: [] for name in options.contrasts}
    for layout, factor, depth, dispersion in itertools.product(
        options.layouts, options.factors, options.depths, options.dispersions
    ):
        # slopes do not use strata, and would be tested on the mixed data a second time
        only = [name for name in options.contrasts if name == "matched" or layout != SMALL_STRATA]
        found = [
            one_data_set(number, layout, factor, depth, dispersion, only)
            for number in range(options.first, options.first + options.seeds)
        ]
        print(f"{layout}  ratio {factor:3.1f}  depth {depth:3.1f}  φ {dispersion:3.1f}")
        for name in only:
            of_name = [one[name] for one in found]
            print("   ", line(name, of_name), flush=True)
            if factor == 1:
                pooled[name] += of_name
                shares = rejected([p for p, _ in of_name])
                kept &= all(
                    share.may_be(most=level) for share, level in zip(shares, LEVELS, strict=True)
                )
    for name, of_name in pooled.items():
        if of_name:
            print("equal ratios, all conditions:", line(name, of_name), flush=True)
    return kept
