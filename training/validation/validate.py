"""Validate a registered version: gather the evidence, write pack and card, keep all in MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from features import contract
from firmpulse import bundle, runlog, tracking
from firmpulse.bundle import matrix_of
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from training import frozen, plots, promotion, recording, scorecard
from training.claims import table as claims_table
from training.config import DEFAULT, TrainingConfig
from training.metrics import Interval
from training.promotion import GateResult
from training.scorecard import Scorecard
from training.split import OOT
from training.validation import characteristics, evidence, pack, stress
from training.validation.evidence import Evidence, Subject

PACK, CARD, CONTRACT = "validation/pack.html", "validation/model_card.md", "features.json"


@dataclass(frozen=True)
class ValidationReport:
    """A validated version and where its pack is; metrics as MLflow has them."""

    as_of: date
    version: str
    run_id: str
    gates: tuple[GateResult, ...]
    metrics: Mapping[str, float]
    # The pack as one HTML page; the run has a copy.
    path: Path


def validate(
    settings: Settings, as_of: date, version: str, config: TrainingConfig = DEFAULT
) -> ValidationReport:
    """Measure a version of the credit model on its frame and add pack and card to its run.

    Raises:
        NotReadyError: there is no such version, it was fitted on another frame than the one of
            `as_of`, or a baseline on that frame is missing.
        ModelChangedError: a file of the version is not what was registered.
    """
    with runlog.step(settings, as_of, "train", "validate") as step:
        subject = _subject(settings, as_of, version, config)
        gathered = evidence.gather(settings, subject, config)
        client = tracking.client(settings)
        found = _metrics(gathered)
        measured = {**client.get_run(subject.run_id).data.metrics, **recording.flat(found)}
        gates = promotion.check_run(settings, measured, subject.frame.digest, config.gates)
        compared = _compared(settings, subject)
        figures = _figures(gathered)
        page = pack.page(gathered, measured, compared, gates, figures)
        card = pack.card(gathered, measured, compared, gates)
        with recording.reopened(settings, subject.run_id):
            recording.record(
                recording.Artifacts(
                    parameters={},
                    metrics=found,
                    figures=figures,
                    tables=_tables(gathered),
                    texts={
                        PACK: page,
                        CARD: card,
                        CONTRACT: contract.to_json(subject.features, indent=1),
                    },
                    tags={"mlflow.note.content": card},
                )
            )
        client.update_model_version(tracking.CREDIT_MODEL, subject.version, description=card)
        path = _write(settings, subject.version, page)
        step.rows_out, step.note = len(gathered.oot_prob), f"version {subject.version}"
    return ValidationReport(as_of, subject.version, subject.run_id, gates, measured, path)


def _write(settings: Settings, version: str, page: str) -> Path:
    path = settings.validation_dir / f"{tracking.CREDIT_MODEL}_v{version}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _subject(settings: Settings, as_of: date, version: str, config: TrainingConfig) -> Subject:
    found = tracking.find_version(settings, tracking.CREDIT_MODEL, version)
    if found is None:
        raise NotReadyError(
            f"{tracking.CREDIT_MODEL} has no version {version}; "
            f"run: firmpulse train --as-of {as_of}"
        )
    frame = frozen.read(settings, as_of)
    if found.tags.get("frame_digest") != frame.digest:
        raise NotReadyError(
            f"version {version} was fitted on another frame than the one of {as_of}; "
            f"validate it for {found.tags.get('trained_as_of')}, or train anew"
        )
    folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, found.version)
    files = folder / "artifacts" / "bundle"
    run = tracking.client(settings).get_run(found.run_id).data
    return Subject(
        version=str(found.version),
        run_id=found.run_id,
        model=bundle.load(files),
        features=contract.load(files),
        boosting=_boosting(run.params, config),
        statements=_baseline(settings, frame.digest, as_of),
        frame=frame,
    )


def _boosting(logged: Mapping[str, str], config: TrainingConfig) -> Mapping[str, float | int | str]:
    """Return the logged parameters of the trees in the types that the configuration has."""
    return {
        name: type(value)(logged[name])
        for name, value in config.boosting.items()
        if name in logged and name != "early_stopping_rounds"
    }


def _baseline(settings: Settings, frame_digest: str, as_of: date) -> Scorecard:
    found = promotion.baseline_version(settings, frame_digest)
    if found is None:
        raise NotReadyError(
            f"no scorecard on statements was fitted on the frame of {as_of}; "
            f"run: firmpulse train --as-of {as_of}"
        )
    folder = tracking.model_folder(settings, tracking.STATEMENTS_MODEL, found.version)
    return scorecard.load(folder / "artifacts" / "bundle")


def _compared(settings: Settings, subject: Subject) -> Mapping[str, Mapping[str, float]]:
    """Return name → metrics of every run on the same frame, the version itself first."""
    client = tracking.client(settings)
    own = client.get_run(subject.run_id)
    runs = client.search_runs(
        [own.info.experiment_id],
        filter_string=f"tags.frame_digest = '{subject.frame.digest}'",
        order_by=["attributes.start_time desc"],
    )
    shown = {f"{tracking.CREDIT_MODEL} v{subject.version}": dict(own.data.metrics)}
    for run in runs:
        kind = run.info.run_name.removesuffix(f" {subject.frame.as_of}")
        is_rival = kind != own.info.run_name.removesuffix(f" {subject.frame.as_of}")
        if is_rival and "oot/auc" in run.data.metrics:
            shown.setdefault(kind, dict(run.data.metrics))
    return shown


def _metrics(gathered: Evidence) -> dict[str, Interval | float]:
    moved = characteristics.moved_much(gathered.characteristics)
    return {
        **claims_table.metrics(gathered.claims),
        "stability/strong_features_moved": float(moved.height),
        **{f"stress/{_slug(r.scenario)}": r.mean_prob_after for r in gathered.stress},
    }


def _slug(scenario: str) -> str:
    """Return a scenario's name as MLflow takes it, such as `mean_prob_sales_minus_10_percent`."""
    for sign, word in (("-", "minus "), ("+", "plus "), ("%", "percent")):
        scenario = scenario.replace(sign, word)
    return "mean_prob_" + "_".join(scenario.lower().split())


def _tables(gathered: Evidence) -> dict[str, Any]:
    return {
        "claims": claims_table.frame(gathered.claims),
        "grades": pack.grades_frame(gathered.grades),
        "segments": gathered.segments,
        "sources": gathered.sources,
        "characteristics": gathered.characteristics,
        "stress": stress.table(gathered.stress),
        "funnel": gathered.funnel,
        "vintages": gathered.vintages,
        "roll_rates": gathered.roll_rates,
    }


def _figures(gathered: Evidence) -> dict[str, Any]:
    subject = gathered.subject
    title = (
        f"{tracking.CREDIT_MODEL} v{subject.version}, out of time, as of {gathered.as_of}, "
        f"{subject.frame.origin}"
    )
    names = subject.model.bundle.features
    values = plots.numbers(
        matrix_of(subject.frame.part(OOT), names, subject.model.bundle.categorical)
    )
    return {
        **plots.of_predictions(gathered.oot_outcome, gathered.oot_prob, title),
        **plots.of_contributions(names, gathered.contributions, values, title),
        **plots.of_stability(
            gathered.train_prob, gathered.oot_prob, gathered.characteristics, title
        ),
    }
