from datetime import date, timedelta

import duckdb
import polars as pl
import pytest

from extracts.vault import nightly
from features import build
from firmpulse import long_work, warehouse
from firmpulse.airflow import dagrun
from firmpulse.airflow.taskwatch import TaskEvent, in_short
from firmpulse.errors import ConfigurationError, ExpectationFailed, NotReadyError, TaskFailed
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES
from scoring.restated import restated

pytestmark = pytest.mark.slow

Simulated = tuple[Settings, date]
NIGHTLY = [
    "import_grants",
    "pull",
    *["land"] * 8,
    "validate_deliveries",
    "build",
    "validate_features",
    "score",
    "warn",
    "find_champions",
    "validate_scores",
    "publish",
]


FirstNight = tuple[dagrun.DagOutcome, list[TaskEvent], list[str]]


@pytest.fixture(scope="module")
def first_night(simulated: Simulated) -> FirstNight:
    """Run the night, with all work taken for long."""
    settings, night = simulated
    events: list[TaskEvent] = []
    lines: list[str] = []
    conf = {"as_of": night.isoformat()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_work, "_EVERY_SECONDS", 0)
        with long_work.heard(lines.append):
            outcome = dagrun.run_dag(settings, "run_nightly", conf, events.append)
    return outcome, events, lines


def test_a_first_night_tells_how_far_the_landing_is(first_night: FirstNight) -> None:
    _, _, lines = first_night
    last = {line.partition(":")[0]: line for line in lines if line.endswith("percent")}
    for source in SOURCES:
        assert any(delivery.startswith(source.replace("_", "-")) for delivery in last)
    assert all(line.endswith("rows, 100 percent") for line in last.values())


def test_a_first_night_runs_every_task_once_and_tells_of_each(first_night: FirstNight) -> None:
    outcome, events, _ = first_night

    ran = [event.task_id for event in events]
    assert ran[: len(NIGHTLY)] == NIGHTLY
    # These two branches after the publication have no order.
    assert sorted(ran[len(NIGHTLY) :]) == ["erase", "purge_raw", "report", "summarise"]
    assert sorted(event.label for event in events if event.task_id == "land") == [
        "land bank",
        "land founder_credit",
        "land lender",
        "land power",
        "land project_contracts",
        "land public_records",
        "land supply_chain",
        "land tax",
    ]
    assert all(event.succeeded for event in events)
    assert outcome.tasks == tuple(events)
    (summary,) = outcome.results("summarise")
    assert summary["deliveries"] == 8
    assert summary["refused"] == 1
    assert summary["rows_landed"] > 100_000


def test_without_a_champion_the_night_says_how_to_get_one(
    simulated: Simulated, first_night: FirstNight
) -> None:
    (scored,) = first_night[0].results("score")

    assert scored["champion"] is None
    assert f"firmpulse train --as-of {simulated[1]}" in scored["message"]


def test_training_gives_a_champion_and_the_night_its_scores(
    simulated: Simulated, first_night: FirstNight
) -> None:
    settings, night = simulated
    conf = {"as_of": night.isoformat(), "approver": "A. Tester", "trials": 1}

    trained = dagrun.run_dag(settings, "train_model", conf)
    again = dagrun.run_dag(settings, "run_nightly", {"as_of": night.isoformat()})

    assert trained.results("promote") == [{"version": "1", "gates_green": True, "promoted": True}]
    (scored,) = again.results("score")
    with duckdb.connect(str(settings.scores_path), read_only=True) as published:
        counted = published.execute("select count(*) from latest_scores").fetchone()
    assert counted == (scored["scored"],)
    assert scored["scored"] > 50


def test_a_month_is_built_again_and_no_other(simulated: Simulated, first_night: FirstNight) -> None:
    settings, _ = simulated
    view = "feat_bank_monthly"
    before = _rows_of(settings, view)
    with warehouse.connect(settings) as connection:
        # As if an older definition had been built.
        connection.execute(f"update warehouse.features.{view} set bank_operating_in_mean_6m = -1")
    conf = {"as_of": "2025-03-10", "view": view}
    outcome = dagrun.run_dag(settings, "rebuild_features", conf)
    after = _rows_of(settings, view)
    march = pl.col("as_of") == date(2025, 3, 31)
    assert outcome.results("rebuild") == [{view: after.filter(march).height}]
    assert after.filter(march).equals(before.filter(march))
    assert set(after.filter(~march)["bank_operating_in_mean_6m"]) == {-1.0}
    # All history, by the command's function.
    report = build.backfill(settings, [view])
    assert report.rows == {view: before.height}
    assert _rows_of(settings, view).equals(before)
    with pytest.raises(ConfigurationError, match="no feature view feat_money"):
        build.backfill(settings, ["feat_money"])
    with pytest.raises(NotReadyError, match="no snapshots from 2031-01-01"):
        build.backfill(settings, [view], (date(2031, 1, 1), date(2031, 1, 31)))


def _rows_of(settings: Settings, view: str) -> pl.DataFrame:
    with warehouse.connect(settings) as connection:
        return connection.execute(
            f"select columns(*)::varchar from warehouse.features.{view} order by all"
        ).pl().with_columns(
            pl.col("as_of").str.to_date(), pl.col("bank_operating_in_mean_6m").cast(pl.Float64)
        )  # fmt: skip


