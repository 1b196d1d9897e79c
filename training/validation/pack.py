"""The validation pack, one self-contained and printable HTML page, and the model card."""

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from firmpulse import tracking
from training import labels
from training.calibration_checks import GradeCheck
from training.claims import table as claims_table
from training.config import LOANS
from training.metrics import Interval
from training.promotion import GateResult
from training.validation import findings
from training.validation.evidence import Evidence

_NONE = "–"
# A version's description in MLflow has at most 5,000 characters; the pack has everything.
_MOST_FINDINGS = 12
# Metric of a run → its heading, in the order of the pack.
_METRICS = {
    "auc": "AUC",
    "gini": "Gini",
    "ks": "KS",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "log_loss": "log loss",
    "observed_expected": "observed / expected",
}
_ROWS = {
    "train": "training",
    "train_held_out": "training, held out",
    "oot": "out of time",
    "oot_unseen": "out of time, firms unseen in training",
}


def page(
    gathered: Evidence,
    metrics: Mapping[str, float],
    compared: Mapping[str, Mapping[str, float]],
    gates: Sequence[GateResult],
    figures: Mapping[str, bytes],
) -> str:
    """Return the validation pack as one HTML page.

    Args:
        gathered: tables of the version.
        metrics: all metrics of the version's run, bounds beside them.
        compared: name → metrics of every model on the same frame, the version first.
        gates: the gates and their results.
        figures: file name → image; embedded in the page.
    """
    template = _environment().get_template("pack.html.j2")
    return template.render(
        **_shared(gathered, metrics, compared, gates),
        compared=compared,
        metric_names=_METRICS,
        row_names=_ROWS,
        claims=claims_table.table(gathered.claims) if gathered.claims else (),
        swap_labels=claims_table.CELL_LABELS,
        cuts=_by_cut(gathered.segments),
        vintages=None
        if gathered.subject.frame.labels == LOANS or not gathered.vintages.width
        else _pivot(gathered.vintages),
        loan_vintages=gathered.vintages.to_dicts()
        if gathered.subject.frame.labels == LOANS
        else None,
        roll_rates=_roll_rates(gathered.roll_rates) if gathered.roll_rates.width else None,
        images={name.removesuffix(".png"): _address(image) for name, image in figures.items()},
    )


def card(
    gathered: Evidence,
    metrics: Mapping[str, float],
    compared: Mapping[str, Mapping[str, float]],
    gates: Sequence[GateResult],
) -> str:
    """Return the model card as Markdown: purpose, data, results, limits."""
    template = _environment().get_template("model_card.md.j2")
    shared = _shared(gathered, metrics, compared, gates)
    return template.render(**shared, compared=compared, most_findings=_MOST_FINDINGS)


def grades_frame(grades: Sequence[GradeCheck]) -> pl.DataFrame:
    """Return one row per grade, best first, with the columns of `GradeCheck`."""
    return pl.DataFrame([asdict(grade) for grade in grades])


def _shared(
    gathered: Evidence,
    metrics: Mapping[str, float],
    compared: Mapping[str, Mapping[str, float]],
    gates: Sequence[GateResult],
) -> dict[str, Any]:
    subject = gathered.subject
    return {
        "name": tracking.CREDIT_MODEL,
        "subject": subject,
        "frame": subject.frame,
        "bundle": subject.model.bundle,
        "evidence": gathered,
        "metrics": metrics,
        "gates": gates,
        "findings": findings.of(gathered, metrics, compared, gates),
        "labels": labels.IN_WORDS[subject.frame.labels],
        "of_loans": subject.frame.labels == LOANS,
        "is_simulated": "simulated" in subject.frame.origin,
        "sources_read": _counts(feature.source for feature in subject.features),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("training.validation"),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": share, "figure": figure, "shown": shown, "p_value": p_value}
    environment.globals |= {"bounds": _bounds, "with_bounds": _with_bounds}
    return environment


def share(value: float | None, digits: int = 1) -> str:
    """Return a share in percent, '–' for none."""
    return _NONE if _is_none(value) else f"{value:.{digits}%}"


def figure(value: float | None, digits: int = 3) -> str:
    """Return a number with a fixed number of decimals, '–' for none."""
    return _NONE if _is_none(value) else f"{value:,.{digits}f}"


def p_value(value: float | None) -> str:
    """Return a p-value; small ones as a bound."""
    if _is_none(value):
        return _NONE
    return "< 0.001" if value is not None and value < 0.001 else f"{value:.3f}"


def shown(value: Interval | float | None, unit: str) -> str:
    """Return a claim's value in its unit, with its interval if it has one."""
    if isinstance(value, Interval):
        ends = f"{_in_unit(value.low, unit)} to {_in_unit(value.high, unit)}"
        return f"{_in_unit(value.value, unit)} ({ends})"
    return _in_unit(value, unit)


def _in_unit(value: float | None, unit: str) -> str:
    if unit == "yes_no" and value is not None:
        return "yes" if value else "no"
    return share(value) if unit == "share" else figure(value, 2 if unit == "ratio" else 0)


def _is_none(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _with_bounds(metrics: Mapping[str, float], name: str, digits: int = 3) -> str:
    """Return a metric with its interval, as far as the run has them."""
    text, ends = figure(metrics.get(name), digits), _bounds(metrics, name, digits)
    return f"{text} ({ends})" if ends else text


def _bounds(metrics: Mapping[str, float], name: str, digits: int = 3) -> str:
    low, high = (metrics.get(bound) for bound in tracking.bounds_of(name))
    return "" if low is None else f"{figure(low, digits)} to {figure(high, digits)}"


def _counts(values: Iterator[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


def _by_cut(segments: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    return {
        cut: segments.filter(pl.col("cut") == cut).to_dicts()
        for cut in segments["cut"].unique(maintain_order=True)
    }


def _pivot(vintages: pl.DataFrame) -> dict[str, Any]:
    """Return the vintages as rows of cells by months on book; None where not observed yet."""
    months = vintages["months_on_book"].unique().sort().to_list()
    rows = []
    for (name,), cells in vintages.group_by("vintage", maintain_order=True):
        by_month = {cell["months_on_book"]: cell for cell in cells.to_dicts()}
        rows.append(
            {
                "vintage": name,
                "firms": cells["firms"][0],
                "cells": [by_month.get(m) for m in months],
            }
        )
    return {"months": months, "rows": rows}


def _roll_rates(roll_rates: pl.DataFrame) -> dict[str, Any]:
    targets = roll_rates["to_bucket"].unique(maintain_order=True).to_list()
    rows = [
        {
            "bucket": name,
            "firm_months": cells["firm_months"].sum(),
            "rates": cells["rate"].to_list(),
        }
        for (name,), cells in roll_rates.group_by("from_bucket", maintain_order=True)
    ]
    return {"targets": targets, "rows": rows}


def _address(image: bytes) -> str:
    """Return an image as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"
