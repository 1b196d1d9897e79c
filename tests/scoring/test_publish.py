"""The published file: what analysts see, and that they can read while it is replaced."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from firmpulse import warehouse
from firmpulse.errors import DamagedError
from firmpulse.settings import Settings
from firmpulse.stored_tables import PUBLISHED, SCORES
from scoring import store
from scoring.publish import VIEWS, publish, publish_again
from scoring.store import NightlyScores
from tests import delivery_rows
from tests.sizes import sized

FIRST, SECOND, THIRD = date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1)

READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for _ in sys.stdin:
    print(connection.execute("select count(*) from scores").fetchone()[0], flush=True)
"""


MANY = """
import sys, pathlib, time, duckdb
stop = pathlib.Path(sys.argv[2])
while True:
    done = stop.exists()
    with duckdb.connect(sys.argv[1], read_only=True, config={"threads": 1}) as connection:
        first = connection.execute("select distinct score from latest_scores").fetchall()
        second = connection.execute("select distinct log_odds from latest_reasons").fetchall()
    seen = {int(value) for (value,) in first + second}
    print("-".join(map(str, sorted(seen))), flush=True)
    if done:
        break
    time.sleep(float(sys.argv[3]))
"""


def _night(as_of: date, scores: dict[str, int]) -> NightlyScores:
    rows = [
        {
            **dict.fromkeys(SCORES.columns),
            "firm_id": firm,
            "as_of": as_of,
            "default_prob": 0.02,
            "score": score,
            "grade": "BB" if score >= 608 else "B",
        }
        for firm, score in scores.items()
    ]
    reason = {
        "firm_id": next(iter(scores)), "as_of": as_of, "rank": 1, "code": "tax.scale",
        "dimension": "scale", "feature": "tax_sales_12m", "log_odds": 0.2,
        "text_zh": "近12个月销售额偏低", "text_en": "sales: low",
    }  # fmt: skip
    unscored = {
        "firm_id": "f9", "as_of": as_of, "reason": "no_rows",
        "reason_zh": "", "reason_en": "", "help_zh": "", "help_en": "",
    }  # fmt: skip
    version = {
        "model_name": "firmpulse-credit", "model_version": "1", "run_id": "r",
        "trained_as_of": FIRST, "frame_digest": "d", "feature_count": 2, "approver": "Li Wei",
        "auc": 0.78, "auc_low": 0.75, "auc_high": 0.81, "ks": 0.42,
    }  # fmt: skip
    return NightlyScores(
        pl.DataFrame(rows),
        pl.DataFrame([reason]),
        pl.DataFrame([unscored]),
        pl.DataFrame([version]),
        pl.DataFrame({"firm_id": list(scores), "as_of": as_of, "marks": [b""] * len(scores)}),
    )


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Publish the first of two nights."""
    settings = Settings(home=tmp_path_factory.mktemp("origin") / "home", memory_limit="2GB")
    store.replace(settings, FIRST, _night(FIRST, {"f1": 640, "f2": 600}))
    assert publish(settings, FIRST) == settings.scores_path
    return settings


@pytest.fixture
def published(settings: Settings, origin: Settings) -> Path:
    """Return the published file of a copy of that home."""
    shutil.copytree(origin.root, settings.root, symlinks=True)
    return settings.scores_path


@pytest.fixture
def analyst(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file like an analyst."""
    connection = duckdb.connect(str(published), read_only=True)
    yield connection
    connection.close()


def test_every_table_view_and_column_is_commented(analyst: duckdb.DuckDBPyConnection) -> None:
    tables = dict(analyst.execute("select table_name, comment from duckdb_tables()").fetchall())
    views = dict(
        analyst.execute(
            "select view_name, comment from duckdb_views() where not internal"
        ).fetchall()
    )
    assert set(tables) == {table.published_name for table in PUBLISHED}
    assert set(views) == set(VIEWS)
    assert all(tables.values())
    assert all(views.values())
    columns = analyst.execute(
        "select table_name, column_name, comment from duckdb_columns() where not internal"
    ).fetchall()
    assert {table for table, _, _ in columns} == set(tables) | set(views)
    assert [(table, column) for table, column, comment in columns if not comment] == []


