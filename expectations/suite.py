"""Suites as data: the YAML files under `suites/`, one per hand-over."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from firmpulse import yaml_files
from firmpulse.errors import ConfigurationError

# A critical failure stops the run, a warning is shown. A failure of firms quarantines these firms,
# unless it is of so many that the batch is broken.
Severity = Literal["critical", "firm", "warning"]


@dataclass(frozen=True)
class OfBatch:
    """From how many firms on a failure is one of the batch: this many, and this share of all."""

    firms: int
    share: float

    def holds(self, broken: int, firms: int) -> bool:
        """Whether `broken` of `firms` are too many to be exceptions."""
        return broken >= self.firms and broken > self.share * firms


@dataclass(frozen=True)
class Expectation:
    """One expectation of a suite, with its words and its thresholds."""

    # Its name, by which a person accepts a failure.
    rule: str
    # Great Expectations' name without `expect_`.
    expect: str
    # The expectation in words, for failures and the Data Docs.
    says: str
    severity: Severity
    # Arguments of the expectation: column, thresholds.
    arguments: Mapping[str, Any]
    # Column → minimum count for a row to be checked; shares of a few rows mean nothing.
    at_least: Mapping[str, int]
    # Only with the severity `firm`.
    of_batch: OfBatch | None = None

    @property
    def gx_class(self) -> str:
        """Name of the class in `great_expectations.expectations`."""
        return "Expect" + "".join(part.title() for part in self.expect.split("_"))


@dataclass(frozen=True)
class Suite:
    """The expectations of one hand-over."""

    name: str
    # Column that names a row in the results; None if rows are firms, which stay unnamed.
    row: str | None
    # Column with the firm of a row, if rows are firms.
    firm: str | None
    # Rows of a firm in quarantine, and their share, from which on it is not known; of deliveries.
    unreadable: Mapping[str, float]
    expectations: tuple[Expectation, ...]

    @property
    def judges_firms(self) -> bool:
        """Whether a rule of it may quarantine firms."""
        return any(one.severity == "firm" for one in self.expectations)

    def expectation(self, rule: str) -> Expectation:
        """Return an expectation by its name.

        Raises:
            ConfigurationError: there is none.
        """
        for one in self.expectations:
            if one.rule == rule:
                return one
        known = ", ".join(one.rule for one in self.expectations)
        raise ConfigurationError(f"the suite {self.name} has no rule {rule!r}; use one of {known}")


@cache
def load(name: str) -> Suite:
    """Return the suite `name`.

    Raises:
        ConfigurationError: there is no such suite, or an expectation lacks a part.
    """
    folder = resources.files("expectations") / "suites"
    known = sorted(entry.name.removesuffix(".yml") for entry in folder.iterdir())
    if name not in known:
        raise ConfigurationError(f"no suite {name!r}; use one of {', '.join(known)}")
    content = yaml_files.parse((folder / f"{name}.yml").read_text(encoding="utf-8"))
    expectations = tuple(_expectation(name, entry) for entry in content["expectations"])
    return Suite(
        name, content.get("row"), content.get("firm"), content.get("unreadable", {}), expectations
    )


def _expectation(suite: str, entry: dict[str, Any]) -> Expectation:
    missing = {"rule", "expect", "says", "severity"} - entry.keys()
    if entry.get("severity") == "firm":
        missing |= {"of_batch"} - entry.keys()
    if missing:
        raise ConfigurationError(f"suite {suite}: {entry} lacks {', '.join(sorted(missing))}")
    own = {"rule", "expect", "says", "severity", "at_least", "of_batch"}
    return Expectation(
        rule=entry["rule"],
        expect=entry["expect"],
        says=entry["says"],
        severity=entry["severity"],
        arguments={k: v for k, v in entry.items() if k not in own},
        at_least=entry.get("at_least", {}),
        of_batch=OfBatch(**entry["of_batch"]) if "of_batch" in entry else None,
    )
