"""Is the champion still valid? Its scores, features, probabilities and warnings, every month."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import polars as pl

from consent import champion
from features import registry
from features.registry import Registry
from firmpulse import runlog, scale, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from firmpulse.stability import PSI_MOVED, PSI_MUCH
from firmpulse.stored_tables import MODEL_HEALTH
from model import bundle
from model.bundle import CreditModel
from operations import matured
from training import calibration_checks, labels, metrics, versions
from training.config import DEFAULT
from training.split import TRAIN
from training.validation import subject

# Share of the features that have moved much.
_MOVED_YELLOW, MOVED_RED = 0.05, 0.20
# Mean default probability of the night to that of the training rows, from either side.
_LEVEL_YELLOW, _LEVEL_RED = 0.90, 0.80
# Fewer matured outcomes or defaults show nothing about a model.
_LEAST_OUTCOMES, _LEAST_DEFAULTS = 200, 20
_GREEN, _YELLOW, _RED, _UNKNOWN = "green", "yellow", "red", "unknown"

_DRIFT = """
    select count(*) filter (psi >= $red), max(psi), count(*)
    from warehouse.ops.feature_drift
    where model_version = $version and as_of = (
        select max(as_of) from warehouse.ops.feature_drift
        where model_version = $version and as_of <= $as_of
    )
