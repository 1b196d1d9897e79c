from dataclasses import asdict, replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extracts.applications import checks
from extracts.applications.checks import Application, check
from extracts.applications.texts import TEXTS, FieldMessage
from firmpulse import uscc

ON = date(2026, 10, 31)
# Published: name, codes and date of a well-known firm.
GOOD = Application("华为技术有限公司", "914403001922038216", "1987-09-15", "440301103097413", "C39")


def _coded(prefix: str) -> str:
    body = prefix + "4403001922038216"[: 17 - len(prefix)]
    return body + uscc.check_character(body)


def _found(**changes: str) -> list[tuple[str, str, str]]:
    messages = check(replace(GOOD, **changes), ON)
    return [(m.field, m.severity, m.code) for m in messages]


def test_a_good_application_has_no_message() -> None:
    assert check(GOOD, ON) == ()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"name": ""}, ("name", "error", "missing")),
        ({"name": " \u200b"}, ("name", "error", "missing")),
        ({"name": "13800138000"}, ("name", "error", "name_letters")),
        ({"name": "华为\x07公司"}, ("name", "error", "name_characters")),
        ({"name": "某" * 101}, ("name", "error", "name_length")),
        ({"uscc": ""}, ("uscc", "error", "missing")),
        ({"uscc": "9.144E+17"}, ("uscc", "error", "scientific")),
        ({"uscc": "91440300192203821"}, ("uscc", "error", "length")),
        ({"uscc": "914403001922038217"}, ("uscc", "error", "check_character")),
        ({"uscc": _coded("12")}, ("uscc", "error", "not_enterprise")),
        ({"founded": ""}, ("founded", "error", "missing")),
        ({"founded": "2015-02-29"}, ("founded", "error", "not_a_date")),
        ({"founded": "2015年3月"}, ("founded", "error", "not_a_date")),
        ({"founded": "03/04/2015"}, ("founded", "error", "not_a_date")),
        ({"founded": "2026-11-01"}, ("founded", "error", "founded_in_future")),
        ({"founded": "1977-12-31"}, ("founded", "warning", "founded_early")),
        ({"licence_no": ""}, ("licence_no", "error", "missing")),
        ({"licence_no": "4.40301E+14"}, ("licence_no", "error", "scientific")),
        ({"licence_no": "440301103097414"}, ("licence_no", "error", "licence_check")),
        ({"licence_no": "44030110309741"}, ("licence_no", "error", "licence_length")),
        ({"licence_no": "91440300708461136T"}, ("licence_no", "error", "licence_differs")),
        ({"licence_no": "110108000000016"}, ("licence_no", "warning", "licence_moved")),
        ({"licence_no": "44030110309741A"}, ("licence_no", "warning", "licence_letters")),
        ({"industry": ""}, ("industry", "error", "missing")),
        ({"industry": "98"}, ("industry", "error", "unknown_industry")),
        ({"industry": "U39"}, ("industry", "error", "wrong_section")),
        ({"industry": "C65"}, ("industry", "error", "wrong_section")),
        ({"industry": "做生意"}, ("industry", "error", "unknown_industry")),
        ({"industry": "S94"}, ("industry", "warning", "unusual_industry")),
        ({"name": "某某专业合作社"}, ("name", "warning", "cooperative_name")),
    ],
)
def test_each_fault_has_its_message(changes: dict[str, str], found: tuple[str, str, str]) -> None:
    assert found in _found(**changes)
    assert {field for field, _, _ in _found(**changes)} == {found[0]}


@pytest.mark.parametrize(
    "changes",
    [
        {"licence_no": "914403001922038216"},
        {"licence_no": "４４０３０１１０３０９７４１３"},
        {"licence_no": "440301NA000001X"},
        {"founded": "2015/3/1"},
        {"founded": "20150301"},
        {"founded": "2015年3月1日"},
        {"founded": "2015-03-01 00:00:00"},
        {"founded": "２０１５．３．１"},
        {"founded": "2026-10-31"},
        {"industry": "C"},
        {"industry": "39"},
        {"industry": "3921"},
        {"industry": "c3921"},
        {"industry": "制造业"},
        {"industry": "信息传输、软件和信息技术服务业"},
        {"name": "华为（深圳）有限公司"},
    ],
)
def test_what_people_write_is_taken(changes: dict[str, str]) -> None:
    assert _found(**changes) == []


# The first is the example of GS 15-2006, the others are of published firms.
@pytest.mark.parametrize("number", ["110108000000016", "440301103097413", "440301108548379"])
def test_registration_numbers_detect_each_wrong_digit(number: str) -> None:
    assert checks.registration_check(number[:14]) == number[14]
    for place in range(14):
        for digit in "0123456789":
            wrong = number[:place] + digit + number[place + 1 : 14]
            if digit != number[place]:
                assert checks.registration_check(wrong) != number[14]


@given(st.text("0123456789", min_size=14, max_size=14))
def test_the_registration_check_agrees_with_the_powers_of_two(body: str) -> None:
    """Include the last digit: ISO 7064 requires the congruence 1, without the hop through 10."""
    right = [last for last in "0123456789" if _carried(body, int(last)) == 1]
    assert right == [checks.registration_check(body)]


def _carried(body: str, last: int) -> int:
    product = 10
    for digit in map(int, body):
        total = (product + digit) % 10
        product = (20 if total == 0 else 2 * total) % 11
    return (product + last) % 10


def test_a_household_that_calls_itself_a_company_in_finance_is_odd() -> None:
    assert _found(uscc=_coded("92"), industry="J66") == [
        ("industry", "warning", "unusual_industry"),
        ("name", "warning", "household_name"),
    ]


def test_an_empty_application_names_every_field_once() -> None:
    messages = check(Application(), ON)
    assert [(m.field, m.code) for m in messages] == [
        ("name", "missing"),
        ("uscc", "missing"),
        ("founded", "missing"),
        ("licence_no", "missing"),
        ("industry", "missing"),
    ]
    assert messages[1] == FieldMessage(
        "uscc", "error", "missing", "请填写统一社会信用代码",
        "The unified social credit code is missing",
    )  # fmt: skip


texts = st.one_of(
    st.text(max_size=40),
    st.text("0123456789ABCDEFGHJKLMNPQRTUWXYOISZV年月日-/.", max_size=20),
)


@given(st.lists(texts, min_size=5, max_size=5))
def test_any_text_is_checked_and_never_told_again(fields: list[str]) -> None:
    application = Application(*fields)
    for message in check(application, ON):
        assert message.field in asdict(application)
        assert message.severity in ("error", "warning")
        for typed in fields:
            if len(typed.strip()) > 10:
                assert typed.strip() not in message.zh + message.en


def test_no_text_of_a_message_is_left_unfilled() -> None:
    from extracts.applications.texts import say

    values = {
        "length": 1, "longest": 2, "on": ON, "year": 3, "division": "4", "right": "C",
        "section": "s", "section_en": "s", "first": 5, "found": 6, "expected": 7,
    }  # fmt: skip
    for code in TEXTS:
        message = say("uscc", code, **values)
        assert "{" not in message.zh + message.en
