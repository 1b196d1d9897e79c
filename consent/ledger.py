"""The consent ledger: grants of firms, by token, in the control store."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from consent import audit, certificates, retoken, store, terms, today, wording
from consent.audit import Entry, Trail
from consent.certificates import Certificate
from consent.chain import Scalar
from consent.grants import Grant
from consent.reasons import checked_reason
from consent.register import Register
from consent.states import CONSUMED, DRAFT, GRANTED, PURGED, REVOKED, end_of, is_over
from consent.tables import EVENTS, GRANTS
from firmpulse import clock
from firmpulse.errors import GrantError
from firmpulse.keys import keyring, tokens

_TOLD = (
    "authorization_id", "source", "purpose", "recipient", "window_start", "valid_from", "valid_to",
    "keep_results", "grantor_role", "separate_consent", "text_version", "text_sha256",
)  # fmt: skip


class Ledger(Register):
    """Grants in the control store; it contains tokens of firms and no identifiers.

    Every change writes the state, the grant's history and the audit chain in one transaction.
    """

    def record(
        self,
        grants: Iterable[Grant],
        *,
        actor: str = "intake",
        draft: bool = False,
        reason: str | None = None,
        total: Mapping[str, Scalar] | None = None,
    ) -> int:
        """Add the missing grants, all or none; return how many were added.

        Args:
            grants: the grants.
            actor: who records them.
            draft: whether they are unsigned; a draft is never in force.
            reason: why they are recorded, if nobody signed them.
            total: details of one more audit entry for all that were added, without a firm.

        Raises:
            GrantError: an authorization_id is known with other terms, the text is unknown, or the
                reason seems to contain an identifier.
        """
        checked_reason(reason)
        grants = list(grants)
        with audit.recording(self._settings) as trail:
            self._check_tokens(trail)
            rows = self._terms_of(grants)
            problems, known = terms.problems_of(trail.connection, grants, rows)
            for index, problem in problems.items():
                raise GrantError(f"grant {grants[index].authorization_id} {problem}")
            wanted = {row["authorization_id"]: row for row in rows}
            added = [row for name, row in wanted.items() if name not in known]
            state = DRAFT if draft else GRANTED
            _insert(trail.connection, GRANTS, [{**row, "state": state} for row in added])
            event = "DRAFT" if draft else "GRANT"
            _remember(trail, event, added, actor, clock.today(), reason)
            if added and total is not None:
                firms = len({row["firm_id"] for row in added})
                counts = {"firms": firms, "grants": len(added), "because": reason}
                trail.append([Entry(event, actor, None, {**total, **counts})])
        return len(added)

    def problems(self, grants: Iterable[Grant]) -> dict[int, str]:
        """Return what is wrong with each grant that cannot be recorded, by its position.

        It is known with other terms, from the ledger or an earlier grant in the list, or refers to
        a text that is unknown or has another hash.
        """
        grants = list(grants)
        rows = self._terms_of(grants)
        with store.reading(self._settings) as connection:
            return terms.problems_of(connection, grants, rows)[0]

    def known(self, authorization_ids: Sequence[str]) -> set[str]:
        """Return those of these grants that are in the ledger, in whatever state."""
        with store.reading(self._settings) as connection:
            return set(terms.known_terms(connection, authorization_ids))

    def unpurged(self, authorization_ids: Sequence[str]) -> set[str]:
        """Return those of these grants that are known and whose data are not erased."""
        with store.reading(self._settings) as connection:
            rows = terms.rows_of(connection, authorization_ids)
        return {row.authorization_id for row in rows if row.state != PURGED}

    def sign(self, authorization_ids: Iterable[str], *, actor: str) -> list[str]:
        """Turn drafts into grants; return those that were drafts."""
        with audit.recording(self._settings) as trail:
            rows = [row for row in _known(trail, authorization_ids) if row.state == DRAFT]
            _update(trail.connection, rows, {"state": GRANTED})
            _remember(trail, "SIGN", [row._asdict() for row in rows], actor, clock.today())
        return [row.authorization_id for row in rows]

    def revoke(
        self,
        firm_id: str,
        *,
        on: date,
        sources: Collection[str] | None = None,
        purposes: Collection[str] | None = None,
        authorization_id: str | None = None,
        actor: str,
        reason: str | None = None,
    ) -> list[str]:
        """End the grants of a firm at once, all or the chosen ones; return the ended ones.

        A second call ends nothing and keeps the first day. A clock that jumped does not end a grant
        before the firm does: a grant that is over only by that clock is revoked like the rest.

        Raises:
            GrantError: the firm has no grant `authorization_id`, or the reason seems to contain an
                identifier.
            ConfigurationError: the day is after today.
        """
        clock.checked(on, "on")
        checked_reason(reason)
        mine = [GRANTS.c.firm_id == firm_id]
        if sources is not None:
            mine.append(GRANTS.c.source.in_(list(sources)))
        if purposes is not None:
            mine.append(GRANTS.c.purpose.in_(list(purposes)))
        if authorization_id is not None:
            mine.append(GRANTS.c.authorization_id == authorization_id)
        with audit.recording(self._settings) as trail:
            query = sa.select(GRANTS).where(*mine).order_by(GRANTS.c.authorization_id)
            found = trail.connection.execute(query).all()
            if authorization_id is not None and not found:
                raise GrantError(f"there is no grant {authorization_id} of this firm")
            known = min(on, today.surely_in(trail.connection, self._settings))
            rows = [row for row in found
                    if row.state in (DRAFT, GRANTED) and row.valid_to >= known]  # fmt: skip
            ended = {"state": REVOKED, "ended_as": REVOKED, "ended_on": on}
            _update(trail.connection, rows, ended)
            _remember(trail, "REVOKE", [row._asdict() for row in rows], actor, on, reason)
        return [row.authorization_id for row in rows]

    def consume(self, authorization_ids: Iterable[str], night: date, actor: str) -> list[str]:
        """End one-off grants by their use, with this day; return the ended ones.

        The results are read and handed over on the day on which they were made, for any night; so
        nothing of the firm is erased before the next day.

        Args:
            authorization_ids: the grants.
            night: the night for whose scores they were used.
            actor: the user of the grants.

        Raises:
            GrantError: a grant is unknown or not a CREDIT_EVAL.
            ConfigurationError: the night is after today.
        """
        clock.checked(night, "the night that uses them,")
        with audit.recording(self._settings) as trail:
            day = max(night, today.surely_in(trail.connection, self._settings))
            found = _known(trail, authorization_ids)
            for row in found:
                if row.purpose != "CREDIT_EVAL":
                    raise GrantError(
                        f"grant {row.authorization_id} is for {row.purpose}; only CREDIT_EVAL "
                        f"ends with its use"
                    )
            rows = [row for row in found if row.state == GRANTED]
            _update(trail.connection, rows, {
                "state": CONSUMED, "ended_as": CONSUMED, "used_for": night,
                "ended_on": day + timedelta(days=1),
            })  # fmt: skip
            _remember(trail, "CONSUME", [row._asdict() for row in rows], actor, day)
        return [row.authorization_id for row in rows]

    def purged(
        self,
        authorization_ids: Iterable[str],
        *,
        on: date,
        certificate_id: str | None,
        actor: str | None = None,
    ) -> list[str]:
        """Record that the data of ended grants were erased; return these grants.

        Raises:
            GrantError: a grant is unknown or not over.
            ConfigurationError: the day is after today.
        """
        clock.checked(on, "on")
        with audit.recording(self._settings) as trail:
            found = _known(trail, authorization_ids)
            over = sa.select(GRANTS.c.authorization_id).where(is_over(on))
            ended: set[str] = set(trail.connection.scalars(over))
            if early := [row for row in found if row.authorization_id not in ended]:
                raise GrantError(f"grant {early[0].authorization_id} is not over on {on}")
            rows = [row for row in found if row.state != PURGED]
            by_end: dict[tuple[str, date], list[Any]] = {}
            for row in rows:
                by_end.setdefault(end_of(row), []).append(row)
            for (ended_as, ended_on), group in by_end.items():
                _update(trail.connection, group, {
                    "state": PURGED, "ended_as": ended_as, "ended_on": ended_on,
                    "purged_on": on, "certificate_id": certificate_id,
                })  # fmt: skip
            who = actor or audit.actor()
            _remember(trail, "PURGE", [row._asdict() for row in rows], who, on)
        return [row.authorization_id for row in rows]

    def certify(self, certificate: Certificate, *, actor: str | None = None) -> str:
        """Issue a deletion certificate with its ERASE entry; return its id.

        The same firm and grants have one certificate: a second call changes nothing.

        Raises:
            ConfigurationError: its day is after today.
        """
        clock.checked(certificate.on, "the day of a certificate,")
        with audit.recording(self._settings) as trail:
            return certificates.issue(trail, certificate, actor or audit.actor())

    def _check_tokens(self, trail: Trail) -> None:
        """Refuse grants if their tokens would differ in key or version from the others."""
        retoken.require_newest(trail.connection, keyring.load(self._settings, "token_key"))

    def _terms_of(self, grants: Iterable[Grant]) -> list[dict[str, Any]]:
        """Return the terms of grants as in the ledger, with the firm as its token."""
        key = keyring.load(self._settings, "token_key")
        rows = [asdict(grant) for grant in grants]
        for row in rows:
            row["firm_id"] = str(tokens.firm_token(key, row.pop("firm")))
            row["text_sha256"] = row["text_sha256"] or wording.sha256(row["text_version"])
        return rows


def _known(trail: Trail, authorization_ids: Iterable[str]) -> list[Any]:
    names = sorted(set(authorization_ids))
    rows = terms.rows_of(trail.connection, names)
    if missing := set(names) - {row.authorization_id for row in rows}:
        raise GrantError(f"there is no grant {min(missing)}")
    return sorted(rows, key=lambda row: row.authorization_id)


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


def _update(connection: sa.Connection, rows: Sequence[Any], values: dict[str, Any]) -> None:
    names = [row.authorization_id for row in rows]
    for start in range(0, len(names), terms.BATCH):
        mine = GRANTS.c.authorization_id.in_(names[start : start + terms.BATCH])
        connection.execute(sa.update(GRANTS).where(mine).values(values))


def _remember(
    trail: Trail,
    event: str,
    rows: Sequence[dict[str, Any]],
    actor: str,
    day: date,
    reason: str | None = None,
) -> None:
    """Write a change of grants to their history and the audit chain."""
    at = clock.now().isoformat(timespec="microseconds")
    common = {"at": at, "day": day, "event": event, "actor": actor, "reason": reason}
    _insert(trail.connection, EVENTS, [
        {**common, "authorization_id": row["authorization_id"], "firm_id": row["firm_id"]}
        for row in rows
    ])  # fmt: skip
    told = _TOLD if event in ("GRANT", "DRAFT") else _TOLD[:4]
    because = {"reason": reason} if reason else {}
    trail.append(
        Entry(
            event, actor, row["firm_id"], {"day": day.isoformat(), **because, **_plain(row, told)}
        )
        for row in rows
    )


def _plain(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value := row[name], date) else value for name in names
    }
