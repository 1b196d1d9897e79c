"""Validate a registered version: gather the evidence, write pack and card, log all to MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from features import contract
from firmpulse import runlog, tracking
from firmpulse.settings import Settings
from model import stress
from model.bundle import matrix_of
from training import plots, promotion, recording
from training.claims import table as claims_table
from training.config import DEFAULT, Gates, TrainingConfig
from training.metrics import Interval
from training.promotion import GateResult
from training.split import OOT
from training.validation import breakdown, characteristics, evidence, figures, pack
from training.validation import subject as subjects
from training.validation.evidence import Evidence
from training.validation.subject import Subject

PACK, CARD, CONTRACT = "validation/pack.html", "validation/model_card.md", "features.json"


@dataclass(frozen=True)
class ValidationReport:
    """A validated version and the path of its pack; metrics as in MLflow."""

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
        NotReadyError: there is no such version, it was fitted on a different frame than that of
            `as_of`, or a baseline on that frame is missing.
        ModelChangedError: a file of the version is not what was registered.
    """
    with runlog.step(settings, as_of, "train", "validate") as step:
        subject = subjects.read(settings, as_of, version, config)
        gathered = evidence.gather(settings, subject, config)
        client = tracking.client(settings)
        found = _metrics(gathered, config.gates)
        measured = {**client.get_run(subject.run_id).data.metrics, **recording.flat(found)}
        gates = promotion.check_run(settings, measured, subject.frame.digest, config.gates)
        compared = _compared(settings, subject)
        drawn = _figures(gathered)
        page = pack.page(gathered, measured, compared, gates, drawn)
        card = pack.card(gathered, measured, compared, gates)
        with recording.reopened(settings, subject.run_id):
            recording.record(
                recording.Artifacts(
                    parameters={},
                    metrics=found,
                    figures=drawn,
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
        is_rival = run.data.tags["model"] != tracking.CREDIT_MODEL
        if is_rival and "oot/auc" in run.data.metrics:
            shown.setdefault(run.data.tags["model"], dict(run.data.metrics))
    return shown


def _metrics(gathered: Evidence, gates: Gates) -> dict[str, Interval | float]:
    moved = characteristics.moved_much(gathered.characteristics)
    return {
        **(claims_table.metrics(gathered.claims) if gathered.claims else {}),
        "stability/strong_features_moved": float(moved.height),
        "oot_groups/off_level": float(breakdown.off_level(gathered.segments, gates).height),
        **{f"stress/{_slug(r.scenario)}": r.mean_prob_after for r in gathered.stress},
    }


def _slug(scenario: str) -> str:
    """Return a scenario's name in MLflow's form, such as `mean_prob_sales_minus_10_percent`."""
    for sign, word in (("-", "minus "), ("+", "plus "), ("%", "percent")):
        scenario = scenario.replace(sign, word)
    return "mean_prob_" + "_".join(scenario.lower().split())


def _tables(gathered: Evidence) -> dict[str, Any]:
    claims = {} if gathered.claims is None else {"claims": claims_table.frame(gathered.claims)}
    tables = {
        **claims,
        "grades": pack.grades_frame(gathered.grades),
        "segments": gathered.segments,
        "mix": gathered.mix,
        "sources": gathered.sources,
        "characteristics": gathered.characteristics,
        "stress": stress.table(gathered.stress),
        "refused": gathered.refused,
        "funnel": gathered.funnel,
        "vintages": gathered.vintages,
        "roll_rates": gathered.roll_rates,
    }
    return {name: table for name, table in tables.items() if table.width}


def _figures(gathered: Evidence) -> dict[str, bytes]:
    subject = gathered.subject
    title = (
        f"{tracking.CREDIT_MODEL} v{subject.version}, out of time, as of {gathered.as_of}, "
        f"{subject.frame.origin}"
    )
    names = subject.model.bundle.features
    values = figures.numbers(
        matrix_of(subject.frame.part(OOT), names, subject.model.bundle.categorical)
    )
    return {
        **plots.of_predictions(gathered.oot_outcome, gathered.oot_prob, title),
        **figures.of_contributions(names, gathered.contributions, values, title),
        **figures.of_stability(
            gathered.train_prob, gathered.oot_prob, gathered.characteristics, title
        ),
    }
