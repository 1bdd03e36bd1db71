"""How a run fits genes: what is refused before anything is computed, and the memory of blocks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from steadyvelo._adata._fit_params import ErrorChoice
from steadyvelo._adata._inputs import Inputs
from steadyvelo._choices import Stochastic
from steadyvelo.tl._fit_inputs import check_smoothed_elsewhere
from steadyvelo.tl._line_choices import check_bounds, check_categories, without
from steadyvelo.tl._second_order import check_exact_moments, checked_mode
from steadyvelo.tl._uncertainty import bytes_of_fit, check_errors

from ._plan import Plan

if TYPE_CHECKING:
    from anndata import AnnData

    from steadyvelo._choices import Extremes, Mode, Uncertainty
    from steadyvelo.model._ratio import OffsetMode

__all__ = ["FitChoice"]


@dataclass(frozen=True, kw_only=True)
class FitChoice:
    """Arguments of :func:`steadyvelo.run` for :func:`steadyvelo.tl.velocity`."""

    mode: Mode = "deterministic"
    weights: str | Extremes = "extremes"
    offset: OffsetMode = False
    gamma_by: str | None = None
    gamma_bounds: tuple[float, float] | None = None
    offset_bounds: tuple[float, float] | None = None
    bounds: Literal["velocyto"] | None = None
    min_r2: float = 0.01
    min_gamma: float = 0.01
    uncertainty: Uncertainty | None = "crossfit"
    sample_key: str | None = None
    dense: bool | None = None
    rng: int = 0

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def needed_for_verdicts(self) -> str:
        """What verdicts need, in words, and which of the given options they cannot have."""
        given = (self.gamma_bounds, self.offset_bounds, self.bounds)
        others = without(
            gamma_by=self.gamma_by,
            bounded=any(each is not None for each in given),
            stochastic=Stochastic.of(self.mode) is not None,
        )
        return f"uncertainty='crossfit'{others}"

    def check(self, adata: AnnData) -> ErrorChoice:
        """Return the method of errors; raise an error for what cannot be fitted."""
        errors = ErrorChoice.asked(self.uncertainty, adata.n_obs, self.sample_key, self.rng)
        stochastic = checked_mode(self.mode, errors, self.offset)
        check_errors(adata, errors)
        check_bounds(
            errors,
            self.offset,
            stochastic,
            bounds=self.bounds,
            gamma_bounds=self.gamma_bounds,
            offset_bounds=self.offset_bounds,
        )
        check_categories(adata, errors, stochastic, gamma_by=self.gamma_by)
        check_smoothed_elsewhere(adata, errors, stochastic, self.gamma_by)
        return errors

    def check_sized(self, adata: AnnData, spliced: str) -> None:
        """Raise an error for what cannot be fitted, once size factors are known."""
        check_exact_moments(Inputs(adata), Stochastic.of(self.mode), spliced)

    def plan(self, shape: tuple[int, int], errors: ErrorChoice, **limits: Any) -> Plan:
        """Return the plan of a run, given the shape of the cells × genes that are used."""
        by_category, stochastic = self.gamma_by is not None, Stochastic.of(self.mode)
        bytes_each = bytes_of_fit(
            errors, self.weights, self.offset, stochastic, by_category=by_category
        )
        return Plan.make(shape, bytes_per_value=bytes_each, dense=self.dense, **limits)
