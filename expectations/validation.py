"""Check a batch against its suite, store the result, refresh the Data Docs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from expectations import suite as suites
from expectations.suite import Expectation, Suite
from firmpulse.errors import ExpectationFailed
from firmpulse.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5


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

    @property
    def success(self) -> bool:
        """Whether every critical expectation held."""
        return not self.failed


def validate(
    settings: Settings,
    suite: str,
    frame: "pd.DataFrame",
    batch: str,
    parameters: Mapping[str, float] | None = None,
) -> Validation:
    """Check `frame` against the suite; the result and its page are stored under `data_docs`.

    Args:
        settings: home folder with the Data Docs.
        suite: delivery, masked, facts, features or scores.
        frame: the batch; profiles have one row per table, delivery or feature.
        batch: name of the batch in messages and pages, such as 2026-10-31.
        parameters: values of the suite's `$PARAMETER`s.
    """
    definition = suites.load(suite)
    results = _run(settings, definition, frame, batch, dict(parameters or {}))
    failed = [
        (expectation, result)
        for expectation, result in zip(definition.expectations, results, strict=True)
        if not result["success"]
    ]
    words: dict[str, list[str]] = {"critical": [], "warning": []}
    broken: dict[str, tuple[str, ...]] = {}
    for expectation, result in failed:
        words[expectation.severity].append(
            f"{expectation.says}; seen: {_seen(result, definition.row)}"
        )
        if definition.row is not None and expectation.severity == "critical":
            for name, seen in _by_row(result, definition.row, list(frame[definition.row])).items():
                broken[name] = (*broken.get(name, ()), f"{expectation.says}; seen: {seen}")
    return Validation(
        suite=suite,
        batch=batch,
        failed=tuple(words["critical"]),
        warnings=tuple(words["warning"]),
        broken=broken,
    )


def require(
    settings: Settings,
    suite: str,
    frame: "pd.DataFrame",
    batch: str,
    parameters: Mapping[str, float] | None = None,
) -> Validation:
    """Check `frame` like `validate` and stop the run if a critical expectation failed.

    Raises:
        ExpectationFailed: names the suite, the batch, and each failure with the values seen.
    """
    outcome = validate(settings, suite, frame, batch, parameters)
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
    words = expectation.says + (" (a warning)" if expectation.severity == "warning" else "")
    arguments = dict(expectation.arguments)
    for column, count in expectation.at_least.items():
        arguments["row_condition"] = gx.expectations.row_conditions.Column(column) >= count
    return kind(**arguments, description=words, severity=expectation.severity)


def _in_order(result: Any, expectations: list[Any]) -> list[Any]:
    """Great Expectations groups its results by column; restore the suite's order."""
    by_id = {entry.expectation_config.id: entry for entry in result.results}
    return [by_id[expectation.id] for expectation in expectations]


def _result_format(suite: Suite) -> dict[str, Any]:
    if suite.row is None:
        return {"result_format": "BASIC", "partial_unexpected_count": _SHOWN}
    return {
        "result_format": "COMPLETE",
        "unexpected_index_column_names": [suite.row],
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


def _by_row(result: dict[str, Any], row: str, names: list[str]) -> dict[str, str]:
    """Return what was seen in each row that broke an expectation; in all, for a table."""
    entries = result["result"].get("unexpected_index_list") or ()
    if not entries:
        return dict.fromkeys(names, _seen(result, row))
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
