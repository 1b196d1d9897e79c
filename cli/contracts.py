"""`firmpulse contracts list|show|page`: what providers deliver, and how it is processed."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.progress import make_console
from extracts import contract_page, contracts
from extracts.contracts import Column
from firmpulse.errors import ConfigurationError
from firmpulse.sources import SOURCES

app = typer.Typer(no_args_is_help=True, help="The tables that providers deliver.")
_PAGE = "contracts.html"


@app.command("list")
def list_contracts(
    source: Annotated[str | None, typer.Option(help="Only tables of this source.")] = None,
) -> None:
    """List the tables with their grain and when a row becomes known."""
    if source is not None and source not in SOURCES:
        known = ", ".join(SOURCES)
        raise ConfigurationError(f"no source {source!r}; use one of {known}")
    table = Table("table", "source", "名称", "columns", "a row is", "known from")
    for section in contract_page.sections(contracts.load()):
        for contract in section.contracts if source in (None, section.source) else ():
            table.add_row(
                contract.table, contract.source, contract.name_zh, str(len(contract.columns)),
                contract.grain.en, contract.publication_lag.en,
            )  # fmt: skip
    make_console().print(table)


@app.command("show")
def show_contract(name: Annotated[str, typer.Argument(metavar="TABLE")]) -> None:
    """Show one table: its columns, their headers, and how they are masked."""
    found = contracts.load().get(name)
    if found is None:
        raise ConfigurationError(f"no table {name!r}; list them with: firmpulse contracts list")
    console = make_console()
    console.print(f"[bold]{found.name_zh} {found.table}[/] ({found.source})")
    for text in (found.grain, found.publication_lag):
        console.print(f"  {text.zh} {text.en}", markup=False)
    console.print(f"  key: {' + '.join(found.key)}", markup=False)
    table = Table("column", "表头", "type", "unit", "required", "level", "becomes", "values")
    for column in found.columns:
        table.add_row(*(escape(cell) for cell in _cells(column)))
    console.print(table)


def _cells(column: Column) -> tuple[str, ...]:
    return (
        column.name,
        _headers(column),
        column.physical_type if column.kind == "decimal" else column.kind,
        column.unit or "",
        "yes" if column.required else "",
        f"{column.level} PI" if column.personal else column.level,
        contract_page.fate(column).en,
        ", ".join(contract_page.choices(column)) or contract_page.bound(column),
    )


def _headers(column: Column) -> str:
    own = "、".join((*column.headers, *column.scaled_headers))
    return "\n".join((own, *(other.en for other in contract_page.alternatives(column))))


@app.command("page")
def write_page(
    to: Annotated[Path, typer.Option(help="File, or folder for contracts.html.")],
) -> None:
    """Write one self-contained page for providers, in Chinese and English."""
    path = to / _PAGE if to.is_dir() or not to.suffix else to
    text = contract_page.render(contracts.load())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path}: {error.strerror}; set --to to a writable file or folder"
        ) from None
    make_console().print(f"{path}: {len(contracts.load())} tables", markup=False)
