"""The purpose of a bank booking: the rules of `dbt_project/narratives.yml` as SQL macros.

One regular expression splits a text into the listed words, from the left, longest first; its
alternatives are ordered by length. The rules then check which words the text has.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import yaml

from firmpulse import yaml_files
from firmpulse.errors import ContractError
from firmpulse.settings import PROJECT_ROOT

RULES = PROJECT_ROOT / "dbt_project" / "narratives.yml"
UNKNOWN = "unknown"
_DIRECTIONS = ("IN", "OUT")

# Characters that NFKC maps to one other: full-width forms, radicals, compatibility ideographs.
_FORMS = {
    chr(code): unicodedata.normalize("NFKC", chr(code))
    for low, high in ((0x2E80, 0x2FE0), (0x3000, 0x3001), (0xF900, 0xFB00), (0xFF01, 0xFF5F))
    for code in range(low, high)
    if len(unicodedata.normalize("NFKC", chr(code))) == 1
}
_ODD_FORM = r"[\x{2e80}-\x{2fdf}\x{3000}\x{f900}-\x{faff}\x{ff01}-\x{ff5e}]"
_NO_LETTERS, _HAN = r"[^\pL]+", r"(\p{Han})"


@dataclass(frozen=True)
class Rule:
    """One rule; the first that holds decides."""

    name: str
    why: str
    # Direction of the booking → category; a missing direction does not match.
    category: Mapping[str, str]
    words: tuple[str, ...]
    # If the text has any of these words, the rule does not hold.
    without: tuple[str, ...]


@dataclass(frozen=True)
class Narratives:
    """The rules in order, the words that decide nothing, and the meaning of the categories."""

    categories: Mapping[str, str]
    plain: tuple[str, ...]
    rules: tuple[Rule, ...]

    def lexicon(self) -> tuple[str, ...]:
        """Return every word once, longest first."""
        of_rules = [word for rule in self.rules for word in (*rule.words, *rule.without)]
        return tuple(sorted({*self.plain, *of_rules}, key=lambda word: (-len(word), word)))


@cache
def load(path: Path = RULES) -> Narratives:
    """Return the rules.

    Raises:
        ContractError: the file contradicts itself; the message names rule and word.
    """
    try:
        document = yaml_files.read(path)
        narratives = Narratives(
            categories=document["categories"],
            plain=tuple(document["plain"]),
            rules=tuple(_rule(entry) for entry in document["rules"]),
        )
    except (KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ContractError(f"{path.name} is not a list of rules: {error!r}") from None
    problem = next(_problems(narratives), None)
    if problem is not None:
        raise ContractError(f"{path.name}: {problem}")
    return narratives


def _rule(entry: Mapping[str, Any]) -> Rule:
    category = entry["category"]
    return Rule(
        name=entry["name"],
        why=entry["why"],
        category=category if isinstance(category, dict) else dict.fromkeys(_DIRECTIONS, category),
        words=tuple(entry["words"]),
        without=tuple(entry.get("not", ())),
    )


def _problems(narratives: Narratives) -> Iterator[str]:
    names: set[str] = set()
    for rule in narratives.rules:
        if rule.name in names:
            yield f"two rules are called {rule.name}"
        names.add(rule.name)
        for direction, category in rule.category.items():
            if category not in narratives.categories or category == UNKNOWN:
                yield f"rule {rule.name}: {category!r} is not a category"
            if direction not in _DIRECTIONS:
                yield f"rule {rule.name}: {direction!r} is neither IN nor OUT"
        if not rule.words or not rule.why:
            yield f"rule {rule.name} has no words, or no `why`"
        for word in rule.words:
            if word in rule.without or word in narratives.plain:
                yield f"rule {rule.name}: {word!r} both decides and decides nothing"
    if UNKNOWN not in narratives.categories:
        yield f"there is no category {UNKNOWN}"
    for word in narratives.lexicon():
        if normalised(word) != word or " " in word or len(word) < 2:
            yield (
                f"{word!r} can never be a word of a text: a word has two letters or more, "
                "half-width and lower case, without blanks, digits and signs"
            )


def normalised(text: str) -> str:
    """Return a word in search form: NFKC, lower case, without blanks, digits and signs."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[\W\d_]+", " ", folded).strip()


def install(connection: duckdb.DuckDBPyConnection, narratives: Narratives | None = None) -> None:
    """Make `narrative_text(stated)` and `narrative_category(text, direction)` available."""
    for signature, body in macros(narratives or load()).items():
        connection.execute(f"create or replace macro {signature} as ({body})")


def macros(narratives: Narratives) -> Mapping[str, str]:
    """Return the macros: signature → expression."""
    found = "regexp_extract_all(text, " + _literal(_pattern(narratives.lexicon())) + ")"
    return {
        "narrative_text(stated)": _text_sql(),
        "narrative_words(text)": found,
        "narrative_rule(words, direction)": _case(narratives.rules, lambda rule, _: rule.name),
        "narrative_category(words, direction)": (
            f"coalesce({_case(narratives.rules, lambda rule, way: rule.category[way])}, "
            f"{_literal(UNKNOWN)})"
        ),
    }


def _text_sql() -> str:
    """Return SQL of a text in search form; see `normalised`.

    Words spaced out letter by letter (工 资) are joined; other blanks separate words.
    """
    odd, plain = "".join(_FORMS), "".join(_FORMS.values())
    formed = (
        f"case when regexp_matches(stated, {_literal(_ODD_FORM)}) "
        f"then translate(stated, {_literal(odd)}, {_literal(plain)}) else stated end"
    )
    text = f"regexp_replace(lower({formed}), {_literal(_NO_LETTERS)}, ' ', 'g')"
    for letters in (4, 3, 2):
        spaced = f"(^| ){' '.join([_HAN] * letters)}($| )"
        joined = "".join(f"\\{n}" for n in range(1, letters + 3))
        text = f"regexp_replace({text}, {_literal(spaced)}, {_literal(joined)}, 'g')"
    return f"trim({text})"


def _pattern(words: Sequence[str]) -> str:
    latin = [word for word in words if word[0].isascii() and word.isascii()]
    mixed = [word for word in words if word not in latin]
    return "|".join([*mixed, *(rf"\b{word}\b" for word in latin)])


def _case(rules: Sequence[Rule], value: Any) -> str:
    branches = []
    for rule in rules:
        for direction in rule.category:
            holds = f"direction = '{direction}' and list_has_any(words, {_list(rule.words)})"
            if rule.without:
                holds += f" and not list_has_any(words, {_list(rule.without)})"
            branches.append(f"when {holds} then {_literal(value(rule, direction))}")
    return f"case {' '.join(branches)} end"


def _list(words: Sequence[str]) -> str:
    return "[" + ", ".join(_literal(word) for word in words) + "]"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
