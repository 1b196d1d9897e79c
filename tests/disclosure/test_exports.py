import random
import uuid
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli import app
from consent import audit
from consent.grants import Grant
from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings

NIGHT = date(2026, 10, 31)
GRADES = ("A", "B", "C")


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return a home with 400 scored firms of one cleared night."""
    draw = random.Random(7)  # noqa: S311 - rows of a test
    firms = pl.DataFrame({
        "firm_id": [str(uuid.UUID(int=draw.getrandbits(128))) for _ in range(400)],
        "grade": [draw.choice(GRADES) for _ in range(400)],
        "score": [draw.randint(300, 900) for _ in range(400)],
        "division": [draw.choice(["39", "51", "65", "01"]) for _ in range(399)] + ["06"],
        "age": [draw.randint(1, 300) for _ in range(400)],
        "kind": [draw.choice(["GENERAL", "SMALL_SCALE", None]) for _ in range(400)],
        "sales": [draw.choice([None, 1e4, 1e6, 1e7]) for _ in range(400)],
    })  # fmt: skip
    with warehouse.connect(settings) as connection:
        connection.register("firms", firms)
        for statement in (
            "create schema warehouse.features",
            "insert into warehouse.scoring.scores by name "
            "select firm_id, $n::date as as_of, grade, score, 'full' as coverage from firms",
            "insert into warehouse.scoring.warning_levels by name "
            "select firm_id, $n::date as as_of, "
            "if(score < 500, 'orange', 'none') as level from firms "
            "union all select firm_id, $n::date - 30, 'red' from firms "
            "union all select firm_id, $n::date + 1, 'red' from firms",
            "insert into warehouse.scoring.cleared_nights select $n::date as as_of",
            "create table warehouse.features.feat_profile_monthly as "
            "select firm_id::uuid as firm_id, $n::date as as_of, division as profile_industry, "
            "age::double as profile_firm_age_months, kind as profile_taxpayer_type from firms",
            "create table warehouse.features.feat_tax_monthly as "
            "select firm_id::uuid as firm_id, $n::date as as_of, sales as tax_sales_mean_12m "
            "from firms",
        ):
            connection.execute(statement, {"n": NIGHT} if "$n" in statement else None)
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.home))
    return settings


def _run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["export", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_firms_are_written_without_anything_that_points_to_one(
    home: Settings, tmp_path: Path
) -> None:
    said = _run("firms", "--to", str(tmp_path / "firms.csv"))
    assert "firms.csv: 4" in said or "firms.csv: 3" in said
    assert "written as:" in said
    assert "left out" in said
    rows = pl.read_csv(tmp_path / "firms.csv")
    assert rows.columns == [
        "industry", "founded", "taxpayer_type", "sales_band", "grade", "score_band",
    ]  # fmt: skip
    classes = Counter(rows.select(rows.columns[:4]).iter_rows())
    assert min(classes.values()) >= 5
    alike: dict[tuple[object, ...], set[str]] = {}
    for *known, grade, _ in rows.iter_rows():
        alike.setdefault(tuple(known), set()).add(grade)
    assert min(map(len, alike.values())) >= 2
    with warehouse.connect(home) as connection:
        found = connection.execute("select firm_id from warehouse.scoring.scores").fetchall()
    text = (tmp_path / "firms.csv").read_text(encoding="utf-8")
    assert not any(firm in text for (firm,) in found)


def test_random_ids_are_new_in_each_file(home: Settings, tmp_path: Path) -> None:
    ids = []
    for name in ("a.parquet", "b.parquet"):
        _run("firms", "--ids", "--to", str(tmp_path / name))
        ids.append(set(pl.read_parquet(tmp_path / name)["export_id"]))
    assert len(ids[0]) == len(ids[1]) > 300
    assert not ids[0] & ids[1]


def test_small_counts_are_empty_and_the_audit_log_tells_of_the_file(
    home: Settings, tmp_path: Path
) -> None:
    said = _run("grades", "--by", "industry, founded", "--to", str(tmp_path / "grades.csv"))
    assert "cells left empty" in said
    rows = pl.read_csv(tmp_path / "grades.csv")
    assert rows["firms"].drop_nulls().is_between(1, 4).sum() == 0
    assert rows.filter(pl.col("suppressed"))["firms"].null_count() == rows["suppressed"].sum() > 0
    total = rows.filter(pl.all_horizontal(pl.col("industry", "founded", "grade") == "(all)"))
    assert total["firms"].to_list() == [400]
    # The single mining firm is not a separate group.
    assert not rows["industry"].str.starts_with("B").any()
    assert audit.verify(home).entries == 1


def test_warning_levels_of_the_night_are_counted(home: Settings, tmp_path: Path) -> None:
    _run("grades", "--by", "warning_level", "--to", str(tmp_path / "levels.csv"))
    rows = pl.read_csv(tmp_path / "levels.csv").filter(pl.col("grade") == "(all)")
    with warehouse.connect(home) as connection:
        ((orange,),) = connection.execute(
            "select count(*) from warehouse.scoring.scores where score < 500"
        ).fetchall()
    assert dict(zip(rows["warning_level"], rows["firms"], strict=True)) == {
        "orange": orange, "none": 400 - orange, "(all)": 400,
    }  # fmt: skip


def test_a_firm_that_withdrew_is_in_no_export(home: Settings, tmp_path: Path) -> None:
    firm = "uscc:914403001922038216"
    grant = Grant(
        "g-1", firm, "tax", "CREDIT_EVAL", "demo-bank", NIGHT - timedelta(900),
        NIGHT - timedelta(30), NIGHT + timedelta(30), "v1",
        text_sha256="0" * 64,
    )  # fmt: skip
    token = str(tokens.firm_token(keyring.load(home, "token_key"), firm))
    with warehouse.connect(home) as connection:
        for table, column in (
            ("scoring.scores", "varchar"),
            ("features.feat_profile_monthly", "uuid"),
        ):
            connection.execute(
                f"update warehouse.{table} set firm_id = $token::{column} "
                f"where firm_id = (select min(firm_id) from warehouse.{table})",
                {"token": token},
            )
    ledger = Ledger(home)
    ledger.record([grant])
    assert "firms withdrew" not in _run("grades", "--to", str(tmp_path / "a.csv"))
    ledger.revoke(token, on=NIGHT, actor="test", reason="asked")
    assert "1 firms withdrew" in _run("grades", "--to", str(tmp_path / "b.csv"))
    total = pl.read_csv(tmp_path / "b.csv").filter(
        (pl.col("industry") == "(all)") & (pl.col("grade") == "(all)")
    )
    assert total["firms"].to_list() == [399]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["firms", "--to", "a.txt"], "must end in .csv or .parquet"),
        (["firms", "--to", "absent/a.csv"], "is not a folder"),
        (["grades", "--to", "a.csv", "--by", "name"], "unknown --by name; use industry"),
        (["grades", "--to", "a.csv", "--as-of", "2026-1"], "must look like 2026-10-31"),
        (["grades", "--to", "a.csv", "--as-of", "2026-09-30"], "no scores are published for"),
    ],
)
def test_what_cannot_be_done_is_said(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["export", *arguments])
    assert result.exit_code == 1
    assert told in str(result.exception)
    assert not list(tmp_path.glob("a.*"))
