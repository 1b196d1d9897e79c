"""Supplements of a short history: founders' credit of young firms, projects of light ones."""

import numpy as np
import polars as pl

from simulator.columns import dates, money, numbered, texts
from simulator.economy import Stage
from simulator.industries import Kind
from simulator.population import Bools, Floats, Ints
from simulator.world import World

# Months after its foundation for which a firm's founders are reported, and how often.
_REPORTED_MONTHS, _EVERY = 18, 3
_REPORT_DAY = 9
_MILESTONES = 4  # per contract, one per month
_USED = ("30%以下", "30%-70%", "70%-90%", "90%以上", "无信用卡")


def founder_credit(world: World, month: int) -> pl.DataFrame:
    """Return the reports of one month on the founders of young firms.

    A firm's hidden quality affects how its founders pay, with much noise.
    """
    age = month - world.firms.born
    (firm,) = np.nonzero((age >= 0) & (age < _REPORTED_MONTHS) & (age % _EVERY == 0))
    number = np.where(firm % 3 == 0, 2, 1)
    owner = np.repeat(firm, number)
    founder = np.concatenate([np.arange(1, n + 1) for n in number]) if len(number) else firm
    rng = world.economy.rng(Stage.FOUNDERS, month)
    strain = rng.standard_normal(len(owner)) - 0.9 * world.firms.quality[owner]
    overdue = rng.poisson(np.exp(np.clip(strain - 0.8, -6, 2)))
    longest = np.where(overdue > 0, np.rint(12 * np.exp(0.5 * strain)).clip(1, 360), 0)
    used = np.where(rng.random(len(owner)) < 0.1, 4, np.digitize(strain, (-0.4, 0.6, 1.4)))
    guarantees = np.where(rng.random(len(owner)) < 0.3, np.exp(11.5 + strain), 0)
    day = np.full(len(owner), world.day(month) + _REPORT_DAY)
    return pl.DataFrame({
        "uscc": texts(world.uscc, owner),
        "founder_no": pl.Series(founder.astype(np.int64)),
        "report_date": dates(day),
        "overdue_count_24m": pl.Series(overdue.astype(np.int64)),
        "longest_overdue_days_24m": pl.Series(longest.astype(np.int64)),
        "card_utilisation": texts(_USED, used.astype(np.int64)),
        "guarantee_balance": money(np.rint(guarantees * 100).astype(np.int64)),
        "_firm": owner,
        "_event": day,
        "_available": day + 1,
    })  # fmt: skip


def sc_project(world: World, month: int) -> pl.DataFrame:
    """Return the milestones of one month of light-asset firms: planned, and the outcome.

    A milestone is reported twice: when the month begins, and once it is accepted or given up.
    """
    firms, paths, row = world.firms, world.paths, world.paths.row(month)
    (firm,) = np.nonzero(light_assets(world) & (paths.sold_net[row] > 0))
    rng = world.economy.rng(Stage.PROJECTS, month)
    noise, draw = rng.standard_normal(len(firm)), rng.random(len(firm))
    trouble: Floats = noise - 0.9 * firms.quality[firm]
    late = np.where(trouble > 0.3, np.rint(8 * trouble).clip(1, 60), 0).astype(np.int64)
    given_up: Bools = (trouble > 1.6) & (draw < 0.3)
    share = np.clip(0.95 - 0.15 * np.maximum(trouble, 0), 0.2, 1)
    invoiced = paths.sold_net[row][firm]
    planned = np.full(len(firm), world.day(month) + 24)
    done = planned + late
    plan = _states(world, month, firm, planned, invoiced).with_columns(
        updated_at=dates(np.full(len(firm), world.day(month))),
        _available=pl.Series(np.full(len(firm), world.day(month) + 1)),
    )
    result = _states(world, month, firm, planned, invoiced).with_columns(
        accepted=dates(done, ~given_up),
        invoiced=money(np.where(given_up, 0, invoiced)),
        received=money(np.where(given_up, 0, np.rint(invoiced * share)).astype(np.int64)),
        penalty=money(np.where(late > 15, invoiced // 50, 0)),
        terminated=pl.Series(np.where(given_up, "是", "否")),
        updated_at=dates(done + 1),
        _available=pl.Series(done + 2),
    )
    return pl.concat([plan, result])


def light_assets(world: World) -> Bools:
    """Firms that sell projects, not goods, (firms,)."""
    light: Bools = world.firms.kind == Kind.LIGHT
    return light


def _states(world: World, month: int, firm: Ints, planned: Ints, invoiced: Ints) -> pl.DataFrame:
    contract = (month + world.economy.burn_in) // _MILESTONES
    client = (firm * 7 + 13 * contract + 1) % len(world.firms)
    nothing = np.zeros(len(firm), dtype=np.int64)
    return pl.DataFrame({
        "contract_no": numbered("XM", (1_000_000 + firm) * 1000 + contract),
        "supplier_uscc": texts(world.uscc, firm),
        "buyer_uscc": texts(world.uscc, client),
        "amount": money(np.maximum(invoiced, 100) * _MILESTONES),
        "milestone": numbered("M", np.full(len(firm), 1 + month % _MILESTONES)),
        "planned": dates(planned),
        "accepted": dates(planned, np.zeros(len(firm), dtype=np.bool_)),
        "invoiced": money(nothing),
        "received": money(nothing),
        "penalty": money(nothing),
        "terminated": pl.Series(np.full(len(firm), "否")),
        "updated_at": dates(planned),
        "_firm": firm,
        "_event": planned,
        "_available": planned,
    })  # fmt: skip
