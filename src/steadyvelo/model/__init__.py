"""The mathematics of the steady-state model: arrays in, arrays out.

This package uses no AnnData and no files, and it does not divide a computation into blocks.
"""

from ._coarse import CoarseSimilarities, CoarseWalk
from ._comparison import Contrast, GroupRatios
from ._criteria import GeneCriteria, gene_criteria
from ._direction import angle_interval, chance_of_repeats, hotelling_p, p_of_longer
from ._extrapolation import extrapolated
from ._group_moments import GroupMoments, group_members, group_sums
from ._instruments import Instruments
from ._kinetics import evolve, induction, repression, steady_state
from ._line_bounds import LineBounds
from ._matched_ratios import Homogeneity, MatchedRatios, homogeneity
from ._moderated_test import ModeratedTest
from ._net_flow import net_flow, net_flow_error, relative_flow, two_sided_t
from ._random_walk import DiffusionMap, lasting_distributions, share_of_largest
from ._ratio import RatioFit
from ._ratio_errors import FEWEST_MOLECULES, RatioErrors
from ._sample_ratios import SampleRatios
from ._score_sums import Centring, InstrumentSums, ScoreSums
from ._second_order import StackedFit, fit_stacked
from ._stacked_instruments import StackedInstruments
from ._statistics import SufficientStatistics
from ._stratum_sums import StratumSums
from ._weights import WEIGHT_RULES, resolve_quantiles, steady_state_weights

__all__ = [
    "FEWEST_MOLECULES",
    "WEIGHT_RULES",
    "Centring",
    "CoarseSimilarities",
    "CoarseWalk",
    "Contrast",
    "DiffusionMap",
    "GeneCriteria",
    "GroupMoments",
    "GroupRatios",
    "Homogeneity",
    "InstrumentSums",
    "Instruments",
    "LineBounds",
    "MatchedRatios",
    "ModeratedTest",
    "RatioErrors",
    "RatioFit",
    "SampleRatios",
    "ScoreSums",
    "StackedFit",
    "StackedInstruments",
    "StratumSums",
    "SufficientStatistics",
    "angle_interval",
    "chance_of_repeats",
    "evolve",
    "extrapolated",
    "fit_stacked",
    "gene_criteria",
    "group_members",
    "group_sums",
    "homogeneity",
    "hotelling_p",
    "induction",
    "lasting_distributions",
    "net_flow",
    "net_flow_error",
    "p_of_longer",
    "relative_flow",
    "repression",
    "resolve_quantiles",
    "share_of_largest",
    "steady_state",
    "steady_state_weights",
    "two_sided_t",
]
