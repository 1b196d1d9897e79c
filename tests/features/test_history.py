"""The same firms with shorter histories: what a feature says must not depend on it."""

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from extracts import contracts
from features import build, history, registry
from features.frame import frame
from features.history import Shift
from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests import vault_rows
from tests.features import random_rows
from tests.features.conftest import RANDOM_NIGHT


def _shift(full: list[float | None], short: list[float | None]) -> Shift:
    rows = pl.DataFrame(
        {"feature": full, "feature short": short},
        schema={"feature": pl.Float64, "feature short": pl.Float64},
    )
    return history.compare(rows, "feature", 6)


FULL = [float(place) for place in range(100)]


def test_a_feature_that_has_the_same_values_does_not_move() -> None:
    found = _shift(FULL, FULL)
    assert (found.firms, found.lost_share) == (100, 0)
    assert found.shift == pytest.approx(0)
    assert found.spread == pytest.approx(1)
    assert not found.depends


def test_a_feature_that_is_null_with_a_short_history_does_not_move() -> None:
    found = _shift(FULL, [None] * 100)
    assert (found.firms, found.lost_share, found.depends) == (0, 1, False)


def test_values_that_rise_with_a_short_history_have_moved() -> None:
    found = _shift(FULL, [value + 30 for value in FULL])
    higher = sum(short > full for short in (value + 30 for value in FULL) for full in FULL)
    lower = sum(short < full for short in (value + 30 for value in FULL) for full in FULL)
    assert found.shift == pytest.approx((higher - lower) / 100**2)
    assert found.depends


def test_values_that_lie_further_apart_have_moved() -> None:
    found = _shift(FULL, [200 * (value > 49) - 50 for value in FULL])
    assert found.shift == pytest.approx(0, abs=0.01)
    assert found.spread == pytest.approx(2, abs=0.05)
    assert found.depends


def test_of_few_firms_nothing_is_said() -> None:
    few = FULL[: history.LEAST_FIRMS - 1]
    assert not _shift(few, [value + 1000 for value in few]).depends


@pytest.mark.slow
def test_a_cut_history_has_no_older_rows_and_the_home_stays_as_it_is(random_home: Settings) -> None:
    before = _checksum(random_home)
    report = history.check(random_home, RANDOM_NIGHT, firms=10, months=(12,))
    assert report.firms == 3
    lost = {shift.feature: shift.lost_share for shift in report.shifts}
    assert len(lost) > 120
    # Compares with the year before.
    assert lost["tax_sales_growth_12m_yoy"] == 1
    assert lost["tax_sales_mean_12m"] == 0
    # Within the newest year nothing is missing, so nothing moves.
    same = next(shift for shift in report.shifts if shift.feature == "tax_sales_mean_12m")
    assert (same.shift, same.spread) == (pytest.approx(0), pytest.approx(1))
    assert _checksum(random_home) == before
    with warehouse.connect(random_home) as connection:
        kept = history.recorded(connection)
    assert kept["tax_sales_mean_12m"] == (same,)
    assert set(kept) == {shift.feature for shift in report.shifts}
    assert not list(random_home.root.glob("history-*"))


@pytest.mark.slow
def test_a_day_before_all_snapshots_says_what_to_do(random_home: Settings) -> None:
    with pytest.raises(NotReadyError, match="choose a later day"):
        history.check(random_home, date(2020, 1, 31), firms=10, months=(12,))


def _checksum(settings: Settings) -> object:
    with warehouse.connect(settings) as connection:
        return connection.execute(
            "select count(*), bit_xor(hash(f)) from warehouse.features.feat_tax_monthly as f"
        ).fetchall()


@pytest.mark.slow
def test_features_of_a_window_are_those_of_a_firm_that_granted_the_window_alone(
    random_home: Settings, settings: Settings
) -> None:
    """The rows before the grant's window never landed there; scoring reads the same to the bit."""
    known = registry.load(random_home)
    names = [f.name for f in known.features if f.view not in history.OF_ALL_FIRMS]
    for months in (3, 6, 12):
        home = settings.model_copy(update={"home": settings.root / str(months)})
        since = history.window_start(RANDOM_NIGHT, months)
        _land_window(home, "F1", since)
        firm = str(tokens.firm_token(keyring.load(random_home, "token_key"), "uscc:F1"))
        windows = pl.DataFrame({"firm_id": [firm], "since": [since]})
        rebuilt = history.windowed(random_home, RANDOM_NIGHT, windows, known, names)
        own = str(tokens.firm_token(keyring.load(home, "token_key"), "uscc:F1"))
        with warehouse.connect(home) as connection:
            spine = pl.DataFrame({"firm_id": [own], "as_of": [RANDOM_NIGHT]})
            scored = frame(connection, registry.load(home), spine, names).drop("as_of")
        assert rebuilt["firm_id"].to_list() == [firm]
        assert_frame_equal(rebuilt.drop("firm_id"), scored.drop("firm_id"), check_exact=True)
        with warehouse.connect(random_home) as connection:
            spine = pl.DataFrame({"firm_id": [firm], "as_of": [RANDOM_NIGHT]})
            whole = frame(connection, known, spine, names)
        assert not whole.select(names).equals(rebuilt.select(names))


def test_views_of_all_firms_are_those_that_are_cut_by_date(settings: Settings) -> None:
    nodes = registry.manifest(settings)["nodes"].values()
    by_date = {n["name"] for n in nodes if n["config"].get("meta", {}).get("sliced_by") == "as_of"}
    assert by_date == history.OF_ALL_FIRMS


def _land_window(home: Settings, firm: str, since: date) -> None:
    """Build a night of the random rows without those that a grant from `since` on refuses."""
    vault_rows.fill(home, random_rows.make(3))
    with warehouse.connect(home, vault=True) as connection:
        for table, contract in contracts.load().items():
            if contract.windowed:
                connection.execute(
                    f"delete from vault.raw.{table} where firm = 'uscc:{firm}' "
                    f"and {contract.event_at} < date '{since}'"
                )
    build.build(home, RANDOM_NIGHT, "all")
