"""From a delivery that arrives by day to published warnings: time for 100 firms.

Run: python -m benchmarks.arrivals --firms 2000 --touched 100
A home folder is made with `firmpulse run` (or copied from --home). Then the lender reports loans 35
days past due for 100 firms without arrears, and `firmpulse arrivals` runs; the clock stops when the
published file shows a red warning for each. With --scheduler, Airflow runs as under `make up`, and
the watcher finds the delivery by itself. The firms are simulated.
"""

import argparse
import hashlib
import json
import shutil
import sys
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.commands import firmpulse
from cli import simulate
from firmpulse import warehouse
from firmpulse.calendar import CHINA
from firmpulse.errors import NotReadyError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from simulator.truth import truth

_DAYS_PAST_DUE = 35
_REPORTING_DAYS = 5
_HEADER = "统一社会信用代码,借据编号,月份,贷款余额(元),逾期天数"
_GIVE_UP_SECONDS = 600
_RED = """
    select count(distinct firm_id) from open_warnings
    where as_of = ? and level = 'red' and list_contains(?, firm_id)
"""


def main() -> None:
    """Print how long it took; the exit code is 1 if a warning is missing."""
    options = _options()
    with TemporaryDirectory(dir=options.folder) as folder:
        home = Path(folder) / "home"
        if options.home:
            shutil.copytree(options.home, home)
        else:
            firmpulse(home, "run", "--firms", str(options.firms))
        settings = Settings(home=home)
        if options.scheduler:
            firmpulse(home, "up")
        try:
            seconds = _measure(settings, options.touched, by_scheduler=options.scheduler)
        finally:
            if options.scheduler:
                firmpulse(home, "down")
    how = "Airflow's watcher and scheduler" if options.scheduler else "firmpulse arrivals"
    print(f"{options.touched} firms, {how}: warnings published after {seconds:.1f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--firms", type=int, default=2000)
    parser.add_argument("--touched", type=int, default=100)
    parser.add_argument("--home", type=Path, default=None, help="home folder of a run to copy")
    parser.add_argument("--scheduler", action="store_true", help="measure under make up")
    parser.add_argument("--folder", type=Path, default=None, help="working folder")
    return parser.parse_args()


def _measure(settings: Settings, touched: int, *, by_scheduler: bool) -> float:
    night = _newest(settings)
    chosen = _choose(settings, night, touched)
    day = datetime.now(CHINA).date() if by_scheduler else night + timedelta(days=1)
    started = time.perf_counter()
    _deliver(settings, day, list(chosen.values()))
    if not by_scheduler:
        firmpulse(settings.root, "arrivals", "--as-of", day.isoformat())
    while _red(settings, day, list(chosen)) < touched:
        if time.perf_counter() - started > _GIVE_UP_SECONDS or not by_scheduler:
            sys.exit(f"only {_red(settings, day, list(chosen))} of {touched} firms have a warning")
        time.sleep(0.5)
    return time.perf_counter() - started


def _newest(settings: Settings) -> date:
    with warehouse.connect_published(settings) as connection:
        (night,) = connection.execute("select max(as_of) from scores").fetchall()[0]
    found: date = night
    return found


def _choose(settings: Settings, night: date, count: int) -> dict[str, str]:
    """Return token → code of firms that are scored and have no arrears."""
    simulation = simulate.load(settings)
    if simulation is None or simulation.completed_through is None:
        raise NotReadyError(f"{settings.root} has no simulated firms")
    key = keyring.load(settings, "token_key")
    codes = truth(simulation.economy(), simulation.completed_through)["uscc"].to_list()
    known = {str(tokens.firm_token(key, f"uscc:{code}")): code for code in codes}
    with warehouse.connect_published(settings) as connection:
        sound = connection.execute(
            "select firm_id from latest_scores where as_of = ? and grade <> 'D' order by firm_id",
            [night],
        ).fetchall()
    return {firm: known[firm] for (firm,) in sound[:count]}


def _deliver(settings: Settings, day: date, codes: list[str]) -> None:
    # The newest month with states known by then.
    known = day - timedelta(days=_REPORTING_DAYS)
    month = (known.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    lines = [
        f"{code},L-{place},{month},100000.00,{_DAYS_PAST_DUE}" for place, code in enumerate(codes)
    ]
    content = ("\n".join([_HEADER, *lines]) + "\n").encode("gb18030")
    name = f"lender-arrears-{day:%Y%m%d}"
    file = {
        "name": "loans.csv", "table": "loan_performance", "format": "csv", "rows": len(lines),
        "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    manifest = {
        "manifest_version": 1, "delivery_id": name, "source": "lender", "provider": "sim-lender",
        "kind": "increment", "period_start": day.replace(day=1).isoformat(),
        "period_end": day.isoformat(), "delivered_at": f"{day}T08:00:00+08:00",
        "files": [file],
    }  # fmt: skip
    folder = settings.inbox / "lender" / name
    folder.mkdir(parents=True)
    (folder / "loans.csv").write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _red(settings: Settings, day: date, firm_ids: list[str]) -> int:
    with warehouse.connect_published(settings) as connection:
        (found,) = connection.execute(_RED, [day, firm_ids]).fetchall()[0]
    return int(found)


if __name__ == "__main__":
    main()
