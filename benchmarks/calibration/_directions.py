"""How often directions are called determined, and whether intervals of angles hold the truth."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import scanpy as sc
from _data import Draws, fit, prepare, simulated
from _summary import Share

import steadyvelo as sv
from steadyvelo._adata._fit import Fit
from steadyvelo.engine import Lines, find_directions
from steadyvelo.tl._folds import Graphs
from steadyvelo.tl._uncertainty import Errors

MOTIONS = ("still", "moving")
BASES = ("plane", "umap")


def true_arrows(adata, basis: str) -> np.ndarray:
    """Arrows from noiseless counts and true ratios, with the neighbours and folds of the data."""
    made = Fit.read(adata, "velocity")
    genes, ones = made.graph_genes, np.ones(adata.n_obs)
    layers = {name: adata.layers[f"true_{name}"] for name in ("spliced", "unspliced")}
    source = replace(made.counts(genes), **layers, spliced_scale=ones, unspliced_scale=ones)
    return find_directions(
        source,
        Errors.of_fit(made, graphs=Graphs(ratios=True, directions=True)).of(source),
        made.rule(genes),
        Lines(adata.var["true_gamma"].to_numpy()[genes], np.zeros(len(genes))),
        np.asarray(adata.obsm[f"X_{basis}"], dtype=np.float64),
        np.full(adata.n_obs, -1),
        signs=np.zeros((0, adata.n_obs), dtype=np.int8),
        genes_per_block=len(genes),
        n_threads=2,
    ).arrows


def one_data_set(number: int, basis: str, motion: str, **options) -> dict[str, np.ndarray]:
    """Return what is called determined, p-values of clusters, and where cells move what is true."""
    draws = Draws(number)
    adata = prepare(simulated(draws, n_genes=300, still=motion == "still", **options))
    if basis == "umap":
        sc.tl.umap(adata, random_state=draws.seed())
    else:
        adata.obsm["X_plane"] = adata.obsm["X_pca"][:, :2]
    fit(adata, uncertainty="crossfit", rng=draws.seed())
    sv.tl.velocity_graph(adata)
    sv.tl.velocity_embedding(adata, basis=basis)
    sv.tl.direction(adata, basis=basis, groupby="clusters", n_controls=20, rng=draws.seed())
    table = adata.uns[f"velocity_direction_{basis}"]
    determined, agreement, low, high = (
        adata.obs[f"velocity_{basis}_{name}"].to_numpy()
        for name in ("determined", "agreement", "angle_low", "angle_high")
    )
    found = {
        "determined": determined,
        "clusters": table["p"].to_numpy() < 0.05,
        "controls": table["control_any_significant"].to_numpy()[:1],
    }
    if motion == "moving":
        truth = true_arrows(adata, basis)
        angle = np.arctan2(truth[:, 1], truth[:, 0])
        against = (truth * adata.obsm[f"velocity_direction_{basis}"]).sum(axis=1) < 0
        found |= {
            "covered": (angle - low) % (2 * np.pi) <= high - low,
            "reversed": against[determined],
            "agreement": agreement,
            "agreement where determined": agreement[determined],
        }
    return found


def run(options) -> bool:
    """Print a line for every condition; return whether all promises are kept."""
    kept = True
    for motion, depth, dispersion in itertools.product(
        options.motions, options.depths, options.dispersions
    ):
        per_data_set = [
            one_data_set(number, options.basis, motion, depth=depth, dispersion=dispersion)
            for number in range(options.seeds)
        ]
        found = {name: [one[name] for one in per_data_set] for name in per_data_set[0]}
        pooled = {name: np.concatenate(values) for name, values in found.items()}
        determined, clusters = Share.of(found["determined"]), pooled["clusters"]
        text = (
            f"{motion:<6}  depth {depth:3.1f}  φ {dispersion:3.1f}  determined {determined}  "
            f"clusters below 0.05: {clusters.sum()} of {len(clusters)}  "
            f"controls with one: {pooled['controls'].mean():.3f}"
        )
        if motion == "still":
            kept &= determined.may_be(most=0.05)
        else:
            covered = Share.of(found["covered"])
            kept &= covered.may_be(least=0.95)
            quartiles = np.nanquantile(pooled["agreement"], [0.25, 0.5, 0.75]).round(3)
            text += (
                f"  angle covered {covered}  "
                f"reversed among determined {pooled['reversed'].mean():.4f}  "
                f"cosine to the drawn arrow: quartiles {quartiles}, "
                f"median where determined {np.nanmedian(pooled['agreement where determined']):.3f}"
            )
        print(text, flush=True)
    return kept
