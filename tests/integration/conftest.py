from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from firmpulse import dagrun
from firmpulse.settings import Settings
from simulator import DeliveryCounts, Economy, deliver


@dataclass(frozen=True)
class Nights:
    """A home folder after the first night, its repetition and the next night."""

    settings: Settings
    first: date
    second: date
    counts: DeliveryCounts


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Run two nights of a small simulated economy through the real DAG."""
    settings = Settings(home=tmp_path_factory.mktemp("nights"), memory_limit="2GB")
    economy = Economy(firms=60, months=16)
    first, second = economy.last_day, economy.last_day + timedelta(days=1)
    counts = deliver(economy, settings.inbox, through=first)
    _run(settings, first)
    deliver(economy, settings.inbox, through=second, since=first)
    _run(settings, second)
    return Nights(settings, first, second, counts)


def _run(settings: Settings, as_of: date) -> None:
    dagrun.run_dag(settings, "run_nightly", {"as_of": as_of.isoformat()})


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data; tests that use it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data is not beside this checkout")
    return folder
