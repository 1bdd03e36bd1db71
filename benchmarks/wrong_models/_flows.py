"""Do net flows between clusters lead the right way, and how often are there any by chance?"""

from __future__ import annotations

import warnings
import zlib
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from _cells import cells_of
from _conditions import CONDITIONS

import steadyvelo as sv

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd

# the data of this condition, with one random sign for the deviations of each cell
FLIPPED, _OF = "flipped", "true"
# clusters in the order of time, along each branch
_ORDER = ("root", "early", "fork", "middle", "tip")


def flows(
    name: str, number: int, *, n_cells: int, n_genes: int, n_controls: int, by_folds: bool
) -> pd.DataFrame:
    """Return a row for each pair of clusters of a data set, in the direction of its net flow.

    It is tested `by_folds` of genes and cells, or against sign-flipped controls.
    """
    sequence = np.random.SeedSequence([number, zlib.crc32(name.encode())])
    simulation, analysis, signs = sequence.spawn(3)
    condition = CONDITIONS[_OF if name == FLIPPED else name]
    adata = cells_of(condition, simulation, n_cells, n_genes)
    seed = int(analysis.generate_state(1)[0])
    moves = len(adata.uns["truth"]) > 0 and name != FLIPPED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sv.SteadyveloWarning)
        sv.pp.size_factors(adata)
        sv.pp.filter_genes(adata, min_shared_counts=20, subset=True)
        sv.pp.neighbors(adata, rng=seed)
        sv.tl.velocity(adata, uncertainty="crossfit" if by_folds else None, rng=seed)
        sv.tl.velocity_graph(adata)
        if name == FLIPPED:
            flip(adata, np.random.default_rng(signs).choice([-1.0, 1.0], adata.n_obs))
        sv.tl.cluster_graph(adata, "clusters", n_controls=n_controls, rng=seed)
    table = sv.get.cluster_graph(adata)
    table = table[table["net"] > 0].assign(number=number)
    if not moves:
        return table.assign(ahead=0)
    pairs = zip(table["source"], table["target"], strict=True)
    return table.assign(ahead=[_ahead(*pair) for pair in pairs])


def _ahead(source: str, target: str) -> int:
    """Return 1 for a cluster before another one on a path, −1 behind it, 0 on different paths."""
    (one, *branch), (other, *other_branch) = source.split(), target.split()
    if branch and other_branch and branch != other_branch:
        return 0
    return int(np.sign(_ORDER.index(other) - _ORDER.index(one)))


def flip(adata: ad.AnnData, signs: np.ndarray) -> None:
    """Replace the velocity graph by that of sign-flipped deviations; code of its own, dense."""
    genes = adata.var["velocity_genes"].to_numpy()
    s, u = (
        adata.layers[name].toarray()[:, genes]
        / adata.obs[f"size_factor_{name}"].to_numpy()[:, None]
        for name in ("spliced", "unspliced")
    )
    near = (adata.obsp["connectivities"].toarray() > 0) | np.eye(adata.n_obs, dtype=bool)
    means = near / near.sum(axis=1, keepdims=True)
    deviation = signs[:, None] * (u - adata.var["velocity_gamma"].to_numpy()[genes] * s)
    x, v = means @ s, means @ deviation
    v = v - v.mean(axis=1, keepdims=True)
    edges = (adata.obsp["velocity_graph"] + adata.obsp["velocity_graph_neg"]).tocsr()
    values = np.empty(edges.nnz)
    for cell in range(adata.n_obs):
        row = slice(edges.indptr[cell], edges.indptr[cell + 1])
        change = x[edges.indices[row]] - x[cell]
        change = change - change.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(change, axis=1) * np.linalg.norm(v[cell])
        values[row] = change @ v[cell] / lengths
    graph = sp.csr_matrix((values.astype(np.float32), edges.indices, edges.indptr), edges.shape)
    for key, part in (
        ("velocity_graph", graph.maximum(0)),
        ("velocity_graph_neg", graph.minimum(0)),
    ):
        adata.obsp[key] = sp.csr_matrix(part)


def counted_flows(name: str, rows: pd.DataFrame) -> str:
    """Return a line of the table of a condition.

    Pairs without a true direction: p < 0.05, significant, supported, contradicted, z of the retest
    beyond ±2, and data sets in which one is supported. Then those with one: significant, supported
    and contradicted, first of flows ahead and then of flows back.
    """
    others, ahead, back = (rows[rows["ahead"] == way] for way in (0, 1, -1))
    wrong = others.loc[others["verdict"] == "supported", "number"].nunique()
    of_others = [
        f"{(others['p'] < 0.05).sum()} of {len(others)}",
        *_verdicts(others),
        (others["retest_z"].abs() > 2).sum(),
        f"{wrong} of {rows['number'].nunique()}",
    ]
    n_edges = len(ahead) + len(back)
    found, *judged = _verdicts(ahead)
    of_edges = [f"{found} of {n_edges}", *judged, *_verdicts(back)] if n_edges else [""] * 6
    return f"| {name} | {' | '.join(map(str, [*of_others, *of_edges]))} |"


def _verdicts(rows: pd.DataFrame) -> list[int]:
    """Return how many flows are significant, supported and contradicted."""
    found = [rows["verdict"] == name for name in ("supported", "contradicted")]
    return [int(which.sum()) for which in (rows["significant"], *found)]
