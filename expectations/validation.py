"""Check a batch against its suite, store the result, refresh the Data Docs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from expectations import suite as suites
from expectations.profiles import Batch, Finding
from expectations.suite import Expectation, Suite
from firmpulse.errors import ExpectationFailed
from firmpulse.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5
# Severity → what follows from a failure, as the pages say it.
_CONSEQUENCE = {"warning": " (a warning)", "firm": " (its firms are quarantined)"}


@dataclass(frozen=True)
class Validation:
    """Outcome of one suite on one batch."""

    suite: str
    batch: str
    # Failed critical expectations, each in words with the values seen.
    failed: tuple[str, ...]
    # Failed expectations that do not stop a run.
    warnings: tuple[str, ...]
    # Rows of the batch that broke a critical expectation: name → what each broke.
    broken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Rules of the failed critical expectations.
    failed_rules: tuple[str, ...] = ()
    # Rule → what is impossible about the firms that are quarantined for it.
    quarantined: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """Whether every critical expectation held."""
        return not self.failed


def validate(
    settings: Settings,
    suite: str,
    batch: Batch,
    name: str,
    parameters: Mapping[str, float] | None = None,
    accepted: Mapping[str, str] | None = None,
) -> Validation:
    """Check a batch against the suite; the result and its page are stored under `data_docs`.

    Args:
        settings: home folder with the Data Docs.
        suite: delivery, masked, facts, features or scores.
        batch: profiles have one row per table, delivery or feature.
        name: name of the batch in messages and pages, such as 2026-10-31.
        parameters: values of the suite's `$PARAMETER`s.
        accepted: rules whose failure a person has accepted → who, and why.
    """
    definition = suites.load(suite)
    results = _run(settings, definition, batch.frame, name, dict(parameters or {}))
    failed: list[tuple[str, str]] = []
    warnings: list[str] = []
    broken: dict[str, tuple[str, ...]] = {}
    quarantined: dict[str, tuple[Finding, ...]] = {}
    for expectation, result in zip(definition.expectations, results, strict=True):
        if result["success"]:
            continue
        words = f"{expectation.says}; seen: {_seen(result, definition.row)}"
        found = _of_firms(definition, expectation, result, batch)
        if expectation.severity == "warning":
            warnings.append(words)
        elif expectation.rule in (accepted or {}):
            warnings.append(f"{words}; accepted by {(accepted or {})[expectation.rule]}")
        elif found:
            quarantined[expectation.rule] = found
            count = len({one.firm_id for one in found})
            warnings.append(f"{words}; quarantined: {count} of {batch.firms} firms")
        else:
            failed.append((expectation.rule, words))
            for row, seen in _by_row(result, definition.row, batch.frame).items():
                broken[row] = (*broken.get(row, ()), f"{expectation.says}; seen: {seen}")
    return Validation(
        suite=suite,
        batch=name,
        failed=tuple(words for _, words in failed),
        warnings=tuple(warnings),
        broken=broken,
        failed_rules=tuple(rule for rule, _ in failed),
        quarantined=quarantined,
    )


def require(
    settings: Settings,
    suite: str,
    batch: Batch,
    name: str,
    parameters: Mapping[str, float] | None = None,
) -> Validation:
    """Check a batch like `validate` and stop the run if a critical expectation failed.

    Raises:
        ExpectationFailed: names the suite, the batch, and each failure with the values seen.
    """
    outcome = validate(settings, suite, batch, name, parameters)
    stop_if_failed(settings, outcome)
    return outcome


def stop_if_failed(settings: Settings, outcome: Validation, advice: str = "") -> None:
    """Stop the run if a critical expectation failed.

    Raises:
        ExpectationFailed: names the suite, the batch, each failure with the values seen, and
            the advice.
    """
    if outcome.success:
        return
    lines = "".join(f"\n  - expected: {line}" for line in outcome.failed)
    raise ExpectationFailed(
        f"the {outcome.suite} batch of {outcome.batch} broke {len(outcome.failed)} of its "
        f"expectations:{lines}\n{advice}See {settings.data_docs / 'index.html'}"
    )


def _run(
    settings: Settings, suite: Suite, frame: "pd.DataFrame", batch: str, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    os.environ["GX_ANALYTICS_ENABLED"] = "False"  # read once, when the library is imported
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier

    from expectations import store

    context = store.open_context(settings)
    expectations = [_gx_expectation(gx, expectation) for expectation in suite.expectations]
    gx_suite = context.suites.add_or_update(
        gx.ExpectationSuite(name=suite.name, expectations=expectations)
    )
    checkpoint = store.checkpoint(context, gx_suite, _result_format(suite))
    outcome = checkpoint.run(
        batch_parameters={"dataframe": frame},
        expectation_parameters=parameters,
        run_id=RunIdentifier(run_name=batch, run_time=datetime.now(UTC)),
    )
    (result,) = outcome.run_results.values()
    return [entry.to_json_dict() for entry in _in_order(result, expectations)]


def _gx_expectation(gx: Any, expectation: Expectation) -> Any:
    kind = getattr(gx.expectations, expectation.gx_class)
    words = expectation.says + _CONSEQUENCE.get(expectation.severity, "")
    arguments = dict(expectation.arguments)
    conditions = [
        gx.expectations.row_conditions.Column(column) >= count
        for column, count in expectation.at_least.items()
    ]
    if conditions:
        arguments["row_condition"] = reduce(and_, conditions)
    severity = "critical" if expectation.severity == "critical" else "warning"
    return kind(**arguments, description=words, severity=severity)


def _in_order(result: Any, expectations: list[Any]) -> list[Any]:
    """Great Expectations groups its results by column; restore the suite's order."""
    by_id = {entry.expectation_config.id: entry for entry in result.results}
    return [by_id[expectation.id] for expectation in expectations]


