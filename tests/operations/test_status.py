"""The status of a home folder: nights, late providers, odd volumes, and what needs attention."""

import json
from datetime import date, timedelta

import pytest
from typer.testing import CliRunner

from cli import app
from firmpulse import runlog, warehouse
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.settings import Settings
from operations import arrivals, nights, status
from operations.status import PROBLEM, WARNING, Status
from scoring import publish
from scoring.warnings.forms import Freshness
from tests import delivery_rows

NIGHT = date(2026, 10, 30)
TODAY = NIGHT + timedelta(days=1)


def _ran(
    settings: Settings, as_of: date, *steps: str, fails: str = "", dag: str | None = "run_nightly"
) -> None:
    """Write steps to the run log like the tasks of a DAG; without a DAG, like commands."""
    for name in steps:
        with runlog.step(settings, as_of, name) as step:
            step.rows_out = 7
    if fails:
        with pytest.raises(NotReadyError), runlog.step(settings, as_of, fails):
            raise NotReadyError("no champion; run: firmpulse train")
    with warehouse.connect(settings) as connection:
        connection.execute(
            "update warehouse.ops.steps set dag = $dag, run_id = 'manual__1' "
            "where dag is null and run_id is null and $dag is not null",
            {"dag": dag},
        )


def _texts(found: Status, severity: str) -> list[str]:
    return [one.text for one in found.findings if one.severity == severity]


def test_an_empty_home_is_told_the_first_command(settings: Settings) -> None:
    found = status.look(settings, TODAY)
    (problem,) = [one for one in found.findings if one.severity == PROBLEM]
    assert problem.text.startswith("no night has run yet")
    assert problem.do == "firmpulse night --as-of 2026-10-30"


def test_a_published_night_that_is_due_is_no_problem(settings: Settings) -> None:
    _ran(settings, NIGHT, "land", "build", "score", "publish")
    found = status.look(settings, TODAY)
    assert _texts(found, PROBLEM) == []
    # It has no model, which should be reported.
    assert _texts(found, WARNING) == ["there is no champion, so no firm is scored"]
    assert found.severity == WARNING
    assert found.published == NIGHT
    assert found.night is not None
    assert [step.rows_out for step in found.night.steps] == [7] * 4


def test_a_failed_step_is_told_until_it_has_run_well(settings: Settings) -> None:
    _ran(settings, NIGHT, "land", fails="score")
    (problem,) = _texts(status.look(settings, TODAY), PROBLEM)
    assert problem == "score of 2026-10-30 failed: no champion; run: firmpulse train"
    _ran(settings, NIGHT, "score", "publish")
    assert _texts(status.look(settings, TODAY), PROBLEM) == []


def test_a_night_that_stopped_on_its_way_is_told(settings: Settings) -> None:
    _ran(settings, NIGHT, "land", "build")
    (problem,) = _texts(status.look(settings, TODAY), PROBLEM)
    assert problem == "2026-10-30 was not published; its last step is build"


def test_missing_nights_come_with_the_backfill_that_makes_them(settings: Settings) -> None:
    _ran(settings, NIGHT, "publish")
    found = status.look(settings, TODAY + timedelta(days=3))
    (problem,) = [one for one in found.findings if one.severity == PROBLEM]
    assert "3 nights are missing: the newest is 2026-10-30, due is 2026-11-02" in problem.text
    assert "--from-date 2026-10-31 --to-date 2026-11-02" in problem.do


def test_training_and_erasing_are_no_nights(settings: Settings) -> None:
    _ran(settings, NIGHT, "publish")
    _ran(settings, TODAY, "train", dag="train_model")
    _ran(settings, TODAY, "erase", dag="honour_revocations")
    _ran(settings, TODAY, "backfill", "publish", dag=None)
    with warehouse.connect(settings) as connection:
        newest = nights.newest(nights.read(connection))
    assert newest is not None
    assert newest.as_of == NIGHT


def test_what_is_assessed_by_day_is_no_night_and_hides_none(settings: Settings) -> None:
    """A small delivery arrived three days after the newest night, and was published."""
    _ran(settings, NIGHT, "land", "score", "publish")
    day = NIGHT + timedelta(days=3)
    _ran(settings, day, "land", "score", "publish", dag="assess_arrivals")
    found = status.look(settings, day)
    assert found.night is not None
    assert found.night.as_of == NIGHT
    assert found.published == NIGHT
    (problem,) = _texts(found, PROBLEM)
    assert problem == "2 nights are missing: the newest is 2026-10-30, due is 2026-11-01"


