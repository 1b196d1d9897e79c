"""Overdue providers, and deliveries far larger or smaller than usual."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

from firmpulse import warehouse
from firmpulse.known_at import known_by
from scoring.warnings.forms import Freshness

# Nights with which a delivery is compared, and the minimum for a comparison.
_NIGHTS, _LEAST_NIGHTS = 28, 7
# More than twice the maximum of these nights, or less than half the minimum, is unusual.
_FACTOR = 2
# Below this many rows a factor is chance.
_LEAST_ROWS = 100

_AGES = """
    select coalesce(deliveries.provider, '') as provider, $as_of - max(facts.available_at) as age
    from warehouse.facts.{table} as facts
    left join (
        select distinct delivery_seq, provider from warehouse.ops.deliveries
    ) as deliveries using (delivery_seq)
    where {known}
    group by all
    order by all
"""
# Rows per night, provider and table of increments; a first full history does not count.
_VOLUMES = """
    with nightly as (
        select as_of, source, provider, table_name, sum(rows_delivered) as row_count
        from warehouse.ops.deliveries
        where kind = 'increment' and status = 'landed' and table_name <> ''
        group by all
    ),
    before as (
        select now.as_of, now.source, now.provider, now.table_name, now.row_count,
            count(past.as_of) as nights, min(past.row_count) as least, max(past.row_count) as most
        from nightly as now
        left join nightly as past
            on now.source = past.source and now.provider = past.provider
                and now.table_name = past.table_name
                and now.as_of > past.as_of and now.as_of - $nights <= past.as_of
        where now.as_of = $as_of
        group by all
    )
    select source, provider, table_name, row_count::bigint, least::bigint, most::bigint
    from before
    where nights >= $least_nights and most >= $least_rows
        and (row_count > $factor * most or $factor * row_count < least)
    order by all
"""


@dataclass(frozen=True)
class Age:
    """The age of a provider's newest row."""

    source: str
    provider: str
    days: int
    allowed: int

    @property
    def late(self) -> bool:
        """Whether it is older than the warning rules allow (`DATA_STALE`)."""
        return self.days > self.allowed


@dataclass(frozen=True)
class Volume:
    """A delivery of unusual size."""

    source: str
    provider: str
    table: str
    rows: int
    # Of the previous nights.
    least: int
    most: int


def ages(
    connection: duckdb.DuckDBPyConnection, as_of: date, freshness: Mapping[str, Freshness]
) -> list[Age]:
    """Return the age of every provider of a watched source that has ever delivered."""
    found = []
    for source, allowed in freshness.items():
        if not warehouse.is_built(connection, f"facts.{allowed.table}"):
            continue
        query = _AGES.format(table=allowed.table, known=known_by(rows="facts"))
        rows = connection.execute(query, {"as_of": as_of}).fetchall()
        found += [Age(source, provider, days, allowed.days) for provider, days in rows]
    return found


def unusual(connection: duckdb.DuckDBPyConnection, as_of: date) -> list[Volume]:
    """Return the deliveries of a night whose size is far from the previous nights."""
    limits = {
        "as_of": as_of, "nights": _NIGHTS, "least_nights": _LEAST_NIGHTS, "factor": _FACTOR,
        "least_rows": _LEAST_ROWS,
    }  # fmt: skip
    return [Volume(*row) for row in connection.execute(_VOLUMES, limits).fetchall()]
