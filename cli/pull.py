"""`firmpulse request` and `firmpulse pull`: exchange between a home folder and its providers."""

from typing import Annotated

import typer
from rich.console import Console

from cli.nightly import AsOf
from cli.progress import make_console
from extracts.connectors import providers, requests
from extracts.connectors import pull as pulling
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

Source = Annotated[
    str | None, typer.Option("--source", help="Only this source; default: every configured one.")
]


def pull(as_of: AsOf, source: Source = None) -> None:
    """Bring the complete deliveries of the configured providers into the inbox; safe to repeat."""
    settings, console = Settings(), make_console()
    problems: list[str] = []
    for name in _sources(settings, source):
        report = pulling.pull(settings, name, as_of.date())
        for one in report.pulled:
            _say(
                console,
                f"{name}: {one.delivery_id} from {one.provider}: {one.files} files, "
                f"{one.bytes_fetched:,} of {one.bytes_total:,} bytes fetched now",
            )
        _say(
            console,
            f"{name}: pulled {len(report.pulled)}, known {report.known}, "
            f"incomplete {report.incomplete}, handed over later {report.not_due}",
        )
        problems += [f"{name}: {problem}" for problem in report.problems]
    _end(console, problems)


def request(as_of: AsOf, source: Source = None) -> None:
    """Ask the providers that take requests for the firms with a grant in force; safe to repeat."""
    settings, console = Settings(), make_console()
    problems: list[str] = []
    for name in _requested(settings, source):
        report = requests.request(settings, name, as_of.date())
        _say(
            console,
            f"{name}: {report.firms} firms; requests put {report.put}, "
            f"unchanged {report.unchanged}, of {report.providers} providers that take them",
        )
        problems += [f"{name}: {problem}" for problem in report.problems]
    _end(console, problems)


def _sources(settings: Settings, source: str | None) -> list[str]:
    found = dict.fromkeys(one.source for one in providers.load(settings, source))
    if not found:
        whom = f" of {source}" if source else ""
        raise NotReadyError(
            f"no provider{whom} is configured in {settings.providers_path}; docs/connectors.md "
            f"shows how"
        )
    return list(found)


def _requested(settings: Settings, source: str | None) -> list[str]:
    takers = [one for one in providers.load(settings, source) if one.request_uri is not None]
    return list(dict.fromkeys(one.source for one in takers)) or _sources(settings, source)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _end(console: Console, problems: list[str]) -> None:
    """Show the problems; any problem means that part of the work was not done."""
    for problem in problems:
        _say(console, f"Problem: {problem}")
    if problems:
        raise typer.Exit(1)
