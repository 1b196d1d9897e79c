"""Time and memory for landing and masking deliveries; prints one line per case.

Run: python -m benchmarks.landing --rows 5e6 20e6 --formats parquet csv mapped gb18030
`mapped` is the same CSV with other headers, texts and dates, read by a mapping.
Rows are invented and as wide as real ones: 2,000 firms with grants, 6,000 counterparties, files of
half a million rows, one row in two hundred repeated. Each case runs in a separate process; the
peaks are its largest resident set, DuckDB included, while landing and while masking. CPU seconds
are those of the landing, in all processes.
"""

import argparse
import json
import multiprocessing
import os
import re
import shutil
import sys
import time
from datetime import date
from pathlib import Path

from benchmarks.landing_files import TABLES, write_delivery
from consent.intake import admit
from extracts.vault import nightly
from features.build import build
from firmpulse.settings import Settings

_AS_OF = date(2026, 1, 31)
_STATUS = Path("/proc/self/status")


def main() -> None:
    """Print the table."""
    options = _options()
    print(_line("table", "format", "rows", "landing s", "CPU s", "masking s", "rows/s", "peak MB",
                "mask MB", "vault MB", "files MB"), flush=True)  # fmt: skip
    for table in options.tables:
        for form in options.formats:
            for rows in options.rows:
                _case(options, table, form, int(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[5e6])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--formats", nargs="+", default=["parquet", "csv", "mapped", "gb18030"])
    parser.add_argument("--file-rows", type=float, default=500_000)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--folder", type=Path, default=Path("var/benchmark"))
    parser.add_argument("--land-only", action="store_true")
    return parser.parse_args()


def _case(options: argparse.Namespace, table: str, form: str, rows: int) -> None:
    """Write the delivery, then land and mask it in a fresh process."""
    shutil.rmtree(options.folder, ignore_errors=True)
    settings = Settings(home=options.folder, memory_limit=options.memory)
    files_bytes, grants = write_delivery(settings, table, form, rows, int(options.file_rows))
    admit(settings, grants)
    results: multiprocessing.Queue[dict[str, float]] = multiprocessing.get_context("spawn").Queue()
    child = multiprocessing.get_context("spawn").Process(
        target=_measure, args=(settings, TABLES[table], options.land_only, results)
    )
    child.start()
    child.join()
    if child.exitcode:
        sys.exit(f"{table} {form} {rows}: the landing failed")
    found = results.get()
    seconds = found["land"] + found["mask"]
    print(_line(
        table, form, f"{rows:,}", f"{found['land']:.1f}", f"{found['cpu']:.1f}",
        f"{found['mask']:.1f}",
        f"{rows / seconds:,.0f}", f"{found['land_mb']:,.0f}", f"{found['mask_mb']:,.0f}",
        f"{settings.vault_path.stat().st_size / 1e6:,.0f}", f"{files_bytes / 1e6:,.0f}",
    ), flush=True)  # fmt: skip
    shutil.rmtree(options.folder, ignore_errors=True)


def _measure(
    settings: Settings,
    source: str,
    land_only: bool,
    results: "multiprocessing.Queue[dict[str, float]]",
) -> None:
    begun, cpu_begun = time.perf_counter(), _cpu_seconds()
    report = nightly.land(settings, source, _AS_OF)
    landed, cpu = time.perf_counter(), _cpu_seconds() - cpu_begun
    if report.problems or report.totals.quarantined or not report.totals.duplicate:
        sys.exit(f"unexpected report: {json.dumps(report.summary())}")
    land_mb = _peak_mb()
    if not land_only:
        build(settings, _AS_OF, "mask")
    results.put({
        "land": landed - begun,
        "cpu": cpu,
        "mask": time.perf_counter() - landed,
        "land_mb": land_mb,
        "mask_mb": _peak_mb(),
    })  # fmt: skip


def _cpu_seconds() -> float:
    """Return what this process and its children have used; unlike time, other work adds little."""
    return sum(os.times()[:4])


def _peak_mb() -> float:
    """Return the largest resident set since the last call."""
    found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return int(found[1]) / 1e3 if found else 0.0


def _line(*cells: str) -> str:
    return " ".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))


_WIDTHS = (12, 8, 11, 10, 7, 10, 10, 8, 8, 9, 9)

if __name__ == "__main__":
    main()
