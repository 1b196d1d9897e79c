"""The sources of a firm's data: their codes, and their names in both languages.

The names of granted sources are those of the authorisation text that a firm signs
(`consent/texts`), so that reports, pages and certificates use the signed words.
"""

from typing import NamedTuple

MAIN_SOURCES = ("tax", "bank", "supply_chain", "power")
SUPPLEMENTS = ("founder_credit", "project_contracts", "public_records")
# Sources that a firm grants; the lender's own records need no grant.
GRANTED_SOURCES = (*MAIN_SOURCES, *SUPPLEMENTS)
SOURCES = (*GRANTED_SOURCES, "lender")


class Name(NamedTuple):
    """The names of a source."""

    zh: str
    en: str


NAMES = {
    "tax": Name("税务", "Tax"),
    "bank": Name("银行流水", "Bank transactions"),
    "supply_chain": Name("供应链", "Supply chain"),
    "power": Name("电力", "Power"),
    "founder_credit": Name("创业者信用", "Founder's credit"),
    "project_contracts": Name("项目合同", "Project contracts"),
    "public_records": Name("工商与司法公开信息", "Public records"),
    "lender": Name("贷款机构", "Lender"),
}
