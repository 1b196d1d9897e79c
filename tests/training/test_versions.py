"""Comparison of versions, and rollback to the previous champion."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from cli import app
from consent import audit
from firmpulse import tracking, warehouse
from firmpulse.errors import ConfigurationError, ModelChangedError, NotReadyError
from firmpulse.settings import Settings
from model import bundle
from tests import credit_economy
from training import frozen, pipeline, versions
from training.metrics import Interval
from training.validation import contest

AS_OF, CONFIG = credit_economy.AS_OF, credit_economy.CONFIG


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two versions fitted on the same frame, both promoted in turn."""
    trained = credit_economy.trained_copy(tmp_path_factory)
    settings = trained.settings
    pipeline.promote(settings, AS_OF, trained.candidate.version, "Li Wei")
    report = pipeline.fit_candidate(settings, AS_OF, CONFIG)
    pipeline.validate(settings, AS_OF, report.version, CONFIG)
    pipeline.promote(settings, AS_OF, report.version, "Wang Fang")
    return settings


def test_list_compare_and_back(two_versions: Settings) -> None:
    newest, oldest = versions.listed(two_versions)
    assert (newest.version, oldest.version) == ("2", "1")
    assert newest.aliases == ("challenger", "champion")
    assert (oldest.approver, newest.approver) == ("Li Wei", "Wang Fang")
    assert oldest.promoted_at < newest.promoted_at
    assert newest.trained_as_of == AS_OF

    # The same frame, seed and threads: the same model.
    found = versions.compare(two_versions, "champion", "1")
    assert found.same_frame
    assert not found.parameters
    assert all(one == other for one, other in found.metrics.values())
    assert found.metrics["oot/auc"][0] is not None

    with pytest.raises(ConfigurationError, match="--because"):
        versions.roll_back(two_versions, "Li Wei", " ")
    restored, taken_back = versions.roll_back(two_versions, "Li Wei", "alerts doubled")
    assert (restored.version, restored.aliases) == ("1", ("champion",))
    assert taken_back.version == "2"
    assert "by Li Wei: alerts doubled" in taken_back.taken_back
    assert versions.get(two_versions, "champion").version == "1"
    entry = audit.entries(two_versions, action="PROMOTE")[-1]
    assert "alerts doubled" in entry.details

    # A second call does not restore the withdrawn one.
    with pytest.raises(NotReadyError, match="version 1 is champion and there is none before it"):
        versions.roll_back(two_versions, "Li Wei", "again")
    # Someone may review it again and promote it.
    pipeline.promote(two_versions, AS_OF, "2", "Zhao Min")
    assert versions.get(two_versions, "champion").version == "2"
    assert versions.get(two_versions, "2").taken_back is None


def test_a_changed_model_file_is_refused(two_versions: Settings) -> None:
    folder = tracking.model_folder(two_versions, tracking.CREDIT_MODEL, "1")
    assert (folder / "artifacts" / "bundle" / "model.cbm").exists()
    path = _stored(two_versions, "1") / "bundle.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"slope": ', '"slope": 1'), encoding="utf-8")
    with pytest.raises(ModelChangedError, match="version 1 of firmpulse-credit differ from the"):
        tracking.model_folder(two_versions, tracking.CREDIT_MODEL, "1")
    # Only that one.
    tracking.model_folder(two_versions, tracking.CREDIT_MODEL, "2")
    path.write_text(text, encoding="utf-8")
    tracking.model_folder(two_versions, tracking.CREDIT_MODEL, "1")


def test_promotion_notes_the_digest_of_the_files(two_versions: Settings) -> None:
    folder = tracking.model_folder(two_versions, tracking.CREDIT_MODEL, "1")
    entry = audit.entries(two_versions, action="PROMOTE")[0]
    assert tracking.files_digest(folder) in entry.details


def _stored(settings: Settings, version: str) -> Path:
    """Return the folder in MLflow's store that holds the bundle of a version."""
    found = tracking.client(settings).get_model_version(tracking.CREDIT_MODEL, version)
    model = found.source.removeprefix("models:/")
    (folder,) = settings.mlflow_artifacts.rglob(f"{model}/artifacts/artifacts/bundle")
    return folder


def test_an_unknown_version_is_named_with_the_next_step(two_versions: Settings) -> None:
    for name in ("99", "best"):
        with pytest.raises(NotReadyError, match=f"no version {name}; list them with"):
            versions.compare(two_versions, "1", name)


def test_a_single_champion_cannot_be_taken_back(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="no version champion"):
        versions.roll_back(settings, "Li Wei", "because")


def test_two_versions_are_paired_on_the_same_draws(two_versions: Settings) -> None:
    same = contest.paired(
        two_versions, versions.get(two_versions, "1"), versions.get(two_versions, "2")
    )
    for found in same.values():
        assert found.difference == Interval(0.0, 0.0, 0.0)
    weak = replace(CONFIG, trials=0, boosting=MappingProxyType({"iterations": 3, "depth": 1}))
    third = pipeline.fit_candidate(two_versions, AS_OF, weak).version
    found = contest.paired(
        two_versions, versions.get(two_versions, "1"), versions.get(two_versions, third)
    )["auc"]
    oot = frozen.read(two_versions, AS_OF).part("oot")
    is_bad = (oot["outcome"] == "bad").to_numpy()
    own = [
        roc_auc_score(is_bad, _model(two_versions, version).default_prob(oot))
        for version in ("1", third)
    ]
    assert found.difference.value == pytest.approx(own[1] - own[0])
    assert found.difference.high < 0
    # The paired interval is narrower than the separate intervals.
    assert found.difference.high - found.difference.low < found.candidate.high - found.candidate.low


def test_versions_whose_frame_is_gone_are_compared_without_a_contest(
    two_versions: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(two_versions.root))
    runner = CliRunner()
    said = runner.invoke(app, ["models", "compare", "1", "2"], env={"COLUMNS": "160"})
    assert said.exit_code == 0, said.output
    assert "Both were fitted and tested on the same rows" in said.output
    with warehouse.connect(two_versions) as connection:
        connection.execute("update warehouse.training.frames set digest = 'sampled anew'")
    said = runner.invoke(app, ["models", "compare", "1", "2"], env={"COLUMNS": "160"})
    assert said.exit_code == 0, said.output
    assert "no paired comparison: the frame of 2026-10-31 was sampled again" in said.output


def _model(settings: Settings, version: str) -> bundle.CreditModel:
    folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, version)
    return bundle.load(folder / "artifacts" / "bundle")
