"""All registered models on one page: out-of-time results of each, beside its baselines."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from firmpulse import tracking
from firmpulse.errors import NotReadyError
from firmpulse.pages import charts, page
from firmpulse.pages.page import Language
from firmpulse.settings import Settings

_TEMPLATES = Path(__file__).with_name("templates")
# Metric → its name in both languages, and whether a higher one is better.
METRICS = {
    "auc": ("AUC", "AUC", True),
    "ks": ("KS", "KS", True),
    "pr_auc": ("PR-AUC", "PR-AUC", True),
    "brier": ("Brier 分数", "Brier score", False),
    "log_loss": ("对数损失", "Log loss", False),
}
_MODELS = {
    tracking.CREDIT_MODEL: ("信用模型", "credit model"),
    tracking.LOGISTIC_MODEL: ("逻辑回归（同样特征）", "logistic regression, same features"),
    tracking.STATEMENTS_MODEL: ("仅年报评分卡", "scorecard on annual statements only"),
}
_MOST_VERSIONS = 8


def render(settings: Settings, language: Language) -> str:
    """Return the page as HTML.

    Raises:
        NotReadyError: no model is registered.
    """
    rows = [
        row
        for model in _MODELS
        for version in tracking.versions(settings, model)[:_MOST_VERSIONS]
        if (row := _row(settings, model, version)) is not None
    ]
    if not rows:
        raise NotReadyError("no model is registered yet; run: firmpulse train --as-of DATE")
    place = 0 if language == "zh" else 1
    values = {
        "rows": [{**row, "about": _MODELS[row["model"]][place]} for row in rows],
        "metrics": {name: (texts[place], texts[2]) for name, texts in METRICS.items()},
        "best": {name: _best(rows, name, higher) for name, (_, _, higher) in METRICS.items()},
        "chart": _chart(rows),
        "other": "en" if language == "zh" else "zh",
        "simulated": any(row["origin"] == "simulated firms" for row in rows),
    }
    return page.render(_TEMPLATES, "models.html.j2", language, values)


def _row(settings: Settings, model: str, version: Any) -> dict[str, Any] | None:
    found = tracking.client(settings).get_run(version.run_id).data
    rows = "oot" if "oot/auc" in found.metrics else "cv"
    if f"{rows}/auc" not in found.metrics:
        return None
    bounds = {
        name: tuple(found.metrics.get(bound) for bound in tracking.bounds_of(f"{rows}/{name}"))
        for name in METRICS
    }
    return {
        "model": model,
        "version": str(version.version),
        "aliases": ", ".join(sorted(version.aliases)),
        "trained": version.tags.get("trained_as_of") or found.tags.get("trained_as_of") or "",
        "approver": version.tags.get("approver"),
        "origin": found.tags.get("data_origin", ""),
        "frame": version.tags.get("frame_digest", ""),
        "tested_on": rows,
        "values": {name: found.metrics.get(f"{rows}/{name}") for name in METRICS},
        "bounds": bounds,
        "grade_share": found.metrics.get(f"{rows}_grades/largest_share"),
        "psi": found.metrics.get("stability/psi_score"),
    }


def _best(rows: list[dict[str, Any]], name: str, higher: bool) -> float | None:
    values = [row["values"][name] for row in rows if row["values"][name] is not None]
    return (max if higher else min)(values, default=None)


def _chart(rows: list[dict[str, Any]]) -> Markup:
    shown = [row for row in rows if None not in row["bounds"]["auc"]]
    if not shown:
        return Markup()
    return charts.intervals(
        [f"{row['model'].removeprefix('firmpulse-')} v{row['version']}" for row in shown],
        [row["values"]["auc"] for row in shown],
        [row["bounds"]["auc"][0] for row in shown],
        [row["bounds"]["auc"][1] for row in shown],
        (7.2, 0.7 + 0.32 * len(shown)),
        "AUC, 95 %",
    )
