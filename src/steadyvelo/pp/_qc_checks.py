"""Quality checks of the counts before the fit; each check gives one verdict."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from steadyvelo._adata._checks import listed
from steadyvelo._adata._kind_of_counts import looks_logged
from steadyvelo._settings import settings
from steadyvelo.engine import count_threads, weighted_row_sums

from ._qc_counts import Counts, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    import scipy.sparse as sp
    from numpy.typing import NDArray

__all__ = ["checks_of"]

# usual shares of unspliced molecules in whole cells; nuclei have more
_USUAL_UNSPLICED = (0.05, 0.5)
# mitochondrial genes have no introns, and transcripts of ribosomal proteins are spliced fast
# (kinases such as RPS6KA1 and pseudogenes are excluded)
_SPLICED_GENES = r"(?i)^(?:mt-[a-z]+\d?[a-z]?\d?|rp[sl]p?\d+[axyl]?\d*)$"
_FEWEST_GENES = 3
# cells with fewer molecules can have equal counts by chance
_FEWEST_MOLECULES = 50
# fewest barcodes of which it can be told whether they are cells; one in so many barcodes is a cell
# in a raw table, and at least this many; share of its molecules that a barcode without a cell has
_FEWEST_BARCODES, _BARCODES_OF_A_CELL, _LEAST_CELLS, _EMPTY = 500, 200, 50, 0.05
# share of unspliced molecules below which a kit counts none
_PROBES = 0.005
# how many times the odds of unspliced molecules of other groups those of a group may be
_MOST_ODDS = 4.0
# with fewer unspliced molecules per cell, smoothing over neighbours has little to average
_DEPTH = 30


def same_matrix(counts: Counts) -> Finding:
    """Spliced and unspliced counts must differ."""
    same = all(np.array_equal(*x) for x in (counts.per_cell, counts.per_gene))
    if same and not np.any((counts.spliced - counts.unspliced).data):
        reason = "the spliced and the unspliced layer have the same values"
        remedy = "read the counts again; one layer was stored twice"
        return Finding("stop", 1.0, reason, remedy)
    return Finding("ok", 0.0, "the spliced and the unspliced layer differ")


def normalised(counts: Counts) -> Finding:
    """Check that counts are raw."""
    fractional = {name: x for name, x in counts.layers.items() if not counts.whole[name]}
    logged = [name for name, x in fractional.items() if looks_logged(x)]
    if logged:
        largest = max(float(fractional[name].data.max()) for name in logged)
        reason = f"layer {' and '.join(logged)} looks log-transformed (largest value {largest:.3g})"
        remedy = (
            "the model needs counts; take them from the counting program's output or from adata.raw"
        )
        return Finding("stop", largest, reason, remedy)
    if fractional:
        taken = [name for name in fractional if counts.normalised[name]]
        reason = f"layer {' and '.join(fractional)} has values that are not whole numbers"
        remedy = (
            "use raw counts if possible; these values are taken as normalised, with a size factor "
            "of 1; if they are raw, say so: counts='raw' (--counts raw)"
            if taken
            else "they are taken as corrected raw counts; if they were divided by library sizes, "
            "say so: counts='normalised' (--counts normalised)"
        )
        return Finding("attention", float(len(fractional)), reason, remedy)
    for name, total in zip(counts.layers, counts.per_cell, strict=True):
        if len(total) > 10 and total.min() > 0 and total.std() < 0.01 * total.mean():
            reason = (
                f"all cells have about {total.mean():,.0f} {name} molecules, so counts may be "
                "normalised and rounded"
            )
            remedy = "take raw counts from the counting program's output"
            return Finding("attention", float(total.mean()), reason, remedy)
    return Finding("ok", 0.0, "both layers have whole numbers only")


def filtered_cells(counts: Counts) -> Finding:
    """Barcodes without a cell must have been left out."""
    total = np.sort(sum(counts.per_cell))[::-1]
    total = total[total > 0]
    if len(total) < _FEWEST_BARCODES:
        return Finding("ok", np.nan, "too few cells to tell barcodes without a cell")
    # cells are at least the share of barcodes that a raw table of a small sample has
    cell = float(total[max(len(total) // _BARCODES_OF_A_CELL, _LEAST_CELLS)])
    share = float((total < _EMPTY * cell).mean())
    least = 10 ** np.floor(np.log10(max(cell / 10, 1)))
    least *= max(1, int(cell / 10 / least))
    if share > 0.5:
        reason = (
            f"{share:.0%} of {len(total):,} barcodes have less than {_EMPTY:.0%} of the molecules "
            "of a cell: barcodes without a cell were not filtered out"
        )
        remedy = (
            "name the cells that were called, with a file of their barcodes (--cells LIST, in "
            f"Python cells=), or ask for molecules (--min-molecules {least:.0f}, min_molecules=)"
        )
        return Finding("stop", share, reason, remedy)
    return Finding("ok", share, f"{share:.0%} of barcodes have hardly any molecules")


def proportions(counts: Counts) -> Finding:
    """Compare the share of unspliced molecules with usual shares."""
    share = counts.unspliced_share()
    low, high = _USUAL_UNSPLICED
    said = f"{share:.1%} of molecules are unspliced"
    if counts.ambiguous is not None:
        overall = counts.by_group()[0]
        total = overall.spliced + overall.unspliced + overall.ambiguous
        said += f", {overall.ambiguous / total:.1%} of all are ambiguous"
    if share < _PROBES:
        reason = f"{said}; {low:.0%} to {high:.0%} are usual"
        remedy = (
            "kits with probes (10x Flex, for fixed cells and FFPE) have no unspliced molecules, so "
            "they have no velocities; otherwise, the counting program may have had no introns in "
            "its annotation"
        )
        return Finding("attention", share, reason, remedy)
    if share < low:
        reason = f"{said}; {low:.0%} to {high:.0%} are usual"
        remedy = (
            "check that the counting program used an annotation with introns; kits with poly-A "
            "priming usually give 10% to 30%"
        )
        return Finding("attention", share, reason, remedy)
    if share > high:
        reason = f"{said}; {low:.0%} to {high:.0%} are usual in whole cells"
        remedy = "this is usual for nuclei; for whole cells, check whether the layers are swapped"
        return Finding("attention", share, reason, remedy)
    return Finding("ok", share, f"{said}; {low:.0%} to {high:.0%} are usual")


def swapped(counts: Counts) -> Finding:
    """Genes that are nearly always spliced must have their counts in the spliced layer."""
    always = np.flatnonzero(counts.genes.astype(str).str.contains(_SPLICED_GENES, regex=True))
    s, u = (float(total[always].sum()) for total in counts.per_gene)
    if s + u >= 100 and len(always) >= _FEWEST_GENES:
        share = u / (s + u)
        if share > 0.5:
            reason = (
                f"{share:.0%} of the molecules of mitochondrial and ribosomal genes are in the "
                "unspliced layer, although these genes have hardly any: the layers are swapped"
            )
            remedy = "exchange the two layers, or give their names as spliced= and unspliced="
            return Finding("stop", share, reason, remedy)
        return Finding(
            "ok", share, f"{share:.1%} of mitochondrial and ribosomal molecules are unspliced"
        )
    share = counts.unspliced_share()
    if share > 0.5:
        reason = f"{share:.0%} of molecules are unspliced: the layers may be swapped"
        remedy = (
            "compare with the summary of the counting program; in whole cells most molecules are "
            "spliced"
        )
        return Finding("attention", share, reason, remedy)
    return Finding("ok", share, "more molecules are spliced than unspliced")


def nuclei(counts: Counts) -> Finding:
    """Nuclei have mostly unspliced molecules, and another steady state."""
    s, u = counts.per_cell
    some = s + u > 0
    share = np.median(u[some] / (s + u)[some]) if some.any() else 0.0
    if share > 0.5:
        reason = f"{share:.0%} of the median cell's molecules are unspliced, as in nuclei"
        remedy = (
            "interpret gamma as export plus degradation of spliced mRNA, not as degradation alone"
        )
        return Finding("attention", float(share), reason, remedy)
    return Finding("ok", float(share), f"{share:.0%} of the median cell's molecules are unspliced")


def one_layer_genes(counts: Counts) -> Finding:
    """Genes must have spliced and unspliced molecules."""
    s, u = (total > 0 for total in counts.per_gene)
    one, both = int((s ^ u).sum()), int((s & u).sum())
    share = one / max(one + both, 1)
    said = (
        f"{one:,} of {one + both:,} genes with counts have only spliced or only unspliced molecules"
    )
    if both < 2:
        remedy = (
            "the layers have no genes in common; check that they come from one run and annotation"
        )
        return Finding("stop", share, said, remedy)
    if share > 0.8:
        remedy = "check that both layers come from one run of the counting program"
        return Finding("attention", share, said, remedy)
    return Finding("ok", share, said)


def duplicated_cells(counts: Counts) -> Finding:
    """Each cell may occur only once."""
    seen: set[bytes] = set()
    doubled = []
    for i in _cells_with_equal_sums(counts):
        key = hashlib.blake2b(_row(counts.spliced, i), digest_size=16)
        key.update(b"|" + _row(counts.unspliced, i))
        if key.digest() in seen:
            doubled.append(counts.cells[i])
        seen.add(key.digest())
    if doubled:
        reason = (
            f"{len(doubled):,} cells have exactly the same counts as another cell "
            f"({listed(doubled, 3)})"
        )
        remedy = (
            "remove the copies, which would be each other's neighbours; samples may have been "
            "joined twice"
        )
        return Finding("attention", float(len(doubled)), reason, remedy)
    return Finding("ok", 0.0, "no two cells have the same counts")


def _cells_with_equal_sums(counts: Counts) -> NDArray[np.intp]:
    """Return cells that have the same sum as another one, with random weights of the genes."""
    weights = np.random.default_rng(0).random((counts.spliced.shape[1], 2))
    threads = count_threads(settings.n_threads)
    s, u = (
        weighted_row_sums(x, weights[:, [k]], threads)[:, 0]
        for k, x in enumerate(counts.layers.values())
    )
    enough = np.flatnonzero(sum(counts.per_cell) >= _FEWEST_MOLECULES)
    _, place, times = np.unique((s + u)[enough], return_inverse=True, return_counts=True)
    return enough[times[place] > 1]


def _row(x: sp.csr_array[Any], i: int) -> bytes:
    part = slice(x.indptr[i], x.indptr[i + 1])
    return x.indices[part].tobytes() + x.data[part].tobytes()


def empty_cells(counts: Counts) -> Finding:
    """Cells must have spliced and unspliced molecules."""
    s, u = (total == 0 for total in counts.per_cell)
    n = int((s | u).sum())
    said = f"{n:,} of {len(counts.cells):,} cells have no spliced or no unspliced molecules"
    if n == len(counts.cells):
        remedy = "the layers belong to different cells; join them again by cell names"
        return Finding("stop", 1.0, said, remedy)
    if n > 0.01 * len(counts.cells):
        remedy = "these cells get no arrows; filter cells first"
        return Finding("attention", n / len(counts.cells), said, remedy)
    return Finding("ok", n / len(counts.cells), said)


def usable_genes(counts: Counts) -> Finding:
    """Enough genes must have spliced and unspliced molecules in the same cells."""
    shared = counts.shared
    table = ", ".join(f"{(shared >= t).sum():,} at {t}" for t in (5, 10, 20, 50, 100))
    n = int((shared >= 20).sum())
    said = f"number of genes by min_shared_counts: {table}"
    if n < 2:
        remedy = "too few shared counts; check that both layers come from one run"
        return Finding("stop", float(n), said, remedy)
    if n < 50:
        remedy = "arrows from few genes are imprecise; lower min_shared_counts"
        return Finding("attention", float(n), said, remedy)
    return Finding("ok", float(n), said)


def depth(counts: Counts) -> Finding:
    """Ratios need enough unspliced molecules."""
    usable = counts.shared >= 20
    median = float(np.median(counts.per_cell[1]))
    said = f"the median cell has {median:,.0f} unspliced molecules"
    if usable.any():
        said += (
            f", and the median usable gene has {np.median(counts.per_gene[1][usable]):,.0f} in "
            "all cells together"
        )
    if median < _DEPTH:
        remedy = "most ratios will be imprecise; sequence deeper, or pool samples"
        return Finding("attention", median, said, remedy)
    return Finding("ok", median, said)


def library_sizes(counts: Counts) -> Finding:
    """Library sizes must belong to these counts, and must not depend on a selection of genes."""
    if counts.doubt is not None:
        return Finding("attention", *counts.doubt)
    return Finding("ok", np.nan, "no sign that library sizes are those of selected genes only")


def groups_alike(counts: Counts) -> Finding:
    """Compare the shares of unspliced molecules of groups."""
    every, *groups = counts.by_group()
    overall = every.unspliced_share
    apart, swapped_in = [], []
    for group in groups:
        share = group.unspliced_share if group.n_cells else overall
        u, s = every.unspliced - group.unspliced, every.spliced - group.spliced
        others = u / (u + s) if u + s > 0 else overall
        if share > 0.5 and _odds(share) > _MOST_ODDS * _odds(others):
            swapped_in.append(group.group)
        if not 0.5 * overall <= share <= 2 * overall or group.group in swapped_in:
            apart.append(f"{group.group} ({share:.0%})")
    if swapped_in:
        reason = (
            f"most molecules of {', '.join(swapped_in[:5])} are unspliced, unlike those of the "
            f"other groups ({', '.join(apart[:5])}; overall {overall:.0%})"
        )
        remedy = (
            "the layers of these cells may be swapped, or they are nuclei; read their counts "
            "again, or fit them separately"
        )
        return Finding("attention", float(len(swapped_in)), reason, remedy)
    if apart:
        reason = (
            f"the unspliced share of {', '.join(apart[:5])} differs strongly from the overall "
            f"{overall:.0%}"
        )
        remedy = (
            "if samples were made with another kit or from nuclei, fit them separately or use "
            "common size factors"
        )
        return Finding("attention", float(len(apart)), reason, remedy)
    return Finding("ok", 0.0, f"all groups have about the overall unspliced share of {overall:.0%}")


def _odds(share: float) -> float:
    return share / max(1.0 - share, 1e-9)


_CHECKS: dict[str, Callable[[Counts], Finding]] = {
    "same matrix": same_matrix,
    "raw counts": normalised,
    "swapped layers": swapped,
    "filtered cells": filtered_cells,
    "proportions": proportions,
    "nuclei": nuclei,
    "empty cells": empty_cells,
    "duplicated cells": duplicated_cells,
    "one layer only": one_layer_genes,
    "usable genes": usable_genes,
    "depth": depth,
    "library sizes": library_sizes,
}


def checks_of(counts: Counts) -> dict[str, Finding]:
    """Return the finding of every check; that of groups only if the cells have groups."""
    checks = _CHECKS if counts.groups is None else {**_CHECKS, "groups": groups_alike}
    return {name: check(counts) for name, check in checks.items()}
