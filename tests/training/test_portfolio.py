"""Eight firms with all numbers counted by hand, and random ones with general properties."""

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
import numpy as np
import polars as pl
import pytest

from firmpulse import warehouse
from firmpulse.calendar import add_months, month_end
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from training.validation import portfolio

AS_OF = date(2025, 4, 10)
FOREVER = date(9999, 12, 31)
MARCH_2024, JUNE, SEPTEMBER = date(2024, 3, 31), date(2024, 6, 30), date(2024, 9, 30)
DECEMBER, MARCH_2025 = date(2024, 12, 31), date(2025, 3, 31)

# Firm → first month on the book and days past due at the end of each month, until it leaves.
PATHS = {
    "A": (date(2024, 1, 1), [0] * 15),
    "B": (date(2024, 1, 1), [0, 15, 45, 75, 105]),
    "C": (date(2024, 2, 1), [0, 0, 0, 35, *[0] * 10]),
    "D": (date(2024, 3, 1), [0, 0, 0, 0, 0, 0, 95]),
    "E": (date(2024, 11, 1), [0] * 5),
    "F": (date(2025, 2, 1), [0, 0]),
    "G": (date(2024, 1, 1), [0, 0, 0]),
    "H": (date(2024, 1, 1), [95, 125, 155]),
}
OBSERVED_MONTHS = [
    ("A", MARCH_2024, 3.0), ("B", MARCH_2024, 3.0), ("C", MARCH_2024, 12.0),
    ("D", MARCH_2024, 2.0), ("G", MARCH_2024, 3.0), ("H", MARCH_2024, 3.0),
    ("A", JUNE, 6.0), ("C", JUNE, 15.0), ("D", JUNE, 5.0),
    ("A", SEPTEMBER, 9.0), ("C", SEPTEMBER, 18.0), ("D", SEPTEMBER, 8.0),
    ("A", DECEMBER, 12.0), ("C", DECEMBER, 21.0),
    ("A", MARCH_2025, 15.0), ("C", MARCH_2025, 24.0), ("E", MARCH_2025, 5.0),
]  # fmt: skip
OUTCOMES = {"A": "good", "B": "bad", "C": "indeterminate"}
SAMPLE = pl.DataFrame(
    [("A", MARCH_2024, "good", "train"), ("B", MARCH_2024, "bad", "train"),
     ("C", MARCH_2024, "indeterminate", "excluded")],
    schema=["firm_id", "as_of", "outcome", "split"],
    orient="row",
)  # fmt: skip


def token(firm: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, firm))


def known_from(month: date) -> date:
    return month_end(month) + timedelta(days=5)


