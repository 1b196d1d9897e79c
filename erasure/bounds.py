"""How many firms may be erased at once without confirmation, and confirmation of more."""

import json
from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from consent import audit, store, today
from consent.audit import Entry
from consent.chain import Scalar
from consent.ledger import Ledger
from consent.reasons import checked_reason
from consent.tables import AUDIT
from erasure import withdrawals
from erasure.withdrawals import Withdrawal
from firmpulse.errors import ConfigurationError, ConfirmationNeeded
from firmpulse.settings import Settings

_ERASURE = "erasure"


def check(settings: Settings, going: Sequence[Withdrawal], on: date) -> None:
    """Refuse to erase many firms at once without a person's confirmation today.

    Firms whose grants ended while others cover the same data do not count: they lose no row.

    Raises:
        ConfirmationNeeded: more firms than the bound are due, and no one has confirmed them.
    """
    losing = _losing(going)
    limit = bound(settings)
    if len(losing) <= limit:
        return
    waiting = losing - _confirmed(settings, on)
    if len(waiting) > limit:
        raise ConfirmationNeeded(
            f"{len(losing)} firms would be erased at once, more than {limit} of the "
            f"{Ledger(settings).firm_count()} that have grants; none is erased, and all of them "
            f"stay blocked",
            f'firmpulse consent honour --confirm {len(losing)} --because "..."',
        )


def bound(settings: Settings) -> int:
    """Return how many firms may be erased at once without confirmation."""
    share = int(settings.erasure_share * Ledger(settings).firm_count())
    return max(settings.erasure_firms, share)


def confirm(settings: Settings, firms: int, *, because: str, actor: str) -> None:
    """Let a person confirm that exactly the firms due now may be erased today.

    Each of them gets an entry in the audit chain; a firm that becomes due later has none.

    Raises:
        ConfigurationError: the number of due firms differs, or a task confirms.
        ConfirmationNeeded: the clock must be confirmed first.
        GrantError: the reason looks as if it held an identifier.
    """
    today.by_a_person(actor)
    checked_reason(because)
    on = today.certain(settings)
    losing = _losing(withdrawals.due(settings, on))
    if len(losing) != firms:
        raise ConfigurationError(
            f"{len(losing)} firms are due to be erased, not {firms}; check whether that is right, "
            f"and confirm the number that is due"
        )
    details: dict[str, Scalar] = {
        "what": _ERASURE,
        "day": on.isoformat(),
        "firms": firms,
        "reason": because,
    }
    audit.append_many(
        settings, [Entry("CONFIRM", actor, firm_id, details) for firm_id in sorted(losing)]
    )


def _losing(going: Sequence[Withdrawal]) -> set[str]:
    return {firm.firm_id for firm in going if firm.destroys}


def _confirmed(settings: Settings, on: date) -> set[str]:
    query = sa.select(AUDIT.c.subject, AUDIT.c.details).where(
        AUDIT.c.action == "CONFIRM", AUDIT.c.subject.is_not(None)
    )
    with store.reading(settings) as connection:
        found = [
            (str(firm_id), json.loads(str(text))) for firm_id, text in connection.execute(query)
        ]
    wanted = (_ERASURE, on.isoformat())
    return {firm_id for firm_id, told in found if (told["what"], told["day"]) == wanted}
