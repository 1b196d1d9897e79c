import dataclasses
import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmpulse.errors import NotReadyError
from tests.training.claim_cases import DAY, FEW, HALF, approved, drawn_rows, rows_of
from training.claims import swap_set
from training.claims.measure import measure
from training.claims.ranking import curve, ranked
from training.claims.rows import ClaimRows
from training.metrics import Interval


@pytest.fixture
def ten() -> ClaimRows:
    """Rows A to J in the baseline's order; C, F and H default; the candidate ranks them last."""
    #          A  B  C  D  E  F  G  H  I  J
    outcome = [0, 0, 1, 0, 0, 1, 0, 1, 0, 0]
    place = [1, 2, 8, 3, 4, 9, 5, 10, 6, 7]
    asked = np.isin(np.arange(10), [0, 2, 6, 9])
    return rows_of(outcome, np.arange(1, 11) / 20, np.array(place) / 20, of_interest=asked)


def test_approvals_by_hand(ten: ClaimRows) -> None:
    found = measure(ten, HALF)
    # The baseline approves A to E with one bad. The candidate approves seven good rows and then
    # 1.75 of the bad ones: 1.75 / 8.75 = 0.2.
    assert found.iso_approval.baseline.value == pytest.approx(0.2)
    assert found.iso_risk.baseline.value == pytest.approx(0.5)
    assert found.iso_risk.candidate.value == pytest.approx(0.875)
    assert found.iso_risk.difference.value == pytest.approx(0.375)
    assert found.iso_risk.uplift.value == pytest.approx(0.75)
    assert found.iso_approval.candidate.value == 0
    assert found.iso_approval.difference.value == pytest.approx(-0.2)
    assert (found.rows, found.firms, found.bads) == (10, 10, 3)


def test_swap_set_by_hand(ten: ClaimRows) -> None:
    swaps = measure(ten, HALF).swap_set
    assert {name: dataclasses.astuple(cell) for name, cell in swaps.cells.items()} == {
        "both": (4, 4, 0),  # A B D E
        "swap_in": (1, 1, 0),  # G
        "swap_out": (1, 1, 1),  # C
        "neither": (4, 4, 2),  # F H I J
    }
    assert swaps.bad_rates["neither"].value == 0.5
    assert swaps.swapped.difference.value == -1
    # G's PD is 5/20, odds of 1 to 3; the other four of five approved are known to be good.
    inferred = {times: found.candidate.value for times, found in swaps.inferred.items()}
    assert inferred == pytest.approx({1: 0.25 / 5, 2: 0.4 / 5, 4: (4 / 7) / 5})


def test_firms_of_interest_by_hand(ten: ClaimRows) -> None:
    # Asked for A, C, G and J: the baseline approves A and C, the candidate A and G.
    found = measure(ten, HALF)
    assert found.found is not None
    assert found.found_firms == pytest.approx({"baseline": 2, "candidate": 2})
    assert found.found.candidate.value == pytest.approx(0.5)
    # At a share of 0.7 the baseline also takes G, the candidate also J.
    wider = measure(ten, dataclasses.replace(FEW, approval_share=0.7))
    assert wider.found_firms == pytest.approx({"baseline": 3, "candidate": 3})
    nobody = measure(dataclasses.replace(ten, of_interest=None), HALF)
    assert nobody.found is None
    # C again at a later snapshot, instead of J: the baseline approves A, and C half the time.
    twice = dataclasses.replace(
        ten,
        firm_ids=np.array(["A", "B", "C", "D", "E", "F", "G", "H", "I", "C"]),
        snapshot_dates=np.r_[ten.snapshot_dates[:9], DAY + np.timedelta64(91, "D")],
        of_interest=np.isin(np.arange(10), [0, 2, 9]),
    )
    assert measure(twice, HALF).found_firms == pytest.approx({"baseline": 1.5, "candidate": 1})


