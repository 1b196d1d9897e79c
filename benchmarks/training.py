"""The cost of a training, step by step: seconds and peak memory, each in a separate process.

Run: python -m benchmarks.training --rows 200000 --features 120 --trials 3
Rows are invented: firms with four quarterly snapshots, two of them out of time, a latent quality
behind every feature and the outcome, and four firms in a hundred in default. The frame is frozen
in a scratch warehouse, and the steps are those of the DAG `train_model`.
"""

import argparse
import multiprocessing
import resource
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from features.registry import FeatureMeta
from firmpulse import warehouse
from firmpulse.settings import Settings
from firmpulse.sources import MAIN_SOURCES
from training import frozen, pipeline
from training.config import DEFAULT

_AS_OF = date(2026, 10, 31)
_SNAPSHOTS = {
    date(2024, 3, 31): "train", date(2024, 6, 30): "train",
    date(2025, 6, 30): "oot", date(2025, 9, 30): "oot",
}  # fmt: skip
_STATEMENTS = 7
_MISSING_SHARE = 0.1


def main() -> None:
    """Print one line per step."""
    options = _options()
    with TemporaryDirectory(prefix="firmpulse-benchmark-") as folder:
        settings = Settings(home=Path(folder) / "home", threads=options.threads)
        steps = {
            "freeze the frame": lambda: _freeze(settings, options.rows, options.features),
            "fit_statements": lambda: pipeline.fit_statements(settings, _AS_OF).seconds,
            "fit_logistic": lambda: pipeline.fit_logistic(settings, _AS_OF).seconds,
            "fit_candidate": lambda: _fit_candidate(settings, options.trials),
            "validate": lambda: pipeline.validate(settings, _AS_OF, "1") and {},
        }
        print(f"{options.rows:,} rows x {options.features} features, {options.threads} threads")
        print(f"{'step':<18}{'seconds':>9}{'peak MB':>9}  where it goes")
        for name, step in steps.items():
            seconds, peak_mb, parts = _apart(step)
            where = ", ".join(f"{part} {took:.1f}" for part, took in parts.items())
            print(f"{name:<18}{seconds:>9.1f}{peak_mb:>9,.0f}  {where}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=200_000)
    parser.add_argument("--features", type=int, default=120)
    parser.add_argument("--trials", type=int, default=DEFAULT.trials)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _apart(step: Callable[[], Any]) -> tuple[float, float, dict[str, float]]:
    """Return seconds, peak memory and parts of a step that runs in a separate process."""
    answers: Any = multiprocessing.Queue()

    def run() -> None:
        started = time.perf_counter()
        parts = step()
        took = time.perf_counter() - started
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.put((took, peak_mb, dict(parts or {})))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the step failed; its error is above")
    found: tuple[float, float, dict[str, float]] = answers.get()
    return found


def _fit_candidate(settings: Settings, trials: int) -> Any:
    return pipeline.fit_candidate(settings, _AS_OF, replace(DEFAULT, trials=trials)).seconds


def _freeze(settings: Settings, rows: int, features: int) -> None:
    random = np.random.default_rng(20)
    firms = rows // len(_SNAPSHOTS)
    quality = random.normal(size=firms)
    ids = [str(uuid.UUID(int=(i * 2654435761 % 2**64) << 64 | i)) for i in range(firms)]
    metas = _metas(features)
    parts = [_snapshot(random, quality, ids, metas, *item) for item in _SNAPSHOTS.items()]
    frame = pl.concat(parts).sort("firm_id", "as_of")
    with warehouse.connect(settings) as connection:
        frozen.write(connection, _AS_OF, frame, metas, frozen.table_name(_AS_OF))
        connection.register("rows", frame)
        for schema in ("facts", "labels", "features"):
            connection.execute(f"create schema if not exists warehouse.{schema}")
        connection.execute(
            "create table warehouse.labels.default_12m as select cast(firm_id as uuid) as firm_id, "
            "as_of, outcome, as_of + 370 as available_at, date '9999-12-31' as superseded_at "
            "from rows"
        )
        connection.execute(
            "create table warehouse.features.feat_profile_monthly as "
            "select cast(firm_id as uuid) as firm_id, as_of, 24.0 as profile_observed_months "
            "from rows"
        )
        connection.execute(
            "create table warehouse.facts.fct_loan_monthly as "
            "select cast(firm_id as uuid) as firm_id, cast(date_trunc('month', as_of) as date) "
            "+ to_months(step) as month, last_day(month) as available_at, "
            "date '9999-12-31' as superseded_at, "
            "if(step > 4 and outcome = 'bad', 90, 0) as days_past_due "
            "from rows, range(6) as steps(step) where split = 'oot'"
        )


def _metas(count: int) -> tuple[FeatureMeta, ...]:
    shared = {"window": "12m", "unit": "1", "null_means": "not observed"}
    numbers = [
        FeatureMeta(
            name=f"{source}_feature_{place:03}", view=f"feat_{source}", source=source,
            dimension="stability", expected_sign="+-U"[place % 3], kind="number",
            name_zh=f"指标{place}", name_en=f"feature {place}",
            sources=(source,) if source in MAIN_SOURCES else (), **shared,
        )
        for place, source in enumerate(
            [*(MAIN_SOURCES[place % 4] for place in range(count - 1)), *["statement"] * _STATEMENTS]
        )
    ]  # fmt: skip
    industry = FeatureMeta(
        name="profile_industry", view="feat_profile", source="profile", dimension="profile",
        expected_sign="U", kind="category", name_zh="行业", name_en="industry",
        sources=("tax",), **shared,
    )  # fmt: skip
    return (*numbers, industry)


def _snapshot(
    random: np.random.Generator,
    quality: np.ndarray,
    ids: list[str],
    metas: tuple[FeatureMeta, ...],
    day: date,
    split: str,
) -> pl.DataFrame:
    count = len(ids)
    bad = random.random(count) < 1 / (1 + np.exp(3.6 + 1.2 * quality))
    values: dict[str, Any] = {
        "firm_id": ids, "as_of": [day] * count,
        "outcome": np.where(bad, "bad", "good").tolist(), "split": [split] * count,
    }  # fmt: skip
    for place, meta in enumerate(metas[:-1]):
        loading = {"+": -0.25, "-": 0.25, "U": 0.0}[meta.expected_sign] * (place % 5 > 1)
        value = loading * quality + random.normal(size=count)
        value[random.random(count) < _MISSING_SHARE] = np.nan
        values[meta.name] = value
    values["profile_industry"] = [f"{13 + place % 30}" for place in range(count)]
    return pl.DataFrame(values).with_columns(pl.col(pl.Float64).fill_nan(None))


if __name__ == "__main__":
    main()
