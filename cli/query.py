"""`firmpulse query`: SQL on the published scores, without another tool."""

from typing import Annotated

import duckdb
import typer
from rich.table import Table
from rich.text import Text

from cli.progress import make_console
from consent import audit
from firmpulse import warehouse
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

_TABLES = """
    select table_name, column_name, data_type, comment
    from duckdb_columns()
    where schema_name = 'main' and not internal
    order by table_name, column_index
"""
_MOST_ROWS = 200
_FEW_COLUMNS = 6


def query(
    sql: Annotated[str, typer.Argument(help="A DuckDB query, such as: from latest_scores")] = "",
    tables: Annotated[bool, typer.Option("--tables", help="Show tables and columns.")] = False,
) -> None:
    """Query the published scores, and note it in the audit chain."""
    settings = Settings()
    statement = _TABLES if tables or not sql else sql
    with warehouse.connect_published(settings) as connection:
        audit.append(settings, "QUERY", actor=audit.actor(), sql=statement.strip())
        try:
            result = connection.execute(statement)
            names = [column[0] for column in result.description or ()]
            rows = result.fetchmany(_MOST_ROWS + 1)
        except duckdb.Error as error:
            raise ConfigurationError(f"the query cannot run: {error}") from None
    console = make_console()
    console.print(_table(names, rows[:_MOST_ROWS], console.width))
    if len(rows) > _MOST_ROWS:
        console.print(f"only the first {_MOST_ROWS} rows are shown; add a limit or a filter")


def _table(names: list[str], rows: list[tuple[object, ...]], width: int) -> Table:
    """Return rows as lines, or as one block per row where lines would not fit."""
    texts = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [max(map(len, (name, *column))) for name, *column in zip(names, *texts, strict=True)]
    if sum(widths) + 3 * len(widths) + 1 > width and len(names) > _FEW_COLUMNS:
        table = Table("column", "value")
        for row in texts:
            for name, text in zip(names, row, strict=True):
                table.add_row(Text(name), Text(text))
            table.add_section()
        return table
    table = Table()
    for name in names:
        table.add_column(Text(name))
    for row in texts:
        table.add_row(*map(Text, row))
    return table
