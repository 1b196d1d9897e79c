"""The parameters of the simulated economy, its months and its random streams."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum, unique

import numpy as np

from firmpulse.calendar import add_months, month_end, month_start


@unique
class Stage(IntEnum):
    """One random stream per stage and month, so that more months never change earlier ones."""

    POPULATION = 1
    NETWORK = 2
    DEMAND = 3
    CASH = 4
    SALES_INVOICES = 5
    PURCHASE_INVOICES = 6
    FILINGS = 7
    REGISTRATION = 8
    BANK = 9
    RECEIPT_DAYS = 10
    ORDERS = 11
    RECEIVABLES = 12
    POWER = 13
    STATEMENTS = 14
    GRANTS = 15
    DIRT = 16
    LATENESS = 17
    FOUNDERS = 18
    PROJECTS = 19
    PORTFOLIO = 20
    COURT_CASES = 21
    ENFORCEMENT = 22
    CAPITAL = 23
    HOLDERS = 24
    GUARANTEES = 25


@dataclass(frozen=True)
class Economy:
    """The parameters of a simulated economy: same values, same rows."""

    seed: int = 7
    firms: int = 2000
    start: date = date(2023, 11, 1)  # first month of which providers hold operating data
    months: int = 36  # how far a first delivery reaches; later months follow seamlessly

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            ValueError: fewer than 20 firms, no month, or a start inside a month.
        """
        if self.firms < 20:
            raise ValueError(f"an economy of {self.firms} firms has no network; take 20 or more")
        if self.months < 1:
            raise ValueError(f"{self.months} months give no delivery; take 1 or more")
        if self.start.day != 1:
            raise ValueError(f"start {self.start} is inside a month; take its first day")

    @property
    def last_day(self) -> date:
        """The last day of the last of `months` months."""
        return month_end(add_months(self.start, self.months - 1))

    @property
    def burn_in(self) -> int:
        """Months simulated before `start`; they include the whole last statement year."""
        return 12 + self.start.month - 1

    def month(self, index: int) -> date:
        """Return the first day of month `index`; 0 is the month of `start`."""
        return add_months(self.start, index)

    def index(self, day: date) -> int:
        """Return the month index of `day`; negative before `start`."""
        return (day.year - self.start.year) * 12 + day.month - self.start.month

    def days_in(self, index: int) -> int:
        """Return the number of days of month `index`."""
        return month_end(self.month(index)).day

    def rng(self, stage: Stage, month: int = 0, part: int = 0) -> np.random.Generator:
        """Return the random stream of one stage in one month (months down to -1000)."""
        return np.random.Generator(np.random.SFC64([self.seed, int(stage), month + 1000, part]))


def epoch_day(day: date) -> int:
    """Return days since 1970-01-01."""
    return (month_start(day) - date(1970, 1, 1)).days + day.day - 1


def from_epoch_day(days: int) -> date:
    """Return the date `days` after 1970-01-01."""
    return date(1970, 1, 1) + timedelta(days=days)
