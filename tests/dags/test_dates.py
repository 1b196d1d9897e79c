"""No DAG runs for a day after today, from any source: params, REST, an event, an interval."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consent import intake
from consent.ledger import Ledger
from firmpulse import clock
from firmpulse.airflow import asof, dagrun, environment
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from tests.extracts.inbox import csv, deliver, grant, payment

SLIP = "2062-10-31"
DAGS = sorted(path.stem for path in environment.DAGS_FOLDER.glob("[a-z]*.py"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home with a grant that runs to 2061, one delivery and a file of grants."""
    settings = Settings(home=tmp_path_factory.mktemp("dates") / "home", memory_limit="2GB")
    intake.admit(settings, [grant(valid_to=date(2061, 12, 31))])
    deliver(settings, {"a.csv": csv([payment()])})
    waiting = settings.inbox / "consent" / "grants.jsonl"
    waiting.parent.mkdir(parents=True)
    waiting.write_text("{}\n", encoding="utf-8")
    return settings


@pytest.fixture(scope="module")
def params(home: Settings) -> Iterator[dict[str, list[str]]]:
    """Return the date params of each DAG."""
    with environment.activated(home):
        from airflow.dag_processing.dagbag import DagBag

        dags = DagBag(environment.DAGS_FOLDER).dags
        yield {
            dag_id: [
                name for name in dag.params
                if dag.params.get_param(name).schema.get("format") == "date"
            ]
            for dag_id, dag in dags.items()
        }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("dag_id", DAGS)
def test_a_run_for_a_day_to_come_does_nothing(
    home: Settings, params: dict[str, list[str]], dag_id: str
) -> None:
    """REST's `conf` and Airflow's form arrive like this."""
    (name,) = params[dag_id]
    with pytest.raises(ConfigurationError, match=f"{name} {SLIP} is after today"):
        dagrun.run_dag(home, dag_id, {name: SLIP})
    live = Ledger(home).live(clock.today())
    assert live.height == 1
    assert sorted(_files(home.inbox)) == ["consent/grants.jsonl", "tax/tax-1/a.csv",
                                          "tax/tax-1/manifest.json"]  # fmt: skip
    assert not home.warehouse_path.exists()
    assert not home.scores_dir.exists()


def _files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def test_an_interval_that_ends_on_a_day_to_come_is_refused() -> None:
    """A logical date from REST, or a backfill, makes an interval."""
    end = datetime(2062, 10, 31, 16, 30, tzinfo=UTC)
    with pytest.raises(ConfigurationError, match="as_of 2062-10-31 is after today"):
        asof.resolve(None, end)
    with pytest.raises(ConfigurationError, match="on 2062-11-01 is after today"):
        asof.day_of(None, end)
    with pytest.raises(ConfigurationError, match="on 2062-10-31 is after today"):
        asof.day_of(SLIP, None)


@pytest.mark.parametrize(
    ("day", "says"), [(SLIP, f"as_of {SLIP} is after today"), ("soon", "must look like")]
)
def test_an_event_of_a_day_to_come_is_refused(day: str, says: str) -> None:
    """Anyone with write access to Airflow's REST API can make an event."""
    known = SimpleNamespace(
        extra={"from_trigger": True, "payload": {"as_of": "2026-10-31", "deliveries": []}}
    )
    event = SimpleNamespace(extra={"from_trigger": True, "payload": {"as_of": day}})
    found: dict[Any, list[Any]] = {"deliveries": [known, event]}
    with pytest.raises(ConfigurationError, match=says):
        asof.of_arrivals(None, found)


def test_a_schedule_from_a_day_to_come_is_named(settings: Settings) -> None:
    """Nights would be missing until then, silently."""
    # It imports Airflow, which the runs above start with the settings of their home.
    from firmpulse.airflow import schedule

    later = settings.model_copy(update={"schedule_from": date(2062, 10, 31)})
    with pytest.raises(ConfigurationError, match="FIRMPULSE_SCHEDULE_FROM 2062-10-31 is after"):
        schedule.first_day(later)
