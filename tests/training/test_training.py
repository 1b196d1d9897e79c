"""Sampling, fitting and registering on the economy whose outcomes are known."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest
from scipy.special import logit
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from firmpulse import tracking, warehouse
from firmpulse.errors import GateFailed, NotReadyError
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from model import bundle
from tests.credit_economy import AS_OF, REGISTRY, Trained
from training import boosted, frozen, pipeline, recording
from training.config import DEFAULT, Gates
from training.evaluation import Predict, evaluate, strongest_feature
from training.frozen import FrozenFrame
from training.promotion import check

QUICK = replace(DEFAULT, boosting=MappingProxyType({"iterations": 40, "depth": 3, "rsm": 0.7}))


def test_sampling_again_freezes_the_same_frame(trained: Trained) -> None:
    again = pipeline.sample(trained.settings, AS_OF)
    assert again == trained.sample
    with warehouse.connect(trained.settings) as connection:
        catalogued = connection.execute(
            "select table_name, digest, rows, bads from warehouse.training.frames"
        ).fetchall()
        counted = connection.execute(
            "select count(*), count(*) filter (outcome = 'bad') "
            "from warehouse.training.frame_20261031"
        ).fetchone()
    assert catalogued == [("frame_20261031", trained.sample.digest, *counted)]


def test_another_value_is_another_digest(trained: Trained) -> None:
    rows = frozen.read(trained.settings, AS_OF).rows
    from firmpulse import digests

    changed = rows.with_columns(
        pl.when(pl.int_range(pl.len()) == 7)
        .then(pl.col("tax_sales_12m") + 1e-6)
        .otherwise("tax_sales_12m")
        .alias("tax_sales_12m")
    )
    shuffled = rows.sample(fraction=1, shuffle=True, seed=1)
    assert digests.of_rows(shuffled) == digests.of_rows(rows) == trained.sample.digest
    assert digests.of_rows(changed) != digests.of_rows(rows)


def test_nothing_sampled_is_told_with_the_command(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="run: firmpulse train --as-of 2026-10-31"):
        pipeline.fit_candidate(settings, AS_OF)


def test_two_fits_predict_the_same_bits(trained: Trained) -> None:
    frame = frozen.read(trained.settings, AS_OF)
    first = boosted.fit(trained.settings, frame, QUICK).model.default_prob(frame.rows)
    second = boosted.fit(trained.settings, frame, QUICK).model.default_prob(frame.rows)
    assert first.tobytes() == second.tobytes()


def test_risk_moves_as_the_registry_expects(trained: Trained) -> None:
    frame = frozen.read(trained.settings, AS_OF)
    model = boosted.fit(trained.settings, frame, QUICK).model
    before = model.default_prob(frame.rows)
    more_volatile = frame.rows.with_columns(pl.col("tax_sales_cv_12m") + 2)
    more_cash = frame.rows.with_columns(pl.col("bank_days_cash_6m") + 2)
    assert (model.default_prob(more_volatile) >= before).all()
    assert (model.default_prob(more_volatile) > before).any()
    assert (model.default_prob(more_cash) <= before).all()


def test_reasons_of_a_firm_do_not_depend_on_the_firms_beside_it(trained: Trained) -> None:
    frame = frozen.read(trained.settings, AS_OF)
    model = boosted.fit(trained.settings, frame, DEFAULT).model
    together = model.contributions(frame.rows)
    alone = np.vstack([model.contributions(frame.rows[row]) for row in range(5)])
    assert together[:5].tobytes() == alone.tobytes()
    # Exact: they add up to the log odds, up to a constant that all firms share.
    rest = logit(model.default_prob(frame.rows)) - together.sum(axis=1)
    assert np.ptp(rest) < 1e-9


def test_the_candidate_never_sees_a_statement(trained: Trained) -> None:
    listed = boosted.candidate_features(frozen.read(trained.settings, AS_OF).features)
    assert set(listed.names) == {
        feature.name for feature in REGISTRY.features if feature.source != "statement"
    }
    signs = dict(zip(listed.names, listed.constraints, strict=True))
    assert signs["tax_sales_12m"] == -1
    assert signs["tax_sales_cv_12m"] == 1
    assert signs["tax_red_share_12m"] == 0
    assert signs["profile_industry"] == 0
    assert listed.categorical == ("profile_industry",)


def test_served_model_gives_the_reported_metrics_without_pickle(trained: Trained) -> None:
    import mlflow

    tracking.client(trained.settings)
    served = mlflow.pyfunc.load_model("models:/firmpulse-credit@challenger")
    oot = frozen.read(trained.settings, AS_OF).part("oot")
    predicted = served.predict(oot.to_pandas())
    is_bad = (oot["outcome"] == "bad").to_numpy()
    prob = predicted["default_prob"].to_numpy()
    metrics = trained.candidate.metrics
    assert metrics["oot/auc"] == pytest.approx(roc_auc_score(is_bad, prob), abs=1e-9)
    distance = ks_2samp(prob[is_bad], prob[~is_bad]).statistic
    assert metrics["oot/ks"] == pytest.approx(distance, abs=1e-9)
    assert metrics["oot_interval/auc_low"] < metrics["oot/auc"] < metrics["oot_interval/auc_high"]
    # Base 600 at odds of 30, 40 points double the odds.
    points = 403.724 + 57.708 * np.log((1 - prob) / prob)
    assert np.abs(predicted["score"] - np.clip(points, 300, 900)).max() <= 0.51
    assert set(predicted["grade"][prob >= 0.16]) == {"C"}


def test_no_file_of_a_model_is_a_pickle(trained: Trained) -> None:
    for report in (trained.candidate, trained.baseline):
        folder = tracking.model_folder(trained.settings, report.model, report.version)
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.suffix for path in files} <= {"", ".json", ".cbm", ".py", ".yaml", ".txt"}
        # A pickle of protocol 2 or later begins with these two bytes.
        assert not [path for path in files if path.read_bytes()[:1] == b"\x80"]


def test_baseline_is_worse_than_the_candidate_and_reads_statements_and_age(
    trained: Trained,
) -> None:
    import mlflow

    tracking.client(trained.settings)
    served = mlflow.pyfunc.load_model("models:/firmpulse-statements@challenger")
    names = {column.name for column in served.metadata.signature.inputs}
    assert names == {"statement_leverage", "statement_margin", "profile_firm_age_months"}
    assert trained.baseline.metrics["oot/auc"] < trained.candidate.metrics["oot/auc"]


def test_runs_carry_lineage_parameters_and_plots(trained: Trained) -> None:
    client = tracking.client(trained.settings)
    experiment = client.get_experiment_by_name("firmpulse-credit")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {
        "firmpulse-credit v1, 2026-10-31", "firmpulse-logistic v1, 2026-10-31",
        "firmpulse-statements v1, 2026-10-31", "logistic on ranks, 2026-10-31",
    }  # fmt: skip
    run = runs["firmpulse-credit v1, 2026-10-31"]
    dataset = run.inputs.dataset_inputs[0].dataset
    assert dataset.name == "training.frame_20261031"
    assert trained.sample.digest.startswith(dataset.digest)
    assert run.data.tags["frame_digest"] == trained.sample.digest
    assert run.data.params["threads"] == "2"
    assert run.data.params["seed"] == str(DEFAULT.seed)
    plots = {Path(item.path).name for item in client.list_artifacts(run.info.run_id, "plots")}
    assert plots == {
        "roc.png", "ks.png", "reliability.png", "lift.png", "score_distribution.png",
        "shap_summary.png", "shap_dependence.png", "feature_importance.png", "psi_score.png",
        "psi_features.png",
    }  # fmt: skip
    for name in ("logistic on ranks, 2026-10-31", "firmpulse-logistic v1, 2026-10-31"):
        assert 0.6 < runs[name].data.metrics["oot/auc"] < 0.85


def test_firms_unseen_in_training_are_reported_apart(trained: Trained) -> None:
    frame = frozen.read(trained.settings, AS_OF)
    seen = set(frame.part("train")["firm_id"])
    unseen = [firm for firm in frame.part("oot")["firm_id"] if firm not in seen]
    assert trained.candidate.metrics["oot_unseen/rows"] == len(unseen) > 80
    assert 0 < trained.candidate.metrics["oot_unseen/auc"] < 1


def test_bundle_round_trip_keeps_every_bit(trained: Trained, tmp_path: Path) -> None:
    frame = frozen.read(trained.settings, AS_OF)
    model = boosted.fit(trained.settings, frame, QUICK).model
    bundle.save(model, tmp_path)
    again = bundle.load(tmp_path)
    assert again.bundle == model.bundle
    assert again.default_prob(frame.rows).tobytes() == model.default_prob(frame.rows).tobytes()
    with pytest.raises(NotReadyError, match="lacks 1 of the model's 15 features"):
        again.default_prob(frame.rows.drop("tax_sales_12m"))


def test_gates_list_what_failed_and_keep_the_champion(trained: Trained) -> None:
    strict = replace(DEFAULT, gates=Gates(least_auc=0.99, least_ks=0.10))
    with pytest.raises(
        GateFailed,
        match=r"AUC at least: 0\.7\d\d against 0\.990\. What to try: it separates firms too little",
    ) as error:
        pipeline.promote(trained.settings, AS_OF, trained.candidate.version, "Li Wei", strict)
    assert "KS" not in str(error.value)
    assert "stays challenger" in str(error.value)


def test_every_gate_says_what_to_try_once_for_all_that_need_the_same() -> None:
    assert all(result.advice for result in check(GREEN, 0.66, Gates()))
    missing = {gate.advice for gate in check({}, None, Gates())}
    assert missing == {"measure it: firmpulse models validate VERSION"}


def test_without_an_approver_nothing_is_promoted(trained: Trained) -> None:
    report = pipeline.promote(trained.settings, AS_OF, trained.candidate.version, "  ")
    assert report.passed
    assert not report.promoted
    assert report.approver is None


def test_an_unknown_version_is_named(trained: Trained) -> None:
    with pytest.raises(NotReadyError, match="has no version 99"):
        pipeline.promote(trained.settings, AS_OF, "99", "Li Wei")


GREEN = {
    "oot/auc": 0.78,
    "oot_interval/auc_high": 0.81,
    "oot/ks": 0.42,
    "train_held_out/auc": 0.80,
    "train/strongest_feature_auc": 0.70,
    "stability/psi_score": 0.05,
    "stability/strong_features_moved": 1,
    "oot_interval/observed_expected_low": 0.85,
    "oot_interval/observed_expected_high": 1.15,
    "level/shift": 0.1,
    "oot_groups/off_level": 0,
    "oot_grades/largest_share": 0.25,
    "oot_grades/hhi": 0.18,
    "oot_grades/disordered": 0,
}


@pytest.mark.parametrize(
    ("metrics", "baseline", "red"),
    [
        ({}, 0.66, []),
        ({"oot/auc": 0.69}, 0.66, ["AUC at least"]),
        ({"oot/ks": 0.29}, 0.66, ["KS at least"]),
        ({}, 0.79, ["AUC no worse than the statements baseline"]),
        ({}, None, ["AUC no worse than the statements baseline"]),
        ({"oot/auc": 0.96}, 0.66, ["AUC at most (above: a leak is likely)"]),
        (
            {"train/strongest_feature_auc": 0.91},
            0.66,
            ["AUC of one feature alone at most (above: a leak is likely)"],
        ),
        ({"train_held_out/auc": 0.87}, 0.66, ["loss of AUC out of time at most"]),
        ({"stability/psi_score": 0.26}, 0.66, ["PSI of the score at most"]),
        (
            {"stability/strong_features_moved": 11},
            0.66,
            ["of the 20 strongest features, moved much (PSI 0.25) at most"],
        ),
        (
            {"oot_interval/observed_expected_high": 0.7},
            0.66,
            ["observed over expected defaults, upper end at least"],
        ),
        (
            {"oot_interval/observed_expected_low": 1.3},
            0.66,
            ["observed over expected defaults, lower end at most"],
        ),
        (
            {"level/shift": 0.31},
            0.66,
            ["level moved to the newest quarter by at most (log odds)"],
        ),
        (
            {"level/shift": -0.31},
            0.66,
            ["level moved to the newest quarter by at most (log odds)"],
        ),
        (
            {"oot_groups/off_level": 1},
            0.66,
            ["groups beyond these bounds (quarter, history, sources, coverage) at most"],
        ),
        (
            {"oot_grades/largest_share": 0.51},
            0.66,
            ["share of the fullest grade at most"],
        ),
        ({"oot_grades/hhi": 0.41}, 0.66, ["concentration of grades (HHI) at most"]),
        ({"oot_grades/disordered": 1}, 0.66, ["grades out of order at most"]),
        ({"oot/auc": 0.70, "oot/ks": 0.30}, 0.70, []),
    ],
)
def test_gates(metrics: dict[str, float], baseline: float | None, red: list[str]) -> None:
    results = check(GREEN | metrics, baseline, Gates())
    assert [result.gate for result in results if not result.passed] == red


def test_the_gate_says_what_the_baseline_read_without_statements() -> None:
    results = check(GREEN, 0.79, Gates(), "profile_firm_age_months")
    assert [result.gate for result in results if not result.passed] == [
        "AUC no worse than the baseline without statements (profile_firm_age_months)"
    ]


def _red(frame: FrozenFrame, predict: Predict) -> list[str]:
    metrics = recording.flat(evaluate(frame, predict, DEFAULT).metrics)
    apart = {
        "train/strongest_feature_auc": 0.7,
        "train_held_out/auc": 0.78,
        "stability/strong_features_moved": 0,
        "level/shift": 0.0,
        "oot_groups/off_level": 0,
    }
    results = check(metrics | apart, 0.6, Gates())
    return [result.gate for result in results if not result.passed]


def test_each_kind_of_bad_model_fails_the_gate_named_for_it(trained: Trained) -> None:
    frame = frozen.read(trained.settings, AS_OF)
    model = boosted.fit(trained.settings, frame, DEFAULT).model
    sound = model.default_prob

    def too_low(rows: pl.DataFrame) -> FloatArray:
        return sound(rows) * 0.4

    def drifting(rows: pl.DataFrame) -> FloatArray:
        late = rows["split"] == "oot"
        return np.where(late, np.clip(sound(rows) * 3, 0, 0.99), sound(rows))

    def concentrated(rows: pl.DataFrame) -> FloatArray:
        prob = sound(rows)
        return 0.091 + (prob - prob.min()) / (prob.max() - prob.min()) * 0.06

    assert "observed over expected defaults, lower end at most" in _red(frame, too_low)
    assert "PSI of the score at most" in _red(frame, drifting)
    assert "share of the fullest grade at most" in _red(frame, concentrated)
    assert _red(frame, sound) == []


def test_a_feature_made_from_the_future_is_stopped(trained: Trained) -> None:
    frame = frozen.read(trained.settings, AS_OF)
    random = np.random.default_rng(7)
    # The firm's debt a year after the snapshot: almost the outcome itself.
    later = pl.Series(frozen.bads_of(frame.rows) * 10 + random.random(frame.rows.height) * 12)
    leaking = replace(frame, rows=frame.rows.with_columns(later.alias("tax_sales_cv_12m")))
    honest_name, honest = strongest_feature(frame, ("tax_sales_12m", "tax_sales_cv_12m"))
    name, auc = strongest_feature(leaking, ("tax_sales_12m", "tax_sales_cv_12m"))
    assert name == "tax_sales_cv_12m"
    assert honest_name
    assert honest < Gates().most_feature_auc < auc
    results = check(GREEN | {"train/strongest_feature_auc": auc}, 0.6, Gates())
    assert [result.gate for result in results if not result.passed] == [
        "AUC of one feature alone at most (above: a leak is likely)"
    ]


def test_missing_metrics_fail_every_gate() -> None:
    assert not any(result.passed for result in check({}, 0.6, Gates()))


def test_missing_labels_are_told(settings: Settings) -> None:
    from tests.credit_economy import build_warehouse

    build_warehouse(settings)
    with warehouse.connect(settings) as connection:
        connection.execute("delete from warehouse.labels.default_12m")
    with pytest.raises(NotReadyError, match=r"no outcomes in labels\.default_12m"):
        pipeline.sample(settings, date(2026, 10, 31))
