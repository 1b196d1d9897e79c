"""Write pages into the folder of reports."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from multiprocessing import get_context
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

# Fewer pages are written faster here than another process starts.
_POOL_FROM = 10


@dataclass(frozen=True)
class Reader:
    """Who requested a report, and when; every page shows both."""

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

    Many pages are drawn by `settings.threads` processes in parallel.

    Args:
        settings: home folder.
        as_of: date of the scores.
        reader: who requested them.
        firm_ids: tokens of the firms.
        identifiers: token → identifier given by the caller, for the cover.
        languages: one page per language.
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
    pages = [
        _FirmPage(
            one,
            firm_page.Cover(
                known.get(one.firm_id), reader.user, reader.at, settings.recipient, made_of
            ),
            language,
            folder / f"{one.firm_id}-{language}.html",
            as_pdf,
        )
        for one in dossier.read(settings, as_of, firm_ids)
        for language in languages
    ]
    for paths in _each(pages, settings.threads):
        yield from paths


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


@dataclass(frozen=True)
class _FirmPage:
    """A page to be written, as passed to another process."""

    firm: dossier.Dossier
    cover: firm_page.Cover
    language: Language
    path: Path
    as_pdf: bool

    def write(self) -> list[Path]:
        html = firm_page.render(self.firm, self.cover, self.language)
        paths = [_written(self.path, html)]
        if self.as_pdf:
            paths.append(pdf.write(html, self.path.with_suffix(".pdf")))
        return paths


def _each(pages: Sequence[_FirmPage], processes: int) -> Iterator[list[Path]]:
    """Write each page, in order; a few pages, or on one processor, in this process."""
    if processes == 1 or len(pages) < _POOL_FROM:
        yield from map(_FirmPage.write, pages)
        return
    # Not forked: this process has threads of DuckDB and CatBoost.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_FirmPage.write, pages)


def _written(path: Path, html: str) -> Path:
    path.write_text(html, encoding="utf-8")
    path.chmod(0o600)
    return path
