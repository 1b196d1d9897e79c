"""Nights of a small warehouse: what is stored, run again, backfilled, cleared, overdue."""

import json
import shutil
import uuid
from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

import cli
from consent import audit, store, wording
from consent.tables import GRANTS
from features.registry import FeatureMeta
from firmpulse import dbt_runner, warehouse
from firmpulse.calendar import add_months, month_end
from firmpulse.errors import GrantError, NotReadyError
from firmpulse.settings import Settings
from scoring.warnings import clearing, night
from scoring.warnings.night import WarningReport
from tests import delivery_rows, watch_tables

RULES = """
freshness:
  tax: {table: fct_tax_invoice_monthly, days: 41}
  bank: {table: fct_bank_monthly, days: 41}
least_peers: 20
rules:
  - {id: SALES, level: orange, source: tax, unit: share, zh: '销售 {value}', en: 'sales {value}',
     when: [{value: tax_growth, at_most: -0.5, months: 2}]}
  - {id: TROUGH, level: yellow, source: bank, unit: share, zh: '低谷 {value}', en: 'trough {value}',
     when: [{value: bank_trough, at_least: 0.3}]}
  - {id: RISING, level: blue, source: bank, unit: times, zh: '上升 {value}', en: 'rise {value}',
     when: [{value: bank_trough, at_least: 2, change: {months: 3, as: ratio}}]}
  - {id: LOAN, level: red, source: lender, unit: days, zh: '逾期 {value}', en: 'late {value}',
     when: [{value: days_past_due, at_least: 30}]}
  - {id: MODEL, level: red, source: model, unit: share, zh: '概率 {value}', en: 'PD {value}',
     when: [{value: default_prob, at_least: 0.1}]}
"""
A, B, C = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
MONTHS = [month_end(add_months(date(2026, 1, 1), step)) for step in range(9)]
JUN, JUL, AUG, SEP = MONTHS[5:]


def _meta(name: str, view: str, kind: str = "number") -> FeatureMeta:
    source = view.split("_")[1]
    return FeatureMeta(
        name=name, view=view, source=source, dimension="growth", window="12m", unit="ratio",
        expected_sign="-", null_means="not observed", kind=kind, name_zh=name, name_en=name,
        sources=("tax",) if source == "profile" else (source,),
    )  # fmt: skip


FEATURES = (
    _meta("tax_growth", "feat_tax_monthly"),
    _meta("bank_trough", "feat_bank_monthly"),
    _meta("profile_industry", "feat_profile_monthly", "category"),
)


def _manifest(settings: Settings) -> None:
    nodes = {
        feature.view: {
            "name": feature.view,
            "resource_type": "model",
            "config": {"meta": {"feature_source": feature.source}},
            "columns": {
                feature.name: {
                    "name": feature.name,
                    "description": feature.name_en,
                    "data_type": "double" if feature.kind == "number" else "varchar",
                    "config": {"meta": asdict(feature)},
                }
            },
        }
        for feature in FEATURES
    }
    target = dbt_runner.target_path(settings)
    target.mkdir(parents=True)
    (target / "manifest.json").write_text(json.dumps({"nodes": nodes}), encoding="utf-8")


def _grant(settings: Settings, *granted: tuple[str, str]) -> None:
    rows = [
        {
            "authorization_id": f"G-{firm[-2:]}-{source}", "firm_id": firm, "source": source,
            "purpose": "POST_LOAN_MONITOR", "recipient": "demo-bank",
            "window_start": date(2023, 1, 1), "valid_from": date(2023, 1, 1),
            "valid_to": date(2028, 1, 1), "keep_results": False, "separate_consent": True,
            "grantor_role": "legal_representative", "text_version": "2026-01",
            "text_sha256": wording.sha256("2026-01"), "state": "GRANTED",
        }
        for firm, source in granted
    ]  # fmt: skip
    with store.writing(settings) as connection:
        connection.execute(sa.insert(GRANTS), rows)


