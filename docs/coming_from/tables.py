"""Write the tables of coming_from.md: python docs/coming_from/tables.py.

For every public function of scVelo and velocyto and every parameter (`scvelo.json`,
`velocyto.json`; see signatures.py) an answer is in `scvelo.toml` or `velocyto.toml`. A table of the
TOML file is a section of the page, and an entry a row:

    "tl.velocity(perc, min_ratio)" = "other name | what to write here | what differs"

The key is a function, parameters of a function in brackets, or either with `*` for several. The
first part of the answer is one of :data:`VERDICTS`; "not here" says why. Parameters of a function
that is not here need no entry. The script fails if an entry is missing or names something that
does not exist, there or here.
"""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "coming_from.md"
VERDICTS = ("same", "better", "other name", "not here")
# how functions of a package are written in code
CALLED = {"scvelo": "scv", "velocyto": "vcy"}


@dataclass(frozen=True)
class Row:
    """An answer about a function, or about some of its parameters (empty for the function)."""

    section: str
    function: str
    parameters: tuple[str, ...]
    verdict: str
    here: str
    words: str

    @property
    def is_pattern(self) -> bool:
        """Whether the row is about several functions."""
        return "*" in self.function

    def about(self, function: str, parameter: str | None = None) -> bool:
        """Tell whether the row is about a function, or about a parameter of it."""
        named = parameter is None if not self.parameters else parameter in self.parameters
        return named and fnmatchcase(function, self.function)


class Answers:
    """The public names of a package, and the rows that answer them."""

    def __init__(self, package: str) -> None:
        facts = json.loads((HERE / f"{package}.json").read_text(encoding="utf-8"))
        self.package, self.version = package, facts["version"]
        self.names: dict[str, list[str]] = facts["names"]
        text = (HERE / f"{package}.toml").read_text(encoding="utf-8")
        self.rows = [
            _row(section, key, answer)
            for section, entries in tomllib.loads(text).items()
            for key, answer in entries.items()
        ]

    def of(self, function: str, parameter: str | None = None) -> Row | None:
        """Return the answer about a function or parameter: that of its own name comes first."""
        found = [row for row in self.rows if row.about(function, parameter)]
        return min(found, key=lambda row: row.is_pattern, default=None)

    def problems(self) -> list[str]:
        """Return what is missing, and rows about nothing."""
        found = []
        for function, parameters in self.names.items():
            answer = self.of(function)
            if answer is None:
                found.append(f"{self.package}.toml has no row for {function}")
                continue
            if answer.verdict == "not here":
                continue
            found += [
                f"{self.package}.toml has no row for {function}({parameter})"
                for parameter in parameters
                if self.of(function, parameter) is None
            ]
        for row in self.rows:
            functions = [name for name in self.names if fnmatchcase(name, row.function)]
            known = {parameter for name in functions for parameter in self.names[name]}
            if not functions:
                found.append(f"{self.package} {self.version} has no {row.function}")
            found += [
                f"{self.package} {self.version} has no {row.function}({parameter})"
                for parameter in row.parameters
                if functions and parameter not in known
            ]
            if row.verdict not in VERDICTS:
                found.append(f"{row.function}: {row.verdict!r} is none of {', '.join(VERDICTS)}")
            elif row.verdict == "not here" and not row.words:
                found.append(f"{row.function}{row.parameters}: why is it not here?")
            elif row.verdict != "not here" and not row.here:
                found.append(f"{row.function}{row.parameters}: what is it here?")
        return found

    def tables(self) -> str:
        """Return the Markdown of all sections."""
        sections = dict.fromkeys(row.section for row in self.rows)
        return "\n\n".join(self._section(section) for section in sections)

    def _section(self, section: str) -> str:
        lines = [f"### {section}", "", f"| {self.package} | here | | |", "|---|---|---|---|"]
        rows = [row for row in self.rows if row.section == section]
        lines += [
            f"| {self._first(row)} | {row.here} | {row.verdict} | {row.words} |" for row in rows
        ]
        return "\n".join(lines)

    def _first(self, row: Row) -> str:
        """Return what a row is about, as code."""
        called = CALLED[self.package]
        named = ", ".join(f"`{name}`" if "*" in name else f"`{name}=`" for name in row.parameters)
        if row.parameters and not row.is_pattern:
            return f"… {named}"
        if not row.is_pattern:
            return f"`{called}.{row.function}`"
        if row.parameters:
            where = "all functions" if row.function == "*" else f"`{called}.{row.function}`"
            return f"{where}: {named}"
        functions = [name for name in self.names if self.of(name) is row]
        return ", ".join(f"`{called}.{name}`" for name in functions)


def _row(section: str, key: str, answer: str) -> Row:
    function, _, rest = key.partition("(")
    parameters = tuple(part.strip() for part in rest.removesuffix(")").split(",") if part.strip())
    verdict, here, words = ([part.strip() for part in answer.split(" | ")] + ["", ""])[:3]
    return Row(section, function, parameters, verdict, here, words)


def page(text: str) -> str:
    """Return the page with the tables between their marks."""
    for package in CALLED:
        start, end = f"<!-- tables of {package} -->", f"<!-- end of {package} -->"
        tables = Answers(package).tables()
        before, _, rest = text.partition(start)
        after = rest.partition(end)[2]
        text = f"{before}{start}\n\n{tables}\n\n{end}{after}"
    return text


def main() -> None:
    """Write the page; fail if an answer is missing."""
    problems = [problem for package in CALLED for problem in Answers(package).problems()]
    if problems:
        sys.exit("\n".join(problems))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
