"""Tax extracts apart from invoices: registration, VAT returns, payments."""

import numpy as np
import polars as pl

from simulator.columns import dates, money, texts
from simulator.economy import Stage
from simulator.founding import first_seen, opened_day
from simulator.industries import INDUSTRIES, Kind
from simulator.population import Bools, Floats, Ints
from simulator.world import World

_FILES_WHILE_ACTIVE = 0.12  # firms with less activity stop filing
_AMENDED = 0.02
_DUE_DAY = 15
_VAT, _SURTAX, _INCOME = range(3)
_LEGAL_FORMS = ("有限责任公司", "个体工商户")
_ONE_PERSON_CYCLE = 3  # one of this many small retailers belongs to a person
_ITEMS = ("10101", "10109", "10104")


def tax_vat_return(world: World, month: int) -> pl.DataFrame:
    """Return the returns of the period before `month`, and their amendments."""
    rng = world.economy.rng(Stage.FILINGS, month)
    paths, row, firms = world.paths, world.paths.row(month) - 1, world.firms
    draw, understated, later = rng.random((3, len(firms)))
    files = firms.has_tax & (month - 1 >= firms.born) & (month >= 1)
    files &= paths.activity[row] > _FILES_WHILE_ACTIVE
    (firm,) = np.nonzero(files)
    amended = np.flatnonzero(files & (draw < _AMENDED))
    fake = paths.fake[row]
    fake_net = np.rint(fake / (1 + firms.vat_rate)).astype(np.int64)
    output = paths.sold[row] - paths.sold_net[row] + fake - fake_net
    bought = paths.bought_inside[row] + paths.bought_outside[row] - paths.bought_net[row]
    deducted = np.where(firms.small_scale, 0, bought) + fake - fake_net
    sales = paths.sold_net[row] + fake_net
    shown = np.where(files & (draw < _AMENDED), 0.7 + 0.27 * understated, 1.0)
    filed = world.day(month) + world.days_of(month).filed
    refiled = filed + 20 + np.floor(later * 60).astype(np.int64)
    versions = np.concatenate((firm, amended))
    second = np.arange(len(versions)) >= len(firm)
    factor = np.where(second, 1.0, shown[versions])
    day = np.where(second, refiled[versions], filed[versions])
    end = np.full(len(versions), world.day(month) - 1)
    return pl.DataFrame({
        "uscc": texts(world.uscc, versions),
        "period_start": dates(np.full(len(versions), world.day(month - 1))),
        "period_end": dates(end),
        "due_date": dates(np.full(len(versions), world.day(month) + _DUE_DAY - 1)),
        "filed_at": dates(day),
        "sales_standard": money(_part(sales[versions], factor)),
        "output_tax": money(_part(output[versions], factor)),
        "input_tax": money(deducted[versions]),
        "payable": money(_part(paths.vat_due[row][versions], factor)),
        "is_amended": pl.Series(second),
        "version": pl.Series(1 + second.astype(np.int64)),
        "_firm": versions,
        "_event": end,
        "_available": day + 1,
    })  # fmt: skip


def _part(amount: Ints, factor: Floats) -> Ints:
    return np.rint(amount * factor).astype(np.int64)


def tax_payment(world: World, month: int) -> pl.DataFrame:
    """Return the payments of one month, a row per period and tax; late ones with surcharge."""
    paths, row = world.paths, world.paths.row(month)
    periods = np.where(world.firms.has_tax, paths.tax_periods[row], 0)
    day = world.day(month) + world.days_of(month).tax
    parts: list[tuple[Ints, Ints, Ints, Ints, Bools]] = []
    for back in range(1, min(int(periods.max(initial=0)), row) + 1):
        (firm,) = np.nonzero(periods >= back)
        dues = (paths.vat_due, paths.surtax_due, paths.income_tax_due)
        for item, due in enumerate(dues):
            parts.append(_payments(firm, item, month - back, due[row - back][firm], False))
        (oldest,) = np.nonzero((periods == back) & (paths.tax_surcharge[row] > 0))
        surcharge = paths.tax_surcharge[row][oldest]
        parts.append(_payments(oldest, _VAT, month - back, surcharge, True))
    if not parts:
        parts.append(_payments(np.zeros(0, dtype=np.int64), _VAT, 0, np.zeros(0, np.int64), False))
    firm, items, period, amount, surcharged = (np.concatenate(p) for p in zip(*parts, strict=True))
    starts = np.array([world.day(p) for p in range(-world.economy.burn_in, month + 1)])
    position = period + world.economy.burn_in
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "tax_item": texts(_ITEMS, items),
        "period_start": dates(starts[position]),
        "due_date": dates(starts[np.minimum(position + 1, len(starts) - 1)] + _DUE_DAY - 1),
        "paid_at": dates(day[firm]),
        "amount": money(amount),
        "kind": texts(("正税", "滞纳金"), surcharged.astype(np.int64)),
        "_firm": firm,
        "_event": day[firm],
        "_available": day[firm] + 1,
    })  # fmt: skip


