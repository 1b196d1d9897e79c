"""The rules of `rules.yml`, checked against the features before a night uses them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from features.registry import Registry
from firmpulse import yaml_files
from firmpulse.errors import ContractError
from firmpulse.settings import Settings
from scoring.warnings.forms import Condition, Freshness, Rule, RulesFile
from scoring.warnings.measures import MEASURES

OWN_FILE = "warning_rules.yml"
DATA_STALE = "DATA_STALE"
_SHIPPED = Path(__file__).with_name("rules.yml")


@dataclass(frozen=True)
class RuleBook:
    """All rules, with their inputs."""

    rules: tuple[Rule, ...]
    freshness: Mapping[str, Freshness]
    least_peers: int
    # Rule → sources of its values; a stale one silences the rule.
    sources: Mapping[str, frozenset[str]]
    # Value → whether a higher one is worse, if the feature defines it.
    higher_is_worse: Mapping[str, bool]

    def lags(self, of_model: bool) -> dict[str, frozenset[int]]:
        """Return value → month ends at which it is read, for the model's values or all others."""
        found: dict[str, frozenset[int]] = {}
        for condition in (c for rule in self.rules for c in rule.conditions):
            measure = MEASURES.get(condition.value)
            if (measure is not None and measure.of_model) == of_model:
                name = condition.value
                found[name] = found.get(name, frozenset()) | condition.lags
        return found

    def without_model(self) -> "RuleBook":
        """Return the book without the rules that read the model."""
        return replace(self, rules=tuple(r for r in self.rules if r.source != "model"))


def load(settings: Settings, known: Registry) -> RuleBook:
    """Return the rules in force: the home folder's file, or else the packaged ones.

    Raises:
        ContractError: a rule is malformed, or reads what does not exist.
    """
    own = settings.root / OWN_FILE
    path = own if own.exists() else _SHIPPED
    return parse(path.read_text(encoding="utf-8"), known, path.name)


def titles(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return rule → its Chinese and English text with an ellipsis for each number."""
    own = settings.root / OWN_FILE
    path = own if own.exists() else _SHIPPED
    file = RulesFile.model_validate(yaml_files.read(path))
    rules = (_rule(entry, path.name) for entry in file.rules)
    return {rule.id: (_without_numbers(rule.zh), _without_numbers(rule.en)) for rule in rules}


def _without_numbers(text: str) -> str:
    return text.replace("{value}", "…").replace("{threshold}", "…")


def parse(text: str, known: Registry, name: str = OWN_FILE) -> RuleBook:
    """Return the rules of a YAML text, checked against the existing features.

    Raises:
        ContractError: the message names the rule, the problem and what to do.
    """
    try:
        file = RulesFile.model_validate(yaml_files.parse(text))
    except yaml.YAMLError as error:
        raise ContractError(f"{name} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ContractError(f"{name}: {_first(error)}") from None
    rules = tuple(_rule(entry, name) for entry in file.rules)
    seen: set[str] = {DATA_STALE}
    for rule in rules:
        if rule.id in seen:
            raise ContractError(f"{name}: {rule.id} is already used; give each rule its own id")
        seen.add(rule.id)
        for condition in rule.conditions:
            _require(condition, rule, known, name)
    metas = {feature.name: feature for feature in known.features}
    values = {c.value for rule in rules for c in rule.conditions}
    worse = {value: metas[value].expected_sign == "+" for value in values if value in metas}
    sources = {
        rule.id: frozenset(
            source
            for c in rule.conditions
            for source in (metas[c.value].sources if c.value in metas else _of_measure(c.value))
        )
        for rule in rules
    }
    freshness = {str(source): allowed for source, allowed in file.freshness.items()}
    return RuleBook(rules, freshness, file.least_peers, sources, worse)


def _of_measure(name: str) -> Collection[str]:
    source = MEASURES[name].source
    return () if source is None else (source,)


def _rule(entry: Any, name: str) -> Rule:
    label = entry.get("id", "a rule without id") if isinstance(entry, dict) else "a rule"
    try:
        return Rule.model_validate(entry)
    except ValidationError as error:
        raise ContractError(f"{name}: rule {label}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """Return the first finding; for a line that is not a condition, the one about conditions."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("Condition", "AnyOf"))
    return f"{place or 'it'}: {first['msg'].removeprefix('Value error, ')}"


def _require(condition: Condition, rule: Rule, known: Registry, name: str) -> None:
    """Raise if a condition uses a value that does not exist, or not in this form."""
    value, where = condition.value, f"{name}: rule {rule.id}"
    measure = MEASURES.get(value)
    if measure is not None:
        if not measure.of_model and condition.lags != {0}:
            raise ContractError(
                f"{where}: {value} is known only for the present; leave months, change out"
            )
        if measure.of_model and rule.source != "model":
            raise ContractError(f"{where}: {value} comes from the model; write source: model")
        if condition.worst_of_peers is not None:
            raise ContractError(f"{where}: worst_of_peers takes a feature, and {value} is not one")
        return
    if value not in known.names():
        near = get_close_matches(value, [*known.names(), *MEASURES], n=2)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ContractError(
            f"{where}: no feature {value!r}; {hint}List them with: firmpulse features list"
        )
    if known[value].kind != "number":
        raise ContractError(f"{where}: {value} is a category; rules compare numbers")
    if condition.worst_of_peers is not None and known[value].expected_sign == "U":
        raise ContractError(
            f"{where}: {value} has no worse side (expected sign U); give a bound instead"
        )
