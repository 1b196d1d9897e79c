"""Parameters of a training run; conventions of the field, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from firmpulse.bounds import OUTCOME_MONTHS
from firmpulse.stability import PSI_MUCH

EXPERIMENT = "firmpulse-credit"
UNDATED_EXPERIMENT = "firmpulse-real-undated"
# Kinds of outcomes that a model may learn from.
MONTHLY, LOANS, UNDATED = "monthly", "loans", "undated"
# Text that MLflow shows above the runs of an experiment.
ABOUT = {
    EXPERIMENT: """\
Runs with the same `frame_digest` were fitted and tested on the same rows and may be compared.
Read `validation/pack.html` among the artifacts of a version first.

| Metrics | Rows or question |
| --- | --- |
| `oot/` | out of time: the latest complete snapshots; bounds (95 %) in `oot_interval/` |
| `oot_unseen/` | of these, firms not in training |
| `oot_calibration/`, `oot_grades/` | whether the PDs are right; distribution of grades |
| `level/` | observed over expected in the newest quarter before the model was moved to it |
| `train_held_out/` | training firms, by fits without these firms |
| `stability/` | what has moved between training and out of time |
| `stress/` | mean PD of the newest snapshot if sales fall, a customer is lost, buyers pay late |
| `worth/` | compared with the scorecard on annual statements: approvals, losses, warnings |
""",
    UNDATED_EXPERIMENT: """\
