from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from firmpulse.settings import Settings

SECRET = "5e" * 32


def test_every_setting_is_listed_and_no_secret_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(tmp_path))
    monkeypatch.setenv("FIRMPULSE_TOKEN_KEY", SECRET)
    monkeypatch.setenv("FIRMPULSE_CONTROL_URL", "postgresql://me:hush@127.0.0.1/control")
    monkeypatch.setenv("COLUMNS", "250")
    told = CliRunner().invoke(app, ["settings"]).output
    lines = {line.split()[1]: line for line in told.splitlines() if "FIRMPULSE_" in line}
    assert set(lines) == {f"FIRMPULSE_{name.upper()}" for name in Settings.model_fields}
    assert str(tmp_path) in told
    assert SECRET not in told
    assert "hush" not in told
    assert "postgresql://me:***@127.0.0.1/control" in lines["FIRMPULSE_CONTROL_URL"]
    assert " set " in lines["FIRMPULSE_TOKEN_KEY"]
    assert "(default)" in lines["FIRMPULSE_THREADS"]


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
