"""Quality checks before anything is fitted: each looks at one thing and gives a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import scipy.sparse as sp

from steadyvelo._checks import is_integer, listed

from ._filter_genes import shared_counts

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["CHECKS", "Counts", "Finding", "unspliced_share"]

Verdict: TypeAlias = Literal["ok", "look", "stop"]

# shares of unspliced molecules as usual for whole cells; nuclei have more
USUAL_UNSPLICED = (0.05, 0.5)
# mitochondrial genes have no introns and ribosomal proteins' transcripts are spliced at once
_SPLICED_GENES = r"(?i)^(?:mt-|rp[sl]\d)"
# unspliced molecules a gene needs over all cells to leave about ten in its upper cells
_DEPTH = 50


@dataclass(frozen=True)
class Finding:
    """What a check says.

    Attributes
    ----------
    verdict
        `"ok"`, `"look"` (go on, knowing this) or `"stop"` (a fit would mean nothing).
    value
        The number that decides.
    reason
        What was found.
    remedy
        What to do; the empty string where nothing is.
    """

    verdict: Verdict
    value: float
    reason: str
    remedy: str = ""


@dataclass(frozen=True, eq=False)
class Counts:
    """The layers a check looks at.

    Attributes
    ----------
    spliced, unspliced, ambiguous
        Cells × genes, CSR; ambiguous may be None.
    cells, genes
        Their names.
    groups
        Category of each cell, or None.
    """

    spliced: sp.csr_array[Any]
    unspliced: sp.csr_array[Any]
    ambiguous: sp.csr_array[Any] | None
    cells: pd.Index
    genes: pd.Index
    groups: pd.Series | None


def unspliced_share(counts: Counts, cells: NDArray[np.bool_] | None = None) -> float:
    """Return unspliced molecules as share of spliced and unspliced ones."""
    s, u = (
        float((x if cells is None else x[cells]).sum()) for x in (counts.spliced, counts.unspliced)
    )
    return u / (s + u) if s + u > 0 else np.nan


def same_matrix(counts: Counts) -> Finding:
    """Spliced and unspliced must be two matrices."""
    s, u = counts.spliced, counts.unspliced
    if s.nnz == u.nnz and abs(s - u).nnz == 0:
        return Finding(
            "stop",
            1.0,
            "the spliced and the unspliced layer hold the same numbers",
            "read the counts again; one layer was written twice",
        )
    return Finding("ok", 0.0, "spliced and unspliced are two matrices")


def normalised(counts: Counts) -> Finding:
    """Tell whether counts are raw."""
    layers = {"spliced": counts.spliced, "unspliced": counts.unspliced}
    whole = [name for name, x in layers.items() if is_integer(x)]
    if len(whole) == 2:
        return Finding("ok", 1.0, "both layers hold whole numbers")
    name = next(name for name in layers if name not in whole)
    values = layers[name]
    raw = sp.csr_array((np.expm1(np.minimum(values.data.astype(np.float64), 50)), values.indices, values.indptr))
    both = [np.asarray(x.sum(axis=1)).ravel() for x in (values, raw)]
    plain, back = (float(np.std(t[t > 0]) / np.mean(t[t > 0])) for t in both)
    # undoing the logarithm gives one total for all cells, or values are as small as logarithms
    if back < 0.01 * max(plain, 0.01) or (values.data.max() < 15 and plain > 0.01):
        return Finding(
            "stop",
            float(values.data.max()),
            f"layer {name!r} looks log-transformed (largest value {values.data.max():.3g})",
            "the model needs counts: take them from the counter's output, or from adata.raw",
        )
    return Finding(
        "look",
        plain,
        f"layer {name!r} holds values that are not whole numbers: normalised already?",
        "raw counts are better: they are taken as they are, with a size factor of 1",
    )


def proportions(counts: Counts) -> Finding:
    """Compare the share of unspliced molecules with the usual one."""
    share = unspliced_share(counts)
    low, high = USUAL_UNSPLICED
    said = f"{share:.1%} of molecules are unspliced"
    if counts.ambiguous is not None:
        total = counts.spliced.sum() + counts.unspliced.sum() + counts.ambiguous.sum()
        said += f", {counts.ambiguous.sum() / total:.1%} of all are ambiguous"
    if share < low:
        return Finding(
            "look",
            share,
            f"{said}; {low:.0%} to {high:.0%} are usual",
            "was the counter given introns? A 3' kit with poly-A priming gives 10 to 30 %",
        )
    if share > high:
        return Finding(
            "look",
            share,
            f"{said}; {low:.0%} to {high:.0%} are usual in whole cells",
            "nuclei have more; else see whether the layers are swapped",
        )
    return Finding("ok", share, f"{said}; {low:.0%} to {high:.0%} are usual")


def swapped(counts: Counts) -> Finding:
    """Genes that are always spliced must be found in the spliced layer."""
    always = counts.genes.astype(str).str.contains(_SPLICED_GENES, regex=True)
    s, u = (float(x[:, np.flatnonzero(always)].sum()) for x in (counts.spliced, counts.unspliced))
    if s + u >= 100:
        share = u / (s + u)
        if share > 0.5:
            return Finding(
                "stop",
                share,
                f"{share:.0%} of the molecules of mitochondrial and ribosomal genes, which have "
                "hardly any unspliced ones, lie in the unspliced layer: layers are swapped",
                "exchange the two layers, or name them by spliced= and unspliced=",
            )
        return Finding("ok", share, f"{share:.1%} of mitochondrial and ribosomal are unspliced")
    share = unspliced_share(counts)
    if share > 0.5:
        return Finding(
            "look",
            share,
            f"{share:.0%} of molecules are unspliced: layers may be swapped",
            "compare with the counter's log; in whole cells most molecules are spliced",
        )
    return Finding("ok", share, "more molecules are spliced than unspliced")


def nuclei(counts: Counts) -> Finding:
    """Nuclei hold mostly unspliced molecules, and the model's steady state is another."""
    share = np.median(_share_per_cell(counts))
    if share > 0.5:
        return Finding(
            "look",
            float(share),
            f"the median cell has {share:.0%} unspliced molecules, as nuclei have",
            "in nuclei spliced mRNA is lost by export, not only by decay: read gamma with care",
        )
    return Finding("ok", float(share), f"the median cell has {share:.0%} unspliced molecules")


