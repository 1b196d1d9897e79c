"""Versions, duplicates and the record of a delivery, with the rows that must come out."""

import io
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from extracts.reading import chunks
from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse import warehouse
from firmpulse.errors import WrongKeyError
from firmpulse.settings import Settings
from tests.extracts.inbox import (
    AS_OF,
    FIRM,
    RETURN_HEADER,
    csv,
    deliver,
    grant,
    payment,
    permit,
    query,
)

INVOICE_HEADER = (
    "进销方向,发票代码,发票号码,开票日期,销方税号,购方税号,金额,税额,价税合计,发票状态,作废时间"
)


def vat_return(filed: str, sales: str, version: int) -> str:
    amended = "是" if version > 1 else "否"
    period = "2024-01-01,2024-01-31,2024-02-15"
    return f"{FIRM},{period},{filed},{sales},13.00,5.00,8.00,{amended},{version}"


def invoice(code: str, number: str, amount: str, status: str = "正常", void: str = "") -> str:
    return f"销项,{code},{number},2024-02-01 10:00:00,{FIRM},X1,{amount},0,{amount},{status},{void}"


def versions(settings: Settings, table: str, column: str) -> list[tuple[object, ...]]:
    """Return row (counted from 1 in order of row_id), version, available_at, value."""
    return query(
        settings,
        f"select dense_rank() over (order by row_id), record_version, available_at, "
        f"cast({column} as varchar) from vault.raw.{table} order by row_id, record_version",
    )


def test_exact_duplicates_fall_within_and_across_deliveries(settings: Settings) -> None:
    permit(settings)
    first = csv([payment(item="a"), payment(item="a"), payment(item="b")])
    deliver(settings, {"a.csv": first, "b.csv": csv([payment(item="b")])})
    report = nightly.land(settings, "tax", AS_OF)
    assert report.totals == Counts(read=4, landed=2, duplicate=2)
    again = csv([payment(item="c"), payment(item="b", amount="100")])
    deliver(settings, {"a.csv": again}, delivery_id="tax-2")
    report = nightly.land(settings, "tax", AS_OF)
    assert report.totals == Counts(read=2, landed=1, duplicate=1)
    assert versions(settings, "tax_payment", "tax_item") == [
        (1, 1, date(2024, 2, 11), "a"),
        (2, 1, date(2024, 2, 11), "b"),
        (3, 1, date(2024, 2, 11), "c"),
    ]


def test_an_amended_return_is_a_new_version_even_in_one_history(settings: Settings) -> None:
    permit(settings)
    lines = [vat_return("2024-03-05", "120.00", 2), vat_return("2024-02-10", "100.00", 1)]
    deliver(settings, {"a.csv": csv(lines, RETURN_HEADER)}, table="tax_vat_return")
    report = nightly.land(settings, "tax", AS_OF)
    assert report.totals == Counts(read=2, landed=2, restated=1)
    assert versions(settings, "tax_vat_return", "sales_standard") == [
        (1, 1, date(2024, 2, 11), "100.00"),
        (1, 2, date(2024, 3, 6), "120.00"),
    ]


def test_an_increment_is_known_no_earlier_than_its_delivery(settings: Settings) -> None:
    permit(settings)
    first = csv([vat_return("2024-02-10", "100.00", 1)], RETURN_HEADER)
    deliver(settings, {"a.csv": first}, table="tax_vat_return", delivered=date(2024, 2, 11))
    late = csv([vat_return("2024-02-20", "110.00", 2)], RETURN_HEADER)
    deliver(
        settings, {"a.csv": late}, table="tax_vat_return", delivery_id="tax-2", kind="increment"
    )
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=2, landed=2, restated=1)
    assert versions(settings, "tax_vat_return", "sales_standard") == [
        (1, 1, date(2024, 2, 11), "100.00"),
        (1, 2, AS_OF, "110.00"),
    ]


def test_a_restatement_is_known_no_earlier_than_what_it_restates(settings: Settings) -> None:
    permit(settings)
    increment = csv([invoice("011", "1", "10.00")], INVOICE_HEADER)
    deliver(settings, {"a.csv": increment}, table="tax_invoice", kind="increment")
    nightly.land(settings, "tax", AS_OF)
    history = csv([invoice("011", "1", "12.00")], INVOICE_HEADER)
    deliver(settings, {"a.csv": history}, table="tax_invoice", delivery_id="tax-2")
    nightly.land(settings, "tax", AS_OF)
    assert versions(settings, "tax_invoice", "amount") == [
        (1, 1, AS_OF, "10.00"),
        (1, 2, AS_OF, "12.00"),
    ]


def test_a_version_that_arrives_behind_a_later_one_changes_nothing(settings: Settings) -> None:
    permit(settings)
    for number, line in enumerate(
        [vat_return("2024-03-05", "120.00", 2), vat_return("2024-02-10", "100.00", 1)]
    ):
        content = {"a.csv": csv([line], RETURN_HEADER)}
        deliver(settings, content, table="tax_vat_return", delivery_id=f"tax-{number}")
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=2, landed=1, duplicate=1)
    assert versions(settings, "tax_vat_return", "version") == [(1, 1, date(2024, 3, 6), "2")]


