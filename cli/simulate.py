"""`firmpulse simulate`: deliveries of simulated firms into the inbox."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

import simulator
from cli.progress import Progress, make_console
from firmpulse import clock
from firmpulse.calendar import add_months
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.settings import Settings
from simulator import Economy

app = typer.Typer(invoke_without_command=True)
FIRMS, MONTHS, SEED, START = 2000, 36, 7, date(2023, 11, 1)
PORTFOLIO_FIRMS, PORTFOLIO_MONTHS = 400, 60
_KEPT = "default: the kept simulation's, or"
Firms = Annotated[
    int | None,
    typer.Option(min=20, max=1_000_000, help=f"Number of simulated firms; {_KEPT} {FIRMS}."),
]
Months = Annotated[
    int | None, typer.Option(min=1, max=600, help=f"Months of history; {_KEPT} {MONTHS}.")
]
Seed = Annotated[
    int | None, typer.Option(min=0, help=f"The same seed gives the same firms; {_KEPT} {SEED}.")
]


@dataclass(frozen=True)
class Simulation:
    """Which economy is simulated here, and up to which night it was delivered and completed."""

    firms: int = FIRMS
    months: int = MONTHS
    seed: int = SEED
    delivered_through: date | None = None
    completed_through: date | None = None

    def economy(self) -> Economy:
        """Return the simulator's parameters."""
        return Economy(seed=self.seed, firms=self.firms, start=START, months=self.months)

    def next_delivery(self) -> date:
        """Return the night of the next deliveries: the history first, then day by day."""
        return _after(self.delivered_through, self)

    def next_night(self) -> date:
        """Return the night to run now; one that was not completed is run again."""
        return _after(self.completed_through, self)


def _after(night: date | None, simulation: Simulation) -> date:
    return simulation.economy().last_day if night is None else night + timedelta(days=1)


def _path(settings: Settings) -> Path:
    return settings.root / "simulation.json"


def load(settings: Settings) -> Simulation | None:
    """Return the simulation of this home folder, or None.

    Raises:
        ConfigurationError: the file that keeps it is damaged.
    """
    path = _path(settings)
    if not path.exists():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        for key in ("delivered_through", "completed_through"):
            kept[key] = date.fromisoformat(kept[key]) if kept[key] else None
        return Simulation(**kept)
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"{path} does not hold a simulation ({error}); "
            f"restore it, or choose an empty folder with FIRMPULSE_HOME"
        ) from None


def save(settings: Settings, simulation: Simulation) -> None:
    """Keep the simulation's parameters and progress; a crash leaves the old file whole."""
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(simulation), default=date.isoformat, indent=2)
    beside = path.with_suffix(".new")
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(path)


def started(
    settings: Settings, firms: int | None, months: int | None, seed: int | None
) -> Simulation:
    """Return the simulation of this home, or a new one.

    Raises:
        ConfigurationError: the home holds another economy than the one asked for.
    """
    kept = load(settings) or Simulation(firms or FIRMS, months or MONTHS, _or(seed, SEED))
    wanted = (_or(firms, kept.firms), _or(months, kept.months), _or(seed, kept.seed))
    if wanted != (kept.firms, kept.months, kept.seed):
        raise ConfigurationError(
            f"this home folder holds {kept.firms} firms x {kept.months} months of seed "
            f"{kept.seed}; leave the options out to continue with these, or choose an empty folder "
            f"with FIRMPULSE_HOME"
        )
    return kept


def require_past(night: date) -> None:
    """Refuse a simulated night in the future: the nights have caught up with the calendar.

    Raises:
        NotReadyError: it is after today in China.
    """
    today = clock.today()
    if night > today:
        raise NotReadyError(
            f"the next simulated night is {night}, and in China it is {today}: every night up to "
            f"now exists. Call this again from that day on, or simulate fewer --months in an "
            f"empty folder with FIRMPULSE_HOME"
        )


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def deliver(
    settings: Settings, simulation: Simulation, through: date, progress: Progress
) -> Simulation:
    """Write all missing deliveries up to a night: the history first, then day by day."""
    require_past(through)
    since = simulation.delivered_through
    if since is not None and since >= through:
        return simulation
    started = progress.seconds
    counts = simulator.deliver(
        simulation.economy(), settings.inbox, through=through, since=since, on_progress=progress.say
    )
    progress.done(
        f"deliveries up to {through}", progress.seconds - started, f"{counts.total_rows:,} rows"
    )
    simulation = replace(simulation, delivered_through=through)
    save(settings, simulation)
    return simulation


@app.callback()
def simulate(
    context: typer.Context, firms: Firms = None, months: Months = None, seed: Seed = None
) -> None:
    """Write simulated deliveries into the inbox: the history, then one more night per call."""
    if context.invoked_subcommand:
        if (firms, months, seed) != (None, None, None):
            raise ConfigurationError(
                f"options of firmpulse simulate {context.invoked_subcommand} come after its name"
            )
        return
    settings, progress = Settings(), Progress(make_console())
    simulation = started(settings, firms, months, seed)
    night = simulation.next_delivery()
    deliver(settings, simulation, night, progress)
    progress.say(f"nothing has run; continue with: firmpulse night --as-of {night}")


@app.command()
def portfolio(
    folder: Annotated[
        Path, typer.Argument(file_okay=False, help="New folder for what the bank has.")
    ],
    bank: Annotated[
        Literal["first", "second"], typer.Option(help="Whose shapes of files; they differ in all.")
    ] = "first",
    firms: Annotated[
        int, typer.Option(min=20, max=20_000, help="Firms of the portfolio.")
    ] = PORTFOLIO_FIRMS,
    months: Annotated[
        int, typer.Option(min=12, max=600, help="Months of history.")
    ] = PORTFOLIO_MONTHS,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = SEED,
) -> None:
    """Write a bank's portfolio in foreign shapes: exports, loans, invoices, bills, authorisations.

    Files as simulated banks, bureaus and power companies export them, to try `firmpulse onboard`
    with. Nothing is put into the inbox.
    """
    from simulator import portfolio as bank_portfolio

    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty; name a new folder")
    last = Simulation().economy().last_day
    economy = Economy(
        seed=seed, firms=firms, start=add_months(last + timedelta(1), -months), months=months
    )
    progress = Progress(make_console())
    made = bank_portfolio.portfolio(economy)
    written = bank_portfolio.write(made, folder, bank)
    for kind, count in written.items():
        progress.say(f"{folder / kind}: {count}")
    progress.say(
        f"in the whole simulated portfolio {made.default_rate:.1%} of the loans go bad within a "
        f"year; the bank brings a sample with more"
    )
