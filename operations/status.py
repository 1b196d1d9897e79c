"""The state of a home folder: did last night work, what is late, what needs attention."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

import duckdb

from consent import audit
from consent import champion as leading
from erasure import withdrawals
from features import registry
from firmpulse import runlog, tracking
from firmpulse.airflow import advice
from firmpulse.errors import AuditError, FileHeldError, FirmpulseError, NotReadyError, told
from firmpulse.settings import Settings
from firmpulse.stability import PSI_MUCH
from operations import arrivals, delivery_findings, health, holds, night_findings, nights, record
from operations.arrivals import Age, Volume
from operations.finding import PROBLEM, WARNING, Finding
from operations.nights import Night
from scoring import overrides
from scoring.warnings import rules
from scoring.warnings.forms import Freshness
from training import proposals

__all__ = ["PROBLEM", "WARNING", "Finding", "Status", "look", "time_of"]

# Less free space than this share of the disk, or than twice the databases, is reported: erasing
# and purging rewrite a database beside the old one.
_FREE_SHARE, _FREE_TIMES = 0.05, 2


@dataclass(frozen=True)
class Status:
    """A home folder on a day."""

    on: date
    night: Night | None
    # Newest night whose scores are published.
    published: date | None
    ages: tuple[Age, ...]
    volumes: tuple[Volume, ...]
    findings: tuple[Finding, ...]
    free_bytes: int
    # Whether a task holds the warehouse, so that this is the state of the last publication.
    busy: bool = False
    scored: int = 0
    levels: dict[str, int] = field(default_factory=dict)

    @property
    def severity(self) -> str | None:
        """The worst severity of all findings, None if there are none."""
        found = {finding.severity for finding in self.findings}
        return next((level for level in (PROBLEM, WARNING) if level in found), None)


def look(settings: Settings, on: date) -> Status:
    """Check the run log, the deliveries, the ledger, the models and the disk.

    Args:
        settings: home folder.
        on: today; the night due is that of the day before.
    """
    found: list[Finding] = []
    free = _disk(settings, found)
    _trail(settings, found)
    if not settings.warehouse_path.exists():
        found.append(night_findings.none(settings, on))
        return Status(on, None, None, (), (), tuple(found), free)
    found += _withdrawn(settings, on)
    found += [Finding(PROBLEM, "erasure", one.why, one.do) for one in holds.waiting(settings)]
    found += delivery_findings.refused_grants(settings)
    with record.opened(settings) as (connection, busy):
        ran = nights.read(connection)
        night = nights.newest(ran)
        published = nights.served(connection, ran) if busy else nights.published(ran)
        day = night.as_of if night else on
        ages = tuple(arrivals.ages(connection, on, _freshness(settings)))
        volumes = () if busy else tuple(arrivals.unusual(connection, day))
        if not busy or ran:
            found += night_findings.of_nights(settings, ran, on, busy=busy)
        found += night_findings.of_others(settings, nights.failed_elsewhere(connection))
        found += delivery_findings.of(connection, settings, day, ages, volumes)
        found += _quarantined(connection, published)
        found += _drift(connection, day)
        found += _health(connection)
        scored, levels = _published_counts(connection, published)
    found += _models(settings, published)
    found += _busy() if busy else _overrides(settings)
    order = (PROBLEM, WARNING)
    ranked = sorted(found, key=lambda finding: order.index(finding.severity))
    return Status(
        on, night, published, ages, volumes, tuple(ranked), free, busy, scored, levels
    )  # fmt: skip


def _busy() -> Iterator[Finding]:
    yield Finding(
        WARNING, "night", "a task is running and holds the warehouse",
        "nights and deliveries are shown as of the last publication; check again when it has "
        "ended, or in Airflow",
    )  # fmt: skip


def _withdrawn(settings: Settings, on: date) -> Iterator[Finding]:
    due = withdrawals.due(settings, on)
    if due:
        yield Finding(
            PROBLEM, "erasure", f"{len(due)} firms have withdrawn and are not erased yet",
            advice.run(settings, "honour_revocations", {"on": on.isoformat()}),
        )  # fmt: skip


def _models(settings: Settings, night: date | None) -> Iterator[Finding]:
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
        conf = {"as_of": night.isoformat() if night else "DATE", "approver": "NAME"}
        yield Finding(WARNING, "model", "there is no champion, so no firm is scored",
                      advice.run(settings, "train_model", conf))  # fmt: skip
    if challenger is None or (champion and int(challenger.version) <= int(champion.version)):
        return
    yield Finding(
        WARNING, "model", f"version {challenger.version} is challenger and waits for a decision",
        f"firmpulse models compare champion challenger; "
        f"firmpulse models promote {challenger.version} --approver NAME",
    )  # fmt: skip


def _quarantined(connection: duckdb.DuckDBPyConnection, night: date | None) -> Iterator[Finding]:
    """Yield the rules for which the published night left firms unscored."""
    with runlog.of_this_release():
        rows = connection.execute(
            """
            select suite, rule, count(distinct firm_id), arg_min(text_en, (firm_id, column_name))
            from warehouse.scoring.quarantined_firms
            where as_of = ? group by suite, rule order by suite, rule
            """,
            [night],
        ).fetchall()
    for suite, rule, firms, text in rows:
        few = "1 firm is" if firms == 1 else f"{firms} firms are"
        yield Finding(
            WARNING, "firms",
            f"{few} quarantined and not scored on {night} ({suite} {rule}), such as: {text}",
            f"firmpulse query \"from quarantined_firms where as_of = date '{night}'\"; ask the "
            f"provider about the rows behind it",
        )  # fmt: skip


def _drift(connection: duckdb.DuckDBPyConnection, as_of: date) -> Iterator[Finding]:
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
    moved = sum(psi >= PSI_MUCH for _, psi in rows)
    # Some always move: a firm's age, the observed months.
    if rows and moved >= health.MOVED_RED * len(rows):
        yield Finding(
            WARNING, "model",
            f"{moved} of {len(rows)} features have moved since training (PSI of {PSI_MUCH} and "
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
    try:
        waiting = [one for one in overrides.listed(settings) if one.status == "proposed"]
    except FileHeldError:
        # A task has started since the record was read.
        return
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
                f"are sometimes rewritten beside the old ones",
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
    if night is None:
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
