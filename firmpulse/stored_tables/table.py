"""How a stored table is declared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column: its SQL type and what it means."""

    kind: str
    meaning: str
    # Whether the database refuses nulls in it.
    required: bool = False
    # Whether the published file has it, if the table is published.
    published: bool = True


@dataclass(frozen=True)
class Table:
    """A table with its grain and its columns."""

    schema: str
    name: str
    grain: str
    columns: Mapping[str, Column]
    # Package that writes it.
    owner: str
    # Columns that identify a row; empty for a log or a list with repetitions.
    key: tuple[str, ...] = ()
    # Whether the database refuses a second row with the same key; this index slows each insert.
    unique: bool = False
    # Files that contain it: warehouse, vault or both; none for tables made on publication.
    databases: tuple[str, ...] = ("warehouse",)
    # Name in the published file; None if the table is not published.
    published_name: str | None = None

    @property
    def published_columns(self) -> Mapping[str, Column]:
        """Columns of the published file, in its order."""
        return {name: column for name, column in self.columns.items() if column.published}

    def create_sql(self, database: str) -> str:
        """Return the statement that creates the table in an attached database if it is absent."""
        parts = [
            f"{name} {column.kind}{' not null' if column.required else ''}"
            for name, column in self.columns.items()
        ]
        if self.unique:
            parts.append(f"primary key ({', '.join(self.key)})")
        return (
            f"create table if not exists {database}.{self.schema}.{self.name} ({', '.join(parts)})"
        )

    def insert_sql(self, columns: Iterable[str], database: str = "warehouse") -> str:
        """Return the statement that inserts a row of these columns, bound by name."""
        names = tuple(columns)
        return (
            f"insert into {database}.{self.schema}.{self.name} ({', '.join(names)}) "  # noqa: S608 - declared names
            f"values ({', '.join(f'${name}' for name in names)})"
        )