def test_what_is_assessed_by_day_does_not_repair_a_night_that_failed(settings: Settings) -> None:
    _ran(settings, NIGHT, "land", fails="score")
    _ran(settings, NIGHT, "score", "publish", dag="assess_arrivals")
    assert _texts(status.look(settings, TODAY), PROBLEM) == [
        "score of 2026-10-30 failed: no champion; run: firmpulse train"
    ]


def test_a_run_by_day_that_failed_is_told_until_one_went_well(settings: Settings) -> None:
    _ran(settings, NIGHT, "publish")
    _ran(settings, TODAY, "land", fails="score", dag="assess_arrivals")
    (problem,) = [one for one in status.look(settings, TODAY).findings if one.severity == PROBLEM]
    assert problem.subject == "runs"
    assert problem.text.startswith("score of assess_arrivals, 2026-10-31, failed: no champion")
    assert problem.do == "fix it, then: firmpulse arrivals --as-of 2026-10-31"
    _ran(settings, TODAY + timedelta(days=1), "score", dag="assess_arrivals")
    assert _texts(status.look(settings, TODAY), PROBLEM) == []


def test_an_older_night_that_failed_is_told_until_it_is_repaired(settings: Settings) -> None:
    old = NIGHT - timedelta(days=40)
    _ran(settings, old, "land", fails="build")
    for back in range(35, -1, -1):
        _ran(settings, NIGHT - timedelta(days=back), "publish")
    (problem,) = [one for one in status.look(settings, TODAY).findings if one.severity == PROBLEM]
    assert problem.text == (
        "2026-09-20, an older night, is not fixed: build failed: no champion; run: firmpulse "
        "train; it was not published, its last step is build"
    )
    assert problem.do == "firmpulse night --as-of 2026-09-20"
    _ran(settings, old, "build", "publish")
    assert _texts(status.look(settings, TODAY), PROBLEM) == []


def test_gaps_between_nights_are_told_with_the_commands_that_make_them(settings: Settings) -> None:
    for back in (9, 8, 5, 3, 2, 1, 0):
        _ran(settings, NIGHT - timedelta(days=back), "publish")
    problems = [one for one in status.look(settings, TODAY).findings if one.severity == PROBLEM]
    assert [(one.text, one.do.partition(";")[0]) for one in problems] == [
        ("1 night is missing: between other nights, 2026-10-26 to 2026-10-26",
         "firmpulse night --as-of 2026-10-26"),
        ("2 nights are missing: between other nights, 2026-10-23 to 2026-10-24",
         "firmpulse night --as-of 2026-10-23 && firmpulse night --as-of 2026-10-24"),
    ]  # fmt: skip


def test_a_gap_of_long_ago_is_nobodys_work_any_more(settings: Settings) -> None:
    """Month ends that were run for history do not make every night between them missing."""
    for as_of in (date(2025, 1, 31), date(2025, 2, 28)):
        _ran(settings, as_of, "publish")
    for back in range(31):
        _ran(settings, NIGHT - timedelta(days=back), "publish")
    assert _texts(status.look(settings, TODAY), PROBLEM) == []


def test_a_home_of_another_release_is_told_in_a_sentence(settings: Settings) -> None:
    _ran(settings, NIGHT, "publish")
    with warehouse.connect(settings) as connection:
        connection.execute("alter table warehouse.ops.steps drop column run_id")
        connection.execute("alter table warehouse.ops.steps drop column dag")
    with pytest.raises(ConfigurationError, match="was made by another release"):
        status.look(settings, TODAY)
    with (
        pytest.raises(ConfigurationError, match="set FIRMPULSE_HOME to an empty folder"),
        runlog.step(settings, NIGHT, "land"),
    ):
        pass


def _deliveries(settings: Settings, rows: dict[date, int]) -> None:
    """Deliver this many rows per night, as increments of one table."""
    with warehouse.connect(settings) as connection:
        for seq, (as_of, count) in enumerate(rows.items()):
            delivery_rows.record(
                connection, as_of=as_of, delivery_seq=seq, source="tax", provider="bureau",
                table_name="tax_invoice", kind="increment", delivery_id=f"tax-{seq}",
                rows_delivered=count,
            )  # fmt: skip


def _usual(nights_before: int) -> dict[date, int]:
    return {
        NIGHT - timedelta(days=back): 1000 + 100 * (back % 5)
        for back in range(nights_before, 0, -1)
    }


