"""The genes that a run uses, and the memory that it will need."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal

from steadyvelo import _keys, pp
from steadyvelo._adata._checks import check_adata, check_counts
from steadyvelo._adata._light_copy import light_copy
from steadyvelo._choices import SizeFactors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from ._steps import Steps

__all__ = ["GeneChoice"]


@dataclass(frozen=True, kw_only=True)
class GeneChoice:
    """Arguments of :func:`steadyvelo.run` by which genes are chosen."""

    min_shared_counts: float = 20
    min_shared_cells: int = 0
    min_spliced_counts: float = 0
    min_unspliced_counts: float = 0
    min_spliced_cells: int = 0
    min_unspliced_cells: int = 0
    retain: Sequence[str] = ()
    size_factors: Literal["per_layer", "common"] | SizeFactors = "per_layer"
    spliced: str = "spliced"
    unspliced: str = "unspliced"

    @property
    def sizes(self) -> SizeFactors:
        """Method and columns of size factors."""
        asked = self.size_factors
        return asked if isinstance(asked, SizeFactors) else SizeFactors(method=asked)

    @property
    def criteria(self) -> dict[str, float]:
        """Smallest counts and numbers of cells, by argument."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name.startswith("min_")}

    @property
    def recorded(self) -> dict[str, float]:
        """The criteria that choose genes, and that of shared counts in any case."""
        named = "min_shared_counts"
        return {name: x for name, x in self.criteria.items() if x > 0 or name == named}

    @property
    def layers(self) -> dict[str, str]:
        """Names of the layers of counts, by argument."""
        return {"spliced": self.spliced, "unspliced": self.unspliced}

    def check(self, adata: AnnData) -> None:
        """Raise an error if the layers of counts are missing or wrong."""
        check_adata(adata)
        for name in self.layers.values():
            check_counts(adata, name)

    def marked(self, adata: AnnData, steps: Steps) -> AnnData:
        """Return a light copy with size factors and marked genes; the input is not changed."""
        # the record of the layers from which sizes in obs were computed
        kept = [_keys.SIZE_PARAMS.of()]
        layers = self.layers
        with steps("size factors"):
            copy = light_copy(adata, layers=layers.values(), obsm=[], varm=[], obsp=[], uns=kept)
            pp.size_factors(copy, **asdict(self.sizes), **layers)
        with steps("genes"):
            pp.filter_genes(copy, **self.criteria, retain=self.retain, **layers)
        return copy
