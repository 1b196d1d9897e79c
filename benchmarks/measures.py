"""Monthly measures and windows over them: DuckDB compared with Polars, pandas and featuretools.

Run: python -m benchmarks.measures --rows 20e6 --firms 8000
     add --featuretools PYTHON for an interpreter with it (pip install featuretools pandas==2.*)
Per firm and month: number, sum, largest, sum of squares and void ones of the sales invoices and the
number of customers; then sums over 3, 6 and 12 months. Every way reads the same Parquet file in a
separate process. All must give the same values, which is checked. featuretools makes only the
monthly measures, on a hundredth of the rows: it has no windows by month and takes minutes for more.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from benchmarks.memory import peak_mb

MEASURES = ("invoices", "sales", "largest", "squares", "voids", "customers")
WINDOWS = (3, 6, 12)
WAYS = ("duckdb", "polars", "pandas")


def main() -> None:
    """Write the file, run every way in a separate process, print the table."""
    options = _options()
    path = options.folder / "invoices.parquet"
    if options.way:
        print(json.dumps(_run(options.way, path)))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    _write(path, int(options.rows), options.firms)
    few = options.folder / "few.parquet"
    _write(few, int(options.rows) // 100, max(options.firms // 100, 1))
    print("way           rows        seconds  peak MB  digest", flush=True)
    for way in WAYS:
        again = [sys.executable, "-m", "benchmarks.measures", *sys.argv[1:], "--way", way]
        _tell(way, int(options.rows), again)
    if options.featuretools:
        script = Path(__file__).with_name("measures_featuretools.py")
        _tell("featuretools", int(options.rows) // 100,
              [options.featuretools, str(script), str(few)])  # fmt: skip
        print(f"              duckdb on those: {_digest(duckdb_monthly(few))}")
    path.unlink()
    few.unlink()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=20e6)
    parser.add_argument("--firms", type=int, default=8_000)
    parser.add_argument("--featuretools", help="interpreter with featuretools")
    parser.add_argument("--folder", type=Path, default=Path("var/benchmark"))
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _tell(way: str, rows: int, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{way:<12} failed: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return
    found = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{way:<12} {rows:>10,} {found['seconds']:8.1f} {found['peak_mb']:8,.0f}  "
          f"{found['digest']}", flush=True)  # fmt: skip


def _write(path: Path, rows: int, firms: int) -> None:
    duckdb.sql(f"""
        copy (
            select hash(i, 4) % {firms} as firm_id,
                cast(date_trunc('month',
                    date '2024-01-01' + cast(hash(i, 2) % 731 as integer)) as date) as month,
                hash(i, 4) % {firms} * 40 + hash(i, 3) % 40 as customer_id,
                hash(i) % 999999 / 100.0 as net_cny,
                i % 50 = 0 as is_void
            from range({rows}) as numbers(i)
        ) to '{path}'
    """)


def _run(way: str, path: Path) -> dict[str, Any]:
    begun = time.perf_counter()
    rows = _FUNCTIONS[way](path)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "peak_mb": peak_mb(), "digest": _digest(rows)}


def _digest(rows: pl.DataFrame) -> str:
    names = [name for name in rows.columns if name not in ("firm_id", "month")]
    total = sum(float(rows[name].sum()) * (place + 1) for place, name in enumerate(sorted(names)))
    return f"{rows.height} {total:.9g}"


def duckdb_monthly(path: Path) -> pl.DataFrame:
    """Return the measures by firm and month."""
    return duckdb.sql(f"{_MONTHLY.format(path=path)} order by all").pl()


_MONTHLY = """
    select firm_id, month, count(*) as invoices,
        coalesce(sum(net_cny) filter (not is_void), 0) as sales,
        max(net_cny) as largest, sum(net_cny * net_cny) as squares,
        count(*) filter (is_void) as voids, count(distinct customer_id) as customers
    from '{path}' group by firm_id, month
"""


def _duckdb(path: Path) -> pl.DataFrame:
    sums = ", ".join(
        f"sum({name}) over (partition by firm_id order by month rows {months - 1} preceding) "
        f"as {name}_{months}m"
        for name in MEASURES
        for months in WINDOWS
    )
    query = f"with monthly as ({_MONTHLY.format(path=path)}) select *, {sums} from monthly"
    return duckdb.sql(query).pl()


def _polars(path: Path) -> pl.DataFrame:
    monthly = (
        pl.scan_parquet(path)
        .group_by("firm_id", "month")
        .agg(
            invoices=pl.len(),
            sales=pl.col("net_cny").filter(~pl.col("is_void")).sum(),
            largest=pl.col("net_cny").max(),
            squares=(pl.col("net_cny") * pl.col("net_cny")).sum(),
            voids=pl.col("is_void").sum(),
            customers=pl.col("customer_id").n_unique(),
        )
        .sort("firm_id", "month")
    )
    windows = [
        pl.col(name).cast(pl.Float64).rolling_sum(months, min_samples=1).over("firm_id")
        .alias(f"{name}_{months}m")
        for name in MEASURES
        for months in WINDOWS
    ]  # fmt: skip
    return monthly.with_columns(windows).collect()


def _pandas(path: Path) -> pl.DataFrame:
    import pandas as pd

    rows = pd.read_parquet(path)
    rows["valid_cny"] = rows["net_cny"].where(~rows["is_void"], 0.0)
    rows["squared"] = rows["net_cny"] ** 2
    monthly = (
        rows.groupby(["firm_id", "month"], sort=True)
        .agg(
            invoices=("net_cny", "size"),
            sales=("valid_cny", "sum"),
            largest=("net_cny", "max"),
            squares=("squared", "sum"),
            voids=("is_void", "sum"),
            customers=("customer_id", "nunique"),
        )
        .reset_index()
    )
    by_firm = monthly.groupby("firm_id", sort=False)
    for months in WINDOWS:
        rolled = by_firm[list(MEASURES)].rolling(months, min_periods=1).sum()
        rolled = rolled.reset_index(level=0, drop=True)
        for name in MEASURES:
            monthly[f"{name}_{months}m"] = rolled[name]
    return pl.from_pandas(monthly)


_FUNCTIONS = {"duckdb": _duckdb, "polars": _polars, "pandas": _pandas}


if __name__ == "__main__":
    main()