def one_layer_genes(counts: Counts) -> Finding:
    """Genes need both kinds of molecules."""
    s, u = (np.asarray(x.sum(axis=0)).ravel() > 0 for x in (counts.spliced, counts.unspliced))
    one, both = int((s ^ u).sum()), int((s & u).sum())
    share = one / max(one + both, 1)
    said = f"{one:,} of {one + both:,} genes seen have molecules of one kind only"
    if both < 2:
        return Finding(
            "stop",
            share,
            said,
            "the layers share no genes; do they belong to one reference and one run?",
        )
    if share > 0.8:
        return Finding("look", share, said, "did both layers come from one run of the counter?")
    return Finding("ok", share, said)


def duplicated_cells(counts: Counts) -> Finding:
    """No cell may stand twice."""
    seen: set[bytes] = set()
    doubled = []
    for i, name in enumerate(counts.cells):
        key = b"".join(_row(x, i) for x in (counts.spliced, counts.unspliced))
        if key and key in seen:
            doubled.append(name)
        seen.add(key)
    if doubled:
        return Finding(
            "look",
            float(len(doubled)),
            f"{len(doubled):,} cells have exactly the counts of another ({listed(doubled, 3)})",
            "were samples joined twice? Remove the copies: they are their own neighbours",
        )
    return Finding("ok", 0.0, "no two cells have the same counts")


