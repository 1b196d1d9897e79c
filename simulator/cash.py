"""The cash recursion: receipts in, bills out in order of pressure, loans, default."""

from dataclasses import dataclass

import numpy as np

from simulator.bills import Arrears, assess_tax, meter_power, pay_power, pay_tax
from simulator.economy import Economy, Stage
from simulator.loans import Loans
from simulator.network import Network
from simulator.paths import Paths
from simulator.population import Firms, Floats, Ints
from simulator.purse import Purse
from simulator.seasons import has_festival_payday

_CRITICAL_SUPPLIERS = 0.65  # share of supplier bills that must be paid for deliveries
_HEALTH_ON_COST = 0.04  # log cost of purchases per unit of health
_GUARANTEE_CALLS = 0.0014  # per month and firm: not visible in delivered data
_ACCIDENTS = 0.010
_FADE = 0.80  # activity kept from month to month after a default


def cents(yuan: Floats) -> Ints:
    """Round yuan to whole cents."""
    return np.rint(yuan * 100).astype(np.int64)


@dataclass
class Books:
    """The moving part of the firms' money; one object per simulation, changed every month."""

    loans: Loans
    cash: Ints
    owner: Ints  # what the owners can still put in
    late_suppliers: Ints
    late_payroll: Ints
    tax: Arrears
    power: Arrears
    vat_credit: Ints
    claims: Ints  # called guarantees, not yet seized
    relief: Floats  # log cost saved by restructurings before the first delivered month

    @classmethod
    def begin(cls, economy: Economy, firms: Firms) -> "Books":
        """Return the state before the first month; existing firms have cash and a loan."""
        rng = economy.rng(Stage.CASH, -999)
        zeros = np.zeros(len(firms), dtype=np.int64)
        exists = firms.born < -economy.burn_in
        money = cents(firms.sales * firms.cash_months * rng.uniform(0.5, 1.3, len(firms)))
        return cls(
            loans=Loans.begin(rng, firms, exists),
            cash=np.where(exists, money, 0),
            owner=cents(firms.sales * firms.owner_months),
            late_suppliers=zeros.copy(),
            late_payroll=zeros.copy(),
            tax=Arrears.none(len(firms)),
            power=Arrears.none(len(firms)),
            vat_credit=zeros.copy(),
            claims=zeros.copy(),
            relief=np.zeros(len(firms)),
        )

    def step(self, economy: Economy, firms: Firms, net: Network, paths: Paths, month: int) -> None:
        """Close the books of one month."""
        rng = economy.rng(Stage.CASH, month)
        row = paths.row(month)
        self._postpone(rng, net, paths, row)
        self._trade(rng, firms, net, paths, row)
        quarter_end = economy.month(month).month % 3 == 0
        self.vat_credit = assess_tax(firms, paths, row, self.vat_credit, quarter_end=quarter_end)
        meter_power(rng, firms, paths, row)
        purse = Purse(self.cash)
        paths.cash_open[row] = self.cash
        self._take_in(economy, rng, firms, net, paths, purse, month)
        self._running_costs(economy, rng, firms, paths, purse, month)
        first = firms.loan_before_bills & ~self.loans.defaulted
        second = ~firms.loan_before_bills & ~self.loans.defaulted
        missed_before = self.loans.missed.copy()
        self.loans.repay(paths, row, purse, first)
        pay_power(self.power, paths, row, purse)
        pay_tax(self.tax, paths, row, purse)
        self.loans.repay(paths, row, purse, second)
        if month < 0:
            self._rescue(rng, firms, paths, row, purse)
        self.loans.age(missed_before, economy, firms, paths, month)
        self._suppliers_rest(paths, row, purse)
        self._owners(firms, paths, row, purse)
        self.cash = purse.cash
        self._close(paths, row)

    def _postpone(self, rng: np.random.Generator, net: Network, paths: Paths, row: int) -> None:
        """Firms short of cash last month delay some payments to other simulated firms."""
        if not row:
            return
        inside = net.internal
        chance = np.zeros(len(net.supplier))
        buyers = net.buyer[inside]
        chance[inside] = np.where(
            self.loans.defaulted[buyers], 0.93, 0.5 * paths.stress[row - 1][buyers]
        )
        moved = rng.random(len(chance)) < chance
        paths.relation_paid[row + 1] += np.where(moved, paths.relation_paid[row], 0)
        paths.relation_paid[row] = np.where(moved, 0, paths.relation_paid[row])

    def _trade(
        self, rng: np.random.Generator, firms: Firms, net: Network, paths: Paths, row: int
    ) -> None:
        """Sum up sales, and buy what production needs beyond what other firms billed."""
        billed = paths.relation_billed[row]
        paths.sold[row] = np.add.reduceat(billed, net.first[:-1])
        sold_net = paths.sold[row] / (1 + firms.vat_rate)
        paths.sold_net[row] = np.rint(sold_net).astype(np.int64)
        before = paths.pace[row - 1] if row else sold_net / 100
        before = np.where(before > 0, before, sold_net / 100)
        paths.pace[row] = 0.82 * before + 0.18 * sold_net / 100
        inside = net.internal
        buyers, bills = net.buyer[inside], billed[inside]
        count = len(firms)
        paths.bought_inside[row] = np.bincount(buyers, bills, count).astype(np.int64)
        bills_net = bills / (1 + firms.vat_rate[net.supplier[inside]])
        inside_net = np.bincount(buyers, bills_net, count)
        plan = 0.6 * sold_net + 0.4 * 100 * paths.pace[row] * paths.activity[row]
        waste = np.exp(-_HEALTH_ON_COST * paths.health[row] - self.relief)
        need = firms.purchase_share * waste * plan * np.exp(0.12 * rng.standard_normal(count))
        outside_net = np.where(sold_net > 0, np.maximum(0.15 * need, need - inside_net), 0.0)
        rate = np.where(firms.small_scale, 0.01, firms.vat_rate)
        paths.bought_outside[row] = np.rint(outside_net * (1 + rate)).astype(np.int64)
        paths.bought_net[row] = np.rint(outside_net + inside_net).astype(np.int64)

    def _take_in(
        self,
        economy: Economy,
        rng: np.random.Generator,
        firms: Firms,
        net: Network,
        paths: Paths,
        purse: Purse,
        month: int,
    ) -> None:
        """Receipts, loan, founding capital; then payments promised to other simulated firms."""
        row = paths.row(month)
        paid = paths.relation_paid[row]
        paths.receipts[row] = np.add.reduceat(paid, net.first[:-1])
        purse.add(paths.receipts[row])
        inside = net.internal
        owed = np.bincount(net.buyer[inside], paid[inside], len(firms)).astype(np.int64)
        paths.paid_inside[row] = owed
        founded = firms.born == month
        capital = np.where(founded, cents(firms.sales * (1.2 + firms.cash_months)), 0)
        stress = paths.stress[row - 1] if row else np.zeros(len(firms))
        self.loans.refinance(rng, firms, paths, row, purse, stress)
        paths.injected[row] = capital + np.maximum(owed - purse.cash - capital, 0)
        purse.add(paths.injected[row] - owed)
        if economy.month(month).month % 3 == 0:
            paths.earned_interest[row] = self.cash // 2_000
            purse.add(paths.earned_interest[row])

    def _running_costs(
        self,
        economy: Economy,
        rng: np.random.Generator,
        firms: Firms,
        paths: Paths,
        purse: Purse,
        month: int,
    ) -> None:
        row, count = paths.row(month), len(firms)
        pace = paths.pace[row] * np.where(paths.activity[row] > 0.05, paths.activity[row], 0.0)
        pace = np.where(month >= firms.born, pace, 0.0)
        bonus = 1.6 if has_festival_payday(economy, month) else 0.95
        wages = cents(firms.payroll_share * pace * 0.8 * bonus) + self.late_payroll
        paths.payroll[row] = purse.pay_part(wages)
        self.late_payroll = ((wages - paths.payroll[row]) * paths.activity[row]).astype(np.int64)
        paths.social[row] = purse.pay_part(cents(firms.payroll_share * pace * 0.2))
        called = rng.random(count) < _GUARANTEE_CALLS
        self.claims = self.claims + cents(
            np.where(called, rng.uniform(1.0, 5.0, count), 0.0) * pace
        )
        paths.seized[row] = purse.pay_part(self.claims)
        self.claims = self.claims - paths.seized[row]
        accident = rng.random(count) < _ACCIDENTS
        extra = np.where(accident, rng.gamma(1.6, 0.55, count), 0.0)
        noise = np.exp(0.25 * rng.standard_normal(count))
        paths.overhead[row] = purse.pay_part(cents(pace * (firms.overhead_share * noise + extra)))
        bills = self.late_suppliers + self._supplier_bills(firms, paths, row)
        critical = np.rint(bills * _CRITICAL_SUPPLIERS).astype(np.int64)
        paths.paid_outside[row] = purse.pay_part(critical)
        self.late_suppliers = bills - paths.paid_outside[row]

    def _supplier_bills(self, firms: Firms, paths: Paths, row: int) -> Ints:
        billed = np.maximum(row - firms.supplier_terms, 0)
        everyone = np.arange(len(firms))
        bills: Ints = np.where(
            row >= firms.supplier_terms, paths.bought_outside[billed, everyone], 0
        )
        return bills

    def _suppliers_rest(self, paths: Paths, row: int, purse: Purse) -> None:
        rest = purse.pay_part(self.late_suppliers)
        paths.paid_outside[row] += rest
        self.late_suppliers = self.late_suppliers - rest

    def _rescue(
        self, rng: np.random.Generator, firms: Firms, paths: Paths, row: int, purse: Purse
    ) -> None:
        """Before the first delivered month no firm defaults: lenders waive, owners put money in."""
        saved = self.loans.missed >= 2
        self.loans.waive(saved)
        self.relief += np.where(saved, 0.08, 0.0)
        self.claims = np.where(saved, 0, self.claims)
        money = paths.pace[row] * firms.cash_months * rng.uniform(0.5, 1.5, len(firms))
        fresh = np.where(saved, cents(money), 0)
        paths.injected[row] += fresh
        purse.add(fresh)

    def _owners(self, firms: Firms, paths: Paths, row: int, purse: Purse) -> None:
        """Owners put money in when cash is short, and take out the excess."""
        month_cost = cents(paths.pace[row] * paths.activity[row])
        floor = np.rint(month_cost * 0.12).astype(np.int64)
        short = np.maximum(floor - purse.cash, 0)
        help_ = np.where(self.loans.defaulted, 0, np.minimum(short, self.owner))
        paths.injected[row] += help_
        purse.add(help_)
        keep = np.rint(month_cost * firms.cash_months * 1.2).astype(np.int64)
        keep += np.maximum(self.loans.balance - self.loans.limit // 3, 0)
        out = np.maximum(purse.cash - keep, 0) // 2
        out = np.where(self.loans.missed > 0, 0, out)
        paths.withdrawn[row] = purse.pay_part(out)
        cap = cents(firms.sales * firms.owner_months)
        self.owner = np.minimum(self.owner - help_ + out // 4, cap)

    def _close(self, paths: Paths, row: int) -> None:
        paths.cash_close[row] = self.cash
        inflow = (
            paths.receipts[row] + paths.drawdown[row] + paths.injected[row]
            + paths.earned_interest[row]
        )  # fmt: skip
        spent = paths.cash_open[row] + inflow - self.cash
        paths.tight[row] = paths.cash_open[row] < spent
        usual = 100 * paths.pace[row] * np.maximum(paths.activity[row], 0.05)
        short = np.clip(1 - self.cash / np.maximum(0.3 * usual, 1.0), 0.0, 1.0)
        before = paths.stress[row - 1] if row else short
        paths.stress[row] = np.where(usual > 0, 0.5 * before + 0.5 * short, 0.0)
        faded = paths.activity[row] * _FADE
        paths.activity[row + 1] = np.where(self.loans.defaulted, faded, 1.0)
        paths.payables[row] = self.late_suppliers + paths.bought_outside[row]
        earlier = paths.receivables[row - 1] if row else 0
        paths.receivables[row] = earlier + paths.sold[row] - paths.receipts[row]
