"""Bring the tokens of the ledger to the newest version of the token key.

Events, certificates and the audit chain are never changed: each keeps the token of its day, and the
chain says from when on a version was in force.
"""

import json
import uuid

import sqlalchemy as sa

from consent import audit
from consent.audit import Entry
from consent.chain import Scalar
from consent.tables import AUDIT, GRANTS
from firmpulse import keys, tokens
from firmpulse.settings import Settings

_WHAT = "tokens"


def advance(settings: Settings, present: int, *, actor: str) -> int:
    """Bring the grants to the newest version in one transaction with its entry in the chain.

    Args:
        settings: of the home folder.
        present: version of the grants where the chain names none.
        actor: who asked for it.

    Returns:
        How many firms got a new token; 0 where the grants are in the newest version already.
    """
    key = keys.load(settings, "token_key")
    newest = len(tokens.versions(key))
    with audit.recording(settings) as trail:
        version = _recorded(trail.connection) or present
        if version >= newest:
            return 0
        firms: list[str] = list(
            trail.connection.scalars(sa.select(GRANTS.c.firm_id).distinct()).all()
        )
        if firms:
            trail.connection.execute(
                sa.update(GRANTS)
                .where(GRANTS.c.firm_id == sa.bindparam("former"))
                .values(firm_id=sa.bindparam("advanced")),
                [
                    {
                        "former": firm,
                        "advanced": str(tokens.advance(key, uuid.UUID(firm), version)),
                    }
                    for firm in firms
                ],
            )
        details: dict[str, Scalar] = {"what": _WHAT, "token_version": newest, "firms": len(firms)}
        trail.append([Entry("ROTATE", actor, None, details)])
    return len(firms)


def _recorded(connection: sa.Connection) -> int | None:
    """Return the version that the chain says the grants are in."""
    query = sa.select(AUDIT.c.details).where(AUDIT.c.action == "ROTATE")
    found = [
        json.loads(str(details))
        for (details,) in connection.execute(query.order_by(AUDIT.c.seq.desc()))
    ]
    return next((int(d["token_version"]) for d in found if d.get("what") == _WHAT), None)
