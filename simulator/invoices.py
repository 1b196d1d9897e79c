"""VAT invoices: correct ones, wrong ones that are voided or red-flushed, and fake ones."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from simulator.columns import money, numbered, prefixed, share_cents, split_cents, texts, timestamps
from simulator.economy import Stage
from simulator.industries import Kind
from simulator.population import Bools, Floats, Ints
from simulator.seasons import business_days, season
from simulator.world import World

ALL_DIGITAL_FROM = date(2024, 12, 1)  # national roll-out of fully digital invoices
_LATEST_RED, _LATEST_VOID = 20, 5  # days after the wrong invoice
_OPENS, _CLOSES = 30_600, 68_400  # office hours, seconds of the day
_OUTSIDE_CANCEL_RATE = 0.02


@dataclass(frozen=True)
class Documents:
    """Invoices of one month, one entry each; moments in seconds since the first of the month."""

    seller: Ints  # party
    buyer: Ints  # party, -1 for a walk-in customer
    total: Ints
    vat_rate: Floats
    moment: Ints
    voided: Ints  # moment, -1 for valid
    number: Ints  # shared by the two versions of a voided invoice

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.seller)


def tax_invoices(world: World, month: int) -> pl.DataFrame:
    """Return the invoices of one month as both sides see them, one row per version and side."""
    rng = world.economy.rng(Stage.SALES_INVOICES, month)
    right = _join([
        _sales(world, month, rng),
        _purchases(world, month, world.economy.rng(Stage.PURCHASE_INVOICES, month)),
        _fakes(world, month, rng),
    ])  # fmt: skip
    documents = _with_wrong_ones(world, month, rng, right)
    count = len(world.firms)
    known = np.append(world.firms.has_tax, False)
    out = np.flatnonzero(known[np.minimum(documents.seller, count)])
    buyer = np.where(documents.buyer < 0, count, np.minimum(documents.buyer, count))
    bought = np.flatnonzero(known[buyer])
    rows = np.concatenate((out, bought))
    is_out = np.arange(len(rows)) < len(out)
    return _frame(world, month, documents, rows, is_out)


def _sales(world: World, month: int, rng: np.random.Generator) -> Documents:
    net, firms, paths = world.net, world.firms, world.paths
    row = paths.row(month)
    billed = paths.relation_billed[row]
    (sold,) = np.nonzero(billed)
    supplier = net.supplier[sold]
    pace = firms.invoices[supplier] * season(world.economy, month) * paths.activity[row][supplier]
    pieces = np.maximum(1, rng.poisson(pace * net.share[sold] / 0.8))
    pieces = np.minimum(pieces, np.maximum(1, billed[sold] // 20_000))
    owner, total = split_cents(rng, billed[sold], pieces, 0.8)
    return _documents(world, month, rng, supplier[owner], net.buyer[sold][owner], total,
                      firms.vat_rate[supplier][owner])  # fmt: skip


def _purchases(world: World, month: int, rng: np.random.Generator) -> Documents:
    net, firms, paths = world.net, world.firms, world.paths
    bought = paths.bought_outside[paths.row(month)]
    slot = net.purchase_firm
    spread = np.exp(0.4 * rng.standard_normal(len(slot)))
    spent = share_cents(bought, slot, net.purchase_share * spread)
    activity = paths.activity[paths.row(month)]
    pace = firms.purchase_invoices * season(world.economy, month) * activity
    pieces = np.maximum(1, rng.poisson(pace[slot] * net.purchase_share))
    pieces = np.minimum(pieces, spent // 10_000)
    owner, total = split_cents(rng, spent, pieces, 0.7)
    rate = np.where(firms.small_scale, 0.01, firms.vat_rate)[slot][owner]
    return _documents(world, month, rng, net.purchase_party[owner], slot[owner], total, rate)


def _fakes(world: World, month: int, rng: np.random.Generator) -> Documents:
    """Round sums invoiced to a shell and back, without any transfer or delivery."""
    fake = world.paths.fake[world.paths.row(month)]
    (firm,) = np.nonzero(fake)
    parties = world.net.parties
    shell = parties.first_shell + firm % (parties.first_person - parties.first_shell)
    halves = np.concatenate((fake[firm] // 2, fake[firm] - fake[firm] // 2))
    seller = np.concatenate((firm, firm, shell, shell))
    buyer = np.concatenate((shell, shell, firm, firm))
    rate = np.tile(world.firms.vat_rate[firm], 4)
    return _documents(world, month, rng, seller, buyer, np.tile(halves, 2), rate)


def _documents(
    world: World,
    month: int,
    rng: np.random.Generator,
    seller: Ints,
    buyer: Ints,
    total: Ints,
    vat_rate: Floats,
) -> Documents:
    day = business_days(world.economy, month, rng.random(len(seller)))
    second = rng.integers(_OPENS, _CLOSES, len(seller))
    none = np.full(len(seller), -1)
    return Documents(seller, buyer, total, vat_rate, day * 86_400 + second, none, none)


def _with_wrong_ones(
    world: World, month: int, rng: np.random.Generator, right: Documents
) -> Documents:
    """Add invoices that were first written wrong, each with its void version or red invoice.

    Paper invoices are voided within their month and red-flushed afterwards; digital ones can
    only be red-flushed.
    """
    count = len(right)
    rates = np.append(world.firms.cancel_rate, _OUTSIDE_CANCEL_RATE)
    rate = rates[np.minimum(right.seller, len(world.firms))]
    (picked,) = np.nonzero(rng.random(count) < rate)
    days = world.economy.days_in(month)
    digital = world.economy.month(month) >= ALL_DIGITAL_FROM
    within = np.full(len(picked), _LATEST_RED if digital else _LATEST_VOID)
    if world.economy.month(month + 1) >= ALL_DIGITAL_FROM > world.economy.month(month):
        left = days - 1 - right.moment[picked] // 86_400
        within = np.minimum(within, left)  # paper invoices end: the last chance to void them
    moment, cancelled = _mistake(rng, right.moment[picked], within)
    is_void = (cancelled < days * 86_400) & (not digital)
    wrong = np.arange(len(picked)) + count
    void, red = np.flatnonzero(is_void), np.flatnonzero(~is_void)
    source = np.concatenate((np.arange(count), picked, picked[void], picked[red]))
    sign = np.ones(len(source), dtype=np.int64)
    sign[count + len(picked) + len(void) :] = -1
    voided = np.full(len(source), -1)
    voided[count + len(picked) : count + len(picked) + len(void)] = cancelled[void]
    red_number = count + len(picked) + np.arange(len(red))
    return Documents(
        seller=right.seller[source],
        buyer=right.buyer[source],
        total=right.total[source] * sign,
        vat_rate=right.vat_rate[source],
        moment=np.concatenate((right.moment, moment, moment[void], cancelled[red])),
        voided=voided,
        number=np.concatenate((np.arange(count), wrong, wrong[void], red_number)),
    )


def _mistake(rng: np.random.Generator, right: Ints, within: Ints) -> tuple[Ints, Ints]:
    """Return when a wrong invoice was written, before the right one of that day, and cancelled."""
    second = right % 86_400
    midnight = right - second
    written = _OPENS + np.floor(rng.random(len(right)) * (second - _OPENS)).astype(np.int64)
    later = np.floor(rng.random(len(right)) * (within + 1)).astype(np.int64)
    opens = np.where(later == 0, second, _OPENS)
    hour = opens + np.floor(rng.random(len(right)) * (_CLOSES - opens)).astype(np.int64)
    return midnight + written, midnight + later * 86_400 + hour


def _join(parts: list[Documents]) -> Documents:
    names = Documents.__dataclass_fields__
    return Documents(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


def _frame(
    world: World, month: int, documents: Documents, rows: Ints, is_out: Bools
) -> pl.DataFrame:
    seller, buyer = documents.seller[rows], documents.buyer[rows]
    first = world.day(month)
    total, voided = documents.total[rows], documents.voided[rows]
    amount = np.rint(total / (1 + documents.vat_rate[rows])).astype(np.int64)
    moment = documents.moment[rows]
    known_buyer = np.where(buyer < 0, world.blank, buyer)
    code, number = _numbers(world, month, seller, documents.number[rows])
    walk_in = pl.Series(buyer < 0)
    last = first + np.maximum(moment, voided) // 86_400
    return pl.DataFrame({
        "direction": texts(("进项", "销项"), is_out.astype(np.int64)),
        "invoice_code": code,
        "invoice_no": number,
        "invoice_kind": _kinds(world, month, seller, buyer),
        "issue_time": timestamps(first * 86_400 + moment),
        "seller_tax_no": texts(world.uscc, seller),
        "seller_name": texts(world.name, seller),
        "buyer_tax_no": texts(world.uscc, known_buyer),
        "buyer_name": _or(texts(world.name, known_buyer), walk_in, "个人"),
        "amount": money(amount),
        "tax": money(total - amount),
        "total": money(total),
        "status": texts(("正常", "作废"), (voided >= 0).astype(np.int64)),
        "void_time": timestamps(first * 86_400 + voided, voided >= 0),
        "_firm": np.where(is_out, seller, buyer),
        "_event": first + moment // 86_400,
        "_available": last + 1,
    })  # fmt: skip


def _or(series: pl.Series, where: pl.Series, text: str) -> pl.Series:
    return pl.select(pl.when(where).then(pl.lit(text)).otherwise(series)).to_series()


def _numbers(world: World, month: int, seller: Ints, number: Ints) -> tuple[pl.Series, pl.Series]:
    """Return code and number: 12 + 8 digits on paper, null + 20 digits when digital."""
    first = world.economy.month(month)
    regions = world.uscc.str.slice(2, 4)
    if first < ALL_DIGITAL_FROM:
        batch = f"{first:%y}{first.month:03d}13"
        codes = pl.select(pl.lit("0") + regions.fill_null("0000") + batch).to_series()
        return texts(codes, seller), numbered("", 10_000_000 + number)
    prefixes = pl.select(f"{first:%y}" + regions.str.slice(0, 2).fill_null("00")).to_series()
    serial = 1_000_000_000_000_000 + (month + 1000) * 1_000_000_000 + number
    code = pl.Series([None], dtype=pl.String).new_from_index(0, len(number))
    return code, prefixed(texts(prefixes, seller), serial)


def _kinds(world: World, month: int, seller: Ints, buyer: Ints) -> pl.Series:
    """Return special for buyers that can deduct the tax, plain for all others."""
    plain = (buyer < 0) | (buyer >= world.net.parties.first_person)
    inside = seller < len(world.firms)
    kind = world.firms.kind[np.where(inside, seller, 0)]
    plain |= inside & (kind == Kind.RETAIL)
    digital = world.economy.month(month) >= ALL_DIGITAL_FROM
    words = ("数电专", "数电普") if digital else ("专", "普")
    return texts(words, plain.astype(np.int64))
