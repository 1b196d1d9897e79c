"""The same firms with shorter histories: what a feature says must not depend on it."""

import polars as pl
import pytest

from features import history
from features.history import Shift


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
