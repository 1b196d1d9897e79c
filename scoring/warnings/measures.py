"""Inputs of rules other than features: loans, power bills and events, lenders, the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import duckdb
import polars as pl

from firmpulse import warehouse
from firmpulse.errors import NotReadyError


@dataclass(frozen=True)
class Measure:
    """A value that is known only for the present, unless the model gives it."""

    # Source that a firm must have granted; None if no grant is needed.
    source: str | None
    of_model: bool = False


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "days_past_due": Measure(None),
        "bank_new_lenders_3m": Measure("bank"),
        "power_late_days": Measure("power"),
        "power_cut_off": Measure("power"),
        "power_closed": Measure("power"),
        "power_theft": Measure("power"),
        "default_prob": Measure(None, of_model=True),
        "grade_rank": Measure(None, of_model=True),
    }
)
# Days of planned outage in three months; the rules decide what it silences.
OUTAGE_DAYS = "power_planned_outage_days_3m"
PROVINCE = "province"

# Table of dbt_project/models/watch → its measures.
_TABLES: Mapping[str, tuple[str, ...]] = {
    "watch_standing": ("days_past_due", PROVINCE),
    "watch_bank_lenders": ("bank_new_lenders_3m",),
    "watch_power_payments": ("power_late_days",),
    "watch_power_events": ("power_cut_off", "power_closed", "power_theft", OUTAGE_DAYS),
}
_GRANTED = {
    **{name: measure.source for name, measure in MEASURES.items() if not measure.of_model},
    OUTAGE_DAYS: "power",
    PROVINCE: "tax",
}


def tables() -> list[str]:
    """Return the full names of the tables that the measures are in."""
    return [f"warehouse.watch.{table}" for table in _TABLES]


def read(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    firms: pl.DataFrame,
    granted: pl.DataFrame,
) -> pl.DataFrame:
    """Return the firms with every measure but the model's, as known at `as_of`.

    A null means not observed or not granted.

    Args:
        connection: a session with the warehouse attached.
        as_of: a date that features were built for; only what was available by then is used.
        firms: firm_id (String); other columns are kept.
        granted: firm_id and source of the grants in force.

    Raises:
        NotReadyError: the tables of the warnings were not built for `as_of`.
    """
    rows = firms
    for table, names in _TABLES.items():
        require(connection, f"watch.{table}", as_of)
        found = connection.execute(
            f"select cast(firm_id as varchar) as firm_id, {', '.join(names)} "  # noqa: S608 - our own names
            f"from warehouse.watch.{table} where as_of = ?",
            [as_of],
        ).pl()
        rows = rows.join(found, on="firm_id", how="left", maintain_order="left")
    by_firm = granted.group_by("firm_id").agg(pl.col("source").unique().alias("_sources"))
    flagged = rows.join(by_firm, on="firm_id", how="left", maintain_order="left")
    return flagged.with_columns(
        pl.when(pl.col("_sources").list.contains(source)).then(pl.col(name)).alias(name)
        for name, source in _GRANTED.items()
        if source is not None
    ).drop("_sources")


def require(connection: duckdb.DuckDBPyConnection, table: str, as_of: date) -> None:
    """Raise NotReadyError if the table `schema.name` of the warehouse was not built for `as_of`.

    Built, it may have no row: a night may have no firm.
    """
    found = None
    if warehouse.is_built(connection, table):
        found = connection.execute(
            f"select 1 from warehouse.{table} where as_of = $as_of "  # noqa: S608 - our own names
            "union all select 1 from warehouse.ops.nights where as_of = $as_of limit 1",
            {"as_of": as_of},
        ).fetchone()
    if found is None:
        raise NotReadyError(
            f"no feature snapshots for {as_of}; run: firmpulse night --as-of {as_of}"
        )
