"""Loans: monthly repayment, refinancing, days past due, default."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from firmpulse.bounds import DEFAULT_DAYS
from firmpulse.calendar import add_months
from simulator.economy import Economy
from simulator.paths import Paths
from simulator.population import Bools, Firms, Floats, Ints
from simulator.purse import Purse


@dataclass
class Loans:
    """One running loan per firm; money in cents."""

    number: Ints  # running number of the loan, 0 before the first
    limit: Ints
    balance: Ints
    instalment: Ints  # principal per month
    rate: Floats  # per month
    missed: Ints  # instalments unpaid
    late_principal: Ints
    late_interest: Ints
    defaulted: Bools

    @classmethod
    def begin(cls, rng: np.random.Generator, firms: Firms, exists: Bools) -> "Loans":
        """Return partly repaid loans for the existing firms."""
        limit = np.rint(firms.sales * firms.leverage * 100).astype(np.int64)
        limit = np.where(exists, limit // 100_000 * 100_000, 0)
        used = np.rint(limit * rng.uniform(0.35, 1.0, len(firms))).astype(np.int64)
        zeros = np.zeros(len(firms), dtype=np.int64)
        return cls(
            number=np.where(exists, 1, 0),
            limit=limit,
            balance=used,
            instalment=limit // firms.loan_term,
            rate=firms.loan_rate / 12,
            missed=zeros.copy(),
            late_principal=zeros.copy(),
            late_interest=zeros.copy(),
            defaulted=np.zeros(len(firms), dtype=np.bool_),
        )

    def refinance(
        self,
        rng: np.random.Generator,
        firms: Firms,
        paths: Paths,
        row: int,
        purse: Purse,
        stress: Floats,
    ) -> None:
        """Replace an almost repaid loan by a new one, unless the lender declines."""
        willing = rng.random(len(firms)) < 0.75 - 0.45 * stress
        asked = (self.balance * 3 <= self.limit) & (self.missed == 0) & ~self.defaulted
        new_limit = np.rint(paths.pace[row] * firms.leverage * 100).astype(np.int64)
        new_limit = new_limit // 100_000 * 100_000
        sound = asked & (new_limit > self.balance) & (paths.sold[row] > 0)
        grant = sound & willing
        had_loan = grant & (self.balance > 0)
        paths.repaid_number[row] = np.where(had_loan, self.number, 0)
        paths.drawdown[row] = np.where(grant, new_limit, 0)
        paths.principal[row] += np.where(grant, self.balance, 0)
        paths.refinanced[row] = grant
        paths.declined[row] = sound & ~willing
        purse.add(np.where(grant, new_limit - self.balance, 0))
        self.number = self.number + grant
        self.limit = np.where(grant, new_limit, self.limit)
        self.balance = np.where(grant, new_limit, self.balance)
        self.instalment = np.where(grant, new_limit // firms.loan_term, self.instalment)

    def repay(self, paths: Paths, row: int, purse: Purse, among: Bools) -> None:
        """Pay this month's instalment and all late ones, or one instalment, or nothing."""
        new_principal = np.where(
            paths.refinanced[row], 0, np.minimum(self.instalment, self.balance)
        )
        new_interest = np.rint(self.balance * self.rate).astype(np.int64)
        open_ = among & (self.balance > 0)
        principal = np.minimum(self.late_principal + new_principal, self.balance)
        interest = self.late_interest + new_interest
        cleared = purse.pay_whole(principal + interest, open_)
        one = purse.pay_whole(new_principal + new_interest, open_ & ~cleared & (self.missed > 0))
        paths.principal[row] += np.where(cleared, principal, np.where(one, new_principal, 0))
        paths.interest[row] += np.where(cleared, interest, np.where(one, new_interest, 0))
        missed = open_ & ~cleared & ~one
        self.balance -= np.where(cleared, principal, np.where(one, new_principal, 0))
        late = np.where(missed, self.late_principal + new_principal, self.late_principal)
        self.late_principal = np.where(cleared, 0, late)
        late = np.where(missed, interest, self.late_interest)
        self.late_interest = np.where(cleared, 0, late)
        self.missed = np.where(cleared, 0, self.missed + missed)

    def age(
        self, missed_before: Ints, economy: Economy, firms: Firms, paths: Paths, month: int
    ) -> None:
        """Count days past due at the end of the month and find the defaults."""
        row = paths.row(month)
        self.missed = np.where(self.defaulted, missed_before + 1, self.missed)
        oldest = np.minimum(self.missed, 60)
        ends = [_days(add_months(economy.month(month), 1)) - 1]
        starts = [_days(add_months(economy.month(month), 1 - late)) for late in range(61)]
        first_unpaid = np.array(starts)[oldest] + firms.loan_day - 1
        past_due = np.where(self.missed > 0, ends[0] - first_unpaid, 0)
        paths.days_past_due[row] = past_due
        self.defaulted |= past_due >= DEFAULT_DAYS
        paths.loan_number[row] = self.number
        paths.loan_balance[row] = self.balance

    def waive(self, among: Bools) -> None:
        """Forget what is overdue."""
        self.missed = np.where(among, 0, self.missed)
        self.late_principal = np.where(among, 0, self.late_principal)
        self.late_interest = np.where(among, 0, self.late_interest)


def _days(day: date) -> int:
    return day.toordinal()
