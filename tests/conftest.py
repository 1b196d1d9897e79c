import gc
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import hypothesis
import pytest

from firmpulse import clock
from firmpulse.calendar import CHINA
from firmpulse.settings import Settings
from tests.sizes import sized

# Like the command line.
gc.set_threshold(100_000, 50, 50)

# Small matrices are no faster on two threads, which spin if workers share the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# The time of an example depends more on the machine than on the code.
hypothesis.settings.register_profile("patient", deadline=None, max_examples=sized(40, 100))
hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whole pipelines as slow."""
    for item in items:
        if "integration" in item.path.parts:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return the settings of an empty home folder."""
    return Settings(home=tmp_path / "home", memory_limit="2GB")


@pytest.fixture
def clock_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[date], None]:
    """Return a function that sets this process's clock to 9 a.m. of a day in China."""

    def set_clock(day: date) -> None:
        moment = datetime(day.year, day.month, day.day, 9, tzinfo=CHINA).astimezone(UTC)
        monkeypatch.setattr(clock, "now", lambda: moment)

    return set_clock
