"""The plan of a run, without the run."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from steadyvelo import _keys
from steadyvelo._arguments import Binder
from steadyvelo._log import nested

from ._chosen_genes import GeneChoice
from ._fit_choice import FitChoice
from ._found import checked_request
from ._run import run
from ._steps import Steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

    from ._plan import Plan

__all__ = ["plan"]

# limits on which the plan depends
_LIMITS = ("max_memory", "n_threads")


def plan(adata: AnnData, **arguments: Any) -> Plan:
    """Return the blocks of genes and the memory that :func:`run` needs with the same arguments.

    Nothing is fitted or written. Arguments that :func:`run` refuses are refused here, too.

    Parameters
    ----------
    adata
        Cells × genes with spliced and unspliced counts.
    **arguments
        Arguments of :func:`run`.

    Returns
    -------
    The plan; ``str(plan)`` is a line for people.

    Raises
    ------
    KeyError, ValueError, MemoryError
        As in :func:`run`.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> counts = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> plan = sv.plan(counts, basis="pca", dense=False, n_threads=1)
    >>> plan.n_cells, plan.n_layers
    (300, 0)
    """
    bound = Binder(run).bind(adata, **arguments)
    bound.apply_defaults()
    asked = bound.arguments
    choice, fit = GeneChoice(**_of(GeneChoice, asked)), FitChoice(**_of(FitChoice, asked))
    given = (asked[name] for name in ("neighbors", "groupby", "basis"))
    errors, *_ = checked_request(adata, choice, fit, *given)
    # steps of a plan are details
    with nested(2):
        marked = choice.marked(adata, Steps({"genes": 1}, None))
    shape = adata.n_obs, int(_keys.GENES_USED.values(marked).sum())
    return fit.plan(shape, errors, **{name: asked[name] for name in _LIMITS})


def _of(kind: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are fields of a data class."""
    return {f.name: asked[f.name] for f in fields(kind)}
