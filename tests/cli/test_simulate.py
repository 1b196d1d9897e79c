from datetime import date
from io import StringIO

import pytest
from rich.console import Console

from cli import simulate
from cli.progress import Progress
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings


@pytest.fixture
def progress() -> Progress:
    return Progress(Console(file=StringIO(), width=120))


def nights(settings: Settings) -> set[str]:
    return {path.name for path in (settings.inbox / "tax").iterdir()}


def test_each_call_delivers_one_more_night_and_a_run_delivers_none_again(
    settings: Settings, progress: Progress
) -> None:
    for expected in (date(2023, 11, 30), date(2023, 12, 1), date(2023, 12, 2)):
        simulation = simulate.started(settings, 20, 1, None)
        assert simulation.next_delivery() == expected
        simulate.deliver(settings, simulation, expected, progress)
    delivered = nights(settings)
    assert len(delivered) == 3

    simulation = simulate.started(settings, None, None, None)
    assert (simulation.firms, simulation.months, simulation.seed) == (20, 1, 7)
    assert simulation.next_night() == date(2023, 11, 30)
    assert simulate.deliver(settings, simulation, simulation.next_night(), progress) == simulation
    assert nights(settings) == delivered


def test_a_kept_simulation_refuses_other_options_and_says_how_to_go_on(settings: Settings) -> None:
    simulate.save(settings, simulate.Simulation(firms=20, months=3))
    with pytest.raises(ConfigurationError, match=r"20 firms x 3 months .* leave the options out"):
        simulate.started(settings, 30, None, None)


@pytest.mark.parametrize("text", ["", '{"firms": 20, "mon', "[]", "{}", '{"firms": 20}'])
def test_a_damaged_simulation_is_named(settings: Settings, text: str) -> None:
    simulate.save(settings, simulate.Simulation(firms=20))
    (settings.root / "simulation.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"simulation\.json does not hold a simulation"):
        simulate.load(settings)


def test_progress_shows_brackets_as_they_are(progress: Progress) -> None:
    progress.say("no [/model] was promoted")
    progress.task("land [tax]", 1.0, "[red]odd[/b]", succeeded=False)
    progress.task("land [tax]", 1.0, "[red]odd[/b]", succeeded=True)
    shown = progress._console.file.getvalue()  # type: ignore[attr-defined]
    assert "no [/model] was promoted" in shown
    assert shown.count("land [tax]") == 2
    assert shown.count("[red]odd[/b]") == 2
