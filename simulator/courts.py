"""Public records of the courts: cases that firms are party to, and lists of enforcement."""

import numpy as np
import polars as pl

from firmpulse.bounds import DEFAULT_DAYS
from simulator.columns import dates, money, numbered, texts
from simulator.economy import Stage
from simulator.population import Bools, Floats, Ints
from simulator.world import World

# Days from an event to the day on which it is published, as in the contracts.
_CASE_DAYS, _LIST_DAYS = 30, 7
_ROLES = ("原告", "被告", "第三人")
_CAUSES = ("买卖合同纠纷", "借款合同纠纷", "租赁合同纠纷", "劳动争议", "其他")
_RESULTS = ("胜诉", "部分胜诉", "败诉", "调解", "撤诉")
_LISTS = ("被执行人", "失信被执行人", "限制高消费")


def court_case(world: World, month: int) -> pl.DataFrame:
    """Return the cases that were filed in a month: as filed, and as closed.

    Firms of low quality and firms out of cash are sued more often, with much noise.
    """
    firms = world.firms
    rng = world.economy.rng(Stage.COURT_CASES, month)
    noise, size = rng.standard_normal((2, len(firms)))
    draw = rng.random((7, len(firms)))
    stress = world.paths.stress[world.paths.row(month) - 1]
    rate = 0.012 * np.exp(0.5 * noise - 0.6 * firms.quality + 2 * stress)
    (firm,) = np.nonzero((draw[0] < rate) & (firms.born <= month))
    filed = world.day(month) + np.floor(27 * draw[1, firm]).astype(np.int64)
    closed = filed + 60 + np.floor(240 * draw[2, firm]).astype(np.int64)
    sued = draw[3, firm] < np.clip(0.6 - 0.1 * firms.quality[firm], 0.2, 0.9)
    role = np.where(draw[4, firm] < 0.05, 2, sued.astype(np.int64))
    amount = _amounts(firms.sales[firm] * np.exp(-0.8 + 0.9 * size[firm]))
    ends = np.flatnonzero(draw[5, firm] < 0.92)
    place = np.concatenate((np.arange(len(firm)), ends))
    has_ended = np.arange(len(place)) >= len(firm)
    known = np.where(has_ended, closed[place], filed[place])
    result = np.floor(len(_RESULTS) * draw[6, firm]).astype(np.int64)
    shown = texts(_RESULTS, result[place])
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm[place]),
        "case_no": _numbers(world, month, "民初", firm[place]),
        "role": texts(_ROLES, role[place]),
        "cause": texts(_CAUSES, (firm[place] * 3 + month) % len(_CAUSES)),
        "filed": dates(filed[place]),
        "amount": money(amount[place]),
        "closed": dates(closed[place], has_ended),
        "result": pl.select(pl.when(pl.Series(has_ended)).then(shown)).to_series(),
        "_firm": firm[place],
        "_event": filed[place],
        "_available": known + _CASE_DAYS,
    })  # fmt: skip


def court_enforcement(world: World, month: int) -> pl.DataFrame:
    """Return the enforcement that began in a month: each list as entered, and as removed.

    It follows a default by months, or a seizure, or is of other creditors; firms of low quality
    and firms out of cash have more of these.
    """
    firms, paths, row = world.firms, world.paths, world.paths.row(month)
    rng = world.economy.rng(Stage.ENFORCEMENT, month)
    draw = rng.random((6, len(firms)))
    rate = 0.003 * np.exp(-0.6 * firms.quality + 2 * paths.stress[row - 1])
    by_lender = after_default(world, month)
    begins = by_lender | ((paths.seized[row] > 0) & (draw[0] < 0.5)) | (draw[1] < rate)
    (firm,) = np.nonzero(begins & (firms.born <= month))
    lender = by_lender[firm]
    owed = firms.sales[firm] * np.exp(2 * draw[2, firm] - 1)
    amount = np.where(lender, paths.loan_balance[row][firm], _amounts(owed))
    filed = world.day(month) + np.floor(27 * draw[3, firm]).astype(np.int64)
    # On the second and third list some months later, and some of all are removed again.
    listed = np.array([np.ones(len(firm)), draw[4, firm] < 0.35, draw[4, firm] < 0.5]) > 0
    which, place = np.nonzero(listed)
    entered = filed[place] + np.array((0, 60, 45))[which]
    removed = entered + 60 + np.floor(240 * draw[5, firm][place]).astype(np.int64)
    paid = draw[5, firm] < np.where(lender, 0.15, 0.65)
    ends = np.flatnonzero(paid[place])
    rows = np.concatenate((np.arange(len(place)), ends))
    has_ended = np.arange(len(rows)) >= len(place)
    known = np.where(has_ended, removed[rows], entered[rows])
    owner = firm[place][rows]
    return pl.DataFrame({
        "uscc": texts(world.uscc, owner),
        "case_no": _numbers(world, month, "执", owner),
        "kind": texts(_LISTS, which[rows]),
        "filed": dates(entered[rows]),
        "amount": money(np.maximum(amount[place][rows], 100)),
        "ended": dates(removed[rows], has_ended),
        "_firm": owner,
        "_event": entered[rows],
        "_available": known + _LIST_DAYS,
    })  # fmt: skip


def after_default(world: World, month: int) -> Bools:
    """Firms whose lender goes to court in a month, some months after their default, (firms,)."""
    rng = world.economy.rng(Stage.ENFORCEMENT, part=1)
    waits = rng.integers(2, 10, len(world.firms))
    sues = rng.random(len(world.firms)) < 0.6
    past_due = world.paths.days_past_due[: world.paths.row(month) + 1] >= DEFAULT_DAYS
    first = np.where(past_due.any(axis=0), past_due.argmax(axis=0), -100)
    begins: Bools = sues & (first + waits == world.paths.row(month))
    return begins


def _amounts(yuan: Floats) -> Ints:
    return np.rint(yuan).astype(np.int64) * 100


def _numbers(world: World, month: int, word: str, firm: Ints) -> pl.Series:
    year = world.economy.month(month).year
    return numbered(f"({year})沪0101{word}", (1_000_000 + firm) * 1000 + 500 + month)
