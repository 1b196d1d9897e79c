"""Builds masked rows, facts and features for a date with dbt."""

from datetime import date
from typing import Literal

from firmpulse import dbt_runner, runlog, warehouse
from firmpulse.dbt_runner import NodeOutcome
from firmpulse.settings import Settings

Stage = Literal["mask", "facts", "features"]

SELECTORS: dict[Stage, tuple[str, ...]] = {
    "mask": ("path:models/staging",),
    "facts": ("path:models/facts",),
    "features": ("path:models/features", "path:models/labels"),
}


def build(
    settings: Settings, as_of: date, stage: Stage, *, full_refresh: bool = False
) -> tuple[NodeOutcome, ...]:
    """Bring one stage up to what has landed; with `full_refresh`, from nothing.

    Features are kept for every month end and for every night that was ever built, so the night
    is noted first: a full refresh then rebuilds the same snapshots.

    Raises:
        BuildFailed: a model or a data test failed.
    """
    with warehouse.connect(settings) as connection:
        connection.execute(
            "create table if not exists warehouse.ops.nights (as_of date primary key)"
        )
        if stage == "features":
            connection.execute(
                "insert into warehouse.ops.nights values (?) on conflict do nothing", [as_of]
            )
    with runlog.step(settings, as_of, "build", stage):
        return dbt_runner.build(
            settings, SELECTORS[stage], {"as_of": as_of.isoformat()}, full_refresh=full_refresh
        )
