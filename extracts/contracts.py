"""Data contracts: one Open Data Contract Standard file per table, as frozen dataclasses."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from extracts import key_trust
from extracts.column_reading import AS_IN_CONTRACT, ColumnReading
from extracts.key_trust import KeyTrust
from extracts.reading import alternatives
from extracts.reading.alternatives import Alternatives
from firmpulse import yaml_files
from firmpulse.errors import ContractError

FOLDER = Path(__file__).parent / "contracts"

# How a column is read; the first four are strings in the database.
KINDS = ("text", "code", "tax_no", "enum", "date", "month", "timestamp", "decimal", "integer",
         "boolean")  # fmt: skip
_KIND_OF_PHYSICAL = {
    "varchar": "text",
    "date": "date",
    "timestamp": "timestamp",
    "integer": "integer",
    "boolean": "boolean",
}
_DECIMAL = re.compile(r"decimal\(\d+,\d+\)")
_MASKS = re.compile(r"keep|drop|category|token:[a-z_]+")
_LEVELS = ("L1", "L2", "L3", "L4", "L5")


@dataclass(frozen=True)
class Column:
    """One column of a contract."""

    name: str
    # What it means, in English; the first header is the Chinese name.
    description: str
    # Headers that providers use for it; the first is the usual one.
    headers: tuple[str, ...]
    # Headers with another unit, such as 金额(万元), to the factor that converts to `unit`.
    scaled_headers: Mapping[str, Decimal]
    kind: str
    # DuckDB type in the vault.
    physical_type: str
    required: bool
    # JR/T 0197 level: L1 public to L5 important.
    level: str
    personal: bool
    # How it is masked on the way to the warehouse: keep, drop, category or token:<domain>.
    mask: str
    unit: str | None
    # Text in a file, half-width and trimmed, to canonical value; empty unless an enum.
    values: Mapping[str, str]
    # SQL comparison that every value meets, such as "> 0".
    bound: str | None
    # Which other party of the row it describes; null where that is no party (`reading.nobody`).
    party: str | None
    # What a file may have instead of one column with one of the headers.
    alternatives: Alternatives
    # How a file writes it, and each part of it, if a mapping says so.
    reading: ColumnReading = AS_IN_CONTRACT
    part_readings: Mapping[str, ColumnReading] = field(default_factory=dict)


@dataclass(frozen=True)
class Bilingual:
    """One text in both languages."""

    en: str
    zh: str


@dataclass(frozen=True)
class Contract:
    """What one table of a source looks like, and when its rows become known."""

    table: str
    # Chinese name of the table.
    name_zh: str
    version: str
    source: str
    grain: Bilingual
    # When a row first becomes known; `available_at` is the formula.
    publication_lag: Bilingual
    columns: tuple[Column, ...]
    # Natural key within one firm, in order.
    key: tuple[str, ...]
    # SQL over the columns and `delivered_on`: identifier of the firm, without its scheme.
    firm: str
    available_at: str
    event_at: str
    # Whether rows before a grant's history window are refused.
    windowed: bool
    grant_required: bool
    # SQL condition under which the natural key is a key; otherwise the whole row is.
    key_when: str | None
    # SQL of the day, if the provider's numbering restarts each day; a part of the key.
    key_within: str | None
    key_trust: KeyTrust
    # Column that orders the versions of one key.
    version_order: str | None
    # Name to SQL condition of rows that land and are counted as warnings.
    warnings: Mapping[str, str]

    def column(self, name: str) -> Column:
        """Return a column by name; `KeyError` if the contract has none."""
        return {column.name: column for column in self.columns}[name]


def normalise_text(text: str) -> str:
    """Return the text of an enum in comparable form: NFKC, no surrounding or zero-width space."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(c for c in folded if c not in "\u200b\u200c\u200d\ufeff").strip()


@lru_cache(maxsize=16_384)
def normalise_header(text: str) -> str:
    """Return a header in comparable form: the same without any space, as in 日 志 号."""
    return "".join(normalise_text(text).split())


@cache
def load() -> Mapping[str, Contract]:
    """Return every contract by table name.

    Raises:
        ContractError: a file contradicts itself; the message names file and column.
    """
    contracts = [read(path) for path in sorted(FOLDER.glob("*.yml"))]
    return MappingProxyType({contract.table: contract for contract in contracts})


