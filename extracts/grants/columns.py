"""The columns of a table of grants: their headers, what they hold and how a cell is read."""

from collections.abc import Mapping
from dataclasses import dataclass

from consent import wording
from consent.grants import PURPOSES
from extracts.contracts import Bilingual
from extracts.grants import values
from extracts.grants.values import Reader, folded
from firmpulse.errors import DeliveryRefused
from firmpulse.sources import GRANTED_SOURCES


@dataclass(frozen=True)
class Field:
    """One column."""

    name: str
    # Headers of the template.
    header: Bilingual
    # Other headers that are understood; the name is one too.
    others: tuple[str, ...]
    required: bool
    # What to write into it.
    hint: Bilingual
    read: Reader

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.header.zh} {self.name}"


def _listed(codes: tuple[str, ...]) -> str:
    return "、".join(f"{wording.ZH[code]}（{code}）" for code in codes)


_ROLES_ZH = "、".join(values.ROLES_ZH.values())
FIRM_HEADERS = (
    "信用代码", "社会信用代码", "企业代码", "企业代号", "企业标识", "纳税人识别号", "税号", "uscc",
    "unified social credit code", "identifier", "company id", "enterprise id", "firm id",
)  # fmt: skip
FIELDS = (
    Field(
        "authorization_id", Bilingual("Authorisation number", "授权编号"),
        ("授权书编号", "authorisation id", "authorization number"), True,
        Bilingual("Number of the signed form: another one for each form, without a firm's code",
                  "所签授权书的编号，每份不同，不得含企业代码"),
        values.number,
    ),
    Field(
        "firm", Bilingual("Firm", "统一社会信用代码"), FIRM_HEADERS, True,
        Bilingual("Unified social credit code, or scheme:number, such as cumcm:E7",
                  "统一社会信用代码；其他编号体系写作“体系:编号”，如 cumcm:E7"),
        values.number,
    ),
    Field(
        "sources", Bilingual("Sources", "授权数据来源"),
        ("数据来源", "授权来源", "来源", "source", "data source", "data sources"), True,
        Bilingual(f"One or more of {', '.join(GRANTED_SOURCES)}",
                  f"可填多项，以顿号分隔：{_listed(GRANTED_SOURCES)}"),
        values.sources,
    ),
    Field(
        "purposes", Bilingual("Purposes", "授权目的"),
        ("目的", "使用目的", "用途", "授权用途", "purpose"), True,
        Bilingual(f"One or more of {', '.join(PURPOSES)}",
                  f"可填多项，以顿号分隔：{_listed(PURPOSES)}"),
        values.purposes,
    ),
    Field(
        "valid_from", Bilingual("Valid from", "授权起始日"),
        ("授权起始日期", "授权开始日期", "授权生效日", "授权生效日期", "生效日", "生效日期",
         "起始日期", "first day"), True,
        Bilingual("First day of the authorisation, such as 2026-10-31",
                  "授权的第一天，如 2026-10-31"),
        values.day,
    ),
    Field(
        "valid_to", Bilingual("Valid to", "授权截止日"),
        ("授权截止日期", "授权终止日", "授权终止日期", "授权到期日", "授权到期日期", "截止日期",
         "终止日", "终止日期", "到期日", "到期日期", "有效期至", "valid until", "last day"), False,
        Bilingual("Last day; empty: 30 days for an assessment, 12 months otherwise",
                  "授权的最后一天；不填则一次信用评估为 30 天，其他为 12 个月"),
        values.day,
    ),
    Field(
        "window_start", Bilingual("Data from", "数据起始日"),
        ("数据起始日期", "数据开始日期", "数据起始", "first day of data"), False,
        Bilingual("First day whose data may be used; empty: 6 months back for the bank, 36 for "
                  "other sources",
                  "可使用数据的第一天；不填则银行流水前推 6 个月，其他来源 36 个月"),
        values.day,
    ),
    Field(
        "recipient", Bilingual("Recipient", "接收方"), ("使用方", "被授权人", "被授权方"), False,
        Bilingual("Who may use the data, as in FIRMPULSE_RECIPIENT; empty: that one",
                  "可使用数据的机构，与 FIRMPULSE_RECIPIENT 一致；不填即为该机构"),
        values.text,
    ),
    Field(
        "grantor_role", Bilingual("Signed by", "签署人身份"), ("授权人身份", "role"), False,
        Bilingual("legal_representative, authorised_agent, proprietor or founder; empty: "
                  "legal_representative",
                  f"{_ROLES_ZH}；不填为法定代表人"),
        values.role,
    ),
    Field(
        "separate_consent", Bilingual("Separate consent", "单独同意"), ("是否单独同意",), False,
        Bilingual("yes if bank or founder_credit was agreed to separately on the form; else no",
                  "银行流水、创业者信用已在授权书上单独勾选同意的填“是”，否则填“否”或不填"),
        values.yes,
    ),
    Field(
        "keep_results", Bilingual("Keep results", "保留结果"), ("是否保留结果",), False,
        Bilingual("yes if results in use may stay after the end; else no",
                  "授权结束后已使用的结果可以保留的填“是”，否则填“否”或不填"),
        values.yes,
    ),
    Field(
        "text_version", Bilingual("Text version", "授权书版本"), ("授权文本版本", "文本版本"), True,
        Bilingual(f"Version of the text that was signed, such as {wording.CURRENT}",
                  f"所签授权书文本的版本，如 {wording.CURRENT}"),
        values.text,
    ),
    Field(
        "text_sha256", Bilingual("Text SHA-256", "授权书校验值"), ("授权书 SHA-256",), False,
        Bilingual("SHA-256 of the text, only if it is your own",
                  "使用自有授权书文本时，填其 SHA-256"),
        values.sha256,
    ),
)  # fmt: skip
BY_NAME: Mapping[str, Field] = {field.name: field for field in FIELDS}
_BY_HEADER = {
    folded(header): field
    for field in FIELDS
    for header in (field.name, field.header.zh, field.header.en, *field.others)
}


def field_of(title: str) -> Field | None:
    """Return the column of a header; None for one that is not read."""
    return _BY_HEADER.get(folded(title))


def places(file: str, header: tuple[str, ...]) -> dict[str, int]:
    """Return the position of each column under a header.

    Raises:
        DeliveryRefused: two columns are the same, or a required one is missing.
    """
    found = dict[str, int]()
    for place, title in enumerate(header):
        if field := field_of(title):
            if field.name in found:
                raise DeliveryRefused(
                    f"{file} has two columns for {field.label}: columns {found[field.name] + 1} "
                    f"and {place + 1}; leave one"
                )
            found[field.name] = place
    if lacking := [f.label for f in FIELDS if f.required and f.name not in found]:
        raise DeliveryRefused(
            f"{file} has no column for {', '.join(lacking)}; name it in the first row, as in: "
            f"firmpulse consent template --to grants.xlsx"
        )
    return found
