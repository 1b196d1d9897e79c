"""A bank's portfolio: what it has of its borrowers, written in foreign shapes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from firmpulse.calendar import add_months
from simulator import bank, invoices, power
from simulator.columns import dates
from simulator.economy import Economy, Stage, epoch_day
from simulator.exports import providers
from simulator.exports.first_bank import FIRST_BANK
from simulator.exports.second_bank import SECOND_BANK
from simulator.loan_book import DEFAULTED, GRANTED, SOLD, WRITTEN_OFF, loan_book
from simulator.population import Ints
from simulator.world import World, build_world

BANKS = {"first": FIRST_BANK, "second": SECOND_BANK}
# Firms of the economy for each of the portfolio. One loan in forty goes bad within a year, too few
# among 400 firms for a model: the bank brings the bad ones of three times as many.
_ECONOMY_PER_FIRM = 3
# Most of the portfolio that may have such a loan.
_MOST_BAD = 0.4
_WENT_BAD = pl.col("outcome").is_in((DEFAULTED, WRITTEN_OFF, SOLD)) & (
    pl.col("outcome_at") <= pl.col("decided_at").dt.offset_by("12mo")
)
# One firm in so many has signed nothing; one in so many nothing for training.
_UNSIGNED, _NOT_FOR_TRAINING = 31, 23
# Days before the last one on which the first firms signed, and for how long.
_SIGNED_DAYS, _VALID_DAYS, _TEXT_VERSION = 20, 5 * 365, "2026-01"


@dataclass(frozen=True)
class Portfolio:
    """What a bank has of its firms, as the simulator has it on the last day."""

    last: date
    # One row per application, as `loan_book` gives them.
    book: pl.DataFrame
    # Columns of the contracts, `name` of the firm, each row once in its last state.
    bookings: pl.DataFrame
    invoices: pl.DataFrame
    bills: pl.DataFrame
    # number, uscc, name, sources, may_train, valid_from, valid_to, window_start, text_version.
    signed: pl.DataFrame
    # Share of the loans of all borrowers of the economy that default within 12 months.
    default_rate: float


def portfolio(params: Economy) -> Portfolio:
    """Return the portfolio of `params.firms` firms, drawn from an economy of three times as many.

    Borrowers of the economy with a loan that defaulted within 12 months are all in it, up to two in
    five of the firms; the others are drawn at random.
    """
    economy = replace(params, firms=params.firms * _ECONOMY_PER_FIRM)
    world = build_world(economy, economy.months)
    everyone = loan_book(world, economy.last_day)
    firms = _chosen(economy, everyone, params.firms)
    own = pl.col("_firm").is_in(firms.tolist())
    return Portfolio(
        last=economy.last_day,
        book=everyone.filter(own),
        bookings=_rows(world, firms, bank.bank_txn, ["account_no", "txn_no"]),
        invoices=_rows(
            world, firms, invoices.tax_invoices,
            ["_firm", "direction", "invoice_code", "invoice_no"],
        ),
        bills=_rows(world, firms, power.power_bill, ["cons_no", "bill_month"]),
        signed=_signed(world, firms),
        default_rate=_default_rate(everyone, economy.last_day),
    )  # fmt: skip


def write(found: Portfolio, folder: Path, bank_name: str) -> dict[str, str]:
    """Write what the bank has into a folder: its exports, invoices, bills and authorisations.

    Returns:
        Name below the folder to what is in it.
    """
    shape = BANKS[bank_name]
    files = dict[str, int]()
    for name, content in (
        *shape.bookings(found.bookings), *shape.loans(found.book),
        *providers.invoices(found.invoices), *providers.bills(found.bills),
        shape.authorisations(found.signed),
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        kind = name.partition("/")[0]
        files[kind] = files.get(kind, 0) + 1
    granted = found.book["outcome"].count()
    rows = {
        "bank": f"{len(found.bookings):,} bookings, {len(found.book):,} applications, "
        f"{granted:,} of them granted",
        "invoices": f"{len(found.invoices):,} invoices",
        "power": f"{len(found.bills):,} bills",
    }
    told = {
        kind: f"{count:,} files, {rows[kind]}" if kind in rows else f"{len(found.signed):,} firms"
        for kind, count in files.items()
    }
    return told


def _chosen(economy: Economy, book: pl.DataFrame, count: int) -> Ints:
    """Return the borrowers of the portfolio, sorted."""
    granted = book.filter(pl.col("decision") == GRANTED)
    bad = granted.filter(_WENT_BAD)["_firm"].unique().sort().to_numpy()
    others = np.setdiff1d(granted["_firm"].unique().to_numpy(), bad)
    rng = economy.rng(Stage.PORTFOLIO)
    bad = rng.permutation(bad)[: int(count * _MOST_BAD)]
    drawn = rng.permutation(others)[: count - len(bad)]
    return np.sort(np.concatenate((bad, drawn)))


def _default_rate(book: pl.DataFrame, last: date) -> float:
    """Return the share of bad loans among those whose 12 months are over."""
    over = book.filter(
        (pl.col("decision") == GRANTED) & (pl.col("decided_at") <= add_months(last, -12))
    )
    return float(over.select(_WENT_BAD.mean()).item())


def _rows(
    world: World, firms: Ints, of_month: Callable[[World, int], pl.DataFrame], key: list[str]
) -> pl.DataFrame:
    """Return the rows of firms that are known on the last day, each once in its last state."""
    last = epoch_day(world.economy.last_day)
    frames = []
    for month in range(world.months):
        frame = of_month(world, month)
        known = pl.col("_firm").is_in(firms.tolist()) & (pl.col("_available") <= last)
        frames.append(frame.filter(known))
    rows = pl.concat(frames).unique(key, keep="last", maintain_order=True)
    firm = rows["_firm"]
    return rows.with_columns(uscc=world.uscc.gather(firm), name=world.name.gather(firm)).sort(
        "_firm", maintain_order=True
    )


def _signed(world: World, firms: Ints) -> pl.DataFrame:
    """Return who signed what in the last weeks; a few firms signed nothing, or not for training."""
    place = np.arange(len(firms))
    firm, place = (numbers[place % _UNSIGNED != _UNSIGNED // 2] for numbers in (firms, place))
    last = epoch_day(world.economy.last_day)
    first_day = last - _SIGNED_DAYS - firm % 10
    sources = ["tax", "bank", "power"]
    return pl.DataFrame({
        "number": [f"SQ-{100_000 + one}" for one in firm.tolist()],
        "uscc": world.uscc.gather(firm),
        "name": world.name.gather(firm),
        "sources": [sources] * len(firm),
        "may_train": place % _NOT_FOR_TRAINING != _NOT_FOR_TRAINING // 2,
        "valid_from": dates(first_day),
        "valid_to": dates(first_day + _VALID_DAYS),
        "window_start": dates(np.full(len(firm), world.day(0))),
        "text_version": [_TEXT_VERSION] * len(firm),
    })  # fmt: skip
