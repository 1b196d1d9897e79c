"""What was delivered, and the outcome."""

from firmpulse.stored_tables.table import Column, Table

_BOTH = ("warehouse", "vault")

DELIVERIES = Table(
    "ops",
    "deliveries",
    "One row per delivery and table: what arrived, and the outcome of its rows.",
    {
        "as_of": Column("date", "Night in which the delivery was landed", required=True),
        "delivery_seq": Column(
            "bigint",
            "Number of the delivery; null for one that was refused as a whole",
            published=False,
        ),
        "delivery_id": Column("varchar", "Delivery as its provider named it", required=True),
        "source": Column("varchar", "Source of the delivery", required=True),
        "provider": Column("varchar", "Who delivered; the prefix sim- marks simulated firms"),
        "table_name": Column(
            "varchar", "Table of the contract; empty for a delivery refused whole"
        ),
        "kind": Column(
            "varchar",
            "history or increment; null where the manifest could not be read",
            published=False,
        ),
        "delivered_at": Column(
            "timestamptz", "When the provider handed it over, by its manifest", published=False
        ),
        "status": Column("varchar", "landed or refused", required=True),
        "rows_delivered": Column(
            "bigint", "Rows that the delivery's manifest announced", required=True
        ),
        "rows_in_refused_files": Column(
            "bigint", "Announced rows of files that were refused whole", required=True
        ),
        "rows_read": Column(
            "bigint", "Rows read: landed, duplicate, gated or quarantined", required=True
        ),
        "rows_landed": Column("bigint", "Rows that were stored", required=True),
        "rows_restated": Column(
            "bigint", "Landed rows that were new versions of known ones", required=True
        ),
        "rows_duplicate": Column("bigint", "Rows that were already known", required=True),
        "rows_refused_by_gate": Column(
            "bigint", "Rows without a live grant; they were not stored", required=True
        ),
        "rows_quarantined": Column("bigint", "Rows that broke their contract", required=True),
        "rows_sharing_key": Column(
            "bigint",
            "Rows read that share their natural key with a different row of the delivery",
            required=True,
        ),
        "warning": Column("varchar", "Warnings about the landed rows; null for none"),
        "columns_dropped": Column(
            "bigint", "Columns that are not in the contract; dropped unread", required=True
        ),
        "notes": Column("varchar", "Lines of its files that are titles or totals, not rows"),
        "refusal": Column("varchar", "Why it or files of it were refused", published=False),
        "landed_at": Column(
            "timestamptz", "When it was landed or refused", required=True, published=False
        ),
    },
    owner="extracts",
    databases=_BOTH,
    published_name="data_quality",
)

DELIVERY_PROBLEMS = Table(
    "ops",
    "delivery_problems",
    "One row per delivery, table, file, rule and column: why it was refused, why rows are in "
    "quarantine, and warnings.",
    {
        "as_of": Column("date", "Night in which the delivery landed or was refused", required=True),
        "delivery_seq": Column(
            "bigint",
            "Number of the delivery; null for one that was refused as a whole",
            published=False,
        ),
        "delivery_id": Column("varchar", "Delivery as its provider named it", required=True),
        "source": Column("varchar", "Source of the delivery", required=True),
        "provider": Column("varchar", "Who delivered; empty where the manifest could not be read"),
        "table_name": Column(
            "varchar", "Table of the contract; empty for a delivery refused whole"
        ),
        "file_no": Column(
            "integer", "Place of the file in the manifest; empty for all of the table"
        ),
        "problem": Column(
            "varchar",
            "refused: file or delivery was refused; quarantined: rows broke their contract; "
            "warning: rows landed with a warning",
            required=True,
        ),
        "rule": Column(
            "varchar",
            "Rule that the rows broke: required, bound, structure, uscc, identifier or the kind of "
            "the column; for a warning its name in the contract",
        ),
        "column_name": Column("varchar", "Column of the contract that broke the rule"),
        "value_class": Column("varchar", "Kind of text of the value, such as empty or digits"),
        "row_count": Column(
            "bigint", "Number of rows affected; as announced if refused", required=True
        ),
        "reason": Column("varchar", "Why a file or delivery was refused, in a sentence"),
    },
    owner="extracts",
    databases=_BOTH,
    published_name="delivery_problems",
)

# Counted from masked rows on publication.
NARRATIVES = Table(
    "ops",
    "narratives",
    "One row per bank and month of booking: how much has a text that matches no rule.",
    {
        "provider": Column("varchar", "Bank that delivered; sim- stands for simulated firms"),
        "month": Column("date", "First day of the month of booking"),
        "booking_count": Column("bigint", "Bookings delivered, corrections included"),
        "unknown_count": Column("bigint", "Bookings whose text matches no rule of narratives.yml"),
        "unknown_share": Column("double", "Share of bookings that are not recognised, 0 to 1"),
        "unknown_amount_share": Column(
            "double",
            "Share of the amount in CNY that is not recognised, 0 to 1; null without an amount",
        ),
    },
    owner="scoring",
    key=("provider", "month"),
    databases=(),
    published_name="narratives",
)
