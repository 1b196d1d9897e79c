import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from firmpulse import display

digits = st.text("0123456789", min_size=0, max_size=20)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("张三", "张*"), ("张三丰", "张**"), ("欧阳震华", "欧阳**"), ("欧阳修", "欧阳*"),
        ("欧阳", "欧*"), (" 诸葛 亮 ", "诸葛*"), ("张", "*"), ("", ""), ("John Smith", "J***"),
        ("阿依古丽·买买提", "阿***"),
    ],
)  # fmt: skip
def test_names_keep_the_surname(name: str, shown: str) -> None:
    assert display.person_name(name) == shown


@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        (display.id_card, "110101199003071234", "110101********1234"),
        (display.id_card, "11010119900307123x", "110101********123X"),
        (display.id_card, "110101900307123", "110101*****7123"),
        (display.id_card, "1101011990030712", "***"),
        (display.mobile, "13812345678", "138****5678"),
        (display.mobile, "+86 138-1234-5678", "138****5678"),
        (display.mobile, "１３８１２３４５６７８", "138****5678"),
        (display.mobile, "010-12345678", "***"),
        (display.bank_account, "6222 0212 3456 7891234", "**** **** **** 1234"),
        (display.bank_account, "1234567", "***"),
        (display.meter_no, "3200001234", "****1234"),
        (display.meter_no, "1234", "***"),
        (display.email, "zhang.san@x.com", "z***@x.com"),
        (display.email, "zhang", "***"),
        (display.email, "a@b", "***"),
        (display.address, "广东省深圳市龙岗区坂田街道1号", "广东省深圳市龙岗区***"),
        (display.address, "上海市浦东新区张江路1号", "上海市浦东新区***"),
        (display.address, "广西壮族自治区南宁市青秀区民族大道", "广西壮族自治区南宁市青秀区***"),
        (display.address, "江苏省昆山市前进路软件园区3号", "江苏省昆山市***"),
        (display.address, "广东省深圳市龙岗区", "广东省深圳市龙岗区"),
        (display.address, "坂田街道1号", "***"),
        (display.address, "", "***"),
    ],
)  # fmt: skip
def test_masks(mask: object, value: str, shown: str) -> None:
    assert callable(mask)
    assert mask(value) == shown


@given(digits)
def test_digits_beyond_the_shown_ones_are_never_in_the_mask(number: str) -> None:
    for mask, head, tail in (
        (display.id_card, 6, 4), (display.mobile, 3, 4),
        (display.bank_account, 0, 4), (display.meter_no, 0, 4),
    ):  # fmt: skip
        shown = mask(number)
        left = re.sub(r"[^0-9]", "", shown)
        assert left in ("", number[:head] + number[-tail:])
        hidden = len(number) - len(left)
        assert not left or hidden >= 4


@given(st.text("欧阳张三丰司马懿 ·abc", max_size=8))
def test_given_names_are_hidden(name: str) -> None:
    shown = display.person_name(name)
    text = "".join(name.split())
    left = shown.rstrip("*")
    assert text.startswith(left)
    assert len(left) < len(text) or not text
    assert left == text[: len(left)]
    assert len(left) <= 2


@given(st.text(max_size=10), st.text("路街道巷弄号镇乡村0123456789", min_size=1, max_size=6))
def test_nothing_beyond_a_street_is_shown(rest: str, street: str) -> None:
    shown = display.address(f"广东省深圳市龙岗区{street}{rest}")
    assert shown == "广东省深圳市龙岗区***"


@given(st.text("abcdefgh.", min_size=2, max_size=12))
def test_mailboxes_are_hidden(box: str) -> None:
    assert display.email(f"{box}@x.com") == f"{box[0]}***@x.com"


@pytest.mark.parametrize(
    ("rank", "industry", "province", "shown"),
    [
        (1, "3921", "44", "客户A (C制造/广东)"),
        (2, "51", None, "客户B (F批发零售)"),
        (27, None, "31", "客户AA (上海)"),
        (3, None, None, "客户C"),
        (3, "98", "99", "客户C"),
    ],
)
def test_counterparties_are_told_by_rank(
    rank: int, industry: str | None, province: str | None, shown: str
) -> None:
    assert display.counterparty("客户", rank, industry, province) == shown


def test_a_rank_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="rank 0"):
        display.counterparty("客户", 0, None, None)


def test_codes_of_counterparties_become_their_token() -> None:
    # printf 'firm:uscc:914403001922038216' | openssl dgst -sha256 -mac HMAC -macopt hexkey:00…
    import hashlib
    import hmac

    digest = hmac.new(bytes(32), b"firm:uscc:914403001922038216", hashlib.sha256).hexdigest()
    shown = display.counterparty_code(SecretStr("00" * 32), "9144-0300 1922038216")
    assert shown.replace("-", "") == digest[:32]
