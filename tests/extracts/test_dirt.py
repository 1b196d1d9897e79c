"""Each kind of dirt in a real small file: what is read, and what goes to quarantine."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from extracts.vault import nightly
from firmpulse.settings import Settings
from tests.extracts.inbox import (
    AS_OF,
    FIRM,
    PAYMENT_HEADER,
    csv,
    deliver,
    payment,
    permit,
    query,
)

PLAIN = (f"uscc:{FIRM}", "增值税", date(2024, 2, 10), Decimal("100.00"), "TAX")


def landed(settings: Settings, content: bytes, **manifest: Any) -> list[tuple[Any, ...]]:
    permit(settings)
    deliver(settings, {"a.csv": content}, **manifest)
    nightly.land(settings, "tax", AS_OF)
    return query(
        settings,
        "select firm, tax_item, paid_at, amount, kind from vault.raw.tax_payment order by line",
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(csv([payment()], encoding="utf-8"), id="utf-8"),
        pytest.param(csv([payment()], encoding="utf-8-sig"), id="utf-8 with BOM"),
        pytest.param(csv([payment()], encoding="gb18030"), id="GB18030"),
        pytest.param(csv([payment()]).replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(csv([payment()])[:-1], id="no newline at the end"),
        pytest.param(csv([payment()], header=f"\ufeff {PAYMENT_HEADER}\u3000"), id="header spaces"),
    ],
)
def test_forms_of_a_file(settings: Settings, content: bytes) -> None:
    assert landed(settings, content, rows=1) == [PLAIN]


# Kind of dirt, which is also the row's tax item, to a line with the same meaning as PLAIN.
READABLE = {
    "full-width": {"uscc": "９１４４０３００１９２２０３８２１６"},
    "spaces and tabs": {"uscc": f"\u3000{FIRM} \t"},
    "zero-width space": {"uscc": f"\u200b{FIRM}"},
    "Excel guard": {"uscc": f'="{FIRM}"'},
    "quoted Excel guard": {"uscc": f'"=""{FIRM}"""'},
    "apostrophe": {"uscc": f"'{FIRM}"},
    "inner hyphen and space": {"uscc": "9144-0300 1922038216"},
    "lower case": {"uscc": FIRM.lower()},
    "eight digits": {"paid": "20240210"},
    "slashes": {"paid": "2024/2/10"},
    "Chinese date": {"paid": "2024年2月10日"},
    "Excel serial": {"paid": "45332"},
    "timestamp": {"paid": "2024-02-10 00:00:00"},
    "full-width amount": {"amount": "１００．００"},
    "tab behind": {"amount": "100.00\t"},
}


def test_readable_cells(settings: Settings) -> None:
    lines = [payment(item=kind, **cells) for kind, cells in READABLE.items()]
    rows = landed(settings, csv(lines, encoding="gb18030"))
    assert rows == [(PLAIN[0], kind, *PLAIN[2:]) for kind in READABLE]


AMOUNTS = {
    '"1,234.50"': "1234.50",
    '"12,345,678.9"': "12345678.90",
    "(1234.50)": "-1234.50",
    '"（1,234.50）"': "-1234.50",
    "1234.5-": "-1234.50",
    "-0.05": "-0.05",
    "9999999999999999.99": "9999999999999999.99",
    "0.1": "0.10",
}


def test_amounts(settings: Settings) -> None:
    lines = [payment(item=f"{n}", amount=text) for n, text in enumerate(AMOUNTS)]
    rows = landed(settings, csv(lines))
    assert [row[3] for row in rows] == [Decimal(amount) for amount in AMOUNTS.values()]


