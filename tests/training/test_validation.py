"""The validation of a version: its pack, its card, its tables, and its refusals."""

import html
import json
import re
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from cli import app
from features import contract
from firmpulse import tracking
from firmpulse.errors import ModelChangedError, NotReadyError
from tests.credit_economy import AS_OF, CONFIG, REGISTRY, Trained, trained_copy
from training import frozen, pipeline
from training.claims.measure import ClaimsConfig
from training.config import DEFAULT
from training.validation import characteristics, pack, subject, validate, worth

TABLES = {
    "claims", "grades", "segments", "mix", "sources", "characteristics", "stress", "funnel",
    "vintages", "roll_rates",
}  # fmt: skip


def _artifacts(trained: Trained, folder: str) -> dict[str, Path]:
    import mlflow

    tracking.client(trained.settings)
    path = mlflow.artifacts.download_artifacts(
        run_id=trained.candidate.run_id, artifact_path=folder
    )
    return {item.stem: item for item in Path(path).iterdir()}


def test_the_pack_is_one_page_that_needs_no_network(trained: Trained) -> None:
    page = trained.validation.path.read_text(encoding="utf-8")
    assert page == _artifacts(trained, "validation")["pack"].read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert page.count('src="data:image/png;base64,') == 9
    for title in ("Sample", "Calibration", "Segments", "Sources removed", "Stress"):
        assert re.search(rf"<h2[^>]*>\d+\. {title}", page)
    metrics = trained.candidate.metrics
    assert f"{metrics['oot/auc']:.3f}" in page
    assert f"{metrics['oot_interval/auc_low']:.3f} to" in page
    # Its baselines on the same rows.
    for name in ("firmpulse-statements", "firmpulse-logistic", "logistic on ranks"):
        assert f"<td>{name}</td>" in page


def test_the_card_describes_the_version(trained: Trained) -> None:
    card = _artifacts(trained, "validation")["model_card"].read_text(encoding="utf-8")
    version = tracking.client(trained.settings).get_model_version(
        "firmpulse-credit", trained.candidate.version
    )
    assert version.description == card
    page = trained.validation.path.read_text(encoding="utf-8")
    said = re.findall(r"<li>([^<]+)</li>", page)
    assert said
    assert all(f"- {html.unescape(finding)}" in card for finding in said[:12])
    # They are above the sections.
    assert page.index(said[0]) < page.index('id="sample"')
    assert len(card) < 5_000
    assert f"digest `{trained.sample.digest[:12]}`" in card


def test_tables_are_kept_once_however_often_it_is_validated(trained: Trained) -> None:
    before = {name: path.read_text() for name, path in _artifacts(trained, "tables").items()}
    assert set(before) == TABLES | {"trials", "features_left_out"}
    again = pipeline.validate(trained.settings, AS_OF, trained.candidate.version, CONFIG)
    after = {name: path.read_text() for name, path in _artifacts(trained, "tables").items()}
    assert after == before
    assert again.metrics == trained.validation.metrics
    segments = json.loads(after["segments"])
    assert segments["columns"][:3] == ["cut", "segment", "firms"]
    rows = [dict(zip(segments["columns"], row, strict=True)) for row in segments["data"]]
    # Every cut counts every row once.
    for cut in {row["cut"] for row in rows}:
        counted = sum(row["rows"] for row in rows if row["cut"] == cut)
        assert counted == trained.candidate.metrics["oot/rows"]


def test_the_contract_tells_a_reader_of_the_model_its_features(trained: Trained) -> None:
    import mlflow

    tracking.client(trained.settings)
    path = mlflow.artifacts.download_artifacts(
        run_id=trained.candidate.run_id, artifact_path="features.json"
    )
    kept = contract.from_json(Path(path).read_text(encoding="utf-8"))
    defined = sorted(REGISTRY.features, key=lambda meta: meta.view)
    assert list(kept) == [meta for meta in defined if meta.source != "statement"]


def test_the_served_model_says_why(trained: Trained) -> None:
    import mlflow

    tracking.client(trained.settings)
    served = mlflow.pyfunc.load_model("models:/firmpulse-credit@challenger")
    oot = frozen.read(trained.settings, AS_OF).part("oot")
    riskiest = oot.filter(pl.col("outcome") == "bad").head(40)
    predicted = served.predict(riskiest.to_pandas())
    assert [len(texts) <= 4 for texts in predicted["reasons_en"]] == [True] * 40
    assert any(len(texts) == 4 for texts in predicted["reasons_en"])
    texts = {text for row in predicted["reasons_en"] for text in row}
    assert "bank days cash 6m: low" in texts
    assert not [text for text in texts if "tax sales cv 12m: low" in text]
    for chinese, english in zip(predicted["reasons_zh"], predicted["reasons_en"], strict=True):
        assert len(chinese) == len(english)
    # Rows keep their order, and reasons belong to their row in any batch.
    alone = served.predict(riskiest.tail(1).to_pandas())
    assert list(alone["reasons_en"].iloc[0]) == list(predicted["reasons_en"].iloc[-1])
    # Only the features are needed.
    names = [column.name for column in served.metadata.signature.inputs]
    bare = served.predict(riskiest.select(names).to_pandas())
    assert bare["default_prob"].tolist() == predicted["default_prob"].tolist()


