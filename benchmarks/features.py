"""How fast raw rows become masked rows, facts and features; prints one line per size.

Run: python -m benchmarks.features --rows 5e6 20e6 60e6 --firms 2000
Rows are invented: three invoices per two bank transactions over 24 months, 40 counterparties
per firm, one invoice in fifty void. They are put straight into the vault; `benchmarks.landing`
measures landing. Each size runs in a separate process: the full build, a plain scan of the same
columns for comparison, then a night with one day of new data.
"""

import argparse
import math
import multiprocessing
import re
import shutil
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from extracts import contracts
from features.build import SELECTORS, Stage, build
from firmpulse import warehouse
from firmpulse.settings import Settings
from firmpulse.stored_tables import LANDED

_LAST_DAY = date(2025, 12, 31)
_NEXT_DAY = date(2026, 1, 1)
_DAYS = 731
_STATUS = Path("/proc/self/status")
_META = {
    "firm": "varchar", "row_id": "bigint", "record_version": "integer",
    "available_at": "date", "delivery_seq": "bigint",
}  # fmt: skip

_CODE = "'9144' || lpad(cast({} as varchar), 14, '0')"
_INVOICES = """
    select
        'uscc:' || {firm} as firm, i as row_id, 1 as record_version,
        cast(issued as date) + 1 as available_at, {seq} as delivery_seq,
        if(i % 3 = 0, 'IN', 'OUT') as direction, lpad(cast(i as varchar), 20, '0') as invoice_no,
        'DIGITAL_SPECIAL' as invoice_kind, issued as issue_time,
        if(i % 3 = 0, {other}, {firm}) as seller_tax_no,
        if(i % 3 = 0, {firm}, {other}) as buyer_tax_no,
        cast((hash(i) % 9999999 + 1) / 100 as decimal(18, 2)) as amount,
        cast(amount * 0.13 as decimal(18, 2)) as tax, amount + tax as total,
        if(i % 50 = 0, 'VOID', 'NORMAL') as status, false as is_red
    from (select i, {moment} as issued from range({first}, {last}) as numbers(i))
"""
_BANK = """
    select
        'uscc:' || {firm} as firm, i as row_id, 1 as record_version,
        cast(booked as date) + 1 as available_at, {seq} as delivery_seq,
        {firm} as uscc, cast(i as varchar) as txn_no, '62' || {firm} as account_no,
        booked as booked_at, if(i % 3 = 0, 'OUT', 'IN') as dc,
        cast((hash(i) % 9999999 + 1) / 100 as decimal(18, 2)) as amount,
        cast(hash(i, 1) % 1000000000 / 100 as decimal(18, 2)) as balance, 'CNY' as ccy,
        {other} as cp_tax_no, '62' || {other} as cp_account,
        ['货款', '工资代发', '电费', '手续费', '往来款', '增值税', '还款', '利息'][i % 8 + 1]
            as summary,
        i % 400 = 0 as reversal_flag
    from (select i, {moment} as booked from range({first}, {last}) as numbers(i))
"""
_TABLES = {"tax_invoice": (_INVOICES, 0.6), "bank_txn": (_BANK, 0.4)}
_COLUMNS = (
    ("rows", 11), ("firms", 7), ("scan s", 7), ("mask s", 7), ("facts s", 8), ("features s", 10),
    ("all s", 7), ("rows/s", 10), ("x scan", 7), ("peak MB", 8), ("night s", 8), ("night/all", 9),
)  # fmt: skip


def main() -> None:
    """Print the table and the exponent of its growth."""
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


_EXPONENTS = ("rows", "all", "peak_mb")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[5e6])
    parser.add_argument("--firms", type=int, help="by default enough for --rows-per-firm each")
    parser.add_argument("--rows-per-firm", type=int, default=2_500)
    parser.add_argument("--memory", default="3GB")
    parser.add_argument("--folder", type=Path, default=Path("var/benchmark"))
    return parser.parse_args()


