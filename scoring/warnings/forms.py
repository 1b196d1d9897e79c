"""The form of a rule: a closed form, so that a file of rules is configuration, not a program."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

LEVELS = ("none", "blue", "yellow", "orange", "red")
_BOUNDS = ("at_least", "above", "at_most", "below", "worst_of_peers")
_BRACES = re.compile(r"\{[^}]*\}?|\}")
_TEXT = Annotated[str, Field(min_length=1)]
# Sources that a firm grants and a provider delivers nightly.
Extract = Literal["tax", "bank", "supply_chain", "power"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Strict):
    """A value is compared with itself this many month ends earlier."""

    months: int = Field(ge=1, le=24)
    how: Literal["difference", "ratio"] = Field(alias="as")


class Condition(_Strict):
    """One line of a rule: a value and its bound."""

    value: str
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    worst_of_peers: float | None = Field(default=None, gt=0, lt=0.5)
    months: int = Field(default=1, ge=1, le=12)
    change: Change | None = None

    @model_validator(mode="after")
    def _has_one_bound(self) -> "Condition":
        given = [name for name in _BOUNDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(_BOUNDS)}, not {len(given)}")
        if self.worst_of_peers is not None and (self.months > 1 or self.change is not None):
            raise ValueError("worst_of_peers uses the present value; leave months, change out")
        return self

    def __str__(self) -> str:
        """Return the condition in words, such as 'x at most -0.2 for 2 months'."""
        bound = f"{self.comparison.replace('_', ' ')} {getattr(self, self.comparison):g}"
        change = f", {self.change.how} to {self.change.months} months ago," if self.change else ""
        months = f" for {self.months} months" if self.months > 1 else ""
        return f"{self.value}{change} {bound}{months}"

    @property
    def comparison(self) -> str:
        """Return the name of its bound."""
        return next(name for name in _BOUNDS if getattr(self, name) is not None)

    @property
    def bound(self) -> float:
        """Return its bound as a warning shows it; for peers, the share that does better."""
        bound = float(getattr(self, self.comparison))
        return 1 - bound if self.worst_of_peers is not None else bound

    @property
    def lags(self) -> frozenset[int]:
        """Return the month ends that it reads, counted back from now."""
        back = self.change.months if self.change else 0
        return frozenset(lag + gap for lag in range(self.months) for gap in {0, back})


class AnyOf(_Strict):
    """A line of a rule that holds if one of several conditions does."""

    any: tuple[Condition, ...] = Field(min_length=2)


class Rule(_Strict):
    """One rule of the file."""

    id: str = Field(pattern="^[A-Z][A-Z0-9_]*$")
    level: Literal["blue", "yellow", "orange", "red"]
    source: Literal["tax", "bank", "supply_chain", "power", "public_records", "lender", "model"]
    when: tuple[Condition | AnyOf, ...] = Field(min_length=1)
    quiet_months: frozenset[Annotated[int, Field(ge=1, le=12)]] = frozenset()
    planned_outage_days: int | None = Field(default=None, ge=1)
    unit: Literal["share", "times", "days", "months", "count", "ranks", "flag"]
    zh: _TEXT
    en: _TEXT

    @model_validator(mode="after")
    def _shows_a_condition(self) -> "Rule":
        if isinstance(self.when[0], AnyOf):
            raise ValueError("the first line gives the value that is shown; put `any` below it")
        if not any("\u4e00" <= character <= "\u9fff" for character in self.zh):
            raise ValueError("zh has no Chinese text")
        unknown = set(_BRACES.findall(self.zh + self.en)) - {"{value}", "{threshold}"}
        if unknown:
            raise ValueError(f"a text takes {{value}} and {{threshold}}, not {min(unknown)}")
        return self

    @property
    def shown(self) -> Condition:
        """Return the condition whose value and threshold a warning shows."""
        first = self.when[0]
        assert isinstance(first, Condition)  # noqa: S101 - checked on load
        return first

    @property
    def conditions(self) -> Iterator[Condition]:
        """Yield all its conditions."""
        for line in self.when:
            yield from line.any if isinstance(line, AnyOf) else (line,)


class Freshness(_Strict):
    """Table that gives the age of a source, and the largest age of its newest row."""

    table: str = Field(pattern="^fct_[a-z_]+$")
    days: int = Field(ge=1)


class RulesFile(_Strict):
    """The file; rules are parsed one by one, so that a message can name the rule."""

    freshness: Mapping[Extract, Freshness]
    least_peers: int = Field(ge=5)
    rules: tuple[Any, ...] = Field(min_length=1)
