"""The origin of a model version, and whether it is still valid."""

from firmpulse.stability import PSI_MUCH
from firmpulse.stored_tables.table import Column, Table

MODEL_VERSIONS = Table(
    "scoring",
    "model_versions",
    "One row per model version that has scored: its origin and its approval.",
    {
        "model_name": Column("varchar", "Registered model"),
        "model_version": Column("varchar", "Version in MLflow's registry"),
        "run_id": Column("varchar", "MLflow run with parameters, metrics and plots"),
        "trained_as_of": Column("date", "The model was trained on what was known on this date"),
        "frame_digest": Column("varchar", "SHA-256 of the frozen training frame"),
        "feature_count": Column("integer", "Features the model reads"),
        "approver": Column("varchar", "Who was responsible for the promotion"),
        "auc": Column("double", "Area under the ROC curve, out of time or cross-validated"),
        "auc_low": Column("double", "Lower end of its 95 % interval"),
        "auc_high": Column("double", "Upper end of its 95 % interval"),
        "ks": Column("double", "Kolmogorov–Smirnov distance, out of time or cross-validated"),
    },
    owner="scoring",
    key=("model_name", "model_version"),
    published_name="model_versions",
)

FRAMES = Table(
    "training",
    "frames",
    "One row per frozen training frame; its rows are a table of the same schema.",
    {
        "as_of": Column("date", "The frame contains what was known on this date", required=True),
        "table_name": Column("varchar", "Table with its rows"),
        "digest": Column("varchar", "SHA-256 of its rows when it was frozen", required=True),
        "labels": Column(
            "varchar", "Kind of its outcomes: monthly, loans or undated", required=True
        ),
        "rows": Column("bigint", "Rows when it was frozen", required=True),
        "bads": Column("bigint", "Defaults among them", required=True),
        "features_json": Column(
            "varchar", "Its features with their metadata at that time, as JSON", required=True
        ),
        "created_at": Column("timestamptz", "When it was frozen", required=True),
    },
    owner="training",
    key=("table_name",),
    unique=True,
)

TRAINING_MEMBERS = Table(
    "ops",
    "training_members",
    "One row per frozen training frame and firm in it; kept longer than the frame's rows.",
    {
        "digest": Column(
            "varchar",
            "Digest of the frame; the tag frame_digest of the runs fitted on it",
        ),
        "member": Column("uuid", "Token of the firm"),
    },
    owner="training",
    key=("digest", "member"),
    unique=True,
)

FEATURE_REFERENCES = Table(
    "ops",
    "feature_references",
    "One row per frozen training frame and feature: distribution of its values.",
    {
        "digest": Column("varchar", "Digest of the frame"),
        "feature": Column("varchar", "Feature of the frame"),
        "row_count": Column("bigint", "Rows of the frame", required=True),
        "cuts": Column(
            "double[]", "Upper ends of all bins but the last; empty for a category", required=True
        ),
        "categories": Column("varchar[]", "Categories that are not rare", required=True),
        "shares": Column(
            "double[]",
            "Share of all rows per bin, or per category and of the rest; missing values last",
            required=True,
        ),
    },
    owner="features",
    key=("digest", "feature"),
    unique=True,
)

FEATURE_DRIFT = Table(
    "ops",
    "feature_drift",
    "One row per as_of, model version and feature: how far its values moved since training.",
    {
        "as_of": Column("date", "Night or month end that was compared", required=True),
        "model_version": Column(
            "varchar", "Version with whose frozen training frame it is compared", required=True
        ),
        "feature": Column("varchar", "Feature of the model", required=True),
        "psi": Column(
            "double",
            f"Population stability index; {PSI_MUCH} and more requires action",
            required=True,
        ),
        "missing_share": Column("double", "Share of firms without a value", required=True),
        "reference_missing_share": Column(
            "double", "Share of training rows without a value", required=True
        ),
        "reference_digest": Column(
            "varchar", "Digest of that frame", required=True, published=False
        ),
        "row_count": Column("bigint", "Firms that were compared", required=True, published=False),
    },
    owner="features",
    key=("as_of", "model_version", "feature"),
    unique=True,
    published_name="feature_drift",
)

FEATURE_HISTORY = Table(
    "ops",
    "feature_history",
    "One row per feature and length of history: how far its values move if less is known.",
    {
        "as_of": Column("date", "Date of the compared snapshots", required=True),
        "feature": Column("varchar", "The feature", required=True),
        "months": Column("integer", "Length of the short history, in months", required=True),
        "firms": Column("bigint", "Firms with a value in both histories", required=True),
        "lost_share": Column(
            "double", "Share of the firms with a value that have none any more", required=True
        ),
        "shift": Column(
            "double",
            "Probability that a value of the short history is the higher one, minus the opposite",
            required=True,
        ),
        "spread": Column(
            "double", "How far the values are apart in ranks, to the full history", required=True
        ),
    },
    owner="features",
    key=("feature", "months"),
    unique=True,
    published_name="feature_history",
)

MODEL_HEALTH = Table(
    "ops",
    "model_health",
    "One row per monitoring date, model version and metric: is the model still valid?",
    {
        "as_of": Column("date", "Date of the monitoring run", required=True),
        "model_version": Column("varchar", "Champion that was measured", required=True),
        "metric": Column("varchar", "What was measured, such as score_psi", required=True),
        "value": Column("double", "Its value; null if not yet known"),
        "row_count": Column("bigint", "Number of firms, features or scores behind it"),
        "light": Column("varchar", "green, yellow, red, or unknown without a value", required=True),
        "meaning": Column("varchar", "The metric in words", required=True),
    },
    owner="operations",
    key=("as_of", "model_version", "metric"),
    unique=True,
    published_name="model_health",
)
