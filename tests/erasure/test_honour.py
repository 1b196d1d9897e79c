"""What remains of a firm after its withdrawal has been honoured."""

import hashlib
import json
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from consent import audit, intake, store, today
from consent.grants import Grant
from consent.ledger import Ledger
from consent.tables import AUDIT
from erasure import databases, honour, withdrawals
from features import registry
from features.spark import build
from firmpulse import warehouse
from firmpulse.settings import Settings
from simulator import deliver
from tests.erasure.conftest import ECONOMY, Home, copy, run_night
from training import membership

pytestmark = pytest.mark.slow
WATCHED = {
    "warehouse.watch.watch_bank_lenders", "warehouse.watch.watch_power_events",
    "warehouse.watch.watch_power_payments", "warehouse.watch.watch_snapshots",
    "warehouse.watch.watch_standing",
}  # fmt: skip


def _revoke(home: Home, firm_id: str, **what: object) -> list[str]:
    ledger = Ledger(home.settings)
    return ledger.revoke(firm_id, on=home.next_day, actor="test", **what)  # type: ignore[arg-type]


def _rows_of(settings: Settings, firm_id: str, firm: str) -> dict[str, int]:
    """Count the rows of a firm in every table of both files, by place."""
    found = {}
    with warehouse.connect(settings, vault=True) as connection:
        for database, schema, table, column in connection.execute(
            "select database_name, schema_name, table_name, column_name from duckdb_columns() "
            "where database_name in ('vault', 'warehouse') and column_name in ('firm', 'firm_id') "
            "order by all"
        ).fetchall():
            value = firm if column == "firm" else firm_id
            count = connection.execute(
                f'select count(*) from {database}.{schema}."{table}" '
                f"where cast({column} as varchar) = ?",
                [value],
            ).fetchall()[0][0]
            if count:
                found[f"{database}.{schema}.{table}"] = count
    return found


def _features(settings: Settings, *without: str) -> dict[str, pl.DataFrame]:
    frames = {}
    with warehouse.connect(settings) as connection:
        views = connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'features' "
            "and table_name <> 'firm_snapshots' order by 1"
        ).fetchall()
        for (view,) in views:
            frames[view] = connection.execute(
                f"select * exclude (through_seq) replace (cast(firm_id as varchar) as firm_id) "
                f"from warehouse.features.{view} "
                f"where not list_contains(?, cast(firm_id as varchar)) order by firm_id, as_of",
                [list(without)],
            ).pl()
    return frames


def _named_in_any_table(settings: Settings, firm: str) -> list[str]:
    """Return the tables with the firm's code in any cell."""
    code = firm.partition(":")[2]
    found = []
    with warehouse.connect(settings, vault=True) as connection:
        for database, schema, table in connection.execute(
            "select database_name, schema_name, table_name from duckdb_tables() "
            "where database_name in ('vault', 'warehouse')"
        ).fetchall():
            name = f'{database}.{schema}."{table}"'
            columns = {c for c, *_ in connection.execute(f"describe {name}").fetchall()}
            others = f"and t.firm is distinct from '{firm}'" if "firm" in columns else ""
            query = f"select 1 from {name} as t where cast(t as varchar) like '%{code}%'"
            own = connection.execute(f"{query} {others.replace('is distinct from', '=')} limit 1")
            if own.fetchone() and ("firm" in columns or table == "firm_directory"):
                found.append(name)
    return found


@dataclass(frozen=True)
class Gone:
    """A home folder that a firm was erased from."""

    home: Home
    firm_id: str
    firm: str
    # Its rows by place, before.
    before: dict[str, int]
    # Its grants.
    ended: list[str]
    report: honour.ErasureReport


