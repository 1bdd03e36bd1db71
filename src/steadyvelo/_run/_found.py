"""What a run finds in the data, and refuses of it, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from steadyvelo import _keys, pp
from steadyvelo._adata._checks import check_key, listed, warn
from steadyvelo._adata._coordinates import all_bases, basis_name, embedding_place, usual_place
from steadyvelo._adata._embeddings import check_finite_embedding
from steadyvelo._adata._groups import (
    AUTO,
    MOST_CLUSTERS,
    check_clusters,
    cluster_column,
    is_auto,
    within_codes,
)
from steadyvelo._adata._light_copy import light_copy
from steadyvelo._adata._neighbor_graph import has_neighbors, neighbor_graph
from steadyvelo._log import remark, say
from steadyvelo.pp._qc import check_lines

from ._summary import refuse_stop

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from steadyvelo._adata._fit_params import ErrorChoice
    from steadyvelo._choices import Neighbors

    from ._chosen_genes import GeneChoice
    from ._fit_choice import FitChoice

__all__ = ["checked_counts", "checked_request", "found_graph"]


def _found_clusters(
    adata: AnnData, groupby: str | None, fit: FitChoice, errors: ErrorChoice
) -> str | None:
    """Return the column of clusters that get verdicts, and report which it is or why not."""
    named = groupby is not None and not is_auto(groupby, adata.obs)
    if named:
        check_clusters(adata, groupby)
    if errors.method != "crossfit":
        if named:
            warn(
                f"groupby={groupby!r} has no effect: verdicts on clusters need "
                f"{fit.needed_for_verdicts}."
            )
        else:
            remark(f"verdicts: none, because they need {fit.needed_for_verdicts}")
        return None
    if named or groupby is None:
        return groupby
    groupby = cluster_column(adata)
    if groupby is None:
        say(f"clusters: none found ({_why_no_clusters(adata)}); name a column with groupby=")
    else:
        n = adata.obs[groupby].nunique()
        say(
            f"clusters: obs[{groupby!r}], {n} clusters; name another column with groupby= "
            "(--groupby)"
        )
    return groupby


def _why_no_clusters(adata: AnnData) -> str:
    """Return why no column of clusters was found."""
    there = [name for name in _keys.CLUSTER_COLUMNS if name in adata.obs]
    if not there:
        return f"obs has none of {listed(_keys.CLUSTER_COLUMNS)}"
    numbers = ", ".join(f"obs[{name!r}] has {adata.obs[name].nunique():,}" for name in there)
    return f"{numbers} different values, and clusters are 1 to {MOST_CLUSTERS}"


def _found_embedding(adata: AnnData, basis: str) -> str:
    """Return the embedding for the arrows, and report which was found."""
    place = embedding_place(adata, basis)
    if basis == AUTO and place is None:
        place = usual_place(adata)
        basis = "umap" if place is None else place.basis
        if place is None:
            say("embedding: none found in obsm; a UMAP will be computed")
        else:
            say(f"embedding: {place}; name another with basis= (--basis)")
    basis = basis_name(basis)
    if basis not in {"umap", "pca"} and place is None:
        msg = (
            f"basis={basis!r} is not in adata.obsm, which has {listed(all_bases(adata))}; only "
            "'umap' is computed if it is missing."
        )
        raise KeyError(msg)
    if place is not None:
        check_finite_embedding(adata, basis)
    return basis


def checked_request(
    adata: AnnData,
    choice: GeneChoice,
    fit: FitChoice,
    neighbors: str | Neighbors | None,
    groupby: str | None,
    basis: str,
) -> tuple[ErrorChoice, str | None, str]:
    """Return the method of errors, the column of clusters and the embedding.

    Raise an error for anything that cannot be run.
    """
    choice.check(adata)
    errors = fit.check(adata)
    _check_neighbors(adata, neighbors)
    return errors, _found_clusters(adata, groupby, fit, errors), _found_embedding(adata, basis)


def found_graph(adata: AnnData, neighbors: str | Neighbors | None) -> str | Neighbors | None:
    """Return the graph to use: if there is none of the usual name, the only one of another name."""
    if neighbors is not None or has_neighbors(adata):
        return neighbors
    named = [
        str(name)
        for name, entry in adata.uns.items()
        if isinstance(entry, Mapping)
        and all(entry.get(f"{kind}_key") in adata.obsp for kind in ("connectivities", "distances"))
    ]
    if len(named) == 1:
        say(f"neighbours: uns[{named[0]!r}]; find others with sv.Neighbors (--new-neighbors)")
        return named[0]
    if named:
        say(
            f"neighbours: adata has {listed(named, 4)}; name the one to use with neighbors= "
            "(--neighbors-key). New ones are found."
        )
    return None


def _check_neighbors(adata: AnnData, neighbors: str | Neighbors | None) -> None:
    """Raise an error if the named graph, representation or column of groups is missing."""
    if isinstance(neighbors, str):
        neighbor_graph(adata, _keys.CONNECTIVITIES, neighbors)
    elif neighbors is not None:
        within_codes(adata, neighbors.within)
        if neighbors.use_rep is not None:
            check_key(adata, "obsm", neighbors.use_rep, "name one of these as use_rep=.")


def checked_counts(
    adata: AnnData, choice: GeneChoice, groupby: str | None, *, force: bool
) -> dict[_keys.Field, pd.DataFrame]:
    """Return the tables of the quality checks, report them, and raise an error for a "stop"."""
    kept = [*choice.layers.values(), _keys.AMBIGUOUS.of()]
    copy = light_copy(adata, layers=kept, obsm=[], varm=[], obsp=[], uns=[_keys.IMPORT.of()])
    sizes = choice.sizes
    given = {name: value for name, value in asdict(sizes).items() if name != "method"}
    pp.qc(copy, groupby=groupby, **given, **choice.layers)
    tables = {
        field: field.read(copy) for field in (_keys.QC_PARAMS, _keys.QC, _keys.QC_PROPORTIONS)
    }
    table = tables[_keys.QC]
    # the step of size factors itself warns about library sizes
    for line in check_lines(table[(table["verdict"] != "ok") & (table.index != "library sizes")]):
        remark(line)
    if not force:
        refuse_stop(table, remedy="; to run nevertheless, use force=True (--force)")
    return tables
