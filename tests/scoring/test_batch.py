"""One night scored with the champion of the economy whose outcomes are known."""

from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl
import pytest

from consent.ledger import Ledger
from features import registry
from firmpulse import tracking, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from model import bundle, coverage
from scoring import batch, inputs
from scoring.batch import ScoringReport
from tests.credit_economy import (
    AS_OF,
    FIRMS,
    INDIVIDUAL,
    INSUFFICIENT,
    PARTIAL,
    SNAPSHOTS,
    THIN,
    Trained,
    firm_id,
    waiting_grant,
)
from training import frozen, pipeline

# A firm with its own score.
SOUND = 10


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
    granted = inputs.assessable(trained.settings, as_of)
    known = registry.load(trained.settings)
    return inputs.read_firms(trained.settings, as_of, known, model, granted)


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
    sound = (scores["grade"] != "D").to_numpy()
    assert 0 < (~sound).sum() < FIRMS
    assert scores["default_prob"].to_numpy()[sound].tolist() == (
        expected["default_prob"].to_numpy()[sound].tolist()
    )
    assert (
        scores["grade"].to_numpy()[sound].tolist() == expected["grade"].to_numpy()[sound].tolist()
    )
    scores = scores.filter(pl.Series(sound))
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
    firm = _firms(trained, AS_OF).filter(pl.col("firm_id") == firm_id(SOUND))
    names = list(model.bundle.features)
    shap = trees.get_feature_importance(
        Pool(firm.select(names).to_pandas(), cat_features=["profile_industry"]), type="ShapValues"
    )[0]
    raw = model.raw_logit(firm)
    stretch = model.bundle.calibration.rise(float(shap[-1]), raw)[0]
    sums: dict[str, float] = {}
    for name, value in zip(names, shap, strict=False):
        # An unobserved feature is not a reason, nor is the amount of observed data.
        if firm[name].item() is None or name in coverage.ABOUT_THE_DATA:
            continue
        code = f"{known[name].source}.{known[name].dimension.replace(' ', '_')}"
        sums[code] = sums.get(code, 0.0) + value * stretch
    expected = sorted(((v, k) for k, v in sums.items() if v > 0), reverse=True)[:4]
    stored = _table(trained.settings, "reasons").filter(pl.col("firm_id") == firm_id(SOUND))
    stored = stored.sort("rank")
    assert stored["code"].to_list() == [code for _, code in expected]
    assert stored["log_odds"].to_list() == pytest.approx([value for value, _ in expected])


def test_a_second_run_replaces_and_gives_the_same(trained: Trained, report: ScoringReport) -> None:
    names = ("scores", "reasons", "unscored", "model_versions")
    before = {name: _table(trained.settings, name) for name in names}
    again = batch.score(trained.settings, AS_OF)
    assert again.scored == report.scored
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


def test_a_night_without_features_is_refused(
    trained: Trained, report: ScoringReport, clock_at: Callable[[date], None]
) -> None:
    clock_at(date(2027, 1, 1))
    with pytest.raises(NotReadyError, match="run: firmpulse night --as-of 2027-01-01"):
        batch.score(trained.settings, date(2027, 1, 1))


def test_a_firm_in_default_is_graded_d_and_not_scored(
    trained: Trained, report: ScoringReport
) -> None:
    with warehouse.connect(trained.settings) as connection:
        overdue = connection.execute(
            "select cast(firm_id as varchar) from warehouse.facts.fct_loan_monthly "
            "where month = date '2026-09-01' and days_past_due >= 90"
        ).fetchall()
    scores = _table(trained.settings, "scores")
    graded = scores.filter(pl.col("grade") == "D")
    assert set(graded["firm_id"]) == {firm for (firm,) in overdue} - {firm_id(INSUFFICIENT)}
    assert graded["default_prob"].unique().to_list() == [1.0]
    assert graded["score"].unique().to_list() == [300]
    assert graded["dimension_scale"].null_count() == graded.height
    assert graded["needs_review"].all()
    reasons = _table(trained.settings, "reasons").join(graded, on="firm_id", how="semi")
    assert reasons["code"].to_list() == ["lender.default"] * graded.height


def test_a_person_must_look_at_persons_and_thin_files(
    trained: Trained, report: ScoringReport
) -> None:
    scores = _table(trained.settings, "scores").filter(pl.col("grade") != "D")
    found = {row["firm_id"]: row["review_reasons"] for row in scores.to_dicts()}
    assert found[firm_id(INDIVIDUAL[0])] == ["individual_business"]
    assert found[firm_id(THIN)] == ["founder_credit_used", "thin_file"]
    assert found[firm_id(SOUND)] == []
    flagged = scores.filter("needs_review")["firm_id"].to_list()
    assert set(flagged) == {firm for firm, why in found.items() if why}


def test_every_score_names_the_grants_it_was_made_by(
    trained: Trained, report: ScoringReport
) -> None:
    scores = _table(trained.settings, "scores").filter(pl.col("firm_id") == firm_id(SOUND))
    sources = ("bank", "power", "supply_chain", "tax")
    assert scores["grants"].to_list() == [
        [f"A-{SOUND:04d}-{source}-POST_LOAN_MONITOR" for source in sources]
    ]


def test_the_parts_of_two_scores_add_up_to_their_difference(
    trained: Trained, report: ScoringReport
) -> None:
    """Sub-scores are log odds: their sum differs between firms as the calibrated log odds do."""
    scores = _table(trained.settings, "scores").filter(pl.col("grade") != "D").sort("firm_id")
    prob = scores["default_prob"].to_numpy()
    logit = np.log(prob / (1 - prob))
    for kind in ("dimension_", "pillar_"):
        columns = [name for name in scores.columns if name.startswith(kind)]
        assert len(columns) == {"dimension_": 10, "pillar_": 5}[kind]
        pushes = np.log(100 / scores.select(columns).to_numpy() - 1) / 2
        rest = logit - pushes.sum(axis=1)
        assert np.ptp(rest) < 1e-9, kind


def test_grades_are_monotone_in_the_default_probability(
    trained: Trained, report: ScoringReport
) -> None:
    scores = _table(trained.settings, "scores").sort("default_prob")
    order = ["AAA", "AA", "A", "BBB", "BB", "B", "CCC", "CC", "C", "D"]
    places = [order.index(grade) for grade in scores["grade"]]
    assert places == sorted(places)
    assert len(set(places)) >= 4
    points = scores["score"].to_list()
    assert points == sorted(points, reverse=True)


def test_some_firms_scored_alone_leave_the_others(trained: Trained, report: ScoringReport) -> None:
    before = _table(trained.settings, "scores")
    some = [firm_id(SOUND), firm_id(INDIVIDUAL[0])]
    again = batch.score(trained.settings, AS_OF, some)
    assert again.scored == 2
    assert _table(trained.settings, "scores").equals(before)


def test_batches_give_what_the_whole_night_gives(
    trained: Trained, report: ScoringReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: _table(trained.settings, name) for name in ("scores", "reasons", "marks")}
    monkeypatch.setattr(batch, "BATCH_FIRMS", 100)
    batch.score(trained.settings, AS_OF)
    for name, rows in before.items():
        assert _table(trained.settings, name).equals(rows), name
