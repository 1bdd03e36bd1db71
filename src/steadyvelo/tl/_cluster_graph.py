"""A directed graph of clusters: flows along velocities, tested against sign-flipped controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import writable
from steadyvelo._adata._draws import Names
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._fit_params import note_made
from steadyvelo._adata._groups import check_clusters, cluster_codes
from steadyvelo._arguments import public
from steadyvelo._log import done
from steadyvelo.engine import cluster_connectivities, cluster_flows, spanning_tree

from ._flow_table import flow_table
from ._flow_test import cross_fitted_flows
from ._limits import Limits
from ._missing_folds import UNKNOWN_REPRESENTATION, missing_for_folds
from ._randomized_velocity import control_graphs
from ._stored_graph import StoredGraph

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine._progress import ShowProgress

__all__ = ["cluster_graph"]

# share of the time that controls take, if a test by folds follows
_CONTROLS = 0.6


@public
def cluster_graph(
    adata: AnnData,
    groupby: str,
    *,
    velocity_key: str = "velocity",
    n_controls: int = 20,
    level: float = 0.95,
    scale: float = 10.0,
    graph_in_uns: bool = False,
    rng: int | np.random.Generator | None = 0,
    max_memory: float | str | None = None,
    n_threads: int | None = None,
    progress: ShowProgress | None = None,
) -> None:
    r"""Compute how many steps along velocities lead from one cluster to another, and test it.

    The flow from cluster a to cluster b is :math:`F_{ab} = \sum_{i \in a} \sum_{j \in b} T_{ij}`,
    with :math:`T_{ij} \propto e^{\lambda c_{ij}}` and rows that sum to 1, without self-transitions.
    With :math:`E_{ab}`, the same if all edges of a cell are equally probable, the ratio
    :math:`F_{ab} / E_{ab}` is above 1 if velocities prefer this way.

    The net flow is the part that changes its sign if the signs of all velocities change, with the
    flow :math:`F^-` for :math:`T_{ij} \propto e^{-\lambda c_{ij}}`,

    .. math:: N_{ab} = \frac{(F_{ab} - F^-_{ab}) - (F_{ba} - F^-_{ba})}{2 (E_{ab} + E_{ba})}

    So numbers of cells and edges on the two sides of a border cause no net flow. The standard error
    of ratio and net flow is that in sign-flipped controls, as in
    :func:`steadyvelo.tl.randomized_velocity`: the deviations of each raw cell from the fitted lines
    get one random sign for all genes.

    If the fit has cross-fitted errors, the net flow is tested with folds of genes and cells, as
    directions in :func:`steadyvelo.tl.direction`: on an embedding with one dimension for each
    cluster, the linear arrow of a cell has a component for every cluster, and the net flow of a
    pair is the difference of two sums over their cells. t is this difference divided by its
    standard error, with the errors of γ. No count influences both a velocity and the differences in
    expression that it is compared with. Of more than 4,500 cells, some 3,000 are tested, drawn by
    name. Without cross-fitted errors, t is the net flow divided by its error in the controls. Then
    neighbours, differences and velocities share counts, and cells that do not change can have
    significant flows: ``docs/uncertainty.md`` measures how often.

    P-values are two-sided and adjusted over pairs of clusters (Holm). A net flow is significant if
    the adjusted p-value is below 1 − `level`, t has its sign, and cells of the source prefer steps
    to the target, :math:`F_{ab} > F^-_{ab}`. Cells of two diverging branches avoid each other; a
    difference between two such preferences is no flow. The test treats cells as independent. A flow
    needs no embedding.

    The test assumes a steady state, and cells at rest whose ratios differ between clusters can
    have significant flows. The retest of :func:`steadyvelo.tl.reliability` does not assume it: in
    the cells with neighbours in the other cluster, unspliced mRNA is explained by any line and,
    for every pair of clusters, a part along the difference in expression between neighbours in
    the target and other neighbours. The verdict on a flow is

    ``"supported"``
        if it is significant, and the retest confirms it (t ≥ 3 or z ≥ 2.5);
    ``"weak"``
        if it is significant, but the retest does not confirm it;
    ``"contradicted"``
        if it is significant, but the retest finds the opposite direction (z ≤ −2);
    ``"not supported"``
        if it is not significant.

    The retest needs cross-fitted errors; without them, no flow is supported. Unlike verdicts on
    clusters, those on flows do not depend on other size factors or other settings.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity_graph`, with counts.
    groupby
        Column of ``obs`` with clusters.
    velocity_key
        Prefix of the fit.
    n_controls
        Number of sign-flipped controls, at least 1; each takes as long as the velocity graph.
    level
        A net flow is significant if its adjusted p-value is below 1 − `level`.
    scale
        λ of the transition probabilities.
    graph_in_uns
        Also store the velocity graph as ``uns["velocity_graph"]``, where
        ``scanpy.tl.paga(use_rna_velocity=True)`` and scVelo read it. In memory nothing is copied,
        but a file has the graph twice, and entries of ``uns`` are not subset with the cells.
    rng
        Seed of the random signs: a whole number, a `numpy.random.Generator` that draws one, or None
        to let the system draw one. The seed is recorded. The signs of a cell depend on its name.
    max_memory
        Memory for gene blocks, in bytes or as ``"8GB"``; None means ``settings.max_memory``, or a
        quarter of the available memory, at most the larger of 1.5 GB and 2,400 bytes for each cell.
    n_threads
        Number of threads; None means ``settings.n_threads``, or all processors.
    progress
        True shows a bar, None follows ``settings.progress``; a function is called with the share of
        the work that is done, in (0, 1].

    Returns
    -------
    None. Sets, for ``velocity_key="velocity"``:

    ``uns["velocity_cluster_graph"]``
        A table with one row for each ordered pair of clusters between which there are edges, and
        the columns

        - ``source``, ``target``: the clusters;
        - ``cells``: number of cells of the source with edges;
        - ``flow``, ``expected``: mean probability of a step from a cell of the source to the
          target, and the same if all edges of a cell are equally probable;
        - ``ratio``: flow / expected, and ``control_ratio``, ``ratio_se``: its mean and standard
          deviation in the controls;
        - ``preference``: :math:`(F_{ab} - F^-_{ab}) / 2 E_{ab}`, positive if cells of the source
          prefer steps to the target;
        - ``net``, ``net_se``: net flow from source to target, which is negative if more steps lead
          back, and its standard error;
        - ``t``: statistic of the test, positive if it agrees with a flow from source to target;
        - ``p``, ``p_holm``: p-value of the hypothesis that the net flow is zero, and the same
          adjusted over pairs;
        - ``retest_t``, ``retest_z``: statistics of the retest without a steady state, positive if
          it agrees with a flow from source to target; NaN without cross-fitted errors. t is a t
          statistic over genes in which every gene has the same weight, and z has genes weighted
          by their precision, with its jackknife error over genes. Neither has an exact level. Of
          more than 500 pairs, the 500 with the most edges are retested;
        - ``connectivity``: PAGA's connectivity of the two clusters, whatever the velocities;
        - ``significant``: whether the net flow is significant and leads from source to target;
        - ``verdict``, ``reason``: the verdict on a flow from source to target, and a sentence that
          gives the reason.
    ``obs["velocity_flow_cluster"]``
        Place of each cell's cluster, by which later changes of clusters are found.
    ``uns["paga"]``, ``uns["{groupby}_sizes"]``
        What ``scanpy.pl.paga`` draws: ``connectivities``, ``connectivities_tree``, ``groups``,
        and ``transitions_confidence`` with the net flows that are supported, from the cluster of
        the column to that of the row, as in scanpy. A result of ``scanpy.tl.paga`` is replaced.
    ``uns["velocity_params"]["cluster_graph"]``
        Parameters.

    Raises
    ------
    KeyError
        If the column or the velocity graph is missing.
    ValueError
        If the column has one cluster or more than 100, `n_controls` is 0, the counts of the fit are
        missing, or cells, counts or neighbours have changed since the fit.

    References
    ----------
    Wolf et al. (2019), https://doi.org/10.1186/s13059-019-1663-x, for connectivities.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=400, n_genes=80, depth=2, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.cluster_graph(adata, "clusters", n_controls=10)
    >>> table = sv.get.cluster_graph(adata).set_index(["source", "target"])
    >>> bool(table.loc[("root", "fork"), "net"] > 0)
    True
    """
    if n_controls == 0:
        msg = "n_controls is 0, but a test needs controls; use n_controls=20."
        raise ValueError(msg)
    check_clusters(adata, groupby)
    names, codes = cluster_codes(adata, groupby)
    if len(names) < 2:
        msg = (
            f"obs[{groupby!r}] has one cluster only, {names[0]!r}, but a flow needs two; give "
            "another column as groupby=."
        )
        raise ValueError(msg)
    fit = Fit.read(adata, velocity_key, then=("tl.velocity_graph",))
    graph = StoredGraph.read(fit)
    signs = Names(fit.inputs.cell_hashes, rng).signs("sign-flipped control", n_controls)
    with Limits.of_call("cluster graph", max_memory, n_threads, progress) as limits:
        how: dict[str, Any] = {"scale": scale, "n_threads": limits.n_threads}
        not_retested = missing_for_folds(fit)
        by_folds = not not_retested
        graphs = control_graphs(fit, signs, limits.part(0.0, _CONTROLS if by_folds else 1.0))
        # a graph is freed before the next one is computed
        controls = [
            cluster_flows(*next(graphs).graphs, codes, len(names), **how) for _ in range(n_controls)
        ]
        flows = cluster_flows(*graph.graphs, codes, len(names), **how)
        rest = limits.part(_CONTROLS, 1.0)
        tested = cross_fitted_flows(fit, codes, len(names), rest) if by_folds else None
    if by_folds and tested is None:
        not_retested = UNKNOWN_REPRESENTATION
    neighbors = fit.inputs.distances(fit.graph.neighbors_key)
    connected = cluster_connectivities(neighbors.indptr, neighbors.indices, codes, len(names))
    table = flow_table(flows, controls, tested, names, connected, level, not_retested)
    _write_paga(adata, groupby, names, connected, table[table["verdict"] == "supported"])
    _keys.CLUSTER_GRAPH.write(adata, table, velocity_key)
    _keys.FLOW_CLUSTERS.write(adata, codes.astype(np.int32), velocity_key)
    if graph_in_uns:
        _keys.GRAPH_IN_UNS.write(adata, graph.positive, velocity_key)
    made = {"groupby": groupby, "n_controls": n_controls, "level": level, "scale": scale}
    made |= {"rng": rng, "clusters": names, "test": "controls" if tested is None else "folds"}
    note_made(adata, velocity_key, "cluster_graph", made)
    counts = table.loc[table["net"] > 0, "verdict"].value_counts()
    found = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    caution = f"; none can be supported, because {not_retested}" if not_retested else ""
    done(f"net flows between {len(table) // 2} pairs of clusters: {found}{caution}")


def _write_paga(
    adata: AnnData,
    groupby: str,
    names: list[str],
    connected: NDArray[np.float64],
    supported: pd.DataFrame,
) -> None:
    """Write the entries that scanpy reads, with a row for every category of the column."""
    column = adata.obs[groupby].astype("category").cat
    categories = [str(name) for name in column.categories]
    place = np.array([categories.index(name) for name in names])
    shape = (len(categories), len(categories))
    of_all, steps = np.zeros(shape), np.zeros(shape)
    of_all[np.ix_(place, place)] = connected
    source, target = (place[supported[name].cat.codes.to_numpy()] for name in ("source", "target"))
    steps[target, source] = supported["net"]
    _keys.PAGA.write(
        adata,
        {
            "connectivities": sp.csr_matrix(of_all),
            "connectivities_tree": spanning_tree(of_all),
            "transitions_confidence": sp.csr_matrix(steps),
            "groups": groupby,
        },
    )
    writable(adata)
    sizes = np.bincount(column.codes[column.codes >= 0], minlength=len(categories))
    adata.uns[_keys.sizes_key(groupby)] = sizes
