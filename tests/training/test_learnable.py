"""Seasonal features are learnt only from dates of all four quarters."""

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
