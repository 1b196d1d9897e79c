"""The examples of an installation on one server are valid for the program."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from typer.main import get_command

from cli import app
from firmpulse.settings import PROJECT_ROOT, Settings

DEPLOY = PROJECT_ROOT / "docs" / "deploy"
UNITS = sorted(path.name for path in DEPLOY.glob("*.service"))


class _Unit(configparser.RawConfigParser):
    """A unit file: keys may occur several times and are case-sensitive."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False)
        self.read(path, encoding="utf-8")
        self.text = path.read_text("utf-8")

    def optionxform(self, optionstr: str) -> str:
        return optionstr

    def all(self, key: str) -> list[str]:
        """Return all values of a key."""
        return re.findall(rf"^{key}=(.*)$", self.text, re.M)


def _is_understood(arguments: list[str]) -> None:
    """Parse a command line as the program would, without running it."""
    command: Any = get_command(app)
    name, *rest = arguments
    with command.make_context("firmpulse", [name, *rest], resilient_parsing=False) as context:
        _, sub, left = command.resolve_command(context, [name, *rest])
        sub.make_context(name, list(left), parent=context)


def _variables(text: str) -> set[str]:
    return set(re.findall(r"FIRMPULSE_([A-Z_]+)\b", text))


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_calls_commands_that_there_are(name: str) -> None:
    unit = _Unit(DEPLOY / name)
    lines = [*unit.all("ExecStart"), *unit.all("ExecStop")]
    assert lines
    for line in lines:
        program, *arguments = line.split()
        assert program == "/opt/firmpulse/.venv/bin/firmpulse"
        _is_understood(arguments)
    assert unit["Service"]["User"] == "firmpulse"
    assert unit["Service"]["NoNewPrivileges"] == "yes"


def test_a_command_that_there_is_not_is_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        _is_understood(["up", "--prot", "1"])


def test_every_variable_is_a_setting() -> None:
    known = {name.upper() for name in Settings.model_fields}
    for path in DEPLOY.iterdir():
        assert _variables(path.read_text("utf-8")) <= known, path.name


def test_the_timer_starts_a_unit_that_there_is() -> None:
    (timer,) = DEPLOY.glob("*.timer")
    assert f"{timer.stem}.service" in UNITS
    assert _Unit(timer)["Timer"]["OnCalendar"] == "*:0/5"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    true = shutil.which("true")
    for path in [*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")]:
        text = path.read_text("utf-8").replace("/opt/firmpulse/.venv/bin/firmpulse", f"{true}")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    checked = subprocess.run(  # noqa: S603 - systemd's own check of our files
        [str(shutil.which("systemd-analyze")), "verify", "--man=no", *map(str, tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in checked.stderr.splitlines() if "firmpulse" in line]
    assert ours == []


def test_compose_listens_on_this_machine_only_and_makes_every_database() -> None:
    compose = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text("utf-8"))
    services = compose["services"]
    for service in services.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
    assert services["firmpulse"]["network_mode"] == "host"
    statements = compose["configs"]["databases.sql"]["content"]
    made = set(re.findall(r"create database (\w+);", statements))
    urls = [
        sa.make_url(value.replace("${POSTGRES_PASSWORD}", "secret"))
        for name, value in services["firmpulse"]["environment"].items()
        if name.endswith(("_URL", "_URI"))
    ]
    assert {url.database for url in urls} == made
    user = services["postgresql"]["environment"]["POSTGRES_USER"]
    assert {url.username for url in urls} == {user}
    given = {
        name.removeprefix("FIRMPULSE_").lower(): value.replace("${POSTGRES_PASSWORD}", "secret")
        for name, value in services["firmpulse"]["environment"].items()
    }
    assert str(Settings(**given).root) == "/srv/firmpulse"
    assert (DEPLOY / Path(services["firmpulse"]["build"]["dockerfile"]).name).exists()


def test_no_secret_stands_in_an_example() -> None:
    for path in DEPLOY.iterdir():
        assert not re.search(r"[0-9a-f]{32}", path.read_text("utf-8")), path.name