def _result_format(suite: Suite) -> dict[str, Any]:
    return {
        "result_format": "COMPLETE",
        "partial_unexpected_count": _SHOWN,
        "unexpected_index_column_names": [suite.row or suite.firm],
        "return_unexpected_index_query": False,
    }


def _seen(result: dict[str, Any], row: str | None) -> str:
    """Return what broke the expectation: named rows, sample values, or the observed value."""
    if result.get("exception_info", {}).get("raised_exception"):
        return f"it could not be checked: {result['exception_info']['exception_message']}"
    detail = result["result"]
    if row is not None and detail.get("unexpected_index_list"):
        return _named(detail["unexpected_index_list"], row)
    if detail.get("unexpected_count"):
        count = f"{detail['unexpected_count']} of {detail['element_count']} rows"
        if str(result["expectation_config"]["kwargs"].get("column")).endswith("_id"):
            # Alerts repeat it; the Data Docs show which firms they are.
            return count
        return f"{count}, such as {', '.join(map(str, detail['partial_unexpected_list']))}"
    return str(detail.get("observed_value"))


def _of_firms(
    suite: Suite, expectation: Expectation, result: dict[str, Any], batch: Batch
) -> tuple[Finding, ...]:
    """Return what is impossible about which firm; nothing if the batch is broken as a whole."""
    if expectation.of_batch is None:
        return ()
    column = expectation.arguments["column"]
    found = tuple(batch.findings.get(column, ()))
    if suite.firm is not None:
        entries = result["result"].get("unexpected_index_list") or ()
        found = tuple(_finding(entry[suite.firm], column, entry.get(column)) for entry in entries)
    firms = len({one.firm_id for one in found})
    return () if expectation.of_batch.holds(firms, batch.firms) else found


def _finding(firm_id: str, column: str, value: Any) -> Finding:
    figure = "null" if value is None or value != value else _figure(value)
    return Finding(
        firm_id, column, f"{column} 为 {figure}，不应出现", f"{column} is {figure}, which cannot be"
    )


def _by_row(result: dict[str, Any], row: str | None, frame: "pd.DataFrame") -> dict[str, str]:
    """Return what was seen in each row that broke an expectation; in all, for a table."""
    if row is None:
        return {}
    entries = result["result"].get("unexpected_index_list") or ()
    if not entries:
        return dict.fromkeys(list(frame[row]), _seen(result, row))
    return {str(entry[row]): _named([entry], row) for entry in entries}


def _named(rows: list[dict[str, Any]], row: str) -> str:
    shown = [
        f"{entry[row]} " + " and ".join(_figure(v) for k, v in entry.items() if k != row)
        for entry in rows[:_SHOWN]
    ]
    rest = len(rows) - _SHOWN
    return "; ".join(shown) + (f"; and {rest} more" if rest > 0 else "")


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
