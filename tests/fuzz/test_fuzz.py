"""Damaged inputs are read as they were or as they are, or refused by an error that names them."""

from __future__ import annotations

import sys

import pytest

from tests.fuzz.inputs import INPUTS

if not sys.platform.startswith("linux"):
    pytest.skip("processes with limits are those of Linux", allow_module_level=True)

from tests.fuzz.harness import ALLOWED, outcomes

N_INPUTS = 25


@pytest.mark.slow
@pytest.mark.parametrize("reader", INPUTS)
def test_damaged_inputs(reader):
    found = list(outcomes(reader, range(N_INPUTS)))
    assert [one for one in found if one.kind not in ALLOWED] == []
    # the damage is real
    assert sum(one.kind == "refused" for one in found) >= 3
