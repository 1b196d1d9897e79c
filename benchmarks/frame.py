"""Features as known at each row of a spine: ours compared with alternatives.

Run: python -m benchmarks.frame --firms 150000 --months 36 --features 40 --spine 900000
     add --feast PYTHON for an interpreter with Feast (pip install -r requirements-feast.txt)
Every way reads the same invented features, from the encrypted warehouse (ours) or from Parquet (the
others), in a separate process. All must give the same values, which is checked. Prints seconds and
the largest resident set.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from benchmarks.memory import peak_mb
from features.frame import frame
from features.registry import FeatureMeta, Registry
from firmpulse import warehouse
from firmpulse.settings import Settings

_VIEWS = 4
WAYS = ("frame", "asof", "inequality", "polars")


def main() -> None:
    """Make the store, run every way in a separate process, print the table."""
    options = _options()
    if options.way:
        print(json.dumps(_run(options)))
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    _make(options)
    print(f"{options.firms * options.months:,} rows x {options.features} features, "
          f"{options.spine:,} rows of a spine")  # fmt: skip
    print("way        seconds  peak MB  digest", flush=True)
    for way in WAYS:
        _tell(way, [sys.executable, "-m", "benchmarks.frame", *sys.argv[1:], "--way", way])
    if options.feast:
        script = Path(__file__).with_name("frame_feast.py")
        names = ",".join(_names(options.features))
        _tell("feast", [options.feast, str(script), str(options.folder), names, str(_VIEWS)])
    shutil.rmtree(options.folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--firms", type=int, default=150_000)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--features", type=int, default=40)
    parser.add_argument("--spine", type=int, default=900_000)
    parser.add_argument("--feast", help="interpreter with Feast")
    parser.add_argument("--folder", type=Path, default=Path("var/benchmark"))
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _tell(way: str, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{way:<10} failed: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return
    found = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{way:<10} {found['seconds']:7.1f} {found['peak_mb']:8,.0f}  {found['digest']}",
          flush=True)  # fmt: skip


def _names(count: int) -> list[str]:
    return [f"f{number:02}" for number in range(count)]


def _registry(count: int) -> Registry:
    return Registry(tuple(
        FeatureMeta(
            name=name, view=f"feat_{number % _VIEWS}", source="tax", dimension="scale",
            window="12m", unit="1", expected_sign="U", null_means="never", kind="number",
            name_zh=name, name_en=name,
        )
        for number, name in enumerate(_names(count))
    ))  # fmt: skip


def _make(options: argparse.Namespace) -> None:
    """Write the features into the warehouse and as Parquet, and the spine."""
    settings = Settings(home=options.folder / "home")
    names = _names(options.features)
    values = ", ".join(
        f"hash(n, m, {number}) % 1000000 / 1000.0 as {name}" for number, name in enumerate(names)
    )
    with warehouse.connect(settings) as connection:
        connection.execute("create schema warehouse.features")
        connection.execute(f"""
            create temp table wide as
            select md5(n::varchar)::uuid as firm_id,
                last_day(date '2022-01-01' + to_months(m::integer)) as as_of, {values}
            from range({options.firms}) as firms(n), range({options.months}) as months(m)
        """)
        connection.execute(
            "create table warehouse.features.firm_snapshots as select firm_id, as_of from wide"
        )
        for view in range(_VIEWS):
            chosen = ", ".join(names[view::_VIEWS])
            query = f"select firm_id, as_of, {chosen} from wide"
            connection.execute(f"create table warehouse.features.feat_{view} as {query}")
            connection.execute(f"copy (select * replace (firm_id::varchar as firm_id, "
                               f"as_of::timestamptz as as_of) from ({query})) "
                               f"to '{options.folder}/feat_{view}.parquet'")  # fmt: skip
        connection.execute(f"copy (select * replace (firm_id::varchar as firm_id) from wide) "
                           f"to '{options.folder}/wide.parquet'")  # fmt: skip
        connection.execute(f"""
            copy (
                select i as row_nr,
                    md5((hash(i) % {options.firms})::varchar)::uuid::varchar as firm_id,
                    date '2022-02-01' + cast(hash(i, 1) % {options.months * 30} as integer) as as_of
                from range({options.spine}) as spine(i)
            ) to '{options.folder}/spine.parquet'
        """)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    names = _names(options.features)
    begun = time.perf_counter()
    rows = _FUNCTIONS[options.way](options.folder, names)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "peak_mb": peak_mb(), "digest": digest(rows, names)}


def digest(rows: pl.DataFrame, names: list[str]) -> str:
    """Return what two results must have in common: rows, and feature sums to a thousandth."""
    total = sum(round(rows[name].sum(), 3) * (place + 1) for place, name in enumerate(names))
    return f"{rows.height} {total:.2f}"


def _frame(folder: Path, names: list[str]) -> pl.DataFrame:
    spine = pl.read_parquet(folder / "spine.parquet")
    with warehouse.connect(Settings(home=folder / "home", memory_limit="500MB")) as connection:
        return frame(connection, _registry(len(names)), spine, names)


def _asof(folder: Path, names: list[str]) -> pl.DataFrame:
    return duckdb.sql(f"""
        select spine.*, {", ".join(names)}
        from '{folder}/spine.parquet' as spine
        asof left join '{folder}/wide.parquet' as wide
            on spine.firm_id = wide.firm_id and spine.as_of >= wide.as_of
        order by row_nr
    """).pl()


def _inequality(folder: Path, names: list[str]) -> pl.DataFrame:
    return duckdb.sql(f"""
        select spine.*, {", ".join(names)}
        from '{folder}/spine.parquet' as spine
        left join '{folder}/wide.parquet' as wide
            on spine.firm_id = wide.firm_id and spine.as_of >= wide.as_of
        qualify row_number() over (partition by row_nr order by wide.as_of desc) = 1
        order by row_nr
    """).pl()


def _polars(folder: Path, names: list[str]) -> pl.DataFrame:
    spine = pl.read_parquet(folder / "spine.parquet").sort("as_of")
    wide = pl.read_parquet(folder / "wide.parquet").sort("as_of")
    found = spine.join_asof(wide, on="as_of", by="firm_id", strategy="backward")
    return found.sort("row_nr").select("row_nr", "firm_id", "as_of", *names)


_FUNCTIONS = {"frame": _frame, "asof": _asof, "inequality": _inequality, "polars": _polars}


if __name__ == "__main__":
    main()