# Line, and the column, rule and class of value in the quarantine.
UNREADABLE = (
    (payment(amount="abc"), "amount", "decimal", "text"),
    (payment(amount=""), "amount", "required", "empty"),
    (payment(amount="\u3000"), "amount", "required", "empty"),
    (payment(amount="1.5E+07"), "amount", "decimal", "scientific"),
    (payment(amount='"1,23"'), "amount", "decimal", "number"),
    (payment(amount="99999999999999999.99"), "amount", "decimal", "number"),
    (payment(paid="2024-02-30"), "paid_at", "date", "date"),
    (payment(paid="2024年2月"), "paid_at", "date", "date"),
    (payment(paid="soon"), "paid_at", "date", "text"),
    (payment("9.144E+17"), "uscc", "tax_no", "scientific"),
    (payment(FIRM[:17] + "7"), "firm", "uscc", "code"),
    (payment(FIRM[:17]), "firm", "uscc", "code"),
    (payment().replace("正税", "其他"), "kind", "enum", "chinese"),
    (payment() + ",more", None, "structure", "too many columns"),
    (FIRM, None, "structure", "missing columns"),
)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig"])
def test_unreadable_goes_to_quarantine(settings: Settings, encoding: str) -> None:
    bad = [line for line, *_ in UNREADABLE]
    lines = [payment(item="first"), *bad, payment(item="last")]
    rows = landed(settings, csv(lines, encoding=encoding))
    assert [row[1] for row in rows] == ["first", "last"]
    found = query(
        settings,
        "select delivery_id, table_name, file, line, column_name, rule, value_class "
        "from vault.ops.quarantine order by line",
    )
    assert found == [
        ("tax-1", "tax_payment", "a.csv", line, *expected)
        for line, (_, *expected) in enumerate(UNREADABLE, 3)
    ]
    lines_landed = query(settings, "select line from vault.raw.tax_payment order by line")
    assert lines_landed == [(2,), (3 + len(UNREADABLE),)]


def test_quarantine_keeps_the_record_as_it_came(settings: Settings) -> None:
    landed(settings, csv([payment(amount=" abc ", paid="２０２４-02-10")]))
    ((record,),) = query(settings, "select record from vault.ops.quarantine")
    assert json.loads(record) == {
        "uscc": FIRM,
        "tax_item": "增值税",
        "tax_subitem": None,
        "voucher_no": None,
        "period_start": "2024-01-01",
        "period_end": None,
        "due_date": "2024-02-15",
        "paid_at": "２０２４-02-10",
        "amount": " abc ",
        "kind": "正税",
    }


def test_lines_stay_right_behind_several_broken_lines(settings: Settings) -> None:
    items = [payment(item=f"i{n}") for n in range(8)]
    broken = {1, 2, 5}
    lines = [f"{FIRM},x" if n in broken else items[n] for n in range(8)]
    permit(settings)
    deliver(settings, {"a.csv": csv(lines), "b.csv": csv(items[:3])})
    nightly.land(settings, "tax", AS_OF)
    assert query(settings, "select line from vault.ops.quarantine order by line") == [
        (3,),
        (4,),
        (7,),
    ]
    found = query(
        settings,
        "select tax_item, file_no, line from vault.raw.tax_payment order by file_no, line",
    )
    assert found == [
        ("i0", 1, 2),
        ("i3", 1, 5),
        ("i4", 1, 6),
        ("i6", 1, 8),
        ("i7", 1, 9),
        ("i1", 2, 3),
        ("i2", 2, 4),
    ]


def test_columns_without_a_contract_are_dropped_and_counted(settings: Settings) -> None:
    header = "客户经理," + PAYMENT_HEADER + ",评级"
    rows = landed(settings, csv([f"张三,{payment()},A", f"李四,{payment(amount='x')},B"], header))
    assert rows == [PLAIN]
    assert query(settings, "select columns_dropped from warehouse.ops.deliveries") == [(2,)]
    ((record,),) = query(settings, "select record from vault.ops.quarantine")
    assert "李四" not in record


def test_a_manifest_may_name_headers_and_constants(settings: Settings) -> None:
    header = "谁,征收项目,所属期起,缴款期限,入库日期,已缴"
    line = payment().removesuffix(",正税")
    entry = {"headers": {"谁": "uscc"}, "constants": {"kind": "正税"}}
    assert landed(settings, csv([line], header), entry=entry) == [PLAIN]
