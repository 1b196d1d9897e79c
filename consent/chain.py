"""How entries of the audit chain are linked, and how a break is found."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from pydantic import SecretStr

from consent.heads import GENESIS, Head
from consent.tables import AUDIT

Scalar: TypeAlias = str | int | float | bool | None
_PAGE = 5_000
_MOST_FINDINGS = 20


@dataclass(frozen=True)
class Link:
    """One entry as stored; `details` is canonical JSON."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str | None
    details: str
    prev_hash: str
    hash: str

    def row(self) -> dict[str, Any]:
        """Return the columns of the table."""
        return asdict(self)


@dataclass(frozen=True)
class ChainBreak:
    """A problem at one entry; `seq` is the number of the entry."""

    seq: int
    problem: str


@dataclass(frozen=True)
class Verification:
    """The result of checking the chain."""

    entries: int
    newest: Head
    # Entries after the sealed head: intact, written by a process that ended before sealing them.
    unsealed: int
    # The first findings, by entry.
    findings: tuple[ChainBreak, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was changed, removed, reordered or inserted."""
        return not self.findings


def canonical(details: Mapping[str, Scalar]) -> str:
    """Return details as JSON that is the same for the same details.

    Raises:
        TypeError: a value is not a JSON scalar.
        ValueError: a number is not finite.
    """
    if any(not isinstance(value, str | int | float | None) for value in details.values()):
        raise TypeError("a detail is not a scalar")
    return json.dumps(dict(details), sort_keys=True, separators=(",", ":"), allow_nan=False)


def link(
    key: SecretStr,
    last: Head,
    at: str,
    actor: str,
    action: str,
    subject: str | None,
    details: str,
) -> Link:
    """Return the entry that follows `last`."""
    seq = last.seq + 1
    content = (seq, at, actor, action, subject, details, last.hash)
    return Link(*content, hash=_mac(key, list(content)))


def is_intact(key: SecretStr, entry: Link) -> bool:
    """Whether an entry has the hash of its content."""
    content = [value for name, value in entry.row().items() if name != "hash"]
    return hmac.compare_digest(entry.hash, _mac(key, content))


def fixed_text_hash(key: SecretStr) -> str:
    """Return the HMAC of a fixed text under the key."""
    return _mac(key, ["firmpulse audit"])


def holds(connection: sa.Connection, head: Head) -> bool:
    """Whether the chain has the entry that was sealed."""
    if head.seq == 0:
        return True
    query = sa.select(AUDIT.c.hash).where(AUDIT.c.seq == head.seq)
    return connection.scalar(query) == head.hash


def verify(
    reading: Callable[[], AbstractContextManager[sa.Connection]],
    key: SecretStr,
    sealed: Head | None,
    *,
    head_exists: bool,
    noted: Head | None = None,
) -> Verification:
    """Walk the chain from its first entry and compare it with the sealed and the noted one."""
    findings: list[ChainBreak] = []
    newest, count = Head(0, GENESIS), 0
    found = {newest} & {sealed, noted}
    for entry in _entries(reading):
        findings += _findings(key, newest, entry)
        newest, count = Head(entry.seq, entry.hash), count + 1
        found |= {newest} & {sealed, noted}
    if sealed not in found:
        findings += _end_findings(newest, sealed, head_exists=head_exists)
    if noted is not None and noted not in found:
        findings.append(ChainBreak(noted.seq, "is not the entry that was noted"))
    unsealed = newest.seq - sealed.seq if sealed else 0
    return Verification(count, newest, max(unsealed, 0), tuple(findings[:_MOST_FINDINGS]))


def _findings(key: SecretStr, before: Head, entry: Link) -> Iterator[ChainBreak]:
    if entry.seq != before.seq + 1:
        missing = f"{before.seq + 1}" + (
            f" to {entry.seq - 1}" if entry.seq > before.seq + 2 else ""
        )
        yield ChainBreak(before.seq + 1, f"missing: entry {missing} was removed")
    elif entry.prev_hash != before.hash:
        yield ChainBreak(entry.seq, "does not follow the entry before it: one of them was replaced")
    if not is_intact(key, entry):
        yield ChainBreak(
            entry.seq, "changed, moved or inserted: its hash is not that of its content"
        )


def _end_findings(newest: Head, sealed: Head | None, *, head_exists: bool) -> Iterator[ChainBreak]:
    if sealed is None and (head_exists or newest.seq):
        what = "was changed" if head_exists else "is not on this machine"
        yield ChainBreak(
            newest.seq, f"the sealed head {what}; entries after this one may be missing"
        )
    elif sealed is not None and sealed.seq > newest.seq:
        yield ChainBreak(newest.seq + 1, f"missing: the sealed head is entry {sealed.seq}")
    elif sealed is not None:
        yield ChainBreak(sealed.seq, "is not the entry that was sealed")


def _entries(reading: Callable[[], AbstractContextManager[sa.Connection]]) -> Iterator[Link]:
    """Yield the chain in pages, so that no writer waits for the whole chain."""
    after = None
    while True:
        query = sa.select(AUDIT).order_by(AUDIT.c.seq).limit(_PAGE)
        if after is not None:
            query = query.where(AUDIT.c.seq > after)
        with reading() as connection:
            page = [Link(**row) for row in connection.execute(query).mappings()]
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].seq


def _mac(key: SecretStr, content: list[Any]) -> str:
    message = json.dumps(content, separators=(",", ":")).encode("ascii")
    return hmac.new(bytes.fromhex(key.get_secret_value()), message, hashlib.sha256).hexdigest()
