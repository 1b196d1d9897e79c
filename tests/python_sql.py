"""Lints the longer SQL texts of the packages' Python by the rules of the dbt models, layout apart.

Run: python -m tests.python_sql
A value put into a text, `?` and `$name` are linted as a word in their place. Prints one line per
finding and ends with 1 where there is one.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from sqlfluff.core import FluffConfig, Linter, SQLBaseError

from benchmarks.structure import lines_of, modules, sql_texts

_FOLDER = Path(__file__).resolve().parents[1]
_LEAST_LINES = 6
_LAX = {"AL03", "AL04", "AL08", "AL10", "RF06", "ST05"}
_PLACE = re.compile(r"\{\w+\}|\?|\$(?=\w)")
_NAME = re.compile(r"(?<=[.\"'])\{\w+\}|\{\w+\}(?=[.\"'])|(?<=from |join |into |view )\{\w+\}")
# What may be in a place: a name, a condition, a definition of a column, a query, nothing.
_WORDS = ("x", "x = x", "x int", "select x from x", "x, x", "")

# Texts that are put together from pieces by contract, and one that other texts go on with.
_COMPOSED = {
    "extracts/reading/row_sql.py",
    "extracts/vault/purge.py",
    "extracts/vault/raw_tables.py",
    "extracts/vault/version_sql.py",
    "training/validation/portfolio.py",
}


def main() -> None:
    """Lint all of them."""
    linter = Linter(config=FluffConfig.from_path(str(_FOLDER), overrides={"templater": "raw"}))
    found = False
    for path in modules(_FOLDER).values():
        name = path.relative_to(_FOLDER).as_posix()
        for line, text in _long_texts(path):
            for violation in _violations(linter, text):
                if violation.rule_code() == "PRS" and name in _COMPOSED:
                    continue
                found = True
                place = f"{name}:{line + violation.line_no}"
                print(f"{place}: {violation.rule_code()} {violation.desc()}")
    sys.exit(found)


def _long_texts(path: Path) -> Iterator[tuple[int, str]]:
    for line, text in sql_texts(ast.parse(path.read_text("utf-8"))):
        if lines_of(text) >= _LEAST_LINES:
            yield line, textwrap.dedent(text.strip("\n")).rstrip() + "\n"


def _violations(linter: Linter, text: str) -> list[SQLBaseError]:
    """Return what is wrong with a text; with the first words for its places that make it SQL."""
    for word in _WORDS if _PLACE.search(text) else ("x",):
        found = linter.lint_string(_PLACE.sub(word, _NAME.sub("x", text))).get_violations()
        if all(violation.rule_code() != "PRS" for violation in found):
            break
    return [v for v in found if not v.rule_code().startswith("LT") and v.rule_code() not in _LAX]


if __name__ == "__main__":
    main()
