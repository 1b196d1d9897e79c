"""The audit chain: what was done with firms' data, by whom and when.

Each entry has an HMAC over its content and the hash of the previous entry, under a separate key,
and the newest one is sealed outside the control store. Without the key, no entry can be changed,
removed, reordered or inserted unnoticed.
"""

import getpass
import logging
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa
from pydantic import SecretStr

from consent import chain, heads, store
from consent.chain import Link, Scalar, Verification
from consent.heads import GENESIS, Head
from consent.tables import AUDIT, AUDIT_KEY
from firmpulse import clock, uscc
from firmpulse.errors import AuditError, WrongKeyError
from firmpulse.keys import keyring
from firmpulse.settings import Settings

ACTIONS = (
    "DRAFT", "SIGN", "GRANT", "REVOKE", "CONSUME", "REQUEST", "PULL", "LAND", "REFUSE", "PUBLISH",
    "QUERY", "EXPORT", "ACCEPT", "ERASE", "PURGE", "ROTATE", "PROMOTE", "SEAL",
    "BACKUP", "RESTORE",
    "CLEAR",
    "OVERRIDE",
    "EXCEPT",
    "PROVIDE",
    "ANSWER",
    "CONFIRM",
    "PROPOSE",
)  # fmt: skip
_TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAYBE_CODE = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{18}(?![0-9A-Za-z])")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """What is to be recorded; the chain adds number, time and hashes."""

    action: str
    actor: str
    # Token of a firm.
    subject: str | None = None
    details: Mapping[str, Scalar] = field(default_factory=dict)


def append(
    settings: Settings, action: str, *, actor: str, subject: str | None = None, **details: Scalar
) -> str:
    """Record one entry and return its hash.

    Raises:
        AuditError: the action is unknown, the subject is not a token, a detail not a JSON scalar.
        WrongKeyError: the audit key is not the one of this chain.
    """
    return append_many(settings, [Entry(action, actor, subject, details)])[0]


def append_many(settings: Settings, entries: Iterable[Entry]) -> list[str]:
    """Record entries in order, all or none, and return their hashes."""
    with recording(settings) as trail:
        return trail.append(entries)


@contextmanager
def recording(settings: Settings) -> Iterator["Trail"]:
    """Open a writing transaction of the control store; its entries are sealed after the commit.

    A crash in between leaves entries after the head: they are in the chain and verified, and the
    next entry seals them.
    """
    key = keyring.load(settings, "audit_key")
    with store.writing(settings) as connection:
        _check_key(connection, key)
        trail = Trail(settings, key, connection)
        yield trail
    trail.seal()


class Trail:
    """Appends to the chain inside a transaction that may change other tables too."""

    def __init__(self, settings: Settings, key: SecretStr, connection: sa.Connection) -> None:
        self.connection = connection
        self._settings, self._key = settings, key
        self._begun: Head | None = None
        self._last: Head | None = None

    def append(self, entries: Iterable[Entry]) -> list[str]:
        """Add entries after the newest one and return their hashes."""
        last = self.newest()
        at = clock.now().isoformat(timespec="microseconds")
        links: list[Link] = []
        for entry in entries:
            link = chain.link(self._key, last, at, *_checked(entry))
            links.append(link)
            last = Head(link.seq, link.hash)
        if links:
            self.connection.execute(sa.insert(AUDIT), [link.row() for link in links])
            self._last = last
        return [link.hash for link in links]

    def newest(self) -> Head:
        """Return the newest entry of the chain."""
        return self._last or self._begin()

    def seal(self) -> None:
        """Seal the newest entry, unless the chain does not continue from the sealed one.

        In that case the head does not change: it is the evidence that `verify` reports.
        """
        if self._last is not None and self._begun is not None:
            heads.advance(self._settings, self._key, self._last)

    def _begin(self) -> Head:
        row = self.connection.execute(
            sa.select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)
        ).first()
        last = Head(row.seq, row.hash) if row else Head(0, GENESIS)
        if row is None and not heads.path_of(self._settings).exists():
            heads.advance(self._settings, self._key, last)
        sealed = heads.read(self._settings, self._key)
        if sealed is not None and chain.holds(self.connection, sealed):
            self._begun = sealed
        else:
            _LOG.error("the audit chain does not continue from its sealed head; "
                       "run: firmpulse audit verify")  # fmt: skip
        return last


def verify(settings: Settings, *, noted: tuple[int, str] | None = None) -> Verification:
    """Check every entry, the sealed head, and an entry that was noted earlier.

    Raises:
        WrongKeyError: the audit key is not the one of this chain.
    """
    key = keyring.load(settings, "audit_key")
    # Read the head first: entries added meanwhile may be newer, never older.
    sealed = heads.read(settings, key)
    is_there = heads.path_of(settings).exists()
    with store.reading(settings) as connection:
        known = connection.scalar(sa.select(AUDIT_KEY.c.fixed_text_hash))
        if known is not None and known != chain.fixed_text_hash(key):
            raise WrongKeyError(_WRONG_KEY)
    return chain.verify(
        lambda: store.reading(settings),
        key,
        sealed,
        head_exists=is_there,
        noted=Head(*noted) if noted else None,
    )


def seal(settings: Settings, *, actor: str, reason: str) -> str:
    """Accept the present chain: after restoring a backup, or on another machine.

    The entry records the reason and the previous seal; errors inside the chain remain.
    """
    key = keyring.load(settings, "audit_key")
    sealed = heads.read(settings, key)
    with recording(settings) as trail:
        before: dict[str, Scalar] = {}
        if sealed:
            before = {"sealed_seq": sealed.seq, "sealed_hash": sealed.hash}
        (hashed,) = trail.append([Entry("SEAL", actor, details={"reason": reason, **before})])
        newest = trail.newest()
    heads.reset(settings, key, newest)
    return hashed


_WRONG_KEY = (
    "FIRMPULSE_AUDIT_KEY (or the audit_key file) is not the key of this audit chain; "
    "restore the key with which it was made"
)


def actor() -> str:
    """Return the actor: the running Airflow task, else the user of the operating system."""
    if sdk := sys.modules.get("airflow.sdk"):
        try:
            task = sdk.get_current_context()["ti"]
        except RuntimeError:
            pass
        else:
            return f"task {task.dag_id}.{task.task_id}"
    return f"user {getpass.getuser()}"


def _check_key(connection: sa.Connection, key: SecretStr) -> None:
    """Compare the key with the chain's, or make it the key of a new chain."""
    fixed = chain.fixed_text_hash(key)
    known = connection.scalar(sa.select(AUDIT_KEY.c.fixed_text_hash))
    if known is None:
        connection.execute(sa.insert(AUDIT_KEY).values(fixed_text_hash=fixed))
    elif known != fixed:
        raise WrongKeyError(_WRONG_KEY)


