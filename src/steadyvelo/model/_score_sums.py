r"""Sums over cells from which a ratio and its errors are computed.

They are computed in two passes. The first gives the values by which counts and instruments are
centred (:class:`InstrumentSums`, and the :class:`Centring` computed from them). The second sums the
scores of the cells, their squares and products (:class:`ScoreSums`). Sums over disjoint sets of
cells can be added with ``+``; those of the second pass only if the same centring was used. So cells
may be divided between machines.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from ._typing import BoolArray, Float64Array

__all__ = ["Centring", "InstrumentSums", "ScoreSums"]


@dataclass(frozen=True, eq=False)
class InstrumentSums:
    r"""Sums over cells of instruments and of their products with counts, each of shape (genes,).

    Attributes
    ----------
    h, h0
        :math:`\sum h` and :math:`\sum h^0`.
    h_spliced, h_unspliced
        :math:`\sum h \tilde s` and :math:`\sum h \tilde u`.
    h0_spliced, h0_unspliced
        :math:`\sum h^0 \tilde s` and :math:`\sum h^0 \tilde u`.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import Instruments
    >>> spliced = np.array([[1.0], [2.0], [3.0]])
    >>> counts = spliced, 0.5 * spliced
    >>> sums = Instruments(spliced, np.ones((3, 1)), *counts, np.ones((3, 2))).means()
    >>> sums.h_spliced.tolist(), (sums + sums).h_spliced.tolist()
    ([14.0], [28.0])
    """

    h: Float64Array
    h0: Float64Array
    h_spliced: Float64Array
    h_unspliced: Float64Array
    h0_spliced: Float64Array
    h0_unspliced: Float64Array

    def __add__(self, other: Self) -> Self:
        """Return the sums over the cells of both objects."""
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def centres(self, with_offset: BoolArray) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return Σh/Σh⁰ and the means of s and u under h⁰; 0 for genes without an offset."""
        with np.errstate(invalid="ignore", divide="ignore"):
            share, spliced, unspliced = (
                np.where(with_offset, x / self.h0, 0.0)
                for x in (self.h, self.h0_spliced, self.h0_unspliced)
            )
        return share, spliced, unspliced

    def centring(self, *, offset: bool) -> Centring:
        """Return the values by which instruments and counts are centred."""
        some = (self.h_spliced > 0) & (self.h0 > 0)

        def over(numerator: Float64Array, denominator: Float64Array) -> Float64Array:
            return np.divide(numerator, denominator, out=np.zeros(len(some)), where=some)

        nothing = np.zeros(len(some))
        return Centring(
            offset,
            over(self.h, self.h0) if offset else nothing,
            over(self.h0_spliced, self.h0) if offset else nothing,
            over(self.h0_unspliced, self.h0) if offset else nothing,
            over(self.h_unspliced, self.h_spliced),
            over(self.h0_spliced, self.h_spliced),
            self.h0,
        )


@dataclass(frozen=True, eq=False)
class Centring:
    r"""Values by which instruments and counts are centred, each of shape (genes,).

    Attributes
    ----------
    offset
        Whether lines have an offset.
    h_share
        :math:`\sum h / \sum h^0`; 0 without an offset.
    spliced_mean, unspliced_mean
        :math:`\bar s` and :math:`\bar u`, means with weights :math:`h^0`; 0 without an offset.
    gamma
        The ratio through the origin, :math:`\sum h \tilde u / \sum h \tilde s`.
    kappa
        :math:`\sum h^0 \tilde s / \sum h \tilde s`.
    h0
        :math:`\sum h^0`.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import Instruments
    >>> spliced = np.array([[1.0], [2.0], [3.0]])
    >>> counts = spliced, 0.5 * spliced
    >>> sums = Instruments(spliced, np.ones((3, 1)), *counts, np.ones((3, 2))).means()
    >>> sums.centring(offset=True).spliced_mean.tolist()
    [2.0]
    """

    offset: bool
    h_share: Float64Array
    spliced_mean: Float64Array
    unspliced_mean: Float64Array
    gamma: Float64Array
    kappa: Float64Array
    h0: Float64Array


