"""Where compiled kernels are kept if neither the package's nor the user's folder is writable."""

from __future__ import annotations

import os
import stat
import tempfile

import pytest

from steadyvelo.model._jit import _private_folder

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners are those of Unix")


@pytest.fixture
def usual(tmp_path, monkeypatch):
    """The folder of the usual name, which does not exist yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"steadyvelo-kernels-{os.getuid()}"


def test_a_folder_of_ones_own_is_used_again(usual):
    assert _private_folder() == _private_folder() == usual
    assert stat.S_IMODE(usual.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["open to others", "a link", "a file", "of another user"])
def test_what_others_could_write_is_not_used(usual, tmp_path, monkeypatch, kind):
    if kind == "open to others":
        usual.mkdir()
        usual.chmod(0o777)
    elif kind == "a link":
        (tmp_path / "other").mkdir(mode=0o700)
        usual.symlink_to(tmp_path / "other")
    elif kind == "a file":
        usual.write_text("x")
    else:
        usual.mkdir(mode=0o700)
        user = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: user + 1)
        usual.rename(tmp_path / f"steadyvelo-kernels-{user + 1}")
    found = _private_folder()
    assert found.parent == tmp_path
    assert found not in {usual, tmp_path / f"steadyvelo-kernels-{os.getuid()}"}
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert list(found.iterdir()) == []
