"""What users of the commands see."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import duckdb
import pytest

from cli import COMMANDS, operations
from cli.lazy import imported
from firmpulse import warehouse
from firmpulse.airflow import advice
from firmpulse.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def _firmpulse(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [Path(sys.executable).with_name("firmpulse"), *arguments],
        env=os.environ | {"FIRMPULSE_HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_lists_the_commands(tmp_path: Path) -> None:
    result = _firmpulse(tmp_path, "--help")
    assert result.returncode == 0
    for command in ("run", "night", "train", "real", "query", "features", "simulate", "up", "down"):
        assert f" {command} " in result.stdout, command


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    result = _firmpulse(tmp_path, "--version")
    assert (result.returncode, result.stdout) == (0, f"firmpulse {declared}\n")


def test_help_imports_no_command() -> None:
    """Every command waits only for this."""
    heavy = {"polars", "duckdb", "sqlalchemy", "pydantic_settings", "mlflow", "airflow"}
    code = "import sys, cli; print(*sys.modules)"
    found = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert not heavy & set(found.stdout.split())
    assert "cli.lazy" in found.stdout.split()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_the_list_says_and_has_the_help_that_it_shows(name: str) -> None:
    command = imported(name, COMMANDS)
    first, *_ = (command.help or "").split("\n\n")
    assert " ".join(first.split()) == COMMANDS[name].help


def test_a_mistyped_command_is_met_with_the_one_that_is_meant(tmp_path: Path) -> None:
    result = _firmpulse(tmp_path, "nigth")
    assert result.returncode == 2
    assert "Did you mean 'night'" in result.stderr


def test_query_before_anything_was_published_names_the_next_step(tmp_path: Path) -> None:
    result = _firmpulse(tmp_path, "query", "from latest_scores")
    assert result.returncode == 1
    assert "no scores are published" in result.stderr
    assert "make run" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_vault_key_is_one_clear_sentence(settings: Settings) -> None:
    with warehouse.connect(settings, vault=True) as connection:
        connection.execute("create table vault.raw.t as select 1 as x")
    result = _firmpulse(
        settings.root, "night", "--as-of", "2026-01-31", FIRMPULSE_VAULT_KEY="0" * 64
    )
    assert result.returncode == 1
    sentences = [line for line in result.stderr.splitlines() if line.strip()]
    assert "does not open vault.key" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert len(sentences) <= 2


def test_features_are_listed_and_shown(tmp_path: Path) -> None:
    listed = _firmpulse(tmp_path, "features", "list", "--source", "power")
    assert listed.returncode == 0
    assert "power_energy_mean_12m" in listed.stdout
    # no name is truncated, not even the longest
    assert "power_payment_delay_days_12m" in listed.stdout
    assert "tax_sales" not in listed.stdout
    missing = _firmpulse(tmp_path, "features", "show", "power_enrgy")
    assert missing.returncode == 1
    assert "firmpulse features list" in missing.stderr


def test_features_of_an_unknown_source_are_an_error(tmp_path: Path) -> None:
    result = _firmpulse(tmp_path, "features", "list", "--source", "nope")
    assert result.returncode == 1
    assert "no source 'nope'; use one of " in result.stderr
    assert "power" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "words"),
    [
        (["run", "--firms", "0"], {}, 2, "--firms"),
        (["simulate", "--firms", "20", "--months", "0"], {}, 2, "--months"),
        (["query"], {"FIRMPULSE_THREADS": "0"}, 1, "FIRMPULSE_THREADS: Input should be greater"),
        (["query"], {"FIRMPULSE_SCHEDULE_FROM": "x"}, 1, "FIRMPULSE_SCHEDULE_FROM: Input should"),
        (["query"], {"FIRMPULSE_MEMORY_LIMIT": "lots"}, 1, "FIRMPULSE_MEMORY_LIMIT: "),
        (
            ["night", "--as-of", "2026-01-31"],
            {"FIRMPULSE_HOME": "/proc/nope"},
            1,
            "FIRMPULSE_HOME must be a folder to write into",
        ),
    ],
)
def test_a_wrong_option_or_setting_is_named(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], code: int, words: str
) -> None:
    result = _firmpulse(tmp_path, *arguments, **environment)
    assert result.returncode == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_an_empty_home_says_that_its_inbox_is_empty(tmp_path: Path) -> None:
    _, *arguments = advice.run(
        Settings(home=tmp_path), "run_nightly", {"as_of": "2026-01-31"}
    ).split()
    assert arguments == ["night", "--as-of", "2026-01-31"]
    result = _firmpulse(tmp_path, *arguments)
    assert result.returncode == 1
    assert "the inbox is empty" in result.stderr
    assert "firmpulse simulate" in result.stderr
    assert not [path for path in tmp_path.rglob("*") if path.stat().st_mode & 0o077]


def test_query_shows_brackets_as_they_are(settings: Settings) -> None:
    settings.scores_dir.mkdir(parents=True)
    duckdb.connect(str(settings.scores_path)).close()
    result = _firmpulse(settings.root, "query", "select '[red]a[/b] :key:' as \"[bold]\"")
    assert result.returncode == 0
    assert "[red]a[/b] :key:" in result.stdout
    assert "[bold]" in result.stdout
    broken = _firmpulse(settings.root, "query", "from [/nothing]")
    assert broken.returncode == 1
    assert "[/nothing]" in broken.stderr


def test_every_command_is_documented() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    documented = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert len(COMMANDS) > 8
    for name in COMMANDS:
        called = (f"firmpulse {name}", f"make {name}")
        assert any(call in documented for call in called), name


@pytest.mark.parametrize(("locked", "code", "calls"), [(0, 0, 1), (2, 0, 3), (99, 1, 3)])
def test_a_backfill_that_met_a_locked_database_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: int, code: int, calls: int
) -> None:
    monkeypatch.setattr(operations, "_ATTEMPTS", 3)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    program = """
import pathlib, sys
told = pathlib.Path(sys.argv[1])
before = len(told.read_text()) if told.exists() else 0
told.write_text("." * (before + 1))
sys.exit("OperationalError: database is locked" if before < int(sys.argv[2]) else 0)
"""
    told = tmp_path / "calls"
    command = [sys.executable, "-c", program, str(told), str(locked)]
    assert operations._until_not_locked(command, dict(os.environ)) == code
    assert len(told.read_text()) == calls


def test_another_error_of_a_backfill_is_told_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such DAG')"]
    assert operations._until_not_locked(command, dict(os.environ)) == 1
    assert capfd.readouterr().out == "no such DAG\n"
