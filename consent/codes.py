"""The only check of firms' codes: GB 32100, and exceptions that a person has accepted.

Registries have issued codes that violate the standard. A person who has seen the licence records
such a code for its firm. The control store keeps the firm's token, who, when and why; the audit
chain records that it was accepted or withdrawn. The code itself is in neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import sqlalchemy as sa

from consent import audit, retoken, store
from consent.audit import Entry, Trail
from consent.reasons import checked_reason
from consent.tables import ACCEPTED_CODES, GRANTS
from firmpulse import identifiers, uscc
from firmpulse.calendar import CHINA
from firmpulse.errors import GrantError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings

COMMAND = "firmpulse firms accept-code CODE --because REASON"
NEXT_STEP = f"if the licence shows it like this, record it with: {COMMAND}"


@dataclass(frozen=True)
class AcceptedCode:
    """One exception; the firm is named by its token."""

    firm_id: str
    accepted_on: date
    accepted_by: str
    reason: str


class Codes:
    """Which codes are valid; reads the exceptions once, when a code first needs one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def problem(self, code: str) -> str | None:
        """Return what is wrong with a normalised code, to follow "the code"; None if it is valid.

        For a code that a person could accept, the text includes the command for that.
        """
        found = uscc.problem(code)
        if found is None or not uscc.is_off_standard(code):
            return found
        return None if self._is_recorded(code) else f"{found}; {NEXT_STEP}"

    def problem_of(self, scheme: str, value: str) -> str | None:
        """Return what is wrong with a normalised value of a scheme; None if it is valid."""
        if scheme == identifiers.USCC:
            return self.problem(value)
        return identifiers.problem(scheme, value)

    def problem_of_known(self, code: str) -> str | None:
        """Return the same for a firm that is looked up or withdraws.

        A firm with a grant is known, even if the exception was withdrawn since.
        """
        found = self.problem(code)
        if found is None or not uscc.is_off_standard(code):
            return found
        mine = sa.select(GRANTS.c.firm_id).where(GRANTS.c.firm_id == token_of(self._settings, code))
        with store.reading(self._settings) as connection:
            return found if connection.scalar(mine.limit(1)) is None else None

    def is_accepted(self, code: str) -> bool:
        """Whether a normalised code violates the standard and was accepted."""
        return uscc.is_off_standard(code) and self._is_recorded(code)

    def _is_recorded(self, code: str) -> bool:
        return bool(self._tokens) and token_of(self._settings, code) in self._tokens

    @cached_property
    def _tokens(self) -> frozenset[str]:
        return frozenset(one.firm_id for one in listed(self._settings))


def token_of(settings: Settings, code: str) -> str:
    """Return the token of the firm with a normalised code."""
    return str(tokens.firm_token(keyring.load(settings, "token_key"), f"{identifiers.USCC}:{code}"))


def accept(settings: Settings, code: str, *, because: str, actor: str) -> bool:
    """Record a non-standard code as its firm's; return whether it was new.

    Raises:
        GrantError: the code needs no exception or can have none, or the reason identifies someone.
    """
    code = _checked(code)
    _check_texts(because, actor)
    firm_id = token_of(settings, code)
    with audit.recording(settings) as trail:
        retoken.require_newest(trail.connection, keyring.load(settings, "token_key"))
        if _is_known(trail, firm_id):
            return False
        row = AcceptedCode(firm_id, datetime.now(CHINA).date(), actor, because)
        trail.connection.execute(sa.insert(ACCEPTED_CODES).values(**vars(row)))
        trail.append([Entry("EXCEPT", actor, firm_id, {"what": "accepted", "because": because})])
    return True


def withdraw(settings: Settings, code: str, *, because: str, actor: str) -> bool:
    """Withdraw an exception; return whether there was one. What has landed stays.

    Raises:
        GrantError: the code can have no exception, or the reason identifies someone.
    """
    code = _checked(code)
    _check_texts(because, actor)
    firm_id = token_of(settings, code)
    with audit.recording(settings) as trail:
        retoken.require_newest(trail.connection, keyring.load(settings, "token_key"))
        if not _is_known(trail, firm_id):
            return False
        mine = ACCEPTED_CODES.c.firm_id == firm_id
        trail.connection.execute(sa.delete(ACCEPTED_CODES).where(mine))
        trail.append([Entry("EXCEPT", actor, firm_id, {"what": "withdrawn", "because": because})])
    return True


def listed(settings: Settings) -> Sequence[AcceptedCode]:
    """Return all exceptions, the newest first."""
    newest = (ACCEPTED_CODES.c.accepted_on.desc(), ACCEPTED_CODES.c.firm_id)
    with store.reading(settings) as connection:
        rows = connection.execute(sa.select(ACCEPTED_CODES).order_by(*newest)).mappings().all()
    return [AcceptedCode(**row) for row in rows]


def _checked(typed: str) -> str:
    """Return a typed code in its normal form.

    Raises:
        GrantError: it is valid, or wrong in a way that no registry could have caused.
    """
    code = identifiers.normalise(identifiers.USCC, typed)
    if uscc.is_off_standard(code):
        return code
    problem = uscc.problem(code)
    if problem is None:
        raise GrantError("the code meets GB 32100 and needs no exception")
    raise GrantError(
        f"the code {problem}; a code can be accepted if it has 18 characters, starts with 91, 92 "
        f"or 93 and six digits, and violates the standard in its check character, province or a "
        f"letter I, O, S, V or Z"
    )


def _check_texts(because: str, actor: str) -> None:
    """Refuse a missing reason, and texts that could hold the code: they are kept for years."""
    if not because.strip():
        raise GrantError("say why, such as: seen on the licence")
    checked_reason(because)
    checked_reason(actor)


def _is_known(trail: Trail, firm_id: str) -> bool:
    mine = sa.select(ACCEPTED_CODES.c.firm_id).where(ACCEPTED_CODES.c.firm_id == firm_id)
    return trail.connection.scalar(mine) is not None
