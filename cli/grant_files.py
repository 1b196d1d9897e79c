"""`firmpulse consent import|template|grant-dataset`: many authorisations at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from cli import csv_out
from cli.progress import make_console
from consent import audit, datasets
from consent.intake import IntakeReport, Refusal
from extracts.grants import files
from firmpulse import identifiers
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

_MOST_SHOWN = 200


def _named_scheme(scheme: str) -> str:
    if not identifiers.is_scheme(scheme):
        raise ConfigurationError(
            f"--scheme {scheme} is not a small letter followed by small letters, digits and _; "
            f"use one like cumcm"
        )
    return scheme


_Scheme = Annotated[
    str,
    typer.Option(
        callback=_named_scheme, help="Scheme of identifiers that do not name theirs, such as cumcm."
    ),
]
_Refused = Annotated[
    Path | None,
    typer.Option("--to", callback=csv_out.named, help="Write the refusals into this CSV file."),
]


def import_file(
    file: Annotated[
        Path, typer.Argument(help="CSV (UTF-8, GB18030), Excel, or JSON lines; one form per row.")
    ],
    scheme: _Scheme = identifiers.USCC,
    to: _Refused = None,
) -> None:
    """Record the signed authorisations of a file, row by row; safe to repeat. 批量登记授权.

    Rows that are wrong are listed by row and column, and the others are recorded; the exit code is
    1 if there are any.
    """
    done = files.import_file(Settings(), file, actor=audit.actor(), scheme=scheme)
    if done.ignored:
        positions = ", ".join(map(str, done.ignored))
        make_console().print(f"columns not read 未读取的列: {positions}")
    _show(done.report, to)


def write_template(
    to: Annotated[Path, typer.Option(help="File to write, .xlsx or .csv.")],
    language: Annotated[str, typer.Option(help="Language of the headers: zh or en.")] = "zh",
) -> None:
    """Write an empty table of authorisations to fill in and import. 授权清单模板."""
    from extracts.grants import template

    if language not in ("zh", "en"):
        raise ConfigurationError(f"unknown language {language!r}; use zh or en")
    template.write(to, "zh" if language == "zh" else "en")
    make_console().print(
        f"{to}: fill it in, then 填好后运行: firmpulse consent import {to}", markup=False
    )


def grant_dataset(
    firms: Annotated[Path, typer.Option(help="CSV, Excel or Parquet file that lists the firms.")],
    source: Annotated[list[str], typer.Option(help="What the data set contains; repeatable.")],
    because: Annotated[
        str, typer.Option(help="Why it may be used, in words, without names and numbers.")
    ],
    by: Annotated[
        str | None, typer.Option(help="Who decides; default: the user of this computer.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Header of the firms; default: one that is known.")
    ] = None,
    scheme: _Scheme = identifiers.USCC,
    purpose: Annotated[
        list[str] | None,
        typer.Option(help="Repeatable; default: CREDIT_EVAL and MODEL_TRAINING."),
    ] = None,
    to: _Refused = None,
) -> None:
    """Grant the firms of a data set that was published or bought. 登记数据集的使用依据.

    Nobody signed, so the audit chain keeps who decided it, why, and for how many firms.
    """
    from extracts.grants import firm_lists

    report = datasets.grant(
        Settings(),
        firm_lists.read(firms, scheme, column),
        source,
        because=because,
        actor=by or audit.actor(),
        purposes=purpose or datasets.USUAL_PURPOSES,
    )
    _show(report, to)


def _alike(refusals: Sequence[Refusal]) -> dict[tuple[str | None, str], list[int]]:
    """Return the rows of each refusal: a word that is wrong on every row is one mistake."""
    found: dict[tuple[str | None, str], list[int]] = {}
    for one in refusals:
        found.setdefault((one.column, one.problem), []).append(one.line)
    return found


def _rows(lines: Sequence[int]) -> str:
    """Return the first rows, and how many there are."""
    first = ", ".join(map(str, lines[:3]))
    return first if len(lines) <= 3 else f"{first} … ({len(lines):,})"


def _show(report: IntakeReport, to: Path | None) -> None:
    """Print the outcome; exit with 1 if a row was refused."""
    console = make_console()
    if to:
        rows = [(one.line, one.column, one.problem) for one in report.refusals]
        csv_out.write(to, ("row", "column", "problem"), rows)
    elif report.refusals:
        table = Table(
            Column("row 行", justify="right"), "column 列", Column("problem 原因", overflow="fold")
        )
        alike = _alike(report.refusals)
        for (column, problem), lines in list(alike.items())[:_MOST_SHOWN]:
            table.add_row(_rows(lines), column or "", Text(problem))
        console.print(table)
        if len(alike) > _MOST_SHOWN:
            console.print(f"only the first {_MOST_SHOWN} are shown; write all with --to")
    console.print(
        f"rows 行: {report.recorded:,} recorded 已登记 ({report.grants:,} grants 项授权), "
        f"{report.known:,} known already 此前已登记, {report.refused:,} refused 拒绝"
    )
    if to:
        console.print(f"refusals are in 拒绝明细: {to}", markup=False)
    if report.refused:
        raise typer.Exit(1)
