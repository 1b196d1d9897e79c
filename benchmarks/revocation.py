"""Many firms withdraw in the middle of a nightly run.

Run: python -m benchmarks.revocation --firms 2000 --revoked 100
A home folder is made with `firmpulse run`, then copied. The next night runs undisturbed in one; in
the other, firms chosen at random withdraw everything as soon as the masking is done. At the end
every output is searched for their rows, and the features and scores of all other firms are compared
with the undisturbed night. The firms are simulated.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.settings import Settings

_FIRMPULSE = Path(sys.executable).with_name("firmpulse")
# The night's output names each task as it ends.
_MOMENT = "build"


def main() -> None:
    """Print the findings; the exit code is 1 if any data of a withdrawn firm is left."""
    options = _options()
    with TemporaryDirectory(dir=options.folder) as folder:
        calm, stormy = Path(folder) / "calm", Path(folder) / "stormy"
        _firmpulse(calm, "run", "--firms", str(options.firms), "--months", str(options.months))
        _firmpulse(calm, "simulate")
        shutil.copytree(calm, stormy)
        night = _next_night(calm)
        undisturbed = _night(calm, night, None)
        chosen = _choose(stormy, night, options.revoked)
        disturbed = _night(stormy, night, lambda: _revoke(stormy, night, chosen))
        found = _compare(calm, stormy, night, chosen)
    print(f"{options.firms} simulated firms, {len(chosen)} withdraw after the masking of {night}")
    print(f"night undisturbed        {undisturbed:8.1f} s")
    print(f"night with withdrawals   {disturbed:8.1f} s")
    for name, value in found.items():
        print(f"{name:<58}{value:>8}")
    sys.exit(any(value for name, value in found.items() if name.startswith("left")))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--firms", type=int, default=2000)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--revoked", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=None, help="where to work")
    return parser.parse_args()


def _environment(home: Path) -> dict[str, str]:
    return os.environ | {"FIRMPULSE_HOME": str(home)}


def _firmpulse(home: Path, *arguments: str) -> None:
    subprocess.run([_FIRMPULSE, *arguments], env=_environment(home), check=True, stdout=sys.stderr)


def _next_night(home: Path) -> date:
    from cli import simulate

    simulation = simulate.load(Settings(home=home))
    if simulation is None or simulation.delivered_through is None:
        sys.exit("firmpulse run made no simulation")
    return simulation.delivered_through


def _night(home: Path, night: date, at_the_moment: "object") -> float:
    began = time.monotonic()
    command = [_FIRMPULSE, "night", "--as-of", night.isoformat()]
    with subprocess.Popen(
        command, env=_environment(home), stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            sys.stderr.write(line)
            if callable(at_the_moment) and _MOMENT in line.split():
                at_the_moment()
                at_the_moment = None
    if process.returncode:
        sys.exit(f"the night failed with exit code {process.returncode}")
    if at_the_moment is not None:
        sys.exit("the night's output did not show the build")
    return time.monotonic() - began


def _choose(home: Path, night: date, count: int) -> list[str]:
    live = Ledger(Settings(home=home)).live(night)["firm_id"].unique().sort().to_list()
    return random.Random(20261123).sample(live, count)  # noqa: S311 - a sample, no secret


def _revoke(home: Path, night: date, chosen: list[str]) -> None:
    ledger = Ledger(Settings(home=home))
    for firm_id in chosen:
        ledger.revoke(firm_id, on=night, actor="benchmark")


def _compare(calm: Path, stormy: Path, night: date, chosen: list[str]) -> dict[str, int]:
    ledger = Ledger(Settings(home=stormy))
    found = {
        "firms with a certificate": sum(bool(ledger.certificates(firm)) for firm in chosen),
        "left: rows in vault and warehouse": _rows_left(stormy, chosen),
        "left: rows of tonight's published scores": _published(stormy, chosen, night),
        "left: firms whose published results must not be kept": _unkept(stormy, chosen),
    }
    for view, other in _outputs(calm, chosen).items():
        mine = _outputs(stormy, chosen)[view]
        found[f"left: rows of others that differ in {view}"] = _differing(other, mine)
    return found


def _rows_left(home: Path, chosen: list[str]) -> int:
    total = 0
    with warehouse.connect(Settings(home=home), vault=True) as connection:
        connection.register("chosen", pl.DataFrame({"firm_id": chosen}))
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_columns() "
            "where database_name = 'warehouse' and column_name = 'firm_id' "
            "and schema_name not in ('scoring', 'ops')"
        ).fetchall():
            total += connection.execute(
                f'select count(*) from warehouse.{schema}."{table}" semi join chosen '
                f'on cast("{table}".firm_id as varchar) = chosen.firm_id'
            ).fetchall()[0][0]
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_columns() where database_name = 'vault' "
            "and column_name = 'firm' "
        ).fetchall():
            total += connection.execute(
                f'select count(*) from vault.{schema}."{table}" as t '
                "where cast(token('firm', t.firm) as varchar) in (select firm_id from chosen)"
            ).fetchall()[0][0]
    return total


def _published(home: Path, chosen: list[str], night: date) -> int:
    with warehouse.connect_published(Settings(home=home)) as connection:
        return int(
            connection.execute(
                "select count(*) from (from scores select firm_id, as_of union all "
                "from reasons select firm_id, as_of union all from unscored select firm_id, as_of) "
                "where as_of = ? and list_contains(?, firm_id)",
                [night, chosen],
            ).fetchall()[0][0]
        )


def _unkept(home: Path, chosen: list[str]) -> int:
    ledger = Ledger(Settings(home=home))
    with warehouse.connect_published(Settings(home=home)) as connection:
        present = {
            firm for (firm,) in connection.execute("select distinct firm_id from scores").fetchall()
        }
    day = date(2100, 1, 1)
    return sum(
        not all(
            ledger.status(firm, day).filter(pl.col("purpose") != "MODEL_TRAINING")["keep_results"]
        )
        for firm in present & set(chosen)
    )


def _outputs(home: Path, chosen: list[str]) -> dict[str, pl.DataFrame]:
    frames = {}
    with warehouse.connect(Settings(home=home)) as connection:
        views = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where database_name = 'warehouse' and (starts_with(table_name, 'feat_') "
            "or (schema_name = 'scoring' and table_name = 'scores')) order by 1"
        ).fetchall()
        for (view,) in views:
            frames[view] = connection.execute(
                f"select * exclude ({'through_seq' if 'feat_' in view else 'feature_digest'}) "
                f"replace (cast(firm_id as varchar) as firm_id) from warehouse.{view} "
                "where not list_contains(?, cast(firm_id as varchar)) order by firm_id, as_of",
                [chosen],
            ).pl()
    return frames


def _differing(left: pl.DataFrame, right: pl.DataFrame) -> int:
    if left.height != right.height:
        return abs(left.height - right.height)
    return int(
        left.select(
            (~pl.all_horizontal(_same(left[n], right[n]) for n in left.columns)).sum()
        ).item()
    )


def _same(left: pl.Series, right: pl.Series) -> pl.Series:
    """Compare; sums over threads differ in the last bits from run to run."""
    equal = left.eq_missing(right)
    if not left.dtype.is_float():
        return equal
    return equal | ((left - right).abs() <= 1e-9 * left.abs()).fill_null(value=False)


if __name__ == "__main__":
    main()
