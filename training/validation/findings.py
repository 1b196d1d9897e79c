"""Weaknesses of a model version, listed first and in sentences."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from firmpulse import tracking
from training import scorecard_fit
from training.config import DEFAULT
from training.promotion import GateResult
from training.validation import characteristics
from training.validation.evidence import Evidence

# With fewer firms in default out of time, only the intervals are informative; a convention.
_ENOUGH_BADS = 100


def of(
    gathered: Evidence,
    metrics: Mapping[str, float],
    compared: Mapping[str, Mapping[str, float]],
    gates: Sequence[GateResult],
) -> tuple[str, ...]:
    """Return the findings with which a validator should start; all are weaknesses."""
    return (
        *(f"Gate not held: {gate}." for gate in gates if not gate.passed),
        *_of_frame(gathered),
        *_of_baseline(gathered),
        *_of_sample(metrics),
        *_of_signs(metrics),
        *_of_rivals(metrics, compared),
        *_of_calibration(gathered, metrics),
        *_of_stability(gathered),
        *_of_segments(gathered.segments),
        *_of_claims(gathered),
    )


def _of_frame(gathered: Evidence) -> Iterator[str]:
    frame = gathered.subject.frame
    if frame.rows.height < frame.frozen_rows:
        yield (
            f"{frame.frozen_rows - frame.rows.height} of the {frame.frozen_rows} rows of the frame "
            f"were erased because firms withdrew: these pages cover the rest, `oot/` covers all."
        )


def _of_baseline(gathered: Evidence) -> Iterator[str]:
    subject = gathered.subject
    instead = scorecard_fit.without_statements(subject.statements, subject.frame.features)
    if instead:
        yield (
            f"No annual statement was known: the traditional scorecard reads {instead}, so a "
            f"lead over it says nothing about statements."
        )


def _of_sample(metrics: Mapping[str, float]) -> Iterator[str]:
    bads = metrics["oot/bad_firms"]
    if bads < _ENOUGH_BADS:
        yield (
            f"Only {bads:.0f} firms in default out of time: read the intervals, not the values "
            f"({_ENOUGH_BADS} are the convention)."
        )
    low, high = (metrics.get(bound) for bound in tracking.bounds_of("oot_unseen/auc"))
    if low is None or high is None:
        yield "Firms unseen in training show too few outcomes to measure the model on them alone."
    elif high - low > 0.2:
        yield (f"On firms unseen in training the AUC is only known within {low:.2f} to {high:.2f}.")


def _of_signs(metrics: Mapping[str, float]) -> Iterator[str]:
    """Yield which kind of model ranked held-out firms better, if two were tried."""
    trees, signed = (metrics.get(f"train_held_out/{kind}_auc") for kind in ("trees", "signed"))
    if trees is None or signed is None:
        return
    bads = metrics["train_held_out/bad_firms"]
    if bads < DEFAULT.narrow_from:
        yield f"Only {bads:.0f} firms in default to learn from, so intervals are wide."
    regression = "a logistic regression with the expected signs"
    if signed > trees:
        yield (
            f"This is {regression}: it ranks held-out firms better than trees, AUC {signed:.3f} "
            f"against {trees:.3f}."
        )
    else:
        yield (
            f"{regression.capitalize()} ranks held-out firms no better than these trees, AUC "
            f"{signed:.3f} against {trees:.3f}."
        )


def _of_rivals(
    metrics: Mapping[str, float], compared: Mapping[str, Mapping[str, float]]
) -> Iterator[str]:
    """Yield the simpler models on the same rows that rank no worse, or not clearly worse."""
    own = metrics["oot/auc"]
    for name, other in list(compared.items())[1:]:
        auc = other.get("oot/auc")
        if auc is not None and auc >= own:
            yield f"The simpler model '{name}' ranks no worse out of time: AUC {auc:.3f}."
        elif auc is not None and other[tracking.bounds_of("oot/auc")[1]] >= own:
            yield (
                f"'{name}' (AUC {auc:.3f}) is not clearly worse: its interval includes the AUC of "
                f"this version. `firmpulse models compare` pairs versions on the same draws."
            )


def _of_calibration(gathered: Evidence, metrics: Mapping[str, float]) -> Iterator[str]:
    for test, name in (
        ("hosmer_lemeshow_p", "Hosmer–Lemeshow"),
        ("spiegelhalter_p", "Spiegelhalter"),
    ):
        p = metrics[f"oot_calibration/{test}"]
        if p < 0.05:
            yield f"{name} rejects the PDs (p {p:.3f})."
    for grade in gathered.grades:
        if grade.light != "green":
            yield (
                f"Grade {grade.grade} is {grade.light}: {grade.bads} defaults where "
                f"{grade.rows * grade.mean_prob:.1f} were expected."
            )


def _of_stability(gathered: Evidence) -> Iterator[str]:
    moved = characteristics.moved_much(gathered.characteristics)
    if moved.height:
        listed = ", ".join(f"{name} ({psi:.2f})" for name, psi in moved["feature", "psi"].rows())
        yield f"These of the strongest features have moved much since training (PSI): {listed}."


def _of_segments(segments: pl.DataFrame) -> Iterator[str]:
    measured = segments.filter(pl.col("observed_expected_low").is_not_null())
    for row in measured.to_dicts():
        where = f"{row['cut']} {row['segment']}"
        if not row["observed_expected_low"] <= 1 <= row["observed_expected_high"]:
            direction = "low" if row["observed_expected_low"] > 1 else "high"
            yield (
                f"PDs are too {direction} for {where}: observed over expected "
                f"{row['observed_expected']:.2f} ({row['observed_expected_low']:.2f} to "
                f"{row['observed_expected_high']:.2f})."
            )
        if row["auc_high"] is not None and row["auc_high"] < 0.70:
            yield f"The model hardly ranks {where}: AUC {row['auc']:.2f}."
    silent = segments.filter(pl.col("auc").is_null()).height
    if silent:
        yield f"{silent} of {segments.height} segments have too few outcomes to measure ranking."


def _of_claims(gathered: Evidence) -> Iterator[str]:
    claims = gathered.claims
    if claims is None:
        yield f"Its value to a lender could not be measured: {gathered.claims_missing}."
        return
    if claims.iso_approval.difference.high >= 0:
        yield (
            "A lower bad rate than the statements scorecard at the same approval share is not "
            "shown beyond chance."
        )
    if not claims.joint.holds:
        yield "Approving 18 % more with a bad rate half a point lower is not shown."
