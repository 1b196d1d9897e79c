"""Bills that are paid in full or not at all, and the arrears."""

from dataclasses import dataclass

import numpy as np

from simulator.industries import POWER_PRICES
from simulator.paths import Paths
from simulator.population import Firms, Ints
from simulator.purse import Purse

_BASE_LOAD = 0.15  # share of power independent of output
_TAX_SURCHARGE = 15  # per mille per month: 0.05 % per day
_POWER_PENALTY = 30  # per mille per month: 0.1 % per day
_INCOME_TAX = 0.05  # small, low-profit firms


@dataclass
class Arrears:
    """Unpaid bills of one creditor; cents and periods, (firms,)."""

    amount: Ints
    periods: Ints

    @classmethod
    def none(cls, count: int) -> "Arrears":
        """Return no arrears."""
        return cls(np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64))

    def settle(self, purse: Purse, new: Ints, surcharge_permille: int) -> tuple[Ints, Ints, Ints]:
        """Pay all that is open with its surcharge, or nothing.

        Returns the paid amount, the surcharge in it and its periods.
        """
        surcharge = self.amount * surcharge_permille // 1_000
        due = self.amount + surcharge + new
        periods = self.periods + 1
        paid = purse.pay_whole(due)
        self.amount = np.where(paid, 0, self.amount + new)
        self.periods = np.where(paid, 0, periods)
        return np.where(paid, due, 0), np.where(paid, surcharge, 0), np.where(paid, periods, 0)


def pay_tax(arrears: Arrears, paths: Paths, row: int, purse: Purse) -> None:
    """Pay the taxes on the previous month, and arrears."""
    new = np.zeros_like(arrears.amount)
    if row:
        new = paths.vat_due[row - 1] + paths.surtax_due[row - 1] + paths.income_tax_due[row - 1]
    paid, surcharge, periods = arrears.settle(purse, new, _TAX_SURCHARGE)
    paths.tax_paid[row], paths.tax_surcharge[row], paths.tax_periods[row] = (
        paid,
        surcharge,
        periods,
    )


def pay_power(arrears: Arrears, paths: Paths, row: int, purse: Purse) -> None:
    """Pay the power of the previous month, and arrears."""
    new = paths.power_due[row - 1] if row else np.zeros_like(arrears.amount)
    paid, penalty, periods = arrears.settle(purse, new, _POWER_PENALTY)
    paths.power_paid[row], paths.power_penalty[row], paths.power_periods[row] = (
        paid,
        penalty,
        periods,
    )
    paths.power_late[row] = arrears.amount


def assess_tax(firms: Firms, paths: Paths, row: int, credit: Ints, *, quarter_end: bool) -> Ints:
    """Record the taxes on one month and return the input tax left to deduct later."""
    sales_tax = paths.sold[row] - paths.sold_net[row]
    bought = paths.bought_inside[row] + paths.bought_outside[row]
    input_tax = np.where(firms.small_scale, 0, bought - paths.bought_net[row])
    balance = sales_tax - input_tax - credit
    paths.vat_due[row] = np.maximum(balance, 0)
    paths.surtax_due[row] = paths.vat_due[row] * 12 // 100
    if row >= 2 and quarter_end:
        quarter = paths.sold_net[row - 2 : row + 1].sum(axis=0)
        profit = np.maximum(quarter * firms.margin, 0)
        paths.income_tax_due[row] = np.rint(profit * _INCOME_TAX).astype(np.int64)
    left: Ints = np.maximum(-balance, 0)
    return left


def meter_power(rng: np.random.Generator, firms: Firms, paths: Paths, row: int) -> None:
    """Record the power for the output of one month; fake sales need none."""
    output = paths.sold_net[row] / 100
    base = firms.sales * paths.activity[row] * (output > 0)
    use = (1 - _BASE_LOAD) * output + _BASE_LOAD * base
    kwh = firms.kwh_per_yuan * use * np.exp(0.08 * rng.standard_normal(len(firms)))
    paths.kwh[row] = np.rint(kwh)
    price = np.array(POWER_PRICES)[firms.kind]
    paths.power_due[row] = np.rint(paths.kwh[row] * price * 100).astype(np.int64)
