"""Tests of two conditions on real counts: random halves of the cells, and genes that were changed.

Cells are assigned to six samples at random, and three of these to each condition. Then no ratio
differs. In a second step, the spliced counts of 20 genes are thinned to a half in one condition.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from _data import Draws, prepare
from _groups import LEVELS, PAIR, rejected
from _summary import FEWEST_MOLECULES

import steadyvelo as sv

_CHANGED = 20


def one_split(path: str, number: int, contrasts):
    """Return p-values of equal ratios, and numbers of genes found, for contrasts and units."""
    draws = Draws(number)
    adata = sv.io.read_h5ad(path)
    sample = draws.generator().integers(0, 6, adata.n_obs)
    adata.obs["sample"] = [f"sample {n}" for n in sample]
    adata.obs["condition"] = np.array(PAIR)[(sample >= 3).astype(int)]
    sv.pp.filter_genes(adata, min_shared_counts=20, subset=True)
    for name in [name for name in adata.obsm if name.startswith("X_pca")]:
        del adata.obsm[name]
    prepare(adata)
    sv.tl.velocity(adata, dense=False)
    size, seed = {}, draws.seed()
    for contrast in contrasts:
        for units, key in (("cells", None), ("samples", "sample")):
            size[contrast, units] = compared(adata, contrast, key, seed)
    known = size[contrasts[0], "cells"]
    enough = known.index[known["molecules"] >= FEWEST_MOLECULES]
    chosen = draws.generator().choice(enough, _CHANGED, replace=False)
    halve(adata, chosen, draws)
    prepare(adata)
    sv.tl.velocity(adata, dense=False)
    found = {}
    for contrast, units in size:
        key = "sample" if units == "samples" else None
        table = compared(adata, contrast, key, seed)
        names = table.index[table["fdr"] < 0.05]
        found[contrast, units] = names.isin(chosen).sum(), (~names.isin(chosen)).sum()
    return {pair: table["p"].dropna().to_numpy() for pair, table in size.items()}, found


def compared(adata, contrast: str, sample_key, seed: int):
    sv.tl.compare_ratios(adata, "condition", contrast=contrast, sample_key=sample_key, rng=seed)
    table = sv.get.ratio_differences(adata).set_index("gene")
    return table[table["molecules"] >= (FEWEST_MOLECULES if contrast == "extremes" else 0)]


def halve(adata, genes, draws: Draws) -> None:
    """Keep half of the spliced molecules of some genes in the second condition."""
    spliced = adata.layers["spliced"].toarray()
    cells = np.flatnonzero(adata.obs["condition"] == PAIR[1])
    place = np.ix_(cells, adata.var_names.get_indexer(genes))
    spliced[place] = draws.generator().binomial(spliced[place].astype(int), 0.5)
    adata.layers["spliced"] = sp.csr_matrix(spliced)


def run(options) -> bool:
    """Print how often equal ratios are rejected, and how many of 20 genes are found."""
    numbers = range(options.first, options.first + options.seeds)
    splits = [one_split(options.path, number, options.contrasts) for number in numbers]
    for pair in splits[0][0]:
        shares = rejected([p[pair] for p, _ in splits])
        texts = "  ".join(
            f"at {100 * level:g} %: {x.share:.4f} ± {x.three_errors:.4f}"
            for level, x in zip(LEVELS, shares, strict=True)
        )
        right, wrong = zip(*(found[pair] for _, found in splits), strict=True)
        print(
            f"{' '.join(pair):<18} {texts}  of {_CHANGED} genes found {list(map(int, right))}, "
            f"false {list(map(int, wrong))}",
            flush=True,
        )
    return True
