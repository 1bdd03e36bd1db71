"""Tables of differences between the ratios of two conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo.model import ModeratedTest

from ._multiple_tests import benjamini_hochberg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.model import GroupRatios, MatchedRatios

    from ._comparisons import SampleGroups

__all__ = ["matched_table", "sample_table", "slope_table"]

_OF_LOG2 = 1 / np.log(2)


def _named(
    genes: pd.Index[str], names: tuple[str, str], columns: dict[str, NDArray[np.float64]]
) -> pd.DataFrame:
    """Return a table with a row per gene that begins with gene, condition and reference."""
    return pd.DataFrame({"gene": genes, "condition": names[0], "reference": names[1], **columns})


def matched_table(
    genes: pd.Index[str], names: tuple[str, str], found: MatchedRatios
) -> pd.DataFrame:
    """Return the comparison of two conditions at matched state, over cells."""
    return _named(
        genes,
        names,
        {
            "log2_ratio": found.log_ratio * _OF_LOG2,
            "se": found.se * _OF_LOG2,
            "statistic": found.statistic,
            "p": found.p,
            "fdr": benjamini_hochberg(found.p),
            "molecules": found.molecules,
        },
    )


def slope_table(
    genes: pd.Index[str], names: tuple[str, str], ratios: GroupRatios, pair: tuple[int, int]
) -> pd.DataFrame:
    """Return the comparison of the slopes of two conditions, over cells."""
    contrast = ratios.contrast(*pair)
    gamma = ratios.gamma[list(pair)]
    with np.errstate(invalid="ignore", divide="ignore"):
        positive = np.where(gamma > 0, gamma, np.nan)
        errors = np.stack([ratios.se(k) for k in pair]) / positive
        log_ratio = np.log2(positive[0] / positive[1])
    return _named(
        genes,
        names,
        {
            "log2_ratio": log_ratio,
            "se": np.sqrt((errors**2).sum(axis=0)) * _OF_LOG2,
            "gamma": gamma[0],
            "gamma_reference": gamma[1],
            "difference": contrast.difference,
            "difference_se": contrast.se,
            "statistic": contrast.statistic,
            "p": contrast.p,
            "fdr": benjamini_hochberg(contrast.p),
            "molecules": ratios.molecules[list(pair)].min(axis=0),
        },
    )


def sample_table(
    genes: pd.Index[str],
    names: tuple[str, str],
    samples: SampleGroups,
    values: NDArray[np.float64],
    se: NDArray[np.float64],
    molecules: NDArray[np.float64],
) -> pd.DataFrame:
    """Return the comparison of two conditions over samples.

    `values` and `se` are the log ratios of all samples of the first side and then of the second,
    shape (samples, genes).
    """
    first = np.arange(len(values)) < len(samples.first)
    if samples.paired:
        # differences within samples
        values, se = values[first] - values[~first], np.hypot(se[first], se[~first])
        found = ModeratedTest.of(values, se, [np.ones(len(values), dtype=bool)])
    else:
        found = ModeratedTest.of(values, se, [first, ~first])
    return _named(
        genes,
        names,
        {
            "log2_ratio": found.difference * _OF_LOG2,
            "se": found.se * _OF_LOG2,
            "statistic": found.statistic,
            "df": found.df,
            "p": found.p,
            "fdr": benjamini_hochberg(found.p),
            "molecules": molecules,
            "samples": found.samples[0],
            "samples_reference": found.samples[-1],
        },
    )
