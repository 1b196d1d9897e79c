"""What a model may learn: seasonal features, and those whose meaning a law changed."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from features import contract, registry
from firmpulse.settings import Settings
from training import boosted
from training.frozen import FrozenFrame
from training.split import OOT, TRAIN

STEADY, SEASONAL = "bank_operating_in_mean_6m", "bank_payroll_slope_6m"
# Invoices are no longer voided since 1 December 2024, but set off by red ones.
CHANGED = ("tax_void_share_12m", "tax_red_share_12m", "tax_void_count_mean_12m",
           "tax_void_amount_share_12m", "tax_red_after_quarter_end_12m")  # fmt: skip
SPRING = [date(2024, 3, 31), date(2024, 6, 30)]
YEAR = [*SPRING, date(2024, 9, 30), date(2024, 12, 31)]


def _frame(learnt: list[date], tested: list[date]) -> FrozenFrame:
    known = registry.load(Settings())
    metas = contract.from_json(contract.to_json([known[STEADY], known[SEASONAL]]))
    split = [TRAIN] * len(learnt) + [OOT] * len(tested)
    rows = pl.DataFrame({
        "firm_id": ["firm"] * len(split), "as_of": learnt + tested, "outcome": "good",
        "split": split, STEADY: 1.0, SEASONAL: 1.0,
    })  # fmt: skip
    return FrozenFrame(YEAR[-1], "training.frame", "digest", metas, rows, rows.height, "simulated")


@pytest.mark.parametrize(
    ("learnt", "tested", "names"),
    [
        (SPRING, YEAR[2:], {STEADY}),
        (YEAR, SPRING, {STEADY, SEASONAL}),
        # A quarter of another year is as good.
        ([*YEAR[1:], date(2025, 3, 31)], SPRING, {STEADY, SEASONAL}),
    ],
)
def test_a_seasonal_feature_needs_training_dates_of_all_quarters(
    learnt: list[date], tested: list[date], names: set[str]
) -> None:
    frame = _frame(learnt, tested)
    assert {feature.name for feature in frame.learnable} == names
    assert set(boosted.candidate_features(frame.learnable).names) == names


def test_a_frame_that_was_frozen_before_features_were_declared_has_no_seasonal_ones() -> None:
    frame = _frame(SPRING, [])
    undeclared = replace(frame, features=tuple(replace(f, seasonal=False) for f in frame.features))
    assert len(undeclared.learnable) == 2


@pytest.mark.parametrize(
    ("learnt", "as_of", "is_learnt"),
    [
        # All before the change, then across it, then the first day whose year is all after it.
        ([date(2024, 3, 31), date(2024, 6, 30)], date(2024, 12, 1), True),
        ([date(2024, 3, 31), date(2024, 6, 30)], date(2026, 10, 31), False),
        ([date(2024, 6, 30), date(2026, 3, 31)], date(2026, 10, 31), False),
        ([date(2025, 11, 29), date(2026, 3, 31)], date(2026, 10, 31), False),
        ([date(2025, 11, 30), date(2026, 3, 31)], date(2026, 10, 31), True),
        ([date(2025, 12, 15), date(2026, 3, 31)], date(2026, 10, 31), True),
    ],
)
def test_what_a_law_changed_is_learnt_on_one_side_of_the_change(
    learnt: list[date], as_of: date, is_learnt: bool
) -> None:
    known = registry.load(Settings())
    drawn = _frame(learnt, [])
    frame = replace(
        drawn,
        as_of=as_of,
        rows=drawn.rows.with_columns(pl.lit(1.0).alias(name) for name in CHANGED),
        features=contract.from_json(contract.to_json([known[name] for name in CHANGED])),
    )
    assert {f.name for f in frame.learnable} == (set(CHANGED) if is_learnt else set())
    reasons = set() if is_learnt else {"means something else since 2024-12-01"}
    assert set(frame.left_out.values()) == reasons


def test_what_no_training_row_has_is_not_learnt() -> None:
    drawn = _frame(YEAR, SPRING)
    later = pl.when(pl.col("split") == OOT).then(pl.col(STEADY)).alias(STEADY)
    frame = replace(drawn, rows=drawn.rows.with_columns(later))
    assert frame.left_out == {STEADY: "not observed in any training row"}
    assert [feature.name for feature in frame.learnable] == [SEASONAL]


def test_void_and_red_together_mean_the_same_throughout() -> None:
    assert registry.load(Settings())["tax_cancel_share_12m"].comparable_from is None
