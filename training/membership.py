"""The firms in a frozen training frame, to inform a firm which models used its data.

The record is kept longer than the frame's rows: erasing them does not change a trained model.
"""

from collections.abc import Sequence

import duckdb

from firmpulse import tracking
from firmpulse.settings import Settings


def record(connection: duckdb.DuckDBPyConnection, digest: str, relation: str) -> None:
    """Record the firms of a relation with a column `firm_id` as members of a frame."""
    connection.execute(
        "insert into warehouse.ops.training_members (digest, member) "  # noqa: S608 - our own name
        f"select distinct $digest, cast(firm_id as uuid) from {relation} on conflict do nothing",
        {"digest": digest},
    )


def versions(
    settings: Settings, connection: duckdb.DuckDBPyConnection, firm_ids: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return firm_id → model versions, such as `firmpulse-credit/3`, fitted on its rows."""
    rows = connection.execute(
        "select cast(member as varchar), digest from warehouse.ops.training_members "
        "where list_contains($firms, cast(member as varchar)) order by all",
        {"firms": list(firm_ids)},
    ).fetchall()
    fitted = _versions_by_digest(settings) if rows else {}
    seen: dict[str, list[str]] = {}
    for firm_id, digest in rows:
        seen.setdefault(firm_id, []).extend(fitted.get(digest, ()))
    return {firm_id: tuple(sorted(found)) for firm_id, found in seen.items()}


def _versions_by_digest(settings: Settings) -> dict[str, list[str]]:
    client = tracking.client(settings)
    found: dict[str, list[str]] = {}
    for name in (tracking.CREDIT_MODEL, tracking.STATEMENTS_MODEL, tracking.LOGISTIC_MODEL):
        for version in tracking.versions(settings, name):
            digest = client.get_run(version.run_id).data.tags.get("frame_digest")
            found.setdefault(digest, []).append(f"{name}/{version.version}")
    return found
