"""The sources of a firm's data: their codes, and what people call them in both languages.

The names of what a firm grants are those of the authorisation text that it signs
(`consent/texts`), so that a report, a page and a certificate say what was signed.
"""

from typing import NamedTuple

MAIN_SOURCES = ("tax", "bank", "supply_chain", "power")
SUPPLEMENTS = ("founder_credit", "project_contracts")
# What a firm grants; the lender's own records need no grant.
GRANTED_SOURCES = (*MAIN_SOURCES, *SUPPLEMENTS)
SOURCES = (*GRANTED_SOURCES, "lender")


class Name(NamedTuple):
    """What a source is called."""

    zh: str
    en: str


NAMES = {
    "tax": Name("税务", "Tax"),
    "bank": Name("银行流水", "Bank transactions"),
    "supply_chain": Name("供应链", "Supply chain"),
    "power": Name("电力", "Power"),
    "founder_credit": Name("创业者信用", "Founder's credit"),
    "project_contracts": Name("项目合同", "Project contracts"),
    "lender": Name("贷款机构", "Lender"),
}
