"""Counts of cells of known history, or of populations that do not change at all."""

from __future__ import annotations

from dataclasses import dataclass, field

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from _kinetics import LENGTH, Rates, histories

_MODULE = 20


@dataclass(frozen=True)
class Noise:
    """How abundances become counts.

    Means have `molecules` per cell, times a library size. Genes of a module share noise with
    standard deviation `modules` of the logarithm; bursts are gamma variables of every cell and
    gene, shared by u and s. `batches` is the standard deviation over genes of log u/s between two
    batches, and `ambient` the share of molecules that do not belong to the cell. `capture` is the
    standard deviation over cells of the logarithm of the unspliced counts that are captured for
    every spliced one; over the path, this changes by the factor `capture_drift`, or between static
    populations at random.
    """

    molecules: float = 2_500
    modules: float = 0.2
    bursts: float = 0.3
    batches: float = 0.0
    ambient: float = 0.0
    capture: float = 0.0
    capture_drift: float = 1.0


@dataclass(frozen=True)
class Condition:
    """What cells do: they move with some rates, or are `static` populations of a kind.

    Of the kind "path", cells lie along the same paths as moving cells, at steady state.
    """

    rates: Rates = field(default_factory=Rates)
    noise: Noise = field(default_factory=Noise)
    static: str = ""
    # share of the genes whose ratio differs between static populations
    differing: float = 0.0


def cells_of(
    condition: Condition, sequence: np.random.SeedSequence, n_cells: int = 1_500, n_genes: int = 400
) -> ad.AnnData:
    """Return counts with clusters, an embedding and the truth.

    ``uns["truth"]`` has the direction of every cluster that moves, and ``uns["grows"]`` the rate at
    which the spliced mRNA of its cells grows, in units of β. ``var`` has what :func:`of_genes`
    returns, and which genes are ``boosted``.
    """
    of_rates, of_cells, of_noise = (np.random.default_rng(child) for child in sequence.spawn(3))
    if condition.static == "path":
        made = _standing(of_rates, of_cells, condition, n_cells, n_genes)
    elif condition.static:
        made = _static(of_rates, of_cells, condition, n_cells, n_genes)
    else:
        made = _moving(of_rates, of_cells, condition, n_cells, n_genes)
    unspliced, spliced, ratio, obs, place, genes, truth = made
    captured = _captured(of_noise, obs, condition)
    layers = _counts(of_noise, unspliced * captured[:, None], spliced, condition.noise)
    names = [f"cell {number}" for number in range(n_cells)]
    adata = ad.AnnData(
        layers["spliced"].copy(),
        obs=pd.DataFrame(obs, index=names).astype({"clusters": "category"}),
        var=pd.DataFrame(
            {"boosted": genes, **of_genes(unspliced, spliced, ratio)},
            index=[f"gene {number}" for number in range(n_genes)],
        ),
        layers=layers,
    )
    adata.obsm["X_map"] = place
    adata.uns |= truth
    return adata


def of_genes(unspliced, spliced, ratio) -> dict[str, np.ndarray]:
    """Return what is true of the upper extreme cells, with the 5 % largest s / max s + u / max u.

    ``upper_ratio`` is their u/s, and ``too_large`` is this divided by their γ/β: above 1 if they
    still gain spliced mRNA.
    """
    z = spliced / spliced.max(axis=0) + unspliced / unspliced.max(axis=0)
    s = np.where(z >= np.quantile(z, 0.95, axis=0), spliced, 0.0)
    upper = (s * unspliced).sum(axis=0) / (s * spliced).sum(axis=0)
    return {
        "upper_ratio": upper,
        "too_large": upper * (s * spliced).sum(axis=0) / (s * ratio * spliced).sum(axis=0),
    }


def _moving(rng, of_cells, condition, n_cells, n_genes):
    """Cells at random times of two branches, drawn as a fork."""
    made = histories(rng, n_genes, condition.rates)
    share = of_cells.uniform(0, 1, n_cells)
    branch = of_cells.integers(0, 2, n_cells)
    step = np.minimum((share * len(made.times)).astype(int), len(made.times) - 1)
    part = np.minimum((share * 5).astype(int), 4)
    name = np.array(["root", "early", "fork", "middle", "tip"])[part]
    clusters = [f"{n} {b + 1}" if p >= 3 else n for n, b, p in zip(name, branch, part, strict=True)]
    side = np.where(share > 0.5, (share - 0.5) * np.where(branch == 0, 1.2, -1.2), 0.0)
    place = np.stack([share, side], axis=1) + of_cells.normal(0, 0.02, (n_cells, 2))
    ahead = np.stack([np.ones(n_cells), np.gradient(side, share, axis=0) * 0], axis=1)
    ahead[:, 1] = np.where(share > 0.5, np.where(branch == 0, 1.2, -1.2), 0.0)
    clusters = np.array(clusters)
    names = np.unique(clusters)
    content = np.log(made.spliced.sum(axis=2))
    grows = np.gradient(content, made.times, axis=1)[branch, step]
    truth = {
        "truth": {k: ahead[clusters == k].mean(axis=0) for k in names},
        "grows": {k: grows[clusters == k].mean() for k in names},
    }
    abundances = made.unspliced[branch, step], made.spliced[branch, step], made.ratio[step]
    obs = {"clusters": clusters, "time": share * LENGTH, "branch": branch}
    return *abundances, obs, place, made.boosted, truth


