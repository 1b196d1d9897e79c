"""No command acts on a day after today, given in any option."""

import hashlib
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import COMMANDS, app, dates, simulate
from cli.lazy import walk
from consent import audit
from firmpulse.errors import ConfigurationError, FirmpulseError, NotReadyError
from firmpulse.settings import Settings

TODAY = date(2026, 11, 29)
TOMORROW, NEXT_MONTH = "2026-11-30", "2026-12"
# A grant may begin and end in the future, and a failed check be accepted for nights to come.
MAY_LIE_AHEAD = {
    ("checks accept", "--until"), ("consent grant", "--from"), ("consent grant", "--until"),
    ("consent grant", "--window-start"),
}  # fmt: skip
# Each of them, in an option's help or name, indicates a day or a month.
_OF_TIME = re.compile(r"\b(day|date|night|month|as.of|since|until|20\d\d-\d\d)\b", re.IGNORECASE)
# Shown month by month.
NO_DATES = {("features drift", "name")}

ClockAt = Callable[[date], None]


def _commands() -> dict[str, Any]:
    return {" ".join(path): command for path, command in walk(COMMANDS)}


def _name(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    return str(parameter.opts[0] if is_option else parameter.name)


def _speaks_of_time(parameter: Any) -> bool:
    if parameter.type_descriptor.annotation in (date, datetime) or parameter.metavar == "DATE":
        return True
    said = f"{parameter.name} {parameter.help or ''}"
    return parameter.type_descriptor.annotation is str and bool(_OF_TIME.search(said))


def _found() -> list[tuple[str, str]]:
    return [
        (path, _name(parameter))
        for path, command in _commands().items()
        for parameter in command.params
        if _speaks_of_time(parameter)
    ]


def test_every_option_that_speaks_of_time_is_looked_at() -> None:
    """A new one is found by its type, its name or its help."""
    found = _found()
    assert MAY_LIE_AHEAD <= set(found)
    for expected in (
        ("night", "--as-of"), ("train", "--as-of"), ("arrivals", "--as-of"), ("pull", "--as-of"),
        ("consent revoke", "--on"), ("lender bundle", "--as-of"), ("export firms", "--as-of"),
        ("features backfill", "--from"), ("features backfill", "--to"), ("status", "--on"),
        ("warnings clear", "--as-of"), ("score replay", "as_of"), ("audit confirm-clock", "day"),
        ("check-application", "--on"),
    ):  # fmt: skip
        assert expected in found


@pytest.mark.parametrize(("path", "name"), sorted(set(_found()) - MAY_LIE_AHEAD - NO_DATES))
def test_no_command_takes_a_day_after_today(
    tmp_path: Path, clock_at: ClockAt, path: str, name: str
) -> None:
    clock_at(TODAY)
    command = _commands()[path]
    (mine,) = [one for one in command.params if _name(one) == name]
    day = NEXT_MONTH if "month" in (mine.help or "") else TOMORROW
    before = [
        "x"
        for one in command.params[: command.params.index(mine)]
        if one.param_type_name == "argument"
    ]
    arguments = [name, day] if mine.param_type_name == "option" else [*before, day]
    result = CliRunner().invoke(
        app, [*path.split(), *arguments], env={"FIRMPULSE_HOME": str(tmp_path / "home")}
    )
    assert isinstance(result.exception, ConfigurationError), result.output
    assert f"{name} {day}" in str(result.exception)
    assert "is after today, which is 2026-11-29 in China" in str(result.exception)
    assert not (tmp_path / "home").exists()


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_slip_of_the_year_changes_no_byte_of_the_home(settings: Settings) -> None:
    """Grants, deliveries and keys are there; the night of 2062 is refused before it begins."""
    simulation = simulate.Simulation(firms=20, months=1)
    import simulator

    simulator.deliver(simulation.economy(), settings.inbox, through=date(2023, 11, 30), since=None)
    audit.append(settings, "QUERY", actor="test", sql="select 1")
    before = _digests(settings.root)
    assert len(before) > 20
    for command in ("night", "arrivals", "train", "pull", "request"):
        result = CliRunner().invoke(
            app, [command, "--as-of", "2062-10-31"], env={"FIRMPULSE_HOME": str(settings.root)}
        )
        assert isinstance(result.exception, ConfigurationError)
        assert "--as-of 2062-10-31 is after today" in str(result.exception)
    assert _digests(settings.root) == before


@pytest.mark.parametrize("command", ["run", "simulate"])
def test_simulated_nights_catch_up_with_today_and_wait(
    settings: Settings, clock_at: ClockAt, command: str
) -> None:
    done = date(2023, 12, 1)
    simulate.save(settings, simulate.Simulation(20, 1, 7, done, done))
    clock_at(done)
    result = CliRunner().invoke(app, [command], env={"FIRMPULSE_HOME": str(settings.root)})
    assert isinstance(result.exception, NotReadyError)
    assert str(result.exception).startswith(
        "the next simulated night is 2023-12-02, and in China it is 2023-12-01: every night up to"
    )
    assert not settings.inbox.exists()


def test_a_date_that_is_none_is_named() -> None:
    with pytest.raises(FirmpulseError, match="a date must look like 2026-10-31, not 'soon'"):
        dates.parsed("soon")
