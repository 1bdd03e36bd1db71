"""How standard errors are computed: folds of genes and cells, and their neighbour graphs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from steadyvelo._adata._checks import check_column
from steadyvelo._adata._draws import Names, hash_names
from steadyvelo._adata._groups import sample_codes
from steadyvelo._adata._neighbor_graph import external, neighbor_params
from steadyvelo._adata._provenance import hash_values
from steadyvelo.engine import (
    BYTES_PER_VALUE,
    CrossFitErrors,
    Repeat,
    SandwichErrors,
    SmoothingOperator,
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

__all__ = ["Errors", "bytes_per_value", "check_crossfit", "check_errors", "folds_hash"]


@dataclass(frozen=True, eq=False)
class Errors:
    """How standard errors are computed, with the same folds for all genes of one AnnData.

    `samples` has the number of each cell's sample, or is None if cells are independent. `repeats`
    are the folds of all genes and cells with their graphs, one per repeat, and empty for the
    sandwich.
    """

    choice: ErrorChoice
    samples: NDArray[np.intp] | None
    repeats: list[Repeat]

    @classmethod
    def make(cls, inputs: Inputs, choice: ErrorChoice, options: FitOptions) -> Errors:
        """Divide genes and cells into folds for each repeat, and find neighbours for each fold."""
        samples = sample_codes(inputs.adata, choice.sample_key)
        n_repeats = choice.n_repeats if choice.method == "crossfit" else 0
        repeats = [_repeat(inputs, choice, number, options) for number in range(n_repeats)]
        return cls(choice, samples, repeats)

    @classmethod
    def of_fit(cls, fit: Fit, choice: ErrorChoice | None = None) -> Errors:
        """Return the method of a fit, or of another choice; the sandwich if the fit has no errors.

        Raises an error if the folds of the fit cannot be made again.
        """
        made = fit.params.made_from.folds_hash
        if choice is None:
            choice = fit.options.errors
            if choice.method is None:
                choice = replace(choice, method="sandwich")
            if made is not None and made != folds_hash(fit.adata, choice.gene_clusters):
                msg = (
                    "the folds of the fit cannot be made again, because genes, or the columns of "
                    "var that mark used or highly variable genes, have changed since the fit; "
                    f"rerun tl.velocity(adata, uncertainty='crossfit', key_added={fit.key!r})."
                )
                raise ValueError(msg)
        return cls.make(fit.inputs, choice, fit.options)

    def of(self, source: CountsSource) -> Uncertainty:
        """Return the errors for the genes of a source."""
        shared: dict[str, Any] = {
            "scales": np.stack([source.spliced_scale, source.unspliced_scale]),
            "level": self.choice.level,
            "samples": self.samples,
        }
        if self.choice.method == "sandwich":
            return SandwichErrors(**shared, spreading=Spreading.transposing(source.smoothing))
        repeats = [replace(s, gene_fold=s.gene_fold[source.genes]) for s in self.repeats]
        return CrossFitErrors(**shared, repeats=repeats)

    def ratios(
        self,
        source: CountsSource,
        rules: list[FitRule],
        limits: Limits,
        samples: NDArray[np.intp] | None = None,
    ) -> GroupRatios:
        """Return the ratios under several rules, with their scores summed by sample."""
        n_cells, bytes_each = len(source.spliced_scale), bytes_per_value(self.choice, len(rules))
        blocks = limits.of_blocks(n_cells, bytes_each)
        return fit_groups(source, rules, self.of(source), samples=samples, **blocks)


def check_errors(adata: AnnData, choice: ErrorChoice) -> None:
    """Raise an error if columns of a choice are missing, or would have no effect."""
    if choice.method is None and choice.sample_key is not None:
        msg = (
            f"sample_key={choice.sample_key!r} has no effect without errors; give uncertainty=, or "
            "leave sample_key out."
        )
        raise ValueError(msg)
    sample_codes(adata, choice.sample_key)
    if choice.gene_clusters is not None:
        remedy = "name a column with clusters of genes."
        check_column(adata, "var", "gene_clusters", choice.gene_clusters, remedy)


def check_crossfit(fit: Fit) -> None:
    """Raise an error if a fit has no cross-fitted errors."""
    method = fit.options.errors.method
    if method != "crossfit":
        msg = (
            f"the fit was made with uncertainty={method!r}, but directions need cross-fitting; run "
            f"tl.velocity(adata, uncertainty='crossfit', key_added={fit.key!r})."
        )
        raise ValueError(msg)


def bytes_per_value(choice: ErrorChoice, n_rules: int | None = None) -> int:
    """Return the bytes of memory per value of a block, with all arrays computed from it.

    `n_rules` is the number of fits per gene; None means one fit, with cross-fitting also the fit
    that tests its offset.
    """
    if choice.method is None:
        return BYTES_PER_VALUE
    if choice.method == "sandwich":
        # counts of the second layer, weights and scores; instruments for every rule
        return BYTES_PER_VALUE + 16 + 8 * (n_rules or 1)
    # counts of the second layer; counts of a fold and their moments; scores and instruments for
    # every rule
    return BYTES_PER_VALUE + 12 + 12 * (n_rules or 2)


def folds_hash(adata: AnnData, gene_clusters: str | None) -> str:
    """Return a short hash of the columns from which folds of genes are made."""
    columns = [component_genes(adata)]
    if gene_clusters is not None:
        columns.append(pd.factorize(adata.var[gene_clusters])[0])
    return hash_values(*columns)


def _repeat(inputs: Inputs, choice: ErrorChoice, number: int, options: FitOptions) -> Repeat:
    """Divide genes and cells into two folds, and find the neighbours for each fold of genes."""
    adata, cells, seed = inputs.adata, inputs.cells, choice.rng
    cell_fold = Names(inputs.cell_hashes, seed).halves(f"cells of repeat {number}")
    params = neighbor_params(adata, options.neighbors_key)
    if external(params):
        # neighbours that were not found from these counts are used for all genes
        stored = inputs.connectivities(options.neighbors_key)
        graph = SmoothingOperator.from_connectivities(stored, cells).without_self()
        return Repeat(np.zeros(adata.n_vars, dtype=np.int8), cell_fold, (graph, graph))
    gene_fold = _gene_halves(inputs, choice, f"genes of repeat {number}")
    chosen = component_genes(adata)
    graphs = tuple(
        _graph(adata, options.spliced, chosen & (gene_fold != fold), params, seed).without(~cells)
        for fold in (0, 1)
    )
    return Repeat(gene_fold, cell_fold, graphs)


def _graph(
    adata: AnnData, spliced: str, genes: NDArray[np.bool_], params: dict[str, Any], seed: int
) -> SmoothingOperator:
    """Return the smoothing over nearest neighbours from some genes, without each cell itself."""
    n_neighbors = min(int(params.get("n_neighbors", 30)), adata.n_obs - 1)
    # half of the genes may have fewer components; one more measures the variance of noise
    most = min(adata.n_obs, int(genes.sum())) - 1
    n_pcs = min(int(params.get("n_pcs", 30) or 30) + 1, most)
    # library sizes over all genes would include counts of the other fold
    components = principal_components(adata, spliced, genes, n_pcs, seed, alone=True)
    signal = _signal(np.asarray(components, dtype=np.float32))
    indices, _ = nearest_neighbors(signal, n_neighbors, rng=seed)
    others = np.ascontiguousarray(np.sort(indices[:, 1:], axis=1))
    indptr = np.arange(adata.n_obs + 1, dtype=np.int64) * others.shape[1]
    return SmoothingOperator(indptr, others.ravel())


def _signal(components: NDArray[np.float32]) -> NDArray[np.float32]:
    r"""Return all components except the last, scaled down by the variance of the last.

    .. math:: p_k \sqrt{1 - \lambda_K / \lambda_k}

    Components that contain only noise have almost equal variances. Without scaling, single genes
    would decide which of them are among the first K, and would change the neighbours.
    """
    if components.shape[1] < 2:
        return components
    variance = components.var(axis=0, dtype=np.float64)
    share = 1 - variance[-1] / np.maximum(variance[:-1], np.finfo(float).tiny)
    return components[:, :-1] * np.sqrt(np.maximum(share, 0.0)).astype(np.float32)


def _gene_halves(inputs: Inputs, choice: ErrorChoice, purpose: str) -> NDArray[np.int8]:
    """Divide the genes into two folds; genes of one cluster are in the same fold."""
    fold = Names(inputs.gene_hashes, choice.rng).halves(purpose)
    if choice.gene_clusters is None:
        return fold
    column = inputs.adata.var[choice.gene_clusters]
    # a gene without a cluster counts as a cluster of one gene
    codes, names = pd.factorize(column)
    if len(names) + int((codes < 0).sum()) < 2:
        msg = (
            f"var[{choice.gene_clusters!r}] has one cluster, but folds of genes need at least two; "
            "name another column, or use gene_clusters=None."
        )
        raise ValueError(msg)
    clusters = Names(hash_names(names), choice.rng)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    order = np.lexsort([clusters.numbers("order"), -sizes])
    of_cluster = clusters.halves(purpose)
    # two clusters of similar size go to different folds, so that folds have similar sizes
    first, second = order[: len(order) // 2 * 2].reshape(-1, 2).T
    of_cluster[second] = 1 - of_cluster[first]
    return np.where(codes < 0, fold, of_cluster[codes]).astype(np.int8)
