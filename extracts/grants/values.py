"""Cells of a table of grants: from what people type to the words of the ledger.

Every function raises GrantError with what to do; the message never repeats the cell.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date

from consent import wording
from consent.grants import PURPOSES, ROLES
from extracts.applications.checks import clean, parse_day
from firmpulse import identifiers
from firmpulse.errors import GrantError
from firmpulse.sources import GRANTED_SOURCES, NAMES

# From a tidy cell to its value.
Reader = Callable[[str], object]

_BETWEEN = re.compile(r"[、，,；;/|+\n]+")

_OTHER_SOURCES = {
    "税务数据": "tax",
    "发票": "tax",
    "流水": "bank",
    "银行": "bank",
    "银行账户": "bank",
    "供应链数据": "supply_chain",
    "用电": "power",
    "电力数据": "power",
}
_OTHER_PURPOSES = {
    "信用评估": "CREDIT_EVAL",
    "贷前评估": "CREDIT_EVAL",
    "assessment": "CREDIT_EVAL",
    "credit evaluation": "CREDIT_EVAL",
    "贷后监测": "POST_LOAN_MONITOR",
    "持续监测": "POST_LOAN_MONITOR",
    "monitoring": "POST_LOAN_MONITOR",
    "训练": "MODEL_TRAINING",
    "training": "MODEL_TRAINING",
}
ROLES_ZH = dict(zip(ROLES, ("法定代表人", "授权代理人", "经营者", "创业者"), strict=True))
_OTHER_ROLES = {
    "法人代表": "legal_representative",
    "委托代理人": "authorised_agent",
    "代理人": "authorised_agent",
    "个体工商户经营者": "proprietor",
    "创业者本人": "founder",
    "创始人": "founder",
}
_YES, _NO = ("是", "yes", "y", "true", "1", "√"), ("否", "no", "n", "false", "0", "×")


def folded(text: str) -> str:
    """Return the letters and digits of a header or a word, half-width and lower case."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return "".join(character for character in plain if character.isalnum())


def _words(codes: Iterable[str], others: dict[str, str]) -> dict[str, str]:
    named = {wording.ZH[code]: code for code in codes if code in wording.ZH}
    english = {NAMES[code].en: code for code in codes if code in NAMES}
    own = {code: code for code in codes}
    return {folded(word): code for word, code in (own | named | english | others).items()}


_SOURCES = _words(GRANTED_SOURCES, _OTHER_SOURCES)
_PURPOSES = _words(PURPOSES, _OTHER_PURPOSES)
_ROLES = _words(ROLES, {zh: code for code, zh in ROLES_ZH.items()} | _OTHER_ROLES)


def sources(cell: str) -> tuple[str, ...]:
    """Return the sources that a cell names."""
    return _several(cell, _SOURCES, GRANTED_SOURCES)


def purposes(cell: str) -> tuple[str, ...]:
    """Return the purposes that a cell names."""
    return _several(cell, _PURPOSES, PURPOSES)


def role(cell: str) -> str:
    """Return who signed."""
    try:
        return _ROLES[folded(cell)]
    except KeyError:
        told = ", ".join(f"{zh} {code}" for code, zh in ROLES_ZH.items())
        raise GrantError(f"is none of {told}; write one of them") from None


def day(cell: str) -> date:
    """Return a day."""
    found = parse_day(cell)
    if found is None:
        raise GrantError("is not a day of the calendar; write it like 2026-10-31")
    return found


def yes(cell: str) -> bool:
    """Return whether a cell says yes."""
    word = cell.lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise GrantError("is neither 是 yes nor 否 no; write one of them")


def text(cell: str) -> str:
    """Return a text without outer spaces."""
    return cell


def number(cell: str) -> str:
    """Return a number that a spreadsheet has not spoilt."""
    if identifiers.is_excel_number(cell):
        raise GrantError(
            "was turned into a number by a spreadsheet, which loses digits; make the column text "
            "and type it again"
        )
    return cell


def sha256(cell: str) -> str:
    """Return a hash in lower case."""
    return cell.lower()


def tidy(cell: str) -> str:
    """Return a cell in half-width characters without outer spaces and guards of Excel."""
    plain = clean(cell)
    if plain.startswith('="') and plain.endswith('"'):
        plain = plain[2:-1]
    return plain.removeprefix("'").strip()


def _several(cell: str, known: Mapping[str, str], codes: Iterable[str]) -> tuple[str, ...]:
    """Return the codes of the words of a cell, each once, in their order.

    Words are separated by signs or spaces; a word of the list may contain a space itself.
    """
    found = dict[str, None]()
    for part in _BETWEEN.split(cell):
        for word in [part] if folded(part) in known else part.split():
            if (code := known.get(folded(word))) is None:
                told = ", ".join(f"{wording.ZH[code]} {code}" for code in codes)
                raise GrantError(f"has a word that is none of {told}; correct it")
            found[code] = None
    if not found:
        raise GrantError("names nothing; fill it")
    return tuple(found)
