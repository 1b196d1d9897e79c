"""Which version of the credit model scores: the last one promoted in the audit chain.

Anyone who can open MLflow's page can move an alias. So the alias is compared with the chain, which
no one can change without its key, and the version's files with the promoted ones.
"""

import json
from dataclasses import dataclass
from typing import Any

from consent import audit
from firmpulse import tracking
from firmpulse.errors import NotPromotedError
from firmpulse.settings import Settings

PROMOTE = "PROMOTE"


@dataclass(frozen=True)
class Promotion:
    """An entry that made a version champion."""

    seq: int
    # ISO 8601 in UTC.
    at: str
    version: str
    files_sha256: str
    approver: str
    # Version that was withdrawn for it; None for a promotion without a withdrawal.
    instead_of: str | None


def promotions(settings: Settings) -> tuple[Promotion, ...]:
    """Return the entries that made a version champion, oldest first.

    Raises:
        AuditError: one of the entries was changed, or the chain lost entries.
    """
    return tuple(
        Promotion(
            seq=entry.seq,
            at=entry.at,
            version=str(details["version"]),
            files_sha256=str(details.get("files_sha256") or ""),
            approver=str(details.get("approver") or ""),
            instead_of=details.get("instead_of"),
        )
        for entry in audit.trusted(settings, PROMOTE)
        for details in [json.loads(entry.details)]
        if details.get("model") == tracking.CREDIT_MODEL
    )


def named(settings: Settings) -> Promotion | None:
    """Return the last promotion, or None."""
    made = promotions(settings)
    return made[-1] if made else None


def champion(settings: Settings) -> Any | None:
    """Return MLflow's version of the champion, None if there is no promotion and no champion.

    Raises:
        NotPromotedError: MLflow's version differs from the last promotion, or that version is
            gone, or its files differ from the promoted ones.
        AuditError: an entry of a promotion was changed, or the chain lost entries.
    """
    last = named(settings)
    leads = tracking.find_version(settings, tracking.CREDIT_MODEL, tracking.CHAMPION)
    if last is None:
        if leads is None:
            return None
        raise NotPromotedError(
            f"MLflow names version {leads.version} of {tracking.CREDIT_MODEL} champion, but the "
            f"audit chain has no promotion; promote it with: "
            f"firmpulse models promote {leads.version} --approver NAME"
        )
    if leads is None or str(leads.version) != last.version:
        raise NotPromotedError(_moved(last, leads))
    if not last.files_sha256 or leads.tags.get(tracking.FILES_DIGEST) != last.files_sha256:
        raise NotPromotedError(
            f"the files of version {last.version} of {tracking.CREDIT_MODEL} differ from what "
            f"{last.approver or 'nobody named'} promoted on {last.at[:10]}; restore MLflow from a "
            f"backup, or go back with: firmpulse models rollback --approver NAME --because REASON"
        )
    return leads


def find_version(settings: Settings, name: str) -> Any | None:
    """Return a version of the credit model by its number or an alias; `champion` is the chain's.

    Raises:
        NotPromotedError: the champion is requested, and MLflow's is not the chain's.
    """
    if name == tracking.CHAMPION:
        return champion(settings)
    return tracking.find_version(settings, tracking.CREDIT_MODEL, name)


def _moved(last: Promotion, leads: Any | None) -> str:
    there = f"version {leads.version}" if leads else "no version"
    other = (
        f", or promote the other one: firmpulse models promote {leads.version} --approver NAME"
        if leads
        else ""
    )
    return (
        f"MLflow names {there} of {tracking.CREDIT_MODEL} champion, but the last promotion in the "
        f"audit chain is of version {last.version} ({last.at[:10]}, {last.approver or 'nobody'}). "
        f"Restore it with: firmpulse models restore{other}"
    )
