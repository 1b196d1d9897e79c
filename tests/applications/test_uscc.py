import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmpulse import uscc

# Published by the firms themselves and in the standard.
VALID = (
    "914403001922038216", "9144030071526726XG", "91440300708461136T", "9152000071430580XT",
    "91440300192317458F", "9144030010001686XA", "91350900587527783P", "91440400192548256N",
    "91330100799655058B", "91110108551385082Q", "91110000802100433B", "91440300192181490G",
    "91350100M000100Y43",
)  # fmt: skip
CODE = VALID[0]
# Written out again: the code under test builds its own tables.
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
FULL_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

bodies = st.tuples(
    st.sampled_from(("91", "92", "93")),
    st.sampled_from(("11", "31", "44", "65")),
    st.text("0123456789", min_size=4, max_size=4),
    st.text(ALPHABET, min_size=9, max_size=9),
).map("".join)


def _codes(value: str) -> list[str]:
    return [finding.code for finding in uscc.check(value)]


def _sums_up(value: str) -> bool:
    """Sum of all 18 weighted characters: a route without the check character's own formula."""
    weights = (*WEIGHTS, 1)
    return sum(ALPHABET.index(c) * w for c, w in zip(value, weights, strict=True)) % 31 == 0


@pytest.mark.parametrize("code", VALID)
def test_published_codes_have_no_finding(code: str) -> None:
    assert uscc.check(code) == ()
    assert uscc.problem(code) is None


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("91350100M000100Y4Z", ["illegal_character"]),
        ("914403001922038217", ["check_character"]),
        ("914403001922038261", ["check_character"]),
        (CODE[:17], ["length"]),
        (CODE + "0", ["length"]),
        ("", ["length"]),
        ("9144O3OO1922038216", ["illegal_character"] * 3),
        ("814403001922038216", ["not_enterprise", "check_character"]),
        ("B14403001922038216", ["unknown_registration", "check_character"]),
        ("919903001922038216", ["unknown_province", "check_character"]),
    ],
)
def test_findings_come_in_the_order_to_tell_them(code: str, found: list[str]) -> None:
    assert _codes(code) == found
    assert uscc.problem(code) is not None


def test_all_540_single_substitutions_are_detected() -> None:
    wrong = [
        CODE[:place] + other + CODE[place + 1 :]
        for place in range(18)
        for other in ALPHABET
        if other != CODE[place]
    ]
    assert len(wrong) == 540
    assert [code for code in wrong if uscc.problem(code) is None] == []


def test_all_14_transpositions_of_neighbours_are_detected() -> None:
    wrong = [
        CODE[:place] + right + left + CODE[place + 2 :]
        for place, (left, right) in enumerate(pairwise(CODE))
        if left != right
    ]
    assert len(wrong) == 14
    assert [code for code in wrong if uscc.problem(code) is None] == []


@given(bodies)
def test_the_check_character_agrees_with_the_weighted_sum(body: str) -> None:
    code = body + uscc.check_character(body)
    assert _sums_up(code)
    assert [other for other in ALPHABET if _sums_up(body + other)] == [code[17]]
    assert uscc.problem(code) is None


@given(bodies)
def test_an_organisation_code_that_does_not_add_up_is_a_warning(body: str) -> None:
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(FULL_ALPHABET.index(c) * w for c, w in zip(body[8:16], weights, strict=True))
    value = 10 if body[16] == "X" else int(body[16]) if body[16].isdigit() else None
    adds_up = value is not None and (total + value) % 11 == 0
    found = uscc.check(body + uscc.check_character(body))
    assert [(f.code, f.severity) for f in found] == (
        [] if adds_up else [("organisation_code", "warning")]
    )


def test_organisation_codes_of_published_firms_use_x_for_ten() -> None:
    assert uscc.organisation_check("71526726") == "X"
    assert uscc.organisation_check("19220382") == "1"
    assert uscc.organisation_check("D2143569") == "X"  # example of GB 11714


@pytest.mark.parametrize(("character", "meant"), [("O", "0"), ("I", "1"), ("Z", "2"), ("S", "5")])
def test_a_lookalike_is_suggested_and_never_put_right(character: str, meant: str) -> None:
    (finding,) = uscc.check(character + CODE[1:])
    assert finding == uscc.CodeFault(
        "illegal_character",
        "error",
        f"第 1 位的“{character}”不用于统一社会信用代码，是否为“{meant}”？",
        f"The code has '{character}' at position 1, which no code uses; is it {meant}?",
    )
    assert uscc.normalise(character + CODE[1:]) == character + CODE[1:]


@given(bodies)
def test_the_expected_check_character_is_never_told(body: str) -> None:
    right = uscc.check_character(body)
    texts = set()
    for wrong in ALPHABET:
        if wrong != right:
            texts |= {f for f in uscc.check(body + wrong) if f.code == "check_character"}
    (finding,) = texts
    assert finding.zh == "校验码不符：至少有一位输错，请对照营业执照"
    assert not re.search(r"[0-9A-Z]{4,}", finding.en)


def test_a_public_body_is_told_to_be_no_enterprise() -> None:
    body = "12" + CODE[2:17]
    (finding,) = uscc.check(body + uscc.check_character(body))
    assert (finding.code, finding.severity) == ("not_enterprise", "warning")
    assert finding.zh.startswith("非企业主体")


@pytest.mark.parametrize(
    "typed",
    [
        "９１４４０３００１９２２０３８２１６",
        "\u30009144 0300 1922 0382 16\t",
        "914403-0019-22038216",
        "914403–00192203—8216",
        "\ufeff91440300\u200b1922038216\u2060",
        "'914403001922038216",
    ],
)
def test_normalise_takes_what_people_type(typed: str) -> None:
    assert uscc.normalise(typed) == "914403001922038216"


def test_normalise_writes_capitals() -> None:
    assert uscc.normalise("9144030071526726xg") == "9144030071526726XG"


@given(st.text())
def test_normalise_twice_is_normalise_once(text: str) -> None:
    once = uscc.normalise(text)
    assert uscc.normalise(once) == once


@given(st.text(max_size=30))
def test_any_text_gets_findings_in_both_languages(text: str) -> None:
    for finding in uscc.check(uscc.normalise(text)):
        assert finding.severity in ("error", "warning")
        assert re.search(r"[\u4e00-\u9fff]", finding.zh)
        assert finding.en.startswith("The code ")
        assert len(text) < 4 or text not in finding.zh + finding.en


@given(bodies, st.sampled_from(" \u3000-–\u200b\ufeff'"), st.integers(0, 17))
def test_decoration_anywhere_changes_nothing(body: str, mark: str, place: int) -> None:
    code = body + uscc.check_character(body)
    assert uscc.normalise(code[:place] + mark + code[place:].lower()) == code