def _payments(
    firm: Ints, item: int, period: int, amount: Ints, surcharge: bool
) -> tuple[Ints, Ints, Ints, Ints, Bools]:
    some = amount > 0
    count = int(some.sum())
    return (
        firm[some], np.full(count, item), np.full(count, period), amount[some],
        np.full(count, surcharge),
    )  # fmt: skip


def tax_registration(world: World, month: int) -> pl.DataFrame:
    """Return first registrations, changes of the legal representative or address, and ends."""
    firms, count = world.firms, len(world.firms)
    founded = opened_day(world)
    # Older registrations were last changed within the year before the first month.
    touched = np.maximum(founded, world.day(0) - 30 - np.arange(count) * 37 % 330)
    new = firms.has_tax & first_seen(world, month, touched)
    changed, moved, day, changes, moves = _changes(world, month)
    ended = _ended(world, month)
    later = firms.has_tax & ~new & (changed | moved | ended) & (founded < world.day(month))
    (firm,) = np.nonzero(new | later)
    updated = np.where(new, touched, day)[firm]
    person = world.net.parties.first_person + (firm * 31 + changes[firm] * 17) % 400
    places = pl.select(
        world.name.slice(0, count).str.slice(0, 2) + "市工业园路"
        + pl.Series((np.arange(count) * 13 + moves * 7) % 900 + 1).cast(pl.String) + "号"
    ).to_series()  # fmt: skip
    gone = world.paths.activity[world.paths.row(month)][firm] < _FILES_WHILE_ACTIVE
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "name": texts(world.name, firm),
        "status": texts(("正常", "非正常"), gone.astype(np.int64)),
        "taxpayer_type": texts(("一般", "小规模"), firms.small_scale[firm].astype(np.int64)),
        "industry_code": texts(tuple(i.code for i in INDUSTRIES), firms.industry[firm]),
        "reg_type": texts(_LEGAL_FORMS, _is_one_person(world)[firm].astype(np.int64)),
        "reg_date": dates(founded[firm]),
        "legal_rep_name": texts(world.name, person),
        "address": texts(places, firm),
        "updated_at": dates(updated),
        "_firm": firm,
        "_event": updated,
        "_available": updated + 1,
    })  # fmt: skip


def _changes(world: World, month: int) -> tuple[Bools, Bools, Ints, Ints, Ints]:
    """Return which firms change in this month, on which day, and all changes so far, (firms,)."""
    count = len(world.firms)
    people, moves = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    draw = np.ones((3, count))
    for earlier in range(month + 1):
        draw = world.economy.rng(Stage.REGISTRATION, earlier).random((3, count))
        stress = world.paths.stress[world.paths.row(earlier)]
        people += draw[0] < 0.003 + 0.006 * stress
        moves += draw[1] < 0.003
    changed = draw[0] < 0.003 + 0.006 * world.paths.stress[world.paths.row(month)]
    day = world.day(month) + np.floor(draw[2] * 28).astype(np.int64)
    return changed, draw[1] < 0.003, day, people, moves


def _ended(world: World, month: int) -> Bools:
    """Firms whose activity fell so low in this month that the tax office lists them."""
    activity, row = world.paths.activity, world.paths.row(month)
    ended: Bools = (activity[row] < _FILES_WHILE_ACTIVE) & (
        activity[row - 1] >= _FILES_WHILE_ACTIVE
    )
    return ended


def _is_one_person(world: World) -> Bools:
    """Individual businesses, (firms,): some of the small retailers."""
    firms = world.firms
    turn = np.arange(len(firms)) % _ONE_PERSON_CYCLE == 0
    one: Bools = (firms.kind == Kind.RETAIL) & firms.small_scale & turn
    return one
