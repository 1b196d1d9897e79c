"""Compare two versions on the same rows: is one significantly better."""

from collections.abc import Mapping

import numpy as np

from firmpulse.settings import Settings
from model import bundle
from training import level, metrics
from training.claims.comparison import Comparison, redrawn
from training.config import DEFAULT, TrainingConfig
from training.frozen import bads_of
from training.split import OOT
from training.validation import subject
from training.versions import Version, trained_as_of

# Metrics of a version's quality on the same rows; KS uses a cut-off per version.
CONTESTED = ("auc", "pr_auc", "ks", "brier", "log_loss")


def paired(
    settings: Settings, first: Version, second: Version, config: TrainingConfig = DEFAULT
) -> Mapping[str, Comparison]:
    """Return metric → the second version compared with the first, out of time.

    The rows are those of the later frame, which are later than the training data of both.

    Both use the same draws of firms, so the interval of the difference is much narrower than the
    separate intervals.

    Raises:
        NotReadyError: the frame was sampled again since, has no such rows, or lacks a feature.
        ModelChangedError: a file of a version differs from the registered one.
    """
    later = max((first, second), key=trained_as_of)
    frame = subject.frame_of(settings, trained_as_of(later), later.frame_digest)
    oot = frame.part(OOT)
    outcome = bads_of(oot)
    one, other = (
        level.at_sample(bundle.load(subject.files_of(settings, version.version))).default_prob(oot)
        for version in (first, second)
    )
    firms = np.unique(oot["firm_id"].to_numpy(), return_inverse=True)[1]
    found = redrawn(
        lambda weights: {
            f"{side} {name}": values
            for side, prob in (("first", one), ("second", other))
            for name, values in metrics.weighted(outcome, prob, weights).items()
        },
        firms,
        draws=config.bootstrap_draws,
        confidence=config.confidence,
        seed=config.seed,
    )
    return {name: found.compare(f"first {name}", f"second {name}") for name in CONTESTED}