def test_a_tie_at_the_cut_off_is_approved_by_lot() -> None:
    outcome, prob = np.array([0.0, 1, 1, 0, 0]), np.array([0.1, 0.2, 0.2, 0.2, 0.3])
    # The first two of five: the mean over every order of the tied three.
    orders = [(0, *middle, 4) for middle in itertools.permutations([1, 2, 3])]
    expected = np.mean([outcome[list(order[:2])].mean() for order in orders])
    found = measure(
        rows_of(outcome, prob, prob[::-1]), dataclasses.replace(FEW, approval_share=0.4)
    )
    assert found.iso_approval.baseline.value == pytest.approx(expected)


def test_a_model_without_order_approves_at_the_base_rate() -> None:
    outcome = np.r_[np.ones(3), np.zeros(17)]
    found = measure(rows_of(outcome, np.full(20, 0.1), 0.1 + outcome / 2), HALF)
    assert found.iso_approval.baseline.value == pytest.approx(0.15)
    # Approving all has the same bad rate.
    assert found.iso_risk_both.baseline.value == pytest.approx(1)
    assert found.iso_risk.candidate.value == pytest.approx(1)


@pytest.mark.parametrize("decimals", [1, 2, 6])
def test_approvals_agree_with_a_walk_over_all_cut_offs(decimals: int) -> None:
    rows = drawn_rows(np.random.default_rng(decimals), 300, decimals)
    found = measure(rows, FEW)
    _, bads = approved(rows.outcome, rows.baseline_prob, 0.6)
    accepted = bads / 180
    assert found.iso_approval.baseline.value == pytest.approx(accepted)
    # Steps of a twentieth of a row.
    shares = np.arange(1, 6_001) / 6_000
    walked = [approved(rows.outcome, rows.candidate_prob, share) for share in shares]
    rates = np.array([bads / taken for taken, bads in walked])
    largest = shares[rates <= accepted + 1e-12].max()
    assert found.iso_risk.candidate.value == pytest.approx(largest, abs=1 / 6_000)
    least = rates[shares >= 0.708 - 1e-12].min()
    assert found.joint.least_bad_rate.value == pytest.approx(least, abs=1e-4)
    at_larger = rates[np.searchsorted(shares, 0.708 - 1e-9)]
    assert found.joint.bad_rate.candidate.value == pytest.approx(at_larger, abs=1e-9)


def test_weights_count_as_repeated_rows() -> None:
    random = np.random.default_rng(4)
    rows = drawn_rows(random, 200, decimals=1)
    times = random.integers(0, 4, size=200)
    asked = random.random(200) < 0.3

    def policies(repeats: np.ndarray) -> swap_set.Policies:
        outcome, old, new, interesting = (
            np.repeat(column, repeats)
            for column in (rows.outcome, rows.baseline_prob, rows.candidate_prob, asked)
        )
        return swap_set.Policies(
            outcome, new, ranked(old), ranked(new), np.arange(len(outcome)), interesting,
            share=0.6, larger_share=0.708, odds_multiples=(1.0, 4.0),
        )  # fmt: skip

    once = policies(np.ones(200, dtype=int))
    by_weight = swap_set.weighted(once, times[None, :].astype(float))
    by_row = swap_set.weighted(policies(times), np.ones((1, times.sum())))
    assert by_weight.keys() == by_row.keys()
    for name, value in by_weight.items():
        assert value[0] == pytest.approx(by_row[name][0], abs=1e-12), name


@st.composite
def _cases(draw: st.DrawFn) -> ClaimRows:
    count = draw(st.integers(4, 40))
    levels = st.lists(st.integers(1, 9), min_size=count, max_size=count)
    outcome = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    hypothesis.assume(0 < sum(outcome) < count)
    return rows_of(outcome, np.array(draw(levels)) / 10, np.array(draw(levels)) / 10)


