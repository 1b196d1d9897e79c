"""Sources with an overdue extract: a provider's silence is a sign of neither health nor trouble."""

from collections.abc import Mapping
from datetime import date

import duckdb
import polars as pl

from firmpulse import warehouse
from firmpulse.known_at import known_by
from scoring.warnings.forms import Freshness

# A provider is as fresh as its newest row of any firm: a single firm without new rows is
# information, a provider without new rows is not. A firm with several providers of a source is as
# stale as the most overdue one.
_AGES = """
    with parts as (
        select firm_id, delivery_seq, max(available_at) as newest
        from warehouse.facts.{table}
        where {known}
        group by firm_id, delivery_seq
    ),
    delivered as (
        select parts.firm_id, coalesce(deliveries.provider, '') as provider, parts.newest
        from parts
        left join (
            select distinct delivery_seq, provider from warehouse.ops.deliveries
        ) as deliveries using (delivery_seq)
    ),
    providers as (
        select provider, $as_of - max(newest) as age_days from delivered group by provider
    )
    select delivered.firm_id, max(providers.age_days) as age_days
    from delivered
    inner join providers using (provider)
    group by delivered.firm_id
    having max(providers.age_days) > $days
"""


def stale(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    freshness: Mapping[str, Freshness],
    granted: pl.DataFrame,
) -> pl.DataFrame:
    """Return one row per firm and granted source that is overdue.

    A granted source that never delivered is not overdue: it is not observed.

    Args:
        connection: a session with the warehouse attached.
        as_of: only what was available by then is used.
        freshness: by source, the table to check and the days allowed.
        granted: firm_id and source of the grants in force.

    Returns:
        firm_id, source, age_days, days: the newest row's age and the allowed age.
    """
    parts = [_NONE]
    for source, allowed in freshness.items():
        if not warehouse.is_built(connection, f"facts.{allowed.table}"):
            continue
        query = _AGES.format(table=allowed.table, known=known_by())
        found = connection.execute(query, {"as_of": as_of, "days": allowed.days}).pl()
        parts.append(
            found.select(
                pl.col("firm_id").cast(pl.String),
                pl.lit(source).alias("source"),
                pl.col("age_days").cast(pl.Int64),
                pl.lit(allowed.days, dtype=pl.Int64).alias("days"),
            )
        )
    asked = granted.select("firm_id", "source").unique()
    return pl.concat(parts).join(asked, on=["firm_id", "source"], how="semi")


_NONE = pl.DataFrame(
    schema={"firm_id": pl.String, "source": pl.String, "age_days": pl.Int64, "days": pl.Int64}
)
