"""Kernels where neither the package nor the home folder can be written."""

from __future__ import annotations

import numba
import pytest

from steadyvelo.model import _jit


def test_a_temporary_cache_is_used_where_no_other_can_be(monkeypatch, tmp_path):
    njit, folders = numba.njit, []

    def refuse_at_first(*function, **options):
        if function:  # numba's own use
            return njit(*function, **options)
        folders.append(numba.config.CACHE_DIR)
        if len(folders) == 1:
            msg = "cannot cache function: no locator available"
            raise RuntimeError(msg)
        return njit(**options)

    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(numba, "njit", refuse_at_first)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))

    def double(x):
        return 2 * x

    assert _jit.kernel(double)(21) == 42
    assert folders[1].startswith(str(tmp_path))


def test_other_errors_are_not_swallowed(monkeypatch):
    def refuse(**_):
        msg = "broken"
        raise RuntimeError(msg)

    monkeypatch.setattr(numba, "njit", refuse)
    with pytest.raises(RuntimeError, match="broken"):
        _jit.kernel(len)
