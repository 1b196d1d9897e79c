"""Models that learn from a bank's old loans, each as the firm looked on the day of its decision."""

import uuid
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from features.frame import frame
from firmpulse import tracking, warehouse
from firmpulse.errors import GateFailed, NotReadyError
from firmpulse.settings import Settings
from tests.credit_economy import (
    AS_OF,
    CONFIG,
    REGISTRY,
    build_warehouse,
    firm_id,
    replace_labels_by_loans,
)
from training import frozen, labels, pipeline, recreation, sampling
from training.claims.measure import ClaimsConfig
from training.config import TrainingConfig, chosen
from training.split import assign, newest_quarter
from training.validation import loan_book, subject
from training.validation.validate import ValidationReport

DEFAULT = TrainingConfig()


def _home(factory: pytest.TempPathFactory, name: str) -> Settings:
    settings = Settings(home=factory.mktemp(name) / "home", memory_limit="2GB")
    build_warehouse(settings)
    return settings


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the economy with outcomes of loans alone; a tenth of the firms were not followed."""
    settings = _home(tmp_path_factory, "loans")
    replace_labels_by_loans(settings, unknown_from=540)
    with warehouse.connect(settings) as connection:
        connection.execute(
            "update warehouse.features.feat_statement_monthly "
            "set statement_leverage = null, statement_margin = null"
        )
    return settings


@pytest.fixture(scope="module")
def validated(lent: Settings) -> ValidationReport:
    """Train and validate once for all tests."""
    pipeline.sample(lent, AS_OF)
    version = pipeline.fit_candidate(lent, AS_OF, CONFIG).version
    pipeline.fit_statements(lent, AS_OF, CONFIG)
    pipeline.fit_logistic(lent, AS_OF, CONFIG)
    return pipeline.validate(lent, AS_OF, version, CONFIG)


def test_decisions_of_the_newest_complete_quarters_are_out_of_time(lent: Settings) -> None:
    report = pipeline.sample(lent, AS_OF)
    assert report.labels == "loans"
    assert str(report).startswith("labels: outcomes of single loans; ")
    rows = frozen.read(lent, AS_OF)
    assert rows.labels == "loans"
    oot, train = rows.part("oot"), rows.part("train")
    # The quarter from October 2025 closes only at the end of 2026.
    assert set(oot["as_of"].dt.quarter()) == {2, 3}
    assert set(oot["as_of"].dt.year()) == {2025}
    first = oot["as_of"].min()
    assert train["as_of"].max() <= first.replace(year=first.year - 1)
    assert train["as_of"].n_unique() > 10
    # The newest quarter, to which models are moved, is all decisions from July on.
    assert newest_quarter(oot)["as_of"].n_unique() > 10


def test_each_loan_is_learnt_as_the_firm_looked_before_the_decision(lent: Settings) -> None:
    pipeline.sample(lent, AS_OF)
    rows = frozen.read(lent, AS_OF).rows
    with warehouse.connect(lent) as connection:
        known = connection.execute(
            "select cast(firm_id as varchar) as firm_id, as_of as snapshot_on, tax_sales_12m as "
            "expected from warehouse.features.feat_tax_monthly order by snapshot_on"
        ).pl()
    asof = rows.sort("as_of").join_asof(
        known, left_on="as_of", right_on="snapshot_on", by="firm_id", check_sortedness=False
    )
    assert asof["tax_sales_12m"].to_list() == asof["expected"].to_list()
    assert (asof["as_of"] - asof["snapshot_on"]).dt.total_days().max() <= 25


def test_a_decision_long_after_the_newest_snapshot_is_not_learnt(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = _home(tmp_path_factory, "late")
    replace_labels_by_loans(settings)
    late = firm_id(7)
    with warehouse.connect(settings) as connection:
        connection.execute(
            "delete from warehouse.features.firm_snapshots where firm_id = ? "
            "and as_of = date '2025-04-30'", [late],
        )  # fmt: skip
    rows = sampling.draw(settings, AS_OF, REGISTRY, DEFAULT).rows
    months = rows.filter(pl.col("firm_id") == late)["as_of"].dt.month().to_list()
    others = rows.filter(pl.col("firm_id") == firm_id(8))["as_of"].dt.month().to_list()
    assert 5 in others
    assert 5 not in months
    assert 8 in months


def test_the_whole_training_says_which_labels_it_used(
    lent: Settings, validated: ValidationReport
) -> None:
    client = tracking.client(lent)
    run = client.get_run(validated.run_id).data
    assert run.params["labels"] == "loans"
    version = client.get_model_version(tracking.CREDIT_MODEL, validated.version)
    assert version.tags["labels"] == "loans"
    assert "Labels: outcomes of single loans." in version.description
    page = validated.path.read_text(encoding="utf-8")
    assert "by quarter of the decision" in page
    assert "Roll rates" not in page
    # Lower than by months: who has defaulted once gets no later loan.
    assert 0.6 < validated.metrics["oot/auc"] < 0.9
    assert [gate.gate for gate in validated.gates if gate.value is None] == []
    with warehouse.connect(lent) as connection:
        ((note,),) = connection.execute(
            "select note from warehouse.ops.steps where step = 'train' and part = 'sample' "
            "order by started_at desc limit 1"
        ).fetchall()
    assert note.startswith("labels: outcomes of single loans")


def test_no_statements_and_few_defaults_stop_nothing_and_are_told(
    lent: Settings, validated: ValidationReport
) -> None:
    assert (
        "AUC no worse than the baseline without statements (profile_firm_age_months)"
        in [gate.gate for gate in validated.gates]
    )  # fmt: skip
    page = validated.path.read_text(encoding="utf-8")
    told = "No annual statement was known: the traditional scorecard reads profile_firm_age_months"
    assert told in page
    rows = frozen.read(lent, AS_OF).part("train")
    bads = rows.filter(pl.col("outcome") == "bad")["firm_id"].n_unique()
    assert f"Only {bads} firms in default to learn from" in page
    assert "so intervals are wide" in page
    trees, signed = (validated.metrics[f"train_held_out/{n}_auc"] for n in ("trees", "signed"))
    better = "This is a logistic" if signed > trees else "A logistic"
    compared = "better than trees" if signed > trees else "no better than these trees"
    assert f"{better} regression with the expected signs" in page
    assert f"{compared}, AUC {signed:.3f} against {trees:.3f}" in page


def test_the_kind_that_ranks_held_out_firms_better_is_registered(
    lent: Settings, validated: ValidationReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees, signed = (validated.metrics[f"train_held_out/{n}_auc"] for n in ("trees", "signed"))
    kind = "logistic regression" if signed > trees else "trees"
    run = tracking.client(lent).get_run(validated.run_id).data
    assert run.params["kind"] == kind
    assert validated.metrics["train_held_out/auc"] == pytest.approx(max(trees, signed))
    # Trees that may hardly learn lose, and the regression goes the same way to the pack.
    stumps = {**CONFIG.boosting, "iterations": 1, "depth": 1, "learning_rate": 0.001}
    poor = replace(CONFIG, boosting=stumps, trials=0)
    version = pipeline.fit_candidate(lent, AS_OF, poor).version
    read = subject.read(lent, AS_OF, version, poor)
    assert (read.model.kind, read.model.tree_count) == ("logistic regression", 0)
    report = pipeline.validate(lent, AS_OF, version, poor)
    page = report.path.read_text(encoding="utf-8")
    assert "This is a logistic regression with the expected signs" in page
    assert "<dt>Kind</dt><dd>logistic regression on ranks" in page
    oot = read.frame.part("oot")
    assert read.model.default_prob(oot).std() > 0.01
    assert read.model.contributions(oot).shape == (oot.height, len(read.features))


def test_vintages_show_how_soon_loans_went_bad(lent: Settings, validated: ValidationReport) -> None:
    found = loan_book.vintages(lent, frozen.read(lent, AS_OF), CONFIG)
    # Every default of this economy comes 200 days after the decision.
    assert set(found["within_3"]) == set(found["within_6"]) == {0.0}
    assert found["within_9"].to_list() == found["within_12"].to_list()
    newest = found.row(-1, named=True)
    with warehouse.connect(lent) as connection:
        ((loans, bads),) = connection.execute(
            """
            select count(*), count(*) filter (outcome = 'bad')
            from warehouse.labels.loan_outcome_12m as labels
            where as_of between date '2025-07-01' and date '2025-09-30' and not exists (
                select 1 from warehouse.labels.loan_outcome_12m as other
                where other.firm_id = labels.firm_id and other.defaulted_on <= labels.as_of
            )
            """
        ).fetchall()
    assert newest["decided_in"] == date(2025, 9, 30)
    assert (newest["loans"], newest["within_12"]) == (loans, pytest.approx(bads / loans))
    assert "Vintages: share of granted loans" in validated.path.read_text(encoding="utf-8")


def test_refused_applications_are_inferred_never_learnt(
    lent: Settings, validated: ValidationReport
) -> None:
    rows = frozen.read(lent, AS_OF).rows
    assert rows.filter(pl.col("as_of") == date(2025, 8, 11)).height < 60
    read = subject.read(lent, AS_OF, validated.version, CONFIG)
    found = loan_book.refused(lent, read, ClaimsConfig(), CONFIG)
    # By another route: features of the end of July, PDs of the model, odds multiplied by hand.
    with warehouse.connect(lent) as connection:
        firms = connection.execute(
            "select distinct cast(firm_id as varchar) as firm_id, date '2025-07-31' as as_of "
            "from warehouse.staging.stg_lender__loan"
        ).pl()
        asked = frame(connection, REGISTRY, firms, REGISTRY.names())
    asked = asked.filter(pl.col("profile_observed_months") >= 3)
    prob = read.model.default_prob(asked)
    cut = np.quantile(read.model.default_prob(read.frame.part("oot")), 0.6)
    odds = prob[prob <= cut] / (1 - prob[prob <= cut])
    assert found["odds_multiple"].to_list() == [1, 2, 4]
    assert set(found["observed"]) == {asked.height}
    assert set(found["approved"]) == {len(odds)}
    assert 0 < len(odds) < asked.height
    for times, rate in found["odds_multiple", "bad_rate"].rows():
        assert rate == pytest.approx((times * odds / (1 + times * odds)).mean())
    page = validated.path.read_text(encoding="utf-8")
    assert f"the model would approve {len(odds)} of these" in page


def test_gates_are_the_same_and_no_version_goes_around_them(
    lent: Settings, validated: ValidationReport
) -> None:
    with pytest.raises(GateFailed, match=r"stays challenger\. AUC at least: 0\.6"):
        pipeline.promote(lent, AS_OF, validated.version, "Li Wei", CONFIG)
    gates = replace(CONFIG.gates, least_auc=0.6, least_ks=0.2, most_auc_drop=0.1)
    lower = replace(CONFIG, gates=gates)
    assert pipeline.promote(lent, AS_OF, validated.version, "Li Wei", lower).promoted


def test_a_frame_of_loans_can_be_made_again(lent: Settings) -> None:
    pipeline.sample(lent, AS_OF)
    assert recreation.recreate(lent, AS_OF, DEFAULT).same


def test_monthly_outcomes_are_preferred_and_either_can_be_asked_for(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = _home(tmp_path_factory, "both")
    with warehouse.connect(settings) as connection:
        connection.execute("create table monthly as from warehouse.labels.default_12m")
        kept = connection.execute("from monthly").pl()
    replace_labels_by_loans(settings)
    with warehouse.connect(settings) as connection:
        connection.register("kept", kept)
        connection.execute("create table warehouse.labels.default_12m as from kept")
    assert sampling.draw(settings, AS_OF, REGISTRY, DEFAULT).labels == "monthly"
    assert sampling.draw(settings, AS_OF, REGISTRY, chosen(labels="loans")).labels == "loans"
    with warehouse.connect(settings) as connection:
        connection.execute("delete from warehouse.labels.default_12m where outcome = 'bad'")
    assert sampling.draw(settings, AS_OF, REGISTRY, DEFAULT).labels == "loans"
    with pytest.raises(NotReadyError, match="no defaults or no good firms"):
        sampling.draw(settings, AS_OF, REGISTRY, chosen(labels="monthly"))


def _loan(firm: str, number: int, day: date, outcome: str | None, defaulted: date | None) -> tuple:  # type: ignore[type-arg]
    return (firm, str(uuid.UUID(int=number)), day, outcome, defaulted)


F1, F2, F3 = (firm_id(position) for position in range(3))


def _outcomes(settings: Settings, *loans: tuple[object, ...]) -> labels.LoanOutcomes:
    with warehouse.connect(settings) as connection:
        connection.execute("create schema if not exists warehouse.staging")
        connection.execute("create schema if not exists warehouse.labels")
        connection.execute(
            "create or replace table warehouse.staging.stg_lender__loan (firm_id uuid, "
            "loan_id uuid, decided_on date, decision varchar, record_version integer, "
            "available_at date)"
        )
        connection.execute(
            "create or replace table warehouse.labels.loan_outcome_12m (firm_id uuid, "
            "loan_id uuid, as_of date, outcome varchar, defaulted_on date, matured_at date, "
            "available_at date, superseded_at date)"
        )
        for firm, number, day, outcome, defaulted in loans:
            connection.execute(
                "insert into warehouse.staging.stg_lender__loan values "
                "($1, $2, $3, 'GRANTED', 1, $3)", [firm, number, day],
            )  # fmt: skip
            if outcome:
                connection.execute(
                    "insert into warehouse.labels.loan_outcome_12m values ($1, $2, $3, $4, $5, "
                    "$3 + 366, $3 + 366, date '9999-12-31')",
                    [firm, number, day, outcome, defaulted],
                )
        granted = pl.DataFrame({"firm_id": [F1, F2]})
        return labels.of_loans(connection, AS_OF, granted, DEFAULT)


def test_loans_of_one_day_are_one_row_and_later_ones_of_a_defaulted_firm_none(
    settings: Settings,
) -> None:
    day, later = date(2024, 2, 5), date(2024, 9, 9)
    found = _outcomes(
        settings,
        _loan(F1, 1, day, "good", None),
        _loan(F1, 2, day, "bad", date(2024, 8, 1)),
        _loan(F1, 3, later, "good", None),
        _loan(F2, 4, day, "good", None),
        _loan(F2, 5, later, "good", None),
        # It does not allow training.
        _loan(F3, 6, day, "bad", date(2024, 8, 1)),
    )
    assert found.rows.rows() == [
        (min(F1, F2), day, date(2024, 3, 31), "bad" if F1 < F2 else "good", date(2025, 2, 5)),
        *sorted(
            [
                (F2, later, date(2024, 9, 30), "good", date(2025, 9, 10)),
                (max(F1, F2), day, date(2024, 3, 31), "bad" if F1 > F2 else "good",
                 date(2025, 2, 5)),
            ]
        ),
    ]  # fmt: skip
    assert found.funnel.rows() == [
        (date(2024, 3, 31), 3, 0, 0, 2, 1, True),
        (date(2024, 9, 30), 2, 0, 1, 1, 0, True),
    ]


def test_a_quarter_of_which_mostly_bad_loans_are_known_is_left_out(settings: Settings) -> None:
    """Four of five loans are enough, three of four are not."""
    enough = [_loan(F1, n, date(2024, 2, n), "good" if n < 5 else None, None) for n in range(1, 6)]
    few = [
        _loan(F2, 10 + n, date(2024, 5, n), "bad" if n < 4 else None, date(2024, 12, 1))
        for n in range(1, 5)
    ]
    found = _outcomes(settings, *enough, *few)
    assert set(found.rows["cohort"]) == {date(2024, 3, 31)}
    assert found.funnel["complete"].to_list() == [True, False]
    with pytest.raises(NotReadyError, match=r"80% of its loans .* of 4 granted loans 1 have none"):
        _outcomes(settings, *few)


def test_loans_without_any_outcome_are_refused_with_the_number(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match=r"1 granted loans .* none has an outcome"):
        _outcomes(settings, _loan(F1, 1, date(2024, 2, 5), None, None))


def test_too_few_quarters_are_told_as_quarters() -> None:
    rows = pl.DataFrame(
        {
            "firm_id": ["a", "b"], "as_of": [date(2024, 2, 5)] * 2,
            "cohort": [date(2024, 3, 31)] * 2, "outcome": ["good", "bad"],
            "matured_at": [date(2025, 2, 6)] * 2,
        }
    )  # fmt: skip
    with pytest.raises(NotReadyError, match="1 quarters of decisions have a complete 12-month"):
        assign(rows, AS_OF, DEFAULT)