def _case(options: argparse.Namespace, rows: int, firms: int) -> dict[str, float]:
    """Fill a vault, then build in a fresh process."""
    shutil.rmtree(options.folder, ignore_errors=True)
    settings = Settings(home=options.folder, memory_limit=options.memory)
    with warehouse.connect(settings, vault=True) as connection:
        _make_tables(connection)
        for table in _TABLES:
            _fill(connection, table, rows, firms, seq=1)
        _note_landed(connection, 1)
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[dict[str, float]] = context.Queue()
    child = context.Process(target=_measure, args=(settings, rows, firms, results))
    child.start()
    child.join()
    if child.exitcode:
        sys.exit(f"{rows:,} rows: the build failed")
    case = {"rows": rows, "firms": firms, **results.get()}
    shutil.rmtree(options.folder, ignore_errors=True)
    cells = (
        f"{rows:,}", f"{firms:,}", f"{case['scan']:.1f}", f"{case['mask']:.1f}",
        f"{case['facts']:.1f}", f"{case['features']:.1f}", f"{case['all']:.1f}",
        f"{rows / case['all']:,.0f}", f"{case['all'] / case['scan']:.0f}",
        f"{case['peak_mb']:,.0f}", f"{case['night']:.1f}", f"{case['night'] / case['all']:.3f}",
    )  # fmt: skip
    widths = (width for _, width in _COLUMNS)
    print(" ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)),
          flush=True)  # fmt: skip
    return case


def _make_tables(connection: Any) -> None:
    for table, contract in contracts.load().items():
        types = {column.name: column.physical_type for column in contract.columns} | _META
        columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
        connection.execute(f"create table vault.raw.{table} ({columns})")


def _note_landed(connection: Any, seq: int) -> None:
    landed = {
        "delivery_id": f"benchmark-{seq}", "source": "benchmark", "manifest_sha256": "",
        "delivery_seq": seq, "last_row_id": 0,
    }  # fmt: skip
    connection.execute(LANDED.insert_sql(landed, "vault"), landed)


def _fill(connection: Any, table: str, rows: int, firms: int, seq: int) -> None:
    """Insert a history of 24 months as landing 1, or one day of it as landing 2."""
    select, share = _TABLES[table]
    first, last = (0, int(rows * share)) if seq == 1 else (
        int(rows * share), int(rows * share * (1 + 1 / _DAYS))
    )  # fmt: skip
    day = (
        "cast(hash(i, 2) % 63158400 as bigint)"
        if seq == 1
        else "cast(hash(i, 2) % 86400 as bigint)"
    )
    start = "2024-01-01" if seq == 1 else _LAST_DAY.isoformat()
    query = select.format(
        firm=_CODE.format(f"hash(i, 4) % {firms}"),
        other=_CODE.format(f"(hash(i, 4) % {firms} + 1 + hash(i, 3) % 40 * 7) % {firms * 3}"),
        moment=f"timestamp '{start}' + to_seconds({day})",
        first=first,
        last=last,
        seq=seq,
    )
    connection.execute(f"insert into vault.raw.{table} by name {query}")


def _measure(
    settings: Settings, rows: int, firms: int, results: "multiprocessing.Queue[dict[str, float]]"
) -> None:
    # Parsing the dbt project is not part of either build.
    from firmpulse import dbt_runner

    dbt_runner.parse(settings)
    found = {stage: _seconds(settings, _LAST_DAY, stage) for stage in SELECTORS}
    found["all"] = sum(found.values())
    found["peak_mb"] = _peak_mb()
    found["scan"] = _scan(settings)
    with warehouse.connect(settings, vault=True) as connection:
        for table in _TABLES:
            _fill(connection, table, rows, firms, seq=2)
        _note_landed(connection, 2)
    found["night"] = sum(_seconds(settings, _NEXT_DAY, stage) for stage in SELECTORS)
    results.put(found)


def _seconds(settings: Settings, as_of: date, stage: Stage) -> float:
    begun = time.perf_counter()
    build(settings, as_of, stage)
    return time.perf_counter() - begun


def _scan(settings: Settings) -> float:
    """Return the seconds of only reading every column that masking reads."""
    with warehouse.connect(settings, vault=True) as connection:
        begun = time.perf_counter()
        for table in _TABLES:
            names = [
                name
                for (name, *_) in connection.execute(
                    f"select column_name from (describe vault.raw.{table})"
                ).fetchall()
            ]
            measures = ", ".join(f'max("{name}")' for name in names)
            connection.execute(f"select {measures} from vault.raw.{table}").fetchall()
        return time.perf_counter() - begun


def _peak_mb() -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"))
    return int(found[1]) / 1e3 if found else 0.0


if __name__ == "__main__":
    main()