def test_views_show_the_newest_and_what_changed(settings: Settings, published: Path) -> None:
    store.replace(settings, SECOND, _night(SECOND, {"f1": 590, "f3": 700}))
    publish(settings, SECOND)
    with duckdb.connect(str(published), read_only=True) as analyst:
        latest = analyst.execute(
            "select firm_id, as_of, score from latest_scores order by 1"
        ).fetchall()
        assert latest == [("f1", SECOND, 590), ("f2", FIRST, 600), ("f3", SECOND, 700)]
        changes = analyst.execute(
            "select firm_id, previous_score, score_change, previous_grade, grade from score_changes"
        ).fetchall()
        assert changes == [("f1", 640, -50, "BB", "B")]
        assert analyst.execute("from migration").fetchall() == [
            (SECOND, FIRST, "BB", "B", 1, -50.0)
        ]
        assert analyst.execute("select as_of from unscored").fetchall() == [(SECOND,)]
        reasons = analyst.execute("select firm_id, as_of from latest_reasons").fetchall()
        assert reasons == [("f1", SECOND)]


def test_new_warnings_are_those_that_began_to_hold_on_their_night(
    settings: Settings, published: Path
) -> None:
    store.replace(settings, SECOND, _night(SECOND, {"f1": 590}))
    with warehouse.connect(settings) as connection:
        for as_of, rule, opened_on in (
            (FIRST, "OLD", FIRST), (SECOND, "OLD", FIRST), (SECOND, "NEW", SECOND),
        ):  # fmt: skip
            connection.execute(
                "insert into warehouse.scoring.warnings by name select 'f1' as firm_id, "
                "? as as_of, ? as rule_id, 'yellow' as level, ? as opened_on",
                [as_of, rule, opened_on],
            )
        for as_of, level in ((FIRST, "yellow"), (SECOND, "orange")):
            connection.execute(
                "insert into warehouse.scoring.warning_levels by name "
                "select 'f1' as firm_id, ? as as_of, ? as level",
                [as_of, level],
            )
    publish(settings, SECOND)
    with duckdb.connect(str(published), read_only=True) as analyst:
        found = analyst.execute("select as_of, rule_id, level_in_force from new_warnings")
        assert found.fetchall() == [(SECOND, "NEW", "orange"), (FIRST, "OLD", "yellow")]


def test_an_earlier_night_published_again_takes_no_later_one_away(
    settings: Settings, published: Path
) -> None:
    store.replace(settings, SECOND, _night(SECOND, {"f1": 590}))
    publish(settings, SECOND)
    publish(settings, FIRST)
    with duckdb.connect(str(published), read_only=True) as analyst:
        assert analyst.execute("select max(as_of) from scores").fetchone() == (SECOND,)


def test_scores_that_were_not_cleared_are_published_by_no_later_night(
    settings: Settings, published: Path
) -> None:
    """A night that failed its check never calls publish; the next one does."""
    store.replace(settings, SECOND, _night(SECOND, {"f1": 590}))
    publish(settings, THIRD)
    with duckdb.connect(str(published), read_only=True) as analyst:
        assert analyst.execute("select max(as_of) from scores").fetchone() == (FIRST,)
    publish(settings, SECOND)
    store.replace(settings, SECOND, _night(SECOND, {"f1": 591}))
    publish(settings, THIRD)
    with duckdb.connect(str(published), read_only=True) as analyst:
        assert analyst.execute("select max(as_of) from scores").fetchone() == (FIRST,)


def test_published_files_follow_the_mode_of_their_folder(
    settings: Settings, published: Path
) -> None:
    settings.scores_dir.chmod(0o750)
    publish(settings, FIRST)
    assert published.stat().st_mode & 0o777 == 0o640
    settings.scores_dir.chmod(0o700)
    publish(settings, FIRST)
    assert published.stat().st_mode & 0o777 == 0o600


