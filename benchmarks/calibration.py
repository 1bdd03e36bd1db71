"""Do intervals and tests hold what they promise? Measured on simulated counts whose truth is known.

python benchmarks/calibration.py coverage [--seeds 20] [--cells 2000 8000] [--methods crossfit]
    Share of intervals that hold the true ratio, for every condition, beside the naive standard
    error, the sandwich and thinned counts.
python benchmarks/calibration.py groups [--seeds 20]
    How often the test of two groups rejects equal ratios, and ratios of which one is 1.5 times the
    other, for groups that lie apart and groups that are mixed.
python benchmarks/calibration.py directions [--seeds 20] [--basis plane | umap]
    How often a cell's or a cluster's direction is called determined where nothing moves, and where
    cells move, how often the interval of an angle holds the direction that noiseless counts give.
    "plane" are the first two principal components.
python benchmarks/calibration.py failures [--seeds 10]
    What happens where an assumption does not hold, and the size of the test of an offset.

Seeds are fixed. A line is a condition; ± is three Monte Carlo standard errors of the coverage,
taken over data sets, since genes of one share cells and graphs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scanpy as sc
import scipy.sparse as sp
from steadyvelo.tl._refit import Refit
from steadyvelo.tl._velocity_source import velocity_genes

import steadyvelo as sv
from steadyvelo._adata._fit import Fitted
from steadyvelo.engine import (
    CellOrder,
    CountsSource,
    CrossFit,
    FitRule,
    Lines,
    Sandwich,
    SmoothingOperator,
    Split,
    Spreading,
    find_directions,
    fit_groups,
    fit_ratios,
)
from steadyvelo.model import Instruments, steady_state_weights
from steadyvelo.pp._nearest import nearest_neighbors
from steadyvelo.pp._neighbors import component_genes, principal_components

N_GENES = 200
N_SPLITS = 5
N_PCS = 30
FEWEST_MOLECULES = 20
WEIGHTS = ("extremes", "all")
METHODS = ("crossfit", "sandwich", "thinning")
THINNED_AT = 30


@dataclass
class Data:
    """A data set with what all its conditions share."""

    adata: object
    gamma: np.ndarray
    neighbors: np.ndarray
    folds: list
    seed: int


def neighbors_by(adata, genes, most, seed, *, alone=False):
    components = principal_components(adata, "spliced", genes, N_PCS, seed, alone=alone)
    return nearest_neighbors(np.asarray(components, dtype=np.float32), most, rng=seed)[0]


def prepare(seed: int, *, n_cells: int, depth: float, dispersion: float, most: int = 60, **options):
    """Simulate cells at steady state and find the neighbours of every fold of genes."""
    adata = sv.datasets.simulate(
        n_cells=n_cells,
        n_genes=N_GENES,
        depth=depth,
        dispersion=dispersion,
        library_size_sd=0.5,
        steady_state=True,
        rng=seed,
        **options,
    )
    return prepared(adata, seed, most)


def prepared(adata, seed: int, most: int = 60, clusters=None) -> Data:
    sv.pp.size_factors(adata, method="common")
    generator = np.random.default_rng(seed)
    genes = component_genes(adata)
    folds = []
    for _ in range(N_SPLITS):
        gene_fold = halves(generator, adata.n_vars)
        if clusters is not None:
            gene_fold = halves(generator, clusters.max() + 1)[clusters]
        cell_fold = halves(generator, adata.n_obs)
        found = [
            neighbors_by(adata, genes & (gene_fold != f), most, seed, alone=True) for f in (0, 1)
        ]
        folds.append((gene_fold, cell_fold, found))
    gamma = adata.var["true_gamma"].to_numpy()
    return Data(adata, gamma, neighbors_by(adata, genes, most, seed), folds, seed)


def halves(generator, n):
    fold = np.zeros(n, dtype=np.int8)
    fold[generator.permutation(n)[: n // 2]] = 1
    return fold


def operator(indices: np.ndarray, k: int, *, own: bool) -> SmoothingOperator:
    """Means over the k nearest (own: the cell itself among them)."""
    chosen = np.sort(indices[:, (0 if own else 1) : k], axis=1)
    indptr = np.arange(len(chosen) + 1, dtype=np.int64) * chosen.shape[1]
    return SmoothingOperator(indptr, np.ascontiguousarray(chosen).ravel())


def source_of(data: Data, k: int) -> CountsSource:
    adata = data.adata
    n_cells = adata.n_obs
    scale = 1 / adata.obs["size_factor_spliced"].to_numpy()
    return CountsSource(
        sp.csr_array(adata.layers["spliced"]),
        sp.csr_array(adata.layers["unspliced"]),
        np.arange(adata.n_vars),
        CellOrder.identity(n_cells),
        spliced_scale=scale,
        unspliced_scale=1 / adata.obs["size_factor_unspliced"].to_numpy(),
        smoothing=operator(data.neighbors, k, own=True),
        keep_counts=True,
    )


def rule_of(n_cells: int, weights: str, *, offset: bool) -> FitRule:
    every = np.ones(n_cells, dtype=bool)
    return FitRule(weights, (0.05, 0.95) if offset else (None, 0.95), offset, every, every, "fit")


def intervals(data: Data, k: int, weights: str, *, offset: bool, methods=frozenset(METHODS[:2])):
    """Return errors per method."""
    source = source_of(data, k)
    rule = rule_of(data.adata.n_obs, weights, offset=offset)
    scales = np.stack([source.spliced_scale, source.unspliced_scale])
    rules = {
        "sandwich": lambda: Sandwich(
            scales, 0.95, None, Spreading.transposing(source.smoothing, source.order)
        ),
        "crossfit": lambda: CrossFit(
            scales,
            0.95,
            None,
            [
                Split(genes, cells, tuple(operator(found, k, own=False) for found in graphs))
                for genes, cells, graphs in data.folds
            ],
        ),
    }
    found = {}
    for name in rules.keys() & methods:
        fit = fit_ratios(source, rule, genes_per_block=N_GENES, errors=rules[name](), n_threads=2)
        found[name] = fit.errors
    if "sandwich" in methods:
        found["naive"] = naive(source, rule, offset)
    if "thinning" in methods:
        found["thinning"] = thinned(data, k, weights, offset=offset)
    return found


def thinned(data: Data, k: int, weights: str, *, offset: bool):
    """Count splitting: neighbours and instruments from half the molecules, the others weighed."""
    adata, generator = data.adata, np.random.default_rng(data.seed)
    parts = {}
    for name in ("spliced", "unspliced"):
        counts = sp.csr_array(adata.layers[name])
        half = counts.copy()
        half.data = generator.binomial(counts.data, 0.5)
        parts[name] = [2.0 * half, 2.0 * (counts - half)]
    n_cells = adata.n_obs
    rule = rule_of(n_cells, weights, offset=offset)
    scale = 1 / adata.obs["size_factor_spliced"].to_numpy()
    h, h0, s, u = [], [], [], []
    for own in (0, 1):
        log = sp.csr_matrix(sp.diags_array(scale) @ parts["spliced"][own]).log1p()
        components = sc.pp.pca(log.astype(np.float32), n_comps=N_PCS, random_state=0)
        found = nearest_neighbors(np.asarray(components, dtype=np.float32), k)[0]
        graph = operator(found, k, own=False)
        source = CountsSource(
            sp.csr_array(parts["spliced"][own]),
            sp.csr_array(parts["unspliced"][own]),
            np.arange(adata.n_vars),
            CellOrder.identity(n_cells),
            spliced_scale=scale,
            unspliced_scale=scale,
            smoothing=graph,
            keep_counts=True,
        )
        block = source.block(slice(0, adata.n_vars))
        spreading = Spreading.transposing(graph, source.order)
        made = Sandwich(np.stack([scale, scale]), 0.95, None, spreading).of_block(block, [rule], 1)
        instruments = made.instruments(slice(0, adata.n_vars))
        h.append(instruments.h)
        h0.append(instruments.h0)
        s.append((scale[:, None] * parts["spliced"][1 - own].toarray()).T)
        u.append((scale[:, None] * parts["unspliced"][1 - own].toarray()).T)
    h, h0, s, u = (np.ascontiguousarray(np.concatenate(x, axis=1)) for x in (h, h0, s, u))
    # a molecule counts for two, so what a count is worth is two scales
    scales = np.tile(2 * scale, (2, 2))
    return Instruments(h, h0, s, u, scales).errors(centred=offset)


@dataclass
class Plain:
    gamma: np.ndarray
    low: np.ndarray
    high: np.ndarray


def naive(source, rule, offset) -> Plain:
    """Textbook least squares on smoothed values, as if cells were independent."""
    block = source.block(slice(0, N_GENES))
    s, u = (x.T.astype(np.float64) for x in (block.spliced, block.unspliced))
    w = (
        np.ones_like(s)
        if rule.weights == "all"
        else steady_state_weights(s, u, "extremes", quantiles=rule.quantiles)
    )
    n = w.sum(axis=1, keepdims=True)
    sc, uc = s, u
    if offset:
        sc, uc = (x - (w * x).sum(axis=1, keepdims=True) / n for x in (s, u))
    square = (w * sc * sc).sum(axis=1)
    gamma = (w * sc * uc).sum(axis=1) / square
    left = (w * (uc - gamma[:, None] * sc) ** 2).sum(axis=1) / (n[:, 0] - 1 - offset)
    se = np.sqrt(left / square)
    return Plain(gamma, gamma - 1.96 * se, gamma + 1.96 * se)


def score(errors, truth, enough):
    """Covered or not and relative error, of the genes with enough molecules."""
    inside = (errors.low <= truth) & (truth <= errors.high)
    return inside[enough], (errors.gamma / truth - 1)[enough]


def summary(per_seed: list[np.ndarray]) -> tuple[float, float]:
    """Coverage and three standard errors of it, over data sets."""
    rates = np.array([x.mean() for x in per_seed if len(x)])
    sizes = np.array([len(x) for x in per_seed if len(x)])
    pooled = float(np.concatenate(per_seed).mean())
    spread = np.sqrt(np.sum((sizes * (rates - pooled)) ** 2)) / sizes.sum()
    binomial = np.sqrt(pooled * (1 - pooled) / sizes.sum())
    return pooled, 3 * float(max(spread, binomial))


def coverage(options) -> None:
    grid = list(itertools.product(options.cells, options.depths, options.dispersions))
    collected: dict = {}
    started = time.time()
    for n_cells, depth, dispersion in grid:
        for seed in range(options.seeds):
            data = prepare(
                seed,
                n_cells=n_cells,
                depth=depth,
                dispersion=dispersion,
                most=max(options.neighbors),
            )
            for k, weights, offset in itertools.product(options.neighbors, WEIGHTS, (False, True)):
                # thinned counts need neighbours of their own: at one k
                methods = {"crossfit", *options.methods} - (
                    {"thinning"} if k != THINNED_AT else set()
                )
                found = intervals(data, k, weights, offset=offset, methods=methods)
                enough = found["crossfit"].molecules >= FEWEST_MOLECULES
                enough &= np.isfinite(found["crossfit"].gamma)
                key = (n_cells, depth, dispersion, k, weights, offset)
                for name, errors in found.items():
                    inside, error = score(errors, data.gamma, enough)
                    at = collected.setdefault(key, {}).setdefault(name, ([], []))
                    at[0].append(inside)
                    at[1].append(error)
        for key, found in collected.items():
            if key[:3] == (n_cells, depth, dispersion):
                print(line(key, found), flush=True)
        print(f"  ({time.time() - started:.0f} s)", file=sys.stderr, flush=True)
    print()
    for name in ("crossfit", "sandwich", "thinning", "naive"):
        with_it = [found[name] for found in collected.values() if name in found]
        if not with_it:
            continue
        inside, errors = (
            np.concatenate([x for found in with_it for x in found[part]]) for part in (0, 1)
        )
        print(
            f"{name:<10} pooled coverage {inside.mean():.4f} of {len(inside):,} intervals, "
            f"median relative bias {np.median(errors):+.4f}"
        )
    low = [
        key
        for key, found in collected.items()
        if (got := summary(found["crossfit"][0]))[0] + got[1] < 0.95
    ]
    print(f"conditions more than three standard errors under 0.95: {len(low)} of {len(collected)}")
    for key in low:
        print("   ", line(key, collected[key]))
    if options.out:
        rows = [
            {"condition": key, **{n: summary(v[0]) for n, v in found.items()}}
            for key, found in collected.items()
        ]
        options.out.write_text(json.dumps(rows, indent=1))


def line(key, found) -> str:
    n_cells, depth, dispersion, k, weights, offset = key
    rate, three = summary(found["crossfit"][0])
    bias = np.median(np.concatenate(found["crossfit"][1]))
    n = sum(map(len, found["crossfit"][0]))
    others = "  ".join(
        f"{name} {summary(found[name][0])[0]:.3f}"
        for name in ("sandwich", "thinning", "naive")
        if name in found
    )
    return (
        f"n {n_cells:5d}  depth {depth:3.1f}  φ {dispersion:3.1f}  k {k:2d}  {weights:<8}  "
        f"{'offset' if offset else 'origin'}  crossfit {rate:.3f} ± {three:.3f}  bias {bias:+.4f}  "
        f"{others}  ({n} intervals)"
    )


def two_groups(seed: int, *, apart: bool, factor: float, depth: float, dispersion: float):
    """Return p-values of one data set, of genes with enough molecules in both groups."""
    adata = sv.datasets.simulate(
        n_cells=2000,
        n_genes=N_GENES,
        depth=depth,
        dispersion=dispersion,
        library_size_sd=0.5,
        steady_state=True,
        rng=seed,
    )
    generator = np.random.default_rng(seed)
    branch = adata.obs["branch"].to_numpy()
    first = branch == "branch 1" if apart else generator.random(adata.n_obs) < 0.5
    second = branch == "branch 2" if apart else ~first
    if factor != 1:
        # counts of the second group are drawn anew
        mean = adata.layers["true_unspliced"] * adata.obs["library_size"].to_numpy()[:, None]
        mean = factor * mean[second]
        if dispersion > 0:
            mean = mean * generator.gamma(1 / dispersion, dispersion, mean.shape)
        counts = adata.layers["unspliced"].toarray()
        counts[second] = generator.poisson(mean)
        adata.layers["unspliced"] = sp.csr_matrix(counts)
    data = prepared(adata, seed, 30)
    source = source_of(data, 30)
    rule = rule_of(adata.n_obs, "extremes", offset=False)
    rules = [replace(rule, fit_cells=group) for group in (first, second)]
    splits = [
        Split(genes, cells, tuple(operator(found, 30, own=False) for found in graphs))
        for genes, cells, graphs in data.folds
    ]
    scales = np.stack([source.spliced_scale, source.unspliced_scale])
    errors = CrossFit(scales, 0.95, None, splits)
    ratios = fit_groups(source, rules, errors, genes_per_block=N_GENES, n_threads=2)
    enough = ratios.molecules.min(axis=0) >= FEWEST_MOLECULES
    return ratios.contrast(1, 0).p[enough]


def groups(options) -> None:
    for apart, factor, depth, dispersion in itertools.product(
        (False, True), (1.0, 1.5), (0.3, 1.0), (0.0, 0.5)
    ):
        per_seed = [
            two_groups(seed, apart=apart, factor=factor, depth=depth, dispersion=dispersion)
            for seed in range(options.seeds)
        ]
        rates = [summary([p < level for p in per_seed]) for level in (0.05, 0.01)]
        print(
            f"{'apart' if apart else 'mixed'}  ratio {factor:3.1f}  depth {depth:3.1f}  "
            f"φ {dispersion:3.1f}  at 5 %: {rates[0][0]:.3f} ± {rates[0][1]:.3f}  "
            f"at 1 %: {rates[1][0]:.3f} ± {rates[1][1]:.3f}  "
            f"({sum(map(len, per_seed))} tests)",
            flush=True,
        )


def true_arrows(adata, basis: str) -> np.ndarray:
    """Arrows from noiseless counts and true ratios, with the neighbours the data have."""
    fitted = Fitted.read(adata, "velocity")
    refit = Refit.of(adata, fitted, velocity_genes(adata, fitted))
    ones = np.ones(adata.n_obs)
    layers = {
        name: sp.csr_array(np.asarray(adata.layers[f"true_{name}"]))
        for name in ("spliced", "unspliced")
    }
    source = replace(refit.source, **layers, spliced_scale=ones, unspliced_scale=ones)
    lines = Lines(adata.var["true_gamma"].to_numpy()[refit.genes], np.zeros(len(refit.genes)))
    return find_directions(
        source,
        refit.errors,
        refit.rule,
        lines,
        np.asarray(adata.obsm[f"X_{basis}"], dtype=np.float64),
        np.full(adata.n_obs, -1),
        signs=np.zeros((0, adata.n_obs), dtype=np.int8),
        genes_per_block=len(refit.genes),
        n_threads=2,
    ).arrows


def one_direction(seed: int, *, still: bool, depth: float, dispersion: float, basis: str):
    """Return one row per cell: determined, covered, reversed; and p-values of clusters."""
    adata = sv.datasets.simulate(
        n_cells=2000,
        n_genes=300,
        depth=depth,
        dispersion=dispersion,
        library_size_sd=0.5,
        steady_state=still,
        rng=seed,
    )
    sv.pp.size_factors(adata, method="common")
    sv.pp.neighbors(adata, n_neighbors=30, n_pcs=N_PCS)
    if basis == "umap":
        sc.tl.umap(adata, random_state=seed)
    else:
        adata.obsm[f"X_{basis}"] = adata.obsm["X_pca"][:, :2]
    sv.tl.velocity(adata, uncertainty="crossfit", dense=False, rng=seed)
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis=basis)
    sv.tl.direction(adata, basis=basis, groupby="clusters", n_controls=20)
    table = adata.uns[f"velocity_direction_{basis}"]
    low, high, agreement = (
        adata.obs[f"velocity_{basis}_{name}"].to_numpy()
        for name in ("angle_low", "angle_high", "agreement")
    )
    determined = adata.obs[f"velocity_{basis}_determined"].to_numpy()
    found = {
        "determined": determined,
        "clusters": table["p"].to_numpy(),
        "controls": np.array([table["control_any_called"].iloc[0]]),
        "agreement": agreement,
        "agreement where determined": agreement[determined],
    }
    if not still:
        truth = true_arrows(adata, basis)
        angle = np.arctan2(truth[:, 1], truth[:, 0])
        inside = (angle - low) % (2 * np.pi) <= high - low
        found["covered"] = inside
        found["reversed"] = ((truth * adata.obsm[f"velocity_direction_{basis}"]).sum(axis=1) < 0)[
            determined
        ]
    return found


def directions(options) -> None:
    motions = [motion == "still" for motion in options.motions]
    for still, depth, dispersion in itertools.product(motions, (0.3, 1.0), (0.0, 0.5)):
        per_seed = [
            one_direction(
                seed, still=still, depth=depth, dispersion=dispersion, basis=options.basis
            )
            for seed in range(options.seeds)
        ]
        found = {name: [x[name] for x in per_seed] for name in per_seed[0]}
        determined, three = summary(found["determined"])
        clusters = np.concatenate(found["clusters"])
        text = (
            f"{'still ' if still else 'moving'}  depth {depth:3.1f}  φ {dispersion:3.1f}  "
            f"determined {determined:.3f} ± {three:.3f}  "
            f"clusters below 0.05: {int((clusters < 0.05).sum())} of {len(clusters)}  "
            f"controls with one: {np.mean(found['controls']):.3f}"
        )
        if not still:
            covered, three = summary(found["covered"])
            agreement = np.concatenate(found["agreement"])
            where = np.concatenate(found["agreement where determined"])
            text += (
                f"  angle covered {covered:.3f} ± {three:.3f}  "
                f"reversed among determined {np.concatenate(found['reversed']).mean():.4f}  "
                "cosine to the drawn arrow: quartiles "
                f"{np.nanquantile(agreement, [0.25, 0.5, 0.75]).round(3)}, "
                f"median where determined {np.nanmedian(where):.3f}"
            )
        print(text, flush=True)


def crossfit(data: Data, *, offset=False, batches=None):
    """Return the errors of one data set, top 5 % and k = 30."""
    source = source_of(data, 30)
    scales = np.stack([source.spliced_scale, source.unspliced_scale])
    splits = [
        Split(genes, cells, tuple(operator(found, 30, own=False) for found in graphs))
        for genes, cells, graphs in data.folds
    ]
    rule = rule_of(data.adata.n_obs, "extremes", offset=offset)
    errors = CrossFit(scales, 0.95, batches, splits)
    fit = fit_ratios(source, rule, genes_per_block=N_GENES, errors=errors, n_threads=2)
    block = source.block(slice(0, data.adata.n_vars))
    made = errors.of_block(block, [rule], 2).instruments(slice(0, data.adata.n_vars))
    return fit.errors, made


def simulated(seed: int, *, n_cells: int = 2000, still: bool = True):
    return sv.datasets.simulate(
        n_cells=n_cells, n_genes=N_GENES, library_size_sd=0.5, steady_state=still, rng=seed
    )


def redraw(adata, name: str, means: np.ndarray, seed: int) -> None:
    """Draw the counts of one layer again, Poisson around means at library size 1."""
    library = adata.obs["library_size"].to_numpy()[:, None]
    adata.layers[name] = sp.csr_matrix(np.random.default_rng(seed + 1000).poisson(library * means))


def failure(name: str, seed: int) -> dict[str, tuple]:  # noqa: PLR0915 (one case after another)
    """Return, for one data set, what is covered and relative errors or p-values."""
    if name == "cells that have not arrived":
        found = {}
        for n_cells in (2000, 8000):
            data = prepared(simulated(seed, n_cells=n_cells, still=False), seed, 30)
            errors, made = crossfit(data)
            h = np.asarray(made.h)
            mean = [np.asarray(data.adata.layers[f"true_{x}"]).T for x in ("unspliced", "spliced")]
            realised = (h * mean[0]).sum(axis=1) / (h * mean[1]).sum(axis=1)
            enough = errors.molecules >= FEWEST_MOLECULES
            found[f"{n_cells} cells, kinetic γ"] = score(errors, data.gamma, enough)
            found[f"{n_cells} cells, ratio over the extreme cells"] = score(
                errors, realised, enough
            )
        return found
    adata = simulated(seed)
    level, gamma = np.asarray(adata.layers["true_spliced"]), adata.var["true_gamma"].to_numpy()
    generator = np.random.default_rng(seed + 500)
    if name == "an offset":
        shift = 0.1 * gamma * np.quantile(level, 0.97, axis=0)
        redraw(adata, "unspliced", gamma * level + shift, seed)
        data = prepared(adata, seed, 30)
        found = {}
        for offset in (False, True):
            errors, _ = crossfit(data, offset=offset)
            enough = errors.molecules >= FEWEST_MOLECULES
            found["line with offset" if offset else "through the origin"] = score(
                errors, gamma, enough
            )
            found[f"offset test, {'line' if offset else 'origin'}"] = (
                (errors.offset_p < 0.05)[enough],
                np.zeros(0),
            )
        return found
    if name == "no offset: size of its test":
        data = prepared(adata, seed, 30)
        errors, _ = crossfit(data)
        enough = errors.molecules >= FEWEST_MOLECULES
        rule = rule_of(adata.n_obs, "extremes", offset=True)
        source = source_of(data, 30)
        scales = np.stack([source.spliced_scale, source.unspliced_scale])
        own = Sandwich(scales, 0.95, None, Spreading.transposing(source.smoothing, source.order))
        plain = fit_ratios(source, rule, genes_per_block=N_GENES, errors=own, n_threads=2).errors
        return {
            "crossfit": ((errors.offset_p < 0.05)[enough], np.zeros(0)),
            "instruments of the fit itself": ((plain.offset_p < 0.05)[enough], np.zeros(0)),
        }
    if name == "noise that modules share in s":
        modules = np.arange(N_GENES) // 20
        factor = np.exp(generator.normal(0, 0.4, (adata.n_obs, modules.max() + 1)))
        factor /= factor.mean(axis=0)
        redraw(adata, "spliced", level * factor[:, modules], seed)
        found = {}
        for what, clusters in (("genes cut at random", None), ("modules kept together", modules)):
            data = prepared(adata.copy(), seed, 30, clusters)
            errors, _ = crossfit(data)
            found[what] = score(errors, gamma, errors.molecules >= FEWEST_MOLECULES)
        return found
    if name == "six batches whose u / s differs (sd 0.2)":
        batch = generator.integers(0, 6, adata.n_obs)
        factor = np.exp(generator.normal(0, 0.2, (6, N_GENES)))
        redraw(adata, "unspliced", gamma * level * factor[batch], seed)
        data = prepared(adata, seed, 30)
        found = {}
        for what, batches in (("over cells", None), ("over batches, CR3", batch.astype(np.intp))):
            errors, _ = crossfit(data, batches=batches)
            found[what] = score(errors, gamma, errors.molecules >= FEWEST_MOLECULES)
        return found
    # one branch turns off splicing of genes outside: its unspliced libraries are 1.5 times larger
    deep = np.where(adata.obs["branch"] == "branch 1", 1.5, 1.0)
    redraw(adata, "unspliced", gamma * level * deep[:, None], seed)
    adata.layers["unspliced"][:, 1::2] = simulated(seed).layers["unspliced"][:, 1::2]
    found = {}
    for method in ("common", "per_layer"):
        data = prepared(adata.copy(), seed, 30)
        sv.pp.size_factors(data.adata, method=method)
        errors, _ = crossfit(data)
        even = np.arange(N_GENES) % 2 == 1
        found[method] = score(errors, gamma, even & (errors.molecules >= FEWEST_MOLECULES))
    return found


FAILURES = (
    "cells that have not arrived",
    "an offset",
    "no offset: size of its test",
    "noise that modules share in s",
    "six batches whose u / s differs (sd 0.2)",
    "half of the genes have 1.5 times the unspliced counts in one branch: the other half",
)


def failures(options) -> None:
    for name in options.which:
        per_seed = [failure(name, seed) for seed in range(options.seeds)]
        print(name)
        for what in per_seed[0]:
            rate, three = summary([found[what][0] for found in per_seed])
            errors = np.concatenate([found[what][1] for found in per_seed])
            bias = f"  median bias {np.median(errors):+.3f}" if len(errors) else ""
            kind = "rejects" if "test" in what or "test" in name else "covers"
            print(f"    {what:<44} {kind} {rate:.3f} ± {three:.3f}{bias}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("coverage")
    one.add_argument("--seeds", type=int, default=20)
    one.add_argument("--cells", type=int, nargs="+", default=[2000, 8000])
    one.add_argument("--neighbors", type=int, nargs="+", default=[15, 30, 60])
    one.add_argument("--depths", type=float, nargs="+", default=[0.3, 1.0])
    one.add_argument("--dispersions", type=float, nargs="+", default=[0.0, 0.5])
    one.add_argument(
        "--methods",
        nargs="+",
        default=METHODS,
        choices=METHODS,
        help="what is measured beside crossfit; the naive error comes with the sandwich",
    )
    one.add_argument("--out", type=Path)
    one.set_defaults(run=coverage)
    two = commands.add_parser("groups")
    two.add_argument("--seeds", type=int, default=20)
    two.set_defaults(run=groups)
    three = commands.add_parser("directions")
    three.add_argument("--seeds", type=int, default=20)
    three.add_argument("--basis", default="plane", choices=("plane", "umap"))
    three.add_argument("--motions", nargs="+", default=["still", "moving"])
    three.set_defaults(run=directions)
    four = commands.add_parser("failures")
    four.add_argument("--seeds", type=int, default=10)
    four.add_argument("--which", nargs="+", default=FAILURES)
    four.set_defaults(run=failures)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