@pytest.fixture
def connection(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a session with the three tables, still empty."""
    with warehouse.connect(settings) as session:
        for name in ("facts", "labels", "features"):
            session.execute(f"create schema warehouse.{name}")
        session.execute(
            "create table warehouse.facts.fct_loan_monthly (firm_id uuid, month date, "
            "available_at date, superseded_at date, days_past_due integer)"
        )
        session.execute(
            "create table warehouse.labels.default_12m (firm_id uuid, as_of date, "
            "outcome varchar, available_at date, superseded_at date)"
        )
        session.execute(
            "create table warehouse.features.feat_profile_monthly (firm_id uuid, as_of date, "
            "profile_observed_months double)"
        )
        yield session


@pytest.fixture
def book(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return the session with the eight firms in it."""
    for firm, (start, path) in PATHS.items():
        for step, days in enumerate(path):
            add_loan(connection, firm, add_months(start, step), days)
    # A second part of a month, as after a later landing; the worst part counts, once.
    add_loan(connection, "C", date(2024, 5, 1), 30)
    connection.executemany(
        "insert into warehouse.features.feat_profile_monthly values (?, ?, ?)",
        [(token(firm), day, months) for firm, day, months in OBSERVED_MONTHS],
    )
    connection.executemany(
        "insert into warehouse.labels.default_12m values (?, ?, ?, ?, ?)",
        [
            (token(firm), MARCH_2024, outcome, date(2025, 4, 5), FOREVER)
            for firm, outcome in OUTCOMES.items()
        ],
    )
    return connection


def add_loan(
    connection: duckdb.DuckDBPyConnection,
    firm: str,
    month: date,
    days: int,
    available_at: date | None = None,
    superseded_at: date = FOREVER,
) -> None:
    connection.execute(
        "insert into warehouse.facts.fct_loan_monthly values (?, ?, ?, ?, ?)",
        [token(firm), month, available_at or known_from(month), superseded_at, days],
    )


def correct_loan(
    connection: duckdb.DuckDBPyConnection, firm: str, month: date, days: int, on: date
) -> None:
    connection.execute(
        "update warehouse.facts.fct_loan_monthly set superseded_at = ? "
        "where firm_id = ? and month = ?",
        [on, token(firm), month],
    )
    add_loan(connection, firm, month, days, available_at=on)


def test_vintages_keep_firms_that_left_and_show_whole_vintages_only(
    book: duckdb.DuckDBPyConnection,
) -> None:
    # A, B, G and H may be older than the history; C and D are the first that certainly are not.
    # The youngest of 2024-Q1, D, is observed for 12 months; F of 2025-Q1 for one month.
    assert portfolio.vintages(book, AS_OF).rows() == [
        ("2024-Q1 or earlier", True, 3, 4, 0.50, 0.25),
        ("2024-Q1 or earlier", True, 6, 4, 0.50, 0.50),
        ("2024-Q1 or earlier", True, 9, 4, 0.50, 0.50),
        ("2024-Q1 or earlier", True, 12, 4, 0.50, 0.50),
        ("2024-Q1", False, 3, 2, 0.50, 0.00),
        ("2024-Q1", False, 6, 2, 1.00, 0.50),
        ("2024-Q1", False, 9, 2, 1.00, 0.50),
        ("2024-Q1", False, 12, 2, 1.00, 0.50),
        ("2024-Q4", False, 3, 1, 0.00, 0.00),
    ]


def test_vintage_waits_for_its_youngest_firm(book: duckdb.DuckDBPyConnection) -> None:
    # November is the last month known: C could be observed for 9 months, D for 8.
    found = portfolio.vintages(book, date(2024, 12, 6))
    assert found.select("vintage", "months_on_book").rows() == [
        ("2024-Q1 or earlier", 3), ("2024-Q1 or earlier", 6), ("2024-Q1 or earlier", 9),
        ("2024-Q1", 3), ("2024-Q1", 6),
    ]  # fmt: skip


def test_roll_rates_count_every_move_once(book: duckdb.DuckDBPyConnection) -> None:
    found = portfolio.roll_rates(book, AS_OF)
    assert found.height == 30
    assert found.filter(pl.col("firm_months") > 0).rows() == [
        # A 14, C 2 and 9, D 5, E 4, F 1, G 2.
        ("current", "current", 37, 37 / 41),
        ("current", "1-29", 1, 1 / 41),
        ("current", "30-59", 1, 1 / 41),
        ("current", "90+", 1, 1 / 41),
        ("current", "left the book", 1, 1 / 41),
        ("1-29", "30-59", 1, 1.0),
        ("30-59", "current", 1, 0.5),
        ("30-59", "60-89", 1, 0.5),
        ("60-89", "90+", 1, 1.0),
        ("90+", "90+", 2, 0.4),
        ("90+", "left the book", 3, 0.6),
    ]


def test_bucket_that_no_firm_was_in_has_no_rates(connection: duckdb.DuckDBPyConnection) -> None:
    for month in (date(2024, 1, 1), date(2024, 2, 1)):
        add_loan(connection, "A", month, 0)
    found = portfolio.roll_rates(connection, AS_OF)
    assert found.filter(pl.col("from_bucket") == "current")["rate"].to_list() == [1, 0, 0, 0, 0, 0]
    assert found.filter(pl.col("from_bucket") != "current")["rate"].null_count() == 24


@pytest.mark.parametrize(
    ("days", "bucket"),
    [(0, "current"), (1, "1-29"), (29, "1-29"), (30, "30-59"), (59, "30-59"), (60, "60-89"),
     (89, "60-89"), (90, "90+"), (400, "90+")],
)  # fmt: skip
def test_bounds_of_the_buckets(
    connection: duckdb.DuckDBPyConnection, days: int, bucket: str
) -> None:
    add_loan(connection, "A", date(2024, 1, 1), days)
    add_loan(connection, "A", date(2024, 2, 1), 0)
    found = portfolio.roll_rates(connection, AS_OF).filter(pl.col("firm_months") > 0)
    assert found.rows() == [(bucket, "current", 1, 1.0)]


def test_firm_that_returns_has_left_once(connection: duckdb.DuckDBPyConnection) -> None:
    for firm, months in (("A", (1, 2, 3, 4)), ("B", (1, 3, 4))):
        for month in months:
            add_loan(connection, firm, date(2024, month, 1), 0)
    found = portfolio.roll_rates(connection, AS_OF).filter(pl.col("firm_months") > 0)
    assert found.rows() == [("current", "current", 4, 0.8), ("current", "left the book", 1, 0.2)]


def test_funnel_says_of_every_firm_what_became_of_it(book: duckdb.DuckDBPyConnection) -> None:
    found = portfolio.funnel(book, AS_OF, SAMPLE)
    # B bad, A good, C indeterminate; H had defaulted, D was new, G left before the window.
    # Later D has defaulted, and E and F are new; their outcomes are open.
    assert found.columns == [
        "as_of", "split", "on_book", "already_defaulted", "short_history", "not_matured",
        "no_performance", "indeterminate", "good", "bad", "sampled",
    ]  # fmt: skip
    assert found.rows() == [
        (MARCH_2024, "train", 6, 1, 1, 0, 1, 1, 1, 1, 2),
        (JUNE, None, 3, 0, 0, 3, 0, 0, 0, 0, 0),
        (SEPTEMBER, None, 3, 1, 0, 2, 0, 0, 0, 0, 0),
        (DECEMBER, None, 3, 0, 1, 2, 0, 0, 0, 0, 0),
        (MARCH_2025, None, 4, 0, 1, 3, 0, 0, 0, 0, 0),
    ]


def test_funnel_shows_outcomes_that_the_sample_may_not_use(
    book: duckdb.DuckDBPyConnection,
) -> None:
    granted = SAMPLE.filter(pl.col("firm_id") != "B").with_columns(
        pl.col("split").replace("train", "oot")
    )
    first = portfolio.funnel(book, AS_OF, granted).row(0, named=True)
    assert (first["split"], first["good"], first["bad"], first["sampled"]) == ("oot", 1, 1, 1)


def test_default_is_dated_by_the_first_month_end_at_90_days(
    book: duckdb.DuckDBPyConnection,
) -> None:
    add_loan(book, "E", date(2025, 4, 1), 120, available_at=date(2025, 5, 5))
    dated = {"B": date(2024, 5, 31), "D": date(2024, 9, 30), "H": date(2024, 1, 31)}
    expected = sorted((token(firm), day) for firm, day in dated.items())
    assert portfolio.default_dates(book, AS_OF).rows() == expected
    earlier = portfolio.default_dates(book, date(2024, 6, 30)).rows()
    assert earlier == [row for row in expected if row[1] < date(2024, 6, 30)]


def test_later_correction_changes_nothing_that_was_known(
    book: duckdb.DuckDBPyConnection,
) -> None:
    def everything(as_of: date) -> list[list[tuple[object, ...]]]:
        frames = (
            portfolio.vintages(book, as_of),
            portfolio.roll_rates(book, as_of),
            portfolio.funnel(book, as_of, SAMPLE),
            portfolio.default_dates(book, as_of),
        )
        return [frame.rows() for frame in frames]

    before, corrected_on = everything(AS_OF), date(2025, 4, 11)
    correct_loan(book, "B", date(2024, 5, 1), 20, corrected_on)
    correct_loan(book, "H", date(2024, 1, 1), 0, corrected_on)
    book.execute(
        "update warehouse.labels.default_12m set superseded_at = ? where outcome = 'bad'",
        [corrected_on],
    )
    book.execute(
        "insert into warehouse.labels.default_12m values (?, ?, 'good', ?, ?)",
        [token("B"), MARCH_2024, corrected_on, FOREVER],
    )
    assert everything(AS_OF) == before
    vintages, rolls, funnels, defaults = everything(corrected_on)
    assert vintages[1] == ("2024-Q1 or earlier", True, 6, 4, 0.50, 0.25)
    assert ("60-89", "1-29", 1, 1.0) in rolls
    assert funnels[0] == (MARCH_2024, "train", 6, 1, 1, 0, 1, 1, 2, 0, 2)
    assert dict(defaults) == {token("D"): SEPTEMBER, token("H"): date(2024, 2, 29)}


@pytest.mark.parametrize("seed", range(4))
def test_what_holds_of_every_book(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    known = random_book(connection, np.random.default_rng(seed))
    rolls = portfolio.roll_rates(connection, AS_OF)
    sums = rolls.group_by("from_bucket").agg(pl.col("rate").sum(), pl.col("firm_months").sum())
    assert all(rate == pytest.approx(1) for _, rate, moves in sums.iter_rows() if moves)
    counted = {(origin, target): moves for origin, target, moves, _ in rolls.iter_rows() if moves}
    assert counted == moves_of(known)

    curves = portfolio.vintages(connection, AS_OF)
    assert curves.height > 10
    for _, curve in curves.group_by("vintage"):
        assert curve["firms"].n_unique() == 1
        for rate in ("cumulative_30_plus_rate", "cumulative_90_plus_rate"):
            assert curve.sort("months_on_book")[rate].is_sorted()
    assert (curves["cumulative_30_plus_rate"] >= curves["cumulative_90_plus_rate"]).all()

    stages = portfolio.funnel(connection, AS_OF, SAMPLE.head(0))
    parts = stages.select(pl.exclude("as_of", "split", "on_book", "sampled"))
    assert stages["on_book"].to_list() == parts.sum_horizontal().to_list()


def random_book(
    connection: duckdb.DuckDBPyConnection, random: np.random.Generator
) -> dict[tuple[int, int], int]:
    """Fill the facts, labels and profiles; return days past due by firm and month as known."""
    known: dict[tuple[int, int], int] = {}
    rows: list[tuple[str, date, date, date, int]] = []
    for firm in range(40):
        for month in range(int(random.integers(0, 9)), int(random.integers(10, 16))):
            start = add_months(date(2024, 1, 1), month)
            told = (token(str(firm)), start, known_from(start))
            days, later = (int(value) for value in random.choice([0, 0, 0, 5, 40, 70, 95], 2))
            if start > date(2025, 3, 1) or random.random() < 0.1:
                continue
            known[firm, month] = days
            corrected_on = AS_OF + timedelta(days=int(random.integers(1, 30)))
            rows += [(*told, corrected_on, days), (*told[:2], corrected_on, FOREVER, later)]
    connection.executemany(
        "insert into warehouse.facts.fct_loan_monthly values (?, ?, ?, ?, ?)", rows
    )
    connection.execute(
        "insert into warehouse.labels.default_12m select distinct firm_id, date '2024-03-31', "
        "'good', date '2025-04-05', date '9999-12-31' from warehouse.facts.fct_loan_monthly "
        "where hash(firm_id) % 2 = 0"
    )
    connection.execute(
        "insert into warehouse.features.feat_profile_monthly "
        "select firm_id, last_day(month), hash(firm_id, month) % 5 "
        "from warehouse.facts.fct_loan_monthly where superseded_at = date '9999-12-31'"
    )
    return known


def moves_of(known: dict[tuple[int, int], int]) -> dict[tuple[str, str], int]:
    def bucket(days: int | None) -> str:
        if days is None:
            return "left the book"
        return {0: "current", 5: "1-29", 40: "30-59", 70: "60-89", 95: "90+"}[days]

    last = max(month for _, month in known)
    return Counter(
        (bucket(days), bucket(known.get((firm, month + 1))))
        for (firm, month), days in known.items()
        if month < last
    )


def test_absent_loans_and_labels_say_what_to_do(book: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(NotReadyError, match="no loan performance was known on 2024-01-31"):
        portfolio.roll_rates(book, date(2024, 1, 31))
    book.execute("drop table warehouse.labels.default_12m")
    with pytest.raises(NotReadyError, match="firmpulse night --as-of 2025-04-10"):
        portfolio.funnel(book, AS_OF, SAMPLE)
    book.execute("drop table warehouse.facts.fct_loan_monthly")
    for read in (portfolio.vintages, portfolio.roll_rates, portfolio.default_dates):
        with pytest.raises(NotReadyError, match="never been built"):
            read(book, AS_OF)


def test_small_vintages_are_not_shown() -> None:
    shown = portfolio.without_small(
        pl.DataFrame(
            {
                "vintage": ["2024-Q1", "2024-Q2"],
                "months_on_book": [3, 3],
                "firms": [5, 4],
                "cumulative_30_plus_rate": [0.2, 0.25],
                "cumulative_90_plus_rate": [0.0, 0.25],
            }
        )
    )
    assert shown.rows() == [("2024-Q1", 3, 5, 0.2, 0.0), ("2024-Q2", 3, None, None, None)]
