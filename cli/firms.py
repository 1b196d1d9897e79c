"""How commands name a firm: by its code, an identifier `scheme:value`, or its token."""

import re
from typing import Annotated

import typer

from consent.codes import Codes
from consent.grants import identifier
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings

Firm = Annotated[
    str, typer.Argument(help="Unified social credit code, scheme:value, or the firm_id of a table.")
]
_TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_token(firm: str) -> bool:
    """Return whether a firm is named by its token."""
    return bool(_TOKEN.fullmatch(firm.strip().lower()))


def token_of(settings: Settings, firm: str) -> str:
    """Return the firm's token.

    Raises:
        GrantError: it is neither a token nor a valid identifier.
    """
    if is_token(firm):
        return firm.strip().lower()
    return str(
        tokens.firm_token(keyring.load(settings, "token_key"), identifier_of(settings, firm))
    )


def identifier_of(settings: Settings, firm: str) -> str:
    """Return the identifier `scheme:value` that was typed for a firm; a code needs no scheme.

    Raises:
        GrantError: the code is invalid, was not accepted and has no grant.
    """
    return identifier(firm, Codes(settings).problem_of_known)
