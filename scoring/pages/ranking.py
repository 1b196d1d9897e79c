"""Firms without a credit record, ranked by their daily business."""

from datetime import date
from pathlib import Path
from typing import Any

from markupsafe import Markup

from firmpulse import origin, scale, warehouse
from firmpulse.bounds import DEFAULT_DAYS
from firmpulse.errors import NotReadyError
from firmpulse.known_at import known_at
from firmpulse.pages import charts, page
from firmpulse.pages.page import Language
from firmpulse.settings import Settings
from scoring.pages import words

_TEMPLATES = Path(__file__).with_name("templates")
_BIN = 50
# A record is an outcome known to the lender, or a loan.
_RANKED = """
    with records as (
        select cast(firm_id as varchar) as firm_id, bool_or(defaulted) as defaulted
        from ({known}) group by firm_id
    )
    select
        scores.*, reasons.text_zh, reasons.text_en, levels.level, records.defaulted
    from warehouse.scoring.scores as scores
    left join records using (firm_id)
    left join warehouse.scoring.reasons as reasons
        on scores.firm_id = reasons.firm_id and scores.as_of = reasons.as_of and reasons.rank = 1
    left join warehouse.scoring.warning_levels as levels
        on scores.firm_id = levels.firm_id and scores.as_of = levels.as_of
    where scores.as_of = $as_of
    order by scores.default_prob, scores.firm_id
"""
_RECORDS = {
    "labels.undated_outcome": "select firm_id, defaulted from warehouse.labels.undated_outcome "  # noqa: S608 - our own names
    f"where {known_at()}",
    "facts.fct_loan_monthly": f"select firm_id, days_past_due >= {DEFAULT_DAYS} as defaulted "  # noqa: S608 - our own names
    f"from warehouse.facts.fct_loan_monthly where {known_at()}",
}


def render(settings: Settings, as_of: date, language: Language) -> str:
    """Return the ranking of a night as one HTML page.

    Raises:
        NotReadyError: no firm was scored on that date.
    """
    with warehouse.connect(settings) as connection:
        known = " union all ".join(
            sql for table, sql in _RECORDS.items() if warehouse.is_built(connection, table)
        )
        known = known or "select null as firm_id, false as defaulted where $as_of is null"
        rows = connection.execute(_RANKED.format(known=known), {"as_of": as_of}).pl().to_dicts()
        made_of = origin.of_deliveries(connection)
    if not rows:
        raise NotReadyError(f"no firm was scored on {as_of}; run: firmpulse night --as-of {as_of}")
    without = [row for row in rows if row["defaulted"] is None]
    values = {
        "as_of": as_of,
        "without": without,
        "with_record": len(rows) - len(without),
        "chart": _chart(rows, language),
        "grades": scale.GRADES,
        "counts": {grade: sum(row["grade"] == grade for row in without) for grade in scale.GRADES},
        "word": lambda kind, code: words.word(getattr(words, kind), code, language),
        "origin": made_of,
        "other": "en" if language == "zh" else "zh",
    }
    return page.render(_TEMPLATES, "ranking.html.j2", language, values)


def _chart(rows: list[dict[str, Any]], language: Language) -> Markup:
    """Draw the distribution of scores without a record, with a good one and with a default."""
    t = page.translator(language)
    groups = {
        t("无信贷记录", "no record"): None,
        t("有记录，未违约", "record, sound"): False,
        t("有记录，已违约", "record, default"): True,
    }
    edges = list(range(300, 900, _BIN))
    shares = {}
    for name, kind in groups.items():
        scores = [row["score"] for row in rows if row["defaulted"] is kind]
        if scores:
            shares[name] = [
                100 * sum(edge <= score < edge + _BIN for score in scores) / len(scores)
                for edge in edges
            ]
    return charts.grouped(
        [str(edge) for edge in edges],
        shares,
        unit=t("占比 %，按评分", "share of firms, %, by score"),
    )