@pytest.fixture(scope="module")
def gone(origin: Home, tmp_path_factory: pytest.TempPathFactory) -> Gone:
    """Return a home folder with masked rows for Spark, once its first firm was erased."""
    home = copy(origin, tmp_path_factory.mktemp("gone") / "home")
    (firm_id, firm), *_ = home.firms.items()
    before = _rows_of(home.settings, firm_id, firm)
    with warehouse.connect(home.settings, vault=True) as connection:
        # A key that two bookings shared; no certificate counts it, as it is no row of the firm.
        connection.execute(
            "insert into vault.ops.shared_keys (table_name, firm, row_key, delivery_seq) "
            "select 'bank_txn', firm, row_key, delivery_seq from vault.raw.bank_txn "
            "where firm = ? limit 1",
            [firm],
        )
    assert "vault.ops.shared_keys" in _rows_of(home.settings, firm_id, firm)
    assert build.export_rows(home.settings) > 1_000
    assert stat.S_IMODE(home.settings.spark_dir.stat().st_mode) == 0o700
    tokens = pl.read_parquet(build.rows_folder(home.settings) / "staging/stg_bank__txn/*.parquet")
    assert firm_id in tokens["firm_id"].to_list()
    ended = _revoke(home, firm_id)
    report = honour.honour(home.settings, home.next_day)
    return Gone(home, firm_id, firm, before, ended, report)


def test_a_firm_that_withdraws_everything_is_nowhere(gone: Gone) -> None:
    settings, report = gone.home.settings, gone.report
    assert len(gone.before) > 25
    assert set(gone.before) >= WATCHED
    assert len(gone.ended) == 8

    assert list(report.certificates) == [gone.firm_id]
    assert _rows_of(settings, gone.firm_id, gone.firm) == {}
    assert _named_in_any_table(settings, gone.firm) == []
    certificate = Ledger(settings).certificate(report.certificates[gone.firm_id])
    assert dict(certificate.deleted) == gone.before
    assert set(certificate.authorization_ids) == set(gone.ended)
    assert report.rows == sum(gone.before.values())
    states = Ledger(settings).status(gone.firm_id, gone.home.next_day)["state"].unique().to_list()
    assert states == ["PURGED"]


def test_masked_rows_for_spark_go_whoever_withdraws(gone: Gone) -> None:
    assert not gone.home.settings.spark_dir.exists()


def test_a_second_call_finds_nothing_to_do(gone: Gone, tmp_path: Path) -> None:
    home = copy(gone.home, tmp_path / "home")
    again = honour.honour(home.settings, home.next_day)
    assert again.certificates == {}
    assert again.rows == 0


def test_what_is_delivered_later_stays_out(gone: Gone, tmp_path: Path) -> None:
    """Providers go on sending; without a grant nothing of it is stored, the lender's neither."""
    home = copy(gone.home, tmp_path / "home")
    deliver(ECONOMY, home.settings.inbox, through=home.next_day, since=home.night)
    run_night(home.settings, home.next_day)
    assert _rows_of(home.settings, gone.firm_id, gone.firm) == {}


def test_features_of_other_firms_do_not_change(home: Home) -> None:
    gone = list(home.firms)[:5]
    before = _features(home.settings, *gone)
    assert sorted(before) == sorted(registry.load(home.settings).views())
    for firm_id in gone:
        _revoke(home, firm_id)
    report = honour.honour(home.settings, home.next_day)
    assert set(report.certificates) == set(gone)
    run_night(home.settings, home.night)
    after = _features(home.settings)
    for view, frame in before.items():
        assert_frame_equal(after[view], frame)


def test_one_source_withdrawn_leaves_the_others(home: Home) -> None:
    (firm_id, firm), *_ = home.firms.items()
    before, had = _features(home.settings), _rows_of(home.settings, firm_id, firm)
    with warehouse.connect(home.settings) as connection:
        # As a build leaves it that was killed.
        facts = "warehouse.facts.fct_bank_monthly"
        connection.execute(f"create table {facts}__dbt_tmp as from {facts}")
    _revoke(home, firm_id, sources=["bank"])
    report = honour.honour(home.settings, home.next_day)
    left = _rows_of(home.settings, firm_id, firm)
    assert not [place for place in left if "bank" in place]
    # Their next rows are from the remaining sources.
    assert set(had) >= WATCHED
    assert not WATCHED & set(left)
    assert left["vault.raw.tax_invoice"] > 100
    assert left["vault.ops.firm_directory"] == 1
    certificate = Ledger(home.settings).certificate(report.certificates[firm_id])
    assert certificate.scope == "source bank, training frames"
    assert certificate.sources == ("bank",)

    run_night(home.settings, home.night)
    after = _features(home.settings)
    mine = pl.col("firm_id") == firm_id
    bank = after["feat_bank_monthly"].filter(mine).drop("firm_id", "as_of")
    assert all(column.null_count() == len(column) for column in bank if column.dtype.is_float())
    assert_frame_equal(
        after["feat_tax_monthly"].filter(mine), before["feat_tax_monthly"].filter(mine)
    )
    assert set(_rows_of(home.settings, firm_id, firm)) >= WATCHED