def empty_cells(counts: Counts) -> Finding:
    """Cells need molecules of both kinds."""
    s, u = (np.asarray(x.sum(axis=1)).ravel() == 0 for x in (counts.spliced, counts.unspliced))
    n = int((s | u).sum())
    said = f"{n:,} of {len(counts.cells):,} cells have no molecules in a layer"
    if n == len(counts.cells):
        return Finding("stop", 1.0, said, "the layers belong to different cells; join them anew")
    if n > 0.01 * len(counts.cells):
        return Finding("look", n / len(counts.cells), said, "they get no arrow; filter cells first")
    return Finding("ok", n / len(counts.cells), said)


def usable_genes(counts: Counts) -> Finding:
    """Enough genes must have both kinds in the same cells."""
    shared = shared_counts(counts.spliced, counts.unspliced)
    table = ", ".join(f"{(shared >= t).sum():,} at {t}" for t in (5, 10, 20, 50, 100))
    n = int((shared >= 20).sum())
    said = f"genes usable by min_shared_counts: {table}"
    if n < 2:
        return Finding(
            "stop", float(n), said, "too few molecules of both kinds; are the layers of one run?"
        )
    if n < 50:
        return Finding(
            "look", float(n), said, "few genes make unsteady arrows; lower min_shared_counts"
        )
    return Finding("ok", float(n), said)


def depth(counts: Counts) -> Finding:
    """Ratios need unspliced molecules in the upper cells of a gene."""
    total = np.asarray(counts.unspliced.sum(axis=0)).ravel()
    seen = (total > 0) & (np.asarray(counts.spliced.sum(axis=0)).ravel() > 0)
    share = float((total[seen] >= _DEPTH).mean()) if seen.any() else 0.0
    per_cell = np.median(np.asarray(counts.unspliced.sum(axis=1)).ravel())
    said = (
        f"the median cell has {per_cell:,.0f} unspliced molecules; {share:.0%} of genes with both "
        f"kinds have at least {_DEPTH} in all cells"
    )
    if share < 0.4:
        return Finding(
            "look", share, said, "ratios of most genes will be unsure; sequence deeper or pool"
        )
    return Finding("ok", share, said)


def groups_alike(counts: Counts) -> Finding:
    """Find groups whose share of unspliced molecules stands apart."""
    if counts.groups is None:
        return Finding("ok", np.nan, "no groups were given")
    overall = unspliced_share(counts)
    apart = []
    for name in counts.groups.cat.categories:
        cells = (counts.groups == name).to_numpy()
        share = unspliced_share(counts, cells) if cells.any() else overall
        if not 0.5 * overall <= share <= 2 * overall:
            apart.append(f"{name} ({share:.0%})")
    if apart:
        return Finding(
            "look",
            float(len(apart)),
            f"the unspliced share of {', '.join(apart[:5])} is far from the {overall:.0%} overall",
            "samples of another kit or of nuclei? Fit them apart, or use common size factors",
        )
    return Finding("ok", 0.0, f"all groups are near the {overall:.0%} unspliced overall")


CHECKS: dict[str, Callable[[Counts], Finding]] = {
    "same matrix": same_matrix,
    "raw counts": normalised,
    "swapped layers": swapped,
    "proportions": proportions,
    "nuclei": nuclei,
    "empty cells": empty_cells,
    "duplicated cells": duplicated_cells,
    "one layer only": one_layer_genes,
    "usable genes": usable_genes,
    "depth": depth,
    "groups": groups_alike,
}


def _share_per_cell(counts: Counts) -> NDArray[np.float64]:
    s, u = (np.asarray(x.sum(axis=1)).ravel() for x in (counts.spliced, counts.unspliced))
    total = s + u
    return (u / np.where(total > 0, total, 1))[total > 0] if (total > 0).any() else np.zeros(1)


def _row(x: sp.csr_array[Any], i: int) -> bytes:
    part = slice(x.indptr[i], x.indptr[i + 1])
    return x.indices[part].tobytes() + x.data[part].tobytes()
