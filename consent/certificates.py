"""Deletion certificates: what was deleted where, bound to the audit chain by its digest."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import sqlalchemy as sa

from consent.audit import Entry, Trail
from consent.tables import CERTIFICATES


@dataclass(frozen=True)
class Certificate:
    """What a firm receives after its data were deleted."""

    # Token as text.
    firm_id: str
    # Day of the deletion.
    on: date
    authorization_ids: tuple[str, ...]
    sources: tuple[str, ...]
    # One or two sentences: what was deleted, and what stays and why.
    scope: str
    # Rows deleted by place, such as `vault.raw.tax_invoice`.
    deleted: Mapping[str, int]
    # Model versions that were trained on the firm's rows.
    model_versions: tuple[str, ...] = ()
    # Set when it is issued.
    certificate_id: str = ""
    audit_hash: str = ""


def identity(certificate: Certificate) -> str:
    """Return the id: the same firm and grants have one certificate, even after retries."""
    content = [certificate.firm_id, sorted(certificate.authorization_ids)]
    return f"C-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:20]}"


def details_of(certificate: Certificate) -> str:
    """Return the content as JSON that is the same for the same content."""
    content = {
        "authorization_ids": sorted(certificate.authorization_ids),
        "sources": sorted(certificate.sources),
        "scope": certificate.scope,
        "deleted": dict(certificate.deleted),
        "model_versions": sorted(certificate.model_versions),
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def issue(trail: Trail, certificate: Certificate, actor: str) -> str:
    """Write a certificate and its entry of the audit chain in the transaction of `trail`.

    Returns:
        Its id; an existing certificate does not change.
    """
    name = identity(certificate)
    known = sa.select(CERTIFICATES.c.certificate_id).where(CERTIFICATES.c.certificate_id == name)
    if trail.connection.execute(known).first() is not None:
        return name
    details = details_of(certificate)
    entry = Entry(
        "ERASE",
        actor,
        certificate.firm_id,
        {
            "certificate_id": name,
            "day": certificate.on.isoformat(),
            "rows": sum(certificate.deleted.values()),
            "sha256": hashlib.sha256(details.encode()).hexdigest(),
        },
    )
    (audit_hash,) = trail.append([entry])
    trail.connection.execute(
        sa.insert(CERTIFICATES).values(
            certificate_id=name,
            firm_id=certificate.firm_id,
            issued_on=certificate.on,
            details=details,
            audit_hash=audit_hash,
        )
    )
    return name


def from_row(row: Any) -> Certificate:
    """Return the certificate of a row of the table."""
    content = json.loads(row.details)
    for name in ("authorization_ids", "sources", "model_versions"):
        content[name] = tuple(content[name])
    blank = Certificate(row.firm_id, row.issued_on, (), (), "", {})
    return replace(blank, **content, certificate_id=row.certificate_id, audit_hash=row.audit_hash)
