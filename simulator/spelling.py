"""How providers write values in CSV files: the plain way, and their habits."""

import numpy as np
import polars as pl

from simulator.population import Ints
from simulator.tables import Table

_FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
_HABITS = 8
_HIDDEN = ("_firm", "_event", "_available", "_deliver", "_dirt", "_habit")
_MONTH_COLUMN = "bill_month"
_EXTRA_VALUES = {
    "联系电话": "13900000000",
    "客户经理": "张经理",
    "备注": "",
    "审计意见": "标准无保留意见",
}


def as_text(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return a typed frame as the texts of a CSV, contract columns and hidden ones."""
    cells: list[pl.Expr] = []
    for column in table.columns:
        cell = pl.col(column)
        if frame.schema[column] == pl.Boolean:
            cell = pl.when(cell).then(pl.lit("是")).otherwise(pl.lit("否")).alias(column)
        elif column == _MONTH_COLUMN:
            cell = cell.dt.strftime("%Y%m")
        cells.append(cell.cast(pl.String))
    return frame.select(*cells, *_HIDDEN)


def csv_bytes(text: pl.DataFrame, table: Table) -> bytes:
    """Return the file: Chinese headers, the columns of the contract and the unknown one."""
    shown = text.select(pl.col(column).alias(header) for column, header in table.headers)
    if table.extra:
        shown = shown.with_columns(pl.lit(_EXTRA_VALUES[table.extra]).alias(table.extra))
    return shown.write_csv().encode(table.encoding or "utf-8")


def respelled(
    rng: np.random.Generator, text: pl.DataFrame, table: Table, rows: Ints
) -> pl.DataFrame:
    """Return the frame with some rows in one of the habits each; values stay the same."""
    if not len(rows):
        return text
    habit = rng.integers(0, _HABITS, len(rows))
    codes = list(dict.fromkeys(c for c in (table.firm_column, table.number) if c))
    is_date = [c for c in table.columns if _looks_like(text, c, r"^\d{4}-\d\d-\d\d$")]
    is_money = [c for c in table.columns if _looks_like(text, c, r"^-?\d+\.\d\d$")]
    parts = [text[pl.Series(np.setdiff1d(np.arange(len(text)), rows))]]
    for number in range(_HABITS):
        picked = text[pl.Series(rows[habit == number])]
        cells = _cells(number, codes, is_date, is_money)
        parts.append(picked.with_columns(*cells, _habit=pl.lit(True)))
    return pl.concat(parts)


def _looks_like(text: pl.DataFrame, column: str, pattern: str) -> bool:
    values = text[column].drop_nulls()
    return len(values) > 0 and bool(values.head(50).str.contains(pattern).all())


def _cells(habit: int, codes: list[str], is_date: list[str], is_money: list[str]) -> list[pl.Expr]:
    if habit == 0:
        return [pl.col(c).map_elements(_wide, return_dtype=pl.String) for c in codes]
    if habit == 1:
        return [(pl.lit(" ") + pl.col(c) + pl.lit("\u3000")).alias(c) for c in codes] + [
            pl.col(c) + pl.lit("\t") for c in is_money
        ]
    if habit == 2:
        return [(pl.lit('="') + pl.col(c) + pl.lit('"')).alias(c) for c in codes]
    if habit == 3:
        return [(pl.lit("'") + pl.col(c)).alias(c) for c in codes]
    if habit == 4:
        return [pl.col(c).map_elements(_grouped, return_dtype=pl.String) for c in is_money]
    pattern = ("%Y%m%d", "%Y/%-m/%-d", "%Y年%-m月%-d日")[habit - 5]
    cells = [pl.col(c).str.to_date("%Y-%m-%d").dt.strftime(pattern) for c in is_date]
    return [cell.alias(c) for cell, c in zip(cells, is_date, strict=True)]


def _wide(value: str) -> str:
    return value.translate(_FULL_WIDTH)


def _grouped(value: str) -> str:
    whole, _, cents = value.partition(".")
    return f"{int(whole):,}.{cents}" if whole != "-0" else value
