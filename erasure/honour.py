"""Honour withdrawals: erase, make the erased data unreadable, publish again, certify.

Which grants have ended is decided only by today: a past night does not erase what is in force
today, and a future day erases nothing.

Every step can be repeated. A firm counts as erased when its certificate is written, which is the
last step; until then the next run finds it due and repeats all steps.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from consent import intake, today
from consent.certificates import Certificate
from consent.ledger import Ledger
from erasure import bounds, databases, inbox, places, tally, withdrawals
from erasure.withdrawals import Withdrawal
from firmpulse import clock, runlog, warehouse
from firmpulse.keys import renewal
from firmpulse.settings import Settings
from scoring import publish
from scoring.pages import reports
from training import membership


@dataclass(frozen=True)
class ErasureReport:
    """What a run erased."""

    on: date
    # Certificate by firm_id.
    certificates: Mapping[str, str]
    rows: int
    files: int

    def summary(self) -> dict[str, int]:
        """Return the report's numbers for a task's result; no token and no identifier."""
        return {"firms": len(self.certificates), "rows": self.rows, "inbox_files": self.files}


def honour(
    settings: Settings, landed_through: date, firm_ids: Collection[str] | None = None
) -> ErasureReport:
    """Erase every firm and source whose authorisation has ended by today, and certify it.

    Args:
        settings: home folder.
        landed_through: day up to which deliveries were landed; later deliveries only wait in the
            inbox and are left to the gate.
        firm_ids: only these firms; by default all that are due.

    Raises:
        FileHeldError: another process holds the vault or the warehouse; wait and run again.
        ConfirmationNeeded: the clock has jumped, or many firms are due at once; nothing is erased.
    """
    clock.checked(landed_through)
    # A firm's new grants may cover what it has withdrawn.
    intake.import_night(settings)
    if not allowed(settings, firm_ids):
        _tidy(settings)
        return ErasureReport(clock.today(), {}, 0, 0)
    on = today.certain(settings)
    with runlog.step(settings, landed_through, "erase") as step:
        going, files = _erase(settings, on, landed_through, firm_ids)
        for name in ("vault", "warehouse"):
            renewal.renew(settings, name)
        for folder in (settings.root / "spill", settings.spark_dir):
            shutil.rmtree(folder, ignore_errors=True)
        _publish_again(settings)
        report = _certify(settings, on, going, files)
        step.rows_out = report.rows
    return report


def allowed(settings: Settings, firm_ids: Collection[str] | None = None) -> tuple[Withdrawal, ...]:
    """Return what is due today, of some firms or of all, if it may be erased.

    Raises:
        ConfirmationNeeded: a person must confirm it first.
    """
    going = _due(settings, clock.today(), firm_ids)
    if going:
        bounds.check(settings, going, today.certain(settings))
    return going


def _due(settings: Settings, on: date, firm_ids: Collection[str] | None) -> tuple[Withdrawal, ...]:
    everybody = withdrawals.due(settings, on)
    return tuple(f for f in everybody if firm_ids is None or f.firm_id in firm_ids)


def _tidy(settings: Settings) -> None:
    """Remove the tokens of certified firms from the records that a killed run left."""
    with warehouse.connect(settings, vault=True) as connection:
        databases.prepare(connection)
        databases.forget(connection, _uncertified(settings))


def _uncertified(settings: Settings) -> list[str]:
    return [firm.firm_id for firm in withdrawals.due(settings, clock.today())]


def _erase(
    settings: Settings, on: date, landed_through: date, firm_ids: Collection[str] | None
) -> tuple[Sequence[Withdrawal], int]:
    masked = places.masked_tables(settings)
    with warehouse.connect(settings, vault=True) as connection:
        databases.prepare(connection)
        # Queried while the vault is held: no grant can be added in between.
        going = _due(settings, on, firm_ids)
        bounds.check(settings, going, on)
        databases.forget(connection, _uncertified(settings))
        identifiers = databases.load(connection, going)
        destroyed = inbox.erase(settings, landed_through, _reach(going, identifiers))
        for file in destroyed:
            for firm_id in file.firm_ids:
                tally.record(connection, on, firm_id, file.place, 1)
        # They show withdrawn data, even if results may stay.
        shown = [firm.firm_id for firm in going if firm.whole or firm.sources]
        for firm_id, pages in reports.remove(settings, shown).items():
            tally.record(connection, on, firm_id, "reports", pages)
        databases.erase_vault(connection, on, places.raw_tables())
        databases.erase_warehouse(connection, on, masked)
        tally.publish_counts(connection)
    return going, len(destroyed)


def _reach(going: Sequence[Withdrawal], identifiers: Mapping[str, str]) -> list[inbox.Reach]:
    """Return which firms' files are erased in which folders; one purpose alone erases none."""
    return [
        inbox.Reach(firm.firm_id, identifiers[firm.firm_id], firm.sources, everywhere=firm.whole)
        for firm in going
        if firm.firm_id in identifiers and (firm.whole or firm.sources)
    ]


def _publish_again(settings: Settings) -> None:
    """Replace the published file by one without the erased firms, if anything is published."""
    if settings.scores_dir.is_dir() and any(settings.scores_dir.iterdir()):
        withheld = withdrawals.withheld(settings)
        publish.publish_again(settings, withheld, keep_previous=False)


def _certify(
    settings: Settings, on: date, going: Sequence[Withdrawal], files: int
) -> ErasureReport:
    ledger = Ledger(settings)
    firm_ids = [firm.firm_id for firm in going]
    with warehouse.connect(settings, vault=True) as connection:
        counts = tally.counts(connection, firm_ids)
        seen = membership.versions(settings, connection, firm_ids)
    certificates = {}
    for firm in going:
        deleted = counts[firm.firm_id]
        certificate = Certificate(
            firm_id=firm.firm_id,
            on=on,
            authorization_ids=firm.authorization_ids,
            sources=tuple(sorted(firm.sources)),
            scope=firm.scope,
            deleted=deleted,
            model_versions=seen.get(firm.firm_id, ()),
        )
        issued = ledger.certify(certificate)
        ledger.purged(firm.authorization_ids, on=on, certificate_id=issued)
        certificates[firm.firm_id] = issued
    with warehouse.connect(settings, vault=True) as connection:
        databases.forget(connection, _uncertified(settings))
    rows = sum(sum(deleted.values()) for deleted in counts.values())
    return ErasureReport(on, certificates, rows, files)
