"""Power extracts: meters, and monthly bills as issued and as paid."""

import numpy as np
import polars as pl

from simulator.columns import dates, money, prefixed, texts
from simulator.economy import Stage
from simulator.founding import first_seen, opened_day
from simulator.industries import Kind
from simulator.population import Ints
from simulator.world import World

_DUE_DAY = 25
_SHARES = np.array([0.07, 0.33, 0.38])  # sharp, peak, flat; the rest is valley
_METHODS = ("代扣", "自助", "预付")


def power_account(world: World, month: int) -> pl.DataFrame:
    """Return the meters opened in one month, in month 0 also all older ones."""
    firms = world.firms
    opened = opened_day(world) + 3
    (firm,) = np.nonzero(firms.has_power & first_seen(world, month, opened))
    usual = firms.kwh_per_yuan[firm] * firms.sales[firm]
    contract = np.maximum(30, np.rint(usual / 200 / 5) * 5).astype(np.int64)
    running = np.where(firm % 9 == 0, contract * 8 // 10, contract)
    large = (firms.kind[firm] == Kind.MAKE) & (contract >= 315)
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "cons_no": _meters(world, firm),
        "holder_name": texts(world.name, firm),
        "contract_cap_kva": money(contract * 100),
        "run_cap_kva": money(running * 100),
        "voltage": texts(("交流380V", "交流10kV"), large.astype(np.int64)),
        "tariff": texts(("一般工商业", "大工业"), large.astype(np.int64)),
        "status": texts(("正常",), np.zeros(len(firm), dtype=np.int64)),
        "opened": dates(opened[firm]),
        "_firm": firm,
        "_event": opened[firm],
        "_available": opened[firm] + 1,
    })  # fmt: skip


def _meters(world: World, firm: Ints) -> pl.Series:
    regions = pl.select(world.uscc.str.slice(2, 4).fill_null("0000")).to_series()
    return prefixed(texts(regions, firm), 100_000_000 + firm * 97)


def power_bill(world: World, month: int) -> pl.DataFrame:
    """Return the rows of one month: the bills of the previous month, and the payments."""
    paths, row = world.paths, world.paths.row(month)
    firms = world.firms
    issued = firms.has_power & (month >= 1) & (paths.power_due[row - 1] > 0)
    parts = [_bills(world, month, 1, np.flatnonzero(issued), paid=False)]
    periods = np.where(firms.has_power, paths.power_periods[row], 0)
    for back in range(1, min(int(periods.max(initial=0)), month) + 1):
        settled = (periods >= back) & (paths.power_due[row - back] > 0)
        parts.append(_bills(world, month, back, np.flatnonzero(settled), paid=True))
    return pl.concat(parts)


def _bills(world: World, month: int, back: int, firm: Ints, *, paid: bool) -> pl.DataFrame:
    """Return one version of the bills of month `month - back`, as of `month`."""
    paths, period = world.paths, month - back
    row = paths.row(period)
    draw = world.economy.rng(Stage.POWER, period).random((3, len(world.firms)))[:, firm]
    total = paths.kwh[row][firm].astype(np.int64)
    bands = np.floor(total * _SHARES[:, None] * (0.85 + 0.3 * draw)).astype(np.int64)
    issued = world.day(period + 1) + 4 + np.floor(draw[0] * 6).astype(np.int64)
    payday = world.day(month) + world.days_of(month).power[firm]
    oldest = paths.power_periods[paths.row(month)][firm] == back
    penalty = np.where(oldest, paths.power_penalty[paths.row(month)][firm], 0)
    none = np.zeros(len(firm), dtype=np.int64)
    updated = payday + 1 if paid else issued
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "cons_no": _meters(world, firm),
        "bill_month": dates(np.full(len(firm), world.day(period))),
        "read_date": dates(np.full(len(firm), world.day(period + 1) - 1)),
        "kwh_total": money(total * 100),
        "kwh_sharp": money(bands[0] * 100),
        "kwh_peak": money(bands[1] * 100),
        "kwh_flat": money(bands[2] * 100),
        "kwh_valley": money((total - bands.sum(axis=0)) * 100),
        "amount": money(paths.power_due[row][firm]),
        "due_date": dates(np.full(len(firm), world.day(period + 1) + _DUE_DAY - 1)),
        "paid_at": dates(payday, np.full(len(firm), paid)),
        "penalty": money(penalty if paid else none),
        "arrears": money(none if paid else paths.power_late[row][firm]),
        "pay_method": texts(_METHODS, firm % 3),
        "updated_at": dates(updated),
        "_firm": firm,
        "_event": np.full(len(firm), world.day(period)),
        "_available": updated,
    })  # fmt: skip
