"""Bring the tokens of grants and accepted codes to a new version of the token key."""

import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from pydantic import SecretStr

from consent import audit
from consent.audit import Entry, Trail
from consent.chain import Scalar
from consent.tables import ACCEPTED_CODES, GRANTS, TOKEN_KEY
from firmpulse.errors import NotReadyError, WrongKeyError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings

_FIXED_TEXT = "firmpulse"


def advance(settings: Settings, *, actor: str) -> int:
    """Bring the tokens to the newest version of the token key; return the number of firms.

    One transaction: a crash leaves the old tokens, a second call changes nothing. History,
    certificates and audit entries keep the tokens of their day; their grants lead to them.

    Raises:
        WrongKeyError: another token key made the tokens.
    """
    key = keyring.load(settings, "token_key")
    with audit.recording(settings) as trail:
        version = check(trail.connection, key)
        if version == len(tokens.versions(key)):
            return 0
        return _advance(trail, key, version, actor)


def firm_tokens(settings: Settings, firm: str) -> list[str]:
    """Return the tokens of a firm under every version of the token key, oldest first."""
    parts = keyring.load(settings, "token_key").get_secret_value().split(",")
    return [
        str(tokens.firm_token(SecretStr(",".join(parts[:count])), firm))
        for count in range(1, len(parts) + 1)
    ]


def check(connection: sa.Connection, key: SecretStr) -> int:
    """Return the version that made the grants' tokens; an empty store takes the newest.

    Raises:
        WrongKeyError: another token key made them.
    """
    known = connection.scalar(sa.select(TOKEN_KEY.c.fixed_text_token))
    by_token = _versions_by_token(key)
    if known is None:
        version = max(by_token.values())
        _remember(connection, by_token, version)
        return version
    if known not in by_token:
        raise WrongKeyError(
            "FIRMPULSE_TOKEN_KEY (or the token_key file) is not the key of the grants in the "
            "control store; restore the key that they were made with"
        )
    return by_token[known]


def require_newest(connection: sa.Connection, key: SecretStr) -> None:
    """Refuse to write tokens of another version than the existing ones.

    Raises:
        NotReadyError: a rotation has not been finished.
        WrongKeyError: another token key made them.
    """
    if check(connection, key) != len(tokens.versions(key)):
        raise NotReadyError(
            "the grants have tokens of an earlier token key; finish with: "
            "firmpulse vault rotate --tokens"
        )


def _advance(trail: Trail, key: SecretStr, version: int, actor: str) -> int:
    connection = trail.connection
    firms: set[str] = set()
    for table in (GRANTS, ACCEPTED_CODES):
        own: Sequence[str] = connection.scalars(sa.select(table.c.firm_id).distinct()).all()
        pairs = [
            {"old": firm, "new": str(tokens.advance(key, uuid.UUID(firm), version))} for firm in own
        ]
        if pairs:
            statement = sa.update(table).where(table.c.firm_id == sa.bindparam("old"))
            connection.execute(statement.values(firm_id=sa.bindparam("new")), pairs)
        firms.update(own)
    by_token = _versions_by_token(key)
    connection.execute(sa.delete(TOKEN_KEY))
    _remember(connection, by_token, len(by_token))
    rotated: dict[str, Scalar] = {
        "what": "tokens",
        "token_version": len(by_token),
        "firms": len(firms),
    }
    trail.append([Entry("ROTATE", actor, None, rotated)])
    return len(firms)


def _remember(connection: sa.Connection, by_token: dict[str, int], version: int) -> None:
    (fixed,) = [token for token, number in by_token.items() if number == version]
    connection.execute(sa.insert(TOKEN_KEY).values(fixed_text_token=fixed))


def _versions_by_token(key: SecretStr) -> dict[str, int]:
    parts = key.get_secret_value().split(",")
    return {
        str(tokens.token(SecretStr(",".join(parts[:count])), "key", _FIXED_TEXT)): count
        for count in range(1, len(parts) + 1)
    }
