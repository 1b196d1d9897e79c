import dataclasses

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from firmpulse.errors import ConfigurationError, ContractError, NotReadyError
from tests.training.claim_cases import DAY, FEW, HALF, drawn_rows, rows_of
from training import recording
from training.claims import table as claims_table
from training.claims.measure import Claims, measure
from training.claims.rows import ClaimRows
from training.metrics import Interval


def test_claimed_at_once_takes_both_at_one_cut_off() -> None:
    # 100 rows, the baseline approves 50 with 5 bads.
    outcome = np.zeros(100)
    outcome[[10, 20, 30, 40, 45, *range(60, 80)]] = 1
    baseline = np.arange(1, 101) / 200

    def joint(bads_of_first_59: int, better_by: float = 0.005) -> tuple[bool, float]:
        bad, good = np.flatnonzero(outcome == 1), np.flatnonzero(outcome == 0)
        head, tail = bads_of_first_59, len(bad) - bads_of_first_59
        order = np.r_[good[: 59 - head], bad[:head], bad[head:], good[59 - head :]]
        assert len(order) == 75 + head + tail
        candidate = np.empty(100)
        candidate[order] = baseline
        config = dataclasses.replace(HALF, better_by=better_by)
        found = measure(rows_of(outcome, baseline, candidate), config).joint
        return found.holds, found.bad_rate.candidate.value

    # 5/59 is below 0.095, 6/59 is not; the bad rate falls again after the bads, but not enough.
    assert joint(5) == (True, pytest.approx(5 / 59))
    assert joint(6) == (False, pytest.approx(6 / 59))
    assert joint(5, better_by=0.02) == (False, pytest.approx(5 / 59))


def test_claimed_at_once_may_hold_beyond_the_larger_share() -> None:
    # The two bads are just before the larger share; good rows after them lower the rate.
    outcome = np.zeros(100)
    outcome[[0, 1, 58, 57]] = 1
    baseline = np.arange(1, 101) / 200
    candidate = baseline.copy()
    candidate[[0, 1]] = 0.9, 0.91
    found = measure(rows_of(outcome, baseline, candidate), HALF).joint
    assert found.bad_rate.baseline.value == pytest.approx(2 / 50)
    # After 59 rows 2 of 61 are bad, after 98 rows 2 of 98.
    assert found.least_bad_rate.value == pytest.approx(2 / 98)
    assert found.holds
    assert found.bad_rate.candidate.value == pytest.approx(2 / 59)


def test_nothing_can_be_better_than_no_bads() -> None:
    outcome = np.r_[np.zeros(299), 1]
    baseline = np.arange(1, 301) / 400
    found = measure(rows_of(outcome, baseline, baseline), FEW).joint
    assert not found.possible
    assert not found.holds
    assert found.support == 0
    # One bad of 200 is exactly the claimed saving; there is no room to save it for certain.
    outcome = np.zeros(400)
    outcome[[100, 399]] = 1
    baseline = np.arange(1, 401) / 500
    found = measure(rows_of(outcome, baseline, outcome / 2), HALF).joint
    assert found.least_bad_rate.value == 0
    assert not found.possible
    assert not found.holds


def test_a_largest_share_favours_who_picks_it() -> None:
    # A random order against itself would seem to gain much; if both select, it gains nothing.
    rows = drawn_rows(np.random.default_rng(8), 400, decimals=6)
    noise = np.random.default_rng(9).random(400)
    found = measure(dataclasses.replace(rows, baseline_prob=noise, candidate_prob=noise), FEW)
    assert found.iso_risk.difference.high > 0.1
    assert found.iso_risk_both.difference == Interval(0, 0, 0)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    known = drawn_rows(np.random.default_rng(1), 400_000, decimals=12)
    rates = [
        known.outcome[np.argsort(prob)[:240_000]].mean()
        for prob in (known.baseline_prob, known.candidate_prob)
    ]
    truth = rates[1] - rates[0]
    config = dataclasses.replace(FEW, draws=200, confidence=0.9)
    held = 0
    for seed in range(60):
        rows = drawn_rows(np.random.default_rng(100 + seed), 500)
        change = measure(rows, config).iso_approval.difference
        held += change.low <= truth <= change.high
    # 54 of 60 are expected; fewer than 48 or all 60 come by chance once in a hundred times.
    assert 48 <= held <= 59


def test_intervals_redraw_firms_and_not_rows() -> None:
    rows = drawn_rows(np.random.default_rng(12), 150)
    once = measure(rows, dataclasses.replace(FEW, draws=200))
    # The same rows at three more snapshots add nothing new.
    copies = {
        column.name: np.tile(getattr(rows, column.name), 4)
        for column in dataclasses.fields(rows)
        if column.name != "of_interest"
    }
    later = np.repeat(np.arange(4) * np.timedelta64(91, "D"), 150)
    copies["snapshot_dates"] = copies["snapshot_dates"] + later
    copies["default_dates"] = copies["default_dates"] + later
    again = measure(ClaimRows(**copies), dataclasses.replace(FEW, draws=200))
    for name in ("iso_risk", "iso_risk_both", "iso_approval"):
        before, after = getattr(once, name), getattr(again, name)
        for column in dataclasses.fields(before):
            expected = dataclasses.astuple(getattr(before, column.name))
            assert dataclasses.astuple(getattr(after, column.name)) == pytest.approx(expected)
    assert once.iso_approval.difference.low < once.iso_approval.difference.high


