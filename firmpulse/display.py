"""Masks for what people see: enough to recognise one's own entry, too little to find a stranger.

Each function takes what is stored, in any spacing or width, and returns a text to show. What does
not have the shape it should have is hidden whole.
"""

import re
import unicodedata

from pydantic import SecretStr

from firmpulse import industries, uscc
from firmpulse.keys import tokens

_HIDDEN = "***"
_COMPOUND_SURNAMES = frozenset(
    "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 宇文 长孙 司徒 司空 夏侯 轩辕 端木 "
    "南宫 独孤 呼延 东郭 西门 百里 闻人 澹台 申屠 太史 公冶 钟离 鲜于 闾丘 拓跋 赫连 万俟 "
    "淳于 单于 太叔 仲孙 濮阳 公羊 子车 宗政 左丘 谷梁 段干 梁丘 东野 公西 漆雕 壤驷 乐正".split()
)
# As far as the district; a street never ends in one of these words.
_DISTRICT = re.compile(
    r"(?P<province>[^\W\d_]{2,8}?(?:省|自治区|特别行政区))?"
    r"(?P<city>[^\W\d_省区县路街道巷弄号镇乡村]{2,10}?(?:自治州|地区|盟|市))?"
    r"(?P<district>[^\W\d_省市路街道巷弄号镇乡村园室楼]{1,9}?(?:自治县|自治旗|新区|县|区|旗|市))?"
)
_EMAIL = re.compile(r"([^@\s])[^@\s]*@([^@\s]+\.[^@\s]+)")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def person_name(name: str) -> str:
    """Return the surname and a star for each further character: 张*, 欧阳**."""
    text = "".join(_folded(name).split())
    if len(text) < 2:
        return "*" * len(text)
    shown = 2 if text[:2] in _COMPOUND_SURNAMES and len(text) > 2 else 1
    if not "\u4e00" <= text[0] <= "\u9fff" or "·" in text:
        # How long a foreign name is tells much about it.
        return text[0] + _HIDDEN
    return text[:shown] + "*" * (len(text) - shown)


def id_card(number: str) -> str:
    """Return the first six and last four of a citizen's number; for internal pages only."""
    text = _compact(number).upper()
    if not re.fullmatch(r"\d{17}[\dX]|\d{15}", text, re.ASCII):
        return _HIDDEN
    return text[:6] + "*" * (len(text) - 10) + text[-4:]


def mobile(number: str) -> str:
    """Return a mobile number without its middle: 138****5678."""
    text = _compact(number)
    text = re.sub(r"^(?:\+|00)?86(?=\d{11}$)", "", text)
    if not re.fullmatch(r"1\d{10}", text, re.ASCII):
        return _HIDDEN
    return f"{text[:3]}****{text[-4:]}"


def bank_account(number: str) -> str:
    """Return the last four digits of an account: **** **** **** 1234."""
    text = _compact(number)
    if not re.fullmatch(r"\d{8,32}", text, re.ASCII):
        return _HIDDEN
    return f"**** **** **** {text[-4:]}"


def meter_no(number: str) -> str:
    """Return the last four characters of a customer number of the power supplier: ****1234."""
    text = _compact(number)
    if not re.fullmatch(r"[0-9A-Za-z]{8,32}", text):
        return _HIDDEN
    return f"****{text[-4:]}"


def address(text: str) -> str:
    """Return an address as far as its district: 广东省深圳市龙岗区***."""
    whole = "".join(_folded(text).split())
    found = _DISTRICT.match(whole)
    shown = found.group() if found else ""
    return shown + _HIDDEN if shown != whole else _HIDDEN if not shown else shown


def email(text: str) -> str:
    """Return the first character and the domain: z***@x.com."""
    found = _EMAIL.fullmatch(_folded(text).strip())
    return f"{found[1]}{_HIDDEN}@{found[2]}" if found else _HIDDEN


def counterparty(role: str, rank: int, industry: str | None, province: str | None) -> str:
    """Return what a lender's report calls a counterparty: 客户A (C制造/广东).

    Args:
        role: 客户 or 供应商.
        rank: 1 is the largest; after 26 comes AA.
        industry: GB/T 4754 code of two to four digits, None if unknown.
        province: first two digits of its division, None if unknown.

    Raises:
        ValueError: rank is below 1.
    """
    section = industries.section_of(industry or "")
    known = (
        f"{section.letter}{section.zh}" if section else "",
        uscc.PROVINCES.get(province or "", ""),
    )
    told = "/".join(part for part in known if part)
    return f"{role}{_column(rank)}" + (f" ({told})" if told else "")


def counterparty_code(key: SecretStr, code: str) -> str:
    """Return the token that stands for a counterparty's unified social credit code."""
    return str(tokens.firm_token(key, f"uscc:{uscc.normalise(code)}"))


def _column(rank: int) -> str:
    if rank < 1:
        raise ValueError(f"rank {rank} is below 1")
    letters = ""
    while rank:
        rank, letter = divmod(rank - 1, 26)
        letters = _LETTERS[letter] + letters
    return letters


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text)
    return "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Cc"))


def _compact(text: str) -> str:
    return re.sub(r"[\s\-–—']", "", _folded(text))
