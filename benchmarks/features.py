"""How fast raw rows become masked rows, facts and features; prints one line per size.

Run: python -m benchmarks.features --rows 10e6 60e6 --nodes
Rows are invented (`benchmarks.feature_rows`) and put straight into the vault; `benchmarks.landing`
measures landing. Each size runs in a separate process: the full build, a plain scan of the same
columns for comparison, then the next night with one day of news. Seconds of the stages are wall
clock; `x scan` is the full build over the scan.
"""

import argparse
import math
import multiprocessing
import shutil
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np

from benchmarks import feature_rows
from benchmarks.memory import peak_mb
from features.build import Stage, build
from firmpulse import warehouse
from firmpulse.settings import Settings

_STAGES: tuple[Stage, ...] = ("mask", "facts", "features")
_NEXT_DAY = feature_rows.LAST_DAY + timedelta(days=1)
_COLUMNS = (
    ("rows", 11), ("firms", 7), ("scan s", 7), ("mask s", 7), ("facts s", 8), ("features s", 10),
    ("all s", 7), ("CPU s", 7), ("rows/s", 9), ("x scan", 7), ("peak MB", 8), ("night s", 8),
    ("night CPU s", 12),
)  # fmt: skip
_EXPONENTS = ("rows", "all", "peak_mb")
_SHOWN = 12

Case = dict[str, float]
Nodes = list[tuple[str, float]]


def main() -> None:
    """Print the table and the exponents of its growth."""
    options = _options()
    print(" ".join(name.rjust(width) for name, width in _COLUMNS), flush=True)
    found = []
    for rows in options.rows:
        firms = options.firms or math.ceil(rows / options.rows_per_firm)
        found.append(_case(options, int(rows), firms))
    if len(found) > 1:
        sizes, seconds, peaks = (np.log([case[key] for case in found]) for key in _EXPONENTS)
        print(f"time grows as rows^{np.polyfit(sizes, seconds, 1)[0]:.2f}, "
              f"memory as rows^{np.polyfit(sizes, peaks, 1)[0]:.2f}")  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[5e6])
    parser.add_argument("--firms", type=int, help="by default enough for --rows-per-firm each")
    parser.add_argument("--rows-per-firm", type=int, default=2_500)
    parser.add_argument("--parties", type=int, default=40, help="customers, and suppliers, of each")
    parser.add_argument("--news", type=float, help="rows of the night; by default a day's share")
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--nodes", action="store_true", help="also the slowest models")
    parser.add_argument("--folder", type=Path, default=Path("var/benchmark"))
    return parser.parse_args()


def _case(options: argparse.Namespace, rows: int, firms: int) -> Case:
    """Fill a vault, then build in a fresh process."""
    shutil.rmtree(options.folder, ignore_errors=True)
    settings = Settings(home=options.folder, memory_limit=options.memory)
    with warehouse.connect(settings, vault=True) as connection:
        feature_rows.make_tables(connection)
        feature_rows.fill_history(connection, rows, firms, options.parties)
    news = int(options.news or rows / feature_rows.DAYS)
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[Case, Nodes]] = context.Queue()
    arguments = (settings, rows, firms, options.parties, news, results)
    child = context.Process(target=_measure, args=arguments)
    child.start()
    child.join()
    if child.exitcode:
        sys.exit(f"{rows:,} rows: the build failed")
    case, nodes = results.get()
    shutil.rmtree(options.folder, ignore_errors=True)
    cells = (
        f"{rows:,}", f"{firms:,}", f"{case['scan']:.1f}", f"{case['mask']:.1f}",
        f"{case['facts']:.1f}", f"{case['features']:.1f}", f"{case['all']:.1f}",
        f"{case['cpu']:.0f}", f"{rows / case['all']:,.0f}", f"{case['all'] / case['scan']:.0f}",
        f"{case['peak_mb']:,.0f}", f"{case['night']:.1f}", f"{case['night_cpu']:.1f}",
    )  # fmt: skip
    widths = (width for _, width in _COLUMNS)
    print(" ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)),
          flush=True)  # fmt: skip
    if options.nodes:
        for name, seconds in nodes:
            print(f"{seconds:12.1f} s  {name}", flush=True)
    return {"rows": rows, **case}


def _measure(
    settings: Settings,
    rows: int,
    firms: int,
    parties: int,
    news: int,
    results: "multiprocessing.Queue[tuple[Case, Nodes]]",
) -> None:
    # Parsing the dbt project is not part of either build.
    from firmpulse import dbt_runner

    dbt_runner.parse(settings)
    nodes: Nodes = []
    found: Case = {}
    used = time.process_time()
    for stage in _STAGES:
        begun = time.perf_counter()
        outcomes = build(settings, feature_rows.LAST_DAY, stage)
        found[stage] = time.perf_counter() - begun
        found["peak_mb"] = max(found.get("peak_mb", 0.0), peak_mb())
        nodes += [(outcome.name, outcome.seconds) for outcome in outcomes]
    found["cpu"] = time.process_time() - used
    found["all"] = sum(found[stage] for stage in _STAGES)
    found["scan"] = _scan(settings)
    with warehouse.connect(settings, vault=True) as connection:
        feature_rows.fill_day(connection, rows, firms, parties, news)
    begun, used = time.perf_counter(), time.process_time()
    for stage in _STAGES:
        outcomes = build(settings, _NEXT_DAY, stage)
        nodes += [(f"{outcome.name}, at night", outcome.seconds) for outcome in outcomes]
    found["night"] = time.perf_counter() - begun
    found["night_cpu"] = time.process_time() - used
    slowest = sorted(nodes, key=lambda node: -node[1])
    results.put((found, slowest[:_SHOWN]))


def _scan(settings: Settings) -> float:
    """Return the seconds of only reading every column that masking reads."""
    with warehouse.connect(settings, vault=True) as connection:
        begun = time.perf_counter()
        for table in feature_rows.TABLES:
            names = [
                name
                for (name, *_) in connection.execute(
                    f"select column_name from (describe vault.raw.{table})"
                ).fetchall()
            ]
            measures = ", ".join(f'max("{name}")' for name in names)
            connection.execute(f"select {measures} from vault.raw.{table}").fetchall()
        return time.perf_counter() - begun


if __name__ == "__main__":
    main()
