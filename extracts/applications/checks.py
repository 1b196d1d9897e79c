"""Check an application field by field, fast enough for a form to call on every change."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from extracts.applications import texts as texts
from firmpulse import industries, uscc
from firmpulse.industries import Section

FieldMessage = texts.FieldMessage
_say = texts.say

_DATE = re.compile(r"(\d{4})(?:-|/|\.|年)(\d{1,2})(?:-|/|\.|月)(\d{1,2})日?|(\d{4})(\d{2})(\d{2})")
_INDUSTRY = re.compile(r"([A-Z])?(\d{2,4})?")
_COOPERATIVE_LICENCE = re.compile(r"\d{6}NA\d{6}X")
_SCIENTIFIC = re.compile(r"\d(\.\d+)?E\+?\d+")
# Private businesses could register again once the registry was founded in that year.
_FIRST_YEAR = 1978
_LONGEST_NAME = 100
_CODE_LENGTH, _REGISTRATION_LENGTH = 18, 15
# Sections in which a kind of business does not work; a person checks these.
_UNUSUAL = {uscc.ENTERPRISE: "ST", uscc.HOUSEHOLD: "DJST", uscc.COOPERATIVE: "BDEIJKPQST"}


@dataclass(frozen=True)
class Application:
    """One application as typed; an empty text is a missing field."""

    name: str = ""
    uscc: str = ""
    founded: str = ""
    licence_no: str = ""
    industry: str = ""


def check(
    application: Application, on: date, is_accepted: Callable[[str], bool] = lambda _: False
) -> tuple[FieldMessage, ...]:
    """Return what is wrong or odd, field by field, then across fields; nothing when all is well.

    Args:
        application: the fields as typed.
        on: the day of the application, for the founding date.
        is_accepted: whether a person has accepted a non-standard code; `consent.codes.Codes`.
    """
    code = uscc.normalise(application.uscc)
    sound = uscc.problem(code) is None or is_accepted(code)
    section = _section(clean(application.industry).upper())
    return (
        *_check_name(clean(application.name)),
        *_check_uscc(code, is_sound=sound),
        *_check_founded(clean(application.founded), on),
        *_check_licence(uscc.normalise(application.licence_no), code if sound else ""),
        *_check_industry(clean(application.industry).upper()),
        *(_check_together(clean(application.name), code, section) if sound else ()),
    )


def clean(text: str) -> str:
    """Return the text in half-width characters without invisible marks and outer spaces."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(c for c in folded if unicodedata.category(c) != "Cf").strip()


def registration_check(body: str) -> str:
    """Return the 15th digit of a registration number; source: GS 15-2006, ISO 7064 MOD 11,10."""
    carried = 10
    for digit in body:
        carried = ((carried + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - carried) % 10)


def parse_day(text: str) -> date | None:
    """Return the day of a date as people write it, or None."""
    found = _DATE.fullmatch(text.replace(" ", "").removesuffix("00:00:00"))
    if not found:
        return None
    try:
        year, month, day = (int(part) for part in found.groups() if part is not None)
        return date(year, month, day)
    except ValueError:
        return None


def _check_name(name: str) -> Iterator[FieldMessage]:
    if not name:
        yield _say("name", "missing")
    elif any(unicodedata.category(c).startswith("C") for c in name):
        yield _say("name", "name_characters")
    elif not any(c.isalpha() for c in name):
        yield _say("name", "name_letters")
    elif len(name) > _LONGEST_NAME:
        yield _say("name", "name_length", length=len(name), longest=_LONGEST_NAME)