def test_a_version_of_another_frame_is_refused(trained: Trained) -> None:
    with pytest.raises(NotReadyError, match="has no version 99"):
        pipeline.validate(trained.settings, AS_OF, "99")
    with pytest.raises(NotReadyError, match="no training frame was sampled for 2026-09-30"):
        pipeline.validate(trained.settings, date(2026, 9, 30), trained.candidate.version)
    with pytest.raises(NotReadyError, match="was sampled again since the version was fitted"):
        subject.frame_of(trained.settings, AS_OF, "another digest")


def test_characteristics_are_ranked_by_what_they_move(trained: Trained) -> None:
    read = subject.read(trained.settings, AS_OF, trained.candidate.version, DEFAULT)
    learnt, oot = read.frame.part("train"), read.frame.part("oot")
    pushes = read.model.contributions(oot)
    found = characteristics.table(learnt, oot, read.features, pushes)
    assert found["mean_push"].is_sorted(descending=True)
    assert found["mean_push"][0] == pytest.approx(np.abs(pushes).mean(axis=0).max())
    by_name = {row["feature"]: row for row in found.to_dicts()}
    sales = by_name["tax_sales_12m"]
    is_bad = learnt["outcome"] == "bad"
    assert sales["auc"] == pytest.approx(roc_auc_score(is_bad, learnt["tax_sales_12m"]))
    assert sales["psi"] < 0.1
    power = by_name["power_growth_12m"]
    assert power["missing_share"] == pytest.approx(
        learnt["power_growth_12m"].null_count() / len(learnt)
    )
    moved = oot.with_columns(pl.col("tax_sales_12m") + 3)
    shifted = characteristics.table(learnt, moved, read.features, pushes)
    assert "tax_sales_12m" in set(characteristics.moved_much(shifted)["feature"])
    assert "tax_sales_12m" not in set(characteristics.moved_much(found)["feature"])


def test_claims_count_firms_of_interest(trained: Trained) -> None:
    read = subject.read(trained.settings, AS_OF, trained.candidate.version, DEFAULT)
    terms = ClaimsConfig(draws=50, least_firms_of_type=20)
    oot = read.frame.part("oot")
    safest = oot.with_columns(prob=read.model.default_prob(oot)).sort("prob")["firm_id"].head(50)
    claims = worth.measure(trained.settings, read, terms, set(safest))
    assert claims.found is not None
    assert claims.found.candidate.value > 0.95
    assert worth.measure(trained.settings, read, terms).found is None
    with pytest.raises(NotReadyError, match="no row is of a firm of interest"):
        worth.measure(trained.settings, read, terms, {"nobody"})


def test_a_changed_file_is_not_validated(tmp_path_factory: pytest.TempPathFactory) -> None:
    trained = trained_copy(tmp_path_factory)
    settings, version = trained.settings, trained.candidate.version
    folder = tracking.model_folder(settings, "firmpulse-credit", version)
    features = folder / "artifacts" / "bundle" / "features.json"
    text = features.read_text()
    features.write_text(text.replace("tax sales", "tax  sales"), encoding="utf-8")
    with pytest.raises(ModelChangedError, match="differ from the registered ones"):
        pipeline.validate(settings, AS_OF, version, CONFIG)
    features.write_text(text, encoding="utf-8")
    tracking.client(settings).delete_registered_model(tracking.STATEMENTS_MODEL)
    with pytest.raises(NotReadyError, match="no scorecard on statements was fitted"):
        pipeline.validate(settings, AS_OF, version, CONFIG)


def test_numbers_are_shown_as_a_reader_expects() -> None:
    assert pack.share(0.12345) == "12.3%"
    assert pack.figure(None) == "–"
    assert pack.figure(float("nan")) == "–"
    assert pack.p_value(0.0004) == "< 0.001"
    assert pack.shown(1.0, "yes_no") == "yes"
    assert pack.shown(None, "share") == "–"


def test_scenarios_have_names_that_mlflow_takes() -> None:
    assert validate._slug("sales -10 %") == "mean_prob_sales_minus_10_percent"
    assert validate._slug("DSO +30 days") == "mean_prob_dso_plus_30_days"


def test_the_commands_show_gates_and_worth(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(trained.settings.root))
    runner, wide = CliRunner(), {"COLUMNS": "160"}
    said = runner.invoke(app, ["models", "validate", trained.candidate.version], env=wide)
    assert said.exit_code == 0, said.output
    assert "15 of 15 gates hold" in said.output
    assert str(trained.validation.path) in said.output
    said = runner.invoke(app, ["models", "claims", "1", "--approval-share", "0.5"], env=wide)
    assert said.exit_code == 0, said.output
    assert "Largest approval share at that bad rate" in said.output
    assert "Firms of interest" not in said.output
    said = runner.invoke(app, ["models", "claims", "99"], env=wide)
    assert said.exit_code == 1