def put(settings: Settings, table: str, rows: pl.DataFrame) -> None:
    """Make or extend a table of the warehouse by its contract, with tokens as UUID."""
    schema = table.split(".")[0]
    contract = watch_tables.columns(table)
    if "through_seq" in contract:
        rows = rows.with_columns(through_seq=pl.lit(1))
    ids = [name for name in rows.columns if name in ("firm_id", "meter_id", "counterparty_id")]
    casts = ", ".join(f"cast({name} as uuid) as {name}" for name in ids)
    with warehouse.connect(settings) as connection:
        connection.execute(f"create schema if not exists warehouse.{schema}")
        connection.register("new_rows", rows)
        select = f"select * {f'replace ({casts})' if casts else ''} from new_rows"
        if set(rows.columns) <= set(contract):
            watch_tables.create(connection, table)
        connection.execute(
            f"create table if not exists warehouse.{table} as select * from ({select}) limit 0"
        )
        connection.execute(f"insert into warehouse.{table} by name {select}")


def features_of(
    settings: Settings, growth: dict[str, list[float]], trough: dict[str, list[float]]
) -> None:
    """Write month-end snapshots, one value per month from January 2026 on."""
    keys = [(firm, day) for firm in growth for day in MONTHS]
    frame = pl.DataFrame(keys, schema=["firm_id", "as_of"], orient="row").with_columns(
        tax_growth=pl.Series([v for firm in growth for v in growth[firm]]),
        bank_trough=pl.Series([v for firm in growth for v in trough[firm]]),
        profile_industry=pl.lit("13"),
    )
    put(settings, "features.firm_snapshots", frame.select("firm_id", "as_of"))
    for feature in FEATURES:
        put(settings, f"features.{feature.view}", frame.select("firm_id", "as_of", feature.name))


