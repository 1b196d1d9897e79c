"""What a first run is expected to take, and disks that are too small for it."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from cli import forecast, run
from cli.forecast import Cost
from cli.progress import Progress
from firmpulse.errors import DiskError
from firmpulse.settings import Settings

REAL = forecast.MEASURED
INVENTED = (Cost(1000, 60, 1.0, 0.5), Cost(3000, 180, 2.0, 1.5), Cost(5000, 420, 2.5, 2.5))


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "MEASURED", INVENTED)


def _said(settings: Settings, monkeypatch: pytest.MonkeyPatch, free_gb: float) -> str:
    monkeypatch.setattr(forecast, "free_bytes", lambda _: int(free_gb * 1e9))
    console = Console(file=StringIO(), width=500)
    forecast.announce(settings, 100, 40, Progress(console))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("firm_months", "words"),
    [
        (10, "about 1 minute, 1.0 GB of memory, 0.5 GB of disk"),
        (2000, "about 2 minutes, 1.5 GB of memory, 1.0 GB of disk"),
        (3000, "about 3 minutes, 2.0 GB of memory, 1.5 GB of disk"),
        (7000, "about 11 minutes, 2.5 GB of memory, 3.5 GB of disk"),
        (105_000, "about 3 hours, 2.5 GB of memory, 52 GB of disk"),
    ],
)
def test_the_cost_is_on_the_line_between_measured_runs(firm_months: int, words: str) -> None:
    assert forecast.in_words(forecast.of(firm_months)) == words


def test_a_disk_with_room_is_not_spoken_of(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = _said(settings, monkeypatch, 2.1)
    assert said.count("\n") == 1
    assert said.endswith("about 5 minutes, 2.2 GB of memory, 2.0 GB of disk\n")


def test_a_disk_that_may_be_too_small_is_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = _said(settings, monkeypatch, 1.9)
    assert "warning: 100 firms x 40 months need about 2.0 GB of disk" in said
    assert f"the disk of {settings.root} has 1.9 GB for them; make room" in said


def test_a_disk_that_cannot_hold_it_is_refused_unless_it_is_there_already(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DiskError, match=r"has 0\.9 GB for them; make room, simulate fewer --firms"):
        _said(settings, monkeypatch, 0.9)
    settings.root.mkdir(parents=True)
    with (settings.root / "written").open("wb") as file:
        file.truncate(200_000_000)
    assert "warning" in _said(settings, monkeypatch, 0.9)


def test_free_space_is_that_of_the_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert forecast.free_bytes(tmp_path / "not" / "there") > 0


def test_a_run_that_is_refused_leaves_no_simulation(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a smaller number of firms would be refused too."""
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    monkeypatch.setattr(forecast, "free_bytes", lambda _: 1)
    with pytest.raises(DiskError):
        run.run(firms=20, months=1)
    assert not settings.root.exists()


def test_measured_runs_are_listed_by_size() -> None:
    sizes = [cost.firm_months for cost in REAL]
    assert len(sizes) > 1
    assert sizes == sorted(set(sizes))
