"""Publish the scores as one file for analysts, replaced while they may read the old one."""

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path

import duckdb

from consent import audit, today
from consent.ledger import Ledger
from expectations import quarantine
from firmpulse import runlog, warehouse
from firmpulse.settings import Settings
from firmpulse.stored_tables import (
    CHECKED,
    NARRATIVES,
    PUBLISHED,
    Table,
    published,
    stored,
)
from scoring import generations, store

# View → (description, its query over the published tables).
VIEWS: Mapping[str, tuple[str, str]] = {
    "latest_scores": (
        "One row per firm: its newest score, with the valid grade.",
        """
        select scores.*, coalesce(overrides.grade, scores.grade) as final_grade
        from (
            select * from scores qualify as_of = max(as_of) over (partition by firm_id)
        ) as scores
        left join (
            select firm_id, as_of, model_grade, grade from overrides
            where status = 'approved'
            qualify decided_at = max(decided_at) over (partition by firm_id, as_of, model_grade)
        ) as overrides
            -- An override answers one grade: where the model gives another by now, that counts.
            on scores.firm_id = overrides.firm_id and scores.as_of = overrides.as_of
            and scores.grade = overrides.model_grade
        """,
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
    "migration": (
        "One row per pair of following nights of a firm, and pair of grades: how many firms moved.",
        """
        select
            as_of, previous_as_of, previous_grade, grade,
            count(*) as firm_count, avg(score_change) as mean_score_change
        from score_changes
        group by as_of, previous_as_of, previous_grade, grade
        """,
    ),
    "latest_warning_levels": (
        "One row per watched firm: the newest warning level in force.",
        "select * from warning_levels qualify as_of = max(as_of) over (partition by firm_id)",
    ),
    "open_warnings": (
        "One row per firm and rule that held on the firm's newest night.",
        """
        select warnings.*, levels.level as level_in_force
        from warnings
        inner join latest_warning_levels as levels using (firm_id, as_of)
        """,
    ),
    "new_warnings": (
        "One row per firm, as_of and rule that began to hold on that night, newest first.",
        """
        select warnings.*, levels.level as level_in_force
        from warnings
        inner join warning_levels as levels using (firm_id, as_of)
        where warnings.opened_on = warnings.as_of
        order by warnings.as_of desc, warnings.firm_id asc, warnings.rule_id asc
        """,
    ),
    "watchlist": (
        "One row per firm at level yellow, orange or red, worst first; with its newest score.",
        """
        select
            levels.firm_id, levels.as_of, levels.level as level_in_force, levels.since,
            levels.yellow, levels.orange, levels.red, levels.stale_sources,
            scores.score, scores.final_grade, scores.default_prob
        from latest_warning_levels as levels
        left join latest_scores as scores using (firm_id)
        where levels.level in ('yellow', 'orange', 'red')
        order by
            list_position(['red', 'orange', 'yellow'], levels.level) asc,
            scores.default_prob desc, levels.firm_id asc
        """,
    ),
    "hidden_champions": (
        "One row per firm that was a hidden champion at its last score, strongest first.",
        """
        select hidden_champions_history.* from hidden_champions_history
        semi join latest_scores using (firm_id, as_of)
        order by strength desc, firm_id
        """,
    ),
    "unscored": (
        "One row per firm whose newest assessment gave no score: why, and what would help.",
        """
        select unscored_history.* from unscored_history
        left join latest_scores using (firm_id)
        where latest_scores.as_of is null or latest_scores.as_of < unscored_history.as_of
        qualify unscored_history.as_of = max(unscored_history.as_of)
            over (partition by unscored_history.firm_id)
        """,
    ),
    "conservation": (
        "One row per landed delivery and table: the outcome of its announced rows; missing is 0.",
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
}

# Counted on publication: it has shares per bank, and no data of a firm.
_NARRATIVES = """
    select
        deliveries.provider,
        cast(date_trunc('month', bookings.booked_on) as date) as month,
        count(*) as booking_count,
        count(*) filter (where bookings.category = 'unknown') as unknown_count,
        count(*) filter (where bookings.category = 'unknown') / count(*) as unknown_share,
        cast(coalesce(
            sum(bookings.amount_cny) filter (where bookings.category = 'unknown'), 0
        ) as double) / nullif(cast(sum(bookings.amount_cny) as double), 0) as unknown_amount_share
    from warehouse.staging.stg_bank__txn as bookings
    inner join (
        select distinct delivery_seq, provider from warehouse.ops.deliveries
    ) as deliveries on bookings.delivery_seq = deliveries.delivery_seq
    group by 1, 2
"""

# This many columns identify a row of every table.
_ORDER_COLUMNS = 5
_VIEW_COLUMNS = {
    "rows_missing": "Announced rows that are in none of the other columns",
    "previous_as_of": "Date of the firm's score before this one",
    "previous_score": "Score on that date",
    "score_change": "Score minus previous score; negative means riskier",
    "mean_score_change": "Mean of score minus previous score; negative means riskier",
    "firm_count": "Number of firms",
    "previous_grade": "Grade on that date",
    "previous_default_prob": "Probability of default on that date",
    "final_grade": "Grade of an approved override, otherwise the grade of the model",
    "level_in_force": "Warning level of the firm in force: blue, yellow, orange or red",
}


def publish(settings: Settings, as_of: date, withheld: Collection[str] = ()) -> Path:
    """Clear the scores of `as_of`, publish those of every cleared night, return the file's path.

    The caller has checked the night's scores; firms that the check has set aside become unscored. A
    night that failed its check never gets here, so neither this call nor those of later nights
    publish its scores.

    Args:
        settings: home folder.
        as_of: night whose scores were checked.
        withheld: firms that have withdrawn; none of their rows is published.

    Raises:
        ConfigurationError: the night is after today.
        ConfirmationNeeded: the clock has jumped.
    """
    today.check(settings, as_of)
    with runlog.step(
        settings, as_of, "publish", reads=stored(CHECKED), writes=published(PUBLISHED)
    ) as step:
        with warehouse.connect(settings) as connection:
            found = quarantine.held(connection, as_of, ["scores"])
            if found.height:
                store.set_aside(connection, as_of, found)
            store.clear(connection, as_of)
        path = publish_again(settings, withheld)
        step.rows_out = _use_up(settings, as_of, withheld)
    return path


def publish_again(
    settings: Settings, withheld: Collection[str] = (), *, keep_previous: bool = True
) -> Path:
    """Publish the present rows of every cleared night, return the file's path.

    The files are not encrypted: they contain tokens, never an identifier. The DuckDB file and the
    folder of Parquet files are new; then the links `scores.duckdb` and `parquet` are changed to
    them. A reader that has the old file open keeps reading the old rows. A reader that resolves the
    link `parquet` once, and reads in that folder, sees a single publication.

    Args:
        settings: home folder.
        withheld: firms that have withdrawn; none of their rows is published.
        keep_previous: keep the last publication for its readers; an erasure does not.
    """
    building = generations.begin(settings.scores_dir)
    with warehouse.connect(settings) as connection:
        connection.execute(f"attach '{_quoted(building / settings.scores_path.name)}' as published")
        for table in PUBLISHED:
            _copy(connection, table, withheld)
            twin = _quoted(building / f"{table.published_name}.parquet")
            connection.execute(
                f"copy published.{table.published_name} to '{twin}' (format parquet)"
            )
        # Hundreds of statements, each of which would wait for the disk on its own.
        connection.execute("begin")
        _comment(connection)
        _add_views(connection)
        connection.execute("commit")
        # Detaching writes the log into the file: what is renamed is complete.
        connection.execute("detach published")
    # All readers of the folder may read what is published in it.
    readers = settings.scores_dir.stat().st_mode & 0o055
    for file in building.iterdir():
        file.chmod(0o600 | readers & 0o044)
    building.chmod(0o700 | readers)
    generations.put_out(building, settings.scores_path, keep_previous=keep_previous)
    return settings.scores_path


def _use_up(settings: Settings, as_of: date, withheld: Collection[str]) -> int:
    """End the one-off grants used for these scores; return the number of firms."""
    ledger = Ledger(settings)
    one_off = ledger.live(as_of, purposes=["CREDIT_EVAL"], recipient=settings.recipient)
    with warehouse.connect_published(settings) as connection:
        scored = connection.execute(
            "select firm_id from scores where as_of = ? order by firm_id", [as_of]
        ).pl()
    used = one_off.join(scored, on="firm_id", how="semi")
    actor = audit.actor()
    ledger.consume(used["authorization_id"], as_of, actor)
    audit.append(
        settings,
        "PUBLISH",
        actor=actor,
        as_of=as_of.isoformat(),
        firms=scored.height,
        withheld=len(withheld),
        recipient=settings.recipient,
    )
    return scored.height


def _copy(connection: duckdb.DuckDBPyConnection, table: Table, withheld: Collection[str]) -> None:
    target = f"published.{table.published_name}"
    kinds = ", ".join(f"{name} {column.kind}" for name, column in table.published_columns.items())
    connection.execute(f"create table {target} ({kinds})")
    origin, found = f"warehouse.{table.schema}.{table.name}", True
    if table is NARRATIVES:
        found, origin = warehouse.is_built(connection, "staging.stg_bank__txn"), f"({_NARRATIVES})"
    if found:
        columns = ", ".join(table.published_columns)
        cleared = (
            "semi join warehouse.scoring.cleared_nights using (as_of) "
            "where not list_contains($withheld, firm_id)"
        )
        checked, values = (cleared, {"withheld": list(withheld)}) if table in CHECKED else ("", {})
        order = ", ".join(list(table.published_columns)[:_ORDER_COLUMNS])
        connection.execute(
            f"insert into {target} ({columns}) select {columns} from {origin} {checked} "  # noqa: S608 - constants
            f"order by {order}",
            values,
        )


def _comment(connection: duckdb.DuckDBPyConnection) -> None:
    for table in PUBLISHED:
        target = f"published.{table.published_name}"
        connection.execute(f"comment on table {target} is '{_quoted(table.grain)}'")
        for name, column in table.published_columns.items():
            connection.execute(f"comment on column {target}.{name} is '{_quoted(column.meaning)}'")


def _add_views(connection: duckdb.DuckDBPyConnection) -> None:
    meanings = _VIEW_COLUMNS | {
        name: column.meaning
        for table in PUBLISHED
        for name, column in table.published_columns.items()
    }
    # A view must not name its database: analysts attach the file under any name.
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
