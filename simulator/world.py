"""A simulated economy up to a month, with lookup texts for event frames."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from simulator.codes import digit_strings
from simulator.dynamics import simulate
from simulator.economy import Economy, Stage, epoch_day
from simulator.network import Network
from simulator.paths import Paths
from simulator.population import Firms, Floats, Ints
from simulator.seasons import business_days

_INSTITUTIONS = (
    "国家金库",
    "社会保险基金管理中心",
    "供电公司",
    "贷款银行",
    "代发工资专户",
    "法院执行款专户",
)
TREASURY, SOCIAL_FUND, GRID, LENDER, PAYROLL_DESK, COURT = range(6)


@dataclass(frozen=True)
class World:
    """Firms, network and paths, and the texts on documents about each party.

    The lookups have the parties, then one blank entry, then the institutions; `account` continues
    with the second account of every firm.
    """

    economy: Economy
    firms: Firms
    net: Network
    paths: Paths
    months: int
    uscc: pl.Series
    name: pl.Series
    account: pl.Series

    @property
    def blank(self) -> int:
        """The lookup index of nobody."""
        return len(self.net.parties.uscc)

    def institution(self, which: int) -> int:
        """Return the lookup index of an institution."""
        return self.blank + 1 + which

    def second_account(self, firm: Ints) -> Ints:
        """Return the lookup indices of the second accounts of firms."""
        return self.blank + 1 + len(_INSTITUTIONS) + firm

    def day(self, month: int) -> int:
        """Return the first day of month `month` as days since 1970."""
        return epoch_day(self.economy.month(month))

    def days_of(self, month: int) -> "Days":
        """Return the day of the month of every firm's payments."""
        return _days(self, month)


@dataclass(frozen=True)
class Days:
    """Days of one month, 0-based; (firms,) but `relation_*` (relations,).

    A firm that starts the month with less than it must pay (`tight`) waits for its receipts in the
    first half, and pays in the second, so no balance falls below zero.
    """

    received: Ints  # by the supplier of each relation
    sent: Ints  # by the buyer of each relation, where it is a simulated firm
    tax: Ints
    power: Ints
    payroll: Ints
    filed: Ints  # VAT return of the previous month


def build_world(economy: Economy, months: int) -> World:
    """Return the economy simulated through month index `months - 1`."""
    firms, net, paths = simulate(economy, months)
    parties = net.parties
    codes = [code or None for code in parties.uscc.tolist()]
    second = digit_strings(np.arange(len(firms), dtype=np.int64) * 1_000_033 + 70_001, 15, "6010")
    desks = digit_strings(np.arange(len(_INSTITUTIONS), dtype=np.int64) + 1, 15, "1000")
    return World(
        economy=economy,
        firms=firms,
        net=net,
        paths=paths,
        months=months,
        uscc=pl.Series([*codes, *[None] * (1 + len(_INSTITUTIONS))], dtype=pl.String),
        name=pl.Series([*parties.name.tolist(), None, *_INSTITUTIONS], dtype=pl.String),
        account=pl.Series(
            [*parties.account.tolist(), None, *desks.tolist(), *second.tolist()], dtype=pl.String
        ),
    )


def _days(world: World, month: int) -> Days:
    economy, firms, net, paths = world.economy, world.firms, world.net, world.paths
    rng = economy.rng(Stage.RECEIPT_DAYS, month)
    row = paths.row(month)
    tight = paths.tight[row]
    moment = rng.random(len(net.supplier))
    usual = business_days(economy, month, moment)
    buyer = np.where(net.internal, net.buyer, 0)
    received = np.where(tight[net.supplier], _between(moment, 0, 12), usual)
    sent = np.where(tight[buyer], _between(moment, 14, 26), usual)
    draw = rng.random((6, len(firms)))
    stress = paths.stress[max(row - 1, 0)]
    files_late = draw[0] < 0.015 + 0.12 * stress
    on_time = np.where(tight, 14, _between(draw[1], 4, 14))
    tax = np.where(files_late, _between(draw[1], 16, 26), on_time)
    forgets = draw[2] < 0.03
    power = np.where(tight, _between(draw[3], 13, 18), _between(draw[3], 11, 23))
    payroll = np.where(tight, _between(draw[4], 13, 18), _between(draw[4], 8, 15))
    return Days(
        received=received,
        sent=sent,
        tax=tax,
        power=np.where(forgets, 26, power),
        payroll=payroll,
        filed=np.where(files_late, tax, np.minimum(tax, _between(draw[5], 2, 14))),
    )


def _between(uniform: Floats, first: int, last: int) -> Ints:
    return first + np.floor(uniform * (last - first + 1)).astype(np.int64)
