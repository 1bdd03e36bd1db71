"""How often the tests of two conditions reject, with samples as units.

Samples have different numbers of cells and depths. A tenth of the genes have 1.5 times the ratio in
the second condition, another tenth in the first. Beside the package's tests is the plain t-test of
log(Σu / Σs) of samples.
"""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
from _data import Draws, prepare, redraw, simulated
from _groups import PAIR
from _summary import Share
from scipy.stats import ttest_ind

import steadyvelo as sv

_FACTOR = 1.5


def one_data_set(number: int, each: int, between: float, contrasts):
    """Return a table for each test: p-values, molecules, and which genes were changed."""
    draws = Draws(number)
    adata = simulated(draws, dispersion=0.5)
    generator = draws.generator()
    shares = generator.dirichlet(np.full(2 * each, 10.0))
    sample = generator.choice(2 * each, adata.n_obs, p=shares)
    second = sample >= each
    adata.obs["library_size"] *= np.exp(generator.uniform(-0.7, 0.7, 2 * each))[sample]
    place = generator.permutation(adata.n_vars) / adata.n_vars
    change = np.where(place < 0.1, _FACTOR, np.where(place < 0.2, 1 / _FACTOR, 1.0))
    own = np.exp(generator.normal(0, between, (2 * each, adata.n_vars)))[sample]
    redraw(adata, "spliced", 1.0, draws, 0.5)
    redraw(adata, "unspliced", own * np.where(second[:, None], change, 1.0), draws, 0.5)
    adata.obs["sample"] = [f"sample {n}" for n in sample]
    adata.obs["condition"] = np.array(PAIR)[second.astype(int)]
    prepare(adata)
    sv.tl.velocity(adata, dense=False)
    tables = {}
    for name in contrasts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sv.SteadyveloWarning)
            sv.tl.compare_ratios(
                adata, "condition", contrast=name, sample_key="sample", rng=draws.seed()
            )
        table = sv.get.ratio_differences(adata).set_index("gene").reindex(adata.var_names)
        tables[name] = table[["p", "molecules"]]
    molecules = tables[contrasts[0]]["molecules"]
    tables["t-test"] = pd.DataFrame({"p": plain(adata, sample, each), "molecules": molecules})
    return {name: table.assign(changed=change != 1).dropna() for name, table in tables.items()}


def plain(adata, sample, each: int) -> np.ndarray:
    """Return p-values of the t-test of the samples' log ratios."""
    members = (sample == np.arange(2 * each)[:, None]).astype(float)
    with np.errstate(divide="ignore"):
        u, s = (np.log(members @ adata.layers[x]) for x in ("unspliced", "spliced"))
    values = np.where(np.isfinite(u - s), u - s, np.nan)
    return np.asarray(ttest_ind(values[:each], values[each:], axis=0).pvalue)


def run(options) -> bool:
    """Print size in both halves of the genes and power; return whether the size is right."""
    kept = True
    for each, between in itertools.product(options.each, options.between):
        found = [
            one_data_set(number, each, between, options.contrasts)
            for number in range(options.first, options.first + options.seeds)
        ]
        print(f"{each} v {each}  sd between samples {between:.1f}")
        for name in found[0]:
            tables = [one[name] for one in found]
            null = [table[~table["changed"]] for table in tables]
            precise = [table["molecules"] >= table["molecules"].median() for table in null]
            halves = [
                Share.of([(x["p"] < 0.05)[of(m)] for x, m in zip(null, precise, strict=True)])
                for of in (lambda m: m, lambda m: ~m)
            ]
            size = Share.of([x["p"] < 0.05 for x in null])
            power = Share.of([x["p"][x["changed"]] < 0.05 for x in tables])
            print(
                f"    {name:<9} size {size}  precise half {halves[0]}  imprecise half {halves[1]}"
                f"  power {power}",
                flush=True,
            )
            kept &= name == "t-test" or size.may_be(most=0.05)
    return kept
