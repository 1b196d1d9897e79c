"""`firmpulse simulate`: deliveries of simulated firms into the inbox."""

import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firmpulse.cli.progress import Progress, make_console
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

if TYPE_CHECKING:
    from simulator import DeliveryCounts, Economy

FIRMS, MONTHS, SEED, START = 2000, 36, 7, date(2023, 11, 1)


@dataclass(frozen=True)
class Simulation:
    """Which economy is simulated here and up to which night it was delivered and completed."""

    firms: int = FIRMS
    months: int = MONTHS
    seed: int = SEED
    delivered_through: date | None = None
    completed_through: date | None = None

    def economy(self) -> "Economy":
        """Return the simulator's parameters."""
        from simulator import Economy

        return Economy(seed=self.seed, firms=self.firms, start=START, months=self.months)

    def next_night(self) -> date:
        """Return the night to run now: one that was not completed is run again."""
        if self.completed_through is None:
            return self.economy().last_day
        return self.completed_through + timedelta(days=1)


def _path(settings: Settings) -> Path:
    return settings.root / "simulation.json"


def load(settings: Settings) -> Simulation | None:
    """Return the simulation of this home folder, None when there is none."""
    path = _path(settings)
    if not path.exists():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    for key in ("delivered_through", "completed_through"):
        kept[key] = date.fromisoformat(kept[key]) if kept[key] else None
    return Simulation(**kept)


def save(settings: Settings, simulation: Simulation) -> None:
    """Keep the simulation's parameters and progress."""
    _path(settings).parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(simulation), default=date.isoformat, indent=2)
    _path(settings).write_text(text + "\n", encoding="utf-8")


def started(settings: Settings, firms: int, months: int, seed: int) -> Simulation:
    """Return the simulation of this home, a new one where there is none.

    Raises:
        ConfigurationError: the home holds another economy.
    """
    kept = load(settings)
    if kept is None:
        return Simulation(firms, months, seed)
    if (kept.firms, kept.months, kept.seed) != (firms, months, seed):
        raise ConfigurationError(
            f"this home folder holds {kept.firms} firms x {kept.months} months of seed "
            f"{kept.seed}; go on with these, or choose an empty folder with FIRMPULSE_HOME"
        )
    return kept


def deliver(
    settings: Settings, simulation: Simulation, night: date, progress: Progress
) -> "DeliveryCounts":
    """Write the deliveries of the night, or of the whole history on the first one."""
    import simulator

    return simulator.deliver(
        simulation.economy(),
        settings.inbox,
        through=night,
        since=simulation.completed_through,
        on_progress=progress.say,
    )


def simulate(
    firms: Annotated[int, typer.Option(help="Number of simulated firms.")] = FIRMS,
    months: Annotated[int, typer.Option(help="Months of history.")] = MONTHS,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same firms.")] = SEED,
) -> None:
    """Write the deliveries of simulated firms into the inbox, without running anything."""
    settings, progress = Settings(), Progress(make_console())
    simulation = started(settings, firms, months, seed)
    night = simulation.next_night()
    counts = deliver(settings, simulation, night, progress)
    progress.done(f"deliveries up to {night}", progress.seconds, f"{counts.total_rows:,} rows")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)
