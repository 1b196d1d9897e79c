"""Every table that Python code makes: columns, types and meanings.

Tables of dbt are declared beside its models, raw rows and their known keys in the contracts. The
tables of a database are made when it is opened (`firmpulse.warehouse`). The published file and the
reference take their tables and comments from here.
"""

from collections.abc import Iterable

from firmpulse.stored_tables.deliveries import DELIVERIES, DELIVERY_PROBLEMS, NARRATIVES
from firmpulse.stored_tables.firms import (
    ERASED,
    ERASED_DELIVERIES,
    ERASING,
    FIRM_DIRECTORY,
    TOKEN_KEY,
)
from firmpulse.stored_tables.landings import (
    FILES,
    LANDED,
    QUARANTINE,
    REFUSED_FILES,
    REPEATED,
    SHARED_KEYS,
)
from firmpulse.stored_tables.models import (
    FEATURE_DRIFT,
    FEATURE_HISTORY,
    FEATURE_REFERENCES,
    FRAMES,
    MODEL_HEALTH,
    MODEL_VERSIONS,
    TRAINING_MEMBERS,
)
from firmpulse.stored_tables.runs import (
    ACCEPTED_RULES,
    ASSESSED,
    CLEARED_NIGHTS,
    NIGHTS,
    NODES,
    STEPS,
    VERDICTS,
)
from firmpulse.stored_tables.scores import (
    HIDDEN_CHAMPIONS,
    MARKS,
    OVERRIDES,
    QUARANTINED_FIRMS,
    REASONS,
    SCORES,
    UNSCORED,
)
from firmpulse.stored_tables.table import Column, Table
from firmpulse.stored_tables.warnings import WARNING_CLEARANCES, WARNING_LEVELS, WARNINGS

# Tables whose rows of a night are published once its scores have been checked.
CHECKED = (
    SCORES, REASONS, UNSCORED, QUARANTINED_FIRMS, WARNINGS, WARNING_LEVELS, HIDDEN_CHAMPIONS,
    OVERRIDES,
)  # fmt: skip
PUBLISHED = (
    *CHECKED, MODEL_VERSIONS, FEATURE_DRIFT, FEATURE_HISTORY, MODEL_HEALTH, DELIVERIES,
    DELIVERY_PROBLEMS, NARRATIVES, STEPS, NODES,
)  # fmt: skip
ALL = (
    *PUBLISHED, MARKS, WARNING_CLEARANCES, CLEARED_NIGHTS, NIGHTS, ASSESSED, VERDICTS,
    ACCEPTED_RULES, FRAMES,
    TRAINING_MEMBERS, FEATURE_REFERENCES, ERASED, ERASED_DELIVERIES, ERASING, FIRM_DIRECTORY,
    TOKEN_KEY, LANDED, FILES, REFUSED_FILES, QUARANTINE, REPEATED, SHARED_KEYS,
)  # fmt: skip
# Schemas by database whose tables are derived from the contracts.
_BY_CONTRACT = {"warehouse": (), "vault": ("raw", "known")}

__all__ = [
    "ACCEPTED_RULES", "ALL", "ASSESSED", "CHECKED", "CLEARED_NIGHTS", "DELIVERIES",
    "DELIVERY_PROBLEMS", "ERASED", "ERASED_DELIVERIES", "ERASING", "FEATURE_DRIFT",
    "FEATURE_HISTORY", "FEATURE_REFERENCES", "FILES", "FIRM_DIRECTORY", "FRAMES",
    "HIDDEN_CHAMPIONS", "LANDED", "MARKS", "MODEL_HEALTH", "MODEL_VERSIONS", "NARRATIVES",
    "NIGHTS", "NODES", "OVERRIDES", "PUBLISHED", "QUARANTINE", "QUARANTINED_FIRMS", "REASONS",
    "REFUSED_FILES", "REPEATED", "SCORES", "SHARED_KEYS", "STEPS", "TOKEN_KEY",
    "TRAINING_MEMBERS", "UNSCORED", "VERDICTS", "WARNINGS", "WARNING_CLEARANCES",
    "WARNING_LEVELS", "Column", "Table", "create_sql", "of_database", "published", "stored",
]  # fmt: skip


def of_database(name: str) -> tuple[Table, ...]:
    """Return the tables of the warehouse or of the vault."""
    return tuple(table for table in ALL if name in table.databases)


def create_sql(name: str, alias: str) -> str:
    """Return the statements that make the tables of a database, attached as `alias`."""
    tables = of_database(name)
    schemas = dict.fromkeys((*_BY_CONTRACT[name], *(table.schema for table in tables)))
    return ";\n".join(
        (
            *(f"create schema if not exists {alias}.{schema}" for schema in schemas),
            *(table.create_sql(alias) for table in tables),
        )
    )


def stored(tables: Iterable[Table]) -> list[str]:
    """Return the full names of tables in the warehouse."""
    return [f"warehouse.{table.schema}.{table.name}" for table in tables]


def published(tables: Iterable[Table]) -> list[str]:
    """Return the full names of tables in the published file."""
    return [f"scores.{table.published_name}" for table in tables]
