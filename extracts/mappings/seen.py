"""What was read of one table: counts, problems, and some rows."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from extracts.contracts import Contract
from extracts.reading import staging
from extracts.reading.sql import ident

# Rows of a preview.
SHOWN = 5
# Texts of a column that are shown if none of them is known.
TEXTS_SHOWN = 12
# Longer texts and longer numbers name no kind of thing.
_LONGEST_TEXT, _MOST_DIGITS = 24, 3


def may_be_shown(text: str) -> bool:
    """Whether an unknown text of an enum may leave the vault: it is none that could identify."""
    return len(text) <= _LONGEST_TEXT and sum(map(str.isdigit, text)) <= _MOST_DIGITS


@dataclass(frozen=True)
class Problem:
    """Rows that would go to quarantine for one reason."""

    column: str
    rule: str
    value_class: str
    rows: int
    # Line and file of the first.
    file: str
    line: int
    # Unknown texts of an enum with their rows; null where the contract does not let them out.
    texts: Mapping[str, int] | None


@dataclass(frozen=True)
class TriedTable:
    """What one table of a delivery would bring."""

    table: str
    files: int
    # Name of a refused file, and why.
    refused: tuple[tuple[str, str], ...]
    rows: int
    good: int
    # Lines that are no rows.
    not_rows: int
    firms: int
    first_day: date | None
    last_day: date | None
    problems: tuple[Problem, ...]
    # Contract column to the texts of some rows, null where the contract keeps it in the vault.
    preview: Mapping[str, tuple[str, ...] | None]
    # Headers of files that are not read.
    dropped: tuple[str, ...]
    # Lines of the table's blocks in the mapping.
    lines: tuple[int, ...] = ()


class Seen:
    """What was read of one table."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._rows = self._good = self._not_rows = 0
        self._firms: set[str] = set()
        self._days: list[date] = []
        self._problems: dict[tuple[str, str, str], list[Any]] = {}
        self._texts: dict[tuple[str, str, str], Counter[str]] = {}
        self._preview: list[tuple[Any, ...]] = []

    def take(self, connection: duckdb.DuckDBPyConnection, staged: staging.Staged) -> None:
        """Add what a chunk holds."""
        self._rows += staged.rows + staged.broken_lines
        self._not_rows += sum(staged.named.values())
        good, first, last = connection.execute(
            f"select count(*), min(event_at), max(event_at) from {staging.ROWS} "  # noqa: S608 — our own names
            "where finding is null"
        ).fetchall()[0]
        self._good += good
        self._days += [day for day in (first, last) if day is not None]
        self._firms |= {
            firm for (firm,) in connection.execute(
                f"select distinct firm from {staging.ROWS} where finding is null"  # noqa: S608 — our own names
            ).fetchall()
        }  # fmt: skip
        self._take_problems(connection, staged)
        if len(self._preview) < SHOWN:
            columns = ", ".join(f"{ident(c.name)}::varchar" for c in self._contract.columns)
            self._preview += connection.execute(
                f"select {columns} from {staging.ROWS} where finding is null limit {SHOWN}"  # noqa: S608 — quoted
            ).fetchall()

    def _take_problems(self, connection: duckdb.DuckDBPyConnection, staged: staging.Staged) -> None:
        for name, line, finding in connection.execute(
            f"select file_no, line, finding from {staging.ROWS} where finding is not null "  # noqa: S608 — our own names
            f"union all select file_no, line, finding from {staging.BROKEN} order by 1, 2"
        ).fetchall():
            told = json.loads(finding)
            key = (told["column"] or "", told["rule"], told["value_class"])
            found = self._problems.setdefault(key, [0, staged.names[name], line])
            found[0] += 1
            if text := self._leaves(told):
                self._texts.setdefault(key, Counter())[text] += 1

    def _leaves(self, told: Mapping[str, Any]) -> str | None:
        """Return the cell of an unknown text, if the contract keeps its column."""
        column = next((c for c in self._contract.columns if c.name == told["column"]), None)
        if told["rule"] != "enum" or column is None or column.mask != "keep" or column.personal:
            return None
        text = told["record"].get(column.name)
        return str(text) if text is not None and may_be_shown(str(text)) else None

    def _few(self, key: tuple[str, str, str]) -> Mapping[str, int] | None:
        """Return the unknown texts with their rows; many different ones could be names."""
        found = self._texts.get(key, Counter())
        return dict(found.most_common()) if 0 < len(found) <= TEXTS_SHOWN else None

    def table(self, refused: tuple[tuple[str, str], ...], dropped: tuple[str, ...]) -> TriedTable:
        """Return all of it, beside the refused files and the headers that are not read."""
        problems = [
            Problem(
                *key, rows=count, file=file, line=line,
                texts=self._few(key),
            )
            for key, (count, file, line) in self._problems.items()
        ]  # fmt: skip
        preview = {
            column.name: tuple("" if row[at] is None else str(row[at]) for row in self._preview)
            if column.mask == "keep" and not column.personal else None
            for at, column in enumerate(self._contract.columns)
            if any(row[at] is not None for row in self._preview)
        }  # fmt: skip
        return TriedTable(
            table=self._contract.table,
            files=0,
            refused=refused,
            rows=self._rows,
            good=self._good,
            not_rows=self._not_rows,
            firms=len(self._firms),
            first_day=min(self._days, default=None),
            last_day=max(self._days, default=None),
            problems=tuple(sorted(problems, key=lambda problem: -problem.rows)),
            preview=preview,
            dropped=dropped,
        )
