"""Cells of known history, from kinetics that are integrated step by step.

    u' = α(t) − β(t) u,   s' = β(t) u − γ(t) s

along a trunk and two branches, with rates of every gene that may depend on time and branch. The
simulator of the package has closed forms and constant rates; nothing of it is used here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# a path has this length in units of 1/β, half of it before the branches part
LENGTH = 16.0
_STEP = 0.02
_FORK = 0.5


@dataclass(frozen=True)
class Rates:
    """How rates of genes change along the path.

    `boosted` is the share of genes whose transcription increases several times late on a path;
    `gamma_changes` and `beta_changes` are standard deviations of the change of log γ and log β from
    the start to the end; `switches` are the kinds of genes; `growth` is the factor by which the
    transcription of all genes increases, from `grows_from` on, a share of the path.
    """

    boosted: float = 0.0
    gamma_changes: float = 0.0
    beta_changes: float = 0.0
    switches: tuple[str, ...] = ("on", "off", "transient")
    growth: float = 1.0
    grows_from: float = 0.0


@dataclass(frozen=True, eq=False)
class Histories:
    """Abundances of all genes at all times of both branches, (branches, times, genes).

    `ratio` is γ/β at all times, (times, genes), and `boosted` tells which genes are boosted.
    """

    unspliced: np.ndarray
    spliced: np.ndarray
    times: np.ndarray
    ratio: np.ndarray = field(repr=False)
    boosted: np.ndarray = field(repr=False)


def histories(rng: np.random.Generator, n_genes: int, rates: Rates) -> Histories:
    """Integrate the kinetics of genes with random rates."""
    times = np.arange(0, LENGTH, _STEP)
    share = times / LENGTH
    alpha = _transcription(rng, n_genes, share, rates)
    boosted = rng.random(n_genes) < rates.boosted
    begin, by = rng.uniform(0.55, 0.85, n_genes), rng.uniform(3, 8, n_genes)
    late = (share[:, None] > begin) & boosted
    where = rng.integers(0, 3, n_genes)
    for branch in (0, 1):
        alpha[branch] *= np.where(late & (where != 1 - branch), by, 1.0)
    grown = np.clip((share - rates.grows_from) / (1 - rates.grows_from), 0, 1)
    alpha *= rates.growth ** grown[:, None]
    gamma, beta = (
        base * np.exp(rng.normal(0, sd, n_genes) * share[:, None])
        for base, sd in (
            (rng.lognormal(np.log(0.4), 0.4, n_genes), rates.gamma_changes),
            (np.ones(n_genes), rates.beta_changes),
        )
    )
    unspliced, spliced = np.empty((2, *alpha.shape))
    for branch in (0, 1):
        # at the start, genes are at steady state
        u = alpha[branch, 0] / beta[0]
        s = beta[0] * u / gamma[0]
        for step in range(len(times)):
            unspliced[branch, step], spliced[branch, step] = u, s
            made = _STEP * beta[step] * u
            u = u + _STEP * alpha[branch, step] - made
            s = s + made - _STEP * gamma[step] * s
    ratio = np.broadcast_to(gamma / beta, alpha.shape[1:])
    return Histories(unspliced, spliced, times, ratio, boosted)


def _transcription(
    rng: np.random.Generator, n_genes: int, share: np.ndarray, rates: Rates
) -> np.ndarray:
    """Return α of both branches at all times: smooth switches at random times."""
    high = rng.lognormal(0, 1, n_genes)
    low = high * rng.uniform(0.02, 0.3, n_genes)
    kind = rng.choice(rates.switches, n_genes)
    at, width = rng.uniform(0.05, 0.9, n_genes), rng.uniform(0.01, 0.05, n_genes)
    until = at + rng.uniform(0.15, 0.4, n_genes)
    rises = 1 / (1 + np.exp(-(share[:, None] - at) / width))
    falls = 1 / (1 + np.exp(-(share[:, None] - until) / width))
    level = np.where(kind == "on", rises, np.where(kind == "off", 1 - rises, rises - falls))
    # after the fork, a third of the genes change on one branch only
    only = rng.integers(0, 3, n_genes)
    fork = np.searchsorted(share, _FORK)
    out = np.stack([level, level])
    for branch in (0, 1):
        kept = only == branch + 1
        out[branch][fork:, kept] = level[fork, kept]
    return low + (high - low) * out
