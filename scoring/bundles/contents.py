"""What a recipient may see of the firms that granted to it: results, without their inputs."""

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
from firmpulse.sources import GRANTED_SOURCES

Row = dict[str, Any]

# Table of the bundle → its query over the published file; each row starts with the firm.
_QUERIES: Mapping[str, str] = {
    "scores": """
        select
            scores.firm_id, scores.as_of, scores.score,
            coalesce(overrides.grade, scores.grade) as grade, scores.default_prob,
            coalesce(levels.level, 'none') as warning_level, scores.coverage, scores.needs_review,
            scores.review_reasons, scores.grants, scores.model_version, scores.code_version,
            scores.feature_digest
        from scores
        -- An override answers one grade: where the model gives another by now, that one counts.
        left join (select * from overrides where status = 'approved') as overrides
            on scores.firm_id = overrides.firm_id and scores.as_of = overrides.as_of
                and scores.grade = overrides.model_grade
        left join warning_levels as levels
            on scores.firm_id = levels.firm_id and scores.as_of = levels.as_of
        where scores.as_of = ? and list_contains(?, scores.firm_id)
        order by scores.firm_id
    """,
    "reasons": """
        select firm_id, rank, code, text_zh, text_en from reasons
        where as_of = ? and list_contains(?, firm_id) order by firm_id, rank
    """,
    # Findings are given in words; neither values nor bounds leave.
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
    # Firms left out: another recipient's grant was involved, or not in the directory.
    left_out: int


def collect(
    settings: Settings,
    recipient: str,
    as_of: date,
    on: date,
    titles: Mapping[str, tuple[str, str]],
) -> Contents:
    """Return what a recipient may see of a published night on the day of the hand-over.

    It includes a firm if its grants to this recipient are in force on both days, and no other
    grant was needed for its results.

    Args:
        settings: home folder.
        recipient: name in the grants.
        as_of: night.
        on: day of the hand-over.
        titles: rule → its Chinese and English text without numbers.

    Raises:
        NotReadyError: that night is not published, no firm has a grant for this recipient, or all
            such firms are left out.
    """
    grants = _grants(settings, recipient, as_of, on)
    firms = sorted(set(grants["firm_id"]))
    with warehouse.connect_published(settings) as connection:
        _check_night(connection, as_of)
        found = {
            name: connection.execute(query, [as_of, firms]).pl().to_dicts()
            for name, query in _QUERIES.items()
        }
    known = directory.identifiers(settings, firms)
    foreign = _foreign(settings, found["scores"], grants, recipient, as_of)
    inside = {firm: known[firm] for firm in firms if firm in known and firm not in foreign}
    if not inside:
        raise NotReadyError(
            f"all {len(firms)} firms of {recipient!r} are left out: other recipients' grants had a "
            f"part in their results of {as_of}, or they are no longer in the directory. "
            f"Nights are run for the recipient {settings.recipient!r} (FIRMPULSE_RECIPIENT); one "
            f"with other grants needs a separate home folder"
        )
    _complete(found, grants, titles)
    tables = {
        name: [_named(row, inside) for row in rows if row["firm_id"] in inside]
        for name, rows in found.items()
    }
    return Contents(tables, tuple(inside), len(firms) - len(inside))


def _grants(settings: Settings, recipient: str, as_of: date, on: date) -> pl.DataFrame:
    """Return the assessment grants that were in force at `as_of`, of firms with one now.

    A one-off grant ended by its use, and this hand-over is part of that use: it counts until its
    last day.
    """
    ledger = Ledger(settings)
    then = ledger.live(as_of, purposes=ASSESSMENT, recipient=recipient)
    now = ledger.live(on, purposes=ASSESSMENT, recipient=recipient)
    lasting = then.filter(pl.col("valid_to") >= on)
    firms = pl.concat([now["firm_id"], lasting["firm_id"]]).unique()
    grants = then.join(firms.to_frame(), on="firm_id", how="semi")
    if grants.is_empty():
        raise NotReadyError(
            f"no firm has a grant to {recipient!r} in force on both {as_of} and {on}; grants name "
            f"their recipient: firmpulse consent status FIRM"
        )
    return grants


def _foreign(
    settings: Settings, scores: list[Row], grants: pl.DataFrame, recipient: str, as_of: date
) -> set[str]:
    """Return the firms whose results used, or may have used, a grant to another recipient.

    A score lists its grants. Without a score it is unknown which grants were used, so any grant to
    another recipient excludes the firm.
    """
    made_by = {firm: set(own["authorization_id"]) for (firm,), own in grants.group_by("firm_id")}
    shared = {
        row["firm_id"]
        for row in scores
        if not row["grants"] or not set(row["grants"]) <= made_by[row["firm_id"]]
    }
    everybody = Ledger(settings).live(as_of, purposes=ASSESSMENT)
    others = set(everybody.filter(pl.col("recipient") != recipient)["firm_id"])
    return shared | (others - {row["firm_id"] for row in scores})


def _complete(
    found: dict[str, list[Row]], grants: pl.DataFrame, titles: Mapping[str, tuple[str, str]]
) -> None:
    """Add the end of the grants and the words of the rules; drop warnings on ungranted sources."""
    until = dict(grants.group_by("firm_id").agg(pl.col("valid_to").min()).iter_rows())
    for row in found["scores"]:
        row["valid_until"] = until[row["firm_id"]]
    granted = set(grants.select("firm_id", "source").iter_rows())
    found["warnings"] = [
        row
        for row in found["warnings"]
        if row["source"] not in GRANTED_SOURCES or (row["firm_id"], row["source"]) in granted
    ]
    for row in found["warnings"]:
        row["text_zh"], row["text_en"] = titles.get(row["rule_id"], (row["rule_id"],) * 2)


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
    """Return a row with the firm's identifier instead of its token, and dates as text."""
    token = row.pop("firm_id")
    plain = {
        name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()
    }
    return {"firm": known[token], **plain}
