"""What is known about every feature: definition, origin, values, drift, strength, users."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from consent.grants import ASSESSMENT, TRAINING
from consent.ledger import Ledger
from features import build, distribution, drift, history, lineage, needed, registry, strength
from features.distribution import Distribution
from features.frame import SNAPSHOTS, frame
from features.history import Shift
from features.lineage import Origin
from features.permitted import withhold
from features.registry import FeatureMeta, Registry
from features.strength import Strength
from firmpulse import origin, warehouse
from firmpulse.known_at import known_at
from firmpulse.settings import Settings

# Outcomes known on the day, dated ones before undated ones.
_DATED = f"""
    select firm_id::varchar as firm_id, as_of, outcome = 'bad' as is_bad
    from warehouse.labels.default_12m
    where {known_at()} and matured_at <= $as_of
        and outcome <> 'indeterminate'
    order by all
"""  # noqa: S608 - our own names
_UNDATED = """
    select firm_id::varchar as firm_id, $as_of as as_of, defaulted as is_bad
    from warehouse.labels.undated_outcome order by all
"""


@dataclass(frozen=True)
class Entry:
    """One feature with all its information."""

    meta: FeatureMeta
    origin: Origin
    values: Distribution | None
    # Month end or night → PSI and share of missing values; empty without a champion.
    drift: tuple[tuple[date, float, float], ...]
    # How far it moves with shorter histories; empty before `features check-history`.
    history: tuple[Shift, ...]
    strength: Strength | None
    # Versions of the credit model that read it, such as '3 (champion)'.
    versions: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """The features of a home folder at a date."""

    as_of: date
    # Origin of the data, such as 'simulated firms'.
    whose: str
    entries: tuple[Entry, ...]
    # View → its SQL, as written and as run.
    sql: Mapping[str, tuple[str, str]]
    descriptions: Mapping[str, str]


def collect(
    settings: Settings,
    contracts: Mapping[str, tuple[str, ...]],
    as_of: date | None = None,
    only: str | None = None,
) -> Catalogue:
    """Collect what is known about all features, or about one.

    Args:
        settings: home folder.
        contracts: contract table → its columns, the ends of the lineage.
        as_of: date of the values; by default the newest night.
        only: name of one feature.

    Raises:
        NotReadyError: no night was built yet.
        KeyError: there is no feature `only`.
    """
    day = as_of or build.newest_night(settings)
    known = registry.load(settings)
    metas = (known[only],) if only else known.features
    traced = lineage.read(settings, contracts)
    versions = needed.by_version(settings)
    with warehouse.connect(settings) as connection:
        values = _values(settings, connection, known, metas, day)
        outcomes = _outcomes(settings, connection, known, metas, day)
        moved = drift.recorded(connection)
        shifts = history.recorded(connection)
        whose = origin.of_deliveries(connection)
    entries = tuple(
        Entry(
            meta=meta,
            origin=traced.origin(meta.view, meta.name),
            values=distribution.of_values(values[meta.name]) if values.height else None,
            drift=_drift(moved, meta.name),
            history=shifts.get(meta.name, ()),
            strength=(
                strength.measure(outcomes[meta.name], outcomes["is_bad"])
                if outcomes.height
                else None
            ),
            versions=tuple(name for name, reads in versions.items() if meta.name in reads),
        )
        for meta in metas
    )
    views = dict.fromkeys(meta.view for meta in metas)
    return Catalogue(
        as_of=day,
        whose=whose,
        entries=entries,
        sql={
            view: (traced.nodes[view]["raw_code"], traced.compiled.get(view, "")) for view in views
        },
        descriptions={view: traced.nodes[view]["description"].strip() for view in views},
    )


def _values(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    known: Registry,
    metas: tuple[FeatureMeta, ...],
    day: date,
) -> pl.DataFrame:
    """Return the features at `day` of firms that may be assessed, one row per firm."""
    granted = Ledger(settings).live(day, purposes=ASSESSMENT, recipient=settings.recipient)
    spine = connection.execute(
        f"select firm_id::varchar as firm_id, as_of from {SNAPSHOTS} "  # noqa: S608 - a constant
        "where as_of = ? order by firm_id",
        [day],
    ).pl()
    permitted = spine.join(granted, on="firm_id", how="semi", maintain_order="left")
    rows = frame(connection, known, permitted, [meta.name for meta in metas])
    return withhold(rows, metas, granted)


def _outcomes(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    known: Registry,
    metas: tuple[FeatureMeta, ...],
    day: date,
) -> pl.DataFrame:
    """Return the features of firms that allow training, at dates with a known outcome."""
    granted = Ledger(settings).live(day, purposes=[TRAINING], recipient=settings.recipient)
    found = pl.DataFrame()
    # A home without that kind of outcome has no such table.
    for table, query in (("default_12m", _DATED), ("undated_outcome", _UNDATED)):
        if warehouse.is_built(connection, f"labels.{table}"):
            found = connection.execute(query, {"as_of": day}).pl()
        if found.height:
            break
    if found.is_empty() or granted.is_empty():
        return pl.DataFrame()
    spine = found.join(granted, on="firm_id", how="semi", maintain_order="left")
    rows = frame(connection, known, spine, [meta.name for meta in metas])
    return withhold(rows, metas, granted)


def _drift(moved: pl.DataFrame, name: str) -> tuple[tuple[date, float, float], ...]:
    rows = moved.filter(pl.col("feature") == name).select("as_of", "psi", "missing_share")
    return tuple(rows.iter_rows())
