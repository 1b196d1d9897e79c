"""Deliveries that arrive by day: the watcher's events, and their day."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from extracts import arrivals
from firmpulse.airflow import asof, environment
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from tests.extracts.inbox import csv, deliver, payment


@pytest.fixture(scope="module")
def make_trigger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return the class; Airflow must only be imported with its settings."""
    with environment.activated(Settings(home=tmp_path_factory.mktemp("arrivals"))):
        from extracts.arrival_trigger import DeliveryArrived

        yield DeliveryArrived


async def _events(
    trigger: Any, seconds: float, meanwhile: Callable[[], object] = lambda: None
) -> list[dict[str, Any]]:
    """Return the trigger's event; `meanwhile` runs after its first look."""
    found = []

    async def listen() -> None:
        async for event in trigger.run():
            found.append(event.payload)

    listening = asyncio.create_task(listen())
    await asyncio.sleep(seconds / 2)
    meanwhile()
    await asyncio.sleep(seconds / 2)
    listening.cancel()
    return found


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Let the trigger find the home folder where a server would: in the environment."""
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    return settings


def test_a_delivery_fires_once(make_trigger: Any, home: Settings) -> None:
    (event,) = asyncio.run(
        _events(
            make_trigger(poll_seconds=0.05),
            1.2,
            lambda: deliver(home, {"payments.csv": csv([payment()])}),
        )
    )
    assert event["deliveries"] == ["tax/tax-1"]
    day = date.fromisoformat(event["as_of"])
    assert abs(day - date.today()) <= timedelta(days=1)  # noqa: DTZ011 - the machine's own zone


def test_what_lay_in_the_inbox_before_waits_for_the_night(
    make_trigger: Any, home: Settings
) -> None:
    deliver(home, {"payments.csv": csv([payment()])})
    assert asyncio.run(_events(make_trigger(poll_seconds=0.05), 0.4)) == []


def test_large_deliveries_and_broken_manifests_wait_for_the_night(settings: Settings) -> None:
    folder = deliver(settings, {"payments.csv": csv([payment(), payment(item="other")])})
    assert list(arrivals.waiting(settings)) == ["tax/tax-1"]
    assert arrivals.waiting(settings.model_copy(update={"arrival_rows": 1})) == {}
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    assert arrivals.waiting(settings) == {}


def test_a_delivery_that_is_still_being_copied_waits(settings: Settings) -> None:
    folder = deliver(settings, {"payments.csv": csv([payment()])})
    (folder / "manifest.json").unlink()
    assert arrivals.waiting(settings) == {}


def test_the_trigger_is_made_again_from_what_it_says_of_itself(make_trigger: Any) -> None:
    path, arguments = make_trigger(poll_seconds=7.0).serialize()
    assert path == "extracts.arrival_trigger.DeliveryArrived"
    assert json.loads(json.dumps(arguments)) == {"poll_seconds": 7.0}


def _event(as_of: str, *, from_trigger: bool = True) -> Any:
    return SimpleNamespace(extra={"from_trigger": from_trigger, "payload": {"as_of": as_of}})


def test_the_newest_day_of_the_events_counts_unless_one_is_given() -> None:
    events = {"deliveries": [_event("2026-11-01"), _event("2026-11-02")]}
    assert asof.of_arrivals(None, events) == "2026-11-02"
    assert asof.of_arrivals("2026-10-30", events) == "2026-10-30"
    with pytest.raises(ConfigurationError, match="trigger it with"):
        asof.of_arrivals(None, {})


def test_inbox_is_read_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    deliver(settings, {"payments.csv": csv([payment()])})
    arrivals.waiting(settings)
    assert not settings.vault_path.exists()
    assert not settings.warehouse_path.exists()
