"""A home folder after one night of a small economy, and copies for erasing firms."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from consent import intake
from consent.grants import parse
from extracts.vault import nightly
from features.build import Stage, build
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES
from simulator import Economy, deliver
from tests.homes import made_once

ECONOMY = Economy(firms=40, months=13)


@dataclass(frozen=True)
class Home:
    """A home folder, the day of its last night, and its firms."""

    settings: Settings
    night: date
    # Identifier by token, of firms with grants for all four sources.
    firms: dict[str, str]

    @property
    def next_day(self) -> date:
        """The day on which firms withdraw in these tests."""
        return self.night + timedelta(days=1)


def run_night(settings: Settings, as_of: date, stages: Sequence[Stage] = ("all",)) -> None:
    """Import grants, land and build, up to the features."""
    intake.import_night(settings)
    for source in SOURCES:
        nightly.land(settings, source, as_of)
    for stage in stages:
        build(settings, as_of, stage)


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return the home folder from which the others are copied."""
    settings, made = made_once(tmp_path_factory, "erasure", _one_night)
    return replace(made, settings=settings)


def _one_night(settings: Settings) -> Home:
    deliver(ECONOMY, settings.inbox, through=ECONOMY.last_day)
    lines = (settings.inbox / "consent" / "grants.jsonl").read_text("utf-8").splitlines()
    # In the steps of the DAG.
    run_night(settings, ECONOMY.last_day, ("mask", "facts", "features"))
    return Home(settings, ECONOMY.last_day, _fully_granted(settings, lines))


def _fully_granted(settings: Settings, lines: list[str]) -> dict[str, str]:
    sources: dict[str, set[str]] = {}
    for grant in map(parse, lines):
        sources.setdefault(grant.firm, set()).add(grant.source)
    key = keyring.load(settings, "token_key")
    complete = [firm for firm in sorted(sources) if len(sources[firm]) == 4]
    return {str(tokens.firm_token(key, firm)): firm for firm in complete}


@pytest.fixture
def home(origin: Home, tmp_path: Path) -> Home:
    """Return a copy of the home folder."""
    return copy(origin, tmp_path / "home")


def copy(home: Home, folder: Path) -> Home:
    """Copy a home folder."""
    shutil.copytree(home.settings.root, folder)
    return replace(home, settings=Settings(home=folder, memory_limit="2GB"))
