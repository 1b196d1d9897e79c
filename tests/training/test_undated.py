"""Outcomes without dates on the economy whose outcomes are known."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from firmpulse import tracking, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from scoring import batch
from tests.credit_economy import AS_OF, FIRMS, build_warehouse
from training import undated
from training.config import DEFAULT_UNDATED

QUICK = replace(
    DEFAULT_UNDATED,
    trivial=("tax_sales_cv_12m", "tax_sales_12m"),
    bootstrap_draws=200,
    boosting=MappingProxyType({"iterations": 40, "depth": 2, "learning_rate": 0.1}),
)


@pytest.fixture
def labelled(settings: Settings) -> Settings:
    """Give the firms an outcome without a date: that of its last labelled snapshot."""
    build_warehouse(settings)
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
    return settings


def test_cross_validated_model_leads_and_scores_every_firm(labelled: Settings) -> None:
    report = undated.cross_validate(labelled, AS_OF, repeats=2, folds=4, config=QUICK)
    with warehouse.connect(labelled) as connection:
        counted = connection.execute(
            "select count(*), count(*) filter (defaulted) from warehouse.labels.undated_outcome"
        ).fetchone()
    assert (report.firms, report.bads) == counted
    # 15 features, less the two of statements.
    assert report.features == 13
    for name in ("catboost", "logistic", "average"):
        auc = report.metrics[name]["auc"]
        assert auc.low < auc.value < auc.high
        assert 0.6 < auc.value < 0.9
    # More volatile sales mean more risk, more sales less: both beat chance as signed.
    assert report.metrics["tax_sales_cv_12m"]["auc"].value > 0.55
    assert report.metrics["tax_sales_12m"]["auc"].value > 0.55
    assert report.champion
    champion = tracking.find_version(labelled, "firmpulse-credit", "champion")
    assert champion is not None
    assert champion.tags["gates"] == "none: outcomes carry no dates"
    assert champion.tags["frame_digest"] == report.frame_digest
    assert batch.score(labelled, AS_OF).scored == FIRMS - 1


def test_too_few_defaults_for_the_folds_are_refused(labelled: Settings) -> None:
    with warehouse.connect(labelled) as connection:
        connection.execute("update warehouse.labels.undated_outcome set defaulted = false")
    with pytest.raises(NotReadyError, match="0 bad and"):
        undated.cross_validate(labelled, AS_OF)


def test_no_labels_at_all_are_refused(settings: Settings) -> None:
    build_warehouse(settings)
    with pytest.raises(NotReadyError, match="0 bad and 0 good"):
        undated.cross_validate(settings, AS_OF)