def test_training_withdrawn_takes_the_firm_out_of_frozen_frames_and_names_the_models(
    home: Home,
) -> None:
    firm_id, other = list(home.firms)[:2]
    frame = pl.DataFrame({"firm_id": [firm_id, other], "as_of": [home.night] * 2})
    with warehouse.connect(home.settings) as connection:
        connection.execute("create schema if not exists warehouse.training")
        connection.register("frozen_rows", frame)
        connection.execute(
            "create table warehouse.training.frame_20260131 as "
            "select * replace (cast(firm_id as uuid) as firm_id) from frozen_rows"
        )
        membership.record(connection, "d1", "frozen_rows")
    _register_version(home.settings, "d1")
    _revoke(home, firm_id, purposes=["MODEL_TRAINING"])
    report = honour.honour(home.settings, home.next_day)
    certificate = Ledger(home.settings).certificate(report.certificates[firm_id])
    assert dict(certificate.deleted) == {"warehouse.training.frame_20260131": 1}
    assert certificate.model_versions == ("firmpulse-credit/1",)
    with warehouse.connect(home.settings) as connection:
        left = connection.execute(
            "select cast(firm_id as varchar) from warehouse.training.frame_20260131"
        ).fetchall()
    assert left == [(other,)]


def _register_version(settings: Settings, digest: str) -> None:
    from firmpulse import tracking

    client = tracking.client(settings)
    tracking.use_experiment(settings, "test", "one version")
    import mlflow

    with mlflow.start_run() as run:
        mlflow.set_tag("frame_digest", digest)
    client.create_registered_model("firmpulse-credit")
    client.create_model_version("firmpulse-credit", "file:///nowhere", run_id=run.info.run_id)


@pytest.mark.parametrize(
    ("purposes", "expected"),
    [
        pytest.param(["POST_LOAN_MONITOR"], False, id="training goes on"),
        pytest.param(None, True, id="nothing is left"),
    ],
)
def test_sources_go_when_no_purpose_covers_them(
    home: Home, purposes: list[str] | None, *, expected: bool
) -> None:
    firm_id = next(iter(home.firms))
    _revoke(home, firm_id, purposes=purposes)
    (due,) = withdrawals.due(home.settings, home.next_day)
    assert due.whole is expected
    assert bool(due.sources) is expected


def test_a_grant_that_expires_is_honoured_without_a_call(
    home: Home, clock_at: Callable[[date], None]
) -> None:
    end = Ledger(home.settings).live(home.night)["valid_to"].max()
    assert isinstance(end, date)
    clock_at(end + timedelta(days=1))
    assert withdrawals.due(home.settings, end) == ()
    day_after = date.fromordinal(end.toordinal() + 1)
    due = withdrawals.due(home.settings, day_after)
    assert len(due) >= len(home.firms)
    assert all(firm.whole for firm in due)


def test_files_left_in_the_inbox_that_name_the_firm_are_destroyed(home: Home) -> None:
    (firm_id, firm), (_, other), *_ = home.firms.items()
    code, stranger = firm.partition(":")[2], other.partition(":")[2]
    folder = home.settings.inbox / "tax" / "tax-broken"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    files = {
        "plain.csv": code.encode(),
        "wide.csv": "".join(chr(ord(c) + 0xFEE0) for c in code).encode("gb18030"),
        "hyphens.csv": f"{code[:8]}-{code[8:]}".encode(),
        "stranger.csv": f"纳税人识别号\n{stranger}\n".encode("gb18030"),
        "opaque.xlsx": b"PK\x03\x04 not to be searched",
        f"{code}.csv": b"named after the firm",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    pulling = home.settings.inbox / "tax" / ".pulling" / "tax-2"
    pulling.mkdir(parents=True)
    (pulling / "half.csv").write_bytes(b"half")
    trial = home.settings.inbox / ".trial" / "copies"
    trial.mkdir(parents=True)
    (trial / "text.utf8").write_bytes(b"of a killed firmpulse onboard")
    _revoke(home, firm_id)
    report = honour.honour(home.settings, home.next_day)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "stranger.csv"]
    assert not pulling.exists()
    assert not trial.exists()
    assert report.files == 5
    certificate = Ledger(home.settings).certificate(report.certificates[firm_id])
    assert certificate.deleted["inbox/tax/tax-broken"] == 5


