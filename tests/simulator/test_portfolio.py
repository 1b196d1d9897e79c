"""A bank's book of loans, and the files in which it has its firms."""

import io
from datetime import date
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from firmpulse.calendar import month_end
from simulator import Economy, lender, portfolio
from simulator.loan_book import loan_book
from simulator.workbooks import workbook
from simulator.world import World, build_world
from tests.simulator.conftest import digests

ECONOMY = Economy(seed=3, firms=40, start=date(2024, 5, 1), months=30)
BAD = ("DEFAULTED", "WRITTEN_OFF", "SOLD")


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(Economy(seed=3, firms=300, start=date(2024, 5, 1), months=30), 30)


@pytest.fixture(scope="module")
def book(world: World) -> pl.DataFrame:
    return loan_book(world, world.economy.last_day)


@pytest.fixture(scope="module")
def past_due(world: World) -> pl.DataFrame:
    """Return days past due by month, as the lender delivers them every month."""
    frames = [lender.loan_performance(world, month) for month in range(world.months)]
    return pl.concat(frames)


def test_a_default_is_the_day_that_the_monthly_figures_say(
    book: pl.DataFrame, past_due: pl.DataFrame
) -> None:
    bad = book.filter(pl.col("outcome").is_in(BAD))
    assert len(bad) > 10
    first = (
        past_due.filter(pl.col("days_past_due") >= 90)
        .sort("month").group_by("_firm", maintain_order=True).first()
    )  # fmt: skip
    both = bad.join(first, on="_firm", how="left").select("outcome_at", "month", "days_past_due")
    for day, month, days in both.iter_rows():
        assert (month_end(month) - day).days == days - 90
    with_default = set(first["_firm"])
    good = book.filter(pl.col("outcome").is_in(["PERFORMING", "REPAID"]))
    # A firm in default gets no further loan, but may have repaid one before.
    late = good.filter(pl.col("_firm").is_in(with_default))
    assert set(late["outcome"]) <= {"REPAID"}


def test_days_are_in_order_and_numbers_are_the_banks_own(book: pl.DataFrame) -> None:
    granted = book.filter(pl.col("decision") == "GRANTED")
    refused = book.filter(pl.col("decision") == "REFUSED")
    assert len(refused) > 20
    assert len(book.filter(pl.col("decision") == "WITHDRAWN")) > 2
    assert book["loan_no"].n_unique() == len(book)
    assert set(book["loan_no"].str.len_chars()) == {11}
    assert granted["outcome"].null_count() == 0
    assert refused["outcome"].null_count() == len(refused)
    assert (granted["observed_until"] >= granted["decided_at"]).all()
    known = granted.filter(pl.col("outcome_at").is_not_null())
    assert (known["outcome_at"] >= known["decided_at"]).all()
    assert (known["outcome_at"] <= known["observed_until"]).all()
    # A loan a year while the firm owes something, and one for each draw-down.
    assert granted["_firm"].value_counts()["count"].median() >= 2
    assert set(granted["term_months"]) == {12}
    # A few were lost sight of within the year.
    unknown = granted.filter(
        (pl.col("outcome") == "PERFORMING")
        & (pl.col("observed_until") < pl.col("decided_at").dt.offset_by("12mo"))
        & (pl.col("observed_until") < date(2026, 10, 31))
    )
    assert 0 < len(unknown) < len(granted) / 10


def test_the_portfolio_has_every_default_and_says_how_many_there_are_of_all() -> None:
    found = portfolio.portfolio(ECONOMY)
    granted = found.book.filter(pl.col("decision") == "GRANTED")
    firms = granted["_firm"].unique()
    assert len(firms) == ECONOMY.firms
    bad = granted.filter(pl.col("outcome").is_in(BAD))["_firm"].n_unique()
    assert bad / len(firms) > 4 * found.default_rate > 0.01
    assert set(found.bookings["_firm"]) <= set(firms)
    # A few have signed nothing.
    assert 0.9 < found.signed["uscc"].n_unique() / len(firms) < 1


@pytest.mark.parametrize("bank", portfolio.BANKS)
def test_the_same_seed_gives_the_same_files(tmp_path: Path, bank: str) -> None:
    found = portfolio.portfolio(ECONOMY)
    told = portfolio.write(found, tmp_path / "one", bank)
    again = portfolio.write(portfolio.portfolio(ECONOMY), tmp_path / "two", bank)
    assert told == again
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_a_workbook_is_what_another_program_reads() -> None:
    table = pl.DataFrame({"a": ["<甲&乙>", None], "b": [1, 20_240_131], "c": ["-1.50", None]})
    table = table.with_columns(pl.col("c").cast(pl.Decimal(18, 2)))
    content = workbook("表 1", [["标题"], ["甲", None, "丙"]], table, [["合计", 3]], ["A1:C1"])
    sheet = openpyxl.load_workbook(io.BytesIO(content))["表 1"]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["标题", None, None],
        ["甲", None, "丙"],
        ["<甲&乙>", 1, -1.5],
        [None, 20_240_131, None],
        ["合计", 3, None],
    ]
    assert [str(cells) for cells in sheet.merged_cells.ranges] == ["A1:C1"]
