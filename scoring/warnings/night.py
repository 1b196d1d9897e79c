"""The warnings of one night: read, check the rules, decide the levels, store."""

import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import polars as pl

from consent import champion as promoted
from consent.grants import ASSESSMENT
from consent.ledger import Ledger
from features import registry
from features.registry import Registry
from firmpulse import runlog, tracking, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from firmpulse.stored_tables import SCORES, WARNING_LEVELS, WARNINGS, stored
from model import bundle
from model.bundle import CreditModel
from scoring import store
from scoring.warnings import engine, levels, measures, panel, rules
from scoring.warnings.forms import LEVELS

_PREVIOUS = """
    with newest as (
        select firm_id, as_of, level, since, clean_since
        from warehouse.scoring.warning_levels
        where as_of < $as_of
        qualify as_of = max(as_of) over (partition by firm_id)
    )
    select
        newest.*,
        exists (
            from warehouse.scoring.warning_clearances as clearances
            where
                clearances.firm_id = newest.firm_id
                and clearances.as_of > newest.as_of and clearances.as_of <= $as_of
        ) as cleared
    from newest
"""
_OPENED = """
    select warnings.firm_id, warnings.rule_id, warnings.opened_on
    from warehouse.scoring.warnings as warnings
    inner join previous using (firm_id, as_of)
"""


@dataclass(frozen=True)
class WarningReport:
    """The results of a night's warnings."""

    as_of: date
    # Version whose PDs the model rules used; None without a champion: they were skipped.
    champion: str | None
    # Number of firms checked.
    watched: int
    # Level in force → firms, worst first.
    levels: Mapping[str, int] = field(default_factory=dict)
    # Rule → number of firms for which it holds.
    rules: Mapping[str, int] = field(default_factory=dict)
    # Overdue source → firms.
    stale: Mapping[str, int] = field(default_factory=dict)
    # Part of the work → seconds.
    seconds: Mapping[str, float] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the part kept in a run's record, as JSON values."""
        return {
            "champion": self.champion,
            "watched": self.watched,
            "levels": dict(self.levels),
            "stale": dict(self.stale),
        }


def warn(settings: Settings, as_of: date, firm_ids: Collection[str] | None = None) -> WarningReport:
    """Find and store the warnings of every firm with a grant for assessment; idempotent.

    The state of `as_of` depends only on the newest state before it and on the present findings,
    so a night may be repeated or backfilled. With `firm_ids`, rows of others do not change.

    Raises:
        ContractError: a rule is malformed or reads what does not exist.
        NotReadyError: no features were built for `as_of`, or the champion reads one that is gone.
    """
    known = registry.load(settings)
    with runlog.step(
        settings, as_of, "warn",
        reads=[*known.tables(), *measures.tables(), *stored((SCORES,))],
        writes=stored((WARNINGS, WARNING_LEVELS)),
    ) as step:  # fmt: skip
        report = _warn(settings, as_of, known, firm_ids)
        step.rows_out = sum(report.rules.values())
    return report


def champion(settings: Settings, known: Registry) -> tuple[str, CreditModel] | None:
    """Return the champion's version and the model, or None.

    Raises:
        NotReadyError: it reads a feature that no longer exists.
        NotPromotedError: MLflow's champion is not the version that was promoted last.
    """
    found = promoted.champion(settings)
    if found is None:
        return None
    version = str(found.version)
    folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, version)
    model = bundle.load(folder / "artifacts" / "bundle")
    if gone := set(model.bundle.features) - set(known.names()):
        raise NotReadyError(
            f"the champion reads {len(gone)} features that no longer exist (first: {min(gone)}); "
            f"train and promote a new version"
        )
    return version, model


def _warn(
    settings: Settings, as_of: date, known: Registry, firm_ids: Collection[str] | None
) -> WarningReport:
    clock = time.perf_counter()
    book = rules.load(settings, known)
    led = champion(settings, known)
    book = book if led else book.without_model()
    ledger = Ledger(settings)
    granted = ledger.live(as_of, purposes=ASSESSMENT, recipient=settings.recipient)
    seen = panel.read(settings, as_of, known, book, granted, led[1] if led else None, firm_ids)
    read = time.perf_counter()
    findings = engine.find(seen, book)
    firms = seen.rows.select("firm_id")
    if firm_ids is not None:
        chosen = pl.col("firm_id").is_in(list(firm_ids))
        findings, firms = findings.filter(chosen), firms.filter(chosen)
    found = _with_stale(levels.aggregate(findings, firms), seen.stale)
    asked = time.perf_counter()
    standing = set(ledger.served(as_of)) - set(granted["firm_id"])
    states = _store(settings, as_of, findings, found, standing, firm_ids)
    by_level = Counter(states["level"])
    return WarningReport(
        as_of=as_of,
        champion=led[0] if led else None,
        watched=firms.height,
        levels={name: by_level[name] for name in reversed(LEVELS)},
        rules=dict(Counter(findings["rule_id"]).most_common()),
        stale=dict(sorted(Counter(found["stale_sources"].explode().drop_nulls()).items())),
        seconds={
            "read": read - clock,
            "rules": asked - read,
            "store": time.perf_counter() - asked,
        },
    )


def _with_stale(found: pl.DataFrame, stale: pl.DataFrame) -> pl.DataFrame:
    by_firm = stale.group_by("firm_id").agg(pl.col("source").sort().alias("stale_sources"))
    empty = pl.lit([], dtype=pl.List(pl.String))
    return found.join(by_firm, on="firm_id", how="left", maintain_order="left").with_columns(
        pl.col("stale_sources").fill_null(empty)
    )


def _store(
    settings: Settings,
    as_of: date,
    findings: pl.DataFrame,
    found: pl.DataFrame,
    standing: Collection[str],
    firm_ids: Collection[str] | None,
) -> pl.DataFrame:
    """Replace the rows of `as_of` in one transaction; return the levels in force."""
    with warehouse.connect(settings) as connection:
        previous = connection.execute(_PREVIOUS, {"as_of": as_of}).pl()
        states = levels.in_force(found, previous, as_of)
        rows = _opened(connection, findings, previous, as_of)
        connection.execute("begin")
        store.replace_firms(connection, WARNINGS, rows, as_of, standing, firm_ids)
        store.replace_firms(connection, WARNING_LEVELS, states, as_of, standing, firm_ids)
        connection.execute("commit")
    return states


def _opened(
    connection: duckdb.DuckDBPyConnection,
    findings: pl.DataFrame,
    previous: pl.DataFrame,
    as_of: date,
) -> pl.DataFrame:
    """Return the findings with the first night of each run, taken from the previous night."""
    connection.register("previous", previous)
    opened = connection.execute(_OPENED).pl()
    connection.unregister("previous")
    return findings.join(
        opened, on=["firm_id", "rule_id"], how="left", maintain_order="left"
    ).with_columns(pl.col("opened_on").fill_null(as_of))
