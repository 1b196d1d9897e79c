"""Findings about deliveries: refused, failed, overdue, of unusual size; and about grants."""

from collections.abc import Iterator
from datetime import date, timedelta

import duckdb

from extracts.vault import nightly
from firmpulse import runlog
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES
from operations.arrivals import Age, Volume
from operations.finding import PROBLEM, WARNING, Finding

_BROKEN = """
    select verdicts.suite, any_value(deliveries.delivery_id), any_value(verdicts.broke)
    from warehouse.ops.verdicts as verdicts
    inner join warehouse.ops.deliveries as deliveries using (delivery_seq)
    where not verdicts.passed
    group by verdicts.suite, verdicts.delivery_seq order by all
"""
_WARNED = """
    select distinct source, delivery_id, table_name, warning from warehouse.ops.deliveries
    where warning is not null and as_of > ? order by all
"""


def of(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    day: date,
    ages: tuple[Age, ...],
    volumes: tuple[Volume, ...],
) -> Iterator[Finding]:
    """Yield every finding about deliveries of the week up to a day, the worst first."""
    yield from _verdicts(connection)
    yield from _refused(connection, settings)
    yield from _warned(connection, day)
    yield from _ages(ages)
    yield from _volumes(volumes)


def refused_grants(settings: Settings) -> Iterator[Finding]:
    """Yield a finding if lines of the grants' file were refused."""
    refused = settings.inbox / "consent" / "grants.refused.jsonl"
    if refused.exists():
        lines = sum(1 for _ in refused.open("rb"))
        yield Finding(WARNING, "grants", f"{lines} grants were refused", f"look at {refused}")


def _verdicts(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    with runlog.of_this_release():
        rows = connection.execute(_BROKEN).fetchall()
    for suite, delivery, broke in rows:
        yield Finding(
            PROBLEM, "deliveries",
            f"{delivery} broke its checks ({suite}) and stops the night: {broke}",
            f"firmpulse deliveries {delivery}; fix it, or accept it: "
            f'firmpulse accept {delivery} --because "..."',
        )  # fmt: skip


def _refused(connection: duckdb.DuckDBPyConnection, settings: Settings) -> Iterator[Finding]:
    rows = connection.execute(
        "select distinct source, delivery_id from warehouse.ops.deliveries "
        "where status = 'refused' order by all"
    ).fetchall()
    waiting = {
        (source, ref.delivery_id)
        for source in SOURCES
        for ref in nightly.in_inbox(settings, source)
    }
    for source, delivery in rows:
        if (source, delivery) in waiting:
            yield Finding(
                WARNING, "deliveries", f"{source}/{delivery} was refused and still waits",
                f"firmpulse deliveries {delivery} --source {source}",
            )  # fmt: skip


def _warned(connection: duckdb.DuckDBPyConnection, day: date) -> Iterator[Finding]:
    """Yield warnings about deliveries that landed in the past week."""
    with runlog.of_this_release():
        rows = connection.execute(_WARNED, [day - timedelta(days=7)]).fetchall()
    for source, delivery, table, warning in rows:
        yield Finding(
            WARNING, "deliveries", f"{source}/{delivery}, {table}: {warning}",
            f"firmpulse deliveries {delivery} --source {source}",
        )  # fmt: skip


def _ages(ages: tuple[Age, ...]) -> Iterator[Finding]:
    for age in ages:
        if age.late:
            yield Finding(
                WARNING, "deliveries",
                f"{age.provider or 'a provider'} ({age.source}) is late: its newest row is "
                f"{age.days} days old, {age.allowed} are allowed",
                "ask the provider; until then there are no warnings from this source (DATA_STALE)",
            )  # fmt: skip


def _volumes(volumes: tuple[Volume, ...]) -> Iterator[Finding]:
    for one in volumes:
        yield Finding(
            WARNING, "deliveries",
            f"{one.provider} delivered {one.rows:,} rows of {one.table}; the previous nights had "
            f"{one.least:,} to {one.most:,}",
            "ask the provider whether it is complete and correct",
        )  # fmt: skip
