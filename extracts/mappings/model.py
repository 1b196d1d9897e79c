"""A mapping as a file: which files are which table, which header is which column, and how."""

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from extracts.column_reading import DateFormat, Digits, Factor
from extracts.manifest import OfHistory, OfOurTime, ProviderName
from firmpulse import identifiers

# Factors from the units that files are written in, by the unit of a contract.
UNITS: Mapping[str, Mapping[str, Decimal]] = {
    "CNY": {
        "分": Decimal("0.01"), "元": Decimal(1), "千元": Decimal(1_000), "万元": Decimal(10_000),
        "CNY": Decimal(1),
    },
    "kWh": {
        "kWh": Decimal(1), "度": Decimal(1), "千瓦时": Decimal(1), "MWh": Decimal(1_000),
        "兆瓦时": Decimal(1_000), "万千瓦时": Decimal(10_000),
    },
}  # fmt: skip
_PLACEHOLDER = re.compile(r"\{([^}/]*)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _number(value: object) -> object:
    """Read the text of a number as a number: a mapping is YAML of texts."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return Decimal(value) if "." in value else int(value)
    return value


class MappedColumn(_Strict):
    """The contract column that a header brings, and how the file writes it."""

    to: str = Field(description="column of the contract, or a part such as amount_out")
    values: Mapping[str, str | None] = Field(
        default={}, description="text in the file to a text that the contract reads; null: empty"
    )
    format: DateFormat | None = Field(
        default=None, description="format of dates and times, as strptime: %d/%m/%Y %H:%M"
    )
    unit: Annotated[Factor | str | None, BeforeValidator(_number)] = Field(
        default=None, description="unit of the file, such as 万元, or the factor to the contract's"
    )
    decimal: Literal[".", ","] = Field(default=".", description="decimal mark of numbers")
    digits: Annotated[Digits | None, BeforeValidator(_number)] = Field(
        default=None,
        description="digits of a contract's, an account's or a firm's own number in cells of a "
        "workbook that are numbers; shorter ones get zeros before them",
    )
    positive: str | None = Field(
        default=None, description="direction of amounts without a minus: OUT or IN"
    )


def _short_form(value: object) -> object:
    """Read `header: column` as `header: {to: column}`; `header: null` is not read."""
    return {"to": value} if isinstance(value, str) else value


ColumnEntry = Annotated[
    MappedColumn | None, BeforeValidator(_short_form, str | MappedColumn | None)
]


class MappedFiles(_Strict):
    """The files of one table."""

    pattern: str = Field(
        min_length=1,
        max_length=200,
        description="path below the folder: * and ? inside a name, ** for any folders, and "
        "{column} for a part of the path that is a column's value",
    )
    table: str = Field(description="contract, see `firmpulse contracts list`")
    format: Literal["csv", "xlsx", "parquet", "jsonl"] | None = Field(
        default=None, description="by the file's ending if missing"
    )
    encoding: Literal["utf-8", "gb18030"] | None = Field(
        default=None, description="of CSV and JSON lines; by the file's text if missing"
    )
    delimiter: Literal[",", "\t", ";", "|"] = Field(default=",", description="of CSV")
    sheet: str | None = Field(default=None, min_length=1, max_length=31, description="of xlsx")
    header_lines: Annotated[int, BeforeValidator(_number)] = Field(
        default=1, ge=1, le=3, description="lines of a header with merged cells"
    )
    header: tuple[str, ...] = Field(
        default=(), description="header that later files must have; they may have any if empty"
    )
    columns: Mapping[str, ColumnEntry] = Field(
        default={}, description="header to column; headers of the contract need no entry"
    )
    one_of: Mapping[str, tuple[str, ...]] = Field(
        default={}, description="column to several headers, one of them filled in each row"
    )
    constants: Mapping[str, str] = Field(default={}, description="column to its value in every row")
    above_header: Mapping[str, str] = Field(
        default={}, description="label above the header to the column whose value follows it"
    )
    not_rows: Mapping[str, tuple[str, ...]] = Field(
        default={}, description="header to the texts of lines that are no rows; '' is empty"
    )
    _line: int = PrivateAttr(default=0)

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The columns whose values are parts of the path."""
        return tuple(_PLACEHOLDER.findall(self.pattern))

    @property
    def line(self) -> int:
        """The line of the block in its file; 0 for one that was not read from a file."""
        return self._line

    def at(self, line: int) -> "MappedFiles":
        """Return the same block with its line."""
        found = self.model_copy()
        found._line = line
        return found


class FirmList(_Strict):
    """The file and the header that list every firm of a data set."""

    file: str
    header: str


class ExportMapping(_Strict):
    """How the files of one provider become deliveries."""

    version: Annotated[Literal[1], BeforeValidator(_number)] = Field(description="of this form")
    provider: ProviderName = Field(min_length=1, description="name in the manifests")
    id_scheme: str = Field(
        default=identifiers.USCC,
        pattern=f"^{identifiers.SCHEME_PATTERN}$",
        description="how the files identify firms; uscc codes are checked",
    )
    delivered_at: Annotated[AwareDatetime, OfOurTime] | None = Field(
        default=None, description="of a data set that was handed over once; else asked for"
    )
    period_start: Annotated[date, OfHistory] | None = Field(
        default=None, description="first day; else of the rows"
    )
    period_end: Annotated[date, OfHistory] | None = Field(
        default=None, description="last day; else of the rows"
    )
    firms: FirmList | None = Field(default=None, description="list of the firms of a data set")
    files: tuple[MappedFiles, ...] = Field(min_length=1)


def json_schema() -> str:
    """Return the JSON Schema of a mapping, for editors."""
    found = ExportMapping.model_json_schema() | {"title": "Firmpulse mapping"}
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"
