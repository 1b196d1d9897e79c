"""Transfers of one month: bank entries that add up to every cash flow of the books."""

from dataclasses import dataclass, field

import numpy as np

from simulator import world as w
from simulator.columns import share_cents, split_cents
from simulator.network import NOBODY
from simulator.population import Bools, Floats, Ints
from simulator.world import Days, World

SUMMARIES = (
    "货款", "代发工资", "缴税", "社保", "电费", "贷款发放", "还本", "利息", "内部转账", "取现",
    "手续费", "退汇", "扣划", "房租", "报销", "运费", "股东往来", "结息",
)  # fmt: skip
(
    TRADE, WAGES, TAX, SOCIAL, POWER, LOAN, PRINCIPAL, INTEREST, OWN, CASH,
    FEE, RETURNED, SEIZED, RENT, EXPENSES, FREIGHT, OWNER, EARNED,
) = range(len(SUMMARIES))  # fmt: skip

_WALK_IN_PIECES = 10
_OVERHEAD = (RENT, EXPENSES, FREIGHT, FEE, CASH)
_OVERHEAD_WEIGHTS = np.array([0.5, 0.2, 0.17, 0.01, 0.12])


@dataclass(frozen=True)
class Transfers:
    """Bank entries, one array element each."""

    firm: Ints
    second: Bools  # on the firm's second account
    signed: Ints  # cents, negative for money that leaves
    moment: Ints  # seconds since the first of the month
    summary: Ints
    party: Ints  # lookup index of the counterparty's name and code
    account: Ints  # lookup index of the counterparty's account
    reversal: Bools


@dataclass
class Ledger:
    """Collects transfers; amounts of zero are left out."""

    rng: np.random.Generator
    parts: list[tuple[Ints, ...]] = field(default_factory=list)

    def book(
        self,
        firm: Ints,
        signed: Ints,
        day: Ints | int,
        summary: Ints | int,
        party: Ints | int,
    ) -> None:
        """Book transfers of the main account during office hours of `day` (0-based)."""
        second = self.rng.integers(9 * 3600, 17 * 3600 + 1800, len(firm))
        self.book_at(firm, signed, np.asarray(day) * 86_400 + second, summary, party)

    def book_at(
        self,
        firm: Ints,
        signed: Ints,
        moment: Ints,
        summary: Ints | int,
        party: Ints | int,
        *,
        account: Ints | int | None = None,
        second: bool = False,
        reversal: bool = False,
    ) -> None:
        """Book transfers at moments given in seconds since the first of the month."""
        columns = (
            firm, signed, moment, summary, party, party if account is None else account,
            int(second), int(reversal),
        )  # fmt: skip
        full = np.broadcast_arrays(*columns)
        (some,) = np.nonzero(full[1])
        self.parts.append(tuple(np.asarray(c[some], dtype=np.int64) for c in full))

    def transfers(self, among: Bools) -> Transfers:
        """Return what was booked for the firms where `among` is true."""
        firm, signed, moment, summary, party, account, second, reversal = (
            np.concatenate(columns) for columns in zip(*self.parts, strict=True)
        )
        kept = among[firm]
        return Transfers(
            firm=firm[kept], second=second[kept] == 1, signed=signed[kept], moment=moment[kept],
            summary=summary[kept], party=party[kept], account=account[kept],
            reversal=reversal[kept] == 1,
        )  # fmt: skip


def month_transfers(world: World, month: int, rng: np.random.Generator) -> Transfers:
    """Return the transfers of all firms whose bank reports."""
    days = world.days_of(month)
    ledger = Ledger(rng)
    _receipts(world, month, days, ledger)
    _suppliers(world, month, days, ledger)
    _staff(world, month, days, ledger)
    _bills(world, month, days, ledger)
    _loans(world, month, ledger)
    _overhead(world, month, ledger)
    _owners(world, month, ledger)
    _mistakes(world, month, ledger)
    return ledger.transfers(world.firms.has_bank)


