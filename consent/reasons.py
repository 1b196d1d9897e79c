"""Reasons that people give; kept for years beside tokens, so they must name no one."""

import re

from firmpulse.errors import GrantError

_LIKE_AN_IDENTIFIER = re.compile(r"[0-9]{5}|[0-9A-Za-z]{15}")


def checked_reason(reason: str | None) -> None:
    """Refuse a reason that could identify someone: it is kept for years beside a token.

    Raises:
        GrantError: it contains long numbers or codes.
    """
    if reason is not None and (len(reason) > 200 or _LIKE_AN_IDENTIFIER.search(reason)):
        raise GrantError("the reason contains a long number or code, or more than 200 characters; "
                         "say it in words, without names and numbers")  # fmt: skip
