"""Words decide the purpose of a bank booking, never letters inside other words."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from firmpulse import narratives
from firmpulse.errors import ContractError

TABLE = Path(__file__).with_name("narratives.csv")
_ASK = """
    with texts as (
        select unnest($texts) as text, unnest($directions) as direction,
            generate_subscripts($texts, 1) as number
    )
    select narrative_{what}(words, direction)
    from (select *, narrative_words(narrative_text(text)) as words from texts)
    order by number
"""


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as session:
        narratives.install(session)
        yield session


def ask_all(
    connection: duckdb.DuckDBPyConnection,
    asked: Sequence[tuple[str, str]],
    what: str = "category",
) -> list[Any]:
    """Return the category, or the rule, of each text and direction."""
    texts, directions = zip(*asked, strict=True)
    found = connection.execute(
        _ASK.format(what=what), {"texts": list(texts), "directions": list(directions)}
    )
    return [answer for (answer,) in found.fetchall()]


def ask(connection: duckdb.DuckDBPyConnection, text: str, direction: str) -> Any:
    return ask_all(connection, [(text, direction)])[0]


def test_texts_as_banks_print_them_have_the_category_of_the_table(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    with TABLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 400
    assert sum(row["category"] == "unknown" for row in rows) >= 60
    assert {row["category"] for row in rows} == set(narratives.load().categories)
    asked = [(f"{row['summary']} {row['purpose']}", row["direction"]) for row in rows]
    found = ask_all(connection, asked)
    wrong = [(row, told) for row, told in zip(rows, found, strict=True) if told != row["category"]]
    assert wrong == []


@pytest.mark.parametrize("text", [" 货 款 ", "货款20240315", "3月货款", "【货款】", "⽯油货款"])
def test_blanks_numbers_signs_and_forms_do_not_matter(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    assert ask(connection, text, "IN") == "op_in"


def test_every_word_decides_as_its_rule_says(connection: duckdb.DuckDBPyConnection) -> None:
    """No earlier rule has the same word, so no rule is dead."""
    words = [
        (rule.name, word, direction)
        for rule in narratives.load().rules
        for word in rule.words
        for direction in rule.category
    ]
    found = ask_all(connection, [(word, direction) for _, word, direction in words], "rule")
    assert [w for w, name in zip(words, found, strict=True) if name != w[0]] == []


def test_words_that_decide_nothing_are_not_known(connection: duckdb.DuckDBPyConnection) -> None:
    asked = [(word, way) for word in narratives.load().plain for way in ("IN", "OUT")]
    assert set(ask_all(connection, asked)) == {"unknown"}


@hypothesis_settings(deadline=None, max_examples=50)
@given(st.text())
def test_any_text_has_a_category(text: str) -> None:
    with duckdb.connect() as session:
        narratives.install(session, _RULES)
        assert ask(session, text, "IN") in {"op_in", "unknown"}


def test_the_first_rule_counts_whose_words_and_direction_fit() -> None:
    with duckdb.connect() as session:
        narratives.install(session, _RULES)
        assert ask(session, "货款", "IN") == "op_in"
        assert ask(session, "货款", "OUT") == "unknown"
        assert ask(session, "退货款", "IN") == "unknown"
        assert ask(session, "货款 备注", "IN") == "unknown"


_RULES = narratives.Narratives(
    categories={"op_in": "in", "unknown": "none"},
    plain=("退货款",),
    rules=(narratives.Rule("goods", "goods", {"IN": "op_in"}, ("货款",), ("备注",)),),
)
_RULE = {"name": "goods", "why": "goods", "category": "op_in", "words": ["货款"]}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([_RULE, _RULE], "two rules are called goods"),
        ([_RULE | {"category": "op"}], "'op' is not a category"),
        ([_RULE | {"category": {"In": "op_in"}}], "'In' is neither IN nor OUT"),
        ([_RULE | {"words": []}], "has no words"),
        ([_RULE | {"words": ["信息"]}], "'信息' both decides and decides nothing"),
        ([_RULE | {"words": ["货 款"]}], "'货 款' can never be a word of a text"),
        ([_RULE | {"words": ["息"]}], "'息' can never be a word of a text"),
        ([{"name": "goods"}], "is not a list of rules"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(
    tmp_path: Path, rules: list[dict[str, Any]], message: str
) -> None:
    path = tmp_path / "narratives.yml"
    document = {"categories": {"op_in": "in", "unknown": "none"}, "plain": ["信息"], "rules": rules}
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ContractError, match=message):
        narratives.load(path)
