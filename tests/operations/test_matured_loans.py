"""What became of firms where a bank brings outcomes of loans and no monthly figures."""

from datetime import date

import polars as pl
import pytest

from features import registry
from firmpulse import warehouse
from firmpulse.settings import Settings
from operations import matured
from tests.credit_economy import AS_OF, build_warehouse, firm_id, replace_labels_by_loans


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the economy with outcomes of loans alone."""
    settings = Settings(home=tmp_path_factory.mktemp("matured") / "home", memory_limit="2GB")
    build_warehouse(settings)
    replace_labels_by_loans(settings)
    return settings


def test_the_rate_of_alike_firms_is_that_of_the_newest_quarters_of_decisions(
    lent: Settings,
) -> None:
    with warehouse.connect(lent) as connection:
        known = registry.load(lent)
        found = matured.rate_of_alike(connection, known, AS_OF, pl.Series(["partial"]))
        # By another route: of the quarters whose twelve months are over, April to September 2025.
        # A firm that had defaulted by the decision is not counted.
        ((bads, loans),) = connection.execute(
            """
            select count(*) filter (outcome = 'bad'), count(*)
            from warehouse.labels.loan_outcome_12m as labels
            where as_of between date '2025-04-01' and date '2025-09-30'
                and not exists (
                    select 1 from warehouse.labels.loan_outcome_12m as other
                    where other.firm_id = labels.firm_id and other.defaulted_on <= labels.as_of
                )
            """
        ).fetchall()
    assert found.defaults == bads > 20
    assert found.rate == pytest.approx(bads / loans, rel=0.3)


def test_a_score_is_judged_by_the_loan_that_was_decided_within_a_month(lent: Settings) -> None:
    with warehouse.connect(lent) as connection:
        ((firm, decided, outcome),) = connection.execute(
            """
            select cast(firm_id as varchar), as_of, outcome from warehouse.labels.loan_outcome_12m
            where firm_id = cast(? as uuid) and as_of >= date '2025-04-01' order by as_of limit 1
            """,
            [firm_id(8)],
        ).fetchall()
        for day, prob in ((32, 0.1), (31, 0.2), (3, 0.3), (-1, 0.4)):
            as_of = date.fromordinal(decided.toordinal() - day)
            connection.execute(
                "insert into warehouse.scoring.scores by name select ? as firm_id, ? as as_of, "
                "? as default_prob, 'BB' as grade, 'credit_model' as model_name, "
                "'1' as model_version",
                [firm, as_of, prob],
            )
            connection.execute(
                "insert into warehouse.scoring.cleared_nights by name select ? as as_of", [as_of]
            )
            connection.execute(
                "insert into warehouse.ops.steps by name select ? as as_of, 'score' as step, "
                "'' as part, 'success' as state, 1.0 as seconds, "
                "cast(? as timestamp) as started_at",
                [as_of, as_of],
            )
        connection.execute(
            "insert into warehouse.scoring.model_versions by name select 'credit_model' as "
            "model_name, '1' as model_version, date '2000-01-01' as trained_as_of"
        )
        found = matured.scores(connection, AS_OF, "1").to_dicts()
    assert found == [
        {
            "firm_id": firm,
            "default_prob": 0.3,
            "bad": outcome == "bad",
            "is_late": False,
            "is_learnt": False,
        }
    ]
