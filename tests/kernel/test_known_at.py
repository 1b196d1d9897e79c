"""What was known on a day, asked of DuckDB."""

from datetime import date

import duckdb
import pytest

from firmpulse.known_at import known_at, known_by

# One row that was known on 2 January, corrected on 5 January, and never since.
_ROWS = """
    (values
        ('first', date '2024-01-02', date '2024-01-05'),
        ('corrected', date '2024-01-05', date '9999-12-31')
    ) as facts (version, available_at, superseded_at)
"""


def _versions(condition: str, day: int) -> list[str]:
    query = f"select version from {_ROWS} where {condition} order by available_at"
    found = duckdb.execute(query, {"as_of": date(2024, 1, day)}).fetchall()
    return [version for (version,) in found]


@pytest.mark.parametrize("condition", [known_at(), known_at(rows="facts")])
@pytest.mark.parametrize(
    ("day", "versions"),
    [(1, []), (2, ["first"]), (4, ["first"]), (5, ["corrected"]), (31, ["corrected"])],
)
def test_one_version_counts_on_a_day(condition: str, day: int, versions: list[str]) -> None:
    assert _versions(condition, day) == versions


@pytest.mark.parametrize("condition", [known_by(), known_by(rows="facts")])
@pytest.mark.parametrize(
    ("day", "versions"),
    [(1, []), (2, ["first"]), (4, ["first"]), (5, ["first", "corrected"])],
)
def test_versions_known_by_a_day_stay_known(condition: str, day: int, versions: list[str]) -> None:
    assert _versions(condition, day) == versions


def test_the_day_may_be_any_date_of_a_query() -> None:
    counted = known_at("date '2024-01-03'")
    assert duckdb.sql(f"select version from {_ROWS} where {counted}").fetchall() == [("first",)]
