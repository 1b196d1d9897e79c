"""Draw the training sample: matured labels, split, features as they were known."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from consent.grants import TRAINING
from consent.ledger import Ledger
from features.frame import SNAPSHOT_ON, frame
from features.permitted import withhold
from features.registry import Registry
from firmpulse import warehouse
from firmpulse.bounds import FEWEST_MONTHS
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from training import frozen, labels, short_windows, split
from training.config import LOANS, MONTHLY, UNDATED, TrainingConfig

_OBSERVED_MONTHS = "profile_observed_months"


@dataclass(frozen=True)
class SampleReport:
    """What was frozen; counts by split."""

    as_of: date
    # Kind of outcomes that are learnt.
    labels: str
    table: str
    digest: str
    rows: Mapping[str, int]
    bads: Mapping[str, int]
    snapshots: Mapping[str, tuple[date, ...]]

    def __str__(self) -> str:
        """Return what was drawn, for the run log."""
        learnt, tested = (
            f"{self.bads.get(name, 0)} bad of {self.rows[name]} rows"
            for name in (split.TRAIN, split.OOT)
        )
        return f"labels: {labels.IN_WORDS[self.labels]}; {learnt} train, {tested} out of time"


@dataclass(frozen=True)
class Drawn:
    """A training frame before it is frozen, and the kind of its outcomes."""

    labels: str
    # firm_id, as_of, outcome, split and the features.
    rows: pl.DataFrame
    # firm_id and source of the grants that allow training.
    granted: pl.DataFrame


def freeze(
    settings: Settings, as_of: date, registry: Registry, config: TrainingConfig
) -> SampleReport:
    """Freeze the training frame of `as_of`; the same inputs give the same digest.

    Raises:
        NotReadyError: labels are missing or too few; the message has the numbers.
    """
    drawn = draw(settings, as_of, registry, config)
    rows = drawn.rows
    short = rows.clear()
    # Decisions are of many days, and the lengths of histories differ among them by themselves.
    if drawn.labels == MONTHLY:
        short = short_windows.rebuilt(settings, rows, registry, drawn.granted, config)
    name = frozen.table_name(as_of)
    with warehouse.connect(settings) as connection:
        digest = frozen.write(connection, as_of, rows, registry.features, name, drawn.labels)
        frozen.write_short(connection, as_of, short, registry.features)
    return _report(as_of, digest, drawn)


def draw(settings: Settings, as_of: date, registry: Registry, config: TrainingConfig) -> Drawn:
    """Return the training frame of `as_of`: firm_id, as_of, outcome, split and the features.

    Without a kind of labels in `config`, monthly ones are used if they suffice, else those of
    loans.

    Raises:
        NotReadyError: labels are missing or too few; the message has the numbers.
    """
    granted = trainable(settings, as_of)
    with warehouse.connect(settings) as connection:
        kind, assigned = _assigned(connection, as_of, registry, granted, config)
        spine = assigned.select("firm_id", "as_of")
        if kind == LOANS:
            known = at_decision(connection, registry, spine, config)
        else:
            known = frame(connection, registry, spine, registry.names())
    features = withhold(known, registry.features, granted)
    rows = pl.concat(
        [assigned.select(frozen.KEYS), features.drop("firm_id", "as_of")], how="horizontal"
    )
    return Drawn(kind, rows, granted)


def _assigned(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    registry: Registry,
    granted: pl.DataFrame,
    config: TrainingConfig,
) -> tuple[str, pl.DataFrame]:
    """Return the kind of labels and the labels with their split."""
    if config.labels == LOANS:
        return LOANS, _of_loans(connection, as_of, registry, granted, config)
    try:
        known = labels.monthly(connection, as_of).join(granted, on="firm_id", how="semi")
        return MONTHLY, split.assign(known, as_of, config)
    except NotReadyError as few:
        if config.labels == MONTHLY:
            raise
        try:
            return LOANS, _of_loans(connection, as_of, registry, granted, config)
        except NotReadyError as few_loans:
            raise NotReadyError(_none_suffices(connection, as_of, few, few_loans)) from few


def _of_loans(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    registry: Registry,
    granted: pl.DataFrame,
    config: TrainingConfig,
) -> pl.DataFrame:
    """Return the outcomes of loans with their split, of firms that were observed by then."""
    outcomes = labels.of_loans(connection, as_of, granted, config).rows
    seen = observed(connection, registry, outcomes, config)
    return split.assign(outcomes.filter(seen), as_of, config)


def observed(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    rows: pl.DataFrame,
    config: TrainingConfig,
) -> pl.Series:
    """Return whether each row has a recent snapshot of a firm that was observed long enough."""
    months = [name for name in (_OBSERVED_MONTHS,) if name in registry.names()]
    known = frame(
        connection,
        registry,
        rows.select("firm_id", "as_of"),
        months,
        max_age_days=config.most_snapshot_days,
        with_snapshot=True,
    )
    seen = pl.col(SNAPSHOT_ON).is_not_null()
    enough = [pl.col(name) >= FEWEST_MONTHS for name in months]
    found: pl.DataFrame = known.select(
        pl.all_horizontal(seen, *enough).fill_null(value=False).alias("observed")
    )
    return found["observed"]


def at_decision(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    decided: pl.DataFrame,
    config: TrainingConfig,
) -> pl.DataFrame:
    """Return the features of firms on the days of decisions, each with the terms of its own loan.

    Those are known from the day after the decision, so they are read on that day.

    Args:
        connection: a session with the warehouse.
        registry: the feature registry.
        decided: firm_id and as_of, the day of the decision, shape (n, 2).
        config: the oldest snapshot that counts.
    """
    age = config.most_snapshot_days
    rows: pl.DataFrame = frame(connection, registry, decided, registry.names(), max_age_days=age)
    terms = [feature.name for feature in registry.features if feature.valid_days is not None]
    if not terms:
        return rows
    day_after = decided.select("firm_id", pl.col("as_of").dt.offset_by("1d"))
    own: pl.DataFrame = frame(connection, registry, day_after, terms)
    return rows.with_columns(own.select(terms))


def _none_suffices(
    connection: duckdb.DuckDBPyConnection, as_of: date, few: Exception, few_loans: Exception
) -> str:
    reasons = [str(few)]
    if labels.any_loans(connection):
        reasons.append(str(few_loans))
    if labels.are_undated_known(connection, as_of):
        reasons.append(
            "outcomes without a date are known; learn from these with: "
            f"firmpulse train --as-of {as_of} --labels {UNDATED}"
        )
    return ". Also: ".join(reasons)


def trainable(settings: Settings, as_of: date) -> pl.DataFrame:
    """Return firm_id and source of the grants that allow training.

    Raises:
        NotReadyError: no firm allows it.
    """
    live = Ledger(settings).live(as_of, purposes=[TRAINING], recipient=settings.recipient)
    if live.is_empty():
        raise NotReadyError(
            f"no firm has granted {TRAINING} for {as_of}; training uses no other data. "
            f"Import such grants, or record one with: firmpulse consent grant"
        )
    return live.select("firm_id", "source").unique()


def _report(as_of: date, digest: str, drawn: Drawn) -> SampleReport:
    rows = drawn.rows
    bad_rows = rows.filter(pl.col("outcome") == "bad")
    days = rows.group_by("split").agg(pl.col("as_of").unique().sort()).iter_rows()
    return SampleReport(
        as_of=as_of,
        labels=drawn.labels,
        table=f"training.{frozen.table_name(as_of)}",
        digest=digest,
        rows=dict(sorted(Counter(rows["split"]).items())),
        bads=dict(sorted(Counter(bad_rows["split"]).items())),
        snapshots={name: tuple(snapshots) for name, snapshots in sorted(days)},
    )