def test_a_correction_moves_its_firm_and_of_others_their_place_in_the_graph_alone(
    simulated: Simulated, first_night: FirstNight
) -> None:
    settings, night = simulated
    assert restated(settings, night + timedelta(days=9)).later_rows == {}
    with warehouse.connect(settings) as connection:
        firm, rows = connection.execute(
            f"""
            select firm_id::varchar, count(*) from warehouse.staging.stg_tax__invoice
            where {_LAST_SALES} group by firm_id order by count(*) desc, firm_id limit 1
            """
        ).fetchall()[0]
        connection.execute(
            f"""
            insert into warehouse.staging.stg_tax__invoice
            select * replace (
                cast(net_cny / 100 as decimal(18, 2)) as net_cny,
                record_version + 1 as record_version,
                date '{night}' + 5 as available_at
            )
            from warehouse.staging.stg_tax__invoice
            where {_LAST_SALES} and firm_id = '{firm}'
            """
        )
        kept = connection.execute("select count(*) from warehouse.features.feat_tax_monthly")
        snapshots = kept.fetchall()
    try:
        report = restated(settings, night + timedelta(days=9))
    finally:
        with warehouse.connect(settings) as connection:
            connection.execute(
                "delete from warehouse.staging.stg_tax__invoice where available_at > ?", [night]
            )
            assert (
                snapshots
                == connection.execute(
                    "select count(*) from warehouse.features.feat_tax_monthly"
                ).fetchall()
            )
    assert report.night == night
    assert report.later_rows == {"stg_tax__invoice": rows}
    others = report.moved.filter(pl.col("firm_id") != firm)
    assert others.is_empty() or others["features_moved"].max() <= len(_GRAPH)
    (moved,) = report.moved.filter(pl.col("firm_id") == firm).to_dicts()
    assert moved["features_moved"] > 10
    assert moved["prob_after"] != moved["prob_before"]
    with duckdb.connect(str(settings.scores_path), read_only=True) as published:
        expected = published.execute(
            "select grade, score, default_prob from scores where firm_id = ? and as_of = ?",
            [firm, night],
        ).fetchall()
    assert expected == [(moved["grade_before"], moved["score_before"], moved["prob_before"])]


_GRAPH = ("ring", "supplier_rank", "large_buyer", "sole_supplier")
_LAST_SALES = "direction = 'OUT' and status <> 'VOID' and issued_on > date '2026-05-01'"


def test_a_source_that_crashes_leaves_the_others_and_fails_the_run(
    simulated: Simulated,
    first_night: FirstNight,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, night = simulated
    land = nightly.land

    def land_or_crash(settings: Settings, source: str, as_of: date) -> nightly.LandingReport:
        if source == "power":
            raise RuntimeError("nobody foresaw this")
        return land(settings, source, as_of)

    monkeypatch.setattr(nightly, "land", land_or_crash)
    events: list[TaskEvent] = []
    with pytest.raises(TaskFailed, match="task land power of run_nightly failed: nobody foresaw"):
        dagrun.run_dag(settings, "run_nightly", {"as_of": night.isoformat()}, events.append)

    ended = {event.label: event.succeeded for event in events}
    assert ended.pop("land power") is False
    assert all(ended.values())
    assert "publish" in ended
    assert "summarise" not in ended


def test_a_batch_that_breaks_its_suite_stops_every_night_before_masking(
    simulated: Simulated, first_night: FirstNight
) -> None:
    settings, night = simulated
    set_read = "update warehouse.ops.deliveries set rows_read = rows_read + ? where source = 'tax'"
    with warehouse.connect(settings) as connection:
        connection.execute(set_read, [1])
    events: list[TaskEvent] = []
    try:
        for as_of in (night, night + timedelta(days=1)):
            with pytest.raises(ExpectationFailed, match="every row read is landed, a duplicate"):
                dagrun.run_dag(settings, "run_nightly", {"as_of": as_of.isoformat()}, events.append)
    finally:
        with warehouse.connect(settings) as connection:
            connection.execute(set_read, [-1])

    stopped = [event.task_id for event in events if not event.succeeded]
    assert stopped == ["validate_deliveries"] * 2
    assert "build" not in {event.task_id for event in events}


def test_an_unknown_dag_names_the_known_ones(settings: Settings) -> None:
    known = (
        "use one of assess_arrivals, honour_revocations, monitor_model, rebuild_features, "
        "run_nightly, train_model"
    )
    with pytest.raises(ConfigurationError, match=known):
        dagrun.run_dag(settings, "run_daily", {})


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, ""),
        ("scores.duckdb", "scores.duckdb"),
        ({"rows_landed": 12345, "refused": 0}, "12,345 rows landed"),
        ({"version": "3", "gates_green": True, "promoted": False}, "version 3, gates green"),
        ({"scored": 5, "_through": 7}, "5 scored"),
        ({"message": "no champion", "warnings": ["a", "b"]}, "no champion, warnings: a; b"),
    ],
)
def test_results_are_told_in_short(result: object, words: str) -> None:
    assert in_short(result) == words
