"""Public records of simulated firms: what they say, of whom, and when."""

import datetime

import numpy as np
import polars as pl
import pytest

from firmpulse.bounds import DEFAULT_DAYS
from simulator.courts import after_default, court_case, court_enforcement
from simulator.economy import Economy
from simulator.founding import opened_day
from simulator.grants import NEVER, draw_grants
from simulator.public import capital, guarantee, shareholder
from simulator.tables import TABLES
from simulator.world import World, build_world

MONTHS = 20


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(Economy(firms=1500, months=MONTHS), MONTHS)


def _rows(world: World, table: str) -> pl.DataFrame:
    make = next(known.rows for known in TABLES if known.name == table)
    return pl.concat([make(world, month) for month in range(MONTHS)])


def _mean_by_quality(world: World, firms: np.ndarray) -> tuple[float, float]:
    """Return rows per firm of low and of high quality."""
    found = np.bincount(firms, minlength=len(world.firms))
    weak, sound = world.firms.quality < -0.5, world.firms.quality > 0.5
    return float(found[weak].mean()), float(found[sound].mean())


def test_weak_firms_are_sued_more_often_with_much_noise(world: World) -> None:
    cases = _rows(world, "court_case").filter(pl.col("closed").is_null())
    sued = cases.filter(role="被告")["_firm"].to_numpy()
    weak, sound = _mean_by_quality(world, sued)
    assert weak > 1.5 * sound > 0.02
    # Most weak firms are not sued, so that a case does not give the quality away.
    never = np.bincount(sued, minlength=len(world.firms)) == 0
    assert never[world.firms.quality < -0.5].mean() > 0.5


def test_enforcement_by_a_lender_follows_the_default(world: World) -> None:
    past_due = world.paths.days_past_due >= DEFAULT_DAYS
    sued = 0
    for month in range(MONTHS):
        begins = after_default(world, month)
        row = world.paths.row(month)
        assert past_due[: row - 1, begins].any(axis=0).all()
        assert not past_due[: row - 9, begins].any()
        entered = court_enforcement(world, month)["_firm"].to_numpy()
        assert set(np.flatnonzero(begins)) <= set(entered.tolist())
        sued += begins.sum()
    assert sued > 10
    entries = _rows(world, "court_enforcement").filter(kind="被执行人")
    weak, sound = _mean_by_quality(world, entries["_firm"].to_numpy())
    assert weak > 1.5 * sound > 0


def test_holders_of_a_firm_have_all_of_it(world: World) -> None:
    shares = _rows(world, "shareholder")
    last = datetime.date(2099, 1, 1)
    states = shares.sort("_available").unique(["uscc", "holder_no"], keep="last")
    standing = states.filter(pl.col("held_to").fill_null(last) == last)
    sums = standing.group_by("uscc").agg(pl.col("share").sum().round(4))
    assert sums["share"].unique().to_list() == [1.0]
    assert sums.height == (opened_day(world) < world.day(MONTHS)).sum()
    assert 0.05 < standing["holder_uscc"].is_not_null().mean() < 0.15
    assert standing["held_from"].n_unique() > shares["held_to"].drop_nulls().n_unique() > 10


def test_every_firm_has_a_capital_and_little_of_it_is_cut(world: World) -> None:
    states = _rows(world, "capital").sort("changed_at")
    assert states["uscc"].n_unique() == (opened_day(world) < world.day(MONTHS)).sum()
    moves = states.group_by("uscc", maintain_order=True).agg(pl.col("registered"))
    steps = moves.filter(pl.col("registered").list.len() > 1)
    assert 0.05 < steps.height / moves.height < 0.2
    cut = (steps["registered"].list.last() < steps["registered"].list.first()).mean()
    assert 0.1 < float(str(cut)) < 0.4
    assert (states["paid_in"] <= states["registered"]).all()


def test_guarantees_are_given_to_firms_that_exist_and_some_lead_back(world: World) -> None:
    given = _rows(world, "guarantee").filter(pl.col("released").is_null())
    pairs = set(given.select("uscc", "guaranteed_uscc").drop_nulls().iter_rows())
    after = {}
    for guarantor, debtor in pairs:
        after.setdefault(guarantor, set()).add(debtor)
    rings = [a for a, b in pairs for c in after.get(b, ()) if a in after.get(c, ()) and a != c != b]
    assert len(rings) > 20
    assert given["guaranteed_uscc"].null_count() > 5
    assert given["guarantee_no"].is_unique().all()


@pytest.mark.parametrize("table", [court_case, court_enforcement, shareholder, guarantee, capital])
def test_more_months_change_no_earlier_row(table: object) -> None:
    assert callable(table)
    economy = Economy(firms=200, months=12)
    short, long = build_world(economy, 8), build_world(economy, 12)
    for month in range(8):
        assert table(short, month).equals(table(long, month))


def test_a_row_is_known_when_its_contract_says(world: World) -> None:
    """The formulas are those of the contracts, by hand."""
    lags = {
        "court_case": (("filed", "closed"), 30), "court_enforcement": (("filed", "ended"), 7),
        "capital": (("changed_at",), 1), "shareholder": (("held_from", "held_to"), 30),
        "guarantee": (("guaranteed_from", "released"), 30),
    }  # fmt: skip
    for table, (days, lag) in lags.items():
        rows = _rows(world, table).with_columns(
            last=pl.max_horizontal(*days).dt.epoch("d").cast(pl.Int64) + lag
        )
        assert rows.filter(pl.col("last") != pl.col("_available")).height == 0, table
        assert rows.height > 100, table


def test_three_in_five_firms_grant_what_is_public_of_them(world: World) -> None:
    granted = draw_grants(world).valid_from["public_records"] < NEVER
    assert granted.mean() == pytest.approx(0.6, abs=0.03)
