"""Simulation of counts along a branching trajectory, with the true abundances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from steadyvelo import _keys, model
from steadyvelo._arguments import public

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["simulate"]

# in median splicing times: the end of the trunk and the end of the branches. Genes that switch
# early nearly reach their new steady state, genes that switch late do not.
_TRUNK_END = 12.0
_END = 30.0
# cells that are simulated at a time, which limits the memory for noiseless abundances
_CELLS_AT_ONCE = 10_000
_TRUE_LAYERS = (_keys.TRUE_SPLICED, _keys.TRUE_UNSPLICED, _keys.TRUE_VELOCITY)


@public
def simulate(
    *,
    n_cells: int = 2000,
    n_genes: int = 300,
    n_branches: int = 2,
    depth: float = 1.0,
    library_size_sd: float = 0.3,
    dispersion: float = 0.0,
    steady_state: bool = False,
    truth: bool = True,
    rng: int | np.random.Generator | None = 0,
) -> AnnData:
    r"""Simulate spliced and unspliced counts of cells on a trunk that splits into branches.

    The times of cells are uniformly distributed. Every gene has a splicing rate β and a ratio γ/β
    from log-normal distributions. Its transcription rate is switched up to twice, at uniformly
    distributed times, on the trunk or in one branch: induction, repression or a transient pulse.
    Between switches, u and s follow the closed form of :func:`steadyvelo.model.evolve`. Counts are
    Poisson with means depth × library size of the cell × abundance, or negative binomial if
    transcription comes in bursts. Library sizes are log-normal.

    Parameters
    ----------
    n_cells, n_genes
        Size of the data.
    n_branches
        Number of branches after the trunk.
    depth
        Factor of all abundances. At 1, the median gene has about 4 spliced molecules per cell while
        it is transcribed.
    library_size_sd
        Standard deviation of the logarithm of library sizes, which have median 1.
    dispersion
        φ in the variance μ + φμ² of counts with mean μ, which are independent for every cell, gene
        and layer; 0 for Poisson counts.
    steady_state
        Whether every cell is at steady state. Spliced abundances are the same as without this
        option; unspliced abundances are γ/β times them, so that all true velocities are 0.
    truth
        Whether to store the true layers, which are dense. Without them, memory grows with the
        number of molecules.
    rng
        Seed: a whole number, a `numpy.random.Generator` from which one is drawn, or None for one
        from the system.

    Returns
    -------
    Cells × genes with

    ``X``, ``layers["spliced"]``, ``layers["unspliced"]``
        Counts, CSR int32; X is the spliced layer.
    ``layers["true_spliced"]``, ``layers["true_unspliced"]``, ``layers["true_velocity"]``
        True abundances at library size 1, and true velocities u − (γ/β) s, the change of s per
        splicing time; if ``truth=True``.
    ``var["true_gamma"]``
        Steady-state ratio γ/β. Other columns are ``splicing_rate``, ``degradation_rate``,
        ``transcription_rate`` (the highest) and ``program``.
    ``obs["true_time"]``, ``obs["branch"]``, ``obs["clusters"]``, ``obs["library_size"]``
        Time in median splicing times, the branch and cluster of a cell, and its library size.
    ``uns["true_edges"]``
        Pairs of consecutive clusters, shape (edges, 2).

    Raises
    ------
    ValueError
        If a size, the depth or the standard deviation is out of range.

    Examples
    --------
    >>> adata = simulate(n_cells=100, n_genes=20, rng=1)
    >>> sorted(adata.obs["branch"].unique())
    ['branch 1', 'branch 2', 'trunk']
    """
    generator = np.random.default_rng(rng)
    time = generator.uniform(0, _END, n_cells)
    branch = generator.integers(0, n_branches, n_cells)
    genes = _draw_genes(generator, n_genes, n_branches)
    library = np.exp(generator.normal(0, library_size_sd, n_cells))
    parts: list[dict[str, Any]] = []
    for start in range(0, n_cells, _CELLS_AT_ONCE):
        cells = slice(start, start + _CELLS_AT_ONCE)
        unspliced, spliced = _abundances(genes, time[cells], branch[cells])
        unspliced = depth * (genes.ratio * spliced if steady_state else unspliced)
        spliced = depth * spliced
        part: dict[str, Any] = {
            name: _counts(generator, library[cells, None] * mean, dispersion)
            for name, mean in (("spliced", spliced), ("unspliced", unspliced))
        }
        if truth:
            velocity = unspliced - genes.ratio * spliced
            true = zip(_TRUE_LAYERS, (spliced, unspliced, velocity), strict=True)
            part |= {field.of(): values.astype(np.float32) for field, values in true}
        parts.append(part)
    layers = _stacked(parts)
    adata = AnnData(
        X=layers["spliced"].copy(),
        obs=_places(time, branch).assign(library_size=library),
        var=_rates(genes, depth),
        layers=layers,
    )
    _keys.TRUE_EDGES.write(adata, _edges(n_branches))
    return adata


def _counts(
    generator: np.random.Generator, mean: NDArray[np.float64], dispersion: float
) -> sp.csr_matrix[Any]:
    if dispersion > 0:
        mean = mean * generator.gamma(1 / dispersion, dispersion, mean.shape)
    return sp.csr_matrix(generator.poisson(mean), dtype=np.int32)


def _stacked(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Join the layers of all cells; each part is freed after it is joined."""
    layers = {}
    for name in list(parts[0]):
        column = [part.pop(name) for part in parts]
        sparse = sp.issparse(column[0])
        layers[name] = sp.vstack(column, "csr") if sparse else np.concatenate(column)
    return layers