def test_refused_files_of_a_firm_that_only_path_or_manifest_names(home: Home) -> None:
    (firm_id, firm), (_, other), *_ = home.firms.items()
    codes = [one.partition(":")[2] for one in (firm, other)]
    content = "账号,余额\n1,2\n".encode()
    entries = []
    folder = home.settings.inbox / "bank" / "bank-broken"
    for name, constants in (
        ("constant.csv", {"uscc": codes[0]}), ("other.csv", {"uscc": codes[1]}),
        (f"{codes[0]}/a.csv", {}), (f"{codes[1]}/b.csv", {}),
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        entries.append({
            "name": name, "table": "bank_txn", "format": "csv", "rows": 1, "constants": constants,
            "sha256": hashlib.sha256(content).hexdigest(),
        })  # fmt: skip
    manifest = {
        "manifest_version": 1, "delivery_id": "bank-broken", "source": "bank", "provider": "x",
        "kind": "history", "period_start": "2024-01-01", "period_end": "2024-01-31",
        "delivered_at": "2024-01-31T22:00:00+08:00", "files": entries,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    _revoke(home, firm_id)
    honour.honour(home.settings, home.next_day)
    left = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert left == [f"{codes[1]}/b.csv", "other.csv"]


def test_what_only_waits_is_left_to_the_gate(home: Home) -> None:
    """A delivery that is being filled, or handed over later, also has rows of other firms."""
    (firm_id, firm), *_ = home.firms.items()
    code = firm.partition(":")[2].encode()
    filling = home.settings.inbox / "tax" / "tax-filling"
    filling.mkdir(parents=True)
    (filling / "rows.csv").write_bytes(code)
    deliver(ECONOMY, home.settings.inbox, through=home.next_day, since=home.night)
    later = sorted(home.settings.inbox.glob("*/*/manifest.json"))
    assert len(later) > 3
    _revoke(home, firm_id)
    report = honour.honour(home.settings, home.night)
    assert report.files == 0
    assert (filling / "rows.csv").exists()
    assert sorted(home.settings.inbox.glob("*/*/manifest.json")) == later


def test_a_firm_that_grants_again_begins_anew(home: Home, clock_at: Callable[[date], None]) -> None:
    (firm_id, firm), *_ = home.firms.items()
    clock_at(home.next_day)
    today.confirm(home.settings, home.next_day, because="the test's clock", actor="user test")
    before = _features(home.settings)
    _revoke(home, firm_id)
    again = Grant(
        authorization_id="A-again",
        firm=firm,
        source="tax",
        purpose="POST_LOAN_MONITOR",
        recipient="demo-bank",
        window_start=date(2023, 1, 1),
        valid_from=home.next_day + timedelta(days=3),
        valid_to=date(2028, 1, 1),
        text_version="2026-01",
    )
    intake.admit(home.settings, [again])
    honour.honour(home.settings, home.next_day)
    # The future grant keeps only the directory entry.
    assert _rows_of(home.settings, firm_id, firm) == {"vault.ops.firm_directory": 1}
    deliver(ECONOMY, home.settings.inbox, through=ECONOMY.last_day)
    _rename_deliveries(home.settings)
    clock_at(again.valid_from)
    run_night(home.settings, again.valid_from)
    rows = _rows_of(home.settings, firm_id, firm)
    assert rows["vault.raw.tax_invoice"] == rows["warehouse.staging.stg_tax__invoice"] > 100
    # Every firm has a row for a date, with nulls for what is not observed.
    snapshots = ("warehouse.features", "warehouse.watch")
    assert not [place for place in rows if "bank" in place and not place.startswith(snapshots)]
    with warehouse.connect(home.settings) as connection:
        lenders = connection.execute(
            "select count(*), count(bank_new_lenders_3m) from warehouse.watch.watch_bank_lenders "
            "where firm_id = ?",
            [firm_id],
        ).fetchone()
    assert lenders is not None
    assert lenders[0] > 0
    assert lenders[1] == 0
    mine = (pl.col("firm_id") == firm_id) & (pl.col("as_of") == home.night)
    tax = "tax_sales_mean_6m"
    after = _features(home.settings)["feat_tax_monthly"].filter(mine)[tax].to_list()
    assert after == pytest.approx(before["feat_tax_monthly"].filter(mine)[tax].to_list())
    _revoke(home, firm_id)
    honour.honour(home.settings, again.valid_from)
    assert _rows_of(home.settings, firm_id, firm) == {}


def _rename_deliveries(settings: Settings) -> None:
    """Hand the same history over again, under different names."""
    for path in settings.inbox.glob("*/*/manifest.json"):
        document = json.loads(path.read_text("utf-8"))
        document["delivery_id"] += "-again"
        path.write_text(json.dumps(document), encoding="utf-8")
        path.parent.rename(path.parent.with_name(document["delivery_id"]))


def test_rows_of_a_firm_that_the_directory_lacks_go_too(home: Home) -> None:
    (firm_id, firm), *_ = home.firms.items()
    with warehouse.connect(home.settings, vault=True) as connection:
        connection.execute("delete from vault.ops.firm_directory where firm = ?", [firm])
    _revoke(home, firm_id)
    honour.honour(home.settings, home.next_day)
    assert _rows_of(home.settings, firm_id, firm) == {}


def test_a_grant_to_another_recipient_keeps_nothing_here(home: Home) -> None:
    (firm_id, firm), *_ = home.firms.items()
    (live,) = (
        Ledger(home.settings)
        .live(home.night, "tax", ["POST_LOAN_MONITOR"])
        .filter(pl.col("firm_id") == firm_id)
        .to_dicts()
    )
    elsewhere = Grant(
        authorization_id="A-elsewhere",
        firm=firm,
        source="tax",
        purpose="POST_LOAN_MONITOR",
        recipient="other-bank",
        window_start=live["window_start"],
        valid_from=live["valid_from"],
        valid_to=live["valid_to"],
        text_version="2026-01",
    )
    intake.admit(home.settings, [elsewhere])
    mine = Ledger(home.settings).live(home.night, recipient="demo-bank")
    for row in mine.filter(pl.col("firm_id") == firm_id).to_dicts():
        _revoke(home, firm_id, authorization_id=row["authorization_id"])
    (due,) = withdrawals.due(home.settings, home.next_day)
    assert due.whole
    assert due.sources == {"tax", "bank", "supply_chain", "power"}


def test_no_file_of_the_home_folder_holds_the_code(gone: Gone) -> None:
    code = gone.firm.partition(":")[2].encode()
    holders = [path for path in _files(gone.home.settings.root) if code in path.read_bytes()]
    assert holders == []


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_every_table_with_rows_of_firms_can_be_erased_from(home: Home) -> None:
    """A table without a column `firm_id` or `firm` may hold counts, never rows of firms."""
    with warehouse.connect(home.settings, vault=True) as connection:
        databases.prepare(connection)
        held = {table for _, table, _ in databases.tables_of_firms(connection)}
        every = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'warehouse'"
        ).fetchall()
    without = {f"{schema}.{table}" for schema, table in every if table not in held}
    assert without == {
        "ops.accepted_rules", "ops.deliveries", "ops.delivery_problems", "ops.erased",
        "ops.erased_deliveries",
        "ops.assessed", "ops.feature_drift", "ops.feature_history", "ops.feature_references",
        "ops.model_health",
        "ops.nights", "ops.nodes", "ops.steps", "ops.token_key", "ops.training_members",
        "ops.verdicts", "scoring.cleared_nights", "scoring.model_versions", "training.frames",
    }  # fmt: skip


def test_the_audit_chain_tells_of_the_erasure(gone: Gone) -> None:
    settings = gone.home.settings
    assert audit.verify(settings).ok
    with store.reading(settings) as connection:
        query = sa.select(AUDIT.c.action).where(AUDIT.c.subject == gone.firm_id)
        actions = list(connection.scalars(query))
    assert actions.count("ERASE") == 1
    assert actions.count("PURGE") == 8
