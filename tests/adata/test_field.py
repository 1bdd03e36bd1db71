"""Fields read, write and drop themselves, and refuse what is not as declared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from steadyvelo import _keys


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        (_keys.GAMMA, np.zeros(7), "var.'velocity_gamma'.* genes float64; the value is 7 float64"),
        (_keys.GAMMA, np.zeros(60, np.float32), "genes float64; the value is 60 float32"),
        (_keys.VELOCITY_GENES, np.zeros(60), "genes bool; the value is 60 float64"),
        (_keys.REASON, np.zeros(60), "genes category"),
        (_keys.MS, np.zeros((60, 240), np.float32), "cells × genes float32; the value is 60 × 240"),
        (_keys.GRAPH, np.zeros((240, 240)), "cells × cells float32"),
        (_keys.PARAMS, [1], "mapping .*value is list"),
        (_keys.RELIABILITY, {}, "table .*value is dict"),
    ],
)
def test_what_is_not_as_declared_is_refused(counts, field, value, text):
    with pytest.raises(TypeError, match=text):
        field.write(counts, value)
    assert not field.is_in(counts)


def test_there_and_back(counts):
    flags = np.arange(60) % 2 == 0
    _keys.VELOCITY_GENES.write(counts, flags, "mine")
    np.testing.assert_array_equal(_keys.VELOCITY_GENES.values(counts, "mine"), flags)
    assert isinstance(_keys.VELOCITY_GENES.read(counts, "mine"), pd.Series)
    assert _keys.VELOCITY_GENES.read(counts, default=5) == 5
    with pytest.raises(KeyError, match=r"no 'velocity_genes'.*'mine_genes'.*do this"):
        _keys.VELOCITY_GENES.read(counts, remedy="do this.")
    _keys.VELOCITY_GENES.drop(counts, "mine")
    _keys.VELOCITY_GENES.drop(counts, "mine")
    assert "mine_genes" not in counts.var
