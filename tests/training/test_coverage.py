import numpy as np
import pytest
from scipy.stats import poisson

from training.claims import coverage
from training.claims.coverage import Coverage, CoverageTerms, observed_expected

TERMS = CoverageTerms(least_firms=30, least_scored_share=0.9, least_auc=0.65, confidence=0.95)


def _measured(*types: tuple[str, np.ndarray, np.ndarray]) -> Coverage:
    """Types of firm with outcomes and PDs, one row per firm."""
    names = np.concatenate([np.full(len(outcome), name) for name, outcome, _ in types])
    outcome, prob = (np.concatenate([parts[i] for parts in types]) for i in (1, 2))
    return coverage.measure(names, np.arange(len(names)), outcome, prob, TERMS)


def _bads(count: int, bads: int) -> np.ndarray:
    return (np.arange(count) < bads).astype(float)


def test_a_type_is_covered_by_ranking_or_by_level() -> None:
    flat = np.full(40, 0.1)
    # PDs ten times too high that rank, unordered PDs with the right level, and neither.
    ranks = ("ranks", _bads(40, 4), np.where(_bads(40, 4) == 1, 1.0, 0.99))
    holds = ("holds", _bads(40, 4), flat)
    neither = ("neither", _bads(40, 20), flat)
    found = _measured(ranks, holds, neither, ("small", _bads(29, 3), np.full(29, 0.1)))
    assert {kind.name: (kind.ranks, kind.covered) for kind in found.types} == {
        "ranks": (True, True),
        "holds": (False, True),
        "neither": (False, False),
    }
    assert found.share_of_types == pytest.approx(2 / 3)
    assert found.ranking_share_of_types == pytest.approx(1 / 3)
    assert found.share_of_firms == pytest.approx(80 / 120)
    assert found.share_of_all_firms == pytest.approx(80 / 149)


@pytest.mark.parametrize(("unscored", "covered"), [(3, True), (4, True), (5, False)])
def test_nine_firms_of_ten_need_a_pd(unscored: int, covered: bool) -> None:
    prob = np.full(40, 0.1)
    prob[-unscored:] = np.nan
    found = _measured(("C", _bads(40, 4), prob))
    assert found.types[0].scored_share == pytest.approx(1 - unscored / 40)
    assert found.types[0].covered is covered


@pytest.mark.parametrize(("concordant", "ranks"), [(26, True), (25, False)])
def test_a_type_ranks_from_its_bound_on(concordant: int, ranks: bool) -> None:
    # One bad among 40 goods: its AUC is the share of goods with a lower PD.
    outcome = np.r_[1.0, np.zeros(40)]
    prob = np.r_[0.5, np.where(np.arange(40) < concordant, 0.4, 0.6)]
    found = _measured(("C", outcome, prob))
    assert found.types[0].auc == pytest.approx(concordant / 40)
    assert found.types[0].ranks is ranks


def test_a_type_without_a_pd_is_not_covered() -> None:
    found = _measured(("C", _bads(40, 4), np.full(40, np.nan)))
    assert not found.types[0].covered
    assert found.share_of_firms == 0


def test_no_type_with_enough_firms_has_no_share() -> None:
    found = _measured(("C", _bads(29, 4), np.full(29, 0.1)))
    assert found.types == ()
    assert np.isnan(found.share_of_types)
    assert found.share_of_all_firms == 0


def test_a_firm_counts_once_over_its_rows() -> None:
    firms = np.repeat(np.arange(30), 4)
    names = np.full(120, "C")
    prob = np.full(120, 0.1)
    # One row of four lacks a PD at four firms: four of thirty are not scored.
    prob[[0, 4, 8, 12]] = np.nan
    found = coverage.measure(names, firms, _bads(120, 12), prob, TERMS)
    assert found.types[0].firms == 30
    assert found.types[0].scored_share == pytest.approx(26 / 30)
    # Nine of the bad rows have a PD, of 116 rows in all.
    assert found.types[0].observed_expected.value == pytest.approx(9 / 11.6)
    # A firm that changes its type belongs to both, and to all firms once.
    moved = np.where(np.arange(120) % 4 == 0, "A", "B")
    found = coverage.measure(moved, firms, _bads(120, 12), np.full(120, 0.1), TERMS)
    assert found.share_of_firms == 1
    assert found.share_of_all_firms == 1


def test_firms_that_default_soon_and_have_fewer_rows_are_not_overstated() -> None:
    """In each of two quarters a tenth of the firms default; the first ones have no second row."""
    first = np.arange(100)
    second = np.arange(10, 100)
    firms = np.r_[first, second]
    outcome = np.r_[first < 10, second < 19].astype(float)
    found = observed_expected(firms, outcome, np.full(190, 0.1), 0.95)
    assert found.value == pytest.approx(1)
    # Nineteen firms default, in a row each.
    assert poisson.cdf(19, found.high * 19) == pytest.approx(0.025)


def test_rows_of_one_default_are_one_for_the_interval() -> None:
    once = observed_expected(np.arange(50), _bads(50, 5), np.full(50, 0.1), 0.95)
    firms, twice = np.repeat(np.arange(50), 2), np.repeat(_bads(50, 5), 2)
    assert observed_expected(firms, twice, np.full(100, 0.1), 0.95) == once


@pytest.mark.parametrize("bads", [0, 1, 7])
def test_the_interval_of_the_level_is_the_exact_one(bads: int) -> None:
    found = observed_expected(np.arange(50), _bads(50, bads), np.full(50, 0.08), 0.95)
    assert found.value == pytest.approx(bads / 4)
    # At its bounds, this many defaults, or this few, occur once in forty times.
    assert poisson.cdf(bads, found.high * 4) == pytest.approx(0.025)
    if bads:
        assert poisson.sf(bads - 1, found.low * 4) == pytest.approx(0.025)
    else:
        assert found.low == 0
