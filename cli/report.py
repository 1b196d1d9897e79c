"""`firmpulse report`: HTML pages, and the PDF of a firm's report."""

from datetime import date, datetime
from typing import Annotated

import typer

from cli.dates import not_ahead
from cli.firms import Firm, identifier_of, is_token, token_of
from cli.progress import make_console
from consent import audit
from firmpulse import identifiers, warehouse
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.pages.page import LANGUAGES, Language
from firmpulse.settings import Settings
from scoring.pages import reports, write
from training import comparison_page

app = typer.Typer(no_args_is_help=True, help="Write the portfolio page and reports of firms.")
AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        callback=not_ahead,
        help="Date of the scores; default: the newest published.",
    ),
]
Lang = Annotated[str, typer.Option("--language", help="zh, en or both.")]
Pdf = Annotated[bool, typer.Option("--pdf", help="Also write a PDF of each page.")]


@app.command()
def firm(
    firm: Firm,
    as_of: AsOf = None,
    language: Lang = "both",
    pdf: Pdf = False,
) -> None:
    """Write the report of one firm: twelve sections, as HTML and optionally as PDF."""
    settings = Settings()
    token = token_of(settings, firm)
    named = {} if is_token(firm) else {token: identifiers.shown(identifier_of(settings, firm))}
    day = as_of.date() if as_of else _newest(settings, token)
    _write(settings, day, language, pdf, [token], named)


@app.command()
def firms(as_of: AsOf = None, language: Lang = "zh", pdf: Pdf = False) -> None:
    """Write the reports of all scored firms."""
    settings = Settings()
    day = as_of.date() if as_of else _newest(settings)
    _write(settings, day, language, pdf, None, {})


@app.command()
def portfolio(as_of: AsOf = None, language: Lang = "both") -> None:
    """Write the portfolio page of a night."""
    settings, console = Settings(), make_console()
    day = as_of.date() if as_of else _newest(settings)
    for one in _languages(language):
        console.print(str(write.portfolio(settings, day, one)), highlight=False, soft_wrap=True)


@app.command()
def ranking(as_of: AsOf = None, language: Lang = "both") -> None:
    """Write a page of the firms without a credit record, the soundest first."""
    settings, console = Settings(), make_console()
    day = as_of.date() if as_of else _newest(settings)
    for one in _languages(language):
        console.print(str(write.ranking(settings, day, one)), highlight=False, soft_wrap=True)


@app.command()
def models(language: Lang = "both") -> None:
    """Write a page of all model versions and their baselines, side by side."""
    settings, console = Settings(), make_console()
    settings.reports_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    for one in _languages(language):
        path = settings.reports_dir / f"models-{one}.html"
        path.write_text(comparison_page.render(settings, one), encoding="utf-8")
        console.print(str(path), highlight=False, soft_wrap=True)


def _write(
    settings: Settings,
    day: date,
    language: str,
    pdf: bool,
    tokens: list[str] | None,
    named: dict[str, str],
) -> None:
    console, actor = make_console(), audit.actor()
    reader = write.Reader(actor, write.now())
    written = write.firms(
        settings, day, reader, firm_ids=tokens, identifiers=named,
        languages=_languages(language), as_pdf=pdf,
    )  # fmt: skip
    count = 0
    for path in written:
        count += 1
        if tokens:
            console.print(str(path), highlight=False, soft_wrap=True)
    subject = tokens[0] if tokens else None
    audit.append(
        settings, "QUERY", actor=actor, subject=subject, what="report", as_of=day.isoformat(),
        files=count,
    )  # fmt: skip
    if not tokens:
        folder = reports.folder(settings, day)
        console.print(f"{count} reports as of {day} in {folder}", highlight=False, soft_wrap=True)


def _languages(text: str) -> "tuple[Language, ...]":
    if text == "both":
        return LANGUAGES
    for language in LANGUAGES:
        if text == language:
            return (language,)
    raise ConfigurationError(f"unknown language {text!r}; use zh, en or both")


def _newest(settings: Settings, token: str | None = None) -> date:
    """Return the newest date of a published score, of one firm or of all."""
    with warehouse.connect_published(settings) as connection:
        (newest,) = connection.execute(
            "select max(as_of) from scores where ? is null or firm_id = ?", [token, token]
        ).fetchall()[0]
    if newest is None:
        raise NotReadyError(
            f"no score {f'of firm {token} ' if token else ''}is published; run: firmpulse night"
        )
    found: date = newest
    return found
