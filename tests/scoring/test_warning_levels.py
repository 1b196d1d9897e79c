"""From findings to a level, and the level from night to night."""

from datetime import date
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmpulse.calendar import add_months
from scoring.warnings import levels

NONE, BLUE, YELLOW, ORANGE, RED = "none", "blue", "yellow", "orange", "red"
ORDER = [NONE, BLUE, YELLOW, ORANGE, RED]


def found_level(*rules: tuple[str, str]) -> str:
    findings = pl.DataFrame(
        [("a", f"R{place}", level, source) for place, (level, source) in enumerate(rules)],
        schema={c: pl.String for c in ("firm_id", "rule_id", "level", "source")},
        orient="row",
    )
    firms = pl.DataFrame({"firm_id": ["a", "b"]})
    found = levels.aggregate(findings, firms)
    assert found["found_level"][1] == NONE
    return str(found["found_level"][0])


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], NONE),
        ([(BLUE, "tax")], BLUE),
        ([(BLUE, "tax")] * 2, BLUE),
        ([(BLUE, "tax")] * 3, YELLOW),
        ([(BLUE, "tax")] * 30, YELLOW),
        ([(YELLOW, "tax")], YELLOW),
        ([(YELLOW, "tax")] * 2 + [(BLUE, "bank")] * 9, YELLOW),
        # three of one source stay yellow, of two sources they are orange
        ([(YELLOW, "tax")] * 3, YELLOW),
        ([(YELLOW, "tax")] * 2 + [(YELLOW, "bank")], ORANGE),
        ([(ORANGE, "power")], ORANGE),
        ([(ORANGE, "power")] * 9, ORANGE),
        ([(RED, "lender")], RED),
        ([(RED, "lender"), (ORANGE, "tax"), (BLUE, "tax")], RED),
    ],
)
def test_aggregation(rules: list[tuple[str, str]], expected: str) -> None:
    assert found_level(*rules) == expected


def test_stale_data_count_towards_no_level() -> None:
    findings = pl.DataFrame(
        {"firm_id": ["a"], "rule_id": ["DATA_STALE"], "level": ["blue"], "source": ["tax"]}
    )
    found = levels.aggregate(findings, pl.DataFrame({"firm_id": ["a"]})).row(0, named=True)
    assert (found["found_level"], found["blue"]) == (NONE, 0)


class State(NamedTuple):
    """A night's state as in the table."""

    level: str
    since: date
    clean_since: date | None


def night(
    before: State | None, found: str, as_of: date, *, cleared: bool = False, stale: bool = False
) -> State:
    tonight = pl.DataFrame(
        {"firm_id": ["a"], "found_level": [found], "stale_sources": [["tax"] if stale else []]},
        schema_overrides={"stale_sources": pl.List(pl.String)},
    )
    schema = {
        "firm_id": pl.String, "level": pl.String, "since": pl.Date, "clean_since": pl.Date,
        "cleared": pl.Boolean,
    }  # fmt: skip
    rows = [("a", *before, cleared)] if before else []
    found_rows = levels.in_force(
        tonight, pl.DataFrame(rows, schema=schema, orient="row"), as_of
    ).row(0, named=True)
    return State(found_rows["level"], found_rows["since"], found_rows["clean_since"])


JAN, FEB, MAR, APR, MAY, JUN = (
    date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30),
    date(2026, 5, 31), date(2026, 6, 30),
)  # fmt: skip


def test_it_rises_at_once_and_falls_one_notch_after_two_clean_months() -> None:
    state = night(None, BLUE, JAN)
    assert state == State(BLUE, JAN, None)
    state = night(state, ORANGE, FEB)
    assert state == State(ORANGE, FEB, None)
    state = night(state, BLUE, MAR)
    assert state == State(ORANGE, FEB, MAR)
    state = night(state, BLUE, APR)
    assert state == State(ORANGE, FEB, MAR)
    state = night(state, BLUE, MAY)
    assert state == State(YELLOW, MAY, MAY)
    state = night(state, BLUE, JUN)
    assert state == State(YELLOW, MAY, MAY)
    state = night(state, BLUE, date(2026, 7, 31))
    assert state == State(BLUE, date(2026, 7, 31), None)


def test_a_bad_night_begins_the_clean_run_anew() -> None:
    state = night(State(ORANGE, JAN, FEB), ORANGE, MAR)
    assert state == State(ORANGE, JAN, None)
    assert night(state, NONE, APR) == State(ORANGE, JAN, APR)


def test_red_stays_until_a_person_clears_it() -> None:
    state = State(RED, date(2025, 1, 31), date(2025, 2, 28))
    assert night(state, NONE, JUN) == state
    assert night(state, YELLOW, JUN, cleared=True) == State(YELLOW, JUN, None)
    # a clearance is for what was red then, not for tonight's findings
    assert night(state, RED, JUN, cleared=True) == State(RED, date(2025, 1, 31), None)


def test_a_night_without_data_is_no_clean_night() -> None:
    state = State(ORANGE, JAN, FEB)
    assert night(state, NONE, MAY, stale=True) == State(ORANGE, JAN, None)
    assert night(state, RED, MAY, stale=True) == State(RED, MAY, None)


def test_months_are_counted_by_dates_not_by_nights() -> None:
    state: State | None = State(YELLOW, JAN, None)
    falls = None
    for day in pl.date_range(date(2026, 12, 1), date(2027, 3, 15), eager=True):
        state = night(state, NONE, day)
        if state.level == BLUE and falls is None:
            falls = day
    assert falls == date(2027, 2, 1)


@pytest.mark.parametrize(
    ("clean_since", "falls_on"),
    [
        (date(2025, 12, 31), date(2026, 2, 28)),
        (date(2026, 2, 28), date(2026, 4, 28)),
        (date(2023, 12, 31), date(2024, 2, 29)),
    ],
)
def test_two_months_from_the_last_day_of_a_month(clean_since: date, falls_on: date) -> None:
    state = State(ORANGE, date(2023, 1, 1), clean_since)
    assert night(state, NONE, date.fromordinal(falls_on.toordinal() - 1)).level == ORANGE
    assert night(state, NONE, falls_on).level == YELLOW


def _one_by_one(before: State | None, found: str, as_of: date, cleared: bool, stale: bool) -> State:
    """Return the state by the rule in words, one firm at a time."""
    level, since, clean = before or State(NONE, as_of, None)
    if ORDER.index(found) >= ORDER.index(level):
        return State(found, since if found == level else as_of, None)
    if level == RED:
        if cleared:
            return State(found, as_of, None)
        return State(RED, since, None if stale else clean or as_of)
    if stale:
        return State(level, since, None)
    clean = clean or as_of
    if as_of < add_months(clean, 2):
        return State(level, since, clean)
    lower = ORDER[ORDER.index(level) - 1]
    return State(lower, as_of, as_of if ORDER.index(found) < ORDER.index(lower) else None)


@given(
    st.lists(
        st.tuples(st.sampled_from(ORDER), st.integers(1, 70), st.booleans(), st.booleans()),
        min_size=1,
        max_size=8,
    )
)
def test_any_run_of_nights_moves_as_the_words_say(
    nights: list[tuple[str, int, bool, bool]],
) -> None:
    state: State | None = None
    day = date(2026, 1, 1)
    for found, days, cleared, stale in nights:
        day = date.fromordinal(day.toordinal() + days)
        expected = _one_by_one(state, found, day, cleared, stale)
        state = night(state, found, day, cleared=cleared, stale=stale)
        assert state == expected
        assert ORDER.index(state.level) >= ORDER.index(found)
