"""Suites as data: the YAML files under `suites/`, one per hand-over."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from firmpulse import yaml_files
from firmpulse.errors import ConfigurationError

Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class Expectation:
    """One expectation of a suite, with its words and its thresholds."""

    # Great Expectations' name without `expect_`.
    expect: str
    # The expectation in words, for failures and the Data Docs.
    says: str
    # A critical failure stops the run, a warning is shown.
    severity: Severity
    # Arguments of the expectation: column, thresholds.
    arguments: Mapping[str, Any]
    # Column → minimum count for a row to be checked; shares of a few rows mean nothing.
    at_least: Mapping[str, int]

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
    expectations: tuple[Expectation, ...]


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
    return Suite(name, content.get("row"), expectations)


def _expectation(suite: str, entry: dict[str, Any]) -> Expectation:
    missing = {"expect", "says", "severity"} - entry.keys()
    if missing:
        raise ConfigurationError(f"suite {suite}: {entry} lacks {', '.join(sorted(missing))}")
    own = {"expect", "says", "severity", "at_least"}
    arguments = {k: v for k, v in entry.items() if k not in own}
    at_least = entry.get("at_least", {})
    return Expectation(entry["expect"], entry["says"], entry["severity"], arguments, at_least)
