"""A model version with its baselines, read from MLflow and the warehouse."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from consent import champion
from features import contract
from features.registry import FeatureMeta
from firmpulse import tracking
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from model import bundle
from model.bundle import CreditModel
from training import frozen, level, scorecard, versions
from training.config import UNDATED, TrainingConfig
from training.frozen import FrozenFrame
from training.scorecard import Scorecard


@dataclass(frozen=True)
class Subject:
    """A version with its baselines, and the training frame of all."""

    version: str
    run_id: str
    # At the level of its sample, with whose outcomes it is compared.
    model: CreditModel
    # The features it reads, in order.
    features: tuple[FeatureMeta, ...]
    # Parameters of its trees.
    boosting: Mapping[str, float | int | str]
    statements: Scorecard
    frame: FrozenFrame


def read(settings: Settings, as_of: date, version: str, config: TrainingConfig) -> Subject:
    """Return a version of the credit model by its number or an alias.

    Raises:
        NotReadyError: there is no such version, it learnt from undated outcomes, it was fitted on a
            different frame than that of `as_of`, or a scorecard on that frame is missing.
        ModelChangedError: a file of a version is not what was registered.
    """
    found = champion.find_version(settings, version)
    if found is None:
        raise NotReadyError(
            f"{tracking.CREDIT_MODEL} has no version {version}; "
            f"run: firmpulse train --as-of {as_of}"
        )
    if found.tags.get("labels") == UNDATED:
        raise NotReadyError(
            f"version {found.version} learnt from outcomes without a date, so there is no later "
            f"period to validate it on; its own gates are checked by: firmpulse models promote "
            f"{found.version} --approver NAME"
        )
    frame = frame_of(settings, as_of, found.tags.get("frame_digest", ""))
    run = tracking.client(settings).get_run(found.run_id).data
    return Subject(
        version=str(found.version),
        run_id=found.run_id,
        model=level.at_sample(bundle.load(files_of(settings, found.version))),
        features=contract.load(files_of(settings, found.version)),
        boosting=_boosting(run.params, config),
        statements=_statements(settings, frame),
        frame=frame,
    )


def frame_of(settings: Settings, as_of: date, digest: str) -> FrozenFrame:
    """Return the frame of a date if it is the one with this digest.

    Raises:
        NotReadyError: it was sampled again since, or never.
    """
    frame = frozen.read(settings, as_of)
    if frame.digest != digest:
        raise NotReadyError(
            f"the frame of {as_of} was sampled again since the version was fitted; "
            f"train another on it"
        )
    return frame


def files_of(settings: Settings, version: str) -> Path:
    """Return the folder with the files of a version.

    Raises:
        ModelChangedError: one of them differs from the registered file.
    """
    folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, version)
    return folder / "artifacts" / "bundle"


def _boosting(logged: Mapping[str, str], config: TrainingConfig) -> Mapping[str, float | int | str]:
    """Return the logged parameters of the trees in the types that the configuration has."""
    return {
        name: type(value)(logged[name])
        for name, value in config.boosting.items()
        if name in logged and name != "early_stopping_rounds"
    }


def _statements(settings: Settings, frame: FrozenFrame) -> Scorecard:
    found = versions.baseline_version(settings, frame.digest)
    if found is None:
        raise NotReadyError(
            f"no scorecard on statements was fitted on the frame of {frame.as_of}; "
            f"run: firmpulse train --as-of {frame.as_of}"
        )
    folder = tracking.model_folder(settings, tracking.STATEMENTS_MODEL, found.version)
    return scorecard.load(folder / "artifacts" / "bundle")
