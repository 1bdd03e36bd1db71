"""P-values adjusted for multiple tests."""

from __future__ import annotations

import numpy as np
from scipy.stats import false_discovery_control

from steadyvelo.tl._multiple_tests import benjamini_hochberg


def test_the_false_discovery_rate_is_that_of_scipy():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=500) ** rng.choice([1, 6], 500)
    p[rng.choice(500, 40, replace=False)] = np.nan
    p[:3] = p[7] = 0.04  # ties
    tested = np.isfinite(p)
    adjusted = benjamini_hochberg(p)
    np.testing.assert_allclose(adjusted[tested], false_discovery_control(p[tested]), rtol=1e-12)
    assert np.isnan(adjusted[~tested]).all()
    assert np.isnan(benjamini_hochberg(np.full(3, np.nan))).all()
