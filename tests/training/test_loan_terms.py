"""Terms of loans: each loan is learnt with its own, firms are scored with those of the newest."""

import json
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from features import registry
from features.frame import frame
from firmpulse import dbt_runner, warehouse
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from tests.credit_economy import (
    AS_OF,
    CONFIG,
    build_warehouse,
    firm_id,
    replace_labels_by_loans,
)
from training import frozen, pipeline
from training.config import TrainingConfig

DEFAULT = TrainingConfig()
_META = {
    "name_zh": "最近一笔贷款金额", "dimension": "loan", "window": "12m", "unit": "CNY",
    "bounds": [0, None], "expected_sign": "+", "null_means": "no loan is known",
}  # fmt: skip


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return an economy of loans, whose amounts say much of their outcomes."""
    settings = Settings(home=tmp_path_factory.mktemp("terms") / "home", memory_limit="2GB")
    build_warehouse(settings)
    replace_labels_by_loans(settings)
    with warehouse.connect(settings) as connection:
        connection.execute(
            """
            create table warehouse.features.loan_terms as
            select
                loans.firm_id, loans.decided_on + 1 as as_of,
                cast(
                    1000 + hash(loans.loan_id) % 1000 + if(labels.outcome = 'bad', 800, 0)
                    as double
                ) as loan_amount
            from warehouse.staging.stg_lender__loan as loans
            inner join warehouse.labels.loan_outcome_12m as labels using (loan_id)
            """
        )
    path = dbt_runner.target_path(settings) / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["nodes"]["loan_terms"] = {
        "name": "loan_terms",
        "resource_type": "model",
        "config": {"meta": {"feature_source": "loan", "valid_days": 366}},
        "columns": {
            "loan_amount": {
                "name": "loan_amount", "description": "Amount", "data_type": "double",
                "config": {"meta": _META},
            }
        },
    }  # fmt: skip
    path.write_text(json.dumps(content), encoding="utf-8")
    pipeline.sample(settings, AS_OF)
    return settings


def test_each_loan_is_learnt_with_its_own_terms(lent: Settings) -> None:
    rows = frozen.read(lent, AS_OF).rows.select("firm_id", "as_of", "loan_amount")
    with warehouse.connect(lent) as connection:
        own = connection.execute(
            "select cast(firm_id as varchar) as firm_id, as_of - 1 as as_of, "
            "loan_amount as own from warehouse.features.loan_terms"
        ).pl()
    both = rows.join(own, on=["firm_id", "as_of"], how="left")
    assert both.height == rows.height > 1000
    assert both["own"].null_count() == 0
    assert both["loan_amount"].to_list() == both["own"].to_list()


def test_a_firm_is_scored_with_the_newest_terms_of_a_year(lent: Settings) -> None:
    known = registry.load(lent)
    with warehouse.connect(lent) as connection:
        newest, amount = connection.execute(
            "select as_of, loan_amount from warehouse.features.loan_terms "
            "where firm_id = cast(? as uuid) order by as_of desc limit 1", [firm_id(3)],
        ).fetchall()[0]  # fmt: skip
        days = [newest, date.fromordinal(newest.toordinal() + 366),
                date.fromordinal(newest.toordinal() + 367)]  # fmt: skip
        spine = pl.DataFrame({"firm_id": [firm_id(3)] * 3, "as_of": days})
        found = frame(connection, known, spine, ["loan_amount"])
    assert found["loan_amount"].to_list() == [amount, amount, None]


def test_models_with_and_without_terms_are_compared_on_the_same_rows(lent: Settings) -> None:
    quick = replace(CONFIG, trials=0)
    with_terms = pipeline.fit_candidate(lent, AS_OF, quick)
    without = pipeline.fit_candidate(lent, AS_OF, replace(quick, without="loan_terms"))
    assert with_terms.features == without.features + 1
    assert with_terms.frame_digest == without.frame_digest
    assert with_terms.metrics["oot/auc"] > without.metrics["oot/auc"] + 0.05
    with pytest.raises(ConfigurationError, match="no feature view 'loan_term' to leave out; use"):
        pipeline.fit_candidate(lent, AS_OF, replace(quick, without="loan_term"))