"""


@dataclass(frozen=True)
class Measure:
    """One measurement of a model version on a date; None if not yet known."""

    as_of: date
    model_version: str
    metric: str
    value: float | None
    row_count: int | None
    # green, yellow, red or unknown
    light: str
    meaning: str


def measure(settings: Settings, as_of: date) -> tuple[Measure, ...]:
    """Measure the champion at `as_of` and record it; a repeated run replaces its records.

    Raises:
        NotPromotedError: MLflow's champion is not the version that was promoted last.
        NotReadyError: there is no champion, or its training frame was sampled again.
        ModelChangedError: the files of the champion differ from the registered ones.
    """
    leads = champion.champion(settings)
    if leads is None:
        raise NotReadyError(f"there is no champion; run: firmpulse train --as-of {as_of}")
    version = str(leads.version)
    with runlog.step(settings, as_of, "monitor", version) as step:
        model = bundle.load(subject.files_of(settings, version))
        learnt = _learnt(settings, version, model)
        with warehouse.connect(settings) as connection:
            measures = [
                *_scores(connection, as_of, version, learnt),
                *_level(connection, registry.load(settings), as_of, version, learnt, model),
                *_features(connection, as_of, version),
                *_outcomes(connection, as_of, version),
            ]
        measures += _warnings(settings, as_of, version)
        with warehouse.connect(settings) as connection:
            _record(connection, as_of, version, measures)
        step.rows_out = len(measures)
    return tuple(measures)


def newest(connection: duckdb.DuckDBPyConnection) -> tuple[Measure, ...]:
    """Return the last measurements."""
    rows = connection.execute(
        f"select {', '.join(MODEL_HEALTH.columns)} from warehouse.ops.model_health "  # noqa: S608 - declared names
        "where as_of = (select max(as_of) from warehouse.ops.model_health) order by all"
    ).fetchall()
    return tuple(Measure(*row) for row in rows)


def _learnt(settings: Settings, version: str, model: CreditModel) -> FloatArray:
    """Return the default probabilities of the rows that the version was trained on."""
    found = versions.get(settings, version)
    frame = subject.frame_of(settings, versions.trained_as_of(found), found.frame_digest)
    return model.default_prob(frame.part(TRAIN))


def _scores(
    connection: duckdb.DuckDBPyConnection, as_of: date, version: str, learnt: FloatArray
) -> Iterator[Measure]:
    meaning = "PSI of the default probabilities against those of the training rows, in deciles"
    now = _night(connection, as_of, version)["default_prob"].to_numpy()
    if not len(now):
        yield Measure(as_of, version, "score_psi", None, 0, _UNKNOWN, meaning)
        return
    psi = metrics.score_stability(learnt, now)
    yield Measure(as_of, version, "score_psi", psi, len(now), _light(psi), meaning)


def _level(
    connection: duckdb.DuckDBPyConnection,
    known: Registry,
    as_of: date,
    version: str,
    learnt: FloatArray,
    model: CreditModel,
) -> Iterator[Measure]:
    """Yield the mean PD of the night against training and against what became of alike firms."""
    scored = _night(connection, as_of, version)
    now, coverage = scored["default_prob"].to_numpy(), scored["coverage"]
    if not len(now):
        return
    level = float(now.mean() / learnt.mean())
    yield Measure(
        as_of, version, "level_to_training", level, len(now), _level_light(level),
        f"mean default probability of the night to that of the training rows, {learnt.mean():.4f}",
    )  # fmt: skip
    if model.bundle.portfolio_shift and not labels.are_monthly_known(connection, as_of):
        yield Measure(
            as_of, version, "level_to_matured", None, 0, _UNKNOWN,
            "the version is at the level of the portfolio, and outcomes are known of sampled loans",
        )  # fmt: skip
        return
    alike = matured.rate_of_alike(connection, known, as_of, coverage)
    meaning = "mean default probability of the night to the default rate of firms of the same "
    meaning += "coverage tiers in the newest quarters whose outcomes are known"
    if alike.defaults < _LEAST_DEFAULTS:
        yield Measure(as_of, version, "level_to_matured", None, alike.defaults, _UNKNOWN, meaning)
        return
    level = float(now.mean() / alike.rate)
    yield Measure(
        as_of, version, "level_to_matured", level, len(now), _level_light(level),
        f"{meaning}, {alike.rate:.4f} ({alike.defaults} defaults)",
    )  # fmt: skip


def _features(
    connection: duckdb.DuckDBPyConnection, as_of: date, version: str
) -> Iterator[Measure]:
    ((moved, most, count),) = connection.execute(
        _DRIFT, {"as_of": as_of, "version": version, "red": PSI_MUCH}
    ).fetchall()
    if not count:
        return
    share = moved / count
    light = _GREEN if share < _MOVED_YELLOW else _YELLOW if share < MOVED_RED else _RED
    yield Measure(as_of, version, "features_moved", moved, count, light,
                  f"features of the model with a PSI of {PSI_MUCH} and more")  # fmt: skip
    yield Measure(as_of, version, "feature_psi_max", most, count, _light(most),
                  "largest PSI of a feature of the model")  # fmt: skip


def _night(connection: duckdb.DuckDBPyConnection, as_of: date, version: str) -> pl.DataFrame:
    """Return default_prob and coverage of the newest night; firms in default are left out."""
    found: pl.DataFrame = connection.execute(
        "select default_prob, coverage from warehouse.scoring.scores "
        "where grade <> $defaulted and model_version = $version and as_of = ("
        "select max(as_of) from warehouse.scoring.scores where as_of <= $as_of)",
        {"as_of": as_of, "version": version, "defaulted": scale.DEFAULTED},
    ).pl()
    return found


def _outcomes(
    connection: duckdb.DuckDBPyConnection, as_of: date, version: str
) -> Iterator[Measure]:
    found = matured.scores(connection, as_of, version)
    rows = found.filter(~pl.col("is_late") & ~pl.col("is_learnt"))
    bad, prob = rows["bad"].to_numpy().astype(np.float64), rows["default_prob"].to_numpy()
    defaults = int(bad.sum())
    yield Measure(
        as_of, version, "matured_scores", rows.height, rows.height, _GREEN,
        "published scores, one per firm and quarter, whose twelve months are over",
    )  # fmt: skip
    learnt = found.filter("is_learnt").height
    late = found.height - rows.height - learnt
    yield Measure(
        as_of, version, "matured_scores_learnt", learnt, learnt, _GREEN,
        "left out: their date is before the date up to which the version was trained",
    )  # fmt: skip
    yield Measure(
        as_of, version, "matured_scores_late", late, late, _GREEN,
        f"left out: made more than {matured.MOST_DAYS_LATE} days after their date, or unknown when",
    )  # fmt: skip
    enough = rows.height >= _LEAST_OUTCOMES and defaults >= _LEAST_DEFAULTS
    if not enough:
        yield Measure(
            as_of, version, "observed_to_expected", None, rows.height, _UNKNOWN,
            f"defaults observed to expected; shown from {_LEAST_OUTCOMES} scores and "
            f"{_LEAST_DEFAULTS} defaults on",
        )  # fmt: skip
        return
    high = calibration_checks.correlated_p(
        rows.height, defaults, float(prob.mean()), DEFAULT.asset_correlation
    )
    light = (
        _RED
        if min(high, 1 - high) < calibration_checks.RED
        else _YELLOW
        if min(high, 1 - high) < calibration_checks.YELLOW
        else _GREEN
    )
    yield Measure(
        as_of, version, "observed_to_expected", defaults / float(prob.sum()), rows.height, light,
        "defaults observed to expected; the light is of the one-factor test",
    )  # fmt: skip
    auc = metrics.measure(bad, prob)["auc"]
    yield Measure(as_of, version, "auc", auc, rows.height, _GREEN if auc >= 0.7 else _RED,
                  "AUC of published scores on their outcomes")  # fmt: skip
    for check in calibration_checks.by_grade(bad, prob, DEFAULT.asset_correlation):
        yield Measure(
            as_of, version, f"default_rate_{check.grade}", check.observed_rate, check.rows,
            check.light, f"observed; {check.mean_prob:.4f} was expected for the grade",
        )  # fmt: skip


def _warnings(settings: Settings, as_of: date, version: str) -> list[Measure]:
    from operations import backtest

    try:
        measured = backtest.run(settings, version, draws=50).history
    except NotReadyError as reason:
        return [Measure(as_of, version, "warning_precision", None, 0, _UNKNOWN, str(reason))]
    return [
        Measure(
            as_of, version, f"warning_{name}", values[backtest.RULES].value, measured.rows, _GREEN,
            f"{name} of the rules at the month ends with known outcomes",
        )
        for name, values in measured.values.items()
    ]  # fmt: skip


def _record(
    connection: duckdb.DuckDBPyConnection, as_of: date, version: str, measures: list[Measure]
) -> None:
    connection.execute("begin")
    connection.execute(
        "delete from warehouse.ops.model_health where as_of = ? and model_version = ?",
        [as_of, version],
    )
    for one in measures:
        connection.execute(MODEL_HEALTH.insert_sql(vars(one)), vars(one))
    connection.execute("commit")


def _level_light(level: float) -> str:
    apart = min(level, 1 / level)
    return _GREEN if apart >= _LEVEL_YELLOW else _YELLOW if apart >= _LEVEL_RED else _RED


def _light(psi: float) -> str:
    return _GREEN if psi < PSI_MOVED else _YELLOW if psi < PSI_MUCH else _RED
