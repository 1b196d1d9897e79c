"""What a recipient gets to see of the firms that granted it: results, and nothing they rest on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

from consent import directory
from consent.grants import ASSESSMENT
from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

Row = dict[str, Any]

# Table of the bundle → its query over the published file; each row begins with the firm.
_QUERIES: Mapping[str, str] = {
    "scores": """
        select
            scores.firm_id, scores.as_of, scores.score,
            coalesce(overrides.grade, scores.grade) as grade, scores.default_prob,
            coalesce(levels.level, 'none') as warning_level, scores.coverage, scores.needs_review,
            scores.review_reasons, scores.grants, scores.model_version, scores.code_version,
            scores.feature_digest
        from scores
        left join (select * from overrides where status = 'approved') as overrides
            using (firm_id, as_of)
        left join warning_levels as levels using (firm_id, as_of)
        where as_of = ? and list_contains(?, firm_id)
        order by firm_id
    """,
    "reasons": """
        select firm_id, rank, code, text_zh, text_en from reasons
        where as_of = ? and list_contains(?, firm_id) order by firm_id, rank
    """,
    # What was found is said in words; neither values nor bounds leave.
    "warnings": """
        select firm_id, rule_id, level, source, opened_on from warnings
        where as_of = ? and list_contains(?, firm_id) order by firm_id, rule_id
    """,
    "unscored": """
        select firm_id, reason, reason_zh, reason_en, help_zh, help_en from unscored_history
        where as_of = ? and list_contains(?, firm_id) order by firm_id
    """,
}


@dataclass(frozen=True)
class Contents:
    """Tables of a bundle, and the firms in them."""

    tables: Mapping[str, list[Row]]
    firm_ids: tuple[str, ...]
    # Firms left out: scored by a grant that does not name this recipient, or not in the directory.
    left_out: int


def collect(
    settings: Settings,
    recipient: str,
    as_of: date,
    on: date,
    titles: Mapping[str, tuple[str, str]],
) -> Contents:
    """Return what a recipient may see of a published night on the day of the hand-over.

    A firm is in it if its grants to this recipient are in force on both days, and its score was
    made by no other grant.

    Args:
        settings: home folder.
        recipient: as the grants name it.
        as_of: night.
        on: day of the hand-over.
        titles: rule → its Chinese and English text without numbers.

    Raises:
        NotReadyError: nothing of that night is published, or no firm granted this recipient.
    """
    grants = _grants(settings, recipient, as_of, on)
    firms = sorted(set(grants["firm_id"]))
    with warehouse.connect_published(settings) as connection:
        _check_night(connection, as_of)
        found = {
            name: connection.execute(query, [as_of, firms]).pl().to_dicts()
            for name, query in _QUERIES.items()
        }
    made_by = {firm: set(own["authorization_id"]) for (firm,), own in grants.group_by("firm_id")}
    until = dict(grants.group_by("firm_id").agg(pl.col("valid_to").min()).iter_rows())
    for row in found["scores"]:
        row["valid_until"] = until[row["firm_id"]]
    for row in found["warnings"]:
        row["text_zh"], row["text_en"] = titles.get(row["rule_id"], (row["rule_id"],) * 2)
    foreign = {
        row["firm_id"]
        for row in found["scores"]
        if not set(row["grants"]) <= made_by[row["firm_id"]]
    }
    known = directory.identifiers(settings, firms)
    inside = {firm: known[firm] for firm in firms if firm in known and firm not in foreign}
    tables = {
        name: [_named(row, inside) for row in rows if row["firm_id"] in inside]
        for name, rows in found.items()
    }
    return Contents(tables, tuple(inside), len(firms) - len(inside))


def _grants(settings: Settings, recipient: str, as_of: date, on: date) -> pl.DataFrame:
    ledger = Ledger(settings)
    then = ledger.live(as_of, purposes=ASSESSMENT, recipient=recipient)
    now = ledger.live(on, recipient=recipient)
    grants = then.join(now, on="firm_id", how="semi")
    if grants.is_empty():
        raise NotReadyError(
            f"no firm's grant to {recipient!r} was in force on {as_of} and is on {on}; grants name "
            f"their recipient: firmpulse consent status FIRM"
        )
    return grants


def _check_night(connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    nights = [
        night
        for (night,) in connection.execute(
            "select distinct as_of from scores order by 1 desc limit 5"
        ).fetchall()
    ]
    found = connection.execute("select 1 from scores where as_of = ? limit 1", [as_of]).fetchone()
    if found is None:
        shown = ", ".join(str(night) for night in nights) or "none"
        raise NotReadyError(f"no scores are published for {as_of}; the newest nights: {shown}")


def _named(row: Row, known: Mapping[str, str]) -> Row:
    """Return a row with the firm's identifier in place of its token, and dates as text."""
    token = row.pop("firm_id")
    plain = {
        name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()
    }
    return {"firm": known[token], **plain}
