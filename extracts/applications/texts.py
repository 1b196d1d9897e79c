"""Messages about a field of an application, in Chinese and English.

No text holds a value of an application, apart from lengths, single characters and industries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from consent.codes import COMMAND, NEXT_STEP
from firmpulse.uscc import Severity


@dataclass(frozen=True)
class FieldMessage:
    """One message to show beside a field: `error` stops the application, `warning` does not."""

    field: str
    severity: Severity
    code: str
    zh: str
    en: str


# Field → its Chinese and English name.
FIELDS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "name": ("企业名称", "name"),
    "uscc": ("统一社会信用代码", "unified social credit code"),
    "founded": ("成立日期", "founding date"),
    "licence_no": ("营业执照号", "licence number"),
    "industry": ("行业", "industry"),
    "row": ("整行", "row"),
})  # fmt: skip

# Added to the message about a code that a person could accept.
ACCEPT_CODE = (
    f"；若执照确为此代码，请专人登记例外：{COMMAND}",
    f"; {NEXT_STEP}",
)

# Code → severity, Chinese, English.
TEXTS: Mapping[str, tuple[Severity, str, str]] = MappingProxyType({
    "missing": ("error", "请填写{field_zh}", "The {field_en} is missing"),
    "scientific": (
        "error",
        "被 Excel 转成了科学计数法，数位已丢失；请将该列设为文本后重新填写",
        "Excel turned it into scientific notation and digits are lost; make the column text "
        "and type it again",
    ),
    "accepted_code": (
        "warning", "不符合 GB 32100，已由专人登记为例外",
        "It violates GB 32100 and was accepted by a person",
    ),
    "name_characters": (
        "error", "含有不可见的控制字符，请重新输入", "It has control characters; type it again",
    ),
    "name_letters": (
        "error", "名称中没有文字，请填写营业执照上的名称",
        "It contains no letter; give the name as on the licence",
    ),
    "name_length": (
        "error", "长度为 {length} 个字符，最多 {longest} 个",
        "It has {length} characters; at most {longest} are allowed",
    ),
    "not_a_date": (
        "error", "不是有效日期，请写成 2015-03-01",
        "It is not a calendar date; write it as 2015-03-01",
    ),
    "founded_in_future": ("error", "晚于申请日 {on}", "It is after the day of application, {on}"),
    "founded_early": (
        "warning", "早于 {year} 年，请对照营业执照",
        "It is before {year}; compare it with the licence",
    ),
    "licence_length": (
        "error", "应为 15 位注册号或 18 位统一社会信用代码，实为 {length} 位",
        "It has {length} characters; a registration number has 15 and a unified code 18",
    ),
    "licence_differs": (
        "error", "18 位执照号应与统一社会信用代码相同",
        "A licence number of 18 characters must equal the unified social credit code",
    ),
    "licence_wrong": (
        "error", "18 位执照号不是有效的统一社会信用代码",
        "It has 18 characters but is not a valid unified social credit code",
    ),
    "licence_check": (
        "error", "注册号校验位不符：至少有一位输错，请对照营业执照",
        "It does not match its check digit: one of the digits is mistyped",
    ),
    "licence_province": (
        "error", "前两位不是任何省级行政区划的代码", "Its first two digits name no province",
    ),
    "licence_moved": (
        "warning", "注册号与统一社会信用代码的省份不同，请对照营业执照",
        "Its province differs from that of the unified code; compare both with the licence",
    ),
    "licence_letters": (
        "warning", "含有字母，无法校验，请对照营业执照",
        "It contains letters and cannot be checked; compare it with the licence",
    ),
    "unknown_industry": (
        "error", "不是国民经济行业分类（GB/T 4754）的门类、大类、中类或小类，例如 C、39、3921",
        "It is not a section, division, group or class of GB/T 4754, e.g. C, 39 or 3921",
    ),
    "wrong_section": (
        "error", "大类 {division} 属于门类 {right}",
        "Division {division} belongs to section {right}",
    ),
    "unusual_industry": (
        "warning", "该类主体通常不从事{section}行业，请核对",
        "This kind of business is unusual in {section_en}; check the industry and the code",
    ),
    "household_name": (
        "warning", "个体工商户的名称不使用“公司”或“企业”，请核对名称与代码",
        "The code is of an individual business, but the name is of a company; check both",
    ),
    "cooperative_name": (
        "warning", "名称为专业合作社，但代码不是农民专业合作社的代码，请核对",
        "The name is of a farmers' cooperative, but the code is not; check both",
    ),
    "duplicate": (
        "warning", "与第 {first} 行的统一社会信用代码相同",
        "It has the same unified social credit code as row {first}",
    ),
    "row_shape": (
        "error", "该行有 {found} 列，表头有 {expected} 列；请检查逗号和引号",
        "The row has {found} columns, the header {expected}; check commas and quotes",
    ),
})  # fmt: skip


def say(field: str, code: str, **values: object) -> FieldMessage:
    """Return the message of a code for a field."""
    severity, zh, en = TEXTS[code]
    field_zh, field_en = FIELDS[field]
    filled = values | {"field_zh": field_zh, "field_en": field_en}
    return FieldMessage(field, severity, code, zh.format(**filled), en.format(**filled))