def test_a_reader_keeps_the_old_rows_while_new_ones_are_swapped_in(
    settings: Settings, published: Path
) -> None:
    command = [sys.executable, "-c", READER, str(published)]
    with subprocess.Popen(  # noqa: S603 - this interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None

        def ask() -> str:
            reader.stdin.write("\n")
            reader.stdin.flush()
            return reader.stdout.readline().strip()

        assert ask() == "2"
        store.replace(settings, SECOND, _night(SECOND, {"f1": 590, "f3": 700}))
        publish(settings, SECOND)
        assert ask() == "2"
        reader.stdin.close()
    with duckdb.connect(str(published), read_only=True) as analyst:
        assert analyst.execute("select count(*) from scores").fetchone() == (4,)


def test_parquet_twins_hold_the_same_rows(
    settings: Settings, analyst: duckdb.DuckDBPyConnection
) -> None:
    folder = settings.scores_dir / "parquet"
    for table in PUBLISHED:
        name = table.published_name
        twin = str(folder / f"{name}.parquet")
        rows = analyst.execute(f"from {name}").fetchall()
        assert analyst.execute("from read_parquet(?)", [twin]).fetchall() == rows, name
    assert {path.name for path in folder.iterdir()} == {
        f"{table.published_name}.parquet" for table in PUBLISHED
    }


def test_a_copied_home_whose_link_became_a_folder_is_published_all_the_same(
    settings: Settings, published: Path
) -> None:
    link = settings.scores_dir / "parquet"
    files = link.resolve()
    link.unlink()
    shutil.copytree(files, link)
    publish_again(settings)
    assert link.is_symlink()
    assert (link / "scores.parquet").exists()


def test_a_reader_of_parquet_keeps_its_folder_for_one_more_publication(
    settings: Settings, published: Path
) -> None:
    first = (settings.scores_dir / "parquet").resolve()
    publish(settings, FIRST)
    assert (first / "scores.parquet").exists()
    publish(settings, FIRST)
    assert not first.exists()
    publish_again(settings, keep_previous=False)
    folders = [path for path in settings.scores_dir.iterdir() if path.is_dir()]
    assert {path.resolve() for path in folders} == {(settings.scores_dir / "parquet").resolve()}


def test_many_readers_see_one_complete_night_each_during_many_publications(
    settings: Settings, published: Path
) -> None:
    """Every row has its night; a reader that sees two at once prints them."""
    stop = settings.root / "stop"

    def publish_night(number: int) -> None:
        night = _night(FIRST, {f"f{firm}": 600 + number for firm in range(200)})
        marked = night.reasons.with_columns(log_odds=pl.lit(float(600 + number)))
        store.replace(settings, FIRST, replace(night, reasons=marked))
        publish(settings, FIRST)

    publish_night(0)
    # All of them together read ten times a second.
    count = sized(4, 50)
    command = [sys.executable, "-c", MANY, str(published), str(stop), str(count / 10)]
    readers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this interpreter
        for _ in range(count)
    ]
    last = sized(8, 20)
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "600\n"
        for number in range(1, last + 1):
            publish_night(number)
    finally:
        stop.touch()
        said = [reader.communicate(timeout=120)[0].split() for reader in readers]
    assert [reader.returncode for reader in readers] == [0] * len(readers)
    nights = {night for seen in said for night in seen}
    assert nights <= {str(600 + number) for number in range(last + 1)}
    assert len(nights) > 3
    assert {seen[-1] for seen in said} == {str(600 + last)}