def _checked(entry: Entry) -> tuple[str, str, str | None, str]:
    """Return actor, action, subject and details as stored.

    A unified social credit code in a text, such as in a typed query, is replaced; so is one that
    violates the standard in the way that accepted ones do.
    """
    if entry.action not in ACTIONS:
        raise AuditError(
            f"there is no audit action {entry.action}; use one of {', '.join(ACTIONS)}"
        )
    if entry.subject is not None and not _TOKEN.fullmatch(entry.subject):
        raise AuditError("the subject of an audit entry is the token of a firm, as a UUID")
    details = {name: _without_codes(value) for name, value in entry.details.items()}
    try:
        canonical = chain.canonical(details)
    except (TypeError, ValueError):
        raise AuditError(
            f"a detail of {entry.action} is neither text, number, boolean nor null"
        ) from None
    return str(_without_codes(entry.actor)), entry.action, entry.subject, canonical


def _without_codes(value: Scalar) -> Scalar:
    if not isinstance(value, str):
        return value
    return _MAYBE_CODE.sub(
        lambda found: "(code)" if uscc.may_be_issued(found[0].upper()) else found[0], value
    ).replace("\0", " ")


def entries(
    settings: Settings,
    *,
    subjects: Collection[str] | None = None,
    action: str | None = None,
    limit: int = 100,
) -> Sequence[Link]:
    """Return the newest entries, oldest first, of a firm or an action if given."""
    query = sa.select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(limit)
    if subjects is not None:
        query = query.where(AUDIT.c.subject.in_(list(subjects)))
    if action is not None:
        query = query.where(AUDIT.c.action == action)
    with store.reading(settings) as connection:
        rows = connection.execute(query).mappings().all()
    return [Link(**row) for row in reversed(rows)]


def trusted(settings: Settings, action: str) -> Sequence[Link]:
    """Return all entries of an action, oldest first, each with the hash of its content.

    Removals elsewhere are noticed too; changes elsewhere are found by `verify`.

    Raises:
        AuditError: one of them was changed or inserted, or entries are missing.
        WrongKeyError: the audit key is not the one of this chain.
    """
    key = keyring.load(settings, "audit_key")
    sealed = heads.read(settings, key)
    query = sa.select(AUDIT).where(AUDIT.c.action == action).order_by(AUDIT.c.seq)
    size = sa.select(sa.func.count(), sa.func.max(AUDIT.c.seq)).select_from(AUDIT)
    with store.reading(settings) as connection:
        known = connection.scalar(sa.select(AUDIT_KEY.c.fixed_text_hash))
        if known is not None and known != chain.fixed_text_hash(key):
            raise WrongKeyError(_WRONG_KEY)
        found = [Link(**row) for row in connection.execute(query).mappings()]
        count, newest = connection.execute(size).one()
        whole = count == (newest or 0) and (sealed is None or chain.holds(connection, sealed))
    if not whole or not all(chain.is_intact(key, entry) for entry in found):
        raise AuditError("the audit chain is broken; see where: firmpulse audit verify")
    return found
