"""What holds for every call, and how amounts of memory are written."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import steadyvelo as sv
from steadyvelo._memory_size import parse_memory


@pytest.fixture(autouse=True)
def _as_before():
    with sv.settings.override(
        verbosity=1, n_threads=None, max_memory=None, progress=False, figure_style=None
    ):
        yield


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("verbosity", 3, ValueError, "settings.verbosity must be 0, 1 or 2; it is 3"),
        ("verbosity", True, ValueError, "it is True"),
        ("verbosity", np.ones(2), ValueError, "must be 0, 1 or 2"),
        ("n_threads", 0, ValueError, "settings.n_threads must be at least 1, or None"),
        ("n_threads", float("nan"), TypeError, "whole number of threads, or None for all"),
        ("n_threads", True, TypeError, "it is True"),
        ("max_memory", "much", ValueError, "'much' is not an amount of memory; .*'8GB'"),
        (
            "max_memory",
            8,
            ValueError,
            "means 8 bytes, which is too little; for gigabytes write '8GB'",
        ),
        ("max_memory", float("nan"), ValueError, "positive number of bytes"),
        ("max_memory", [8], TypeError, "not an amount of memory"),
        ("progress", 1, TypeError, "settings.progress must be True or False; it is 1"),
        (
            "figure_style",
            "no such style",
            ValueError,
            "'no such style' is not a style of matplotlib",
        ),
        ("figure_style", {"no.such": 1}, ValueError, "or a mapping of its parameters"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_changes_nothing(name, value, error, message):
    before = getattr(sv.settings, name)
    with pytest.raises(error, match=message):
        setattr(sv.settings, name, value)
    assert getattr(sv.settings, name) == before


def test_there_are_no_other_settings():
    with pytest.raises(AttributeError, match="no setting 'threads'; the settings are verbosity"):
        sv.settings.threads = 3
    with pytest.raises(TypeError, match="no setting 'threads'"), sv.settings.override(threads=3):
        pass


def test_an_override_ends_also_after_an_error():
    sv.settings.n_threads = 2

    def fail():
        assert (sv.settings.n_threads, sv.settings.max_memory) == (5, 2_000_000_000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), sv.settings.override(n_threads=5, max_memory="2GB"):
        fail()
    assert (sv.settings.n_threads, sv.settings.max_memory) == (2, None)


def test_an_override_with_a_wrong_value_sets_none():
    with (
        pytest.raises(ValueError, match="verbosity"),
        sv.settings.override(n_threads=5, verbosity=9),
    ):
        pass
    assert sv.settings.n_threads is None


def test_all_settings_are_shown_with_what_they_mean():
    sv.settings.max_memory = "1.5GiB"
    lines = repr(sv.settings).splitlines()
    assert len(lines) == 6
    assert lines[1].split()[:3] == ["verbosity", "=", "1"]
    assert "1.61061 GB" in lines[3]
    assert "bytes that a call may use" in lines[3]


@pytest.mark.parametrize(
    ("written", "n_bytes"),
    [
        ("8GB", 8e9),
        ("500 MB", 5e8),
        ("1.5GiB", 1.5 * 2**30),
        (" .5 tb ", 5e11),
        ("64kib", 65_536),
        (2e9, 2e9),
        (np.float32(1e6), 1e6),
        ("20000", 20_000),
    ],
)
def test_amounts_of_memory(written, n_bytes):
    assert parse_memory("max_memory", written) == n_bytes


@pytest.mark.parametrize("written", ["", "GB", "8 gigs", "-1GB", "1e9", "8,5GB", "inf"])
def test_what_is_no_amount_of_memory(written):
    with pytest.raises(ValueError, match=r"max_memory=.* is not an amount of memory"):
        parse_memory("max_memory", written)


def test_settings_load_nothing_heavy():
    code = (
        "import sys, steadyvelo as sv; sv.settings.n_threads = 2; repr(sv.settings);"
        "print([m for m in ('numpy', 'anndata', 'matplotlib', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