def _check_uscc(code: str, *, is_sound: bool) -> Iterable[FieldMessage]:
    if not code:
        return (_say("uscc", "missing"),)
    if _SCIENTIFIC.fullmatch(code):
        return (_say("uscc", "scientific"),)
    if is_sound and uscc.problem(code) is not None:
        return (_say("uscc", "accepted_code"),)
    findings = uscc.check(code)
    # A letter that no code uses is likely a typing error; its message says which digit is meant.
    is_slip = any(finding.code == "illegal_character" for finding in findings)
    may_be_issued = uscc.is_off_standard(code) and not is_slip
    zh, en = texts.ACCEPT_CODE if may_be_issued else ("", "")
    return tuple(
        # A valid code may still belong to someone who cannot apply.
        FieldMessage(
            "uscc",
            "error" if finding.code == "not_enterprise" else finding.severity,
            finding.code,
            finding.zh + (zh if finding.severity == "error" else ""),
            finding.en + (en if finding.severity == "error" else ""),
        )
        for finding in findings
    )


def _check_founded(text: str, on: date) -> Iterator[FieldMessage]:
    day = parse_day(text)
    if not text:
        yield _say("founded", "missing")
    elif day is None:
        yield _say("founded", "not_a_date")
    elif day > on:
        yield _say("founded", "founded_in_future", on=on)
    elif day.year < _FIRST_YEAR:
        yield _say("founded", "founded_early", year=_FIRST_YEAR)


def _check_licence(number: str, code: str) -> Iterator[FieldMessage]:
    """Check a licence number: the code itself, or the 15-digit number from before 2015."""
    if not number:
        yield _say("licence_no", "missing")
    elif _SCIENTIFIC.fullmatch(number):
        yield _say("licence_no", "scientific")
    elif len(number) == _CODE_LENGTH:
        if code and number != code:
            yield _say("licence_no", "licence_differs")
        elif not code and uscc.problem(number):
            yield _say("licence_no", "licence_wrong")
    elif len(number) != _REGISTRATION_LENGTH:
        yield _say("licence_no", "licence_length", length=len(number))
    elif not (number.isascii() and number.isdigit()):
        if not _COOPERATIVE_LICENCE.fullmatch(number):
            yield _say("licence_no", "licence_letters")
    else:
        yield from _check_registration(number, code)


def _check_registration(number: str, code: str) -> Iterator[FieldMessage]:
    if registration_check(number[:14]) != number[14]:
        yield _say("licence_no", "licence_check")
        return
    # An accepted code may name no province.
    provinces = {number[:2], *({code[2:4]} & uscc.PROVINCES.keys())}
    if not provinces <= uscc.PROVINCES.keys():
        yield _say("licence_no", "licence_province")
    elif len(provinces - {"10"}) > 1:
        yield _say("licence_no", "licence_moved")


def _check_industry(text: str) -> Iterator[FieldMessage]:
    if not text:
        yield _say("industry", "missing")
        return
    section = _section(text)
    if section is None:
        yield _say("industry", "unknown_industry")
    elif text[0].isalpha() and text[0].isascii() and text[0] != section.letter:
        yield _say("industry", "wrong_section", division=text[1:].strip()[:2], right=section.letter)


def _section(text: str) -> Section | None:
    """Return the section of a code such as C, 39, C39 or 3921, or of a section's Chinese name."""
    text = text.replace(" ", "")
    found = _INDUSTRY.fullmatch(text)
    if found and found[2]:
        return industries.section_of(found[2])
    if found and found[1]:
        return industries.BY_LETTER.get(found[1])
    names = {_plain(name): s for s in industries.SECTIONS for name in (s.official_zh, s.zh)}
    return names.get(_plain(text))


def _plain(name: str) -> str:
    return re.sub("[、,]", "", name).removesuffix("业")


def _check_together(name: str, code: str, section: Section | None) -> Iterator[FieldMessage]:
    kind = code[:2]
    if section and section.letter in _UNUSUAL.get(kind, ""):
        yield _say("industry", "unusual_industry", section=section.zh, section_en=section.en)
    if kind == uscc.HOUSEHOLD and name.endswith(("公司", "企业")):
        yield _say("name", "household_name")
    if kind in (uscc.ENTERPRISE, uscc.HOUSEHOLD) and name.endswith("专业合作社"):
        yield _say("name", "cooperative_name")
