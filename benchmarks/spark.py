"""DuckDB against Spark: the same tables, the same scores, and the time of each.

Run: .venv-spark/bin/python -m benchmarks.spark --firms 500 2000 --scored 20000 100000
For each size a home of simulated firms is made with `firmpulse run`. Both engines build facts,
features and labels from its masked rows, from scratch, with all data tests, and every table is
compared. Then invented firms are scored in one process and with `mapInArrow`. Spark runs on this
machine; its start-up time is given separately.
"""

import argparse
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import polars as pl
from polars.testing import assert_frame_equal

from benchmarks import scoring as invented
from benchmarks.commands import firmpulse
from features import build as on_duckdb
from features.spark import build as on_spark
from features.spark import comparison
from firmpulse import dbt_runner
from firmpulse.settings import Settings
from scoring import spark as spark_scoring

_AS_OF = date(2026, 10, 31)
_FITTED_ROWS = 20_000
T = TypeVar("T")


def main() -> None:
    """Print the times and the equality of each size."""
    options = _options()
    with TemporaryDirectory(prefix="firmpulse-benchmark-") as folder:
        root = Path(folder)
        started, spark = _timed(
            lambda: on_spark.local_session(Settings(home=root / "session", threads=options.threads))
        )
        print(f"Spark {spark.version} started in {started:.1f} s, {options.threads} threads")
        for firms in options.firms:
            home = root / str(firms)
            firmpulse(home, "run", "--firms", str(firms), "--months", str(options.months))
            _build(Settings(home=home, threads=options.threads), spark, firms, options.months)
        _score(spark, options, root)
        spark.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--firms", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--scored", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--features", type=int, default=120)
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _build(settings: Settings, spark: Any, firms: int, months: int) -> None:
    exporting, rows = _timed(lambda: on_spark.export_rows(settings))
    night = on_duckdb.newest_night(settings).isoformat()
    duckdb, _ = _timed(
        lambda: dbt_runner.build(settings, on_spark.MODELS, {"as_of": night}, full_refresh=True)
    )
    built = on_spark.build(settings, spark)
    found = comparison.compare(settings)
    print(
        f"{firms:,} firms x {months} months, {rows:,} masked rows: DuckDB {duckdb:.0f} s, "
        f"Spark {built.seconds:.0f} s (and {exporting:.1f} s for writing the rows)"
    )
    for schema in ("facts", "features", "labels"):
        part = found.filter(pl.col("table").str.starts_with(schema))
        print(
            f"  {schema}: {part.height} tables, {part['rows'].sum():,} rows, "
            f"{part['values'].sum():,} values; {part['differing'].sum():,} differ by more than "
            f"{comparison.TOLERANCE}, the furthest by {part['largest'].max():.1e}",
            flush=True,
        )


def _score(spark: Any, options: argparse.Namespace, root: Path) -> None:
    metas = invented.invented_metas(options.features)
    most = max(options.scored)
    rows = invented.invented_firms(most + _FITTED_ROWS, metas)
    model = invented.fitted(rows.tail(_FITTED_ROWS), metas, options)
    for count in options.scored:
        firms = rows.head(count)
        alone, parts = _timed(lambda firms=firms: list(invented.scored(model, metas, firms)))
        path = root / f"{count}.parquet"
        firms.write_parquet(path)
        frame = spark.read.parquet(str(path)).repartition(options.threads)
        took, found = _timed(
            lambda frame=frame: spark_scoring.scores(frame, model, metas, _AS_OF).toArrow()
        )
        expected = pl.concat([part.scores for part in parts])
        assert_frame_equal(
            pl.DataFrame(pl.from_arrow(found)).sort("firm_id"),
            expected.sort("firm_id"),
            check_exact=True,
        )
        print(
            f"{count:,} firms scored with reasons: one process {alone:.1f} s, Spark {took:.1f} s; "
            "equal to the bit",
            flush=True,
        )


def _timed(step: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = step()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()
