"""What happened to every firm and every customer relation, month by month."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from simulator.population import Bools, Floats, Ints

_FLOATS = frozenset({"kwh", "stress", "activity", "pace", "health"})
_FLAGS = frozenset({"tight", "refinanced", "declined"})
_RELATIONS = frozenset({"relation_billed", "relation_paid", "relation_pay_row"})


@dataclass(frozen=True)
class Paths:
    """One row per month, first axis; row = month index + burn-in. Money in cents.

    Arrays are (rows, firms), those that begin with `relation_` (rows, relations).
    """

    burn_in: int
    relation_billed: Ints  # with VAT
    relation_paid: Ints
    relation_pay_row: Ints  # row in which the bill of this row is paid, 0 for never
    sold: Ints  # billed with VAT
    sold_net: Ints
    bought_inside: Ints  # from simulated firms, with VAT
    bought_outside: Ints
    bought_net: Ints
    fake: Ints  # invoiced to shells and bought back from them, with VAT
    receipts: Ints
    paid_inside: Ints
    paid_outside: Ints
    payroll: Ints
    social: Ints
    overhead: Ints
    seized: Ints  # seized by a court, for a guarantee of the firm
    vat_due: Ints  # for this month, falls due in the next
    surtax_due: Ints
    income_tax_due: Ints
    tax_paid: Ints
    tax_surcharge: Ints
    tax_periods: Ints  # number of periods paid in this month
    kwh: Floats
    power_due: Ints  # for this month, falls due in the next
    power_paid: Ints
    power_penalty: Ints
    power_periods: Ints
    power_late: Ints  # billed and unpaid at the end of the month
    drawdown: Ints
    principal: Ints
    interest: Ints
    injected: Ints
    withdrawn: Ints
    earned_interest: Ints
    cash_open: Ints
    cash_close: Ints
    payables: Ints  # to outside suppliers, due or not
    receivables: Ints
    loan_number: Ints
    loan_balance: Ints
    repaid_number: Ints  # loan that was replaced by a new one in this month
    days_past_due: Ints
    pace: Floats  # smoothed net sales per month, yuan
    health: Floats  # persistent state of management and product, unit variance: never delivered
    stress: Floats  # 0 calm to 1 out of cash, end of month
    activity: Floats  # 1 alive, fading after a default
    tight: Bools  # the month's payments exceeded its opening cash
    refinanced: Bools
    declined: Bools  # asked for a new loan, which the lender declined

    @property
    def rows(self) -> int:
        """Return the number of rows: the simulated months and one for what is due later."""
        return len(self.sold)

    def row(self, month: int) -> int:
        """Return the row of month index `month`."""
        return month + self.burn_in


def empty_paths(burn_in: int, rows: int, firms: int, relations: int) -> Paths:
    """Return zeroed paths for a simulation to fill."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for field in fields(Paths)[1:]:
        width = relations if field.name in _RELATIONS else firms
        arrays[field.name] = np.zeros((rows, width), dtype=_dtype(field.name))
    return Paths(burn_in=burn_in, **arrays)  # type: ignore[arg-type]  # keyed by field name


def _dtype(name: str) -> np.dtype[np.generic]:
    if name in _FLAGS:
        return np.dtype(np.bool_)
    return np.dtype(np.float64 if name in _FLOATS else np.int64)
