"""Which kind of model becomes the candidate: trees, or a logistic regression with signs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from firmpulse.settings import Settings
from model.bundle import Bundle, CreditModel, matrix_of
from training import boosted, calibration, logistic, segmented, split
from training.boosted import Candidate, HeldOut
from training.config import LOANS, TrainingConfig
from training.frozen import FrozenFrame, bad_firms_of, bads_of
from training.metrics import measure
from training.split import TRAIN


@dataclass(frozen=True)
class Chosen:
    """The candidate, and how each kind did on training firms held out in turn."""

    candidate: Candidate
    # Named `train_held_out/<metric>`; empty if only trees were tried.
    metrics: Mapping[str, float] = field(default_factory=dict)


def choose(
    settings: Settings, frame: FrozenFrame, config: TrainingConfig, held_out: HeldOut | None = None
) -> Chosen:
    """Return the kind of model that ranks held-out training firms better.

    A bank's old loans may be few, and trees then learn less than the expected signs know. On
    monthly outcomes and with segments the candidate is trees.

    Args:
        settings: threads.
        frame: the frozen frame.
        config: parameters, folds and seed, the same folds for both kinds.
        held_out: predictions of trees with these parameters, if already made.
    """
    trees = segmented.fit(settings, frame, config, held_out)
    if frame.labels != LOANS or config.segment_by is not None:
        return Chosen(trees)
    signed = fit_signed(settings, frame, config)
    rows = frame.part(TRAIN)
    of_trees, of_signed = (
        measure(bads_of(rows), kind.held_out_prob)["auc"] for kind in (trees, signed)
    )
    metrics = {
        "train_held_out/trees_auc": of_trees,
        "train_held_out/signed_auc": of_signed,
        "train_held_out/bad_firms": float(bad_firms_of(rows)),
    }
    return Chosen(signed if of_signed > of_trees else trees, metrics)


def fit_signed(settings: Settings, frame: FrozenFrame, config: TrainingConfig) -> Candidate:
    """Return the regression on all training rows, calibrated on held-out predictions."""
    rows = frame.part(TRAIN)
    listed = boosted.candidate_features(frame.learnable)
    raw_logit = np.empty(rows.height)
    for seen, unseen in split.folds(rows, config.folds, config.seed):
        fitted = logistic.fit_signed(rows[seen], listed, config.logistic_c)
        raw_logit[unseen] = fitted.logit(matrix_of(rows[unseen], listed.names, listed.categorical))
    calibrated = calibration.choose(raw_logit, bads_of(rows), bad_firms_of(rows))
    bundle = Bundle(
        features=listed.names,
        categorical=listed.categorical,
        calibration=calibrated,
        trained_as_of=frame.as_of,
        frame_digest=frame.digest,
        threads=settings.threads,
        seed=config.seed,
        linear=logistic.fit_signed(rows, listed, config.logistic_c),
    )
    return Candidate(CreditModel(bundle), calibrated.apply(raw_logit))
