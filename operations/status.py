"""One look at a home folder: did last night work, what is late, what needs me."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import duckdb

from consent import audit
from consent import champion as leading
from erasure import withdrawals
from extracts.nightly import SOURCES
from features import registry
from firmpulse import tracking, warehouse
from firmpulse.errors import AuditError, FileHeldError, FirmpulseError, NotReadyError, told
from firmpulse.settings import Settings
from operations import arrivals, health, nights
from operations.arrivals import Age, Volume
from operations.nights import Night
from scoring import overrides
from scoring.warnings import rules
from scoring.warnings.forms import Freshness
from scoring.warnings.measures import has_table
from training import proposals

# What a person does about a finding: look now, look soon, or know.
PROBLEM, WARNING = "problem", "warning"
# Less free space than this share of the disk, or than twice the databases, is told: erasing and
# purging write a database anew beside the old one.
_FREE_SHARE, _FREE_TIMES = 0.05, 2
_PSI_RED = 0.25


@dataclass(frozen=True)
class Finding:
    """Something that somebody should look at."""

    severity: str
    subject: str
    text: str
    # What to do about it: a command or a place to look.
    do: str


@dataclass(frozen=True)
class Status:
    """A home folder on a day."""

    on: date
    night: Night | None
    # Newest night whose scores analysts see.
    published: date | None
    ages: tuple[Age, ...]
    volumes: tuple[Volume, ...]
    findings: tuple[Finding, ...]
    free_bytes: int
    # Whether a task holds the warehouse, so that only half of this could be looked at.
    busy: bool = False
    scored: int = 0
    levels: dict[str, int] = field(default_factory=dict)

    @property
    def severity(self) -> str | None:
        """The worst severity of all findings, None if there are none."""
        found = {finding.severity for finding in self.findings}
        return next((level for level in (PROBLEM, WARNING) if level in found), None)


def look(settings: Settings, on: date) -> Status:
    """Look at the run log, the deliveries, the ledger, the models and the disk.

    Args:
        settings: home folder.
        on: the day it is; the night due is that of the day before.
    """
    found: list[Finding] = []
    free = _disk(settings, found)
    _trail(settings, found)
    if not settings.warehouse_path.exists():
        found.append(
            Finding(PROBLEM, "night", f"no night was ever run in {settings.root}",
                    f"firmpulse night --as-of {on - timedelta(days=1)}")
        )  # fmt: skip
        return Status(on, None, None, (), (), tuple(found), free)
    found += _withdrawn(settings, on)
    found += _refused_grants(settings)
    found += _models(settings)
    try:
        with warehouse.connect(settings) as connection:
            night = nights.newest(connection)
            published = nights.published(connection)
            day = night.as_of if night else on
            ages = tuple(arrivals.ages(connection, on, _freshness(settings)))
            volumes = tuple(arrivals.unusual(connection, day))
            found += [*_verdicts(connection), *_refused(connection, settings)]
            found += _drift(connection, day)
            found += _health(connection)
            scored, levels = _published_counts(connection, published)
        found += _overrides(settings)
    except FileHeldError:
        busy = Finding(WARNING, "night", "a task is at work and holds the warehouse",
                       "look again when it has ended, or in Airflow")  # fmt: skip
        return Status(on, None, None, (), (), (*found, busy), free, busy=True)
    found += [*_night(night, published, on), *_ages(ages), *_volumes(volumes)]
    order = (PROBLEM, WARNING)
    ranked = sorted(found, key=lambda finding: order.index(finding.severity))
    return Status(
        on, night, published, ages, volumes, tuple(ranked), free, scored=scored, levels=levels
    )


def _night(night: Night | None, published: date | None, on: date) -> Iterator[Finding]:
    if night is None:
        yield Finding(PROBLEM, "night", "no night was ever run", "firmpulse night --as-of DATE")
        return
    for step in night.failed:
        yield Finding(
            PROBLEM, "night", f"{step.label} of {night.as_of} failed: {step.error}",
            f"repair it, then: firmpulse night --as-of {night.as_of}, or clear the task in Airflow",
        )  # fmt: skip
    if night.published_at is None and not night.failed:
        last = night.steps[-1].label if night.steps else "nothing"
        yield Finding(
            PROBLEM, "night", f"{night.as_of} was not published; its last step is {last}",
            f"firmpulse night --as-of {night.as_of}",
        )  # fmt: skip
    due = on - timedelta(days=1)
    newest = max(night.as_of, published or date.min)
    missing = (due - newest).days
    if missing > 0:
        yield Finding(
            PROBLEM, "night",
            f"{missing} {'night is' if missing == 1 else 'nights are'} missing: the newest is "
            f"{newest}, due is {due}",
            f"firmpulse airflow backfill create --dag-id run_nightly --from-date "
            f"{newest + timedelta(days=1)} --to-date {due}",
        )  # fmt: skip


def _ages(ages: tuple[Age, ...]) -> Iterator[Finding]:
    for age in ages:
        if age.late:
            yield Finding(
                WARNING, "deliveries",
                f"{age.provider or 'a provider'} ({age.source}) is late: its newest row is "
                f"{age.days} days old, {age.allowed} are allowed",
                "ask the provider; warnings of this source are silent meanwhile (DATA_STALE)",
            )  # fmt: skip


def _volumes(volumes: tuple[Volume, ...]) -> Iterator[Finding]:
    for one in volumes:
        yield Finding(
            WARNING, "deliveries",
            f"{one.provider} delivered {one.rows:,} rows of {one.table}; the nights before had "
            f"{one.least:,} to {one.most:,}",
            "ask the provider whether that is all, and right",
        )  # fmt: skip


def _verdicts(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    if not has_table(connection, "ops.verdicts"):
        return
    rows = connection.execute(
        """
        select verdicts.suite, any_value(deliveries.delivery_id)
        from warehouse.ops.verdicts as verdicts
        inner join warehouse.ops.deliveries as deliveries using (delivery_seq)
        where not verdicts.passed
        group by verdicts.suite, verdicts.delivery_seq order by all
        """
    ).fetchall()
    for suite, delivery in rows:
        yield Finding(
            PROBLEM, "deliveries", f"{delivery} broke its checks ({suite}) and stops the night",
            f'look at data_docs, then repair it or: firmpulse accept {delivery} --because "..."',
        )  # fmt: skip


def _refused_grants(settings: Settings) -> Iterator[Finding]:
    refused = settings.inbox / "consent" / "grants.refused.jsonl"
    if refused.exists():
        lines = sum(1 for _ in refused.open("rb"))
        yield Finding(WARNING, "grants", f"{lines} grants were refused", f"look at {refused}")


def _refused(connection: duckdb.DuckDBPyConnection, settings: Settings) -> Iterator[Finding]:
    if not has_table(connection, "ops.deliveries"):
        return
    rows = connection.execute(
        "select distinct source, delivery_id from warehouse.ops.deliveries "
        "where status = 'refused' order by all"
    ).fetchall()
    for source, delivery in rows:
        if source in SOURCES and (settings.inbox / source / delivery).is_dir():
            yield Finding(
                WARNING, "deliveries", f"{source}/{delivery} was refused and still waits",
                f"firmpulse query \"from data_quality where delivery_id = '{delivery}'\"",
            )  # fmt: skip


def _withdrawn(settings: Settings, on: date) -> Iterator[Finding]:
    due = withdrawals.due(settings, on)
    if due:
        yield Finding(
            PROBLEM, "erasure", f"{len(due)} firms have withdrawn and are not erased yet",
            "firmpulse consent honour, or look at the DAG honour_revocations",
        )  # fmt: skip


def _models(settings: Settings) -> Iterator[Finding]:
    try:
        champion = leading.champion(settings)
    except FirmpulseError as error:
        yield Finding(PROBLEM, "model", f"no night scores: {told(error)}",
                      "firmpulse models list; firmpulse models restore")  # fmt: skip
        return
    for version, made in proposals.pending(settings).items():
        yield Finding(
            WARNING, "model",
            f"version {version}, worse than the champion, is proposed by {made.maker}: "
            f"{made.because}",
            f"firmpulse models decide {version} --approve --checker NAME, or --reject",
        )  # fmt: skip
    challenger = tracking.find_version(settings, tracking.CREDIT_MODEL, tracking.CHALLENGER)
    if champion is None:
        yield Finding(WARNING, "model", "there is no champion, so no firm is scored",
                      "firmpulse train --as-of DATE --approver NAME")  # fmt: skip
    if challenger is None or (champion and int(challenger.version) <= int(champion.version)):
        return
    yield Finding(
        WARNING, "model", f"version {challenger.version} is challenger and waits for a decision",
        f"firmpulse models compare champion challenger; "
        f"firmpulse models promote {challenger.version} --approver NAME",
    )  # fmt: skip


def _drift(connection: duckdb.DuckDBPyConnection, as_of: date) -> Iterator[Finding]:
    if not has_table(connection, "ops.feature_drift"):
        return
    rows = connection.execute(
        """
        select feature, psi from warehouse.ops.feature_drift
        where as_of = $as_of and model_version = (
            select max_by(model_version, model_version::bigint)
            from warehouse.ops.feature_drift where as_of = $as_of
        )
        order by psi desc
        """,
        {"as_of": as_of},
    ).fetchall()
    moved = sum(psi >= _PSI_RED for _, psi in rows)
    # Some always do: a firm's age, the months that it was observed.
    if rows and moved >= health.MOVED_RED * len(rows):
        yield Finding(
            WARNING, "model",
            f"{moved} of {len(rows)} features have moved since training (PSI of {_PSI_RED} and "
            f"more), most of all {rows[0][0]} ({rows[0][1]:.2f})",
            "firmpulse features drift; retrain when the score moves too",
        )  # fmt: skip


def _health(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    for one in health.newest(connection):
        if one.light == "red":
            yield Finding(
                WARNING, "model",
                f"{one.metric} of version {one.model_version} is {one.value:.3f} at {one.as_of}; "
                f"{one.meaning}",
                "firmpulse query \"from model_health where light = 'red'\"",
            )  # fmt: skip


def _overrides(settings: Settings) -> Iterator[Finding]:
    waiting = [one for one in overrides.listed(settings) if one.status == "proposed"]
    if waiting:
        yield Finding(WARNING, "overrides", f"{len(waiting)} overrides wait for a second person",
                      "firmpulse override list")  # fmt: skip


def _trail(settings: Settings, found: list[Finding]) -> None:
    try:
        audit.verify(settings)
    except AuditError as error:
        found.append(Finding(PROBLEM, "audit", told(error), "firmpulse audit verify"))
    except FirmpulseError as error:
        found.append(Finding(PROBLEM, "audit", told(error), "look at docs/keys.md"))


def _disk(settings: Settings, found: list[Finding]) -> int:
    folder = settings.root if settings.root.exists() else settings.root.parent
    usage = shutil.disk_usage(folder)
    held = sum(
        path.stat().st_size
        for path in (settings.vault_path, settings.warehouse_path)
        if path.exists()
    )
    if usage.free < max(_FREE_SHARE * usage.total, _FREE_TIMES * held):
        found.append(
            Finding(
                WARNING, "disk",
                f"{usage.free / 1e9:.1f} GB are free; the databases have {held / 1e9:.1f} GB and "
                f"are at times written anew beside the old ones",
                f"make room on the disk of {settings.root}",
            )
        )  # fmt: skip
    return usage.free


def _freshness(settings: Settings) -> dict[str, Freshness]:
    try:
        return dict(rules.load(settings, registry.load(settings)).freshness)
    except NotReadyError:
        return {}


def _published_counts(
    connection: duckdb.DuckDBPyConnection, night: date | None
) -> tuple[int, dict[str, int]]:
    if night is None or not has_table(connection, "scoring.scores"):
        return 0, {}
    ((scored,),) = connection.execute(
        "select count(*) from warehouse.scoring.scores where as_of = ?", [night]
    ).fetchall()
    levels = connection.execute(
        "select level, count(*) from warehouse.scoring.warning_levels where as_of = ? "
        "group by level order by level",
        [night],
    ).fetchall()
    return scored, dict(levels)


def time_of(moment: datetime | None) -> str:
    """Return a time in China to the minute, or a dash."""
    from firmpulse.calendar import CHINA

    return f"{moment.astimezone(CHINA):%Y-%m-%d %H:%M}" if moment else "—"
