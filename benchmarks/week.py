"""A week of nights under the real scheduler: whether each succeeds, and at the same cost.

Run: python -m benchmarks.week --firms 2000 --nights 7
A home folder with a champion is made with `firmpulse run` (or copied from --home). Then this many
nights are delivered, Airflow starts as under `make up`, and `firmpulse airflow backfill create`
runs them. The firms are simulated.
"""

import argparse
import json
import shutil
import sys
import time
import urllib.request
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.commands import firmpulse
from cli import simulate
from firmpulse import warehouse
from firmpulse.airflow import servers
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_GIVE_UP_SECONDS = 900
_STEPS = """
    select step, as_of, sum(seconds) from warehouse.ops.steps
    where as_of between ? and ? and state = 'success'
    group by all order by min(started_at), as_of
"""


def main() -> None:
    """Print the run table and the seconds of each step; the exit code is 1 if a night failed."""
    options = _options()
    with TemporaryDirectory(dir=options.folder) as folder:
        home = Path(folder) / "home"
        if options.home:
            shutil.copytree(options.home, home, symlinks=True)
        else:
            firmpulse(home, "run", "--firms", str(options.firms))
        settings = Settings(home=home)
        nights = _deliver(settings, options.nights)
        firmpulse(home, "up")
        try:
            runs = _run(settings, nights)
        finally:
            firmpulse(home, "down")
        _show(settings, nights, runs)
    sys.exit(any(run["state"] != "success" for run in runs))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--firms", type=int, default=2000)
    parser.add_argument("--nights", type=int, default=7)
    parser.add_argument("--home", type=Path, default=None, help="home folder of a run to copy")
    parser.add_argument("--folder", type=Path, default=None, help="where to work")
    return parser.parse_args()


def _deliver(settings: Settings, count: int) -> list[date]:
    """Let the providers deliver this many more nights and return them."""
    simulation = simulate.load(settings)
    if simulation is None:
        raise NotReadyError(f"{settings.root} holds no simulated firms")
    first = simulation.next_delivery()
    for _ in range(count):
        firmpulse(settings.root, "simulate")
    return [first + timedelta(days=day) for day in range(count)]


def _run(settings: Settings, nights: Sequence[date]) -> list[dict[str, Any]]:
    """Backfill the nights and return Airflow's runs, oldest night first."""
    known = servers.running(settings)
    if known is None:
        raise NotReadyError("Airflow is not running")
    login = {"username": known.user, "password": known.password}
    token = str(_call(f"{known.airflow}/auth/token", login)["access_token"])
    firmpulse(
        settings.root, "airflow", "backfill", "create", "--dag-id", "run_nightly",
        "--from-date", nights[0].isoformat(), "--to-date", nights[-1].isoformat(),
    )  # fmt: skip
    give_up = time.monotonic() + _GIVE_UP_SECONDS * len(nights)
    while True:
        found = _call(f"{known.airflow}/api/v2/dags/run_nightly/dagRuns?limit=100", token=token)
        runs = [run for run in found["dag_runs"] if run["run_type"] == "backfill"]
        over = [run for run in runs if run["state"] in ("success", "failed")]
        if len(over) == len(nights) or time.monotonic() > give_up:
            return sorted(runs, key=lambda run: str(run["logical_date"]))
        time.sleep(5)


def _call(address: str, body: object = None, token: str = "") -> Any:
    request = urllib.request.Request(  # noqa: S310 - our own server
        address,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    with _DIRECT.open(request, timeout=60) as response:
        return json.loads(response.read())


def _show(settings: Settings, nights: Sequence[date], runs: Sequence[dict[str, Any]]) -> None:
    console = Console(width=140)
    table = Table("run", "state", "seconds", "night published", title="Runs")
    with warehouse.connect_published(settings) as connection:
        firms = dict(
            connection.execute("select as_of, count(*) from scores group by as_of").fetchall()
        )
    before = ""
    for night, run in zip(nights, runs, strict=False):
        # Each waits for the previous one, from the start of the backfill on.
        seconds = "" if not run["end_date"] else f"{_seconds(run, before):.0f}"
        before = run["end_date"] or before
        table.add_row(run["dag_run_id"][:60], run["state"], seconds,
                      f"{night}: {firms.get(night, 0)} firms")  # fmt: skip
    console.print(table)
    steps = Table("step", *(f"{night:%m-%d}" for night in nights), title="Seconds of work")
    with warehouse.connect(settings) as connection:
        found = connection.execute(_STEPS, [nights[0], nights[-1]]).fetchall()
    by_step: dict[str, dict[date, float]] = {}
    for step, night, seconds in found:
        by_step.setdefault(step, {})[night] = seconds
    for step, by_night in by_step.items():
        steps.add_row(step, *(f"{by_night.get(night, 0):.1f}" for night in nights))
    sums = [sum(by_night.get(night, 0) for by_night in by_step.values()) for night in nights]
    steps.add_row("all", *(f"{total:.1f}" for total in sums))
    console.print(steps)


def _seconds(run: dict[str, Any], before: str) -> float:
    began = max(run["start_date"], before)
    return (datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(began)).total_seconds()


if __name__ == "__main__":
    main()
