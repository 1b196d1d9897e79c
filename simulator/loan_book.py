"""The lender's book: what firms applied for, what was decided, and how the loans ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from firmpulse.bounds import DEFAULT_DAYS
from firmpulse.calendar import month_end
from simulator.columns import dates, money, texts
from simulator.economy import epoch_day
from simulator.population import Bools, Ints
from simulator.world import World

GRANTED, REFUSED, WITHDRAWN = "GRANTED", "REFUSED", "WITHDRAWN"
PERFORMING, REPAID, DEFAULTED, WRITTEN_OFF, SOLD = (
    "PERFORMING", "REPAID", "DEFAULTED", "WRITTEN_OFF", "SOLD",
)  # fmt: skip
# A firm that was declined applies again after so many months. One in seven of these
# applications ends because the firm withdraws it.
_ASKS_AGAIN_MONTHS, _WITHDRAWS = 6, 7
# Months after which the lender decides again, and days past due from which it does not.
_TERM_MONTHS, _LATE_DAYS = 12, 60
# Days after a default until it is written off; one in five is sold instead.
_WRITE_OFF_DAYS, _SOLD = 270, 5
# One loan in thirty is not followed after so many days.
_LOST, _LOST_DAYS = 30, 200
_NONE = -1


@dataclass(frozen=True)
class _Loan:
    """A granted loan: rows of the paths from the first month on, -1 for what did not happen."""

    firm: int
    decided: int
    # Renewed, replaced by a larger one or paid off.
    ended: int
    defaulted: int
    is_renewal: bool


def loan_book(world: World, last: date) -> pl.DataFrame:
    """Return every application that was decided from the first month on, in order of decision.

    The lender decides again every 12 months on what a firm owes, and when it asks for more. Each
    decision is a loan of its own, which ends with the next one.

    One row per application: uscc, name, loan_no, decided_at, decision, amount, term_months,
    instalment; for granted ones outcome, outcome_at and observed_until, as known on `last`; and
    _firm.
    """
    loans = [loan for firm in range(len(world.firms)) for loan in _granted(world, firm)]
    declined = _declined(world)
    frames = [_granted_rows(world, loans, epoch_day(last)), _declined_rows(world, *declined)]
    book = pl.concat(frames, how="diagonal").sort("decided_at", "_firm")
    numbers = [f"{day:%Y}{1_000_000 + place}" for place, day in enumerate(book["decided_at"])]
    return book.with_columns(loan_no=pl.Series(numbers))


def _granted(world: World, firm: int) -> Iterator[_Loan]:
    """Yield the loans of a firm; one that is past due is not renewed before it has caught up."""
    paths, first = world.paths, world.paths.row(0)
    rows = slice(first, first + world.months)
    balance, past_due = paths.loan_balance[rows, firm], paths.days_past_due[rows, firm]
    late = np.flatnonzero(past_due >= DEFAULT_DAYS)
    defaulted = int(late[0]) if len(late) else world.months
    decided, renewal, last_on = _NONE, False, firm % _TERM_MONTHS - _TERM_MONTHS
    for month in range(min(defaulted + 1, world.months)):
        is_new = bool(paths.refinanced[first + month, firm])
        is_due = month - last_on >= _TERM_MONTHS and balance[month] > 0
        is_due &= past_due[max(month - 1, 0)] < _LATE_DAYS
        is_over = decided != _NONE and balance[month] == 0
        if not (is_new or is_due or is_over) or month == defaulted:
            continue
        if decided != _NONE:
            yield _Loan(firm, decided, month, _NONE, renewal)
        decided, renewal, last_on = (_NONE if is_over else month), not is_new, month
    if decided != _NONE:
        yield _Loan(firm, decided, _NONE, defaulted if len(late) else _NONE, renewal)


def _granted_rows(world: World, loans: list[_Loan], last: int) -> pl.DataFrame:
    paths, first = world.paths, world.paths.row(0)
    firm, decided, ended, defaulted, renewal = (
        np.array([getattr(loan, name) for loan in loans], dtype=np.int64)
        for name in ("firm", "decided", "ended", "defaulted", "is_renewal")
    )
    place = (first + decided, firm)
    owed = np.where(renewal == 1, paths.loan_balance[place], paths.drawdown[place])
    day = _starts(world)[decided] + firm % 9
    default_day = _default_days(world, firm, defaulted)
    is_bad, is_repaid = default_day >= 0, ended != _NONE
    repaid_day = _starts(world)[ended] + firm % 9
    outcome_day = np.where(is_bad, default_day, np.where(is_repaid, repaid_day, _NONE))
    observed = np.where(is_repaid, repaid_day, last)
    lost = ((firm + decided) % _LOST == 0) & (outcome_day == _NONE)
    observed = np.where(lost, np.minimum(day + _LOST_DAYS, last), observed)
    old = is_bad & (last - default_day > _WRITE_OFF_DAYS)
    outcome = np.select(
        [old & (firm % _SOLD == 0), old, is_bad, is_repaid], [SOLD, WRITTEN_OFF, DEFAULTED, REPAID],
        PERFORMING,
    )  # fmt: skip
    return _applications(world, firm, day, owed, GRANTED).with_columns(
        outcome=pl.Series(outcome.tolist()),
        outcome_at=dates(np.minimum(outcome_day, last), outcome_day != _NONE),
        observed_until=dates(observed),
    )


def _starts(world: World) -> Ints:
    """Return the first day of every month, days since 1970."""
    return np.array([world.day(month) for month in range(world.months)])


def _default_days(world: World, firm: Ints, defaulted: Ints) -> Ints:
    """Return the day on which a loan was 90 days past due, -1 for never."""
    ends = np.array(
        [epoch_day(month_end(world.economy.month(month))) for month in range(world.months)]
    )
    past_due = world.paths.days_past_due[world.paths.row(0) + defaulted, firm]
    return np.where(defaulted == _NONE, _NONE, ends[defaulted] - (past_due - DEFAULT_DAYS))


def _declined(world: World) -> tuple[Ints, Ints]:
    """Return firm and month of the applications that were declined, not asked again too soon."""
    paths, first = world.paths, world.paths.row(0)
    firms, months = list[int](), list[int]()
    for firm in range(len(world.firms)):
        asked = _NONE
        for month in np.flatnonzero(paths.declined[first : first + world.months, firm]).tolist():
            if asked == _NONE or month - asked >= _ASKS_AGAIN_MONTHS:
                asked = month
                firms.append(firm)
                months.append(month)
    return np.array(firms, dtype=np.int64), np.array(months, dtype=np.int64)


def _declined_rows(world: World, firm: Ints, month: Ints) -> pl.DataFrame:
    wanted = world.paths.pace[world.paths.row(0) + month, firm] * world.firms.leverage[firm]
    amount = np.maximum(np.rint(wanted / 1_000).astype(np.int64), 1) * 100_000
    withdrawn: Bools = (firm + month) % _WITHDRAWS == 0
    decided = _starts(world)[month] + 9 + firm % 17
    return _applications(world, firm, decided, amount, np.where(withdrawn, WITHDRAWN, REFUSED))


def _applications(
    world: World, firm: Ints, decided: Ints, amount: Ints, decision: object
) -> pl.DataFrame:
    term = np.full(len(firm), _TERM_MONTHS)
    interest = np.rint(amount * world.firms.loan_rate[firm] / 24).astype(np.int64)
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "name": texts(world.name, firm),
        "decided_at": dates(decided),
        "decision": pl.Series(np.broadcast_to(np.asarray(decision), len(firm)).tolist()),
        "amount": money(amount),
        "term_months": pl.Series(term),
        "instalment": money(amount // term + interest),
        "_firm": firm,
    })  # fmt: skip