def test_an_invoice_is_its_own_key_without_a_code(settings: Settings) -> None:
    permit(settings)
    digital = "24110000000000000001"
    lines = [
        invoice("", "7", "10.00"),
        invoice("", "7", "10.00"),
        invoice("", "7", "11.00"),
        invoice("", digital, "20.00"),
        invoice("", digital, "21.00"),
        invoice("0110", "7", "30.00"),
        invoice("0110", "7", "30.00", "作废", "2024-02-03"),
    ]
    deliver(settings, {"a.csv": csv(lines, INVOICE_HEADER)}, table="tax_invoice")
    report = nightly.land(settings, "tax", AS_OF)
    assert report.totals == Counts(read=7, landed=6, restated=2, duplicate=1)
    assert versions(settings, "tax_invoice", "amount || ' ' || status") == [
        (1, 1, date(2024, 2, 2), "10.00 NORMAL"),
        (2, 1, date(2024, 2, 2), "11.00 NORMAL"),
        (3, 1, date(2024, 2, 2), "20.00 NORMAL"),
        (3, 2, date(2024, 2, 2), "21.00 NORMAL"),
        (4, 1, date(2024, 2, 2), "30.00 NORMAL"),
        (4, 2, date(2024, 2, 4), "30.00 VOID"),
    ]


def test_one_key_of_two_firms_is_two_rows(settings: Settings) -> None:
    header = "订单号,供应商证件号,采购方证件号,下单日期,金额,交期,状态"
    lines = [f"N1,{firm},B1,2024-01-01,5,2024-02-01,生效" for firm in ("E1", "E2")]
    deliver(
        settings,
        {"a.csv": csv(lines, header)},
        table="sc_order",
        source="supply_chain",
        id_scheme="demo",
    )
    for firm in ("E1", "E2"):
        permit(settings, grant(f"demo:{firm}", "supply_chain", authorization_id=firm))
    assert nightly.land(settings, "supply_chain", AS_OF).totals == Counts(read=2, landed=2)


def test_landing_again_changes_nothing(settings: Settings) -> None:
    permit(settings)
    deliver(settings, {"a.csv": csv([payment(), payment(amount="x")])})
    nightly.land(settings, "tax", AS_OF)
    everything = (
        "select 'raw', columns(*)::varchar from vault.raw.tax_payment",
        "select 'bad', columns(*)::varchar from vault.ops.quarantine",
        "select 'log', columns(*)::varchar from warehouse.ops.deliveries",
    )
    before = [query(settings, sql) for sql in everything]
    assert nightly.pending(settings, "tax", AS_OF) == []
    assert nightly.land(settings, "tax", AS_OF).deliveries == ()
    assert [query(settings, sql) for sql in everything] == before


def test_a_delivery_waits_for_its_day(settings: Settings) -> None:
    permit(settings)
    for day in (date(2024, 3, 30), AS_OF):
        content = {"a.csv": csv([payment(item=f"{day}")])}
        deliver(settings, content, delivered=day, delivery_id=f"tax-{day}")
    assert [ref.delivery_id for ref in nightly.pending(settings, "tax", date(2024, 3, 29))] == []
    assert [ref.delivery_id for ref in nightly.pending(settings, "tax", AS_OF)] == [
        "tax-2024-03-30",
        "tax-2024-03-31",
    ]
    report = nightly.land(settings, "tax", date(2024, 3, 30))
    assert [delivery.delivery_id for delivery in report.deliveries] == ["tax-2024-03-30"]


def test_every_row_is_accounted_for(settings: Settings) -> None:
    permit(settings)
    lines = [payment(), payment(), payment("9152000071430580XT"), payment(amount="x"), FIRM]
    deliver(settings, {"a.csv": csv(lines)})
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(
        read=5, landed=1, duplicate=1, refused_by_gate=1, quarantined=2
    )
    assert query(
        settings,
        "select as_of, delivery_seq, delivery_id, source, table_name, kind, rows_read, "
        "rows_landed, rows_restated, rows_duplicate, rows_refused_by_gate, rows_quarantined, "
        "columns_dropped, status, refusal from warehouse.ops.deliveries",
    ) == [(AS_OF, 1, "tax-1", "tax", "tax_payment", "history", 5, 1, 0, 1, 1, 2, 0, "landed", None)]


def test_a_crash_before_the_warehouse_is_healed_by_the_next_night(settings: Settings) -> None:
    permit(settings)
    deliver(settings, {"a.csv": csv([payment()])})
    nightly.land(settings, "tax", AS_OF)
    with warehouse.connect(settings) as connection:
        connection.execute("delete from warehouse.ops.deliveries")
    nightly.land(settings, "tax", AS_OF)
    found = query(settings, "select delivery_id, rows_landed from warehouse.ops.deliveries")
    assert found == [("tax-1", 1)]


