"""Hold two versions against each other on the same rows: is one better beyond chance."""

from collections.abc import Mapping

import numpy as np

from firmpulse.settings import Settings
from model import bundle
from training import metrics
from training.claims.comparison import Comparison, redrawn
from training.config import DEFAULT, TrainingConfig
from training.frozen import bads_of
from training.split import OOT
from training.validation import subject
from training.versions import Version, trained_as_of

# Metrics that say how good a version is on its own rows; KS is taken at a cut-off of its own.
CONTESTED = ("auc", "pr_auc", "ks", "brier", "log_loss")


def paired(
    settings: Settings, first: Version, second: Version, config: TrainingConfig = DEFAULT
) -> Mapping[str, Comparison]:
    """Return metric → the second version held against the first, out of time.

    The rows are those of the frame that was drawn later, which are later than what either learnt.

    Both meet the same draws of firms, so that the interval of the difference is much narrower than
    those of the versions apart.

    Raises:
        NotReadyError: the frame was sampled anew since, has no such rows, or lacks a feature.
        ModelChangedError: a file of a version is not what was registered.
    """
    later = max((first, second), key=trained_as_of)
    frame = subject.frame_of(settings, trained_as_of(later), later.frame_digest)
    oot = frame.part(OOT)
    outcome = bads_of(oot)
    one, other = (
        bundle.load(subject.files_of(settings, version.version)).default_prob(oot)
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
