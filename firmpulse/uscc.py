"""Unified social credit code (GB 32100-2015): normalise, and check with one finding per fault."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_VALUE = {character: value for value, character in enumerate(ALPHABET)}
WEIGHTS = tuple(pow(3, position, 31) for position in range(17))
LENGTH = 18
# Letters that look alike on paper; a person decides.
_SUGGESTION = {"O": "0", "I": "1", "Z": "2", "S": "5", "V": "U"}

# GB 11714-1997: letters count from A = 10 in the full alphabet, unlike in the whole code.
_ORGANISATION = slice(8, 17)
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
ORGANISATION_CHECKS = "0X987654321"

_DEPARTMENTS = frozenset("123456789ANY")
ENTERPRISE, HOUSEHOLD, COOPERATIVE = "91", "92", "93"
ENTERPRISES = frozenset((ENTERPRISE, HOUSEHOLD, COOPERATIVE))

# First two digits of GB/T 2260; 10 is the national registry.
PROVINCES = {
    "10": "全国", "11": "北京", "12": "天津", "13": "河北", "14": "山西", "15": "内蒙古",
    "21": "辽宁", "22": "吉林", "23": "黑龙江", "31": "上海", "32": "江苏", "33": "浙江",
    "34": "安徽", "35": "福建", "36": "江西", "37": "山东", "41": "河南", "42": "湖北",
    "43": "湖南", "44": "广东", "45": "广西", "46": "海南", "50": "重庆", "51": "四川",
    "52": "贵州", "53": "云南", "54": "西藏", "61": "陕西", "62": "甘肃", "63": "青海",
    "64": "宁夏", "65": "新疆", "71": "台湾", "81": "香港", "82": "澳门",
}  # fmt: skip


class CodeFault(NamedTuple):
    """One finding about a code; its texts contain at most one character of the code."""

    code: str
    severity: Severity
    zh: str
    # Begins with "The code".
    en: str


def normalise(value: str) -> str:
    """Return the code in half-width upper case without spaces, hyphens and invisible marks."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _plain(value)).upper())
    # An accent may now follow a letter directly, after the space between them is gone.
    return unicodedata.normalize("NFKC", _plain(folded))


def _plain(text: str) -> str:
    return "".join(character for character in text if not _is_decoration(character))


@cache
def _is_decoration(character: str) -> bool:
    # Pd: every kind of hyphen. Cc, Cf: marks that nobody sees. The apostrophe is an Excel guard.
    return (
        character.isspace()
        or character == "'"
        or unicodedata.category(character) in ("Pd", "Cc", "Cf")
    )


def check_character(body: str) -> str:
    """Return the 18th character for the first 17; source: GB 32100-2015, mod 31."""
    total = sum(_VALUE[c] * w for c, w in zip(body, WEIGHTS, strict=True))
    return ALPHABET[(31 - total % 31) % 31]


def organisation_check(body: str) -> str:
    """Return the 9th character of an organisation code; source: GB 11714-1997, mod 11."""
    total = sum(int(c, 36) * w for c, w in zip(body, ORGANISATION_WEIGHTS, strict=True))
    return ORGANISATION_CHECKS[total % 11]


def check(value: str) -> tuple[CodeFault, ...]:
    """Return the problems and oddities of a normalised code, in reporting order.

    First length, then characters; only if these are right, the registry and its place, the check
    character, and as a warning the organisation code inside. The expected check character is
    never shown, so that a typing error does not become another firm's code.
    """
    if len(value) != LENGTH:
        return (_length(value),)
    illegal = tuple(_illegal(position, c) for position, c in enumerate(value, 1) if c not in _VALUE)
    return illegal or tuple(_findings(value))


def problem(value: str) -> str | None:
    """Return the first error of a normalised code, to follow "the code"; None when it has none."""
    errors = (finding.en for finding in check(value) if finding.severity == "error")
    first = next(errors, None)
    return None if first is None else first.removeprefix("The code ")


def is_off_standard(value: str) -> bool:
    """Whether a registry may have issued a code although it is wrong.

    That is: an enterprise's prefix, six digits of a division, and 18 characters. What may be wrong
    is the check character, the province, and letters that the standard leaves out (I, O, S, V, Z).
    A person who has seen the licence can record such a code (`consent.codes`).
    """
    return (
        len(value) == LENGTH
        and value[:2] in ENTERPRISES
        and all(character in "0123456789" for character in value[2:8])
        and all(character in _VALUE or character in _SUGGESTION for character in value)
        and problem(value) is not None
    )


def may_be_issued(value: str) -> bool:
    """Whether a text may be a firm's code, standard or not; if so, it must not be stored."""
    return problem(value) is None or is_off_standard(value)


def _findings(value: str) -> Iterator[CodeFault]:
    if value[0] not in _DEPARTMENTS:
        yield CodeFault(
            "unknown_registration", "error",
            "第 1 位不是任何登记管理部门的代码",
            "The code begins with a character that is not a registration department",
        )  # fmt: skip
    elif value[:2] not in ENTERPRISES:
        yield CodeFault(
            "not_enterprise", "warning",
            "非企业主体：企业、个体工商户和农民专业合作社的代码以 91、92 或 93 开头",
            "The code is not that of an enterprise: enterprises, individual businesses and "
            "farmers' cooperatives begin with 91, 92 or 93",
        )  # fmt: skip
    if value[2:4] not in PROVINCES:
        yield CodeFault(
            "unknown_province", "error",
            "第 3、4 位不是任何省级行政区划的代码",
            "The code has no known province at positions 3 and 4",
        )  # fmt: skip
    if check_character(value[:17]) != value[17]:
        yield CodeFault(
            "check_character", "error",
            "校验码不符：至少有一位输错，请对照营业执照",
            "The code does not match its check character: one of the characters is mistyped",
        )  # fmt: skip
    elif organisation_check(value[_ORGANISATION][:8]) != value[_ORGANISATION][8]:
        yield CodeFault(
            "organisation_code", "warning",
            "第 9–17 位组织机构代码的校验位（第 17 位）不符，请对照营业执照",
            "The code contains an organisation code (positions 9 to 17) that does not match its "
            "check character at position 17; compare it with the licence",
        )  # fmt: skip


def _length(value: str) -> CodeFault:
    return CodeFault(
        "length", "error",
        f"应为 {LENGTH} 位，实为 {len(value)} 位",
        f"The code has {len(value)} characters instead of {LENGTH}",
    )  # fmt: skip


def _illegal(position: int, character: str) -> CodeFault:
    hint = _SUGGESTION.get(character)
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    return CodeFault(
        "illegal_character", "error",
        f"第 {position} 位的“{shown}”不用于统一社会信用代码"
        + (f"，是否为“{hint}”？" if hint else ""),
        f"The code has '{shown}' at position {position}, which no code uses"
        + (f"; is it {hint}?" if hint else ""),
    )  # fmt: skip
