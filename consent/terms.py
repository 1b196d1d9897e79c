"""Whether grants may be recorded: compares them with the ledger and the known texts."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from consent.grants import Grant, text_problem
from consent.tables import GRANTS

# SQLite takes at most 32,766 parameters in a statement.
BATCH = 5_000


def problems_of(
    connection: sa.Connection, grants: Sequence[Grant], rows: Sequence[dict[str, Any]]
) -> tuple[dict[int, str], dict[str, dict[str, Any]]]:
    """Return the problems by position, and the terms of the grants that are known."""
    known = known_terms(connection, [row["authorization_id"] for row in rows])
    seen, texts = dict(known), _texts(connection, {row["text_version"] for row in rows})
    found: dict[int, str] = {}
    for index, (grant, row) in enumerate(zip(grants, rows, strict=True)):
        earlier = seen.setdefault(row["authorization_id"], row)
        if others := [name for name in row if earlier[name] != row[name]]:
            found[index] = _changed(others[0])
        elif problem := text_problem(grant):
            found[index] = problem
        elif texts.setdefault(row["text_version"], row["text_sha256"]) != row["text_sha256"]:
            found[index] = (
                f"has a different text_sha256 than earlier grants by {grant.text_version}"
            )
    return found, known


def _changed(name: str) -> str:
    return (
        f"is known with another {name.removesuffix('_id')}; a firm that changes its mind revokes "
        f"the grant and gives a new one"
    )


def known_terms(connection: sa.Connection, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the terms of the known among these grants."""
    return {row.authorization_id: row._asdict() for row in rows_of(connection, names)}


def rows_of(connection: sa.Connection, names: Sequence[str]) -> list[Any]:
    """Return the rows of the known among these grants."""
    rows: list[Any] = []
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        query = sa.select(GRANTS).where(GRANTS.c.authorization_id.in_(batch))
        rows += connection.execute(query).all()
    return rows


def _texts(connection: sa.Connection, versions: Collection[str]) -> dict[str, str]:
    query = (
        sa.select(GRANTS.c.text_version, sa.func.min(GRANTS.c.text_sha256))
        .where(GRANTS.c.text_version.in_(sorted(versions)))
        .group_by(GRANTS.c.text_version)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
