"""Every table that scoring writes: its columns, types and what they mean.

The warehouse tables are made from it, and the published file takes its comments from it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from firmpulse.stability import PSI_MUCH


@dataclass(frozen=True)
class Table:
    """A table with its grain and its columns: name → (type, meaning)."""

    name: str
    grain: str
    columns: Mapping[str, tuple[str, str]]
    # Name in the published file, where the plain name is that of a view of the newest rows.
    history: str | None = None

    @property
    def published_name(self) -> str:
        """Name of the table in the published file."""
        return self.history or self.name

    def create_sql(self, target: str) -> str:
        """Return the statement that makes the table as `target` where it is absent."""
        columns = ", ".join(f"{name} {kind}" for name, (kind, _) in self.columns.items())
        return f"create table if not exists {target} ({columns})"


def stored(tables: Iterable[Table]) -> list[str]:
    """Return the full names of tables in the warehouse."""
    return [f"warehouse.scoring.{table.name}" for table in tables]


def published(tables: Iterable[Table]) -> list[str]:
    """Return the full names of tables in the published file."""
    return [f"scores.{table.published_name}" for table in tables]


_KEYS = {
    "firm_id": ("varchar", "Token of the firm; only the vault can turn it back"),
    "as_of": ("date", "Date that the row speaks for: only what was known then is used"),
}

_DIMENSIONS = {
    "scale": "Scale: sales, purchases, energy, assets",
    "growth": "Growth: sales, orders, energy against earlier months",
    "stability": "Stability: how evenly sales, receipts and orders come",
    "concentration": "Concentration: how much rests on few customers or suppliers",
    "liquidity": "Liquidity: balances, receipts against payments, receivables",
    "compliance": "Compliance: returns, payments and bills in time, void invoices",
    "supply_chain": "Supply chain: orders, deliveries, place in the graph of trade",
    "activity": "Activity: active days and months, production, payroll",
    "consistency": "Consistency: whether the sources tell the same story",
    "profile": "Profile: age, industry, how much is known",
}
_PILLARS = {
    "operations": "Operations 经营: scale, growth, liquidity and profile",
    "tax": "Tax 税务: compliance",
    "supply_chain": "Supply chain 供应链: concentration and supply chain",
    "activity": "Activity 活跃度: stability and activity",
    "consistency": "Consistency 一致性: consistency",
}

SCORES = Table(
    "scores",
    "One row per scored firm and as_of: default probability, score, grade and sub-scores.",
    {
        **_KEYS,
        "default_prob": (
            "double",
            "Calibrated probability of default within 12 months, 0 to 1; 1 for a firm in default",
        ),
        "score": ("integer", "Score, 300 to 900; 40 points more halve the odds of default"),
        "grade": (
            "varchar",
            "Grade AAA (best) to C, decided from default_prob; D for a firm in default",
        ),
        **{
            f"dimension_{name}": ("double", f"{meaning}; 0 to 100, 50 is neutral")
            for name, meaning in _DIMENSIONS.items()
        },
        **{
            f"pillar_{name}": ("double", f"{meaning}; 0 to 100, 50 is neutral")
            for name, meaning in _PILLARS.items()
        },
        "coverage": (
            "varchar",
            "full: 4 sources; partial: 2 or 3; thin: 1, or under 6 months; light_asset: a services "
            "firm with project contracts",
        ),
        "supplements": (
            "varchar[]",
            "Supplements that were used: founder_credit, project_contracts",
        ),
        "observed_months": ("integer", "Months since the first known fact of any source"),
        "source_count": ("integer", "Sources with a recent fact"),
        "needs_review": ("boolean", "A person must look before a decision is taken on this score"),
        "review_reasons": (
            "varchar[]",
            "Why: individual_business, founder_credit_used, thin_file, in_default",
        ),
        "grants": ("varchar[]", "Authorisations that this score was made by"),
        "model_name": ("varchar", "Registered model that scored"),
        "model_version": ("varchar", "Version of that model; see model_versions"),
        "code_version": ("varchar", "Release and digest of the code that scored"),
        "feature_digest": ("varchar", "SHA-256 of the firm's features that the score was made of"),
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
        "log_odds": (
            "double",
            "What the observed features of the group add to the log odds of default (exact SHAP); "
            "null for a default",
        ),
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
    history="unscored_history",
)

WARNINGS = Table(
    "warnings",
    "One row per firm, as_of and rule that holds: what was found and how it was measured.",
    {
        **_KEYS,
        "rule_id": ("varchar", "Rule of scoring/warnings/rules.yml"),
        "level": (
            "varchar",
            "blue (蓝, notice), yellow (黄, watch), orange (橙, restrict), red (红, stop)",
        ),
        "source": ("varchar", "Source that the rule looks at; model for a rule on the score"),
        "text_zh": ("varchar", "What was found, in Chinese"),
        "text_en": ("varchar", "What was found, in English"),
        "value": ("double", "Value that was found"),
        "threshold": ("double", "Bound of the rule that it is beyond"),
        "unit": ("varchar", "Unit of both"),
        "peer_percentile": (
            "double",
            "Share of firms of the same industry and region that are better off, 0 to 1; null with "
            "fewer than 20 peers",
        ),
        "opened_on": ("date", "First night of the unbroken run in which the rule held"),
        "evidence_hash": (
            "varchar",
            "SHA-256 of rule, firm, as_of, value, threshold and features read",
        ),
    },
)

WARNING_LEVELS = Table(
    "warning_levels",
    "One row per watched firm and as_of: its warning level, and since when.",
    {
        **_KEYS,
        "level": ("varchar", "none, blue (蓝), yellow (黄), orange (橙) or red (红) in force"),
        "found_level": ("varchar", "Level that this night's rules alone give"),
        "since": ("date", "First night of the level in force"),
        "clean_since": (
            "date",
            "First night of the unbroken run with a lower found level; after two months the level "
            "falls by one notch",
        ),
        "blue": ("integer", "Blue rules that hold"),
        "yellow": ("integer", "Yellow rules that hold"),
        "orange": ("integer", "Orange rules that hold"),
        "red": ("integer", "Red rules that hold"),
        "stale_sources": (
            "varchar[]",
            "Granted sources whose extract is overdue (DATA_STALE); their rules were not asked",
        ),
    },
)

HIDDEN_CHAMPIONS = Table(
    "hidden_champions",
    "One row per firm and as_of: a small firm with a strong place in the graph of trade.",
    {
        **_KEYS,
        "strength": (
            "double",
            "Mean of the percentiles of large buyers, core buyers and deliveries in time, 0 to 1",
        ),
        "large_buyer_percentile": (
            "double",
            "Share of its sales that goes to large buyers, percentile in its industry",
        ),
        "core_buyer_percentile": (
            "double",
            "Share of its orders from core enterprises, percentile in its industry",
        ),
        "on_time_percentile": (
            "double",
            "Share of its deliveries accepted in time, percentile in its industry",
        ),
        "supplier_rank_percentile": (
            "double",
            "Rank as a supplier in the graph of trade, percentile; decides nothing",
        ),
        "sole_supplier_percentile": (
            "double",
            "Customers without another source, percentile; decides nothing",
        ),
        "customer_retention": ("double", "Share of the customers of the year before that stayed"),
        "industry": ("varchar", "GB/T 4754 division, two digits"),
        "warning_level": ("varchar", "Warning level in force; never orange or red here"),
        "evidence_zh": ("varchar", "What speaks for it, in Chinese"),
        "evidence_en": ("varchar", "What speaks for it, in English"),
    },
    history="hidden_champions_history",
)

# Kept in the warehouse, for replays; not published.
MARKS = Table(
    "marks",
    "One row per scored firm and as_of: what it was scored on, without its values.",
    {**_KEYS, "marks": ("blob", "2 bytes a feature, in the order of the model")},
)

OVERRIDES = Table(
    "overrides",
    "One row per override: a person gives a scored firm another grade, a second one agrees.",
    {
        **_KEYS,
        "override_id": ("varchar", "Number of the override"),
        "model_grade": ("varchar", "Grade that the model gave"),
        "grade": ("varchar", "Grade instead; at most two notches away"),
        "reason_code": ("varchar", "Why; see scoring/overrides.py"),
        "status": ("varchar", "proposed, approved, rejected"),
        "maker": ("varchar", "Who proposed it"),
        "checker": ("varchar", "Who decided; never the maker"),
        "proposed_at": ("timestamptz", "When it was proposed"),
        "decided_at": ("timestamptz", "When it was decided"),
    },
)

# Kept in the warehouse, and told in the audit chain; not published.
WARNING_CLEARANCES = Table(
    "warning_clearances",
    "One row per firm and as_of on which a person cleared its red warning level.",
    {
        **_KEYS,
        "reason": ("varchar", "Why, in words, without names and numbers"),
        "cleared_by": ("varchar", "Who answers for it"),
        "cleared_at": ("timestamptz", "When it was cleared"),
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
        "rows_sharing_key": (
            "bigint",
            "Rows read whose natural key another row of the delivery has too, with other content",
        ),
        "warning": ("varchar", "What is worth a look although the rows landed; null for nothing"),
        "columns_dropped": ("bigint", "Columns that the contract does not name; dropped unread"),
        "notes": ("varchar", "Lines of its files that are titles or totals and no rows"),
    },
)

DELIVERY_PROBLEMS = Table(
    "delivery_problems",
    "One row per delivery, table, file, rule and column: why it was refused, why rows are in "
    "quarantine, what was remarkable.",
    {
        "as_of": ("date", "Night in which the delivery landed or was refused"),
        "delivery_id": ("varchar", "Delivery as its provider named it"),
        "source": ("varchar", "Source of the delivery"),
        "provider": ("varchar", "Who delivered; empty where the manifest could not be read"),
        "table_name": ("varchar", "Table of the contract; empty for a delivery refused whole"),
        "file_no": ("integer", "Place of the file in the manifest; empty for all of the table"),
        "problem": (
            "varchar",
            "refused: file or delivery was not taken; quarantined: rows broke their contract; "
            "warning: rows landed and are remarkable",
        ),
        "rule": (
            "varchar",
            "Rule that the rows broke: required, bound, structure, uscc or the kind of the column; "
            "for a warning its name in the contract",
        ),
        "column_name": ("varchar", "Column of the contract that broke the rule"),
        "value_class": ("varchar", "What kind of text the value was, such as empty or digits"),
        "row_count": (
            "bigint",
            "Rows that it is about; as announced where refused",
        ),
        "reason": ("varchar", "Why a file or delivery was refused, in a sentence"),
    },
)

NARRATIVES = Table(
    "narratives",
    "One row per bank and month of booking: how much of it has a text that no rule knows.",
    {
        "provider": ("varchar", "Bank that delivered; sim- stands for simulated firms"),
        "month": ("date", "First day of the month of booking"),
        "booking_count": ("bigint", "Bookings delivered, corrections included"),
        "unknown_count": ("bigint", "Those whose text no rule of narratives.yml knows"),
        "unknown_share": ("double", "Share of bookings that are not recognised, 0 to 1"),
        "unknown_amount_share": (
            "double",
            "Share of the amount in CNY that is not recognised, 0 to 1; null without an amount",
        ),
    },
)

RUN_STEPS = Table(
    "run_steps",
    "One row per step of a run that ended: when, how, how long, how many rows, how much memory.",
    {
        "as_of": ("date", "Date that the step worked for"),
        "step": ("varchar", "Step of the nightly or training run"),
        "part": ("varchar", "Part of the step, such as a source"),
        "started_at": ("timestamptz", "When it started"),
        "seconds": ("double", "How long it took"),
        "rows_out": ("bigint", "Rows that came out; null where the step counts none"),
        "state": ("varchar", "success or failed"),
        "error": ("varchar", "Why it failed; null unless it did"),
        "peak_mb": (
            "double",
            "Largest resident memory of the process during the step, in MB; null where unknown",
        ),
        "dag": ("varchar", "DAG that the step belongs to; null for a command that somebody called"),
        "run_id": ("varchar", "Run of that DAG, as Airflow names it"),
    },
)

FEATURE_DRIFT = Table(
    "feature_drift",
    "One row per as_of, model version and feature: how far its values moved since training.",
    {
        "as_of": ("date", "Night or month end that was compared"),
        "model_version": ("varchar", "Version whose frozen training frame it is held against"),
        "feature": ("varchar", "Feature of the model"),
        "psi": ("double", f"Population stability index; {PSI_MUCH} and more asks for action"),
        "missing_share": ("double", "Share of firms without a value"),
        "reference_missing_share": ("double", "Share of training rows without a value"),
    },
)

MODEL_HEALTH = Table(
    "model_health",
    "One row per monitoring date, model version and metric: does the model still hold?",
    {
        "as_of": ("date", "Date of the monitoring run"),
        "model_version": ("varchar", "Champion that was measured"),
        "metric": ("varchar", "What was measured, such as score_psi"),
        "value": ("double", "Its value; null where it cannot be told yet"),
        "row_count": ("bigint", "Firms, features or scores that it rests on"),
        "light": ("varchar", "green, yellow, red, or unknown where there is no value"),
        "meaning": ("varchar", "The metric in words"),
    },
)

# Tables whose rows of a night are published once its scores were checked.
CHECKED = (SCORES, REASONS, UNSCORED, WARNINGS, WARNING_LEVELS, HIDDEN_CHAMPIONS, OVERRIDES)
WRITTEN_BY_SCORING = (*CHECKED, MODEL_VERSIONS, MARKS, WARNING_CLEARANCES)
PUBLISHED = (
    *CHECKED, MODEL_VERSIONS, FEATURE_DRIFT, MODEL_HEALTH, DATA_QUALITY, DELIVERY_PROBLEMS,
    NARRATIVES, RUN_STEPS,
)  # fmt: skip
