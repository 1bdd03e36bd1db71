"""How progress is shown."""

from __future__ import annotations

import pytest

from steadyvelo.engine import _progress


def test_off_a_terminal_there_is_a_line_at_every_tenth(monkeypatch, capsys):
    monkeypatch.setattr(_progress, "_SHORT", 0.0)
    with _progress.shown(progress=True, label="fit") as tell:
        for share in (0.05, 0.1, 0.12, 0.35, 0.38, 1.0):
            tell(share)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["fit: 10 %", "fit: 30 %", "fit: 100 %"]


def test_a_short_work_says_only_that_it_is_done(capsys):
    with _progress.shown(progress=True, label="fit") as tell:
        tell(0.5)
        tell(1.0)
    assert capsys.readouterr() == ("", "fit: 100 %\n")


def test_a_function_is_called_and_false_is_silent(capsys):
    seen = []
    with _progress.shown(seen.append, "fit") as tell:
        _progress.part_of(tell, 0.5, 1.0)(0.5)
    assert seen == [0.75]
    with _progress.shown(progress=False, label="fit") as tell:
        assert tell is None
        assert _progress.part_of(tell, 0.0, 1.0) is None
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_bar_is_shown_in_a_terminal(monkeypatch, capsys, share):
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    with _progress.shown(progress=True, label="fit") as tell:
        tell(share)
    assert "fit" in capsys.readouterr().err