@dataclass(frozen=True, eq=False)
class ScoreSums:
    r"""Sums over cells of scores, of their squares and products, each of shape (genes,).

    With q the instrument and :math:`a = q (\tilde u - \bar u)`, :math:`b = q (\tilde s - \bar s)`;
    with an offset :math:`q = h - h^0 \sum h / \sum h^0`; without one, q is h and both means are 0.

    Attributes
    ----------
    centring
        How instruments and counts were centred; None if they were not, because lines have no offset
        and no offset is tested.
    unspliced, spliced
        :math:`\sum a` and :math:`\sum b`, whose ratio is γ.
    unspliced_squares, products, spliced_squares
        :math:`\sum a^2`, :math:`\sum ab` and :math:`\sum b^2`.
    poisson
        :math:`\sum q^2 (d_s \tilde u + d_u \tilde s)`.
    instrument_squares, instrument_fourth_powers
        :math:`\sum q^2` and :math:`\sum q^4`.
    molecule_squares
        :math:`\sum h^2 d_u \tilde u`.
    h_spliced, h_unspliced
        :math:`\sum h \tilde s` and :math:`\sum h \tilde u`.
    offset_score, offset_score_squares
        :math:`\sum z` and :math:`\sum z^2` with the score of an offset, :math:`z =
        (h^0 - \kappa h)(\tilde u - \gamma \tilde s)` at the ratio through the origin.
    offset_unspliced_squares, offset_products, offset_spliced_squares
        :math:`\sum x^2`, :math:`\sum xy` and :math:`\sum y^2` with :math:`x = h^0 (\tilde u -
        \bar u)` and :math:`y = h^0 (\tilde s - \bar s)`.
    mixed_unspliced, mixed_products, mixed_spliced
        :math:`\sum ax`, :math:`\sum (ay + bx)` and :math:`\sum by`.
    sample_unspliced, sample_spliced
        :math:`\sum a` and :math:`\sum b` of every sample, shape (samples, genes); no rows if cells
        are independent.

    Examples
    --------
    >>> import numpy as np
    >>> from steadyvelo.model import Instruments
    >>> spliced = np.array([[1.0], [2.0], [3.0]])
    >>> counts = spliced, 0.5 * spliced
    >>> instruments = Instruments(spliced, np.ones((3, 1)), *counts, np.ones((3, 2)))
    >>> sums = instruments.sums(centred=False)
    >>> (sums.unspliced / sums.spliced).tolist()
    [0.5]
    """

    centring: Centring | None
    unspliced: Float64Array
    spliced: Float64Array
    unspliced_squares: Float64Array
    products: Float64Array
    spliced_squares: Float64Array
    poisson: Float64Array
    instrument_squares: Float64Array
    instrument_fourth_powers: Float64Array
    molecule_squares: Float64Array
    h_spliced: Float64Array
    h_unspliced: Float64Array
    offset_score: Float64Array
    offset_score_squares: Float64Array
    offset_unspliced_squares: Float64Array
    offset_products: Float64Array
    offset_spliced_squares: Float64Array
    mixed_unspliced: Float64Array
    mixed_products: Float64Array
    mixed_spliced: Float64Array
    sample_unspliced: Float64Array
    sample_spliced: Float64Array

    @property
    def n_samples(self) -> int:
        """Number of samples; 0 if cells are independent."""
        return len(self.sample_spliced)

    @property
    def has_offset(self) -> bool:
        """Whether the lines have an offset."""
        return self.centring is not None and self.centring.offset

    def __add__(self, other: Self) -> Self:
        """Return the sums over the cells of both objects, which must have the same centring."""
        if self.centring is not other.centring:
            msg = "sums of scores can be added only if they have the same Centring object."
            raise ValueError(msg)
        added: dict[str, Any] = {
            f.name: _added(getattr(self, f.name), getattr(other, f.name))
            for f in fields(self)
            if f.name != "centring"
        }
        return replace(self, **added)

    def testing(self, other: ScoreSums) -> Self:
        """Return the same sums with another object's score of an offset."""
        return replace(
            self,
            offset_score=other.offset_score,
            offset_score_squares=other.offset_score_squares,
        )


def _added(first: Float64Array, second: Float64Array) -> Float64Array:
    """Add two arrays; one of them may have fewer samples (the last ones have no cells in it)."""
    if first.ndim == 1:
        return first + second
    less, more = sorted((first, second), key=len)
    return np.concatenate([less + more[: len(less)], more[len(less) :]])