def _receipts(world: World, month: int, days: Days, ledger: Ledger) -> None:
    net, rng = world.net, ledger.rng
    paid = world.paths.relation_paid[world.paths.row(month)]
    (some,) = np.nonzero(paid)
    walk_in = net.buyer[some] == NOBODY
    draw = rng.random(len(some))
    pieces = 1 + (draw < 0.2) + (draw < 0.05)
    pieces = np.where(walk_in, _WALK_IN_PIECES + (draw * 8).astype(np.int64), pieces)
    pieces = np.minimum(pieces, np.maximum(1, paid[some] // 1_000))
    owner, amount = split_cents(rng, paid[some], pieces, 0.5)
    relation = some[owner]
    supplier, buyer = net.supplier[relation], net.buyer[relation]
    spread = np.floor(rng.random(len(owner)) * np.where(
        world.paths.tight[world.paths.row(month)][supplier], 13, world.economy.days_in(month)
    )).astype(np.int64)  # fmt: skip
    day = np.where(buyer == NOBODY, spread, days.received[relation])
    party = np.where(buyer == NOBODY, world.blank, buyer)
    ledger.book(supplier, amount, day, TRADE, party)
    inside = net.internal[relation]
    ledger.book(
        buyer[inside], -amount[inside], days.sent[relation][inside], TRADE, supplier[inside]
    )


def _suppliers(world: World, month: int, days: Days, ledger: Ledger) -> None:
    net, rng, row = world.net, ledger.rng, world.paths.row(month)
    spread = np.exp(0.4 * rng.standard_normal(len(net.purchase_firm)))
    amount = share_cents(
        world.paths.paid_outside[row], net.purchase_firm, net.purchase_share * spread
    )
    tight = world.paths.tight[row][net.purchase_firm]
    day = _after(rng, tight, 14, 26)
    ledger.book(net.purchase_firm, -amount, day, TRADE, net.purchase_party)


def _staff(world: World, month: int, days: Days, ledger: Ledger) -> None:
    """Wages leave the second account if there is one; the main account funds it first."""
    firms, row = world.firms, world.paths.row(month)
    everyone = np.arange(len(firms))
    wages, social = world.paths.payroll[row], world.paths.social[row]
    moment = days.payroll * 86_400 + ledger.rng.integers(11 * 3600, 16 * 3600, len(firms))
    desk = world.institution(w.PAYROLL_DESK)
    through = np.where(firms.second_account, wages, 0)
    second = world.second_account(everyone)
    ledger.book_at(everyone, -(wages - through), moment, WAGES, desk)
    ledger.book_at(everyone, -through, moment - 5400, OWN, everyone, account=second)
    ledger.book_at(everyone, through, moment - 5395, OWN, everyone, second=True)
    ledger.book_at(everyone, -through, moment, WAGES, desk, second=True)
    ledger.book(everyone, -social, days.payroll, SOCIAL, world.institution(w.SOCIAL_FUND))


def _bills(world: World, month: int, days: Days, ledger: Ledger) -> None:
    paths, row = world.paths, world.paths.row(month)
    everyone = np.arange(len(world.firms))
    ledger.book(everyone, -paths.tax_paid[row], days.tax, TAX, world.institution(w.TREASURY))
    ledger.book(everyone, -paths.power_paid[row], days.power, POWER, world.institution(w.GRID))


def _loans(world: World, month: int, ledger: Ledger) -> None:
    paths, row, day = world.paths, world.paths.row(month), world.firms.loan_day - 1
    everyone = np.arange(len(world.firms))
    bank = world.institution(w.LENDER)
    drawn = 1 + everyone % 9
    ledger.book(everyone, paths.drawdown[row], drawn, LOAN, bank)
    ledger.book(everyone, -paths.principal[row], day, PRINCIPAL, bank)
    ledger.book(everyone, -paths.interest[row], day, INTEREST, bank)


def _overhead(world: World, month: int, ledger: Ledger) -> None:
    paths, row, rng = world.paths, world.paths.row(month), ledger.rng
    everyone = np.arange(len(world.firms))
    kinds = len(_OVERHEAD)
    owner = np.repeat(everyone, kinds)
    weight = np.tile(_OVERHEAD_WEIGHTS, len(everyone)) * rng.uniform(0.3, 1.7, len(owner))
    amount = share_cents(paths.overhead[row], owner, weight)
    summary = np.tile(np.array(_OVERHEAD), len(everyone))
    day = _after(rng, paths.tight[row][owner], 13, 26)
    ledger.book(owner, -amount, day, summary, world.blank)
    court = world.institution(w.COURT)
    day = _after(rng, paths.tight[row], 13, 26)
    ledger.book(everyone, -paths.seized[row], day, SEIZED, court)


def _owners(world: World, month: int, ledger: Ledger) -> None:
    paths, row = world.paths, world.paths.row(month)
    everyone = np.arange(len(world.firms))
    person = world.net.parties.first_person + everyone % 400
    ledger.book(everyone, paths.injected[row], 2 + everyone % 9, OWNER, person)
    ledger.book(everyone, -paths.withdrawn[row], 25, OWNER, person)
    ledger.book(everyone, paths.earned_interest[row], 10, EARNED, world.blank)


def _mistakes(world: World, month: int, ledger: Ledger) -> None:
    """Wrong credits reversed by the bank, and returned payments: both net to zero."""
    rng, firms = ledger.rng, world.firms
    everyone = np.arange(len(firms))
    alive = world.paths.sold[world.paths.row(month)] > 0
    yuan = np.rint(firms.sales * rng.uniform(0.01, 0.1, len(firms)))
    amount = (yuan * 100).astype(np.int64) * alive
    moment = rng.integers(0, 20, len(firms)) * 86_400 + 36_000
    draw = rng.random(len(firms))
    wrong = np.where(draw < 0.004, amount, 0)
    ledger.book_at(everyone, wrong, moment, TRADE, world.blank)
    ledger.book_at(everyone, -wrong, moment + 7_200, TRADE, world.blank, reversal=True)
    calm = ~world.paths.tight[world.paths.row(month)]
    spare = world.paths.cash_close[world.paths.row(month)] > 2 * amount
    back = np.where((draw > 0.985) & calm & spare, amount // 4, 0)
    party = world.net.parties.first_supplier + everyone
    ledger.book_at(everyone, -back, moment, TRADE, party)
    ledger.book_at(everyone, back, moment + 5 * 3600, RETURNED, party)


def _after(rng: np.random.Generator, tight: Bools, first: int, last: int) -> Ints:
    """Return a day in the second half for tight firms, any day before the 28th for others."""
    draw: Floats = rng.random(len(tight))
    late = first + np.floor(draw * (last - first + 1))
    return np.where(tight, late, np.floor(draw * 27)).astype(np.int64)
