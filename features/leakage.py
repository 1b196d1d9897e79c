"""Does any feature use later knowledge? Tested on a copy of the masked rows.

Features of a sample of firms are built twice in scratch homes: from what was known on a day, and
from that plus rows and corrections that became known later, real and made-up ones. Every feature
must have the same value in both, at every date up to that day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from features import build, registry, scratch
from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

# Of the rows known on the day, one in three is corrected and one in three has a late neighbour.
_NEWS = """
    insert into warehouse.staging."{table}"
    with known as (
        select * from warehouse.staging."{table}" where available_at <= $known_on
    ),
    newest as (
        select * from known
        qualify row_number() over (partition by row_id order by record_version desc) = 1
    ),
    corrections as (
        select * replace (
            {changes}, record_version + 1 as record_version,
            $known_on + 1 + cast(row_id % 30 as integer) as available_at,
            $news_seq as delivery_seq
        ) from newest
        where row_id % 3 = 0 and row_id not in (
            select row_id from warehouse.staging."{table}" where available_at > $known_on
        )
    ),
    late_rows as (
        select * replace (
            {changes}, row_id + 1000000000000 as row_id, 1 as record_version,
            $known_on + 1 + cast(row_id % 30 as integer) as available_at,
            $news_seq as delivery_seq
        ) from newest where row_id % 3 = 1
    )
    select * from corrections union all select * from late_rows
"""
_BOOKKEEPING = ("row_id", "record_version", "delivery_seq")


@dataclass(frozen=True)
class LeakageReport:
    """Features that moved at dates up to `known_on` because of later knowledge."""

    known_on: date
    firms: int
    snapshots: int
    features: int
    # Masked rows that became known after `known_on`: real ones and made-up ones.
    later_rows: int
    # Feature → snapshots whose value moved.
    moved: Mapping[str, int]


def check(settings: Settings, known_on: date, firms: int) -> LeakageReport:
    """Build the features of a sample of firms with and without later knowledge; compare them.

    Args:
        settings: home whose masked rows are copied; nothing in it changes.
        known_on: the day up to which values must not move.
        firms: size of the sample, firms in the order of a hash of their tokens.

    Raises:
        NotReadyError: nothing is masked yet, or nothing was known by that day.
        BuildFailed: a model or one of its tests failed on the copy.
    """
    metas = registry.load(settings).features
    with (
        scratch.home(settings, "leakage") as before,
        scratch.home(settings, "leakage") as after,
    ):
        _load(settings, before, firms, known_on, with_later=False)
        build.build(before, known_on, "from_masked")
        snapshots = _values(before, metas[0].view, known_on)
        if snapshots.is_empty():
            raise NotReadyError(
                f"no firm of the sample has a snapshot by {known_on}; choose a later day"
            )
        later_rows = _load(settings, after, firms, known_on, with_later=True)
        build.build(after, known_on, "from_masked")
        moved: dict[str, int] = {}
        for view in dict.fromkeys(meta.view for meta in metas):
            left, right = (_values(home, view, known_on) for home in (before, after))
            moved |= _compare(left, right, [meta.name for meta in metas if meta.view == view])
    return LeakageReport(
        known_on=known_on,
        firms=snapshots["firm_id"].n_unique(),
        snapshots=snapshots.height,
        features=len(metas),
        later_rows=later_rows,
        moved=moved,
    )


def _load(
    settings: Settings, home: Settings, firms: int, known_on: date, *, with_later: bool
) -> int:
    """Fill a scratch home; return how many of its rows became known after `known_on`."""
    only = "" if with_later else f"and available_at <= date '{known_on}'"
    with scratch.beside(settings, home) as connection:
        tables = scratch.staging_tables(connection)
        every = " union ".join(
            f'select firm_id from warehouse.staging."{table}"'  # noqa: S608 - the catalogue's names
            for table in tables
        )
        connection.execute(
            f"create temp table sampled as from ({every}) order by md5(firm_id::varchar) limit $n",
            {"n": firms},
        )
        scratch.fill(
            connection,
            lambda table: f"from {table} where firm_id in (from temp.sampled) {only}",
        )
    if not with_later:
        return 0
    with warehouse.connect(home) as connection:
        return sum(_add_news(connection, table, known_on) for table in tables)


def _add_news(connection: duckdb.DuckDBPyConnection, table: str, known_on: date) -> int:
    kinds = connection.execute(
        "select column_name, data_type from duckdb_columns() where database_name = 'warehouse' "
        "and schema_name = 'staging' and table_name = ?", [table],
    ).fetchall()  # fmt: skip
    changes = ["firm_id as firm_id"]
    for name, kind in kinds:
        if kind == "BOOLEAN":
            changes.append(f'not "{name}" as "{name}"')
        elif kind.startswith(("DECIMAL", "INTEGER", "BIGINT", "DOUBLE")) and (
            name not in _BOOKKEEPING
        ):
            changes.append(f'coalesce(try_cast("{name}" * 3 + 7 as {kind}), "{name}") as "{name}"')
    (newest,) = connection.execute(
        f'select coalesce(max(delivery_seq), 0) from warehouse.staging."{table}"'  # noqa: S608 - the catalogue's names
    ).fetchall()[0]
    connection.execute(
        _NEWS.format(table=table, changes=", ".join(changes)),
        {"known_on": known_on, "news_seq": newest + 1},
    )
    (later,) = connection.execute(
        f'select count(*) from warehouse.staging."{table}" where available_at > ?',  # noqa: S608 - as above
        [known_on],
    ).fetchall()[0]
    return int(later)


def _values(home: Settings, view: str, known_on: date) -> pl.DataFrame:
    with warehouse.connect(home) as connection:
        return connection.execute(
            f"select * exclude (through_seq) replace (firm_id::varchar as firm_id) "  # noqa: S608 - the manifest's names
            f'from warehouse.features."{view}" where as_of <= ? order by firm_id, as_of',
            [known_on],
        ).pl()


def _compare(left: pl.DataFrame, right: pl.DataFrame, names: list[str]) -> dict[str, int]:
    """Return feature → snapshots of `left` with a different or missing value in `right`."""
    both = left.join(right, on=["firm_id", "as_of"], how="left", suffix=" later")
    counts = both.select(
        pl.col(name).ne_missing(pl.col(f"{name} later")).sum().alias(name) for name in names
    ).row(0, named=True)
    return {name: count for name, count in counts.items() if count}
