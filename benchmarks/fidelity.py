"""What does the fidelity of a picture say?

    python benchmarks/fidelity.py [--seeds 5] [--first 0]

On simulated trees of cells, every number is computed here from the stored velocity graph with plain
numpy, and compared with `obs["velocity_..._fidelity"]`. Two tables:

1. By chance. The weights of the edges of each cell are permuted. With the arrow of the data, z has
   the mean 0 and the variance 1, and is above 1.645 in 5 % of the cells; with an arrow that is
   computed again from the permuted weights, it is larger: at most as for the best direction, whose
   z² has the mean 2 and a χ² distribution with two degrees of freedom.
2. By picture. The first two principal components; the same with noise; folded, so that one half of
   the tree lies on the other, which no edge of a cell can show; and with the coordinates of the
   cells mixed. Beside the mean fidelity
   is the share of the cells with z above 2.45 (5 % of mixed cells), and the mean cosine between the
   arrow and the true direction on that picture.

All random draws of a data set are children of the SeedSequence of its number.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

import steadyvelo as sv

SCALE, ABOVE = 10.0, np.sqrt(-2 * np.log(0.05))


def data_set(number: int):
    """Return one tree with its velocity graph, and a generator for all else."""
    counts, other = np.random.SeedSequence(number).spawn(2)
    adata = sv.datasets.simulate(
        n_cells=1000, n_genes=300, depth=2, rng=np.random.default_rng(counts)
    )
    with sv.settings.override(verbosity=0):
        sv.pp.size_factors(adata)
        sv.pp.neighbors(adata, n_neighbors=30, n_pcs=15)
        sv.tl.velocity(adata, dense=False)
        sv.tl.velocity_graph(adata)
    return adata, np.random.default_rng(other)


def edges(adata) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the ends and the weights of the edges of every cell."""
    graph = (adata.obsp["velocity_graph"] + adata.obsp["velocity_graph_neg"]).tocsr()
    ends = np.split(graph.indices, graph.indptr[1:-1])
    weights = np.split(graph.data.astype(float), graph.indptr[1:-1])
    return list(zip(ends, weights, strict=True))


def arrow(weights: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return the mean step under signed transition probabilities, above that of equal ones."""
    size = np.sign(weights) * np.expm1(SCALE * abs(weights))
    share = size / abs(size).sum()
    return share @ units - share.mean() * units.sum(axis=0)


def score(weights: np.ndarray, units: np.ndarray, own: np.ndarray) -> float:
    """Return z of a cell: the correlation of weights and cosines, times √(n − 1)."""
    cosine = units @ own / np.linalg.norm(own)
    return float(np.corrcoef(weights, cosine)[0, 1] * np.sqrt(len(weights) - 1))


def units_of(points: np.ndarray, i: int, ends: np.ndarray) -> np.ndarray:
    step = points[ends] - points[i]
    return step / np.linalg.norm(step, axis=1, keepdims=True)


def by_chance(adata, points: np.ndarray, drawn: np.ndarray, rng) -> dict[str, np.ndarray]:
    """Return z of all cells with permuted weights: with the arrow of the data, and with its own."""
    found = {"arrow of the data": [], "arrow computed again": []}
    for i, (ends, weights) in enumerate(edges(adata)):
        units, mixed = units_of(points, i, ends), rng.permutation(weights)
        found["arrow of the data"].append(score(mixed, units, drawn[i]))
        found["arrow computed again"].append(score(mixed, units, arrow(mixed, units)))
    return {name: np.array(values) for name, values in found.items()}


def pictures(points: np.ndarray, rng) -> dict[str, np.ndarray]:
    """Return embeddings that show the cells less and less well."""
    spread = points.std(axis=0)
    folded = points.copy()
    folded[:, 0] = abs(folded[:, 0] - np.median(folded[:, 0]))
    made = {"components": points}
    for noise in (0.25, 0.5, 1.0, 2.0):
        made[f"noise {noise:g} sd"] = points + noise * spread * rng.normal(size=points.shape)
    return made | {"folded": folded, "mixed": points[rng.permutation(len(points))]}


def truth(adata, points: np.ndarray) -> np.ndarray:
    """Return the direction to later cells of the same or a following branch, per cell."""
    time = adata.obs["true_time"].to_numpy()
    branch = adata.obs["branch"].astype(str).to_numpy()
    ahead = np.full(points.shape, np.nan)
    for i in range(len(points)):
        later = (time > time[i]) & (time < time[i] + 2)
        # a cell of the trunk goes on to any branch
        later &= (branch == branch[i]) | (branch[i] == "trunk")
        if later.sum() > 3:
            ahead[i] = points[later].mean(axis=0) - points[i]
    return ahead


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x * y).sum(axis=1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="number of the first data set")
    options = parser.parse_args()
    chance, shown, worst = [], [], 0.0
    for number in range(options.first, options.first + options.seeds):
        adata, rng = data_set(number)
        components = adata.obsm["X_pca"][:, :2].astype(float)
        for name, points in pictures(components, rng).items():
            adata.obsm["X_picture"] = points
            # self-transitions change the scale of an arrow, not its direction
            sv.tl.velocity_embedding(adata, basis="picture", self_transitions=False)
            drawn = adata.obsm["velocity_picture"]
            values, z = (adata.obs[f"velocity_picture_{k}"] for k in ("fidelity", "fidelity_z"))
            own = [
                score(weights, units_of(points, i, ends), arrow(weights, units_of(points, i, ends)))
                for i, (ends, weights) in enumerate(edges(adata))
            ]
            worst = max(worst, float(abs(z - own).max()))
            ahead = truth(adata, points)
            goes = cosines(drawn, ahead)[np.isfinite(ahead).all(axis=1)]
            row = {"fidelity": values.mean(), "above chance": (z > ABOVE).mean()}
            shown.append({"picture": name, **row, "cosine to the truth": np.nanmean(goes)})
            if name == "components":
                for how, by in by_chance(adata, points, drawn, rng).items():
                    moments = {"mean z": by.mean(), "mean z²": (by**2).mean()}
                    tails = {"z > 1.645": (by > 1.645).mean(), "z > 2.45": (by > ABOVE).mean()}
                    chance.append({"weights permuted": how, **moments, **tails})
    for column, rows in (("weights permuted", chance), ("picture", shown)):
        print(pd.DataFrame(rows).groupby(column, sort=False).mean().round(3).to_string(), "\n")
    print(f"largest difference of z from plain numpy: {worst:.1e}")


if __name__ == "__main__":
    main()
