"""Log a fitted model and all its records to MLflow."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from firmpulse import tracking
from firmpulse.settings import Settings
from training.config import ABOUT
from training.frozen import FrozenFrame
from training.metrics import Interval

# MLflow keeps at most this many characters of a dataset's digest; the tag has all of them.
_DATASET_DIGEST_CHARACTERS = 36
_LISTED = "mlflow.loggedArtifacts"


@dataclass(frozen=True)
class Artifacts:
    """What one run logs."""

    parameters: Mapping[str, object]
    metrics: Mapping[str, Interval | float]
    # File name → image.
    figures: Mapping[str, bytes] = field(default_factory=dict)
    # Name → rows of aggregates, never about a single firm.
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    # Path → content of a page or other text.
    texts: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ServedModel:
    """A model to register: its code, its files and its input."""

    name: str
    script: Path
    # Writes the model's files into an empty folder.
    write: Callable[[Path], None]
    # Made-up rows of the model's features; their names and types become the signature.
    example: pl.DataFrame
    # Whether it gives reasons besides PD, score and grade.
    explains: bool
    requirements: tuple[str, ...]


@contextmanager
def reopened(settings: Settings, run_id: str) -> Iterator[Any]:
    """Open a finished run again to add to it."""
    tracking.client(settings)
    import mlflow

    with mlflow.start_run(run_id=run_id) as active:
        yield active


@contextmanager
def run(settings: Settings, experiment: str, model: str, frame: FrozenFrame) -> Iterator[Any]:
    """Open a run of a kind of model whose input is the frozen frame."""
    tracking.use_experiment(settings, experiment, ABOUT[experiment])
    import mlflow

    with mlflow.start_run(run_name=f"{model}, {frame.as_of}") as active, warnings.catch_warnings():
        # Hints for notebook users: untyped predict(), integer columns that may gain nulls.
        warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")
        mlflow.log_input(_dataset(frame), context="training")
        mlflow.set_tags(
            {
                "model": model,
                "frame_table": frame.table,
                "frame_digest": frame.digest,
                "data_origin": frame.origin,
                "as_of": frame.as_of.isoformat(),
            }
        )
        mlflow.log_param("labels", frame.labels)
        yield active


def record(artifacts: Artifacts) -> None:
    """Log all of it to the active run, metrics with their bounds."""
    import mlflow

    mlflow.log_params(dict(artifacts.parameters))
    mlflow.log_metrics(flat(artifacts.metrics))
    mlflow.set_tags(dict(artifacts.tags))
    with TemporaryDirectory() as folder:
        for name, image in artifacts.figures.items():
            (Path(folder) / name).write_bytes(image)
        mlflow.log_artifacts(folder, "plots")
    for name, table in artifacts.tables.items():
        # In the format of mlflow.log_table, which would append to an existing table.
        content = {"columns": table.columns, "data": table.fill_nan(None).rows()}
        mlflow.log_text(json.dumps(content, default=str), f"tables/{name}.json")
    if artifacts.tables:
        _list_tables([f"tables/{name}.json" for name in artifacts.tables])
    for name, text in artifacts.texts.items():
        mlflow.log_text(text, name)


def _list_tables(paths: list[str]) -> None:
    """Add to the tables that MLflow shows."""
    import mlflow

    run = mlflow.get_run(mlflow.active_run().info.run_id)
    before = [entry["path"] for entry in json.loads(run.data.tags.get(_LISTED, "[]"))]
    listed = [{"path": path, "type": "table"} for path in sorted({*before, *paths})]
    mlflow.set_tag(_LISTED, json.dumps(listed))


def register(settings: Settings, served: ServedModel, tags: dict[str, str]) -> str:
    """Log the model to the active run, register it as challenger and return its version."""
    import mlflow

    example = served.example.to_pandas()
    with TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        bundle.mkdir()
        served.write(bundle)
        # MLflow reports its progress on stderr; a failure raises.
        with redirect_stderr(StringIO()):
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(served.script),
                artifacts={"bundle": str(bundle)},
                signature=_signature(example, explains=served.explains),
                input_example=example,
                pip_requirements=list(served.requirements),
                registered_model_name=served.name,
            )
    version = str(info.registered_model_version)
    client = tracking.client(settings)
    logged = mlflow.artifacts.download_artifacts(artifact_uri=info.model_uri)
    digest = {tracking.FILES_DIGEST: tracking.files_digest(Path(logged))}
    for key, value in (tags | digest).items():
        client.set_model_version_tag(served.name, version, key, value)
    client.set_registered_model_alias(served.name, tracking.CHALLENGER, version)
    # Several versions are often fitted for one date.
    mlflow.set_tag("mlflow.runName", f"{served.name} v{version}, {tags['trained_as_of']}")
    return version


def flat(metrics: Mapping[str, Interval | float]) -> dict[str, float]:
    """Return name → value, with the bounds of each interval under separate names."""
    flattened: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, Interval):
            low, high = tracking.bounds_of(name)
            flattened |= {name: value.value, low: value.low, high: value.high}
        else:
            flattened[name] = value
    return flattened


def installed(*packages: str) -> tuple[str, ...]:
    """Return pinned requirements of the named packages as installed here."""
    from importlib.metadata import version

    return tuple(f"{package}=={version(package)}" for package in packages)


def _signature(example: Any, *, explains: bool) -> Any:
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types.schema import Array, ColSpec, DataType, Schema

    outputs = {"default_prob": "double", "score": "long", "grade": "string"}
    if explains:
        outputs |= dict.fromkeys(("reasons_zh", "reasons_en"), Array(DataType.string))
    return ModelSignature(
        inputs=infer_signature(example).inputs,
        outputs=Schema([ColSpec(kind, name) for name, kind in outputs.items()]),
    )


def _dataset(frame: FrozenFrame) -> Any:
    import mlflow.data
    from mlflow.data.code_dataset_source import CodeDatasetSource

    return mlflow.data.from_polars(
        # MLflow's schema has no plain date.
        frame.rows.with_columns(pl.col("as_of").cast(pl.String)),
        source=CodeDatasetSource({"table": frame.table, "as_of": frame.as_of.isoformat()}),
        targets="outcome",
        name=frame.table,
        digest=frame.digest[:_DATASET_DIGEST_CHARACTERS],
    )
