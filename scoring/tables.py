"""Every table that scoring writes: its columns, types and what they mean.

The warehouse tables are made from it, and the published file takes its comments from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table with its grain and its columns: name → (type, meaning)."""

    name: str
    grain: str
    columns: Mapping[str, tuple[str, str]]

    def create_sql(self, target: str) -> str:
        """Return the statement that makes the table as `target` where it is absent."""
        columns = ", ".join(f"{name} {kind}" for name, (kind, _) in self.columns.items())
        return f"create table if not exists {target} ({columns})"


_KEYS = {
    "firm_id": ("varchar", "Token of the firm; only the vault can turn it back"),
    "as_of": ("date", "Date that the row speaks for: only what was known then is used"),
}

SCORES = Table(
    "scores",
    "One row per scored firm and as_of: default probability, score, grade and sub-scores.",
    {
        **_KEYS,
        "default_prob": ("double", "Calibrated probability of default within 12 months, 0 to 1"),
        "score": ("integer", "Score, 300 to 900; 40 points more halve the odds of default"),
        "grade": ("varchar", "Grade AAA (best) to C, decided from default_prob"),
        "scale_growth_score": ("double", "Scale and growth, 0 to 100; 50 is neutral"),
        "stability_score": ("double", "Stability and activity, 0 to 100; 50 is neutral"),
        "relations_score": ("double", "Customers and supply chain, 0 to 100; 50 is neutral"),
        "liquidity_score": ("double", "Liquidity, 0 to 100; 50 is neutral"),
        "trust_score": ("double", "Compliance, consistency and profile, 0 to 100; 50 is neutral"),
        "coverage": ("varchar", "full: 4 sources; partial: 2 or 3; thin: 1, or under 6 months"),
        "observed_months": ("integer", "Months since the first known fact of any source"),
        "source_count": ("integer", "Sources with a recent fact"),
        "model_name": ("varchar", "Registered model that scored"),
        "model_version": ("varchar", "Version of that model; see model_versions"),
        "feature_digest": ("varchar", "SHA-256 of all features that this night was scored on"),
    },
)

REASONS = Table(
    "reasons",
    "Up to four rows per scored firm and as_of: what raised the risk most, strongest first.",
    {
        **_KEYS,
        "rank": ("integer", "1 is the strongest reason"),
        "code": ("varchar", "Reason group: source and dimension, stable over model versions"),
        "dimension": ("varchar", "Dimension of the reason group"),
        "feature": ("varchar", "Strongest feature of the group"),
        "log_odds": ("double", "What the group adds to the log odds of default (exact SHAP)"),
        "text_zh": ("varchar", "Reason in Chinese"),
        "text_en": ("varchar", "Reason in English"),
    },
)

UNSCORED = Table(
    "unscored",
    "One row per firm and as_of that has a live grant or rows, but no score: why, and what helps.",
    {
        **_KEYS,
        "reason": ("varchar", "Code: insufficient_history or no_rows"),
        "reason_zh": ("varchar", "Why there is no score, in Chinese"),
        "reason_en": ("varchar", "Why there is no score, in English"),
        "help_zh": ("varchar", "What would help, in Chinese"),
        "help_en": ("varchar", "What would help, in English"),
    },
)

MODEL_VERSIONS = Table(
    "model_versions",
    "One row per model version that has scored: where it comes from and how it was approved.",
    {
        "model_name": ("varchar", "Registered model"),
        "model_version": ("varchar", "Version in MLflow's registry"),
        "run_id": ("varchar", "MLflow run with parameters, metrics and plots"),
        "trained_as_of": ("date", "Date whose knowledge the model was trained on"),
        "frame_digest": ("varchar", "SHA-256 of the frozen training frame"),
        "feature_count": ("integer", "Features the model reads"),
        "approver": ("varchar", "Who answered for the promotion"),
        "auc": ("double", "Area under the ROC curve, out of time or cross-validated"),
        "auc_low": ("double", "Lower end of its 95 % interval"),
        "auc_high": ("double", "Upper end of its 95 % interval"),
        "ks": ("double", "Kolmogorov–Smirnov distance, out of time or cross-validated"),
    },
)

DATA_QUALITY = Table(
    "data_quality",
    "One row per delivery and table: what arrived, and what became of its rows.",
    {
        "as_of": ("date", "Night in which the delivery was landed"),
        "delivery_id": ("varchar", "Delivery as its provider named it"),
        "source": ("varchar", "Source of the delivery"),
        "provider": ("varchar", "Who delivered; sim- stands for simulated firms"),
        "table_name": ("varchar", "Table of the contract; empty for a delivery refused whole"),
        "status": ("varchar", "landed or refused"),
        "rows_delivered": ("bigint", "Rows that the delivery's manifest announced"),
        "rows_in_refused_files": ("bigint", "Announced rows of files that were refused whole"),
        "rows_read": ("bigint", "Rows read: landed, duplicate, gated or quarantined"),
        "rows_landed": ("bigint", "Rows that were stored"),
        "rows_restated": ("bigint", "Landed rows that were new versions of known ones"),
        "rows_duplicate": ("bigint", "Rows that were already known"),
        "rows_refused_by_gate": ("bigint", "Rows without a live grant; they were not stored"),
        "rows_quarantined": ("bigint", "Rows that broke their contract"),
        "columns_dropped": ("bigint", "Columns that the contract does not name; dropped unread"),
    },
)

RUN_STEPS = Table(
    "run_steps",
    "One row per step of a run: when it ran, how long, and how many rows came out.",
    {
        "as_of": ("date", "Date that the step worked for"),
        "step": ("varchar", "Step of the nightly or training run"),
        "part": ("varchar", "Part of the step, such as a source"),
        "started_at": ("timestamptz", "When it started"),
        "seconds": ("double", "How long it took"),
        "rows_out": ("bigint", "Rows that came out; null where the step counts none"),
    },
)

# Tables whose rows of a night are published once its scores were checked.
CHECKED = (SCORES, REASONS, UNSCORED)
WRITTEN_BY_SCORING = (SCORES, REASONS, UNSCORED, MODEL_VERSIONS)
PUBLISHED = (*WRITTEN_BY_SCORING, DATA_QUALITY, RUN_STEPS)
