"""`firmpulse run`: the whole pipeline on simulated firms; called again, the next night."""

from dataclasses import replace
from datetime import date

from cli import forecast, nightly, simulate, summary
from cli.progress import Progress, make_console
from cli.simulate import Firms, Months, Seed
from consent import champion
from firmpulse.errors import GateFailed, NotReadyError
from firmpulse.settings import Settings

_APPROVER = "firmpulse run (simulated data)"


def run(firms: Firms = None, months: Months = None, seed: Seed = None) -> None:
    """Simulate firms and run the whole pipeline; called again, the next night only."""
    settings, console = Settings(), make_console()
    progress = Progress(console)
    simulation = simulate.started(settings, firms, months, seed)
    night = simulation.next_night()
    simulate.require_past(night)
    is_first = simulation.completed_through is None
    progress.heading(
        f"Simulating {simulation.firms:,} firms x {simulation.months} months"
        if is_first
        else f"The next night, {night}: one more day of simulated news"
    )
    if is_first:
        forecast.announce(settings, simulation.firms, simulation.months, progress)
    simulation = simulate.deliver(settings, simulation, night, progress)
    _run_dags(settings, night, progress)
    simulate.save(settings, replace(simulation, completed_through=night))
    summary.show(settings, night, progress, console)


def _run_dags(settings: Settings, night: date, progress: Progress) -> None:
    nightly.run_night(settings, night, progress)
    if not _has_champion(settings):
        progress.heading("No champion yet: training one, then scoring with it")
        try:
            nightly.run_training(settings, night, _APPROVER, progress)
        except (GateFailed, NotReadyError) as refusal:
            progress.say(f"no model was promoted, so nothing is scored: {refusal}")
            return
        nightly.run_night(settings, night, progress)


def _has_champion(settings: Settings) -> bool:
    return champion.champion(settings) is not None
