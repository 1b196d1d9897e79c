"""Bank extracts: accounts, and transfers with a running balance."""

import numpy as np
import polars as pl

from simulator.columns import dates, money, numbered, texts, timestamps
from simulator.economy import Stage
from simulator.founding import first_seen, opened_day
from simulator.population import Bools, Ints
from simulator.transfers import SUMMARIES, month_transfers
from simulator.world import World

_BANKS = ("城市商业银行城东支行", "农村商业银行营业部", "股份制银行科技支行", "国有银行开发区支行")


def bank_txn(world: World, month: int) -> pl.DataFrame:
    """Return the transfers of one month; the balance runs per account without a break."""
    moves = month_transfers(world, month, world.economy.rng(Stage.BANK, month))
    order = np.lexsort((moves.moment, moves.second, moves.firm))
    firm, second, signed = moves.firm[order], moves.second[order], moves.signed[order]
    moment = world.day(month) * 86_400 + moves.moment[order]
    account = np.where(second, world.second_account(firm), firm)
    balance = _running(signed, account, _opening(world, month, firm, second))
    party, party_account = moves.party[order], moves.account[order]
    first = world.economy.month(month)
    day = moment // 86_400
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "txn_no": numbered(f"{first:%Y%m}", 10_000_000 + np.arange(len(firm))),
        "account_no": texts(world.account, account),
        "booked_at": timestamps(moment),
        "dc": texts(("借", "贷"), (signed > 0).astype(np.int64)),
        "amount": money(np.abs(signed)),
        "balance": money(balance),
        "cp_name": texts(world.name, party),
        "cp_account": texts(world.account, party_account),
        "cp_tax_no": texts(world.uscc, party),
        "summary": texts(SUMMARIES, moves.summary[order]),
        "reversal_flag": pl.Series(moves.reversal[order]),
        "_firm": firm,
        "_event": day,
        "_available": day + 1,
    })  # fmt: skip


def _opening(world: World, month: int, firm: Ints, second: Bools) -> Ints:
    main = world.paths.cash_open[world.paths.row(month)][firm]
    return np.where(second, second_balance(world)[firm], main)


def second_balance(world: World) -> Ints:
    """Return the constant floor of the second accounts in cents, (firms,)."""
    return np.rint(world.firms.sales * 2).astype(np.int64)


def _running(signed: Ints, account: Ints, opening: Ints) -> Ints:
    if not len(signed):
        return signed
    running = np.cumsum(signed)
    is_first = np.concatenate(([True], account[1:] != account[:-1]))
    before = (running - signed)[np.flatnonzero(is_first)]
    balance: Ints = opening + running - before[np.cumsum(is_first) - 1]
    return balance


def bank_account(world: World, month: int) -> pl.DataFrame:
    """Return the accounts opened in one month, in month 0 also all older ones."""
    firms = world.firms
    everyone = np.arange(len(firms))
    firm = np.concatenate((everyone, everyone[firms.second_account]))
    second = np.arange(len(firm)) >= len(firms)
    delay = np.where(second, 40 + firm % 300, 0)
    opened = opened_day(world)[firm] + delay
    chosen = firms.has_bank[firm] & first_seen(world, month, opened)
    firm, second, opened = firm[chosen], second[chosen], opened[chosen]
    number = np.where(second, world.second_account(firm), firm)
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "account_no": texts(world.account, number),
        "bank_name": texts(_BANKS, (firm + second) % len(_BANKS)),
        "acct_type": texts(("基本", "一般"), second.astype(np.int64)),
        "ccy": texts(("CNY",), np.zeros(len(firm), dtype=np.int64)),
        "opened": dates(opened),
        "status": texts(("正常",), np.zeros(len(firm), dtype=np.int64)),
        "_firm": firm,
        "_event": opened,
        "_available": opened + 1,
    })  # fmt: skip
