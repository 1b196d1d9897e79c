"""Write one night's scores into the warehouse, replacing those of an earlier run."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

from firmpulse import tracking, warehouse
from firmpulse.settings import Settings
from firmpulse.stored_tables import (
    HIDDEN_CHAMPIONS,
    MARKS,
    MODEL_VERSIONS,
    REASONS,
    SCORES,
    UNSCORED,
    Table,
)
from model.bundle import CreditModel
from scoring import unscored


@dataclass(frozen=True)
class NightlyScores:
    """Rows of one as_of, and the model version that made them (one row)."""

    scores: pl.DataFrame
    reasons: pl.DataFrame
    unscored: pl.DataFrame
    model_version: pl.DataFrame
    marks: pl.DataFrame


def replace(
    settings: Settings,
    as_of: date,
    night: NightlyScores,
    standing: Collection[str] = (),
    firm_ids: Collection[str] | None = None,
) -> None:
    """Replace the rows of `as_of` in one transaction; they must be cleared again.

    Results of the firms in `standing` stay: they granted only this assessment, and their data may
    be erased. With `firm_ids`, only rows of those firms are replaced.
    """
    with warehouse.connect(settings) as connection:
        connection.execute("begin")
        connection.execute("delete from warehouse.scoring.cleared_nights where as_of = ?", [as_of])
        for table, rows in (
            (SCORES, night.scores),
            (REASONS, night.reasons),
            (UNSCORED, night.unscored),
            (MARKS, night.marks),
        ):
            replace_firms(connection, table, rows, as_of, standing, firm_ids)
        version = night.model_version.row(0, named=True)
        _replace(
            connection,
            MODEL_VERSIONS,
            night.model_version,
            "model_name = ? and model_version = ?",
            [version["model_name"], version["model_version"]],
        )
        connection.execute("commit")


def replace_firms(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    rows: pl.DataFrame,
    as_of: date,
    standing: Collection[str] = (),
    firm_ids: Collection[str] | None = None,
) -> None:
    """Replace a table's rows of `as_of`, of `firm_ids` or of all firms but those in `standing`."""
    where, values = "as_of = ? and not list_contains(?, firm_id)", [as_of, list(standing)]
    if firm_ids is not None:
        where, values = f"{where} and list_contains(?, firm_id)", [*values, list(firm_ids)]
    _replace(connection, table, rows, where, values)


def set_aside(connection: duckdb.DuckDBPyConnection, as_of: date, found: pl.DataFrame) -> None:
    """List firms whose score a check found impossible as unscored instead.

    Args:
        connection: a session with the warehouse attached.
        as_of: date of the scores.
        found: firm_id, text_zh and text_en.
    """
    firm_ids = found["firm_id"].to_list()
    connection.execute("begin")
    for table in (SCORES, REASONS, MARKS, HIDDEN_CHAMPIONS):
        connection.execute(
            f"delete from warehouse.scoring.{table.name} "  # noqa: S608 - a declared name
            "where as_of = ? and list_contains(?, firm_id)",
            [as_of, firm_ids],
        )
    rows = unscored.quarantined(found.with_columns(as_of=pl.lit(as_of)))
    replace_firms(connection, UNSCORED, rows, as_of, firm_ids=firm_ids)
    connection.execute("commit")


def clear(connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Clear the scores of `as_of` for publication, now and in every later night."""
    connection.execute(
        "insert into warehouse.scoring.cleared_nights (as_of) values (?) on conflict do nothing",
        [as_of],
    )


def model_entry(settings: Settings, version: Any, model: CreditModel) -> pl.DataFrame:
    """Return the champion's row of the table model_versions."""
    metrics = tracking.client(settings).get_run(version.run_id).data.metrics
    rows = "oot" if "oot/auc" in metrics else "cv"
    low, high = tracking.bounds_of(f"{rows}/auc")
    entry = {
        "model_name": tracking.CREDIT_MODEL,
        "model_version": str(version.version),
        "run_id": version.run_id,
        "trained_as_of": model.bundle.trained_as_of,
        "frame_digest": model.bundle.frame_digest,
        "feature_count": len(model.bundle.features),
        "approver": version.tags.get("approver"),
        "auc": metrics.get(f"{rows}/auc"),
        "auc_low": metrics.get(low),
        "auc_high": metrics.get(high),
        "ks": metrics.get(f"{rows}/ks"),
    }
    text = {"approver": pl.String, "run_id": pl.String}
    return pl.DataFrame([entry], schema_overrides=text)


def _replace(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    rows: pl.DataFrame,
    where: str,
    values: list[object],
) -> None:
    target, columns = f"warehouse.scoring.{table.name}", ", ".join(table.columns)
    connection.execute(f"delete from {target} where {where}", values)  # noqa: S608 - constants
    connection.register("night_rows", rows)
    connection.execute(
        f"insert into {target} ({columns}) select {columns} from night_rows"  # noqa: S608 - constants
    )
    connection.unregister("night_rows")