def test_parquet_keeps_its_types_and_its_lines(settings: Settings) -> None:
    permit(settings)
    frame = pl.DataFrame(
        {
            "uscc": [FIRM, FIRM, FIRM],
            "tax_item": ["a", "b", " ｃ "],
            "period_start": [date(2024, 1, 1)] * 3,
            "due_date": ["2024-02-15", "20240215", "2024/2/15"],
            "paid_at": [date(2024, 2, 10)] * 3,
            "amount": [1.5, None, 2.25],
            "kind": ["TAX", "正税", "滞纳金"],
            "stranger": [1, 2, 3],
        }
    )
    content = io.BytesIO()
    frame.write_parquet(content)
    deliver(settings, {"a.parquet": content.getvalue()}, rows=3)
    report = nightly.land(settings, "tax", AS_OF)
    assert report.totals == Counts(read=3, landed=2, quarantined=1)
    assert query(
        settings,
        "select tax_item, amount::varchar, kind, due_date, line from vault.raw.tax_payment "
        "order by line",
    ) == [
        ("a", "1.50", "TAX", date(2024, 2, 15), 1),
        ("c", "2.25", "SURCHARGE", date(2024, 2, 15), 3),
    ]
    assert query(
        settings, "select line, column_name, rule, value_class from vault.ops.quarantine"
    ) == [(2, "amount", "required", "empty")]


def test_a_wrong_vault_key_is_one_sentence(settings: Settings, tmp_path: Path) -> None:
    permit(settings)
    other = settings.model_copy(update={"home": tmp_path / "other"})
    permit(other)
    shutil.copy(settings.vault_path, other.vault_path)
    with pytest.raises(WrongKeyError) as caught:
        nightly.land(other, "tax", AS_OF)
    assert "does not open vault.duckdb" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_header_in_ten_thousand_yuan_is_multiplied_to_the_cent(settings: Settings) -> None:
    permit(settings, grant(source="bank"))
    header = "客户证件号,流水号,账号,交易时间,借贷标志,发生额(万元),余额(万元)"
    lines = [
        f"{FIRM},{n},621,2024-02-01 10:00:00,借,{amount},0"
        for n, amount in enumerate(("1.1", "0.000001", "1.00005", "1e30", "99999999999999"), 1)
    ]
    deliver(settings, {"a.csv": csv(lines, header)}, table="bank_txn", source="bank")
    report = nightly.land(settings, "bank", AS_OF)
    assert report.totals == Counts(read=5, landed=3, quarantined=2)
    found = query(settings, "select amount::varchar from vault.raw.bank_txn order by txn_no")
    assert found == [("11000.00",), ("0.01",), ("10000.50",)]


def test_promised_rows_are_all_accounted_for(settings: Settings) -> None:
    permit(settings)
    lines = [payment(), payment(), payment("9152000071430580XT"), payment(amount="x")]
    deliver(settings, {"a.csv": csv(lines), "b.csv": csv([payment()] * 3, "nothing")})
    deliver(settings, {"a.csv": csv([payment()] * 2, "nothing")}, delivery_id="tax-2")
    nightly.land(settings, "tax", AS_OF)
    assert query(
        settings,
        "select delivery_id, status, rows_delivered, rows_in_refused_files, rows_landed, "
        "rows_duplicate, rows_refused_by_gate, rows_quarantined "
        "from warehouse.ops.deliveries order by delivery_id",
    ) == [
        ("tax-1", "landed", 7, 3, 1, 1, 1, 1),
        ("tax-2", "refused", 2, 2, 0, 0, 0, 0),
    ]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_small_chunks_end_as_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    permit(settings)
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    rows = [("a", 1), ("b", 1), ("a", 1), ("c", 1), ("b", 2), ("d", 1), ("a", 3)]
    for night, day in enumerate((date(2024, 3, 30), AS_OF)):
        frame = pl.DataFrame(
            {
                "uscc": [FIRM] * 7,
                "tax_item": [item for item, _ in rows],
                "period_start": [date(2024, 1, 1)] * 7,
                "due_date": [date(2024, 2, 15)] * 7,
                "paid_at": [date(2024, 2, 10)] * 7,
                "amount": [amount + 10.0 * night * (item == "d") for item, amount in rows],
                "kind": ["TAX"] * 7,
            }
        )
        files = {f"{n}.csv": frame[n : n + 2].write_csv().encode() for n in range(0, 7, 2)}
        if form == "parquet":
            content = io.BytesIO()
            frame.write_parquet(content, row_group_size=2)
            files = {"a.parquet": content.getvalue()}
        changes = {"rows": 7} if form == "parquet" else {}
        deliver(settings, files, delivery_id=f"tax-{night}", delivered=day, **changes)
    report = nightly.land(settings, "tax", AS_OF)
    assert report.problems == ()
    # Two sums of one tax on one day are two payments; only "d" was corrected.
    assert report.totals == Counts(read=14, landed=7, restated=1, duplicate=7)
    assert query(
        settings,
        "select tax_item, record_version, amount::int, delivery_seq from vault.raw.tax_payment "
        "order by all",
    ) == [
        ("a", 1, 1, 1),
        ("a", 1, 3, 1),
        ("b", 1, 1, 1),
        ("b", 1, 2, 1),
        ("c", 1, 1, 1),
        ("d", 1, 1, 1),
        ("d", 2, 11, 2),
    ]
