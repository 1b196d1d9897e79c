"""The SQL macros agree with Python on every number and every day."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from extracts.reading import macros
from firmpulse import identifiers
from tests.identifier_texts import TEXTS


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        macros.install(opened)
        yield opened


def read(connection: duckdb.DuckDBPyConnection, expression: str, text: str) -> object:
    query = f"select {expression} from (select tidy($text) as t)"
    (value,) = connection.execute(query, {"text": text}).fetchall()[0]
    return value


DECIMAL = "try_cast(read_decimal_text(t) as decimal(18, 2))"
# Time limits per example fail on a busy machine, not on a wrong macro.
patient = settings(deadline=None, max_examples=60)
CENTS = Decimal("0.01")
AMOUNTS = st.decimals(
    min_value=Decimal("-9e15"), max_value=Decimal("9e15"), places=4, allow_nan=False
)
DAYS = st.dates(min_value=date(1954, 10, 4), max_value=date(2119, 1, 10))


@patient
@given(amount=AMOUNTS)
def test_decimals_round_as_python_does(
    connection: duckdb.DuckDBPyConnection, amount: Decimal
) -> None:
    expected = amount.quantize(CENTS, ROUND_HALF_UP)
    assert read(connection, DECIMAL, f"{amount:f}") == expected
    assert read(connection, DECIMAL, f"{amount:,f}") == expected


@patient
@given(amount=AMOUNTS)
def test_brackets_and_a_minus_behind_are_negative(
    connection: duckdb.DuckDBPyConnection, amount: Decimal
) -> None:
    expected = -abs(amount).quantize(CENTS, ROUND_HALF_UP)
    for text in (f"({abs(amount):,f})", f"（{abs(amount):f}）", f"{abs(amount):,f}-"):
        assert read(connection, DECIMAL, text) == expected


@patient
@given(
    text=st.text(alphabet="0123456789.,-+()eE", max_size=12).filter(
        lambda text: any(c.isdigit() for c in text)
    )
)
def test_only_numbers_are_read_as_numbers(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    value = read(connection, DECIMAL, text)
    if value is not None:
        body = text.replace(",", "")
        if body.startswith("(") or body.endswith("-"):
            body = "-" + body.strip("()-")
        assert value == Decimal(body).quantize(CENTS, ROUND_HALF_UP)
        assert "e" not in text.lower()


@patient
@given(day=DAYS)
def test_every_form_of_a_day_is_that_day(connection: duckdb.DuckDBPyConnection, day: date) -> None:
    serial = (day - date(1899, 12, 30)).days
    forms = (
        day.isoformat(),
        f"{day:%Y%m%d}",
        f"{day.year}/{day.month}/{day.day}",
        f"{day.year}年{day.month}月{day.day}日",
        f"{day.year}.{day.month}.{day.day}",
        f"{day:%Y-%m-%d} 13:14:15",
        f"{serial}",
        f"{serial}.75",
    )
    assert [read(connection, "read_date(t)", form) for form in forms] == [day] * len(forms)


@patient
@given(day=DAYS)
def test_every_form_of_a_month_is_its_first_day(
    connection: duckdb.DuckDBPyConnection, day: date
) -> None:
    forms = (f"{day:%Y%m}", f"{day.year}年{day.month}月", f"{day:%Y-%m}", f"{day:%Y/%m/%d}")
    first = day.replace(day=1)
    assert [read(connection, "read_month(t)", form) for form in forms] == [first] * len(forms)


@patient
@given(moment=st.datetimes(min_value=datetime(1955, 1, 1), max_value=datetime(2118, 1, 1)))  # noqa: DTZ001 — extracts carry local time without a zone
def test_every_form_of_a_moment_is_that_moment(
    connection: duckdb.DuckDBPyConnection, moment: datetime
) -> None:
    moment = moment.replace(microsecond=0)
    serial = Decimal((moment - datetime(1899, 12, 30)) // timedelta(seconds=1)) / 86400  # noqa: DTZ001 — as above
    forms = (
        f"{moment:%Y-%m-%d %H:%M:%S}",
        f"{moment:%Y-%m-%dT%H:%M:%S}+08:00",
        f"{moment:%Y%m%d%H%M%S}",
        f"{moment.year}/{moment.month}/{moment.day} {moment.hour}:{moment:%M:%S}",
        f"{moment:%Y年%m月%d日} {moment.hour}时{moment.minute}分{moment.second}秒",
        f"{serial:.10f}",
    )
    found = [read(connection, "read_timestamp(t)", form) for form in forms]
    assert found == [moment] * len(forms)


@patient
@given(text=st.text(alphabet="0123456789-/年月日 :.", max_size=12))
def test_no_text_stops_the_reading(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    for macro in ("read_date", "read_month", "read_timestamp"):
        value = read(connection, f"{macro}(t)", text)
        assert value is None or value.year in range(1900, 2200)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("00123", "00123"),
        ("6222 0210 0100", "622202100100"),
        ("6.22E+18", None),
        ("6E+18", None),
        ("123456.0", None),
        ("E1", "E1"),
        ("1E5", "1E5"),
    ],
)
def test_codes(connection: duckdb.DuckDBPyConnection, text: str, code: str | None) -> None:
    assert read(connection, "read_code(t)", text) == code


@pytest.mark.parametrize(
    ("text", "code", "number"),
    [
        ("ab-1", "AB1", "ab-1"),
        ("A-1", "A1", "A-1"),
        ("A1", "A1", "A1"),
        ("Ａ－１", "A1", "A-1"),
        ("91440300–1922\u00a0038216", "914403001922038216", "91440300–1922038216"),
        ("'0012", "0012", "0012"),
        ("0.00", "0", "0"),
        ("9.14E+17", None, None),
        ("123456.0", None, None),
    ],
)
def test_numbers_of_firms_follow_their_scheme(
    connection: duckdb.DuckDBPyConnection, text: str, code: str | None, number: str | None
) -> None:
    assert read(connection, "read_tax_no(t)", text) == code
    assert read(connection, "read_own_no(t)", text) == number


@patient
@given(text=TEXTS)
def test_rows_and_python_give_a_firm_the_same_identifier(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    """Unless the cell shows that Excel made a number of it: grants are not typed so."""
    value = identifiers.normalise("cumcm", text)
    made_a_number = read(connection, "is_excel_number(t)", value)
    assert made_a_number == identifiers.is_excel_number(value)
    assume(not made_a_number)
    assert read(connection, "read_tax_no(t)", text) == identifiers.normalise("uscc", text)
    assert read(connection, "read_own_no(t)", text) == identifiers.normalise("cumcm", text)


READ = {
    "code": "read_code(t)",
    "tax_no": "read_tax_no(t)",
    "decimal": "read_decimal_text(t)",
    "integer": "read_integer_text(t)",
    "date": "read_date(t)",
    "timestamp": "read_timestamp(t)",
}


@pytest.mark.parametrize("kind", macros.PLAIN)
@given(data=st.data())
def test_a_plain_cell_is_tidy_and_reading_it_is_a_cast(
    connection: duckdb.DuckDBPyConnection, kind: str, data: st.DataObject
) -> None:
    text = data.draw(st.from_regex(macros.PLAIN[kind], fullmatch=True))
    cast = f"try_cast($text as {kind})" if kind in ("date", "timestamp") else "$text"
    query = f"select t, {READ[kind]}, {cast} from (select tidy($text) as t)"
    ((tidied, read_by_macro, read_as_plain),) = connection.execute(query, {"text": text}).fetchall()
    assert tidied == text
    assert read_by_macro == read_as_plain
