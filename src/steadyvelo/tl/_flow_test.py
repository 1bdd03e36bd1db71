"""The test of net flows between clusters with cross-fitted errors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from steadyvelo._adata._moments import counts_source
from steadyvelo.engine import find_net_flows

from ._direction import directions_given
from ._folds import Graphs
from ._kept import kept_results
from ._sampled_fit import MOST_CELLS, sampled_fit
from ._uncertainty import Errors
from ._variant import Variant, fit_variant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo._adata._fit import Fit
    from steadyvelo._adata._fit_params import ErrorChoice
    from steadyvelo.engine import NetFlows

    from ._limits import Limits

__all__ = ["cross_fitted_flows"]

# repeats of the cross-fit, and those for a sample, whose lines are fitted again
_REPEATS, _REPEATS_OF_SAMPLE = 2, 1
_GRAPHS = Graphs(ratios=True, directions=True)


def cross_fitted_flows(
    fit: Fit, codes: NDArray[np.intp], n_clusters: int, limits: Limits
) -> NetFlows | None:
    """Return the net flows of a fit with cross-fitted errors.

    Of many cells a sample is used, as for the orientation of a pseudotime; None if neighbours of a
    sample cannot be found, because their representation is not known.
    """
    many = fit.adata.n_obs > MOST_CELLS
    errors = replace(fit.options.errors, n_repeats=_REPEATS_OF_SAMPLE if many else _REPEATS)
    if not many:
        return _found(fit, errors, codes, n_clusters, limits)
    sample, cells = sampled_fit(fit, codes, None)
    if sample is fit:
        return None
    options, inputs = sample.options, sample.inputs
    order = counts_source(inputs, fit.graph_genes, **options.smoothed).order
    # graphs of folds for the fit and for the test, made at once and kept for both
    with kept_results():
        Errors.make(inputs, errors, options, order, _GRAPHS, limits.n_threads)
        other = fit_variant(sample, Variant({"errors": errors}), None, limits)
        other = replace(other, velocity_genes=fit.velocity_genes)
        return _found(other, errors, codes[cells], n_clusters, limits)


def _found(
    fit: Fit, errors: ErrorChoice, codes: NDArray[np.intp], n_clusters: int, limits: Limits
) -> NetFlows:
    how = Errors.of_fit(fit, errors, graphs=_GRAPHS, n_threads=limits.n_threads)
    # a dimension for each cluster; cells without a cluster are at the origin
    place = np.vstack([np.eye(n_clusters), np.zeros(n_clusters)])[codes]
    given, blocks = directions_given(fit, how, None, place, codes, limits)
    return find_net_flows(*given, **blocks)
