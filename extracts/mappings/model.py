"""A mapping as a file: which files are which table, which header is which column, and how."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from extracts.column_reading import DateFormat

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


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MappedColumn(_Strict):
    """The contract column that a header brings, and how the file writes it."""

    to: str = Field(description="column of the contract, or a part such as amount_out")
    values: Mapping[str, str | None] = Field(
        default={}, description="text in the file to a text that the contract reads; null: empty"
    )
    format: DateFormat | None = Field(
        default=None, description="format of dates and times, as strptime: %d/%m/%Y %H:%M"
    )
    unit: str | Decimal | None = Field(
        default=None, description="unit of the file, such as 万元, or the factor to the contract's"
    )
    decimal: Literal[".", ","] = Field(default=".", description="decimal mark of numbers")
    positive: str | None = Field(
        default=None, description="direction of amounts without a minus: OUT or IN"
    )


def _short_form(value: object) -> object:
    """Read `header: column` as `header: {to: column}`, and `header: null` as not read."""
    return {"to": value} if isinstance(value, str) else value


ColumnEntry = Annotated[MappedColumn | None, BeforeValidator(_short_form)]


def _texts(value: object) -> object:
    """Read numbers, dates and truth values that YAML made of a text as that text."""
    if isinstance(value, Mapping):
        return {str(key): _text(item) for key, item in value.items()}
    return value


def _text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float | date) else value


class MappedFiles(_Strict):
    """The files of one table."""

    pattern: str = Field(
        min_length=1,
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
    header_lines: int = Field(
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
    constants: Annotated[Mapping[str, str], BeforeValidator(_texts)] = Field(
        default={}, description="column to its value in every row"
    )
    above_header: Mapping[str, str] = Field(
        default={}, description="label above the header to the column whose value follows it"
    )
    not_rows: Mapping[str, tuple[str, ...]] = Field(
        default={}, description="header to the texts of lines that are no rows; '' is empty"
    )

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The columns whose values are parts of the path."""
        return tuple(re.findall(r"\{([a-z_]+)\}", self.pattern))


class FirmList(_Strict):
    """The file and the header that list every firm of a data set."""

    file: str
    header: str


class ExportMapping(_Strict):
    """How the files of one provider become deliveries."""

    version: Literal[1] = Field(description="of this form")
    provider: str = Field(min_length=1, max_length=64, description="name in the manifests")
    id_scheme: str = Field(
        default="uscc",
        pattern="^[a-z][a-z0-9_]*$",
        description="how the files identify firms; uscc codes are checked",
    )
    delivered_at: AwareDatetime | None = Field(
        default=None, description="of a data set that was handed over once; else asked for"
    )
    period_start: date | None = Field(default=None, description="first day; else of the rows")
    period_end: date | None = Field(default=None, description="last day; else of the rows")
    firms: FirmList | None = Field(default=None, description="list of the firms of a data set")
    files: tuple[MappedFiles, ...] = Field(min_length=1)
