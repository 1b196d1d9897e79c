"""The contracts as one page for a provider's engineer: Chinese and English, self-contained."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from extracts.contracts import Bilingual, Column, Contract
from extracts.manifest import DeliveredFile
from extracts.reading.alternatives import ByDirection, Part
from firmpulse.sources import NAMES, Name

_TEMPLATES = Path(__file__).with_name("templates")

KINDS = {
    "text": Bilingual("Text", "文本"),
    "code": Bilingual("Code, as text", "编码（文本）"),
    "tax_no": Bilingual("Taxpayer number", "税号"),
    "enum": Bilingual("One of the values", "枚举"),
    "date": Bilingual("Date", "日期"),
    "month": Bilingual("Month", "月份"),
    "timestamp": Bilingual("Time in China", "北京时间"),
    "decimal": Bilingual("Number", "数值"),
    "integer": Bilingual("Whole number", "整数"),
    "boolean": Bilingual("Yes or no", "是/否"),
}
_FATES = {
    "keep": Bilingual("kept", "保留"),
    "drop": Bilingual("dropped", "删除"),
    "category": Bilingual("category only", "仅留类别"),
    "token": Bilingual("tokenised", "换成代号"),
}
_UNITS = {
    "CNY": "元", "kWh": "千瓦时", "kVA": "千伏安", "days": "天", "months": "个月",
    "persons": "人", "pieces": "件", "share": "比例",
}  # fmt: skip

# Two example files; the second says which sheet to read and which header means which column.
EXAMPLE: Mapping[str, Any] = {
    "manifest_version": 1,
    "delivery_id": "tax-20260331",
    "source": "tax",
    "provider": "your-company",
    "kind": "increment",
    "period_start": "2026-03-31",
    "period_end": "2026-03-31",
    "delivered_at": "2026-04-01T01:30:00+08:00",
    "id_scheme": "uscc",
    "files": [
        {
            "name": "invoices-20260331.csv",
            "table": "tax_invoice",
            "format": "csv",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "rows": 1842,
            "constants": {"direction": "销项"},
        },
        {
            "name": "returns.xlsx",
            "table": "tax_vat_return",
            "format": "xlsx",
            "sheet": "申报表",
            "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
            "rows": 37,
            "headers": {"本期应纳税额": "payable"},
        },
    ],
}


@dataclass(frozen=True)
class Section:
    """The tables of one source."""

    source: str
    name: Name
    contracts: tuple[Contract, ...]


def render(contracts: Mapping[str, Contract]) -> str:
    """Return the page of all contracts as HTML; the same contracts give the same page."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "alternatives": alternatives, "fate": fate, "kind": kind, "unit": unit,
        "choices": choices, "bound": bound,
    }  # fmt: skip
    return environment.get_template("contracts.html.j2").render(
        sections=sections(contracts),
        formats=formats(),
        manifest=json.dumps(EXAMPLE, ensure_ascii=False, indent=2),
    )


def sections(contracts: Mapping[str, Contract]) -> Sequence[Section]:
    """Return the contracts by source, in the order in which readers meet the sources."""
    return [
        Section(source, name, tuple(c for c in contracts.values() if c.source == source))
        for source, name in NAMES.items()
    ]


def fate(column: Column) -> Bilingual:
    """Describe how a column is masked."""
    return _FATES[column.mask.partition(":")[0]]


def kind(column: Column) -> Bilingual:
    """Describe the cells of a column."""
    return KINDS[column.kind]


def unit(column: Column) -> Bilingual | None:
    """Return the unit of a column."""
    return Bilingual(column.unit, _UNITS[column.unit]) if column.unit else None


def bound(column: Column) -> str:
    """Return the bound of a column as people write it."""
    text = column.bound or ""
    return text.replace(">=", "≥").replace("between ", "").replace(" and ", "–")


def choices(column: Column) -> Mapping[str, Sequence[str]]:
    """Return the texts that a file may contain, by the value they mean."""
    texts: dict[str, list[str]] = {}
    for text, value in column.values.items():
        texts.setdefault(value, [])
        if text != value:
            texts[value].append(text)
    return texts


def alternatives(column: Column) -> Sequence[Bilingual]:
    """Describe what a file may have instead of one column with one of the headers."""
    other = column.alternatives
    told = []
    if other.split:
        told.append(_two(other.split, "or two columns, one of them filled", "或分两列，只填其一"))
    if other.chosen:
        told.append(_two(other.chosen, "or two columns by direction", "或按收支方向分两列"))
    if other.signed:
        told.append(Bilingual(
            f"or without {other.signed.direction} and with a sign: "
            f"+ is {other.signed.positive}, - is {other.signed.negative}",
            f"或不带 {other.signed.direction}，以正负号表示方向：正为 {other.signed.positive}，"
            f"负为 {other.signed.negative}",
        ))  # fmt: skip
    if other.day_and_clock:
        pair = (other.day_and_clock.day, other.day_and_clock.clock)
        day, clock = (f"{_listed(part)} ({part.name})" for part in pair)
        told.append(Bilingual(f"or the day in {day} and the time of day in {clock}",
                              f"或日期在 {day}，时间在 {clock}"))  # fmt: skip
    if other.side_by_side:
        over = ", ".join(other.side_by_side.over)
        told.append(Bilingual(
            f"or several of these headers side by side, one of them filled; {over} goes first "
            f"where {other.side_by_side.where}",
            f"或以上表头并列，每行填其一；{other.side_by_side.where} 时以 {over} 为准",
        ))  # fmt: skip
    if other.fallback_headers:
        texts = ", ".join(other.fallback_headers)
        told.append(Bilingual(f"in a file with none of these: {texts}", f"均无时取：{texts}"))
    return told


def _two(pair: ByDirection, en: str, zh: str) -> Bilingual:
    parts = [
        f"{value} = {_listed(part)}, {'/'.join(units)} ({part.name})" if (units := _units(part))
        else f"{value} = {_listed(part)} ({part.name})"
        for value, part in pair.parts.items()
    ]  # fmt: skip
    return Bilingual(f"{en}: {'; '.join(parts)}", f"{zh}：{'；'.join(parts)}")


def _listed(part: Part) -> str:
    return ", ".join(part.headers)


def _units(part: Part) -> Sequence[str]:
    """Return the units that may follow each header of a part."""
    return tuple(dict.fromkeys(f"…({text.rpartition('(')[2]}" for text in part.scaled_headers))


def formats() -> tuple[str, ...]:
    """Return the formats that a manifest may name."""
    return get_args(DeliveredFile.model_fields["format"].annotation)
