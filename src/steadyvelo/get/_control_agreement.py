"""How much the arrows of sign-flipped controls agree with those of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo._adata._checks import check_adata
from steadyvelo._adata._controls import control_arrows
from steadyvelo._adata._embeddings import check_arrows, found_basis
from steadyvelo._adata._groups import AUTO, cluster_codes, found_column
from steadyvelo._arguments import public

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

__all__ = ["chance_agreement", "control_agreement"]

_ALL = "all"


@public
def control_agreement(
    adata: AnnData,
    groupby: str | None = AUTO,
    *,
    basis: str = AUTO,
    velocity_key: str = "velocity",
    components: tuple[int, int] = (0, 1),
) -> pd.DataFrame:
    """Return the median cosines between the arrows of the data and those of sign-flipped controls.

    The cells of a control share no direction, so this agreement is due to chance, smoothing and
    projection. Arrows of nearby cells are alike in the data and in a control; the median of a
    cluster can therefore be near 1 or −1 by chance.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.randomized_velocity`, or a part of its cells.
    groupby
        Column of ``obs`` with clusters. ``"auto"`` uses the first column with a usual name
        (``clusters``, ``leiden``, ``cell_type`` …); with None all cells are compared together.
    basis
        Name of the embedding; ``"auto"`` uses the one whose arrows were computed last.
    velocity_key
        Prefix of the fit.
    components
        Two dimensions of the embedding, counted from 0, in which arrows are compared.

    Returns
    -------
    One row for all cells (``"all"``) and one for each cluster, one column for each control
    (``"control 1"``, ``"control 2"`` …). NaN if no cell has an arrow.

    Raises
    ------
    KeyError
        If there are no controls on this embedding, or no such column.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=300, n_genes=60, rng=0)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sv.tl.randomized_velocity(adata, basis="pca", n_controls=2)
    >>> table = sv.get.control_agreement(adata)
    >>> list(table.columns)
    ['control 1', 'control 2']
    >>> bool((table.abs() <= 1).all(axis=None))
    True
    """
    check_adata(adata)
    basis = found_basis(adata, basis, velocity_key)
    arrows = check_arrows(adata, basis, velocity_key)
    controls = control_arrows(adata, basis, velocity_key)
    names, groups = cluster_codes(adata, found_column(adata, groupby))
    chosen = list(components)
    arrows, controls = arrows[:, chosen], controls[:, :, chosen]
    length = np.linalg.norm(arrows, axis=1)[:, None] * np.linalg.norm(controls, axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.einsum("cd,ckd->ck", arrows, controls) / length
    rows = [_medians(cosine)]
    rows += [_medians(cosine[groups == number]) for number in range(len(names))]
    index = [_ALL, *(f"cluster {name}" if name == _ALL else name for name in names)]
    columns = [f"control {number + 1}" for number in range(controls.shape[1])]
    return pd.DataFrame(rows, index=pd.Index(index, name="cluster"), columns=columns)


def chance_agreement(table: pd.DataFrame) -> str:
    """Return a sentence on the agreement in a table of :func:`control_agreement`."""
    of_all = table.loc[_ALL].dropna()
    if of_all.empty:
        return ""
    text = "Agreement by chance: the median cosine between the arrows of the data and those of "
    if len(of_all) == 1:
        text += f"the control is {of_all.iloc[0]:.2f} over all cells"
    else:
        text += f"a control is {of_all.min():.2f} to {of_all.max():.2f} over all cells"
    clusters = table.drop(index=_ALL)
    values = clusters.fillna(-np.inf).to_numpy()
    if values.size and np.isfinite(values.max()):
        row, column = np.unravel_index(values.argmax(), values.shape)
        text += (
            f", and in the cluster with the most similar arrows ({clusters.index[row]}, "
            f"{clusters.columns[column]}) it is {values.max():.2f}"
        )
    return f"{text}."


def _medians(cosine: NDArray[np.float64]) -> list[float]:
    """Return the median of each column over the known values."""
    known = (column[np.isfinite(column)] for column in cosine.T)
    return [float(np.median(column)) if len(column) else np.nan for column in known]
