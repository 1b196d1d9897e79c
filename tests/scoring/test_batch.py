"""One night scored with the champion of the economy whose outcomes are known."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from consent.ledger import Ledger
from features import registry
from firmpulse import bundle, tracking, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from scoring import batch
from scoring.batch import ScoringReport
from tests.credit_economy import (
    AS_OF,
    FIRMS,
    INSUFFICIENT,
    PARTIAL,
    SNAPSHOTS,
    THIN,
    Trained,
    firm_id,
    waiting_grant,
)
from training import frozen, pipeline


@pytest.fixture(scope="module")
def report(trained: Trained) -> ScoringReport:
    """Score the night after a promotion, with one grant that has no rows yet."""
    pipeline.promote(trained.settings, AS_OF, trained.candidate.version, "Li Wei")
    Ledger(trained.settings).record([waiting_grant()])
    return batch.score(trained.settings, AS_OF)


def _table(settings: Settings, name: str) -> pl.DataFrame:
    with warehouse.connect(settings) as connection:
        return connection.execute(f"from warehouse.scoring.{name} order by all").pl()


def _firms(trained: Trained, as_of: date) -> pl.DataFrame:
    champion = tracking.find_version(trained.settings, "firmpulse-credit", "champion")
    assert champion is not None
    folder = tracking.model_folder(trained.settings, "firmpulse-credit", champion.version)
    model = bundle.load(folder / "artifacts" / "bundle")
    granted = batch.assessable(trained.settings, as_of)
    known = registry.load(trained.settings)
    return batch.read_firms(trained.settings, as_of, known, model, granted)


def test_no_champion_tells_the_next_command(settings: Settings) -> None:
    report = batch.score(settings, AS_OF)
    assert report.champion is None
    assert report.scored == 0
    assert report.message == "no model is trained yet; run: firmpulse train --as-of 2026-10-31"


def test_every_firm_is_scored_or_told_why_not(trained: Trained, report: ScoringReport) -> None:
    assert report.scored == FIRMS - 1
    assert report.unscored == {"insufficient_history": 1, "no_rows": 1}
    assert sum(report.grades.values()) == FIRMS - 1
    unscored = {row["firm_id"]: row for row in _table(trained.settings, "unscored").to_dicts()}
    short = unscored[firm_id(INSUFFICIENT)]
    assert short["reason_en"] == "only 2 of 3 months observed"
    assert short["reason_zh"] == "可观测历史仅 2 个月，少于 3 个月"
    (other,) = set(unscored) - {firm_id(INSUFFICIENT)}
    assert unscored[other]["reason"] == "no_rows"


def test_scores_are_those_of_the_served_model(trained: Trained, report: ScoringReport) -> None:
    import mlflow

    scores = _table(trained.settings, "scores").sort("firm_id")
    tracking.client(trained.settings)
    served = mlflow.pyfunc.load_model("models:/firmpulse-credit@champion")
    firms = _firms(trained, AS_OF).filter(pl.col("coverage") != "insufficient").sort("firm_id")
    expected = served.predict(firms.to_pandas())
    assert scores["default_prob"].to_list() == expected["default_prob"].to_list()
    assert scores["grade"].to_list() == expected["grade"].to_list()
    points = 403.724 + 57.708 * np.log(1 / scores["default_prob"].to_numpy() - 1)
    assert np.abs(scores["score"].to_numpy() - points).max() <= 0.51
    assert scores["model_version"].unique().to_list() == [trained.candidate.version]


def test_coverage_follows_months_and_sources(trained: Trained, report: ScoringReport) -> None:
    scores = _table(trained.settings, "scores")
    tiers = dict(zip(scores["firm_id"], scores["coverage"], strict=True))
    assert tiers[firm_id(THIN)] == "thin"
    assert tiers[firm_id(PARTIAL)] == "partial"
    assert tiers[firm_id(10)] == "full"
    assert firm_id(INSUFFICIENT) not in tiers


def test_reasons_add_up_to_catboost_shap(trained: Trained, report: ScoringReport) -> None:
    from catboost import CatBoost, Pool

    folder = tracking.model_folder(trained.settings, "firmpulse-credit", report.champion or "")
    trees = CatBoost().load_model(str(folder / "artifacts" / "bundle" / "model.cbm"))
    known = registry.load(trained.settings)
    model = bundle.load(folder / "artifacts" / "bundle")
    firm = _firms(trained, AS_OF).filter(pl.col("firm_id") == firm_id(17))
    names = list(model.bundle.features)
    shap = trees.get_feature_importance(
        Pool(firm.select(names).to_pandas(), cat_features=["profile_industry"]), type="ShapValues"
    )[0]
    raw = model.raw_logit(firm)
    stretch = model.bundle.calibration.rise(float(shap[-1]), raw)[0]
    sums: dict[str, float] = {}
    for name, value in zip(names, shap, strict=False):
        code = f"{known[name].source}.{known[name].dimension.replace(' ', '_')}"
        sums[code] = sums.get(code, 0.0) + value * stretch
    expected = sorted(((v, k) for k, v in sums.items() if v > 0), reverse=True)[:4]
    stored = _table(trained.settings, "reasons").filter(pl.col("firm_id") == firm_id(17))
    stored = stored.sort("rank")
    assert stored["code"].to_list() == [code for _, code in expected]
    assert stored["log_odds"].to_list() == pytest.approx([value for value, _ in expected])


def test_a_second_run_replaces_and_gives_the_same(trained: Trained, report: ScoringReport) -> None:
    names = ("scores", "reasons", "unscored", "model_versions")
    before = {name: _table(trained.settings, name) for name in names}
    again = batch.score(trained.settings, AS_OF)
    assert again.feature_digest == report.feature_digest
    for name in names:
        assert _table(trained.settings, name).equals(before[name]), name


def test_training_and_scoring_read_the_same_features(
    trained: Trained, report: ScoringReport
) -> None:
    snapshot = SNAPSHOTS[6]
    assert snapshot == date(2025, 7, 31)
    folder = tracking.model_folder(trained.settings, "firmpulse-credit", report.champion or "")
    model = bundle.load(folder / "artifacts" / "bundle")
    trained_on = frozen.read(trained.settings, AS_OF).rows.filter(pl.col("as_of") == snapshot)
    scored_on = _firms(trained, snapshot).filter(
        pl.col("firm_id").is_in(trained_on["firm_id"].to_list())
    )
    names = ["firm_id", *model.bundle.features]
    assert trained_on.height > 500
    assert scored_on.select(names).equals(trained_on.sort("firm_id").select(names))


def test_a_night_without_features_is_refused(trained: Trained, report: ScoringReport) -> None:
    with pytest.raises(NotReadyError, match="run: firmpulse night --as-of 2027-01-01"):
        batch.score(trained.settings, date(2027, 1, 1))
