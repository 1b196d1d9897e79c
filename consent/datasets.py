"""Grants for a data set that was published or bought: nobody signed, so a person says why."""

from collections.abc import Iterable, Mapping
from datetime import date

from pydantic import SecretStr

from consent.codes import Codes
from consent.grants import ASSESSMENT, PURPOSES, TRAINING, Grant, identifier
from consent.intake import IntakeReport, Refusal, take
from consent.offers import known
from consent.reasons import checked_reason
from firmpulse.errors import GrantError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from firmpulse.sources import GRANTED_SOURCES

# Published teaching data; any other data set.
OPEN_DATA, DATA_SET = "open-data", "data-set"
USUAL_PURPOSES = (ASSESSMENT[0], TRAINING)

# What a data set contains may be used, from any day on.
_ALWAYS = (date(1990, 1, 1), date(2099, 12, 31))
_DOMAIN = "dataset"


def grant(
    settings: Settings,
    firms: Mapping[int, str],
    sources: Iterable[str],
    *,
    because: str,
    actor: str,
    purposes: Iterable[str] = USUAL_PURPOSES,
    text_version: str = DATA_SET,
) -> IntakeReport:
    """Grant the firms of a data set; a second call changes nothing.

    The history and the audit entry of each grant have the reason, and one more entry has the
    number of firms. A firm whose identifier is invalid is refused, and the others are granted.

    Args:
        settings: where the ledger is, and the recipient.
        firms: identifiers `scheme:value` by the number of their line.
        sources: what the data set contains.
        because: why it may be used, in words.
        actor: who decides that.
        purposes: what it may be used for.
        text_version: the text that says what such a grant is.

    Raises:
        GrantError: a source or purpose is unknown, or the reason or the name is missing or
            seems to contain an identifier.
    """
    _check_texts(because, actor)
    sources = known("source", sources, GRANTED_SOURCES)
    purposes = known("purpose", purposes, PURPOSES)
    if not sources or not purposes:
        raise GrantError("name what the data set contains and what for: --source and --purpose")
    codes, key = Codes(settings), _first_version(keyring.load(settings, "token_key"))
    offered, refusals = {}, []
    for line, firm in firms.items():
        try:
            named = identifier(firm, codes.problem)
        except GrantError as error:
            refusals.append(Refusal(line, str(error)))
            continue
        # Under the first version of the key the number stays the same when tokens change; it is
        # no token, and does not lead to one.
        number = tokens.token(key, _DOMAIN, named)
        offered[line] = tuple(
            Grant(
                authorization_id=f"{text_version}-{source}-{purpose}-{number}",
                firm=named,
                source=source,
                purpose=purpose,
                recipient=settings.recipient,
                window_start=_ALWAYS[0],
                valid_from=_ALWAYS[0],
                valid_to=_ALWAYS[1],
                text_version=text_version,
            )
            for source in sources
            for purpose in purposes
        )
    total = {"what": "data set", "sources": ", ".join(sources), "purposes": ", ".join(purposes)}
    return take(settings, offered, refusals, actor=actor, reason=because, total=total)


def _check_texts(because: str, actor: str) -> None:
    if not because.strip() or not actor.strip():
        raise GrantError("say who grants the data set and why, such as: published for teaching")
    checked_reason(because)
    checked_reason(actor)


def _first_version(key: SecretStr) -> SecretStr:
    return SecretStr(key.get_secret_value().partition(",")[0])
