"""What the package says of its work, and to whom."""

from __future__ import annotations

import logging
import sys
import warnings
from io import StringIO

import pytest

import steadyvelo as sv
from steadyvelo._adata._checks import warn
from steadyvelo._log import detail, heard_by, logger, remark, say


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """Keep pytest's own handler away, which it adds to loggers that do not propagate."""
    for handler in logger.handlers[1:]:
        logger.removeHandler(handler)
    monkeypatch.setattr(logger, "propagate", True)


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [(0, ""), (1, "done 100 %s\nin passing\n"), (2, "done 100 %s\nin passing\nclosely\n")],
)
def test_verbosity_decides_what_is_shown_on_stderr(capsys, verbosity, shown):
    with sv.settings.override(verbosity=verbosity):
        say("done 100 %s")
        remark("in passing")
        detail("closely")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", shown)


def test_stderr_is_looked_up_when_a_line_is_shown(monkeypatch):
    notebook = StringIO()
    monkeypatch.setattr(sys, "stderr", notebook)
    say("here")
    assert notebook.getvalue() == "here\n"


def test_a_handler_of_the_user_gets_the_lines_instead(capsys):
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("steadyvelo").addHandler(handler)
    say("done")
    with sv.settings.override(verbosity=2):
        detail("closely")
    logging.getLogger("steadyvelo").removeHandler(handler)
    found = [(record.levelname, record.getMessage()) for record in records]
    assert found == [("INFO", "done"), ("DEBUG", "closely")]
    assert capsys.readouterr().err == ""


def test_functions_hear_results_and_remarks_for_a_while(capsys):
    results, others = [], []
    with heard_by(results.append, others.append), sv.settings.override(verbosity=2):
        say("result")
        remark("a step")
        detail("closely")
    say("two")
    remark("three")
    assert (results, others) == (["result"], ["a step", "closely"])
    assert capsys.readouterr().err == "two\nthree\n"


def test_no_warnings_at_verbosity_0():
    with sv.settings.override(verbosity=0), warnings.catch_warnings():
        warnings.simplefilter("error")
        warn("something about the data")
    with pytest.warns(sv.SteadyveloWarning, match="something about the data"):
        warn("something about the data")
