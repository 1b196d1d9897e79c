"""A home with everything that is built of random rows, for tests that change nothing in it."""

from datetime import date

import pytest

from features import build
from firmpulse.settings import Settings
from tests import vault_rows
from tests.features import random_rows
from tests.homes import made_once

RANDOM_NIGHT = date(2024, 12, 31)


@pytest.fixture(scope="session")
def random_home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home after a night on RANDOM_NIGHT, when all its rows had landed."""
    settings, _ = made_once(tmp_path_factory, "random-rows", _one_night)
    return settings


def _one_night(settings: Settings) -> None:
    vault_rows.fill(settings, random_rows.make(3))
    build.build(settings, RANDOM_NIGHT, "all")
