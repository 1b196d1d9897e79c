"""The slowest steps and models of a night, next to what they usually take."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from typer.testing import CliRunner

from cli import app
from firmpulse import warehouse
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.settings import Settings
from firmpulse.stored_tables import NODES, STEPS
from operations import slow
from operations.slow import Timing
from scoring import publish

NIGHT = date(2026, 10, 30)
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


def _ran(
    settings: Settings, as_of: date, step: str, seconds: float, part: str = "", *,
    nodes: dict[str, float] | None = None, state: str = "success", dag: str | None = "run_nightly",
    try_number: int = 1, status: str = "success",
) -> None:  # fmt: skip
    """Write a finished step and its models."""
    of_step = {
        "as_of": as_of, "step": step, "part": part,
        "started_at": BEGAN + timedelta(minutes=try_number),
    }  # fmt: skip
    with warehouse.connect(settings) as connection:
        row = of_step | {"seconds": seconds, "state": state, "dag": dag}
        connection.execute(STEPS.insert_sql(row), row)
        for name, taken in (nodes or {}).items():
            node = of_step | {"node": name, "kind": "model", "status": status, "seconds": taken}
            connection.execute(NODES.insert_sql(node), node)


def _before(days: int) -> date:
    return NIGHT - timedelta(days=days)


def test_each_step_and_model_is_next_to_its_median_of_the_nights_before(
    settings: Settings,
) -> None:
    for days, seconds in ((3, 2.0), (2, 4.0), (1, 3.0)):
        _ran(settings, _before(days), "build", seconds, "facts", nodes={"fct_a": seconds / 2})
        _ran(settings, _before(days), "score", 10.0)
    _ran(settings, NIGHT, "score", 8.0)
    _ran(settings, NIGHT, "build", 12.0, "facts", nodes={"fct_a": 6.0, "fct_b": 5.0})
    found = slow.look(settings)
    assert found == slow.Slow(
        NIGHT, 3,
        (Timing("build facts", 12.0, 3.0, 4.0), Timing("score", 8.0, 10.0, 0.8)),
        (Timing("fct_a", 6.0, 1.5, 4.0), Timing("fct_b", 5.0, None, None)),
        busy=False,
    )  # fmt: skip
    older = slow.look(settings, _before(1))
    assert older.steps[1] == Timing("build facts", 3.0, 3.0, 1.0)
    assert older.nights_before == 2


def test_usual_are_the_fourteen_nights_before_that_went_well(settings: Settings) -> None:
    for days in range(40, 14, -1):
        _ran(settings, _before(days), "build", 100.0, nodes={"fct_a": 100.0})
    for days in range(14, 7, -1):
        _ran(settings, _before(days), "build", 2.0, nodes={"fct_a": 1.0})
    for days in range(7, 0, -1):
        _ran(
            settings, _before(days), "build", 50.0, nodes={"fct_a": 50.0},
            state="failed", status="error",
        )  # fmt: skip
    _ran(settings, NIGHT, "build", 4.0, nodes={"fct_a": 3.0})
    # Neither is a part of the night.
    _ran(settings, NIGHT, "train", 900.0, dag="train_model")
    _ran(settings, _before(-1), "backfill", 900.0, dag=None, nodes={"fct_a": 900.0})
    found = slow.look(settings)
    assert found.nights_before == 14
    assert found.steps == (Timing("build", 4.0, 2.0, 2.0),)
    assert found.models == (Timing("fct_a", 3.0, 1.0, 3.0),)


def test_a_step_that_ran_again_counts_once_and_slices_of_a_model_are_added_up(
    settings: Settings,
) -> None:
    _ran(settings, NIGHT, "build", 30.0, nodes={"fct_a": 30.0})
    _ran(settings, NIGHT, "build", 9.0, nodes={"fct_a": 5.0}, try_number=2)
    with warehouse.connect(settings) as connection:
        connection.execute(
            "insert into warehouse.ops.nodes select * replace (1.5 as seconds) "
            "from warehouse.ops.nodes where seconds = 5"
        )
    found = slow.look(settings)
    assert found.steps == (Timing("build", 9.0, None, None),)
    assert found.models == (Timing("fct_a", 6.5, None, None),)


def test_a_night_that_is_not_in_the_log_is_named(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="no night has run yet"):
        slow.look(settings)
    _ran(settings, NIGHT, "train", 1.0, dag="train_model")
    with pytest.raises(NotReadyError, match="no night has run yet"):
        slow.look(settings)
    _ran(settings, NIGHT, "build", 1.0)
    with pytest.raises(NotReadyError, match="has no night 2026-10-29; the newest is 2026-10-30"):
        slow.look(settings, _before(1))


def test_while_the_warehouse_is_held_the_last_publication_is_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    _ran(settings, NIGHT, "build", 4.0, nodes={"fct_a": 3.0})
    publish.publish_again(settings)
    _ran(settings, NIGHT, "score", 1.0)
    with warehouse.connect(settings):
        found = slow.look(settings)
        shown = CliRunner().invoke(app, ["status", "--slow"])
    assert found == slow.Slow(
        NIGHT, 0, (Timing("build", 4.0, None, None),), (Timing("fct_a", 3.0, None, None),),
        busy=True,
    )  # fmt: skip
    assert "A task holds the warehouse: shown as of the last publication." in shown.output


def test_the_command_prints_a_table_or_one_object(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    _ran(settings, _before(1), "build", 2.0, "facts", nodes={"fct_a": 1.0})
    _ran(settings, NIGHT, "build", 5.0, "facts", nodes={"fct_a": 3.0})
    shown = CliRunner().invoke(app, ["status", "--slow"])
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.output.splitlines()]
    assert ["build", "facts", "5.0", "2.0", "2.5"] in lines
    assert ["fct_a", "3.0", "1.0", "3.0"] in lines
    plain = CliRunner().invoke(app, ["status", "--slow", "--json", "--as-of", "2026-10-29"])
    assert json.loads(plain.output) == {
        "as_of": "2026-10-29", "nights_before": 0, "busy": False,
        "steps": [
            {"name": "build facts", "seconds": 2.0, "usual_seconds": None, "ratio": None}
        ],
        "models": [{"name": "fct_a", "seconds": 1.0, "usual_seconds": None, "ratio": None}],
    }  # fmt: skip
    wrong = CliRunner().invoke(app, ["status", "--as-of", "2026-10-29"])
    assert isinstance(wrong.exception, ConfigurationError)
