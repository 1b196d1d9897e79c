"""Founders of young firms and projects of light-asset firms: which firms, and contents."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from simulator.economy import Economy, from_epoch_day
from simulator.grants import draw_grants
from simulator.supplements import founder_credit, light_assets, sc_project
from simulator.world import World, build_world

LIGHT_DIVISIONS = {"65", "72", "73", "74", "75", "86", "87", "88", "89", "90"}


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(Economy(firms=1500, months=20), 20)


@pytest.fixture(scope="module")
def reports(world: World) -> pl.DataFrame:
    return pl.concat([founder_credit(world, month) for month in range(20)])


@pytest.fixture(scope="module")
def milestones(world: World) -> pl.DataFrame:
    return pl.concat([sc_project(world, month) for month in range(20)])


def test_founders_are_told_of_for_young_firms_alone(world: World, reports: pl.DataFrame) -> None:
    assert reports.height > 100
    born = world.firms.born[reports["_firm"].to_numpy()]
    month = [
        (day.year - world.economy.start.year) * 12 + day.month - world.economy.start.month
        for day in reports["report_date"]
    ]
    age = np.array(month) - born
    assert age.min() == 0
    assert age.max() < 18


def test_founders_of_weak_firms_are_late_more_often(world: World, reports: pl.DataFrame) -> None:
    quality = pl.Series(world.firms.quality[reports["_firm"].to_numpy()])
    late = (reports["overdue_count_24m"] > 0).cast(pl.Float64)
    weak, sound = late.filter(quality < -0.5).mean(), late.filter(quality > 0.5).mean()
    assert weak is not None
    assert sound is not None
    assert weak > 1.5 * sound > 0


def test_projects_are_those_of_light_asset_firms(world: World, milestones: pl.DataFrame) -> None:
    firms = np.unique(milestones["_firm"].to_numpy())
    assert len(firms) > 30
    assert light_assets(world)[firms].all()


def test_a_milestone_is_planned_first_and_told_once_more(milestones: pl.DataFrame) -> None:
    told = milestones.group_by("contract_no", "milestone", "planned").agg(
        pl.col("updated_at").sort(), pl.col("accepted").sort_by("updated_at")
    )
    assert told["updated_at"].list.len().unique().to_list() == [2]
    assert told["accepted"].list.first().null_count() == told.height
    accepted = told.filter(pl.col("accepted").list.last().is_not_null())
    in_time = (accepted["accepted"].list.last() <= accepted["planned"]).mean()
    assert in_time is not None
    assert 0.4 < float(str(in_time)) < 0.9
    assert accepted.height < told.height


def test_grants_of_supplements_are_for_whom_they_are_meant(world: World) -> None:
    grants = draw_grants(world)
    never = grants.valid_from["tax"].max()
    founders = np.flatnonzero(grants.valid_from["founder_credit"] < never)
    projects = np.flatnonzero(grants.valid_from["project_contracts"] < never)
    assert len(founders) > 10
    assert (world.firms.born[founders] >= 0).all()
    assert len(projects) > 30
    assert light_assets(world)[projects].all()
    first = from_epoch_day(int(grants.valid_from["founder_credit"][founders].min()))
    assert first >= world.economy.start - timedelta(days=31)
    assert isinstance(first, date)
