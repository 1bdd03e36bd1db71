"""The format of cellxgene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

from steadyvelo import _keys
from steadyvelo._adata._checks import is_integer
from steadyvelo._adata._coordinates import all_bases
from steadyvelo._adata._fit import Fit
from steadyvelo._adata._light_copy import light_copy
from steadyvelo._arguments import public
from steadyvelo._log import done

from ._handover import Handover, add_embeddings, genes_left_out, named, shown_expression

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["for_cellxgene", "to_cellxgene"]

# columns that only this package reads
_OWN_OBS = (_keys.ARROWS_ON, _keys.DIRECTIONS_ON, _keys.TESTED_CLUSTERS)
_OWN_VAR = (_keys.SPLICED_CHECKSUM, _keys.UNSPLICED_CHECKSUM, _keys.WEIGHTS_CHECKSUM)
# whole numbers beyond these are not read
_INT32 = np.iinfo(np.int32)


@public
def to_cellxgene(adata: AnnData, *, velocity_key: str = "velocity") -> AnnData:
    """Return what cellxgene shows, in its format.

    cellxgene shows X, columns of ``obs`` and embeddings, and loads the whole file; so the copy has
    these and nothing else. It draws no arrows. Messages report what was left out.

    Parameters
    ----------
    adata
        Result of :func:`steadyvelo.tl.velocity`, or of :func:`steadyvelo.run`.
    velocity_key
        Prefix of the result.

    Returns
    -------
    A new AnnData with

    ``X``
        Expression, CSC float32: X of `adata`, or log1p of normalised spliced counts if X is missing
        or has counts, negative values, NaN or infinities.
    ``obs``, ``var``
        Text as categories; numbers in single precision, or int32. Infinities are missing values.
        Columns that only this package reads are left out.
    ``obsm["X_umap"]``
        Every embedding, float32.
    ``uns["clusters_colors"]``
        Colours of categories, as hexadecimal numbers.

    Raises
    ------
    KeyError
        If there is no fit.
    ValueError
        If there is no embedding, or names of cells or genes are not unique.

    References
    ----------
    https://github.com/chanzuckerberg/cellxgene.

    Examples
    --------
    >>> import steadyvelo as sv
    >>> adata = sv.datasets.simulate(n_cells=200, n_genes=60)
    >>> adata = sv.run(adata, basis="pca", uncertainty=None)
    >>> sorted(sv.interop.to_cellxgene(adata).obsm)
    ['X_pca']
    """
    handover = for_cellxgene(adata, velocity_key)
    for note in handover.notes:
        done(note)
    return handover.adata


def for_cellxgene(adata: AnnData, velocity_key: str) -> Handover:
    """Do the work of :func:`to_cellxgene`."""
    fit = Fit.read(adata, velocity_key)
    copy = light_copy(adata)
    add_embeddings(copy)
    embeddings = {name: x for name in copy.obsm if (x := _embedding(copy, name)) is not None}
    if not embeddings:
        msg = (
            "adata.obsm has no embedding that cellxgene can show; compute one, for example with "
            "scanpy.tl.umap(adata)."
        )
        raise ValueError(msg)
    expression, notes = _expression(fit)
    obs, of_obs = _plain_table(adata.obs, _own_columns(adata, velocity_key, _OWN_OBS), "obs")
    var, of_var = _plain_table(adata.var, _own_columns(adata, velocity_key, _OWN_VAR), "var")
    colors = _colors(adata, obs)
    result = anndata.AnnData(expression, obs=obs, var=var, obsm=embeddings, uns=colors)
    notes += [*of_obs, *of_var, *_left_out(adata, result)]
    return Handover(result, notes + genes_left_out(adata, velocity_key))


def _expression(fit: Fit) -> tuple[sp.csc_matrix[Any], list[str]]:
    """Return X as CSC float32, or expression from counts with the reason."""
    x = fit.adata.X
    why = _not_shown(x)
    if not why:
        return sp.csc_matrix(x, dtype=np.float32), []
    matrix, what = shown_expression(fit)
    return matrix.tocsc(), [f"X is {what}, because X of the result {why}"]


def _not_shown(x: Any) -> str:
    """Return why X is not what a viewer should show; empty if it is."""
    if x is None:
        return "is missing"
    if is_integer(x):
        return "has counts"
    values = x.data if sp.issparse(x) else np.asarray(x)
    if not (np.isfinite(values.min()) and np.isfinite(values.max())):
        return "has NaN or infinite values"
    return "has negative values" if values.min() < 0 else ""


def _embedding(adata: AnnData, name: str) -> Any:
    """Return coordinates as cellxgene reads them, or None if it would not show them."""
    values = np.asarray(adata.obsm[name])
    shown = name.startswith(_keys.EMBEDDING.of()) and values.ndim == 2 and values.shape[1] > 1
    if not shown or values.dtype.kind not in "fiu" or np.isnan(values).all():
        return None
    values = values.astype(np.float32)
    return np.where(np.isfinite(values), values, np.nan)


def _own_columns(adata: AnnData, key: str, fields: tuple[_keys.Field, ...]) -> set[str]:
    """Return the names of the fields for all embeddings, of the fit and of smoothed layers."""
    keys, bases = (key, "moments"), ["", *all_bases(adata)]
    return {field.of(each, basis) for field in fields for each in keys for basis in bases}


def _plain_table(table: pd.DataFrame, own: set[str], slot: str) -> tuple[pd.DataFrame, list[str]]:
    """Return a table of types that cellxgene reads, and what was changed."""
    left_out = [str(name) for name in table if str(name) in own]
    kept = [name for name in table if str(name) not in own]
    columns = {str(name): _plain(table[name]) for name in kept}
    infinite = [str(name) for name in kept if _has_infinities(table[name])]
    notes = []
    if left_out:
        notes.append(f"left out of {slot}: {named(left_out)}, which only steadyvelo reads")
    if infinite:
        notes.append(
            f"infinite values in {slot} are missing values, because cellxgene refuses them: "
            f"{named(infinite)}"
        )
    return pd.DataFrame(columns, index=table.index.astype(str)), notes


def _plain(column: pd.Series) -> pd.Series:
    """Return a column as flags, int32, float32 or categories of text."""
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return column.cat.rename_categories([str(name) for name in column.cat.categories])
    if pd.api.types.is_bool_dtype(kind) and not column.isna().any():
        return column.astype(bool)
    if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_complex_dtype(kind):
        texts = column.astype(str).where(column.notna())
        return texts.astype("category")
    whole = pd.api.types.is_integer_dtype(kind) and not column.isna().any()
    if whole and column.min() >= _INT32.min and column.max() <= _INT32.max:
        return column.astype(np.int32)
    with np.errstate(over="ignore"):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32)
    return pd.Series(np.where(np.isfinite(values), values, np.nan), column.index, np.float32)


def _has_infinities(column: pd.Series) -> bool:
    if not pd.api.types.is_float_dtype(column.dtype):
        return False
    return bool(np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan)).any())


def _colors(adata: AnnData, obs: pd.DataFrame) -> dict[str, Any]:
    """Return the colours of all categories of columns that have one for each."""
    from matplotlib.colors import is_color_like, to_hex  # noqa: PLC0415 (slow to import)

    found = {}
    for name in obs:
        stored = adata.uns.get(_keys.colors_key(str(name)))
        if stored is None or not isinstance(adata.obs[name].dtype, pd.CategoricalDtype):
            continue
        colors = list(np.atleast_1d(np.asarray(stored, dtype=object)))
        if len(colors) == len(obs[name].cat.categories) and all(map(is_color_like, colors)):
            found[_keys.colors_key(str(name))] = np.array([to_hex(c) for c in colors], dtype=object)
    return found


def _left_out(adata: AnnData, result: AnnData) -> list[str]:
    """Say which parts of the data are not in the copy."""
    # anndata 0.13 stores X as the layer None
    layers = [name for name in adata.layers if name is not None]
    arrays = [name for name in adata.obsm if name not in result.obsm]
    raw = ["raw"] if adata.raw is not None else []
    tables = [name for name in adata.uns if name not in result.uns]
    parts = {
        "layers": layers + raw,
        "arrays of cells and genes, such as arrows": arrays + list(adata.varm),
        "graphs": [*adata.obsp, *adata.varp],
        "tables and settings in uns": tables,
    }
    return [
        f"left out, because cellxgene does not show them: {what} ({named(names)})"
        for what, names in parts.items()
        if names
    ]
