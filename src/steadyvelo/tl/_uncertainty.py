"""How errors of a fit's ratios are found: folds of genes and cells, and the graphs of these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo._adata._checks import check_key
from steadyvelo._adata._draws import Names, hash_names
from steadyvelo._adata._groups import sample_codes
from steadyvelo._adata._neighbor_graph import external, neighbor_params
from steadyvelo._adata._provenance import hash_values
from steadyvelo.engine import (
    BYTES_PER_VALUE,
    CrossFit,
    Sandwich,
    SmoothingOperator,
    Split,
    Spreading,
    fit_groups,
)
from steadyvelo.pp._nearest import nearest_neighbors
from steadyvelo.pp._neighbors import component_genes, principal_components

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit
    from steadyvelo._adata._fit_params import ErrorChoice, FitOptions
    from steadyvelo._adata._inputs import Inputs
    from steadyvelo.engine import CountsSource, FitRule, Uncertainty
    from steadyvelo.model import GroupRatios

    from ._limits import Limits

__all__ = ["Errors", "bytes_per_value", "check_crossfit", "folds_hash"]


@dataclass(frozen=True, eq=False)
class Errors:
    """How errors are found, for any genes of one AnnData: its folds are the same for all of them.

    `samples` are numbers of each cell's sample, None where cells are independent; `splits` are
    folds of all genes and of the cells with their graphs, none for the sandwich.
    """

    choice: ErrorChoice
    samples: NDArray[np.intp] | None
    splits: list[Split]

    @classmethod
    def make(cls, inputs: Inputs, choice: ErrorChoice, options: FitOptions) -> Errors:
        """Cut genes and cells as often as is asked for, and find neighbours for each fold."""
        samples = sample_codes(inputs.adata, choice.sample_key)
        n_repeats = choice.n_repeats if choice.method == "crossfit" else 0
        splits = [_split(inputs, choice, repeat, options) for repeat in range(n_repeats)]
        return cls(choice, samples, splits)

    @classmethod
    def of_fit(cls, fit: Fit, choice: ErrorChoice | None = None) -> Errors:
        """Return how a fit found errors, or another choice does; the sandwich where it found none.

        Refused if the folds of the fit cannot be made again.
        """
        made = fit.params.made_from.folds_hash
        if choice is None:
            choice = fit.options.errors
            if choice.method is None:
                choice = replace(choice, method="sandwich")
            if made is not None and made != folds_hash(fit.adata, choice.gene_clusters):
                msg = (
                    "genes, or which are used or highly variable, have changed since the fit: its "
                    f"folds cannot be made again. Rerun tl.velocity(key_added={fit.key!r})."
                )
                raise ValueError(msg)
        return cls.make(fit.inputs, choice, fit.options)

    def of(self, source: CountsSource) -> Uncertainty:
        """Return how errors of the genes of a source are found."""
        shared: dict[str, Any] = {
            "scales": np.stack([source.spliced_scale, source.unspliced_scale]),
            "level": self.choice.level,
            "samples": self.samples,
        }
        if self.choice.method == "sandwich":
            return Sandwich(**shared, spreading=Spreading.transposing(source.smoothing))
        splits = [replace(s, gene_fold=s.gene_fold[source.genes]) for s in self.splits]
        return CrossFit(**shared, splits=splits)

    def ratios(
        self,
        source: CountsSource,
        rules: list[FitRule],
        limits: Limits,
        samples: NDArray[np.intp] | None = None,
    ) -> GroupRatios:
        """Return the ratios under several rules with what tells them apart; scores by sample."""
        n_cells, bytes_each = len(source.spliced_scale), bytes_per_value(self.choice, len(rules))
        blocks = limits.of_blocks(n_cells, bytes_each)
        return fit_groups(source, rules, self.of(source), samples=samples, **blocks)


def check_crossfit(fit: Fit) -> None:
    """Refuse a fit without cross-fitted errors."""
    method = fit.options.errors.method
    if method != "crossfit":
        msg = (
            f"the fit was made with uncertainty={method!r}; directions need neighbours from other "
            "genes: run tl.velocity(adata, uncertainty='crossfit', "
            f"key_added={fit.key!r})."
        )
        raise ValueError(msg)


def bytes_per_value(choice: ErrorChoice, n_rules: int | None = None) -> int:
    """Return what a value of a block takes with everything that is made of it.

    Genes are fitted under `n_rules`; None means those of one fit, with cross-fitting that of the
    test of its offset as well.
    """
    if choice.method is None:
        return BYTES_PER_VALUE
    if choice.method == "sandwich":
        # counts of the second layer, weights, what cells give; for every rule the instruments
        return BYTES_PER_VALUE + 16 + 8 * (n_rules or 1)
    # counts of the second layer; counts of a fold and their moments; for every rule what cells
    # give and the instruments
    return BYTES_PER_VALUE + 12 + 12 * (n_rules or 2)


def folds_hash(adata: AnnData, gene_clusters: str | None) -> str:
    """Return a short hash of what folds of genes are made from."""
    columns = [component_genes(adata)]
    if gene_clusters is not None:
        columns.append(pd.factorize(adata.var[gene_clusters])[0])
    return hash_values(*columns)


def _split(inputs: Inputs, choice: ErrorChoice, repeat: int, options: FitOptions) -> Split:
    """Divide genes and cells into two folds and find the neighbours for each fold of genes."""
    adata, cells, seed = inputs.adata, inputs.cells, choice.rng
    cell_fold = Names(inputs.cell_hashes, seed).halves(f"cells of repeat {repeat}")
    params = neighbor_params(adata, options.neighbors_key)
    if external(params):
        # these neighbours do not come from these counts: they are the same for all genes
        stored = inputs.connectivities(options.neighbors_key)
        graph = SmoothingOperator.from_connectivities(stored, cells).without_self()
        return Split(np.zeros(adata.n_vars, dtype=np.int8), cell_fold, (graph, graph))
    gene_fold = _gene_halves(inputs, choice, f"genes of repeat {repeat}")
    chosen = component_genes(adata)
    graphs = tuple(
        _graph(adata, options.spliced, chosen & (gene_fold != fold), params, seed).without(~cells)
        for fold in (0, 1)
    )
    return Split(gene_fold, cell_fold, graphs)


def _graph(
    adata: AnnData, spliced: str, genes: NDArray[np.bool_], params: dict[str, Any], seed: int
) -> SmoothingOperator:
    """Return means over the nearest neighbours by some genes, each cell itself left out."""
    n_neighbors = min(int(params.get("n_neighbors", 30)), adata.n_obs - 1)
    # half of the genes may not have as many; one more says how large components of noise are
    most = min(adata.n_obs, int(genes.sum())) - 1
    n_pcs = min(int(params.get("n_pcs", 30) or 30) + 1, most)
    # sizes over all genes would carry counts of the other fold into the neighbours of this one
    components = principal_components(adata, spliced, genes, n_pcs, seed, alone=True)
    signal = _signal(np.asarray(components, dtype=np.float32))
    indices, _ = nearest_neighbors(signal, n_neighbors, rng=seed)
    others = np.ascontiguousarray(np.sort(indices[:, 1:], axis=1))
    indptr = np.arange(adata.n_obs + 1, dtype=np.int64) * others.shape[1]
    return SmoothingOperator(indptr, others.ravel())


def _signal(components: NDArray[np.float32]) -> NDArray[np.float32]:
    r"""Return all components but the last, each as far as its variance is above that of the last.

    .. math:: p_k \sqrt{1 - \lambda_K / \lambda_k}

    Components of noise alone have almost equal variances: which of them are among the first K, and
    with them the neighbours, would change with every gene.
    """
    if components.shape[1] < 2:
        return components
    variance = components.var(axis=0, dtype=np.float64)
    share = 1 - variance[-1] / np.maximum(variance[:-1], np.finfo(float).tiny)
    return components[:, :-1] * np.sqrt(np.maximum(share, 0.0)).astype(np.float32)


def _gene_halves(inputs: Inputs, choice: ErrorChoice, purpose: str) -> NDArray[np.int8]:
    """Divide the genes into two folds; those of one cluster stay together."""
    fold = Names(inputs.gene_hashes, choice.rng).halves(purpose)
    if choice.gene_clusters is None:
        return fold
    column = check_key(
        inputs.adata, "var", choice.gene_clusters, "name the column that holds gene clusters."
    )
    # a gene without a cluster is one of its own
    codes, names = pd.factorize(column)
    if len(names) + int((codes < 0).sum()) < 2:
        msg = (
            f"var[{choice.gene_clusters!r}] has one cluster; folds of genes need at least two: "
            "name another column, or leave gene_clusters=None."
        )
        raise ValueError(msg)
    clusters = Names(hash_names(names), choice.rng)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.lexsort([clusters.numbers("order"), -sizes])
    of_cluster = clusters.halves(purpose)
    # of two clusters of like size each goes to another fold, so that folds are of like size
    first, second = order[: len(order) // 2 * 2].reshape(-1, 2).T
    of_cluster[second] = 1 - of_cluster[first]
    return np.where(codes < 0, fold, of_cluster[codes]).astype(np.int8)
