"""Identifiers of firms, `scheme:value`: the only home of the rule that each scheme's values follow.

A value may arrive in a row, a grant, a command or a report, typed by different people. The rule of
its scheme gives it one form, so that all of them name the same firm. Unified social credit codes
(`uscc`) have upper case and no separators. The numbers of any other scheme are the provider's own:
`A-1`, `A1` and `a1` are three firms, and only what nobody sees or Excel adds is taken away.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache

from firmpulse import uscc

USCC = "uscc"
SCHEME_PATTERN = "[a-z][a-z0-9_]*"

_SCHEME = re.compile(SCHEME_PATTERN)
_EXCEL_NUMBER = re.compile(
    r"-?(?:[0-9]+(?:\.[0-9]+)?[eE]\+[0-9]+|[0-9]+\.[0-9]+[eE]-?[0-9]+|[0-9]+\.0+)"
)
_RULES: dict[str, Callable[[str], str]] = {USCC: uscc.normalise}


def normalise(scheme: str, value: str) -> str:
    """Return the one form of a value: by the rule of its scheme, without a guard of Excel.

    The rule of every scheme but `uscc`: half-width characters (NFKC) without spaces, line breaks
    and invisible marks; case, hyphens and all other signs stay.
    """
    found = _RULES.get(scheme, _as_given)(_unguarded(value))
    # What the rule takes away may have hidden a guard.
    return normalise(scheme, found) if found != value and found.startswith("=") else found


def identifier(scheme: str, value: str) -> str:
    """Return `scheme:value` with the value in its one form."""
    return f"{scheme}:{normalise(scheme, value)}"


def split(typed: str, scheme: str = USCC) -> tuple[str, str]:
    """Return the scheme and the value of a typed identifier, the value in its one form.

    Args:
        typed: `scheme:value`, or the value alone.
        scheme: of a value alone.
    """
    folded = unicodedata.normalize("NFKC", typed)
    if ":" in folded:
        scheme, _, folded = folded.partition(":")
        scheme = _visible(_unguarded(scheme)).lower()
    return scheme, normalise(scheme, folded)


def problem(scheme: str, value: str) -> str | None:
    """Return what is wrong with a value in its one form under any scheme but `uscc`.

    To follow "the identifier"; None if nothing is.
    """
    if not is_scheme(scheme):
        return (
            "has a scheme that is not a small letter followed by small letters, digits and _; "
            "write it like cumcm:E7"
        )
    if is_excel_number(value):
        return (
            "was turned into a number by a spreadsheet, which loses digits; make the column text "
            "and type it again"
        )
    if not any(character.isalnum() for character in value):
        return "has no letter and no digit after its scheme; write it like cumcm:E7"
    return None


def is_scheme(name: str) -> bool:
    """Whether a scheme may have this name."""
    return bool(_SCHEME.fullmatch(name))


def is_excel_number(value: str) -> bool:
    """Whether a spreadsheet made a number of a value: digits are lost for good."""
    return bool(_EXCEL_NUMBER.fullmatch(value))


def folded(text: str) -> str:
    """Return a text in which an identifier of any scheme is found, however it was written.

    Coarser than every rule: values that differ only in case or hyphens are the same here. For
    searching what must be erased, never for naming a firm.
    """
    return uscc.normalise(text)


def folded_value(firm: str) -> str:
    """Return the value of `scheme:value` as it is in a folded text."""
    return folded(firm.partition(":")[2])


def shown(firm: str) -> str:
    """Return an identifier as people write it: a code needs no scheme."""
    return firm.removeprefix(f"{USCC}:")


def _as_given(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _unguarded(text: str) -> str:
    """Return what is seen of a text, without the marks that keep Excel from making it a number."""
    seen = _visible(unicodedata.normalize("NFKC", _visible(text)))
    while True:
        is_formula = len(seen) > 2 and seen.startswith('="') and seen.endswith('"')
        inner = seen[2:-1] if is_formula else seen.removeprefix("'")
        if inner == seen:
            return seen
        seen = inner


def _visible(text: str) -> str:
    return "".join(character for character in text if _is_visible(character))


@cache
def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")
