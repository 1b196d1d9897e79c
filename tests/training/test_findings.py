"""The pack lists each kind of weakness, and a good version has few."""

from dataclasses import replace

import polars as pl
import pytest

from firmpulse import tracking
from tests.credit_economy import AS_OF, Trained
from training.config import DEFAULT
from training.promotion import GateResult
from training.validation import evidence, findings, pack, subject
from training.validation.evidence import Evidence

CONFIG = replace(DEFAULT, bootstrap_draws=50, segment_draws=50)
_IMAGES = (
    "roc", "ks", "lift", "score_distribution", "reliability", "psi_score", "psi_features",
    "shap_summary", "shap_dependence",
)  # fmt: skip


@pytest.fixture(scope="module")
def gathered(trained: Trained) -> Evidence:
    """Return the evidence of the economy's candidate."""
    read = subject.read(trained.settings, AS_OF, trained.candidate.version, DEFAULT)
    return evidence.gather(trained.settings, read, CONFIG)


def _metrics(trained: Trained, **other: float) -> dict[str, float]:
    return dict(trained.candidate.metrics) | other


def _said(
    gathered: Evidence,
    metrics: dict[str, float],
    rivals: dict[str, dict[str, float]] | None = None,
    gates: tuple[GateResult, ...] = (),
) -> str:
    return "\n".join(findings.of(gathered, metrics, {"own": metrics, **(rivals or {})}, gates))


def test_red_gates_come_first(trained: Trained, gathered: Evidence) -> None:
    gates = (
        GateResult("KS at least", 0.2, 0.3, passed=False),
        GateResult("AUC at least", 0.8, 0.7, passed=True),
    )
    first = _said(gathered, _metrics(trained), gates=gates).splitlines()[0]
    assert first == "Gate not held: KS at least: 0.200 against 0.300."


def test_few_defaults_are_said(trained: Trained, gathered: Evidence) -> None:
    few = _metrics(trained, **{"oot/bad_firms": 99.0})
    assert "Only 99 firms in default out of time" in _said(gathered, few)
    enough = _metrics(trained, **{"oot/bad_firms": 100.0})
    assert "firms in default out of time" not in _said(gathered, enough)
    oot = gathered.subject.frame.part("oot")
    firms = set(oot.filter(pl.col("outcome") == "bad")["firm_id"])
    assert trained.candidate.metrics["oot/bad_firms"] == len(firms)


def test_a_simpler_model_that_ranks_as_well_is_named(trained: Trained, gathered: Evidence) -> None:
    own = _metrics(trained)
    high = tracking.bounds_of("oot/auc")[1]
    rivals = {
        "stronger": {"oot/auc": own["oot/auc"], high: own["oot/auc"] + 0.02},
        "near": {"oot/auc": own["oot/auc"] - 0.01, high: own["oot/auc"] + 0.01},
        "weak": {"oot/auc": own["oot/auc"] - 0.1, high: own["oot/auc"] - 0.05},
    }
    said = _said(gathered, own, rivals)
    assert "The simpler model 'stronger' ranks no worse out of time" in said
    assert "'near' (AUC" in said
    assert "is not clearly worse" in said
    assert "weak" not in said


def test_doubtful_probabilities_are_said(trained: Trained, gathered: Evidence) -> None:
    doubted = _metrics(trained, **{"oot_calibration/spiegelhalter_p": 0.003})
    assert "Spiegelhalter rejects the PDs (p 0.003)." in _said(gathered, doubted)
    grade = replace(gathered.grades[2], light="red", bads=12, rows=200, mean_prob=0.02)
    worse = replace(gathered, grades=(*gathered.grades[:2], grade, *gathered.grades[3:]))
    assert f"Grade {grade.grade} is red: 12 defaults where 4.0 were expected." in _said(
        worse, _metrics(trained)
    )


def test_segments_off_their_level_are_named(trained: Trained, gathered: Evidence) -> None:
    level = {"low": (1.1, 1.9, "low"), "high": (0.3, 0.9, "high"), "fine": (0.8, 1.2, "")}
    for name, (low, high, direction) in level.items():
        row = gathered.segments.filter(pl.col("auc").is_not_null()).head(1)
        off = row.with_columns(
            segment=pl.lit(name),
            observed_expected_low=pl.lit(low),
            observed_expected_high=pl.lit(high),
        )
        said = _said(replace(gathered, segments=off), _metrics(trained))
        assert (f"PDs are too {direction} for {row['cut'][0]} {name}" in said) == bool(direction)


def test_moved_features_and_withdrawn_firms_are_said(trained: Trained, gathered: Evidence) -> None:
    moved = gathered.characteristics.with_columns(
        psi=pl.when(pl.col("feature") == "tax_sales_cv_12m").then(0.4).otherwise(0.01)
    )
    said = _said(replace(gathered, characteristics=moved), _metrics(trained))
    assert "moved much since training (PSI): tax_sales_cv_12m (0.40)." in said
    frame = gathered.subject.frame
    smaller = replace(frame, rows=frame.rows.head(frame.rows.height - 7))
    withdrawn = replace(gathered, subject=replace(gathered.subject, frame=smaller))
    assert f"7 of the {frame.rows.height} rows" in _said(withdrawn, _metrics(trained))
    assert "because firms withdrew" not in _said(gathered, _metrics(trained))


def test_what_could_not_be_measured_is_said_and_the_pack_is_written(
    trained: Trained, gathered: Evidence
) -> None:
    without = replace(gathered, claims=None, claims_missing="none of the rows defaults")
    metrics = _metrics(trained)
    said = _said(without, metrics)
    assert "Its value to a lender could not be measured: none of the rows defaults." in said
    images = dict.fromkeys((f"{name}.png" for name in _IMAGES), b"")
    page = pack.page(without, metrics, {"own": metrics}, (), images)
    assert "Could not be measured: none of the rows defaults." in page
    assert "Swap set" not in page


def test_a_test_set_of_few_defaults_is_validated_all_the_same(
    trained: Trained, gathered: Evidence
) -> None:
    frame = gathered.subject.frame
    bad = pl.col("outcome") == "bad"
    oot = pl.col("split") == "oot"
    kept = frame.rows.filter(~(oot & bad) | (pl.col("firm_id").rank("dense") % 60 == 0))
    few = replace(frame, rows=kept)
    left = kept.filter(oot & bad)["firm_id"].n_unique()
    assert 0 < left < 5
    measured = evidence.gather(trained.settings, replace(gathered.subject, frame=few), CONFIG)
    assert measured.segments["auc"].null_count() == measured.segments.height
    assert measured.segments["observed_expected"].null_count() < measured.segments.height
    assert measured.sources["auc"].null_count() == measured.sources.height
    said = _said(measured, _metrics(trained))
    assert f"{measured.segments.height} of {measured.segments.height} segments have too few" in said
    # With so few rows only the level of PDs can be judged: they are far too high.
    assert "PDs are too high for" in said
    images = dict.fromkeys((f"{name}.png" for name in _IMAGES), b"")
    metrics = _metrics(trained)
    assert "Sources removed" in pack.page(measured, metrics, {"own": metrics}, (), images)