WRITER = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("set wal_autocheckpoint = '1TB'")
connection.execute("create table theirs as select 666 as x")
connection.execute("create or replace view latest_scores as select 666 as x")
connection.execute("insert into scores (firm_id, as_of, score) values ('f666', '2026-10-30', 900)")
connection.execute("update scores set score = 666")
print("written", flush=True)
sys.stdin.read()
os._exit(9)
"""


def _written_and_killed(database: Path) -> None:
    """Change the file with a client that ends without closing it."""
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", WRITER, str(database)], input="", capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (9, "written\n"), done.stderr


def _everything(database: Path) -> dict[str, object]:
    """Return what a reader sees, without times."""
    with duckdb.connect(str(database), read_only=True) as reader:
        names = [name for (name,) in reader.execute("show tables").fetchall()]
        return {
            name: reader.execute(f"from {name} order by all").fetchall()
            for name in names
            if name != "run_steps"
        }


def test_what_a_killed_client_left_is_in_no_later_publication(
    settings: Settings, published: Path
) -> None:
    undisturbed = _everything(published)
    _written_and_killed(published)
    logs = list(settings.scores_dir.rglob("*.wal"))
    assert len(logs) == 1
    with duckdb.connect(str(published), read_only=True) as old_night:
        assert old_night.execute("select max(score) from scores").fetchall() == [(666,)]
        publish(settings, FIRST)
        assert _everything(published) == undisturbed
        # Readers of the old night continue.
        assert old_night.execute("select count(*) from scores").fetchall() == [(3,)]
    publish(settings, FIRST)
    assert _everything(published) == undisturbed
    assert not logs[0].exists()
    assert list(settings.scores_dir.rglob("*.wal")) == []


def test_a_client_that_writes_during_a_publication_writes_beside_the_old_file(
    settings: Settings, published: Path
) -> None:
    undisturbed = _everything(published)
    command = [sys.executable, "-c", WRITER, str(published)]
    with subprocess.Popen(  # noqa: S603 - this interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        publish(settings, FIRST)
        assert _everything(published) == undisturbed
        writer.stdin.close()
    assert _everything(published) == undisturbed
    publish_again(settings, keep_previous=False)
    assert _everything(published) == undisturbed
    assert list(settings.scores_dir.rglob("*.wal")) == []


def test_our_own_readers_take_no_row_of_a_stranger(settings: Settings, published: Path) -> None:
    _written_and_killed(published)
    with (
        pytest.raises(DamagedError, match=r"scores\.duckdb was opened for writing .* firmpulse"),
        warehouse.connect_published(settings),
    ):
        pass
    publish(settings, FIRST)
    with warehouse.connect_published(settings) as connection:
        assert connection.execute("select max(score) from scores").fetchall() == [(640,)]


def test_names_of_ours_that_strangers_took_stop_nothing_and_stay_theirs(
    settings: Settings, published: Path
) -> None:
    folder = settings.scores_dir
    theirs = ["building/x", "turning/x", "parquet.next/x", "parquet-notes.txt/x",
              "scores.duckdb.bak/x", "scores-old.duckdb/x"]  # fmt: skip
    for name in theirs:
        (folder / name).parent.mkdir()
        (folder / name).write_text("theirs", encoding="utf-8")
    publish(settings, FIRST)
    publish_again(settings, keep_previous=False)
    assert [name for name in theirs if not (folder / name).is_file()] == []
    assert _everything(published)["scores"]


def test_an_erasure_leaves_nothing_of_earlier_publications_or_of_their_clients(
    settings: Settings, published: Path
) -> None:
    """Rows of an erased firm may be in any of it."""
    folder = settings.scores_dir
    _written_and_killed(published)
    spilled = published.resolve().with_name(f"{published.resolve().name}.tmp")
    spilled.mkdir()
    (spilled / "duckdb_temp_storage-0.tmp").write_bytes(b"f1")
    # A publication killed while being built, and a database that was not a link.
    left = folder / "building-0123456789ab"
    left.mkdir()
    (left / "scores.duckdb").write_bytes(b"f1")
    (folder / "turning-0123456789ab").symlink_to("parquet")
    (folder / "scores.duckdb.wal").write_bytes(b"f1")
    publish_again(settings, ["f1"], keep_previous=False)
    kept = {published.resolve().name, (folder / "parquet").resolve().name}
    assert {path.name for path in folder.iterdir()} == kept | {"scores.duckdb", "parquet"}
    assert {row[0] for row in _everything(published)["scores"]} == {"f2"}  # type: ignore[attr-defined]


def test_a_copied_home_whose_database_is_no_link_is_published_all_the_same(
    settings: Settings, published: Path
) -> None:
    """Its old log is not replayed into the new file."""
    undisturbed, file = _everything(published), published.resolve()
    published.unlink()
    shutil.copyfile(file, published)
    _written_and_killed(published)
    assert (settings.scores_dir / "scores.duckdb.wal").exists()
    publish(settings, FIRST)
    assert published.is_symlink()
    assert not (settings.scores_dir / "scores.duckdb.wal").exists()
    assert _everything(published) == undisturbed


def test_quality_and_steps_come_from_the_nights(settings: Settings) -> None:
    with warehouse.connect(settings) as connection:
        delivery_rows.record(
            connection, as_of=FIRST, delivery_seq=7, delivery_id="tax-20261030", source="tax",
            provider="sim-tax", table_name="tax_invoice", kind="increment", rows_delivered=15,
            rows_in_refused_files=5, rows_read=10, rows_landed=6, rows_restated=1,
            rows_duplicate=2, rows_refused_by_gate=1, rows_quarantined=1, columns_dropped=3,
        )  # fmt: skip
    with duckdb.connect(str(publish(settings, FIRST)), read_only=True) as analyst:
        missing = analyst.execute("select table_name, rows_missing from conservation").fetchall()
        assert missing == [("tax_invoice", 0)]
        row = analyst.execute(
            "select delivery_id, rows_read, rows_landed, rows_quarantined from data_quality"
        ).fetchall()
    assert row == [("tax-20261030", 10, 6, 1)]


def test_the_share_of_texts_that_no_rule_knows_is_told_per_bank_and_month(
    settings: Settings,
) -> None:
    with warehouse.connect(settings) as connection:
        connection.execute("create schema if not exists warehouse.staging")
        for seq, bank in ((1, "b1"), (1, "b1"), (2, "b2")):
            delivery_rows.record(connection, delivery_seq=seq, provider=bank)
        connection.execute(
            """
            create table warehouse.staging.stg_bank__txn as
            select * from (values
                (1, date '2026-09-03', 'op_in', 60), (1, date '2026-09-30', 'unknown', 20),
                (1, date '2026-10-01', 'tax', 5), (2, date '2026-10-02', 'unknown', null)
            ) as t (delivery_seq, booked_on, category, amount_cny)
            """
        )
    publish_again(settings)
    with duckdb.connect(str(settings.scores_path), read_only=True) as analyst:
        assert analyst.execute("from narratives").fetchall() == [
            ("b1", date(2026, 9, 1), 2, 1, 0.5, 0.25),
            ("b1", date(2026, 10, 1), 1, 0, 0.0, 0.0),
            ("b2", date(2026, 10, 1), 1, 1, 1.0, None),
        ]
