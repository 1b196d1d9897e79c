"""Separate models for large segments, and their explanations."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from firmpulse.errors import ConfigurationError
from model import bundle
from model.bundle import CreditModel
from tests.credit_economy import AS_OF, Trained
from training import boosted, frozen, segmented
from training.boosted import Candidate
from training.config import DEFAULT
from training.frozen import FrozenFrame

QUICK = replace(DEFAULT, boosting=MappingProxyType({"iterations": 60, "depth": 3, "rsm": 0.7}))
BY_INDUSTRY = replace(QUICK, segment_by="profile_industry", segment_bads=15)


@pytest.fixture(scope="module")
def frame(trained: Trained) -> FrozenFrame:
    """Return the economy with one industry in which a feature has the opposite effect."""
    known = frozen.read(trained.settings, AS_OF)
    odd = pl.col("profile_industry") == "I65"
    turned = pl.when(odd).then(-pl.col("tax_red_share_12m")).otherwise("tax_red_share_12m")
    pushed = pl.col("outcome") == "bad"
    noise = pl.Series(np.random.default_rng(3).normal(size=known.rows.height))
    rows = known.rows.with_columns(tax_red_share_12m=2.0 * pushed + noise).with_columns(
        tax_red_share_12m=turned
    )
    return replace(known, rows=rows)


@pytest.fixture(scope="module")
def model(trained: Trained, frame: FrozenFrame) -> CreditModel:
    """Return the model with segments of their own."""
    return segmented.fit(trained.settings, frame, BY_INDUSTRY).model


@pytest.fixture(scope="module")
def pooled(trained: Trained, frame: FrozenFrame) -> Candidate:
    """Return what is fitted on all firms alike."""
    return boosted.fit(trained.settings, frame, QUICK)


def test_a_large_segment_is_predicted_by_its_own_model(
    trained: Trained, frame: FrozenFrame, model: CreditModel, pooled: Candidate
) -> None:
    alone = boosted.fit(
        trained.settings,
        replace(frame, rows=frame.rows.filter(pl.col("profile_industry") == "I65")),
        QUICK,
    ).model
    here = frame.rows.filter(pl.col("profile_industry") == "I65")
    assert "I65" in model.segments
    assert model.default_prob(here).tobytes() == alone.default_prob(here).tobytes()
    oot = here.filter(pl.col("split") == "oot")
    is_bad = (oot["outcome"] == "bad").to_numpy()
    own, all_of_them = (
        roc_auc_score(is_bad, found.default_prob(oot)) for found in (model, pooled.model)
    )
    assert own > all_of_them + 0.02


def test_small_segments_and_unknown_levels_keep_the_model_of_all(
    trained: Trained, frame: FrozenFrame, model: CreditModel, pooled: Candidate
) -> None:
    few = replace(BY_INDUSTRY, segment_bads=10_000)
    candidate = segmented.fit(trained.settings, frame, few)
    assert candidate.model.segments == {}
    assert candidate.held_out_prob.tobytes() == pooled.held_out_prob.tobytes()
    strangers = frame.rows.head(20).with_columns(profile_industry=pl.lit("Z99"))
    missing = frame.rows.head(20).with_columns(profile_industry=pl.lit(None, pl.String))
    for rows in (strangers, missing):
        assert model.default_prob(rows).tobytes() == pooled.model.default_prob(rows).tobytes()


def test_contributions_add_up_across_segments(frame: FrozenFrame, model: CreditModel) -> None:
    assert len(model.segments) >= 2
    together = model.contributions(frame.rows)
    rest = logit(model.default_prob(frame.rows)) - together.sum(axis=1)
    assert np.ptp(rest) < 1e-9
    alone = np.vstack([model.contributions(frame.rows[row]) for row in range(10)])
    assert together[:10].tobytes() == alone.tobytes()


def test_segments_survive_the_round_trip(
    frame: FrozenFrame, model: CreditModel, tmp_path: Path
) -> None:
    bundle.save(model, tmp_path)
    again = bundle.load(tmp_path)
    assert again.bundle == model.bundle
    assert list(again.segments) == list(model.segments)
    assert again.default_prob(frame.rows).tobytes() == model.default_prob(frame.rows).tobytes()
    assert again.contributions(frame.rows).tobytes() == model.contributions(frame.rows).tobytes()


def test_an_unknown_feature_is_told(trained: Trained, frame: FrozenFrame) -> None:
    for name in ("profile_region", "statement_margin"):
        with pytest.raises(ConfigurationError, match=f"{name} is not a feature of the candidate"):
            segmented.require(frame, replace(QUICK, segment_by=name))
    with pytest.raises(ConfigurationError, match=r"tax_sales_12m has \d+ values, too many"):
        segmented.require(frame, replace(QUICK, segment_by="tax_sales_12m"))
    segmented.require(frame, BY_INDUSTRY)
    segmented.require(frame, QUICK)