FOUR = ([0, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], [0.1, 0.4, 0.2, 0.3])


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"outcome": np.zeros(4)}, NotReadyError, "0 of 4 rows are bad"),
        ({"outcome": np.ones(4)}, NotReadyError, "4 of 4 rows are bad"),
        ({"outcome": np.array([0, 1, 2, 0.0])}, ContractError, "other than 0 and 1"),
        ({"outcome": np.array([0, 1.0])}, ContractError, "outcome has 2 values and firm_ids 4"),
        ({"firm_types": np.array(["C"] * 5)}, ContractError, "firm_types has 5 values"),
        (
            {"candidate_prob": np.array([0.1, -0.1, 1.1, 0.2])},
            ContractError,
            "candidate_prob has 2 values outside 0 and 1",
        ),
        ({"firm_ids": np.array(["a", "b", "b", "c"])}, ContractError, "1 rows repeat a firm"),
        ({"default_dates": np.full(4, DAY)}, ContractError, "4 rows have a default on or before"),
        (
            {"default_dates": np.full(4, np.datetime64("NaT", "D"))},
            NotReadyError,
            "none of the 4 rows defaults within 184 days",
        ),
        ({"of_interest": np.zeros(4, dtype=bool)}, NotReadyError, "no row is of a firm of"),
    ],
)
def test_rows_that_cannot_be_measured_say_why(
    columns: dict[str, np.ndarray], error: type[Exception], message: str
) -> None:
    rows = rows_of(*FOUR)
    measure(rows, FEW)
    with pytest.raises(error, match=message):
        measure(dataclasses.replace(rows, **columns), FEW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"approval_share": 0.9}, "1.062 of the rows"),
        ({"approval_share": 0.0}, "approval share 0 "),
        ({"uplift": -0.1}, "uplift of -0.1"),
        ({"alert_rate": 1.5}, "alert rate 1.5 is not between 0 and 1"),
    ],
)
def test_terms_that_cannot_be_measured_say_why(terms: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        measure(rows_of(*FOUR), dataclasses.replace(FEW, **terms))  # type: ignore[arg-type]


def test_each_model_is_measured_by_its_own_pds() -> None:
    rows = drawn_rows(np.random.default_rng(17), 600)
    types = np.where(np.arange(600) < 29, "small", "large")
    found = measure(dataclasses.replace(rows, firm_types=types), FEW)
    for model, prob in (("baseline", rows.baseline_prob), ("candidate", rows.candidate_prob)):
        judged = found.coverage[model].types
        assert [kind.name for kind in judged] == ["large"]
        assert judged[0].auc == pytest.approx(roc_auc_score(rows.outcome[29:], prob[29:]))
        warned = getattr(found.warnings["pr_auc"], model)
        assert warned.value == pytest.approx(average_precision_score(rows.outcome, prob))
        # All defaults come after 60 days: in time, but not early.
        assert getattr(found.warnings["lead_days"], model).value == 60
        assert getattr(found.warnings["long_lead_share"], model).value == 0
        assert getattr(found.warnings["hits"], model).value > 1


@pytest.fixture(scope="module")
def drawn_claims() -> Claims:
    return measure(drawn_rows(np.random.default_rng(3), 400), FEW)


def test_the_table_has_every_measure_in_both_languages(drawn_claims: Claims) -> None:
    rows = {row.name: row for row in claims_table.table(drawn_claims)}
    assert len(rows) == len(claims_table.table(drawn_claims))
    assert {"iso_risk", "iso_risk_both", "iso_approval", "joint", "swapped"} <= rows.keys()
    assert {f"warning_{name}" for name in drawn_claims.warnings} <= rows.keys()
    assert {f"inferred_x{times}" for times in (1, 2, 4)} <= rows.keys()
    assert rows["iso_approval"].difference == drawn_claims.iso_approval.difference
    assert rows["swap_in_rows"].candidate == drawn_claims.swap_set.cells["swap_in"].rows
    for row in rows.values():
        assert row.label.isascii()
        assert not row.label_zh.isascii()
        assert row.unit in {"share", "ratio", "days", "rows", "firms", "episodes", "yes_no"}


def test_metrics_have_flat_names_and_known_values(drawn_claims: Claims) -> None:
    found = claims_table.metrics(drawn_claims)
    assert found["worth/iso_risk_both_uplift"] == drawn_claims.iso_risk_both.uplift
    assert found["worth/iso_risk_both_difference"] == drawn_claims.iso_risk_both.difference
    assert not [name for name in found if "swap" in name]
    assert found["worth/joint_holds"] == float(drawn_claims.joint.holds)
    assert found["worth/warning_precision_uplift"] == drawn_claims.warnings["precision"].uplift
    assert np.isfinite(list(recording.flat(found).values())).all()
    assert "worth/found_share_baseline" not in found
    assert found["worth/coverage_share_of_types_candidate"] == 1
    # Four firms are too few to judge a type.
    few = claims_table.metrics(measure(rows_of(*FOUR), FEW))
    assert "worth/coverage_share_of_types_candidate" not in few


def test_uplifts_are_relative_to_the_baseline(drawn_claims: Claims) -> None:
    found = drawn_claims.iso_approval
    expected = found.candidate.value / found.baseline.value - 1
    assert found.uplift.value == pytest.approx(expected)
    assert found.uplift.low < expected < found.uplift.high < 0
