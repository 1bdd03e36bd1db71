"""The table of flows between clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from steadyvelo.model import net_flow, net_flow_error, relative_flow, two_sided_t

from ._flow_verdicts import judge_flows
from ._multiple_tests import holm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from steadyvelo.engine import ClusterFlows, NetFlows

__all__ = ["flow_table"]


def flow_table(
    flows: ClusterFlows,
    controls: list[ClusterFlows],
    tested: NetFlows | None,
    names: list[str],
    connected: NDArray[np.float64],
    level: float,
    not_retested: str,
) -> pd.DataFrame:
    """Return the table of ordered pairs, from flows of data and controls, and the test by folds.

    `not_retested` says why there is no test by folds; an empty text if there is one.
    """
    along, against, alike = (
        np.stack([getattr(each, name) for each in controls])
        for name in ("along", "against", "alike")
    )
    net = net_flow(flows.along, flows.against, flows.alike)
    error = net_flow_error(net_flow(along, against, alike))
    if tested is None:
        t, freedom = relative_flow(net, error), float(len(controls))
        retest_t = retest_z = np.full(net.shape, np.nan)
    else:
        t, freedom = relative_flow(tested.net, tested.standard_error), tested.n - 1
        retest_t, retest_z = tested.retest_t, tested.retest_z
    # pairs without edges are not tested
    p = np.where(np.isfinite(net), two_sided_t(t, freedom), np.nan)
    # a control with all signs exchanged is a control, too
    ratios = relative_flow(np.concatenate([along, against]), np.concatenate([alike, alike]))
    cells = np.maximum(flows.cells, 1)[:, None]
    columns = {
        "cells": np.broadcast_to(flows.cells[:, None], net.shape),
        "flow": flows.along / cells,
        "expected": flows.alike / cells,
        "ratio": relative_flow(flows.along, flows.alike),
        "control_ratio": ratios.mean(axis=0),
        "ratio_se": ratios.std(axis=0, ddof=1),
        "preference": relative_flow(0.5 * (flows.along - flows.against), flows.alike),
        "net": net,
        "net_se": error,
        "t": t,
        "p": p,
        "p_holm": _adjusted(p),
        "retest_t": retest_t,
        "retest_z": retest_z,
        "connectivity": connected,
    }
    source, target = np.nonzero(np.isfinite(net))
    of_names = {
        name: pd.Categorical.from_codes(which, categories=names)
        for name, which in (("source", source), ("target", target))
    }
    table = pd.DataFrame({**of_names, **{k: x[source, target] for k, x in columns.items()}})
    ahead = (table["net"] > 0) & (table["t"] > 0) & (table["preference"] > 0)
    table["significant"] = ahead & (table["p_holm"] < 1 - level)
    return judge_flows(table, level, not_retested)


def _adjusted(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust symmetric p-values over pairs, each of which is one hypothesis."""
    upper = np.triu_indices(len(p), k=1)
    adjusted = np.full_like(p, np.nan)
    adjusted[upper] = holm(p[upper])
    # the same in the lower half
    return np.where(np.isnan(adjusted), adjusted.T, adjusted)
