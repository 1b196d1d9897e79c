"""Write pages into the folder of reports."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from firmpulse import origin, warehouse
from firmpulse.calendar import CHINA
from firmpulse.pages import pdf
from firmpulse.pages.page import LANGUAGES, Language
from firmpulse.settings import Settings
from scoring.pages import dossier, reports
from scoring.pages import firm as firm_page
from scoring.pages import portfolio as portfolio_page
from scoring.pages import ranking as ranking_page


@dataclass(frozen=True)
class Reader:
    """Who asked for a report, and when; both stand on every page of it."""

    user: str
    at: datetime


def firms(
    settings: Settings,
    as_of: date,
    reader: Reader,
    *,
    firm_ids: Sequence[str] | None = None,
    identifiers: dict[str, str] | None = None,
    languages: Sequence[Language] = LANGUAGES,
    as_pdf: bool = False,
) -> Iterator[Path]:
    """Write the reports of firms, of all scored ones by default; yield each file.

    Args:
        settings: home folder.
        as_of: date of the scores.
        reader: who asked.
        firm_ids: tokens of the firms.
        identifiers: token → identifier as the caller knows it; the cover shows it.
        languages: one page each.
        as_pdf: write a PDF beside each page.

    Raises:
        NotReadyError: a firm has no score at `as_of` or no grant in force.
        ConfigurationError: a PDF cannot be made on this machine.
    """
    with warehouse.connect(settings) as connection:
        made_of = origin.of_deliveries(connection)
    folder = reports.folder(settings, as_of)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = identifiers or {}
    for one in dossier.read(settings, as_of, firm_ids):
        cover = firm_page.Cover(
            known.get(one.firm_id), reader.user, reader.at, settings.recipient, made_of
        )
        for language in languages:
            html = firm_page.render(one, cover, language)
            path = folder / f"{one.firm_id}-{language}.html"
            yield _written(path, html)
            if as_pdf:
                yield pdf.write(html, path.with_suffix(".pdf"))


def portfolio(settings: Settings, as_of: date, language: Language) -> Path:
    """Write the portfolio page of a night."""
    settings.reports_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    html = portfolio_page.render(settings, as_of, language)
    return _written(settings.reports_dir / f"portfolio-{as_of}-{language}.html", html)


def ranking(settings: Settings, as_of: date, language: Language) -> Path:
    """Write the ranking of the firms without a credit record."""
    settings.reports_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    html = ranking_page.render(settings, as_of, language)
    return _written(settings.reports_dir / f"ranking-{as_of}-{language}.html", html)


def now() -> datetime:
    """Return the time in China, for the cover of a report."""
    return datetime.now(CHINA)


def _written(path: Path, html: str) -> Path:
    path.write_text(html, encoding="utf-8")
    path.chmod(0o600)
    return path
