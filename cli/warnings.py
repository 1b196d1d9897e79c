"""`firmpulse warnings …`: the rules, a firm's warnings, clearing red, and the back-test."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cli import backtest_table as texts
from cli.dates import not_ahead
from cli.firms import Firm, token_of
from cli.progress import make_console
from consent import audit
from features import registry
from firmpulse import warehouse
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.settings import Settings
from operations import backtest as back
from operations.backtest import Measured
from scoring.warnings import clearing, rules
from scoring.warnings.forms import AnyOf, Condition, Rule

app = typer.Typer(
    no_args_is_help=True, help="Early warnings: rules, levels, clearing, back-test. 预警管理"
)
_LEVELS = {
    "red": "[bold red]red 红[/]", "orange": "[dark_orange]orange 橙[/]",
    "yellow": "[yellow]yellow 黄[/]", "blue": "[blue]blue 蓝[/]", "none": "none 无",
}  # fmt: skip
_STATE = """
    select as_of, level, found_level, since, clean_since, stale_sources
    from warehouse.scoring.warning_levels
    where firm_id = ?
    order by as_of desc
    limit 1
"""
_OPEN = """
    select level, rule_id, text_zh, text_en, opened_on, peer_percentile
    from warehouse.scoring.warnings
    where firm_id = ? and as_of = ?
    order by list_position(['red', 'orange', 'yellow', 'blue'], level), rule_id
"""
_CLEARED = """
    select as_of, cleared_by, reason from warehouse.scoring.warning_clearances
    where firm_id = ?
    order by as_of
"""
_SIMULATED = "Simulated firms prove the machinery, not the market."


@app.command("rules")
def list_rules() -> None:
    """Show the rules in force: level, source and condition."""
    settings, console = Settings(), make_console()
    book = rules.load(settings, registry.load(settings))
    table = Table("level", Column("rule", no_wrap=True), "source", "holds where", "text")
    for rule in book.rules:
        table.add_row(
            _LEVELS[rule.level], rule.id, rule.source, escape(_when(rule)),
            escape(f"{rule.zh}\n{rule.en}"),
        )  # fmt: skip
    console.print(table)
    own = settings.root / rules.OWN_FILE
    console.print(
        f"{len(book.rules)} rules of {own if own.exists() else 'scoring/warnings/rules.yml'}",
        markup=False,
    )


@app.command()
def show(firm: Firm) -> None:
    """Show a firm's newest warning level, the rules that hold, and past clearances of red."""
    settings, console = Settings(), make_console()
    token = token_of(settings, firm)
    with warehouse.connect(settings) as connection:
        state = connection.execute(_STATE, [token]).fetchone()
        if state is None:
            raise NotReadyError(
                "the firm has no warning level: it is not watched, or no night has checked it; "
                "run: firmpulse night"
            )
        audit.append(settings, "QUERY", actor=audit.actor(), subject=token, what="warnings")
        found = connection.execute(_OPEN, [token, state[0]]).fetchall()
        cleared = connection.execute(_CLEARED, [token]).fetchall()
    as_of, level, found_level, since, clean_since, stale = state
    console.print(f"{_LEVELS[level]} since {since}, checked on {as_of}; "
                  f"the rules alone give {_LEVELS[found_level]}")  # fmt: skip
    if clean_since:
        console.print(f"better since {clean_since}", markup=False)
    if stale:
        console.print(f"overdue, not checked: {', '.join(stale)}", markup=False)
    table = Table("level", Column("rule", no_wrap=True), "found", "since", "worse than peers")
    for rule_level, rule, text_zh, text_en, opened_on, peers in found:
        table.add_row(
            _LEVELS[rule_level], rule, escape(f"{text_zh}\n{text_en}"), f"{opened_on}",
            "–" if peers is None else f"{peers:.0%}",
        )  # fmt: skip
    if found:
        console.print(table)
    for day, by, reason in cleared:
        console.print(f"red cleared as of {day} by {by}: {reason}", markup=False)


@app.command()
def clear(
    firm: Firm,
    as_of: Annotated[
        datetime,
        typer.Option(
            formats=["%Y-%m-%d"], callback=not_ahead, help="The firm's newest night, or later."
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why, in words, without names and numbers.")],
    by: Annotated[str, typer.Option(help="Who is responsible for it.")],
) -> None:
    """Clear a firm's red level once no red rule holds; recorded in the audit chain."""
    settings = Settings()
    done = clearing.clear(settings, token_of(settings, firm), as_of.date(), reason=reason, by=by)
    when = "now" if done.night == as_of.date() else "from the next night on"
    make_console().print(f"red is cleared; the level is {_LEVELS[done.level]} {when}")


@app.command()
def backtest(
    version: Annotated[
        str, typer.Argument(help="Number of the model's version, or an alias.")
    ] = "champion",
    *,
    alert_rate: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Share of firms alerted on each month end.")
    ] = 0.05,
    draws: Annotated[int, typer.Option(min=100, help="Draws of firms for the intervals.")] = 500,
    to: Annotated[
        Path | None, typer.Option(help="Also write it as Markdown (.md) or CSV (.csv).")
    ] = None,
) -> None:
    """Compare the warnings with the statements alone over past months."""
    if to is not None and to.suffix not in (".md", ".csv"):
        raise ConfigurationError(f"{to.name} is neither .md nor .csv; name the file so")
    settings, console = Settings(), make_console()
    found = back.run(settings, version, alert_rate=alert_rate, draws=draws)
    title = f"version {found.version}, {found.origin}, {alert_rate:.1%} alerted each month end"
    console.print(f"{title}. {_SIMULATED}", markup=False)
    for measured in (found.out_of_time, found.history):
        _print(console, measured)
    if to is not None:
        text = texts.csv(found) if to.suffix == ".csv" else texts.markdown(found, title, _SIMULATED)
        try:
            to.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{to}: {error.strerror}; set --to to a file") from None
        console.print(f"written: {to}", markup=False)


def _print(console: Console, measured: Measured) -> None:
    table = Table(*texts.HEADINGS, title=texts.title_of(measured))
    for row in texts.table(measured):
        table.add_row(*row)
    console.print(table)
    for heading, frame in (("level found", measured.by_level), ("rule", measured.by_rule)):
        console.print(_worth(heading, frame))


def _worth(heading: str, frame: "pl.DataFrame") -> Table:
    table = Table(Column(heading, no_wrap=True), *texts.WORTH_HEADINGS)
    for row in texts.worth(frame):
        table.add_row(*row)
    return table


def _when(rule: Rule) -> str:
    parts = [_line(line) for line in rule.when]
    if rule.quiet_months:
        months = ", ".join(str(month) for month in sorted(rule.quiet_months))
        parts.append(f"(not checked after months {months})")
    if rule.planned_outage_days:
        parts.append(f"(planned outage under {rule.planned_outage_days} days)")
    return "\n".join(parts)


def _line(line: "Condition | AnyOf") -> str:
    many: Any = getattr(line, "any", None)
    return " or ".join(str(part) for part in many) if many else str(line)
