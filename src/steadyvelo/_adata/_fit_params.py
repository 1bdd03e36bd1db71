"""The options of a fit and the record of its inputs: the only code that reads and writes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from steadyvelo import _keys
from steadyvelo._choices import CrossFit, Sandwich, Stochastic
from steadyvelo._version import __version__

from ._checks import listed
from ._provenance import SCHEMA, check_schema
from ._record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

    from steadyvelo.model._ratio import OffsetMode
    from steadyvelo.model._weights import Quantiles

__all__ = [
    "GIVEN",
    "ErrorChoice",
    "FitOptions",
    "FitParams",
    "GraphParams",
    "MadeFrom",
    "made_entry",
    "neighbors_of_graph",
    "note_made",
]

# name of the rule of a fit whose weights were given as an array
GIVEN = "given"
_METHODS: dict[str, type[Sandwich | CrossFit]] = {"sandwich": Sandwich, "crossfit": CrossFit}
# repeats of a cross-fit up to some numbers of cells, and with more cells: how genes and cells are
# divided then changes ratios less
_REPEATS, _FEWEST_REPEATS = ((5_000, 5), (500_000, 3)), 2
# entries of Stochastic with another name
_SECOND_MOMENTS = {"moments": "second_moments"}
# if one of these is missing, another tool wrote the parameters
_REQUIRED = ("moments", "weights", "quantiles", "cells_hash", "n_cells")
# records of results that are computed from a graph; the others are computed from a fit
_OF_GRAPH = (
    *("arrows", "embeddings", "transitions", "terminal_states", "pseudotime", "randomized"),
    *("walks", "paths", "cluster_graph"),
)
_OF_FIT = ("directions", "reliability", "sensitivity", "ranked_genes", "ratio_differences")


@dataclass(frozen=True, kw_only=True)
class ErrorChoice(Record):
    """Method for errors of ratios; see :func:`steadyvelo.tl.velocity`. None means no errors."""

    _NAMED: ClassVar = {"method": "uncertainty"}

    method: str | None = None
    level: float = 0.95
    sample_key: str | None = None
    n_repeats: int = _REPEATS[0][1]
    gene_clusters: str | None = None
    rng: int = 0

    @classmethod
    def asked(
        cls, uncertainty: Any, n_cells: int, sample_key: str | None = None, rng: int = 0
    ) -> ErrorChoice:
        """Return the choice that a user makes by name, or by an object such as CrossFit."""
        if isinstance(uncertainty, str):
            uncertainty = _METHODS[uncertainty]()
        if uncertainty is None:
            return cls(sample_key=sample_key, rng=rng)
        method = next(name for name, kind in _METHODS.items() if isinstance(uncertainty, kind))
        options = asdict(uncertainty)
        if method == "crossfit" and options["n_repeats"] is None:
            of_cells = (repeats for most, repeats in _REPEATS if n_cells <= most)
            options["n_repeats"] = next(of_cells, _FEWEST_REPEATS)
        return cls(method=method, sample_key=sample_key, rng=rng, **options)

    def encode(self) -> dict[str, Any]:
        """Return the entries: none without a method, and those of folds only for cross-fitting."""
        of_folds = () if self.method == "crossfit" else ("n_repeats", "gene_clusters", "rng")
        entries = {} if self.method is None else super().encode()
        return {name: value for name, value in entries.items() if name not in of_folds}


@dataclass(frozen=True, kw_only=True)
class FitOptions(Record):
    """Options of a fit; see :func:`steadyvelo.tl.velocity`.

    `weights` is the name of a rule, or :data:`GIVEN`; `quantiles` are the values that were used;
    `groups` are the groups to which the fit was restricted, None for all cells; `stochastic` are
    the options of second moments, None for a deterministic fit.
    """

    _LEFT_OUT = (
        *("groups", "groupby", "stochastic", "gamma_by"),
        *("gamma_bounds", "offset_bounds", "bounds"),
    )

    weights: str
    quantiles: Quantiles
    offset: OffsetMode = False
    min_r2: float = 0.01
    min_gamma: float = 0.01
    r2: Literal["fit", "all_cells"] = "fit"
    highly_variable: bool = False
    dense: bool = True
    spliced: str = "spliced"
    unspliced: str = "unspliced"
    neighbors_key: str | None = None
    errors: ErrorChoice = field(default_factory=ErrorChoice)
    groups: tuple[str, ...] | None = None
    groupby: str | None = None
    stochastic: Stochastic | None = None
    gamma_by: str | None = None
    gamma_bounds: tuple[float, float] | None = None
    offset_bounds: tuple[float, float] | None = None
    bounds: str | None = None

    @property
    def has_offset(self) -> bool:
        """Whether velocities have an offset."""
        return self.offset is not False or (
            self.stochastic is not None and self.stochastic.fit_offset
        )

    @property
    def needs_counts(self) -> bool:
        """Whether the fit needs the counts that are smoothed."""
        given = (self.errors.method, self.stochastic, self.gamma_by)
        return any(each is not None for each in given)

    @property
    def bounded(self) -> bool:
        """Whether the lines have bounds."""
        given = (self.bounds, self.gamma_bounds, self.offset_bounds)
        return any(each is not None for each in given)

    @property
    def smoothed(self) -> dict[str, Any]:
        """Arguments that determine what is smoothed: layers of counts and the neighbour graph."""
        return {
            "spliced": self.spliced,
            "unspliced": self.unspliced,
            "neighbors_key": self.neighbors_key,
        }

    def encode(self) -> dict[str, Any]:
        """Return the entries."""
        mode: dict[str, Any] = {"mode": "deterministic"}
        if self.stochastic is not None:
            named = {_SECOND_MOMENTS.get(n, n): x for n, x in asdict(self.stochastic).items()}
            mode = {"mode": "stochastic", **named}
        return {**mode, **super().encode(), **self.errors.encode()}

    @classmethod
    def decode(cls, entries: Mapping[str, Any]) -> Self:
        """Read the entries of :meth:`encode`."""
        stochastic = None
        if str(entries.get("mode")) == "stochastic":
            names = (f.name for f in fields(Stochastic))
            stochastic = Stochastic(**{n: entries[_SECOND_MOMENTS.get(n, n)] for n in names})
        errors = ErrorChoice.decode(entries)
        return replace(super().decode(entries), errors=errors, stochastic=stochastic)


@dataclass(frozen=True, kw_only=True)
class MadeFrom(Record):
    """Record of the inputs of a fit.

    `moments` says whether counts were smoothed or the layers ``Ms`` and ``Mu`` were used. The
    hashes of counts, size factors and neighbours are None for layers of another tool, and the hash
    of the folds of genes is None for a fit without folds. `categories` are the names of the
    categories of cells that have separate lines, and `categories_hash` is a hash of the category of
    every cell; None if all cells have the same line. `version` is the version of this package.
    """

    _LEFT_OUT = ("neighbors_hash", "factors_hash", "folds_hash", "categories", "categories_hash")

    moments: Literal["counts", "layers"]
    schema: int
    version: str
    n_cells: int
    cells_hash: str
    neighbors_hash: str | None = None
    factors_hash: str | None = None
    folds_hash: str | None = None
    categories: tuple[str, ...] | None = None
    categories_hash: str | None = None

    @property
    def counts_known(self) -> bool:
        """Whether the record contains which counts were smoothed, and how."""
        return self.neighbors_hash is not None


@dataclass(frozen=True)
class GraphParams(Record):
    """Options of a velocity graph; `n_genes` is the number of its velocity genes.

    `genes` is the column of `var` with its gene programme, or :data:`GIVEN` if the programme was
    given by names or a mask; None for all velocity genes.
    """

    _NAMED: ClassVar = {
        "n_genes": "n_graph_genes",
        "neighbors_key": "graph_neighbors_key",
        "genes": "graph_genes",
    }
    _LEFT_OUT = ("genes",)

    n_recurse_neighbors: int
    n_genes: int
    sqrt_transform: bool
    neighbors_key: str | None
    genes: str | None = None


@dataclass(frozen=True)
class FitParams:
    """All that is recorded of a fit and, if there is one, of its velocity graph.

    `made` contains the options of each result (``"arrows"``, ``"directions"`` ...).
    """

    options: FitOptions
    made_from: MadeFrom
    graph: GraphParams | None = None
    made: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, adata: AnnData, key: str, remedy: str) -> Self:
        """Read the parameters of a fit; refuse with the remedy if there are none."""
        entries = dict(_keys.PARAMS.read(adata, key, remedy=remedy))
        rerun = f"tl.velocity(adata, key_added={key!r})"
        missing = [name for name in _REQUIRED if name not in entries]
        if missing:
            msg = (
                f"uns[{_keys.PARAMS.of(key)!r}] lacks {listed(missing)}, so it was written by "
                f"another tool. Rerun {rerun}."
            )
            raise ValueError(msg)
        check_schema(entries, f"uns[{_keys.PARAMS.of(key)!r}]", rerun)
        made = {name: entries[name] for name in (*_OF_GRAPH, *_OF_FIT) if name in entries}
        graph = GraphParams.decode(entries) if "n_recurse_neighbors" in entries else None
        return cls(FitOptions.decode(entries), MadeFrom.decode(entries), graph, made)

    def write(self, adata: AnnData, key: str) -> None:
        """Write the parameters of a fit."""
        graph = {} if self.graph is None else self.graph.encode()
        entries = {**self.options.encode(), **self.made_from.encode(), **graph, **self.made}
        _keys.PARAMS.write(adata, entries, key)

    def with_graph(self, graph: GraphParams) -> FitParams:
        """Return the same with another graph, without records of results of an earlier graph."""
        made = {name: entry for name, entry in self.made.items() if name not in _OF_GRAPH}
        return replace(self, graph=graph, made=made)


def note_made(
    adata: AnnData, key: str, what: str, entry: Mapping[str, Any], *, under: str | None = None
) -> None:
    """Record how a result was made, under a further name (such as an embedding) if it needs one."""
    params = dict(_keys.PARAMS.read(adata, key))
    entry = {"schema": SCHEMA, "version": __version__, **entry}
    params[what] = dict(entry) if under is None else {**params.get(what, {}), under: dict(entry)}
    if what == "arrows":
        # scVelo's stream plot reads this list
        params["embeddings"] = list(params["arrows"])
    _keys.PARAMS.write(adata, params, key)


def made_entry(
    adata: AnnData, key: str, what: str, rerun: str, *, under: str | None = None
) -> Mapping[str, Any]:
    """Return how a stored result was made; refuse with what to rerun if there is no record."""
    entry = _keys.PARAMS.read(adata, key, remedy=f"run {rerun} first.").get(what, {})
    if under is not None:
        entry = entry.get(under, {})
    where = "" if under is None else f" on {under!r}"
    name = f"{what.replace('_', ' ')}{where}"
    if not entry:
        msg = f"adata has no {name} for velocity_key={key!r}; run {rerun} first."
        raise KeyError(msg)
    check_schema(entry, f"the record of {name} for velocity_key={key!r}", rerun)
    return entry


def neighbors_of_graph(adata: AnnData, key: str) -> str | None:
    """Return the key of the velocity graph's neighbour graph; None means the default."""
    entries = _keys.PARAMS.read(adata, key, default={})
    names = (str(entries.get(name, "")) for name in ("graph_neighbors_key", "neighbors_key"))
    return next(filter(None, names), None)
