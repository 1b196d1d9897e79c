"""Outcomes without dates on the economy whose outcomes are known."""

from dataclasses import replace
from datetime import date
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from cli import app, undated_training
from consent import champion as promoted
from features import registry
from firmpulse import tracking, warehouse
from firmpulse.errors import ConfigurationError, GateFailed, NotReadyError
from firmpulse.settings import Settings
from model import bundle
from model.bundle import matrix_of
from scoring import batch
from tests.credit_economy import AS_OF, FIRMS, build_warehouse, trained_copy
from training import boosted, frozen, level, logistic, pipeline, undated
from training.config import DEFAULT, DEFAULT_UNDATED, UndatedGates
from training.cross_validation import Comparison, OutOfFold, measure_out_of_fold
from training.promotion import check_undated, promote
from training.undated import CrossValidationReport

QUICK = replace(
    DEFAULT_UNDATED,
    trivial=("tax_sales_cv_12m", "tax_sales_12m"),
    bootstrap_draws=200,
    strengths=(0.3, 1.0),
    strength_repeats=1,
    boosting=MappingProxyType({"iterations": 40, "depth": 2, "learning_rate": 0.1}),
)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Give the firms an outcome without a date: that of its last labelled snapshot."""
    settings = Settings(home=tmp_path_factory.mktemp("undated") / "home", memory_limit="2GB")
    build_warehouse(settings)
    _give_undated(settings)
    return settings


def _give_undated(settings: Settings) -> None:
    with warehouse.connect(settings) as connection:
        connection.execute(
            """
            create table warehouse.labels.undated_outcome as
            select firm_id, outcome = 'bad' as defaulted,
                date '2026-01-01' as available_at, date '9999-12-31' as superseded_at
            from warehouse.labels.default_12m
            where as_of = date '2025-10-31' and outcome <> 'indeterminate'
            """
        )


@pytest.fixture(scope="module")
def report(labelled: Settings) -> CrossValidationReport:
    """Cross-validate once for all tests."""
    return undated.cross_validate(labelled, AS_OF, repeats=2, folds=4, config=QUICK)


def test_cross_validated_model_leads_and_scores_every_firm(
    labelled: Settings, report: CrossValidationReport
) -> None:
    with warehouse.connect(labelled) as connection:
        counted = connection.execute(
            "select count(*), count(*) filter (defaulted) from warehouse.labels.undated_outcome"
        ).fetchone()
    assert (report.firms, report.bads) == counted
    # 17 features, less the two of statements.
    assert report.features == 15
    metrics = report.comparison.metrics
    assert list(metrics) == [
        "logistic_signed", "logistic_signed_nested", "logistic", "catboost", "average",
        "tax_sales_12m", "tax_sales_cv_12m",
    ]  # fmt: skip
    for name in list(metrics)[:5]:
        auc = metrics[name]["auc"]
        assert auc.low < auc.value < auc.high
        assert 0.6 < auc.value < 0.9
    # More volatile sales mean more risk, more sales less: both beat chance with these signs.
    assert metrics["tax_sales_cv_12m"]["auc"].value > 0.55
    assert metrics["tax_sales_12m"]["auc"].value > 0.55
    assert report.registered == "logistic_signed"
    assert promoted.champion(labelled) is None
    listed = promote(labelled, AS_OF, report.version, None)
    assert [(gate.gate, gate.bound) for gate in listed.gates] == [
        ("firms in default at least", 20),
        ("cross-validated AUC at least", 0.70),
        ("its interval, lower end at least", 0.60),
        ("cross-validated KS at least", 0.30),
        ("AUC at most (above: a leak is likely)", 0.95),
        ("AUC of one feature alone at most (above: a leak is likely)", 0.90),
        ("champions tested out of time that it replaces at most", 0),
        ("AUC beyond the best single feature, upper end at least", 0),
    ]
    assert listed.gates[0].value == report.bads
    assert promoted.champion(labelled) is None
    with pytest.raises(GateFailed, match=r"cross-validated AUC at least: 0\.6\d\d against 0\.700"):
        promote(labelled, AS_OF, report.version, "Li Wei")
    gates = replace(UndatedGates(), least_auc=0.6, least_auc_low=0.5, least_ks=0.2)
    lower = replace(DEFAULT, undated_gates=gates)
    assert promote(labelled, AS_OF, report.version, "Li Wei", lower).promoted
    champion = promoted.champion(labelled)
    assert champion is not None
    assert champion.tags["labels"] == "undated"
    assert champion.tags["approver"] == "Li Wei"
    assert champion.tags["frame_digest"] == report.frame_digest
    assert batch.score(labelled, AS_OF).scored == FIRMS - 1


@pytest.mark.parametrize(
    ("changed", "red"),
    [
        ({"cv/bads": 19}, "firms in default at least: 19.000 against 20.000"),
        ({"cv/auc": 0.69}, "cross-validated AUC at least: 0.690 against 0.700"),
        ({"cv_interval/auc_low": 0.59}, "its interval, lower end at least: 0.590 against 0.600"),
        ({"cv/ks": 0.29}, "cross-validated KS at least: 0.290 against 0.300"),
        ({"cv/auc": 0.96}, "AUC at most (above: a leak is likely): 0.960 against 0.950"),
        ({"train/strongest_feature_auc": 0.91},
         "AUC of one feature alone at most (above: a leak is likely): 0.910 against 0.900"),
        ({"cv_interval/lead_high": -0.01},
         "AUC beyond the best single feature, upper end at least: -0.010 against 0.000"),
        ({}, "champions tested out of time that it replaces at most: 1.000 against 0.000"),
    ],
)  # fmt: skip
def test_each_gate_without_dates_stops_something(changed: dict[str, float], red: str) -> None:
    good = {
        "cv/bads": 20.0, "cv/auc": 0.8, "cv_interval/auc_low": 0.6, "cv/ks": 0.4,
        "train/strongest_feature_auc": 0.7, "cv_interval/lead_high": 0.01,
    }  # fmt: skip
    gates = check_undated({**good, **changed}, UndatedGates(), replaces_tested=not changed)
    assert [str(gate) for gate in gates if not gate.passed] == [red]


def test_a_champion_that_was_tested_out_of_time_is_not_replaced(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = trained_copy(tmp_path_factory).settings
    pipeline.promote(settings, AS_OF, "1", "Li Wei")
    _give_undated(settings)
    made = undated.cross_validate(settings, AS_OF, repeats=1, folds=4, config=QUICK)
    with pytest.raises(GateFailed, match="champions tested out of time that it replaces"):
        promote(settings, AS_OF, made.version, "Zhang Min")
    leads = promoted.champion(settings)
    assert leads is not None
    assert str(leads.version) == "1"


def test_training_without_dated_outcomes_takes_the_undated_ones_and_says_so(
    labelled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(labelled.root))
    assert not undated_training.is_all_there_is(labelled, AS_OF)
    with warehouse.connect(labelled) as connection:
        connection.execute("alter table warehouse.labels.default_12m rename to put_away")
    try:
        assert undated_training.is_all_there_is(labelled, AS_OF)
        assert not undated_training.is_all_there_is(labelled, date(2025, 12, 31))
        with pytest.raises(NotReadyError, match="--labels undated"):
            pipeline.sample(labelled, AS_OF)
        said = CliRunner().invoke(app, ["train", "--as-of", str(AS_OF), "--trials", "2"])
        assert isinstance(said.exception, ConfigurationError)
    finally:
        with warehouse.connect(labelled) as connection:
            connection.execute("alter table warehouse.labels.put_away rename to default_12m")


def test_undated_pds_move_to_the_level_of_the_portfolio(labelled: Settings) -> None:
    config = replace(QUICK, portfolio_rate=0.02)
    made = undated.cross_validate(labelled, AS_OF, repeats=1, folds=4, config=config)
    folder = tracking.model_folder(labelled, "firmpulse-credit", made.version)
    model = bundle.load(folder / "artifacts" / "bundle")
    bads, goods = made.bads, made.firms - made.bads
    assert model.bundle.portfolio_shift == pytest.approx(np.log(0.02 / 0.98) - np.log(bads / goods))
    with warehouse.connect(labelled) as connection:
        rows = connection.execute("from warehouse.training.undated_20261031").pl()
    assert level.at_sample(model).default_prob(rows).mean() == pytest.approx(
        bads / made.firms, rel=0.1
    )
    assert model.default_prob(rows).mean() == pytest.approx(0.02, rel=0.2)


def test_a_version_without_dates_is_not_validated_out_of_time(
    labelled: Settings, report: CrossValidationReport
) -> None:
    with pytest.raises(NotReadyError, match="without a date, so there is no later period"):
        pipeline.validate(labelled, AS_OF, report.version)


def test_registered_model_is_linear_keeps_the_signs_and_explains_itself(
    labelled: Settings, report: CrossValidationReport
) -> None:
    folder = tracking.model_folder(labelled, "firmpulse-credit", report.version)
    model = bundle.load(folder / "artifacts" / "bundle")
    linear = model.bundle.linear
    assert linear is not None
    with warehouse.connect(labelled) as connection:
        rows = connection.execute("from warehouse.training.undated_20261031").pl()
    # Without the signs, at least one slope would go the wrong way.
    listed = boosted.candidate_features(registry.load(labelled).features)
    free = logistic.fit_linear(rows, listed, DEFAULT_UNDATED.logistic_c)
    sign = dict(zip(listed.names, listed.constraints, strict=True))
    assert min(term.coefficients[0] * sign[term.feature] for term in free.terms) < 0
    assert min(term.coefficients[0] * sign[term.feature] for term in linear.terms) >= 0
    assert sum(term.coefficients[0] != 0 for term in linear.terms) > 5
    matrix = matrix_of(rows, model.bundle.features, model.bundle.categorical)
    assert model.raw_logit(rows) == pytest.approx(linear.logit(matrix))
    prob = model.default_prob(rows)
    constant = np.log(prob / (1 - prob)) - model.contributions(rows).sum(axis=1)
    assert constant == pytest.approx(np.full(len(rows), constant[0]))


def test_folds_do_not_follow_the_tokens_of_the_firms(labelled: Settings) -> None:
    rows = undated._freeze(labelled, AS_OF, registry.load(labelled), folds=4).rows
    names = [name for name in rows.columns if name not in frozen.KEYS]
    drawn_anew = rows.with_columns(pl.col("firm_id").shuffle(seed=1)).sort("firm_id")
    ordered = undated._by_content(drawn_anew, names)
    assert ordered["firm_id"].to_list() != rows["firm_id"].to_list()
    assert ordered.drop("firm_id").equals(rows.drop("firm_id"))


def _measure(scores: list[float], folds: list[int]) -> Comparison:
    predicted = OutOfFold(
        {"model": np.array([scores]), "tax_sales_12m": np.zeros((1, 8))}, np.array([folds])
    )
    return measure_out_of_fold(pl.Series([True, False] * 4), predicted, QUICK)


def test_auc_compares_firms_of_one_fold() -> None:
    """The second fold's scores are all higher, as if by another model."""
    measured = _measure([2, 1, 1, 2, 12, 11, 14, 13], folds=[0, 0, 0, 0, 1, 1, 1, 1])
    metrics = measured.metrics["model"]
    # Fold 0: of 4 pairs 1 right, 2 ties; fold 1: 3 right of 4. All: 5 right and 2 ties within,
    # 4 right of the 8 pairs between.
    assert metrics["auc"].value == pytest.approx(5 / 8)
    assert metrics["auc_pooled"].value == pytest.approx(9 / 16)
    assert metrics["auc"].low < metrics["auc"].value < metrics["auc"].high
    assert measured.baseline == "tax_sales_12m"
    # The baseline ties every pair: a half.
    assert metrics["lead"].value == pytest.approx(1 / 8)
    assert "lead" not in measured.metrics["tax_sales_12m"]


def test_too_few_defaults_for_the_folds_are_refused(labelled: Settings) -> None:
    with warehouse.connect(labelled) as connection:
        outcomes = connection.execute("from warehouse.labels.undated_outcome").pl()
        connection.execute("update warehouse.labels.undated_outcome set defaulted = false")
    try:
        with pytest.raises(NotReadyError, match="0 bad and"):
            undated.cross_validate(labelled, AS_OF)
    finally:
        with warehouse.connect(labelled) as connection:
            connection.execute("create or replace table warehouse.labels.undated_outcome as "
                               "from outcomes")  # fmt: skip
    assert outcomes.height


def test_no_labels_at_all_are_refused(settings: Settings) -> None:
    build_warehouse(settings)
    with pytest.raises(NotReadyError, match="0 bad and 0 good"):
        undated.cross_validate(settings, AS_OF)
