"""What ran, for which night, and whether it passed its checks."""

from firmpulse.stored_tables.table import Column, Table

STEPS = Table(
    "ops",
    "steps",
    "One row per finished step of a run: time, outcome, duration, rows, memory.",
    {
        "as_of": Column("date", "Date for which the step ran", required=True),
        "step": Column("varchar", "Step of the nightly or training run", required=True),
        "part": Column("varchar", "Part of the step, such as a source", required=True),
        "started_at": Column("timestamptz", "When it started", required=True),
        "seconds": Column("double", "How long it took", required=True),
        "rows_out": Column("bigint", "Rows of output; null if the step counts none"),
        "note": Column("varchar", "Note of the step; null for none", published=False),
        "state": Column("varchar", "success or failed", required=True),
        "error": Column("varchar", "Why it failed; null otherwise"),
        "peak_mb": Column(
            "double",
            "Largest resident memory of the process during the step, in MB; null where unknown",
        ),
        "dag": Column("varchar", "DAG of the step; null for a command called by a person"),
        "run_id": Column("varchar", "Run of that DAG, as Airflow names it"),
    },
    owner="firmpulse",
    published_name="run_steps",
)

NODES = Table(
    "ops",
    "nodes",
    "One row per model or test of dbt that ran in a step; one for each slice if it ran in slices.",
    {
        "as_of": Column("date", "Date for which the step ran", required=True),
        "step": Column("varchar", "Step of the run log", required=True),
        "part": Column("varchar", "Part of the step, such as facts", required=True),
        "started_at": Column("timestamptz", "When the step started", required=True),
        "node": Column("varchar", "Name of the model or test", required=True),
        "kind": Column("varchar", "model or test", required=True),
        "status": Column(
            "varchar", "success, error or skipped; of a test pass, warn or fail", required=True
        ),
        "seconds": Column("double", "How long it took", required=True),
    },
    owner="firmpulse",
    published_name="run_nodes",
)

NIGHTS = Table(
    "ops",
    "nights",
    "One row per date for which features were built; a full refresh rebuilds the same dates.",
    {"as_of": Column("date", "Date of the night")},
    owner="features",
    key=("as_of",),
    unique=True,
)

CLEARED_NIGHTS = Table(
    "scoring",
    "cleared_nights",
    "One row per as_of whose scores passed their check and are published.",
    {"as_of": Column("date", "Date of the scores")},
    owner="scoring",
    key=("as_of",),
    unique=True,
)

ASSESSED = Table(
    "ops",
    "assessed",
    "At most one row: how far the landings have been assessed.",
    {
        "delivery_seq": Column(
            "bigint", "The newest landing that all firms' scores include", required=True
        ),
    },
    owner="scoring",
)

VERDICTS = Table(
    "ops",
    "verdicts",
    "One row per suite and delivery, or per suite and night: whether it passed.",
    {
        "suite": Column("varchar", "Suite of Great Expectations", required=True),
        "as_of": Column("date", "Night of the check", required=True),
        "delivery_seq": Column(
            "bigint", "Delivery; null if the suite checks a night, not deliveries"
        ),
        "passed": Column("boolean", "Whether it passed or was accepted", required=True),
        "checked_at": Column("timestamptz", "When it was checked", required=True),
        "accepted_because": Column("varchar", "Why a person accepted a failed check"),
        "broke": Column(
            "varchar",
            "Of a delivery what failed, with the values seen; of a night the rules that failed",
        ),
    },
    owner="expectations",
    key=("suite", "as_of", "delivery_seq"),
)

ACCEPTED_RULES = Table(
    "ops",
    "accepted_rules",
    "One row per rule of a suite whose failure a person accepted, for some nights.",
    {
        "suite": Column("varchar", "Suite of Great Expectations", required=True),
        "rule": Column("varchar", "Rule of the suite", required=True),
        "first_night": Column("date", "First night for which it is accepted", required=True),
        "last_night": Column("date", "Last night for which it is accepted", required=True),
        "because": Column("varchar", "Why", required=True),
        "accepted_by": Column("varchar", "Who accepted it", required=True),
        "accepted_at": Column("timestamptz", "When", required=True),
    },
    owner="expectations",
)
