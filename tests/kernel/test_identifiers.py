"""Each scheme's rule gives a firm one identifier, and keeps two firms apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmpulse import identifiers
from tests.identifier_texts import TEXTS

CODE = "914403001922038216"


@pytest.mark.parametrize(
    ("scheme", "typed", "value"),
    [
        ("cumcm", "E7", "E7"),
        ("cumcm", " e7\t", "e7"),
        ("cumcm", "A-1", "A-1"),
        ("cumcm", "A1", "A1"),
        ("cumcm", "Ａ－１", "A-1"),
        ("cumcm", "\u3000A 1\u00a0", "A1"),
        ("cumcm", "\ufeffA\u200b1\n", "A1"),
        ("cumcm", "'0012", "0012"),
        ("cumcm", '="0012"', "0012"),
        ("cumcm", "O'Brien/7:2", "O'Brien/7:2"),
        ("uscc", '=\'""', ""),
        ("uscc", "9144-0300-1922038216", CODE),
        ("uscc", '="914403001922038216"', CODE),
        ("uscc", "91440300\u20131922\u00a0038216\x07", CODE),
        ("uscc", "9152000071430580xt", "9152000071430580XT"),
    ],
)
def test_the_rule_of_each_scheme(scheme: str, typed: str, value: str) -> None:
    assert identifiers.normalise(scheme, typed) == value


@pytest.mark.parametrize(
    ("typed", "scheme", "value"),
    [
        (CODE, "uscc", CODE),
        ("uscc: 9144 0300 1922038216", "uscc", CODE),
        ("USCC：914403001922038216", "uscc", CODE),
        ("cumcm:ab-1", "cumcm", "ab-1"),
        (" CUMCM : ab-1 ", "cumcm", "ab-1"),
        ("cumcm:a:b", "cumcm", "a:b"),
    ],
)
def test_a_typed_identifier_is_split_at_its_first_colon(
    typed: str, scheme: str, value: str
) -> None:
    assert identifiers.split(typed) == (scheme, value)
    assert identifiers.split(value, scheme) == (scheme, value) or ":" in value


@pytest.mark.parametrize("scheme", ["uscc", "cumcm"])
@given(text=TEXTS)
def test_twice_is_once_and_a_folded_text_has_the_value(scheme: str, text: str) -> None:
    once = identifiers.normalise(scheme, text)
    assert identifiers.normalise(scheme, once) == once
    firm = identifiers.identifier(scheme, text)
    assert identifiers.folded_value(firm) in identifiers.folded(text)


@given(st.from_regex(r"[!-&(-<>-~]{1,12}", fullmatch=True))
def test_what_is_plain_stays_as_the_provider_wrote_it(text: str) -> None:
    assert identifiers.normalise("cumcm", text) == text


@pytest.mark.parametrize(
    ("scheme", "value", "words"),
    [
        ("cumcm", "", "no letter and no digit"),
        ("cumcm", "-", "no letter and no digit"),
        ("", "E7", "a scheme that is not"),
        ("税号", "E7", "a scheme that is not"),
    ],
)
def test_what_names_no_firm(scheme: str, value: str, words: str) -> None:
    found = identifiers.problem(scheme, value)
    assert found is not None
    assert words in found
    assert identifiers.problem("cumcm", "E7") is None


def test_a_code_is_shown_without_its_scheme() -> None:
    assert identifiers.shown(f"uscc:{CODE}") == CODE
    assert identifiers.shown("cumcm:ab-1") == "cumcm:ab-1"
