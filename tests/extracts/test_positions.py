"""Cells are taken by the position of their header: no name of a column or folder changes them."""

import io
from decimal import Decimal
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, FIRM, PAYMENT_HEADER, csv, deliver, payment, permit, query

_NAMES = PAYMENT_HEADER.replace("已缴", "amount").split(",")


def parquet(*rows: str, **others: list[Any]) -> bytes:
    """Return lines of tax_payment as Parquet, with other columns before and after its own."""
    cells = [row.split(",") for row in rows]
    columns = [(name, [row[at] for row in cells]) for at, name in enumerate(_NAMES)]
    first, *last = others.items()
    return table([first, *columns, *last])


def table(columns: list[tuple[str, list[Any]]]) -> bytes:
    target = io.BytesIO()
    names = [name for name, _ in columns]
    rows = pyarrow.Table.from_arrays([pyarrow.array(cells) for _, cells in columns], names=names)
    pyarrow.parquet.write_table(rows, target)
    return target.getvalue()


def amounts(settings: Settings) -> list[tuple[Any, ...]]:
    return query(
        settings, "select amount, file_no, line from vault.raw.tax_payment order by file_no, line"
    )


def test_the_column_that_the_contract_names_is_read_and_not_its_twin(settings: Settings) -> None:
    permit(settings)
    twins: dict[str, list[Any]] = {"AMOUNT": ["999999.99"], "amount_1": ["1.00"], "Amount": [2]}
    content = parquet(payment(), **twins)
    deliver(settings, {"a.parquet": content, "b.parquet": content}, rows=1)
    report = nightly.land(settings, "tax", AS_OF)
    assert report.totals == Counts(read=2, landed=1, duplicate=1)
    assert amounts(settings) == [(Decimal("100.00"), 1, 1)]


@pytest.mark.parametrize(
    "name", ["file_row_number", "FILE_ROW_NUMBER", "file_index", "filename", "rowid", "c1", ""]
)
def test_a_column_named_like_one_of_the_reader_hides_nothing(settings: Settings, name: str) -> None:
    permit(settings)
    first = parquet(payment(item="a"), payment(item="b"), **{name: [7, 7], "end": [0, 0]})
    second = parquet(payment("x"), payment(item="d", amount="4"), **{name: [7, 7], "end": [0, 0]})
    deliver(settings, {"a.parquet": first, "b.parquet": second}, rows=2)
    report = nightly.land(settings, "tax", AS_OF)
    assert report.problems == ()
    assert report.totals == Counts(read=4, landed=3, quarantined=1)
    assert amounts(settings) == [
        (Decimal("100.00"), 1, 1), (Decimal("100.00"), 1, 2), (Decimal("4.00"), 2, 2),
    ]  # fmt: skip
    assert query(settings, "select file, line from vault.ops.quarantine") == [("b.parquet", 1)]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("folder", ["已缴=5", "c5=5", "amount=5"])
def test_the_name_of_a_folder_is_no_cell(settings: Settings, suffix: str, folder: str) -> None:
    permit(settings)
    whole = deliver(settings, {})
    content = csv([payment()]) if suffix == "csv" else parquet(payment(), x=[1], y=[1])
    (whole / folder).mkdir()
    deliver(settings, {f"{folder}/a.{suffix}": content}, rows=1)
    assert nightly.land(settings, "tax", AS_OF).problems == ()
    assert amounts(settings)[0][0] == Decimal("100.00")
    assert query(settings, "select firm from vault.raw.tax_payment") == [(f"uscc:{FIRM}",)]
