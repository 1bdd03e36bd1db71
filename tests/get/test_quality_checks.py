"""Tables of the quality checks, and what is refused of them."""

from __future__ import annotations

import pytest

import steadyvelo as sv


def test_checks_in_another_form_are_refused(counts):
    sv.pp.qc(counts)
    counts.uns["qc_params"]["schema"] = 99
    for read in (sv.get.quality_checks, sv.get.proportions):
        with pytest.raises(ValueError, match=r"schema version 99.*Rerun pp\.qc"):
            read(counts)


def test_size_factors_in_another_form_are_refused(prepared):
    prepared.uns["size_factor_params"]["schema"] = 99
    with pytest.raises(ValueError, match=r"schema version 99.*Rerun pp\.size_factors"):
        sv.tl.velocity(prepared)
