"""Features that move with the calendar are found, and a steady rise is none."""

import math
from datetime import date

import polars as pl
import pytest
from typer.testing import CliRunner

from cli import app
from features import seasons
from features.seasons import Season
from firmpulse.calendar import add_months, month_end
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from tests.features.conftest import RANDOM_NIGHT

DAYS = [month_end(add_months(date(2025, 1, 1), month)) for month in range(12)]


def _rows(of_month: list[float]) -> pl.DataFrame:
    """Return the values of fifty firms: each firm's level, and what all have in a month."""
    rows = [(day, firm + shift) for day, shift in zip(DAYS, of_month, strict=True)
            for firm in range(50)]  # fmt: skip
    return pl.DataFrame(rows, schema={"as_of": pl.Date, "feature": pl.Float64}, orient="row")


def test_the_same_values_in_every_month_have_no_season() -> None:
    assert seasons.shifts_of(_rows([0.0] * 12)) == pytest.approx([0] * 12)


def test_a_steady_rise_is_no_season() -> None:
    shifts = seasons.shifts_of(_rows([2.0 * month for month in range(12)]))
    assert not Season("feature", False, shifts).is_seasonal


def test_a_festival_in_february_is_one() -> None:
    """Fifty more in one month puts its firms above all others: eleven twelfths of the pairs."""
    shifts = seasons.shifts_of(_rows([50.0 * (month == 1) for month in range(12)]))
    found = Season("feature", False, shifts)
    assert found.is_seasonal
    assert DAYS[shifts.index(max(shifts))].month == 2


def test_a_wave_over_the_year_is_one() -> None:
    wave = [20 * math.cos(2 * math.pi * month / 12) for month in range(12)]
    assert Season("feature", False, seasons.shifts_of(_rows(wave))).is_seasonal


def test_of_few_values_nothing_is_said() -> None:
    rows = _rows([50.0 * (month == 1) for month in range(12)]).filter(pl.col("feature") < 10)
    assert seasons.shifts_of(rows) == ()


@pytest.mark.slow
def test_a_year_of_firms_that_were_watched_for_one_before(random_home: Settings) -> None:
    report = seasons.check(random_home, RANDOM_NIGHT, firms=10)
    assert report.month_ends == tuple(month_end(date(2024, month, 1)) for month in range(1, 13))
    assert report.firms == 3
    # The middle of a month ends with the one before.
    earlier = seasons.check(random_home, date(2024, 12, 30), firms=10)
    assert earlier.month_ends[-1] == date(2024, 11, 30)


@pytest.mark.slow
def test_the_command_shows_declared_features_and_the_year(
    random_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(random_home.root))
    said = CliRunner().invoke(app, ["features", "check-seasons", "--as-of", "2024-12-31"])
    assert said.exit_code == 0, said.output
    assert "of 3 firms, 2024-01-31 to 2024-12-31" in said.output.replace("\n", " ")


@pytest.mark.slow
def test_a_history_that_is_too_short_says_so(random_home: Settings) -> None:
    with pytest.raises(NotReadyError, match="two years of history are needed"):
        seasons.check(random_home, date(2023, 6, 30), firms=10)
