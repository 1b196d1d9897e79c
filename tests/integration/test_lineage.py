"""OpenLineage's events of a night: one chain from the contracts to the published scores."""

import json
import socket
from datetime import date
from typing import Any

import pytest
from openlineage.client.event_v2 import RunEvent

from extracts import contracts
from features import registry
from firmpulse import openlineage, runlog, tracking
from firmpulse.errors import NotReadyError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from simulator.truth import truth
from tests.integration.conftest import Assessed

Event = dict[str, Any]


@pytest.fixture(scope="module")
def events(assessed: Assessed) -> list[Event]:
    """Return the events in order."""
    files = sorted((assessed.settings.root / "lineage").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def _names(datasets: list[Event]) -> set[str]:
    return {dataset["name"] for dataset in datasets}


def test_every_run_that_began_ended_well(events: list[Event]) -> None:
    states: dict[str, list[str]] = {}
    for event in events:
        states.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert len(states) > 70
    assert set(map(tuple, states.values())) == {("START", "COMPLETE")}
    assert RunEvent.__name__ in events[0]["schemaURL"]


def test_the_published_scores_rest_on_every_contract(
    events: list[Event], assessed: Assessed
) -> None:
    made_of: dict[str, set[str]] = {}
    for event in events:
        for output in _names(event["outputs"]):
            made_of.setdefault(output, set()).update(_names(event["inputs"]))
    seen: set[str] = set()
    waiting = ["scores.scores"]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += made_of.get(name, ())
    known = registry.load(assessed.settings)
    assert {name for name in seen if name.startswith("inbox.")} == {
        f"inbox.{table}" for table in contracts.load()
    }
    assert set(known.tables()) <= seen
    assert f"models.{tracking.CREDIT_MODEL}" in seen


def test_a_model_names_its_step_and_its_columns(events: list[Event]) -> None:
    (view,) = [
        event
        for event in events
        if event["job"]["name"] == "dbt.feat_bank_monthly" and event["eventType"] == "COMPLETE"
    ]
    parent = view["run"]["facets"]["parent"]
    assert parent["job"]["name"] == "build.all"
    steps = {event["run"]["runId"] for event in events if event["job"]["name"] == "build.all"}
    assert {parent["run"]["runId"]} == steps
    (output,) = view["outputs"]
    assert output["name"] == "warehouse.features.feat_bank_monthly"
    columns = {field["name"]: field["type"] for field in output["facets"]["schema"]["fields"]}
    assert columns["firm_id"] == "uuid"
    assert "bank_operating_in_mean_6m" in columns
    assert view["run"]["facets"]["nominalTime"]["nominalStartTime"].startswith("20")


def test_rows_are_counted_and_none_is_told(events: list[Event], assessed: Assessed) -> None:
    (monitor,) = [
        e for e in events if e["job"]["name"] == "champions" and e["eventType"] != "START"
    ]
    (output,) = monitor["outputs"]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] >= 0
    told = json.dumps(events)
    key = keyring.load(assessed.settings, "token_key")
    for code in truth(assessed.economy, assessed.as_of)["uscc"].to_list():
        assert code not in told
        assert str(tokens.firm_token(key, f"uscc:{code}")) not in told


def test_a_step_that_fails_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = Settings(home=tmp_path_factory.mktemp("failing") / "home", memory_limit="2GB")
    day = date(2026, 1, 31)
    with (
        pytest.raises(NotReadyError),
        runlog.step(settings, day, "score", reads=["warehouse.features.a"]),
    ):
        raise NotReadyError("nothing was built")
    (path,) = (settings.root / "lineage").glob("*.jsonl")
    start, fail = map(json.loads, path.read_text("utf-8").splitlines())
    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert fail["run"]["facets"]["errorMessage"]["message"].endswith("nothing was built")


def test_nobody_who_takes_events_stops_no_step(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is down is tried once by all the events of some minutes."""
    monkeypatch.setattr(openlineage, "_silent_until", 0.0)
    settings = Settings(home=tmp_path_factory.mktemp("nobody") / "home", memory_limit="2GB")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        transport = {"type": "http", "url": address, "timeout": 0.5, "retry": {"total": 0}}
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps(transport))
        openlineage._client_of_environment.cache_clear()
        for _ in range(2):
            with runlog.step(settings, date(2026, 1, 31), "score") as step:
                step.rows_out = 1
        peer, _ = server.accept()
        peer.close()
        with pytest.raises(BlockingIOError):
            server.accept()
    assert not (settings.root / "lineage").exists()
    openlineage._client_of_environment.cache_clear()
