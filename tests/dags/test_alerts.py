"""Alerts about finally failed tasks, and the note of a run."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from firmpulse.airflow import alerts, dagrun
from firmpulse.errors import ExpectationFailed, NotReadyError
from firmpulse.settings import Settings

pytestmark = pytest.mark.slow

FAILED = SimpleNamespace(
    task_id="score", map_index=-1, dag_id="run_nightly", run_id="manual__1", try_number=4,
    log_url="http://127.0.0.1:8080/log",
)  # fmt: skip


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any]]]:
    """Listen on this machine like a chat's webhook; yield the address and what arrived."""
    came: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", came
    server.shutdown()
    server.server_close()


def test_a_failed_night_posts_what_failed_why_and_for_which_day(
    settings: Settings, hook: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, came = hook
    connection = json.dumps({"conn_type": "http", "password": address})
    monkeypatch.setenv("AIRFLOW_CONN_FIRMPULSE_ALERTS", connection)
    with pytest.raises(NotReadyError):
        dagrun.run_dag(settings, "run_nightly", {"as_of": "2026-10-31"})
    (told,) = came
    assert told["task_id"] == "validate_deliveries"
    assert told["as_of"] == "2026-10-31"
    text = "Firmpulse: validate_deliveries of run_nightly failed (as of 2026-10-31): the inbox is"
    assert told["text"].startswith(text)


def test_without_a_connection_nobody_is_told_and_nothing_breaks(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NotReadyError):
        dagrun.run_dag(settings, "run_nightly", {"as_of": "2026-10-31"})
    assert "no alert was sent" not in caplog.text


def test_foreign_errors_are_told_by_their_class_only() -> None:
    error = ValueError("914403001922038216 张三")
    said = alerts.message({"ti": FAILED, "exception": error, "params": {"as_of": "2026-10-31"}})
    assert "ValueError" in said["error"]
    assert "9144" not in json.dumps(said)
    assert "张" not in json.dumps(said, ensure_ascii=False)
    assert alerts.message({"ti": FAILED})["error"] == "it was terminated from outside"


def test_an_alert_that_cannot_be_sent_fails_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = json.dumps({"conn_type": "http", "password": "http://127.0.0.1:9/hook"})
    monkeypatch.setenv("AIRFLOW_CONN_FIRMPULSE_ALERTS", nowhere)
    with pytest.raises(NotReadyError):
        dagrun.run_dag(settings, "run_nightly", {"as_of": "2026-10-31"})


def test_mail_goes_to_those_whom_the_connection_names(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent to a plain SMTP server on this machine."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[str] = []

    def serve() -> None:
        peer, _ = listener.accept()
        with peer, peer.makefile("rwb") as stream:

            def say(line: str) -> None:
                stream.write(f"{line}\r\n".encode())
                stream.flush()

            say("220 here")
            in_data = False
            for raw in stream:
                line = raw.decode().rstrip("\r\n")
                heard.append(line)
                if in_data:
                    if line == ".":
                        in_data = False
                        say("250 taken")
                elif line.upper().startswith("DATA"):
                    in_data = True
                    say("354 go on")
                elif line.upper().startswith("QUIT"):
                    say("221 bye")
                    return
                else:
                    say("250 fine")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    connection = {
        "conn_type": "smtp", "host": "127.0.0.1", "port": listener.getsockname()[1],
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "firmpulse@bank.example",
                  "to_email": "oncall@bank.example"},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_FIRMPULSE_ALERTS", json.dumps(connection))
    with pytest.raises(NotReadyError):
        dagrun.run_dag(settings, "run_nightly", {"as_of": "2026-10-31"})
    thread.join(20)
    listener.close()
    text = "\n".join(heard)
    assert "rcpt TO:<oncall@bank.example>" in text
    assert "Subject: Firmpulse: validate_deliveries of run_nightly failed" in text


def test_the_note_of_a_night_that_failed_says_why(settings: Settings) -> None:
    """The scheduler's listener finds what the failed task pushes."""
    with pytest.raises(NotReadyError):
        dagrun.run_dag(settings, "run_nightly", {"as_of": "2026-10-31"})
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    from firmpulse.airflow.plugin import RunNotes

    with create_session() as session:
        newest = session.query(DagRun).order_by(DagRun.id.desc()).first()
        assert newest is not None
        # Like the scheduler, which does not run here.
        RunNotes().on_dag_run_failed(newest)
        assert "- validate_deliveries: **failed**\n\nthe inbox is empty" in newest.note
        assert "or simulate some with: firmpulse simulate" in newest.note


def test_a_note_tells_what_each_task_did_and_keeps_what_people_wrote() -> None:
    from firmpulse.airflow.plugin import note

    states = {"land": ["success", "success"], "score": ["failed"], "publish": ["upstream_failed"]}
    results = {
        "land": [{"deliveries": 1, "rows_landed": 1200}, {"deliveries": 2, "rows_landed": 5}]
    }
    first = note("Waits for the bank.", states, results)
    assert first.splitlines() == [
        "Waits for the bank.", "", "**What the run did**", "",
        "- land: 3 deliveries, 1,205 rows landed", "- score: **failed**", "- publish: not run",
    ]  # fmt: skip
    again = note(first, {"score": ["success"]}, {"score": [{"scored": 7}]})
    assert again.splitlines() == [
        "Waits for the bank.", "", "**What the run did**", "", "- score: 7 scored",
    ]  # fmt: skip


BROKEN = (
    "the delivery batch of 2026-10-31 broke 1 of its expectations:\n"
    "  - expected: at most 5 % of a table's rows go to quarantine; seen: tax-1 / tax_payment 0.5\n"
    "Every night stops here until the cause is fixed or a person accepts the delivery as it is:\n"
    '  firmpulse accept tax-1 --because "..."'
)


def test_an_alert_carries_the_whole_message_and_the_command_that_runs_it_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    said = alerts.message(
        {"ti": FAILED, "exception": ExpectationFailed(BROKEN), "params": {"as_of": "2026-10-31"}}
    )
    assert said["error"] == BROKEN
    assert said["text"].splitlines() == [
        "Firmpulse: score of run_nightly failed (as of 2026-10-31): " + BROKEN.splitlines()[0],
        *BROKEN.splitlines()[1:],
        "Once that is fixed: firmpulse night --as-of 2026-10-31",
    ]
    assert said["again"] == "firmpulse night --as-of 2026-10-31"


def test_a_note_has_the_message_of_what_failed_within_what_a_note_may_have() -> None:
    from firmpulse.airflow.plugin import note

    states = {"land": ["success"], "check": ["failed"]}
    results = {"land": [{"rows_landed": 5}]}
    short = note(None, states, results, {"check": [BROKEN]})
    assert short.splitlines()[2:] == [
        "- land: 5 rows landed", "- check: **failed**", "", *BROKEN.splitlines(),
    ]  # fmt: skip
    long = f"{BROKEN.splitlines()[0]}\n{'x' * 3000}\n{BROKEN.splitlines()[-1]}"
    cut = note("Waits for the bank.", states, results, {"check": [long]})
    assert len(cut) <= 1000
    assert cut.startswith("Waits for the bank.\n")
    assert BROKEN.splitlines()[0] in cut
    assert "cut here; see the log of the task" in cut
    assert cut.endswith('firmpulse accept tax-1 --because "..."')


def test_of_dbt_the_node_and_the_kind_are_told_and_no_cell() -> None:
    from firmpulse.dbt_runner import _said

    cell = (
        "Runtime Error in model fct_x (models/facts/fct_x.sql)\n"
        "  Conversion Error: Could not convert string '张三' to INT32\n\n  LINE 1: select"
    )
    assert _said(cell) == (
        "Runtime Error in model fct_x (models/facts/fct_x.sql): Conversion Error; its text may "
        "quote a cell"
    )
    name = (
        "Runtime Error in model fct_x (x.sql)\n  Binder Error: column nope was not found\n  LINE 1"
    )
    assert _said(name) == (
        "Runtime Error in model fct_x (x.sql): Binder Error: column nope was not found"
    )
    count = "Got 3 results, configured to fail if != 0"
    assert _said(count) == count
    assert _said("something about 张三") == "its text is in dbt's log"
