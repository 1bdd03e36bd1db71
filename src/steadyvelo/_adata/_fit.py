"""A fit that is stored in an AnnData, and its inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo import _keys
from steadyvelo._warnings import NoVelocityGenesError
from steadyvelo.engine import CategoryLines, CellOrder, FitRule, LayerSource, Lines, Velocities
from steadyvelo.engine._second_order import first_moment_weights
from steadyvelo.model import LineBounds

from ._categories import Categories
from ._chain import rerun_chain
from ._fit_params import GIVEN, FitParams
from ._groups import in_groups
from ._inputs import Inputs
from ._moments import MOMENTS, check_record, counts_source, has_moments, layer_source
from ._programme import unchanged_programme
from ._provenance import check_cells, gene_checksums

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from steadyvelo.engine import CountsSource, MomentSource

    from ._fit_params import FitOptions, GraphParams

__all__ = ["Fit", "fit_rule"]


@dataclass(frozen=True, eq=False)
class Fit:
    """Lines of all genes, the options of the fit, and its inputs.

    Whether cells, counts, size factors, neighbours and categories have changed since the fit is
    checked once, when a new result is computed. `key` is the velocity key. Lines and
    `velocity_genes` have one value per gene of the data, NaN without a fit. If categories of cells
    have separate lines, `gamma` and `offset` are the common ones.
    """

    inputs: Inputs
    key: str
    params: FitParams
    gamma: NDArray[np.float64]
    offset: NDArray[np.float64]
    velocity_genes: NDArray[np.bool_]
    # functions that have to run after the fit before the caller can, for messages
    then: tuple[str, ...] = ()

    @classmethod
    def read(
        cls,
        adata: AnnData,
        key: str,
        inputs: Inputs | None = None,
        *,
        then: tuple[str, ...] = (),
    ) -> Fit:
        """Read a fit; refuse with the remedy if there is none."""
        inputs = inputs or Inputs(adata)
        remedy = f"run tl.velocity(adata, key_added={key!r}) first, or steadyvelo run on its file."
        gamma, offset, velocity_genes = (
            field.read(adata, key, remedy=remedy).to_numpy()
            for field in (_keys.GAMMA, _keys.OFFSET, _keys.VELOCITY_GENES)
        )
        params = FitParams.read(adata, key, remedy)
        lines = gamma.astype(np.float64), offset.astype(np.float64)
        return cls(inputs, key, params, *lines, velocity_genes.astype(bool), then)

    @property
    def adata(self) -> AnnData:
        """The data."""
        return self.inputs.adata

    @property
    def options(self) -> FitOptions:
        """The options of the fit."""
        return self.params.options

    @property
    def graph(self) -> GraphParams:
        """The options of the velocity graph; an error if there is none."""
        if self.params.graph is None:
            msg = (
                f"uns[{_keys.PARAMS.of(self.key)!r}] contains no velocity graph; run "
                f"tl.velocity_graph(adata, velocity_key={self.key!r}) first."
            )
            raise KeyError(msg)
        return self.params.graph

    @property
    def fitted_genes(self) -> NDArray[np.int64]:
        """Indices of the genes with a line."""
        return np.flatnonzero(~np.isnan(self.gamma))

    @cached_property
    def graph_genes(self) -> NDArray[np.int64]:
        """Indices of the velocity genes; an error if there are too few, or some are not used."""
        genes = np.flatnonzero(self.velocity_genes & ~np.isnan(self.gamma))
        if len(genes) < 2:
            reasons = _keys.REASON.read(self.adata, self.key).astype(str).value_counts()
            why = ", ".join(f"{n:,} {reason}" for reason, n in reasons.items() if reason)
            msg = (
                f"there are {len(genes)} velocity genes, too few for a correlation over genes "
                f"(reasons for the others: {why}). The data have little splicing signal; lower "
                "min_r2 or min_gamma of the fit (--min-r2, --min-gamma) to include more genes."
            )
            raise NoVelocityGenesError(msg)
        if _keys.GENES_USED.is_in(self.adata):
            unused = int((~_keys.GENES_USED.values(self.adata)[genes]).sum())
            if unused:
                msg = (
                    f"{unused:,} velocity genes are not used according to "
                    f"var[{_keys.GENES_USED.of()!r}], which has changed since the fit; rerun "
                    "tl.velocity."
                )
                raise ValueError(msg)
        return genes

    @cached_property
    def genes_of_graph(self) -> NDArray[np.int64]:
        """Indices of the velocity genes from which the velocity graph was computed."""
        if self.graph.genes is None:
            return self.graph_genes
        return unchanged_programme(self.adata, self.key, self.graph, self.graph_genes)

    @property
    def has_its_cells(self) -> bool:
        """Whether the data have the cells of the fit, in the same order."""
        return self.params.made_from.cells_hash == self.inputs.cells_hash

    @cached_property
    def used_layers(self) -> bool:
        """Whether the layers Ms and Mu are those that the fit used."""
        if not has_moments(self.adata):
            return False
        made_from = self.params.made_from
        record = _keys.MOMENTS_PARAMS.read(self.adata, default=None)
        if record is None or not made_from.counts_known:
            return made_from.moments == "layers" and record is None
        return (record["neighbors_hash"], record["factors_hash"]) == (
            made_from.neighbors_hash,
            made_from.factors_hash,
        )

    def check_cells(self, what: str, *last: str) -> None:
        """Refuse to use a result of the fit, which the `last` functions made, with other cells."""
        made_from = self.params.made_from.encode()
        named = self.options.neighbors_key
        rerun = partial(rerun_chain, self.adata, *last, neighbors_key=named)
        check_cells(self.adata, made_from, what, rerun, self.inputs.cells_hash)

    def check_unchanged(self) -> None:
        """Refuse a fit whose cells, counts, sizes, neighbours or given weights have changed."""
        _ = self._unchanged

    @cached_property
    def _unchanged(self) -> bool:
        adata, made_from = self.adata, self.params.made_from
        self.check_cells("the fit", "tl.velocity", *self.then)
        if made_from.counts_known:
            entries = {**self.options.encode(), **made_from.encode()}
            columns = self.key if _keys.SPLICED_CHECKSUM.is_in(adata, self.key) else MOMENTS
            check_record(self.inputs, entries, columns, "tl.velocity", *self.then)
        self._check_weights()
        _ = self.categories
        return True

    def _check_weights(self) -> None:
        # without weights that were given there is no checksum
        if not _keys.WEIGHTS_CHECKSUM.is_in(self.adata, self.key):
            return
        adata, field = self.adata, self._weights_field
        found, known = gene_checksums(self.weights), _keys.WEIGHTS_CHECKSUM.values(adata, self.key)
        if not np.allclose(found, known, rtol=1e-9, atol=1e-12):
            rerun = rerun_chain(
                adata, "tl.velocity", *self.then, neighbors_key=self.options.neighbors_key
            )
            msg = (
                f"{field.slot}[{field.of(self.key)!r}], the weights of the fit, have changed since "
                f"then; rerun {rerun}, with weights= of the first."
            )
            raise ValueError(msg)

    @cached_property
    def categories(self) -> Categories | None:
        """The categories of cells with separate lines; None if all cells have the same line."""
        return Categories.of_fit(self.adata, self.params, self.key)

    def check_counts_known(self) -> None:
        """Refuse a fit whose inputs have changed, or whose counts are not known."""
        self.check_unchanged()
        if not self.params.made_from.counts_known:
            msg = (
                "the fit used layers Ms and Mu of another tool, but counts are needed here; delete "
                "the two layers and rerun tl.velocity."
            )
            raise ValueError(msg)

    @property
    def weights(self) -> Any:
        """The name of the weight rule, or the given weights of all genes."""
        if self.options.weights != GIVEN:
            return self.options.weights
        by_gene = self._weights_field is _keys.WEIGHTS_LAYER
        weights = self._weights_field.read(self.adata, self.key)
        return weights if by_gene else weights.to_numpy()

    @property
    def _weights_field(self) -> _keys.Field:
        """Where given weights are: one value per cell, or per cell and gene."""
        by_cell = _keys.WEIGHTS_COLUMN.is_in(self.adata, self.key)
        return _keys.WEIGHTS_COLUMN if by_cell else _keys.WEIGHTS_LAYER

    def rule(self, genes: NDArray[np.int64]) -> FitRule:
        """Return the rule of a fit of some genes, which all have an offset or all have none."""
        rule = fit_rule(self.inputs, self.options, self.weights, genes)
        return replace(rule, offset=self.options.offset is not False, r2="fit")

    def weigh(
        self, genes: NDArray[np.int64], spliced: NDArray[Any], unspliced: NDArray[Any]
    ) -> NDArray[Any]:
        """Return the weights of cells in the fits of some genes, shape (genes, cells).

        They are computed from smoothed abundances, shape (genes, cells). For genes that were fitted
        again with second moments, which use all cells, they are those of first moments.
        """
        rule, places = self.rule(genes), np.arange(len(genes))
        weights = np.broadcast_to(rule.weigh(spliced, unspliced, places), spliced.shape)
        stochastic = self.options.stochastic
        if stochastic is None:
            return weights
        offset = stochastic.fit_offset
        first = first_moment_weights(rule, spliced, unspliced, places, fit_offset=offset)
        refitted = _keys.REFITTED.values(self.adata, self.key)[genes]
        return np.where(refitted[:, None], first, weights)

    def counts(self, genes: NDArray[np.int64]) -> CountsSource:
        """Return blocks that are smoothed from the counts of the fit, and contain these counts."""
        return replace(self._counts, genes=genes)

    @property
    def order(self) -> CellOrder:
        """Order of the rows of blocks from counts."""
        return self._counts.order

    @cached_property
    def _counts(self) -> CountsSource:
        self.check_counts_known()
        return self._smoothed(np.arange(self.adata.n_vars), keep_counts=True)

    def moments(self, genes: NDArray[np.int64], order: CellOrder | None = None) -> MomentSource:
        """Return blocks with the moments of the fit; refuse if their inputs have changed.

        Rows of layers are in the given `order`; blocks from counts have their own order.
        """
        self.check_unchanged()
        if self.used_layers:
            return layer_source(self.adata, genes, order)
        if not self.params.made_from.counts_known:
            msg = "the layers Ms and Mu of the fit were deleted or replaced; rerun tl.velocity."
            raise ValueError(msg)
        return self._smoothed(genes)

    def velocities(
        self,
        genes: NDArray[np.int64],
        neighbors: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None,
    ) -> Velocities:
        """Return expression and velocities of some genes, ascending.

        Rows of blocks from layers are sorted along `neighbors`, a CSR pattern, if it is given.
        """
        order = None
        if self.used_layers and neighbors is not None:
            order = CellOrder.along(*neighbors)
            # both from layers of one fit, or both computed again from its inputs
            if _keys.VELOCITY.is_in(self.adata, self.key):
                self.check_unchanged()
                layers = _keys.MS.read(self.adata), _keys.VELOCITY.read(self.adata, self.key)
                return Velocities(LayerSource(*layers, genes, order), None)
        return Velocities(*self.with_lines(genes, order))

    def with_lines(
        self, genes: NDArray[np.int64], order: CellOrder | None = None
    ) -> tuple[MomentSource, Lines | CategoryLines]:
        """Return blocks of some genes, and the lines from which their velocities are computed.

        Rows of layers are in the given `order`; blocks from counts have their own order.
        """
        if self.options.gamma_by is None:
            return self.moments(genes, order), Lines(self.gamma[genes], self.offset[genes])
        source = self.counts(genes)
        return source, self.lines(source)

    def lines(self, source: CountsSource) -> Lines | CategoryLines:
        """Return the lines of the genes of a source."""
        genes = source.genes
        common = Lines(self.gamma[genes], self.offset[genes])
        if self.categories is None:
            return common
        gamma, offset = (
            np.asarray(field.read(self.adata, self.key), dtype=np.float64)[genes]
            for field in (_keys.CATEGORY_GAMMA, _keys.CATEGORY_OFFSET)
        )
        return CategoryLines.of_cells(gamma, offset, common, self.categories.codes, source)

    def _smoothed(self, genes: NDArray[np.int64], *, keep_counts: bool = False) -> CountsSource:
        smoothed = self.options.smoothed
        return counts_source(self.inputs, genes, **smoothed, keep_counts=keep_counts)


def fit_rule(
    inputs: Inputs, options: FitOptions, weights: Any, genes: NDArray[np.int64]
) -> FitRule:
    """Return the rule of a fit of some genes, by name or with weights of all genes."""
    by_gene = not isinstance(weights, str) and weights.ndim > 1
    fit_cells = inputs.cells & in_groups(inputs.adata, options.groups, options.groupby)
    weights = weights[:, genes] if by_gene else weights
    rule = FitRule(weights, options.quantiles, options.offset, inputs.cells, fit_cells, options.r2)
    if not options.bounded:
        return rule
    bounds = LineBounds(options.gamma_bounds, options.offset_bounds)
    return replace(rule, bounds=LineBounds.velocyto() if options.bounds else bounds)
