"""What happens where an assumption does not hold, and the size of the test of an offset."""

from __future__ import annotations

from functools import partial

import numpy as np
from _data import Draws, fit, prepare, redraw, simulated
from _summary import Share, enough, median_bias, score

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo.tl._uncertainty import Errors

crossfit = partial(fit, uncertainty="crossfit")


def not_arrived(draws: Draws):
    for n_cells in (2000, 8000):
        adata = prepare(simulated(draws, n_cells=n_cells, still=False))
        table = crossfit(adata, rng=draws.seed())
        yield f"{n_cells} cells, kinetic γ", covers(table, adata.var["true_gamma"])
        realised = ratio_over_extremes(adata)
        yield f"{n_cells} cells, ratio over the extreme cells", covers(table, realised)


def ratio_over_extremes(adata) -> np.ndarray:
    """Ratio of noiseless counts that are weighed with the instruments of the fit."""
    made = Fit.read(adata, "velocity")
    genes = made.fitted_genes
    source = made.counts(genes)
    block = source.block(slice(0, len(genes)))
    (instruments,) = Errors.of_fit(made).of(source).instruments(block, [made.rule(genes)])
    cells = block.order.cell_of_row
    means = (adata.layers[f"true_{x}"][np.ix_(cells, genes)] for x in ("unspliced", "spliced"))
    out = np.full(adata.n_vars, np.nan)
    out[genes] = np.divide(*((instruments.h * mean).sum(axis=0) for mean in means))
    return out


def with_offset(draws: Draws):
    adata = simulated(draws)
    upper = np.quantile(adata.layers["true_spliced"], 0.97, axis=0)
    adata.layers["true_unspliced"] += 0.1 * adata.var["true_gamma"].to_numpy() * upper
    redraw(adata, "unspliced", 1.0, draws)
    prepare(adata)
    folds = draws.seed()
    for offset, what, name in (
        (False, "through the origin", "origin"),
        (True, "line with offset", "line"),
    ):
        table = crossfit(adata, rng=folds, offset=offset)
        yield what, covers(table, adata.var["true_gamma"])
        yield f"offset test, {name}", rejects(table, enough(table))


def no_offset(draws: Draws):
    adata = prepare(simulated(draws))
    table = crossfit(adata, rng=draws.seed())
    yield "crossfit", rejects(table, enough(table))
    own = fit(adata, uncertainty="sandwich", offset=True)
    yield "instruments of the fit itself", rejects(own, enough(table))


def shared_noise(draws: Draws):
    adata = simulated(draws)
    modules = np.arange(adata.n_vars) // 20
    noise = np.exp(draws.generator().normal(0, 0.4, (adata.n_obs, modules.max() + 1)))
    redraw(adata, "spliced", (noise / noise.mean(axis=0))[:, modules], draws)
    adata.var["module"] = modules.astype(str)
    prepare(adata)
    folds = draws.seed()
    for what, column in (("genes cut at random", None), ("modules kept together", "module")):
        table = fit(adata, rng=folds, uncertainty=sv.CrossFit(gene_clusters=column))
        yield what, covers(table, adata.var["true_gamma"])


def differing_batches(draws: Draws):
    adata, generator = simulated(draws), draws.generator()
    batch = generator.integers(0, 6, adata.n_obs)
    redraw(adata, "unspliced", np.exp(generator.normal(0, 0.2, (6, adata.n_vars)))[batch], draws)
    adata.obs["batch"] = batch.astype(str)
    prepare(adata)
    folds = draws.seed()
    for what, column in (("over cells", None), ("over batches, CR3", "batch")):
        table = crossfit(adata, rng=folds, sample_key=column)
        yield what, covers(table, adata.var["true_gamma"])


def deeper_branch(draws: Draws):
    adata = simulated(draws)
    deeper = (adata.obs["branch"] == "branch 1").to_numpy()[:, None]
    other = np.arange(adata.n_vars) % 2 == 1
    redraw(adata, "unspliced", np.where(deeper & ~other, 1.5, 1.0), draws)
    folds = draws.seed()
    for sizes in ("common", "per_layer"):
        data = prepare(adata.copy(), sizes=sizes)
        table = crossfit(data, rng=folds)
        yield sizes, score(table, data.var["true_gamma"], other & enough(table))


def covers(table, truth):
    return score(table, truth, enough(table))


def rejects(table, genes):
    return (table.offset_p < 0.05).to_numpy()[genes], None


FAILURES = {
    "cells that have not arrived": not_arrived,
    "an offset": with_offset,
    "no offset: size of its test": no_offset,
    "noise that modules share in s": shared_noise,
    "six batches whose u / s differs (sd 0.2)": differing_batches,
    "half of the genes have 1.5 times the unspliced counts in one branch: the other half": (
        deeper_branch
    ),
}


def run(options) -> bool:
    """Print what is covered or rejected in every case; nothing is promised."""
    for name in options.which:
        per_data_set = [dict(FAILURES[name](Draws(number))) for number in range(options.seeds)]
        print(name)
        for what in per_data_set[0]:
            marks, errors = zip(*(found[what] for found in per_data_set), strict=True)
            is_test = errors[0] is None
            bias = "" if is_test else f"  median bias {median_bias(errors):+.3f}"
            verb = "rejects" if is_test else "covers"
            print(f"    {what:<44} {verb} {Share.of(marks)}{bias}", flush=True)
    return True
