import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from firmpulse.settings import Settings
from firmpulse.sources import SOURCES
from simulator import DeliveryCounts, Economy, deliver
from tests.homes import made_once


@dataclass(frozen=True)
class Nights:
    """A home folder after the first night, its repetition and the next night."""

    settings: Settings
    first: date
    second: date
    counts: DeliveryCounts
    # Lines of the file of grants, which leaves the inbox.
    grants: tuple[str, ...]


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Return a home with two nights of a small simulated economy, run through the real DAG."""
    settings, made = made_once(tmp_path_factory, "nights", _two_nights)
    return replace(made, settings=settings)


def _two_nights(settings: Settings) -> Nights:
    economy = Economy(firms=60, months=16)
    first, second = economy.last_day, economy.last_day + timedelta(days=1)
    counts = deliver(economy, settings.inbox, through=first)
    lines = (settings.inbox / "consent" / "grants.jsonl").read_text("utf-8").splitlines()
    run_night(settings, first)
    deliver(economy, settings.inbox, through=second, since=first)
    run_night(settings, second)
    return Nights(settings, first, second, counts, tuple(lines))


def run_night(settings: Settings, as_of: date) -> str:
    """Run a night like a person and return its output."""
    return firmpulse(settings, "night", "--as-of", as_of.isoformat())


def firmpulse(settings: Settings, *arguments: str) -> str:
    """Run a command in a separate process and return its output.

    Airflow binds its database once per process; here it must be that of this home folder.
    """
    result = subprocess.run(  # noqa: S603 - our own command
        [Path(sys.executable).with_name("firmpulse"), *arguments],
        env=os.environ | {"FIRMPULSE_HOME": str(settings.root)},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data; tests that use it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data is not beside this checkout")
    return folder


@dataclass(frozen=True)
class Assessed:
    """A home folder whose firms are scored, warned and published by a model trained on them."""

    settings: Settings
    as_of: date
    economy: Economy


@pytest.fixture(scope="session")
def assessed(tmp_path_factory: pytest.TempPathFactory) -> Assessed:
    """Return an assessed home of a small simulated economy.

    Its model is weak, and is made champion without gates.
    """
    settings, made = made_once(tmp_path_factory, "assessed", _assess)
    return replace(made, settings=settings)


def _assess(settings: Settings) -> Assessed:
    return assess(settings, Economy(firms=150, months=34))


def assess(
    settings: Settings, economy: Economy, change: Callable[[Settings, date], None] | None = None
) -> Assessed:
    """Land, build, train, score and publish; `change` may spoil earlier landings."""
    from consent import intake
    from extracts.vault import nightly
    from features.build import build
    from scoring import batch, hidden_champions, publish, touched
    from scoring.warnings import night
    from training import pipeline, versions
    from training.config import DEFAULT

    day = economy.last_day
    deliver(economy, settings.inbox, through=day)
    intake.import_night(settings)
    for source in SOURCES:
        nightly.land(settings, source, day)
    if change is not None:
        change(settings, day)
    build(settings, day, "all")
    pipeline.sample(settings, day)
    config = replace(DEFAULT, trials=0, bootstrap_draws=50, segment_draws=20)
    fitted = pipeline.fit_candidate(settings, day, config)
    # Bypasses the gates, which so few firms would not pass.
    versions.make_champion(settings, fitted.version, "Li Wei")
    batch.score(settings, day)
    night.warn(settings, day)
    hidden_champions.find(settings, day)
    publish.publish(settings, day)
    touched.settle(settings, touched.newest(settings))
    return Assessed(settings, day, economy)