Outcomes without dates: repeated cross-validation; `cv/auc` compares firms of one fold,
`cv/auc_pooled` firms of all folds.
""",
}


@dataclass(frozen=True)
class Gates:
    """Bounds that a candidate must meet on the out-of-time rows to become champion."""

    least_auc: float = 0.70
    least_ks: float = 0.30
    # Beyond these a leak of the outcome is more likely than a good model, or a good feature.
    most_auc: float = 0.95
    most_feature_auc: float = 0.90
    # From held-out firms of the training period to the upper end of the interval out of time.
    most_auc_drop: float = 0.05
    most_score_psi: float = PSI_MUCH
    # Half of the twenty strongest; the pack lists each. Only the validation measures it, so every
    # version needs one.
    most_features_moved: float = 10
    # Observed over expected defaults; the interval must overlap these bounds.
    least_observed_expected: float = 0.80
    most_observed_expected: float = 1.25
    # Log odds by which the level was moved to the newest quarter: a third more or fewer defaults.
    most_level_shift: float = 0.30
    # The same for each quarter, length of history, set of sources and coverage tier by itself, if
    # it has so many defaults. Only the validation measures it.
    group_bads: int = 100
    most_groups_off: float = 0
    # Beyond 0.30 and 0.25 grades say little; these stop a model that hardly separates firms.
    most_grade_share: float = 0.50
    most_grade_hhi: float = 0.40
    # Grades that default significantly less often than the next better one.
    most_disordered: float = 0


@dataclass(frozen=True)
class UndatedGates:
    """Bounds that a version learnt from undated outcomes must meet on firms held out in turn."""

    # Fewer show neither rank nor level.
    least_bads: float = 20
    least_auc: float = 0.70
    # The whole interval is better than chance.
    least_auc_low: float = 0.60
    least_ks: float = 0.30
    most_auc: float = 0.95
    most_feature_auc: float = 0.90


@dataclass(frozen=True)
class TrainingConfig:
    """How rows are split, models fitted and metrics measured."""

    seed: int = 20_240_131
    # Months after a snapshot in which a default counts.
    horizon_months: int = OUTCOME_MONTHS
    # Kind of outcomes; None for monthly ones if they suffice, else those of loans.
    labels: str | None = None
    # Feature view that is not learnt, such as the terms of loans; None to learn all.
    without: str | None = None
    # Fewest snapshots in the out-of-time set, or quarters of decisions.
    oot_snapshots: int = 2
    # A snapshot is complete once this share of its outcomes is known; corrections may be late.
    complete_share: float = 0.95
    # A quarter of decisions trains and tests once this share of its loans has a known outcome. Bad
    # ones are known first, so the rest overstates the bads, here by a quarter at most.
    least_known_loans: float = 0.80
    # Oldest snapshot that counts as what was known at a decision; there is one at each month end.
    most_snapshot_days: int = 31
    # Folds of training firms; each is predicted by trees fitted without it. These predictions
    # decide when to stop, and probabilities are calibrated on them.
    folds: int = 5
    # Trials of hyper-parameters, the first with those below; 0 uses them without a search. Another
    # trial is used if it is better at this significance level, measured on at most this many rows.
    trials: int = 3
    trial_significance: float = 0.05
    trial_rows: int = 20_000
    # Defaults of the newest quarter that count half when the level is moved to it: with 100, levels
    # of two quarters are taken to differ by a tenth (one standard deviation).
    level_firms: int = 100
    # Firms in default from which each training row is also learnt with fewer sources.
    narrow_from: int = 300
    # Then firms of the newest training date of each quarter are also learnt as they would look
    # after one of these numbers of months, a quarter of them each; the others as they are.
    short_months: tuple[int, ...] = (3, 6, 12)
    short_firms: int = 4_000
    # Share of the lender's portfolio that defaults within the horizon; None if the sample's is its.
    portfolio_rate: float | None = None
    # Feature whose levels get separate models from this many firms in default; None for none.
    segment_by: str | None = None
    segment_bads: int = 50
    bootstrap_draws: int = 1_000
    # Draws per segment; there are many segments.
    segment_draws: int = 300
    confidence: float = 0.95
    # Asset correlation, for tests by grade in which firms fail together.
    asset_correlation: float = 0.04
    # Features known to a lender without extracts, added to the traditional scorecard.
    baseline_extra: tuple[str, ...] = ("profile_firm_age_months", "profile_tax_grade")
    # What it reads besides if no annual statement is known.
    baseline_without_statements: tuple[str, ...] = (
        "profile_tax_grade_drop",
        "profile_status_abnormal",
        "profile_registration_changes_12m",
    )
    # L2 strength of the logistic regressions, on ranks and on weights of evidence; sklearn's C.
    logistic_c: float = 0.1
    woe_c: float = 0.03
    boosting: Mapping[str, float | int | str] = field(
        default_factory=lambda: MappingProxyType(
            {
                "iterations": 1_000,
                "learning_rate": 0.05,
                "depth": 3,
                "l2_leaf_reg": 8.0,
                "rsm": 0.3,
                "border_count": 64,
                "early_stopping_rounds": 60,
            }
        )
    )
    gates: Gates = field(default_factory=Gates)
    undated_gates: UndatedGates = field(default_factory=UndatedGates)
    # Metrics for comparing a candidate with the champion, and whether more is better.
    worse_by: Mapping[str, bool] = field(
        default_factory=lambda: MappingProxyType({"auc": True, "log_loss": False})
    )


@dataclass(frozen=True)
class UndatedConfig:
    """Cross-validation of few firms with undated outcomes; every model is penalised."""

    seed: int = 20_200_229
    bootstrap_draws: int = 1_000
    confidence: float = 0.95
    # As in `TrainingConfig`.
    portfolio_rate: float | None = None
    # Single features compared with the models, as far as observed.
    trivial: tuple[str, ...] = ("tax_invoice_count_total", "tax_sales_mean_month")
    # Prior variance of a coefficient on ranks, sklearn's C and its default: between the lowest and
    # the highest firm of a feature, odds move by a factor of 7 at most (two deviations).
    logistic_c: float = 1.0
    # Candidates for the choice within the folds, half decades around it.
    strengths: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 10.0)
    strength_repeats: int = 3
    boosting: Mapping[str, float | int | str] = field(
        default_factory=lambda: MappingProxyType(
            {
                "iterations": 150,
                "learning_rate": 0.03,
                "depth": 2,
                "l2_leaf_reg": 30.0,
                "rsm": 0.3,
                "boosting_type": "Ordered",
            }
        )
    )


DEFAULT = TrainingConfig()


def chosen(
    trials: int | None = None,
    segment_by: str | None = None,
    labels: str | None = None,
    portfolio_rate: float | None = None,
    without: str | None = None,
) -> TrainingConfig:
    """Return the default configuration with what a caller gave."""
    return replace(
        DEFAULT,
        trials=DEFAULT.trials if trials is None else trials,
        segment_by=segment_by,
        labels=labels,
        portfolio_rate=portfolio_rate,
        without=without,
    )


DEFAULT_UNDATED = UndatedConfig()
