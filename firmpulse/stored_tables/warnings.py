"""Early warnings about firms."""

from firmpulse.stored_tables.scores import FIRM_AND_DATE
from firmpulse.stored_tables.table import Column, Table

WARNINGS = Table(
    "scoring",
    "warnings",
    "One row per firm, as_of and rule that holds: the finding and its measurement.",
    {
        **FIRM_AND_DATE,
        "rule_id": Column("varchar", "Rule of scoring/warnings/rules.yml"),
        "level": Column(
            "varchar",
            "blue (蓝, notice), yellow (黄, watch), orange (橙, restrict), red (红, stop)",
        ),
        "source": Column("varchar", "Source that the rule reads; model for a rule on the score"),
        "text_zh": Column("varchar", "What was found, in Chinese"),
        "text_en": Column("varchar", "What was found, in English"),
        "value": Column("double", "Value that was found"),
        "threshold": Column("double", "Bound of the rule that the value exceeds"),
        "unit": Column("varchar", "Unit of both"),
        "peer_percentile": Column(
            "double",
            "Share of firms of the same industry and region that do better, 0 to 1; null with "
            "fewer than 20 peers",
        ),
        "opened_on": Column("date", "First night since which the rule has held without a break"),
        "evidence_hash": Column(
            "varchar",
            "SHA-256 of rule, firm, as_of, value, threshold and features read",
        ),
    },
    owner="scoring",
    key=("firm_id", "as_of", "rule_id"),
    published_name="warnings",
)

WARNING_LEVELS = Table(
    "scoring",
    "warning_levels",
    "One row per watched firm and as_of: its warning level, and since when.",
    {
        **FIRM_AND_DATE,
        "level": Column(
            "varchar", "none, blue (蓝), yellow (黄), orange (橙) or red (红) in force"
        ),
        "found_level": Column("varchar", "Level from this night's rules alone"),
        "since": Column("date", "First night of the level in force"),
        "clean_since": Column(
            "date",
            "First night since which the found level has been lower; after two months the level "
            "falls by one notch",
        ),
        "blue": Column("integer", "Blue rules that hold"),
        "yellow": Column("integer", "Yellow rules that hold"),
        "orange": Column("integer", "Orange rules that hold"),
        "red": Column("integer", "Red rules that hold"),
        "stale_sources": Column(
            "varchar[]",
            "Granted sources whose extract is overdue (DATA_STALE); their rules were not checked",
        ),
    },
    owner="scoring",
    key=("firm_id", "as_of"),
    published_name="warning_levels",
)

# Kept in the warehouse, and recorded in the audit chain; not published.
WARNING_CLEARANCES = Table(
    "scoring",
    "warning_clearances",
    "One row per firm and as_of on which a person cleared its red warning level.",
    {
        **FIRM_AND_DATE,
        "reason": Column("varchar", "Why, in words, without names and numbers"),
        "cleared_by": Column("varchar", "Who is responsible for it"),
        "cleared_at": Column("timestamptz", "When it was cleared"),
    },
    owner="scoring",
    key=("firm_id", "as_of"),
)