@given(_cases(), st.floats(0.05, 0.8))
@hypothesis.settings(deadline=None, max_examples=60)
def test_bads_of_the_new_policy_are_the_old_ones_less_swapped_out_and_with_swapped_in(
    rows: ClaimRows, share: float
) -> None:
    found = measure(rows, dataclasses.replace(FEW, approval_share=share, draws=2))
    cells = found.swap_set.cells
    _, old = approved(rows.outcome, rows.baseline_prob, share)
    _, new = approved(rows.outcome, rows.candidate_prob, share)
    assert new == pytest.approx(old - cells["swap_out"].bads + cells["swap_in"].bads, abs=1e-9)
    assert cells["both"].bads + cells["swap_out"].bads == pytest.approx(old, abs=1e-9)
    assert cells["swap_in"].rows == pytest.approx(cells["swap_out"].rows, abs=1e-9)
    assert sum(cell.rows for cell in cells.values()) == pytest.approx(len(rows.outcome))
    assert sum(cell.bads for cell in cells.values()) == pytest.approx(rows.outcome.sum())
    assert min(cell.rows for cell in cells.values()) >= -1e-9


@given(_cases(), st.floats(0.05, 0.8))
@hypothesis.settings(deadline=None, max_examples=40)
def test_a_model_against_itself_is_worth_nothing(rows: ClaimRows, share: float) -> None:
    same = dataclasses.replace(rows, candidate_prob=rows.baseline_prob)
    found = measure(same, dataclasses.replace(FEW, approval_share=share))
    compared = [found.iso_risk_both, found.iso_approval, *found.warnings.values()]
    for change in (comparison.difference for comparison in compared):
        if not np.isnan(change.value):
            assert change == Interval(0, 0, 0)
    assert found.swap_set.cells["swap_in"].rows == 0
    assert np.isnan(found.swap_set.swapped.difference.value)
    # The largest share at the accepted bad rate is never below the share that defined it.
    assert found.iso_risk.difference.value >= -1e-9


@given(_cases(), st.floats(0, 1), st.floats(0, 1))
@hypothesis.settings(deadline=None, max_examples=60)
def test_more_accepted_bads_never_approve_fewer(rows: ClaimRows, one: float, other: float) -> None:
    drawn = curve(ranked(rows.candidate_prob), rows.outcome, np.ones((1, len(rows.outcome))))
    low, high = sorted((one, other))
    few, many = (drawn.largest_share(np.array([rate]))[0] for rate in (low, high))
    assert few <= many + 1e-9
    assert drawn.largest_share(np.array([1.0]))[0] == 1


def test_inferred_rates_bound_the_known_one_when_rejected_firms_are_worse_than_they_look() -> None:
    random = np.random.default_rng(21)
    rows = drawn_rows(random, 4_000, decimals=6)
    swaps = measure(rows, FEW).swap_set
    inferred = [swaps.inferred[times].candidate.value for times in (1, 2, 4)]
    assert inferred == sorted(inferred)
    cells = swaps.cells
    known = (cells["both"].bads + cells["swap_in"].bads) / (0.6 * 4_000)
    # PDs are true here, so inference at their own odds is right except for chance.
    assert inferred[0] == pytest.approx(known, abs=0.004)
    assert inferred[2] > known + 0.004


def test_rows_without_a_pd_are_not_approved() -> None:
    outcome = np.r_[np.zeros(8), 1, 1]
    baseline = np.arange(1, 11) / 20
    candidate = np.r_[baseline[:6], np.nan, np.nan, 0.8, 0.9]
    found = measure(rows_of(outcome, baseline, candidate), HALF)
    # No bad rate is too high for the eight that have one, and all ten are never approved.
    allowing = curve(ranked(candidate), outcome, np.ones((1, 10)))
    assert allowing.largest_share(np.array([1.0]))[0] == pytest.approx(0.8)
    assert allowing.least_rate_from(0.8)[0] == pytest.approx(2 / 8)
    assert found.iso_risk.candidate.value == pytest.approx(0.6)
    with pytest.raises(NotReadyError, match=r"the candidate gives 80\.0% of the rows a PD"):
        measure(rows_of(outcome, baseline, candidate), dataclasses.replace(FEW, approval_share=0.7))
