"""The cost of scoring a night: probabilities only, then reasons and grades, then writing.

Run: python -m benchmarks.scoring --firms 100000 --features 120 --trees 500
Rows are invented: numbers driven by a latent quality; the model is fitted on 20,000 of them. The
features are in memory, as after reading them in a night; the tables are those of the encrypted
warehouse. CatBoost's own speed is given twice: on an existing pool, and including making the pool.
"""

import argparse
import resource
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from features.registry import FeatureMeta
from firmpulse import warehouse
from firmpulse.settings import Settings
from firmpulse.stored_tables import REASONS, SCORES
from model import bundle
from model.bundle import Bundle, CreditModel
from model.calibration import Platt
from model.reasons import DIMENSIONS
from scoring import batch, store

_AS_OF = date(2026, 10, 31)
_FITTED_ROWS = 20_000
_REPEATS = 3


def main() -> None:
    """Print one line per step."""
    options = _options()
    metas = invented_metas(options.features)
    rows = invented_firms(options.firms + _FITTED_ROWS, metas)
    model = fitted(rows.tail(_FITTED_ROWS), metas, options)
    firms = rows.head(options.firms)
    pool = bundle.pool_of(
        bundle.matrix_of(firms, model.bundle.features, model.bundle.categorical),
        model.bundle.categorical,
    )
    print(
        f"{options.firms:,} firms x {options.features} features, {options.trees} trees of depth "
        f"{options.depth}, {options.threads} threads, best of {_REPEATS}"
    )
    _line("CatBoost predict, pool made before", options.firms, lambda: _predict(model, pool))
    _line(
        "CatBoost, pool and predict",
        options.firms,
        lambda: _predict(model, bundle.pool_of(firms.select(model.bundle.features), ())),
    )
    _line("PD, from the frame", options.firms, lambda: model.default_prob(firms))
    _line("PD, grade, sub-scores, reasons", options.firms, lambda: scored(model, metas, firms))
    with TemporaryDirectory(prefix="firmpulse-benchmark-") as folder:
        settings = Settings(home=Path(folder) / "home", threads=options.threads)
        _line(
            "all of that, and written",
            options.firms,
            lambda: _written(settings, model, metas, firms),
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--firms", type=lambda text: int(float(text)), default=100_000)
    parser.add_argument("--features", type=int, default=120)
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _line(name: str, firms: int, step: Callable[[], Any]) -> None:
    took = min(_seconds(step) for _ in range(_REPEATS))
    print(f"{name:<36}{took:>8.2f} s{firms / took:>14,.0f} firms/s", flush=True)


def _seconds(step: Callable[[], Any]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def _predict(model: CreditModel, pool: Any) -> Any:
    return model.trees.predict(
        pool, prediction_type="RawFormulaVal", thread_count=model.bundle.threads
    )


def scored(
    model: CreditModel, metas: tuple[FeatureMeta, ...], firms: pl.DataFrame
) -> list[batch.ScoredBatch]:
    """Return probabilities, grades and reasons of all firms, batch by batch."""
    return list(batch.score_batches(model, metas, firms, _AS_OF))


def _written(
    settings: Settings, model: CreditModel, metas: tuple[FeatureMeta, ...], firms: pl.DataFrame
) -> None:
    parts = scored(model, metas, firms)
    origin = {name: pl.lit("benchmark") for name in ("model_name", "model_version", "code_version")}
    with warehouse.connect(settings) as connection:
        for table, rows in (
            (SCORES, pl.concat([part.scores for part in parts]).with_columns(**origin)),
            (REASONS, pl.concat([part.reasons for part in parts])),
        ):
            store.replace_firms(connection, table, rows, _AS_OF)


def invented_metas(count: int) -> tuple[FeatureMeta, ...]:
    """Return the definitions of this many dummy features."""
    sources = ("tax", "bank", "supply_chain", "power")
    return tuple(
        FeatureMeta(
            name=f"feature_{place:03}", view="feat_invented", source=sources[place % 4],
            dimension=DIMENSIONS[place % 10], window="12m", unit="1", expected_sign="U",
            null_means="not observed", kind="number", name_zh=f"指标{place}",
            name_en=f"feature {place}", sources=(sources[place % 4],),
        )
        for place in range(count)
    )  # fmt: skip


def invented_firms(count: int, metas: tuple[FeatureMeta, ...]) -> pl.DataFrame:
    """Return rows of firms with features driven by a latent quality, and whether each defaulted."""
    random = np.random.default_rng(20)
    quality = random.normal(size=count)
    columns = {
        meta.name: quality * (place % 5) / 10 + random.normal(size=count)
        for place, meta in enumerate(metas)
    }
    return pl.DataFrame(columns).with_columns(
        pl.Series("bad", random.random(count) < 0.04 * np.exp(-quality)),
        firm_id=pl.format("firm-{}", pl.int_range(count)),
        as_of=pl.lit(_AS_OF),
        coverage=pl.lit("full"),
        supplements=pl.lit([], dtype=pl.List(pl.String)),
        grants=pl.lit(["A-1"], dtype=pl.List(pl.String)),
        in_default=pl.lit(value=False),
        is_individual=pl.lit(value=False),
        profile_observed_months=pl.lit(24.0),
        profile_source_count=pl.lit(4.0),
    )


def fitted(
    rows: pl.DataFrame, metas: tuple[FeatureMeta, ...], options: argparse.Namespace
) -> CreditModel:
    """Return a model of the rows."""
    from catboost import CatBoostClassifier

    names = tuple(meta.name for meta in metas)
    pool = bundle.pool_of(
        bundle.matrix_of(rows, names, ()), (), rows["bad"].cast(pl.Float64).to_numpy()
    )
    trees = CatBoostClassifier(
        iterations=options.trees, depth=options.depth, thread_count=options.threads,
        random_seed=20, verbose=False, allow_writing_files=False,
    )  # fmt: skip
    trees.fit(pool)
    made = Bundle(names, (), Platt(1.0, 0.0), _AS_OF, "benchmark", options.threads, 20)
    return CreditModel(made, trees)


if __name__ == "__main__":
    main()