def read(path: Path) -> Contract:
    """Return the contract of one file.

    Raises:
        ContractError: the file is not a contract or contradicts itself.
    """
    try:
        document = yaml_files.read(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContractError(f"{path.name} is not YAML in UTF-8: {error}") from None
    try:
        contract = _contract(document)
    except KeyError as error:
        raise ContractError(f"{path.name} lacks {error}") from None
    except (TypeError, ValueError) as error:
        raise ContractError(f"{path.name}: {error}") from None
    if contract.table != path.stem:
        raise ContractError(f"{path.name} describes {contract.table!r}; name the file after it")
    return contract


def _contract(document: dict[str, Any]) -> Contract:
    if document["kind"] != "DataContract" or len(document["schema"]) != 1:
        raise ValueError("expected kind DataContract with one table in schema")
    (table,) = document["schema"]
    own = _custom(table)
    columns = tuple(_column(entry) for entry in table["properties"])
    names = [column.name for column in columns]
    parts = [part.name for column in columns for part in column.alternatives.parts]
    _reject_repeated([*names, *parts], "column")
    _reject_repeated(_all_headers(columns), "header")
    _reject_parties_without_number(columns)
    directions = {column.name: frozenset(column.values.values()) for column in columns}
    for column in columns:
        column.alternatives.check(directions)
    version_order = own.get("versionOrder")
    if version_order is not None and version_order not in names:
        raise ValueError(f"versionOrder names no column: {version_order!r}")
    return Contract(
        table=table["name"],
        name_zh=table["businessName"],
        version=document["version"],
        source=document["domain"],
        grain=Bilingual(table["dataGranularityDescription"], own["grainZh"]),
        publication_lag=Bilingual(**own["publicationLag"]),
        columns=columns,
        key=_key(table["properties"]),
        firm=own["firm"],
        available_at=own["availableAt"],
        event_at=own["eventAt"],
        windowed=own["windowed"],
        grant_required=own["grantRequired"],
        key_when=own.get("keyWhen"),
        key_within=own.get("keyWithin"),
        key_trust=key_trust.read(own["keyRepeats"], names),
        version_order=version_order,
        warnings=MappingProxyType(own.get("warnings", {})),
    )


def _column(entry: dict[str, Any]) -> Column:
    own = _custom(entry)
    name = entry["name"]
    factors = own.get("scaledHeaders", {}).items()
    other = alternatives.read(own)
    column = Column(
        name=name,
        description=entry["description"],
        headers=_headers(entry["businessName"], own, other),
        scaled_headers=MappingProxyType({text: Decimal(str(factor)) for text, factor in factors}),
        kind=_kind(entry, own),
        physical_type=entry["physicalType"],
        required=entry["required"],
        level=entry["classification"],
        personal=own["personalInformation"],
        mask=own["mask"],
        unit=own.get("unit"),
        values=MappingProxyType(_values(own.get("values", {}))),
        bound=_bound(entry.get("logicalTypeOptions", {})),
        party=own.get("party"),
        alternatives=other,
    )
    if not _MASKS.fullmatch(column.mask):
        raise ValueError(f"{name}: mask {column.mask!r} must be keep, drop, category or token:…")
    if column.level not in _LEVELS:
        raise ValueError(f"{name}: classification {column.level!r} must be L1 to L5")
    return column


def _headers(usual: str, own: dict[str, Any], other: Alternatives) -> tuple[str, ...]:
    """Return the headers of a column; a day or a time may be there alone."""
    pair = other.day_and_clock
    apart = (*pair.day.headers, *pair.clock.headers) if pair else ()
    listed = own.get("headers", [])
    return (usual, *listed, *(header for header in apart if header != usual))


def _values(declared: Mapping[str, str]) -> dict[str, str]:
    """Return each text with its value, in the order of the file: they are tried one by one."""
    texts: dict[str, list[str]] = {}
    for text, value in declared.items():
        texts.setdefault(value, []).append(normalise_text(text))
    return {text: value for value, found in texts.items() for text in (*found, value)}


def _kind(entry: dict[str, Any], own: dict[str, Any]) -> str:
    physical = entry["physicalType"]
    if _DECIMAL.fullmatch(physical):
        return "decimal"
    if physical not in _KIND_OF_PHYSICAL:
        raise ValueError(f"{entry['name']}: no reading for physicalType {physical!r}")
    kind = "enum" if "values" in own else own.get("kind", _KIND_OF_PHYSICAL[physical])
    if kind not in KINDS:
        raise ValueError(f"{entry['name']}: kind {kind!r} is none of {', '.join(KINDS)}")
    return str(kind)


def _bound(options: dict[str, Any]) -> str | None:
    if "exclusiveMinimum" in options:
        return f"> {options['exclusiveMinimum']:d}"
    if {"minimum", "maximum"} <= options.keys():
        return f"between {options['minimum']:d} and {options['maximum']:d}"
    if "minimum" in options:
        return f">= {options['minimum']:d}"
    return None


def _key(properties: list[dict[str, Any]]) -> tuple[str, ...]:
    parts = {p["primaryKeyPosition"]: p["name"] for p in properties if p.get("primaryKey")}
    if sorted(parts) != list(range(1, len(parts) + 1)) or not parts:
        raise ValueError("primaryKeyPosition must count 1, 2, … over the primaryKey columns")
    return tuple(parts[position] for position in sorted(parts))


def _custom(entry: dict[str, Any]) -> dict[str, Any]:
    return {item["property"]: item["value"] for item in entry["customProperties"]}


def _all_headers(columns: Iterable[Column]) -> list[str]:
    return [
        normalise_header(header)
        for c in columns
        for header in (*c.headers, *c.scaled_headers, *c.alternatives.own_headers)
    ]


def _reject_parties_without_number(columns: Iterable[Column]) -> None:
    """Refuse a party without a number column: its names and accounts are judged by its number."""
    numbered = {column.party for column in columns if column.kind == "tax_no"}
    for column in columns:
        if column.party not in numbered | {None}:
            raise ValueError(f"{column.name}: party {column.party!r} has no column of kind tax_no")


def _reject_repeated(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} {name!r} appears twice")
        seen.add(name)