def _standing(rng, of_cells, condition, n_cells, n_genes):
    """Cells with the spliced abundances of moving cells, and unspliced ones of a steady state."""
    _, spliced, _, obs, place, boosted, truth = _moving(rng, of_cells, condition, n_cells, n_genes)
    ratio = np.broadcast_to(rng.lognormal(np.log(0.4), 0.4, n_genes), spliced.shape)
    still = {"truth": {}, "grows": dict.fromkeys(truth["grows"], 0.0)}
    return ratio * spliced, spliced, ratio, obs, place, boosted, still


def _static(rng, of_cells, condition, n_cells, n_genes, n_types=6):
    """Types of cells on a circle; with doublets, or with gradients from one to the next."""
    angle = 2 * np.pi * np.arange(n_types) / n_types
    centre = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    base = rng.lognormal(0, 1, n_genes)
    spliced = base * np.exp(rng.normal(0, 0.7, (n_types, n_genes)) * (rng.random(n_genes) < 0.5))
    ratio = np.tile(rng.lognormal(np.log(0.4), 0.4, n_genes), (n_types, 1))
    differs = rng.random(n_genes) < condition.differing
    ratio *= np.exp(rng.normal(0, 0.5, (n_types, n_genes)) * differs)
    unspliced = ratio * spliced
    first = of_cells.integers(0, n_types, n_cells)
    second, mixed = (first + 1) % n_types, np.zeros(n_cells)
    if condition.static == "doublets":
        mixed = np.where(of_cells.random(n_cells) < 0.1, 0.5, 0.0)
        second = of_cells.integers(0, n_types, n_cells)
    elif condition.static == "gradients":
        mixed = of_cells.uniform(0, 0.5, n_cells)
    mixed = mixed[:, None]
    place = (1 - mixed) * centre[first] + mixed * centre[second]
    place = place + of_cells.normal(0, 0.15, (n_cells, 2))
    u, s = ((1 - mixed) * x[first] + mixed * x[second] for x in (unspliced, spliced))
    clusters = np.array([f"type {k}" for k in first])
    obs = {"clusters": clusters, "time": 0.0, "branch": 0}
    # populations at rest are at steady state, whatever their ratio
    truth = {"truth": {}, "grows": dict.fromkeys(np.unique(clusters), 0.0)}
    return u, s, u / s, obs, place, np.zeros(n_genes, dtype=bool), truth


def _captured(rng, obs, condition):
    """Unspliced molecules that are captured for every spliced one, by cell."""
    noise, n_cells = condition.noise, len(obs["clusters"])
    captured = np.ones(n_cells)
    if noise.capture > 0:
        captured = np.exp(rng.normal(0, noise.capture, n_cells))
    if noise.capture_drift != 1 and condition.static:
        names, types = np.unique(obs["clusters"], return_inverse=True)
        return captured * noise.capture_drift ** rng.uniform(-0.5, 0.5, len(names))[types]
    return captured * noise.capture_drift ** (np.asarray(obs["time"]) / LENGTH)


def _counts(rng, unspliced, spliced, noise):
    """Draw the counts."""
    n_cells, n_genes = spliced.shape
    u, s = unspliced.copy(), spliced.copy()
    module = rng.integers(0, max(n_genes // _MODULE, 1), n_genes)
    shared = rng.normal(0, noise.modules, (n_cells, module.max() + 1))[:, module]
    factor = np.exp(shared - noise.modules**2 / 2)
    if noise.bursts > 0:
        factor = factor * rng.gamma(1 / noise.bursts, noise.bursts, (n_cells, n_genes))
    u, s = u * factor, s * factor
    if noise.batches > 0:
        batch = rng.integers(0, 2, n_cells)
        u = u * np.exp(np.where(batch[:, None] == 1, rng.normal(0, noise.batches, n_genes), 0.0))
    total = (u + s).sum(axis=1).mean()
    size = rng.lognormal(0, 0.3, n_cells)[:, None] * noise.molecules / total
    out = {}
    for name, x in (("unspliced", u), ("spliced", s)):
        mean = (1 - noise.ambient) * x + noise.ambient * x.mean(axis=0)
        out[name] = sp.csr_matrix(rng.poisson(mean * size), dtype=np.float32)
    return out