def loans(settings: Settings, *rows: tuple[str, date, int]) -> None:
    """Write days past due at month ends, known five days later."""
    put(
        settings,
        "facts.fct_loan_monthly",
        pl.DataFrame(
            [
                (firm, month.replace(day=1), days, add_months(month.replace(day=5), 1),
                 date(9999, 12, 31))
                for firm, month, days in rows
            ],
            schema=["firm_id", "month", "days_past_due", "available_at", "superseded_at"],
            orient="row",
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def no_models(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of an MLflow store without models; making one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, no_models: str) -> Settings:
    """Make a home of two firms: A sells less in June and July, B has troughs in July and later.

    A third firm has no grants.
    """
    folder = tmp_path_factory.mktemp("origin") / "home"
    settings = Settings(home=folder, memory_limit="1GB", mlflow_uri=no_models)
    settings.root.mkdir(parents=True)
    (settings.root / "warning_rules.yml").write_text(RULES, encoding="utf-8")
    _manifest(settings)
    _grant(settings, (A, "tax"), (A, "bank"), (B, "bank"))
    fine = [0.1] * 9
    features_of(
        settings,
        {A: [0.1] * 5 + [-0.6, -0.7, 0.1, 0.1], B: [-0.9] * 9, C: [-0.9] * 9},
        {A: fine, B: [0.1] * 6 + [0.4, 0.1, 0.4], C: [0.9] * 9},
    )
    loans(settings, (A, MONTHS[3], 0), (B, MONTHS[4], 0))
    return settings


@pytest.fixture
def home(tmp_path: Path, origin: Settings) -> Settings:
    """Return a copy of that home."""
    shutil.copytree(origin.root, tmp_path / "home")
    return origin.model_copy(update={"home": tmp_path / "home"})


def table(settings: Settings, name: str, as_of: date | None = None) -> list[dict[str, Any]]:
    with warehouse.connect(settings) as connection:
        rows = connection.execute(f"from warehouse.scoring.{name} order by all").pl()
    if as_of is not None:
        rows = rows.filter(pl.col("as_of") == as_of)
    return rows.to_dicts()


def warn(settings: Settings, as_of: date, firm_ids: Collection[str] | None = None) -> WarningReport:
    """Build the inputs of the warnings, like a night, and find them."""
    watch_tables.build(settings)
    return night.warn(settings, as_of, firm_ids)


def levels_on(settings: Settings, as_of: date) -> dict[str, tuple[str, str]]:
    rows = table(settings, "warning_levels", as_of)
    return {row["firm_id"]: (row["level"], row["found_level"]) for row in rows}


def test_a_night_stores_what_holds_and_the_level(home: Settings) -> None:
    report = warn(home, JUL)
    assert isinstance(report, WarningReport)
    assert (report.champion, report.watched) == (None, 2)
    assert report.levels == {"red": 0, "orange": 1, "yellow": 1, "blue": 0, "none": 0}
    assert report.rules == {"SALES": 1, "TROUGH": 1, "RISING": 1}
    rows = {(row["firm_id"], row["rule_id"]): row for row in table(home, "warnings")}
    assert set(rows) == {(A, "SALES"), (B, "TROUGH"), (B, "RISING")}
    sales = rows[A, "SALES"]
    assert (sales["value"], sales["threshold"], sales["unit"]) == (-0.7, -0.5, "share")
    assert (sales["text_zh"], sales["text_en"]) == ("销售 -70.0%", "sales -70.0%")
    assert (sales["opened_on"], sales["peer_percentile"]) == (JUL, None)
    assert len(sales["evidence_hash"]) == 64
    assert rows[B, "RISING"]["value"] == pytest.approx(4.0)
    state = table(home, "warning_levels", JUL)[0]
    assert (state["level"], state["since"], state["orange"]) == ("orange", JUL, 1)
    assert state["stale_sources"] == []


def test_what_is_not_granted_warns_of_nothing(home: Settings) -> None:
    warn(home, JUL)
    # B's sales fell by 90 %, and it has granted only its bank; C has no grants.
    assert {row["rule_id"] for row in table(home, "warnings") if row["firm_id"] == B} == {
        "TROUGH", "RISING"
    }  # fmt: skip
    assert C not in levels_on(home, JUL)


def test_a_night_may_run_twice(home: Settings) -> None:
    warn(home, JUN)
    warn(home, JUL)
    before = table(home, "warnings"), table(home, "warning_levels")
    warn(home, JUL)
    assert (table(home, "warnings"), table(home, "warning_levels")) == before


def test_a_run_that_lasts_keeps_its_first_night(home: Settings) -> None:
    day = date(2026, 8, 15)
    put(home, "features.firm_snapshots", pl.DataFrame({"firm_id": [A], "as_of": [day]}))
    put(home, "features.feat_tax_monthly",
        pl.DataFrame({"firm_id": [A], "as_of": [day], "tax_growth": [-0.8]}))  # fmt: skip
    warn(home, JUL)
    warn(home, day)
    (row,) = [row for row in table(home, "warnings", day) if row["rule_id"] == "SALES"]
    # In mid-August July is the newest complete month, and June the one before.
    assert (row["value"], row["opened_on"]) == (-0.8, JUL)
    warn(home, AUG)
    assert "SALES" not in {row["rule_id"] for row in table(home, "warnings", AUG)}


def test_a_run_that_broke_begins_anew(home: Settings) -> None:
    for day in (JUL, AUG, SEP):
        warn(home, day)
    rows = [
        row for row in table(home, "warnings") if (row["firm_id"], row["rule_id"]) == (B, "TROUGH")
    ]
    assert [(row["as_of"], row["opened_on"]) for row in rows] == [(JUL, JUL), (SEP, SEP)]


def test_the_month_before_is_not_an_older_one(home: Settings) -> None:
    with warehouse.connect(home) as connection:
        connection.execute("update warehouse.features.feat_tax_monthly set tax_growth = -0.9")
    assert warn(home, JUL).rules["SALES"] == 1
    with warehouse.connect(home) as connection:
        for name in ("firm_snapshots", "feat_tax_monthly"):
            connection.execute(f"delete from warehouse.features.{name} where as_of = ?", [JUN])
    assert "SALES" not in warn(home, JUL).rules


def test_the_state_rests_on_the_newest_night_before(home: Settings) -> None:
    for day in (JUN, JUL, AUG, SEP):
        warn(home, day)
    assert levels_on(home, AUG) == {A: ("orange", "none"), B: ("yellow", "none")}
    assert levels_on(home, SEP)[A] == ("orange", "none")
    later = table(home, "warning_levels", SEP)
    # A backfilled night does not change later ones.
    warn(home, JUL)
    assert table(home, "warning_levels", SEP) == later


def test_an_event_brings_one_firm_up_to_date_and_leaves_others(home: Settings) -> None:
    warn(home, JUL)
    others = [row for row in table(home, "warnings") if row["firm_id"] == B]
    with warehouse.connect(home) as connection:
        connection.execute("update warehouse.features.feat_tax_monthly set tax_growth = 0.5")
        connection.execute("update warehouse.features.feat_bank_monthly set bank_trough = 0.1")
    report = warn(home, JUL, firm_ids=[A])
    assert report.watched == 1
    assert table(home, "warnings") == others
    assert levels_on(home, JUL) == {A: ("none", "none"), B: ("yellow", "yellow")}


def test_nothing_is_used_before_it_was_known(home: Settings) -> None:
    loans(home, (A, JUN, 40))
    warn(home, JUN)
    assert "LOAN" not in {row["rule_id"] for row in table(home, "warnings", JUN)}
    warn(home, JUL)
    assert "LOAN" in {row["rule_id"] for row in table(home, "warnings", JUL)}


def test_a_night_without_features_names_the_command(
    home: Settings, clock_at: Callable[[date], None]
) -> None:
    clock_at(date(2027, 1, 31))
    with pytest.raises(NotReadyError, match="run: firmpulse night --as-of 2027-01-31"):
        warn(home, date(2027, 1, 31))


def test_without_grants_nobody_is_watched(home: Settings) -> None:
    warn(home, JUL)
    with store.writing(home) as connection:
        connection.execute(sa.delete(GRANTS))
    assert warn(home, JUL).watched == 0
    assert table(home, "warnings") == []
    assert table(home, "warning_levels") == []


def deliver(settings: Settings, seq: int, provider: str, table_name: str, *rows: Any) -> None:
    """Write the rows (firm, available_at) of one delivery."""
    facts = pl.DataFrame(
        [(firm, seq, day) for firm, day in rows],
        schema=["firm_id", "delivery_seq", "available_at"],
        orient="row",
    )
    put(settings, f"facts.{table_name}", facts)
    with warehouse.connect(settings) as connection:
        delivery_rows.record(connection, delivery_seq=seq, provider=provider)


def test_a_provider_that_has_gone_quiet_is_stale_and_a_quiet_firm_is_not(home: Settings) -> None:
    # A's tax bureau delivers other firms, so only A is quiet; A's bank sends nothing.
    deliver(home, 1, "bureau", "fct_tax_invoice_monthly", (A, date(2026, 3, 31)), (C, JUL))
    deliver(home, 2, "bank", "fct_bank_monthly", (A, date(2026, 6, 19)), (C, date(2026, 6, 20)))
    deliver(home, 3, "other bank", "fct_bank_monthly", (B, JUL))
    report = warn(home, JUL)
    # 41 days from 20 June are allowed; on the last day of July it is the 41st.
    assert report.stale == {}
    day = date(2026, 8, 1)
    put(home, "features.firm_snapshots", pl.DataFrame({"firm_id": [A], "as_of": [day]}))
    report = warn(home, day)
    assert report.stale == {"bank": 1}
    (row,) = [row for row in table(home, "warnings", day) if row["rule_id"] == "DATA_STALE"]
    assert (row["firm_id"], row["level"], row["source"]) == (A, "blue", "bank")
    assert (row["value"], row["threshold"]) == (42, 41)
    state = {row["firm_id"]: row for row in table(home, "warning_levels", day)}
    assert state[A]["stale_sources"] == ["bank"]
    assert state[A]["blue"] == 0


def test_of_two_banks_the_overdue_one_counts(home: Settings) -> None:
    deliver(home, 1, "bank", "fct_bank_monthly", (A, date(2026, 4, 30)), (A, date(2026, 5, 31)))
    deliver(home, 2, "other bank", "fct_bank_monthly", (A, JUL), (B, JUL))
    report = warn(home, JUL)
    assert report.stale == {"bank": 1}
    (row,) = [row for row in table(home, "warnings") if row["rule_id"] == "DATA_STALE"]
    assert (row["firm_id"], row["value"]) == (A, 61)


def _red_then_fine(home: Settings) -> None:
    loans(home, (A, MONTHS[4], 45))
    loans(home, (A, JUN, 0))
    warn(home, JUN)
    warn(home, JUL)


def test_red_is_cleared_by_a_person_and_in_the_audit_chain(home: Settings) -> None:
    _red_then_fine(home)
    assert levels_on(home, JUL)[A] == ("red", "orange")
    done = clearing.clear(home, A, JUL, reason="paid in full, seen on the account", by="Li Wei")
    assert (done.night, done.level) == (JUL, "orange")
    assert levels_on(home, JUL)[A] == ("orange", "orange")
    (entry,) = audit.entries(home, action="CLEAR")
    assert entry.subject == A
    assert json.loads(entry.details)["by"] == "Li Wei"
    (row,) = table(home, "warning_clearances")
    assert (row["firm_id"], row["as_of"], row["cleared_by"]) == (A, JUL, "Li Wei")
    # The night may run again and later ones follow.
    warn(home, JUL)
    assert levels_on(home, JUL)[A] == ("orange", "orange")
    warn(home, AUG)
    assert levels_on(home, AUG)[A] == ("orange", "none")


def test_red_that_comes_back_needs_another_clearance(home: Settings) -> None:
    _red_then_fine(home)
    clearing.clear(home, A, JUL, reason="paid", by="Li Wei")
    with warehouse.connect(home) as connection:
        connection.execute(
            "update warehouse.facts.fct_loan_monthly set days_past_due = 50 "
            "where month = date '2026-06-01' and firm_id = cast(? as uuid)",
            [A],
        )
    warn(home, JUL)
    loans(home, (A, JUL, 0))
    warn(home, AUG)
    assert levels_on(home, JUL)[A] == ("red", "red")
    assert levels_on(home, AUG)[A] == ("red", "none")


def test_a_clearance_between_two_nights_works_from_the_next(home: Settings) -> None:
    _red_then_fine(home)
    clearing.clear(home, A, date(2026, 8, 5), reason="paid", by="Li Wei")
    assert levels_on(home, JUL)[A] == ("red", "orange")
    warn(home, AUG)
    assert levels_on(home, AUG)[A] == ("none", "none")


def test_what_cannot_be_cleared_says_why(home: Settings) -> None:
    loans(home, (A, MONTHS[4], 45))
    warn(home, JUN)
    with pytest.raises(NotReadyError, match="a red rule still holds: LOAN"):
        clearing.clear(home, A, JUN, reason="paid", by="Li Wei")
    with pytest.raises(NotReadyError, match="is at level none on 2026-06-30"):
        clearing.clear(home, B, JUN, reason="paid", by="Li Wei")
    with pytest.raises(NotReadyError, match="newest night is 2026-06-30; clear as of that day"):
        clearing.clear(home, A, MONTHS[4], reason="paid", by="Li Wei")
    with pytest.raises(NotReadyError, match="no warning level yet"):
        clearing.clear(home, C, JUN, reason="paid", by="Li Wei")
    with pytest.raises(GrantError, match="long number"):
        clearing.clear(home, A, JUN, reason="see 6222021234567890", by="Li Wei")
    assert table(home, "warning_clearances") == []
    assert audit.entries(home, action="CLEAR") == []


def test_a_person_looks_and_clears_by_command(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
    monkeypatch.setenv("FIRMPULSE_MLFLOW_URI", str(home.mlflow_uri))
    _red_then_fine(home)
    run = CliRunner()
    shown = run.invoke(cli.app, ["warnings", "show", A])
    assert shown.exit_code == 0, shown.output
    assert "red 红 since 2026-06-30, checked on 2026-07-31" in shown.output
    assert "the rules alone give orange 橙" in shown.output
    assert "销售 -70.0%" in shown.output
    (entry,) = audit.entries(home, action="QUERY")
    assert entry.subject == A
    done = run.invoke(
        cli.app,
        ["warnings", "clear", A, "--as-of", "2026-07-31", "--reason", "paid", "--by", "Li Wei"],
    )
    assert "red is cleared; the level is orange 橙 now" in done.output
    shown = run.invoke(cli.app, ["warnings", "show", A])
    assert "red cleared as of 2026-07-31 by Li Wei: paid" in shown.output
    unknown = run.invoke(cli.app, ["warnings", "show", C])
    assert "has no warning level" in str(unknown.exception)


def test_a_summary_is_json(home: Settings) -> None:
    summary = warn(home, JUL).summary()
    assert json.loads(json.dumps(summary)) == {
        "champion": None,
        "watched": 2,
        "levels": {"red": 0, "orange": 1, "yellow": 1, "blue": 0, "none": 0},
        "stale": {},
    }