@pytest.mark.parametrize(("rows", "told"), [(480, 1), (520, 0), (2700, 0), (2900, 1)])
def test_volumes_far_from_those_of_the_nights_before_are_told(
    settings: Settings, rows: int, told: int
) -> None:
    _deliveries(settings, {**_usual(10), NIGHT: rows})
    with warehouse.connect(settings) as connection:
        found = arrivals.unusual(connection, NIGHT)
    assert len(found) == told
    assert [(one.least, one.most) for one in found] == [(1000, 1400)] * told


def test_a_few_nights_are_no_measure(settings: Settings) -> None:
    _deliveries(settings, {**_usual(5), NIGHT: 1})
    with warehouse.connect(settings) as connection:
        assert arrivals.unusual(connection, NIGHT) == []


def test_a_provider_whose_newest_row_is_too_old_is_late(settings: Settings) -> None:
    _deliveries(settings, {NIGHT: 10, NIGHT - timedelta(days=50): 10})
    with warehouse.connect(settings) as connection:
        connection.execute("create schema if not exists warehouse.facts")
        connection.execute(
            "create table warehouse.facts.fct_tax_invoice_monthly as select * from (values "
            "(0::bigint, date '2026-10-28'), (1::bigint, date '2026-09-10')) "
            "as t(delivery_seq, available_at)"
        )
        connection.execute(
            "update warehouse.ops.deliveries set provider = 'other' where delivery_seq = 1"
        )
        found = arrivals.ages(
            connection, NIGHT, {"tax": Freshness(table="fct_tax_invoice_monthly", days=41)}
        )
    assert [(one.provider, one.days, one.late) for one in found] == [
        ("bureau", 2, False), ("other", 50, True),
    ]  # fmt: skip


def test_a_warehouse_in_use_is_said_and_nothing_waits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held by another process, like a task of a night."""
    import subprocess
    import sys

    _ran(settings, NIGHT, "publish")
    code = (
        "import sys; from firmpulse import warehouse; from firmpulse.settings import Settings\n"
        "with warehouse.connect(Settings()): print('held', flush=True); sys.stdin.read()"
    )
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    holder = subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    found = status.look(settings, TODAY)
    holder.communicate("")
    assert found.busy
    assert "a task is running and holds the warehouse" in _texts(found, WARNING)


def test_while_a_task_holds_the_warehouse_the_last_publication_is_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published log ends before its own publication; the night due may be running."""
    import subprocess
    import sys

    old = NIGHT - timedelta(days=3)
    _ran(settings, old, "land", fails="build")
    _ran(settings, NIGHT - timedelta(days=2), "land", "publish")
    _ran(settings, NIGHT - timedelta(days=1), "land", "publish")
    _ran(settings, NIGHT, "land", "score")
    publish.publish_again(settings)
    code = (
        "import sys; from firmpulse import warehouse; from firmpulse.settings import Settings\n"
        "with warehouse.connect(Settings()): print('held', flush=True); sys.stdin.read()"
    )
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    holder = subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    found = status.look(settings, TODAY + timedelta(days=1))
    holder.communicate("")
    assert found.busy
    assert found.night is not None
    assert found.night.as_of == NIGHT
    (problem,) = _texts(found, PROBLEM)
    assert problem.startswith("2026-10-27, an older night, is not fixed: build failed")


def test_the_command_ends_with_a_code_that_scripts_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    _ran(settings, NIGHT, "land", fails="score")
    told = CliRunner().invoke(app, ["status", "--on", TODAY.isoformat()])
    assert told.exit_code == 2
    assert "score of 2026-10-30 failed" in told.output
    as_json = CliRunner().invoke(app, ["status", "--on", TODAY.isoformat(), "--json"])
    assert as_json.exit_code == 2
    content = json.loads(as_json.output)
    assert content["severity"] == "problem"
    assert content["night"]["as_of"] == "2026-10-30"


def test_prometheus_reads_the_numbers_that_people_see(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    _ran(settings, NIGHT, "land", "publish", fails="score")
    target = settings.root / "firmpulse.prom"
    told = CliRunner().invoke(
        app, ["status", "--on", TODAY.isoformat(), "--prometheus", str(target)]
    )
    assert told.exit_code == 0, told.output
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(target.read_text(encoding="utf-8"))
        for sample in family.samples
    }
    assert samples["firmpulse_findings", "problem"] == 1
    assert samples["firmpulse_subject_findings", "night", "problem"] == 1
    assert samples["firmpulse_step_failed", "", "score"] == 1
    assert samples["firmpulse_step_failed", "", "land"] == 0
    assert samples["firmpulse_step_rows", "", "land"] == 7
    assert samples["firmpulse_published_night_age_days",] == 1