def _rates(genes: _Genes, depth: float) -> pd.DataFrame:
    """Return the true rates of the genes."""
    return pd.DataFrame(
        {
            _keys.TRUE_GAMMA.of(): genes.ratio,
            "splicing_rate": genes.splicing,
            "degradation_rate": genes.splicing * genes.ratio,
            "transcription_rate": depth * genes.levels.max(axis=(0, 1)),
            "program": pd.Categorical(genes.program),
        },
        index=[f"gene {g + 1}" for g in range(len(genes.ratio))],
    )


@dataclass(frozen=True, eq=False)
class _Genes:
    """Rates of all genes: β, γ/β, and α, which changes at two switches in each branch."""

    splicing: NDArray[np.float64]
    ratio: NDArray[np.float64]
    # α before, between and after the switches, shape (3, branches, genes), and their times, (2, …)
    levels: NDArray[np.float64]
    switches: NDArray[np.float64]
    # what a gene does: induction, repression or a pulse, and where
    program: NDArray[np.object_]


def _draw_genes(generator: np.random.Generator, n_genes: int, n_branches: int) -> _Genes:
    splicing = np.exp(generator.normal(0.0, 0.3, n_genes))
    ratio = np.exp(generator.normal(np.log(0.3), 0.5, n_genes))
    spliced_on = np.exp(generator.normal(np.log(4.0), 0.8, n_genes))
    on = splicing * ratio * spliced_on
    off = on * generator.beta(1, 12, n_genes)
    kind = generator.choice(["induced", "repressed", "pulsed"], n_genes, p=[0.45, 0.35, 0.2])
    # −1 for genes that switch on the trunk, and so in all branches
    where = np.where(
        generator.random(n_genes) < 0.4, -1, generator.integers(0, n_branches, n_genes)
    )
    start = np.where(where < 0, 0.0, _TRUNK_END)
    first = start + (_END - start) * generator.uniform(0.0, 0.6, n_genes)
    second = first + (_END - first) * generator.uniform(0.2, 0.8, n_genes)

    before = np.where(kind == "repressed", on, off)
    between = np.where(kind == "repressed", off, on)
    after = np.where(kind == "pulsed", off, between)
    levels = np.broadcast_to(before, (3, n_branches, n_genes)).copy()
    takes_part = (where[None, :] < 0) | (np.arange(n_branches)[:, None] == where)
    levels[1] = np.where(takes_part, between, before)
    levels[2] = np.where(takes_part, after, before)
    switches = np.broadcast_to(np.stack([first, second])[:, None], (2, n_branches, n_genes))
    place = [f"branch {w + 1}" if w >= 0 else "everywhere" for w in where]
    program = np.array([f"{k} {p}" for k, p in zip(kind, place, strict=True)], dtype=object)
    return _Genes(splicing, ratio, levels, switches, program)


def _abundances(
    genes: _Genes, time: NDArray[np.float64], branch: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return true unspliced and spliced abundances, shape (cells, genes)."""
    splicing, degradation = genes.splicing, genes.splicing * genes.ratio
    before, between, after = (level[branch] for level in genes.levels)
    first, second = (switch[branch] for switch in genes.switches)
    t = time[:, None]
    unspliced, spliced = model.steady_state(before, splicing, degradation)
    for level, since, until in ((between, first, second), (after, second, np.inf)):
        unspliced, spliced = model.evolve(
            np.maximum(np.minimum(t, until) - since, 0.0),
            unspliced,
            spliced,
            transcription=level,
            splicing=splicing,
            degradation=degradation,
        )
    return unspliced, spliced


def _places(time: NDArray[np.float64], branch: NDArray[np.int64]) -> pd.DataFrame:
    """Return the branch and the cluster of each cell, with its time."""
    on_trunk = time < _TRUNK_END
    first_half = time < np.where(on_trunk, _TRUNK_END / 2, (_TRUNK_END + _END) / 2)
    number = (branch + 1).astype(str).astype(object)
    return pd.DataFrame(
        {
            "true_time": time,
            "branch": pd.Categorical(np.where(on_trunk, "trunk", "branch " + number)),
            "clusters": pd.Categorical(
                np.where(
                    on_trunk,
                    np.where(first_half, "root", "fork"),
                    np.where(first_half, "middle " + number, "tip " + number),
                )
            ),
        },
        index=[f"cell {c + 1}" for c in range(len(time))],
    )


def _edges(n_branches: int) -> NDArray[np.object_]:
    edges = [("root", "fork")]
    for b in range(1, n_branches + 1):
        edges += [("fork", f"middle {b}"), (f"middle {b}", f"tip {b}")]
    return np.array(edges, dtype=object)
