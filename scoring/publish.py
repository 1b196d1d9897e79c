"""Publish the scores as one file that analysts open, swapped in while they read the old one."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from pathlib import Path

import duckdb

from consent import audit
from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.settings import Settings
from scoring import store
from scoring.tables import CHECKED, DATA_QUALITY, PUBLISHED, RUN_STEPS, Table

# View → (what it shows, its query over the published tables).
VIEWS: Mapping[str, tuple[str, str]] = {
    "latest_scores": (
        "One row per firm: its newest score.",
        "select * from scores qualify as_of = max(as_of) over (partition by firm_id)",
    ),
    "latest_reasons": (
        "Up to four rows per firm: the reasons behind its newest score.",
        "select reasons.* from reasons semi join latest_scores using (firm_id, as_of)",
    ),
    "score_changes": (
        "One row per firm and as_of with an earlier score: what changed since then.",
        """
        select
            firm_id, as_of, previous_as_of, score, previous_score,
            score - previous_score as score_change,
            grade, previous_grade, default_prob, previous_default_prob
        from (
            select
                *,
                lag(as_of) over earlier as previous_as_of,
                lag(score) over earlier as previous_score,
                lag(grade) over earlier as previous_grade,
                lag(default_prob) over earlier as previous_default_prob
            from scores
            window earlier as (partition by firm_id order by as_of)
        )
        where previous_as_of is not null
        """,
    ),
    "conservation": (
        "One row per landed delivery and table: where its announced rows went; missing is 0.",
        """
        select
            as_of, delivery_id, source, table_name, rows_delivered, rows_landed, rows_duplicate,
            rows_refused_by_gate, rows_quarantined, rows_in_refused_files,
            rows_delivered - rows_landed - rows_duplicate - rows_refused_by_gate
                - rows_quarantined - rows_in_refused_files as rows_missing
        from data_quality
        where table_name is not null
        """,
    ),
    "unscored_latest": (
        "One row per firm without a score on the newest as_of: why, and what would help.",
        "select * from unscored where as_of = ("
        "select max(as_of) from (select as_of from scores union all select as_of from unscored))",
    ),
}

_VIEW_COLUMNS = {
    "rows_missing": "Announced rows that are in none of the other columns",
    "previous_as_of": "Date of the firm's score before this one",
    "previous_score": "Score on that date",
    "score_change": "Score minus previous score; negative means riskier",
    "previous_grade": "Grade on that date",
    "previous_default_prob": "Probability of default on that date",
}


def publish(settings: Settings, as_of: date, withheld: Collection[str] = ()) -> Path:
    """Clear the scores of `as_of`, publish those of every cleared night, return the file's path.

    The caller has checked the night's scores. A night whose check failed never comes here, so its
    scores stay unpublished, by this call and by those of later nights.

    Args:
        settings: home folder.
        as_of: night whose scores were checked.
        withheld: firms that have withdrawn; no row of theirs is published.
    """
    with warehouse.connect(settings) as connection:
        store.prepare(connection)
        store.clear(connection, as_of)
    path = publish_again(settings, withheld)
    _use_up(settings, as_of, withheld)
    return path


def publish_again(settings: Settings, withheld: Collection[str] = ()) -> Path:
    """Publish what every cleared night has now, return the file's path.

    The file is not encrypted: it holds tokens, never an identifier. It is built beside the old
    one and renamed over it; a reader that has the old file open keeps reading the old rows.
    """
    settings.scores_dir.mkdir(parents=True, exist_ok=True)
    building = settings.scores_dir / "building"
    building.mkdir(exist_ok=True)
    for leftover in building.iterdir():
        leftover.unlink()
    with warehouse.connect(settings) as connection:
        store.prepare(connection)
        connection.execute(f"attach '{_quoted(building / settings.scores_path.name)}' as published")
        for table in PUBLISHED:
            _copy(connection, table, withheld)
            twin = _quoted(building / f"{table.name}.parquet")
            connection.execute(f"copy published.{table.name} to '{twin}' (format parquet)")
        _add_views(connection)
        # Detaching writes the log into the file: what is renamed is complete.
        connection.execute("detach published")
    # Whoever may read the folder may read what is published in it.
    mode = 0o600 | settings.scores_dir.stat().st_mode & 0o044
    for file in sorted(building.iterdir(), key=lambda file: file.suffix == ".duckdb"):
        file.chmod(mode)
        file.replace(settings.scores_dir / file.name)
    building.rmdir()
    return settings.scores_path


def _use_up(settings: Settings, as_of: date, withheld: Collection[str]) -> None:
    """End the one-off grants that these scores were made by, and note the publication."""
    ledger = Ledger(settings)
    one_off = ledger.live(as_of, purposes=["CREDIT_EVAL"], recipient=settings.recipient)
    with warehouse.connect_published(settings) as connection:
        scored = connection.execute(
            "select firm_id from scores where as_of = ? order by firm_id", [as_of]
        ).pl()
    used = one_off.join(scored, on="firm_id", how="semi")
    actor = audit.actor()
    ledger.consume(used["authorization_id"], as_of + timedelta(days=1), actor)
    audit.append(
        settings,
        "PUBLISH",
        actor=actor,
        as_of=as_of.isoformat(),
        firms=scored.height,
        withheld=len(withheld),
        recipient=settings.recipient,
    )


def _copy(connection: duckdb.DuckDBPyConnection, table: Table, withheld: Collection[str]) -> None:
    target = f"published.{table.name}"
    connection.execute(table.create_sql(target))
    origin = _origin(table)
    if _exists(connection, origin):
        columns = ", ".join(table.columns)
        cleared = (
            "semi join warehouse.scoring.cleared_nights using (as_of) "
            "where not list_contains($withheld, firm_id)"
        )
        checked, values = (cleared, {"withheld": list(withheld)}) if table in CHECKED else ("", {})
        order = ", ".join(name for name in table.columns if name not in ("score", "log_odds"))
        connection.execute(
            f"insert into {target} select {columns} from {origin} {checked} order by {order}",  # noqa: S608 - constants
            values,
        )
    connection.execute(f"comment on table {target} is '{_quoted(table.grain)}'")
    for name, (_, meaning) in table.columns.items():
        connection.execute(f"comment on column {target}.{name} is '{_quoted(meaning)}'")


def _origin(table: Table) -> str:
    elsewhere = {DATA_QUALITY.name: "ops.deliveries", RUN_STEPS.name: "ops.steps"}
    return f"warehouse.{elsewhere.get(table.name, f'scoring.{table.name}')}"


def _exists(connection: duckdb.DuckDBPyConnection, origin: str) -> bool:
    database, schema, table = origin.split(".")
    found = connection.execute(
        "select 1 from duckdb_tables() "
        "where database_name = ? and schema_name = ? and table_name = ?",
        [database, schema, table],
    ).fetchone()
    return found is not None


def _add_views(connection: duckdb.DuckDBPyConnection) -> None:
    meanings = _VIEW_COLUMNS | {
        name: meaning for table in PUBLISHED for name, (_, meaning) in table.columns.items()
    }
    # A view may not name its database: analysts attach the file under a name of their own.
    connection.execute("use published")
    for name, (meaning, query) in VIEWS.items():
        connection.execute(f"create view {name} as {query}")
        connection.execute(f"comment on view {name} is '{_quoted(meaning)}'")
        columns = connection.execute(f"describe {name}").fetchall()
        for column, *_ in columns:
            text = _quoted(meanings[column])
            connection.execute(f"comment on column {name}.{column} is '{text}'")
    connection.execute("use memory")


def _quoted(text: Path | str) -> str:
    return str(text).replace("'", "''")
