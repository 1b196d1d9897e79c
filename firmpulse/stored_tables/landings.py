"""What the vault keeps about landings besides the rows: files, bad rows, keys."""

from firmpulse.stored_tables.table import Column, Table

LANDED = Table(
    "ops",
    "landed",
    "One row per landed delivery: all of it is stored.",
    {
        "delivery_id": Column("varchar", "Delivery as its provider named it", required=True),
        "source": Column("varchar", "Source of the delivery", required=True),
        "manifest_sha256": Column("varchar", "SHA-256 of its manifest", required=True),
        "delivery_seq": Column("bigint", "Number of the delivery", required=True),
        "last_row_id": Column(
            "bigint", "Highest row_id assigned so far, over all tables", required=True
        ),
    },
    owner="extracts",
    key=("delivery_seq",),
    databases=("vault",),
)

FILES = Table(
    "ops",
    "files",
    "One row per landed file of a delivery.",
    {
        "delivery_seq": Column("bigint", "Number of the delivery", required=True),
        "file_no": Column("integer", "Place of the file in the manifest", required=True),
        "file": Column("varchar", "Name of the file as delivered", required=True),
    },
    owner="extracts",
    key=("delivery_seq", "file_no"),
    databases=("vault",),
)

REFUSED_FILES = Table(
    "ops",
    "refused_files",
    "One row per file that was refused in a delivery that landed.",
    {
        "delivery_seq": Column("bigint", "Number of the delivery", required=True),
        "delivery_id": Column("varchar", "Delivery as its provider named it", required=True),
        "file": Column("varchar", "Name of the file as delivered", required=True),
        "reason": Column("varchar", "Why it was refused, in a sentence", required=True),
    },
    owner="extracts",
    databases=("vault",),
)

QUARANTINE = Table(
    "ops",
    "quarantine",
    "One row per delivered row that broke its contract: where it is, and which rule it broke.",
    {
        "delivery_seq": Column("bigint", "Number of the delivery", required=True),
        "delivery_id": Column("varchar", "Delivery as its provider named it", required=True),
        "table_name": Column("varchar", "Table of the contract", required=True),
        "file": Column("varchar", "Name of the file as delivered", required=True),
        "line": Column("bigint", "Line of the file; null if it has none"),
        "column_name": Column("varchar", "Column of the contract that broke the rule"),
        "rule": Column("varchar", "Rule that the row broke", required=True),
        "value_class": Column("varchar", "Kind of text of the value", required=True),
        "record": Column("varchar", "Content of the row as JSON; null if its firm is unknown"),
        "firm": Column("varchar", "Identifier in the form scheme:value; null if unknown"),
    },
    owner="extracts",
    databases=("vault",),
)

REPEATED = Table(
    "ops",
    "repeated",
    "One row per version that was the newest of its key when another delivery repeated it.",
    {
        "table_name": Column("varchar", "Table of the contract", required=True),
        "row_key": Column("uhugeint", "Digest of the natural key", required=True),
        "record_version": Column("integer", "Version that was repeated", required=True),
        "delivery_seq": Column("bigint", "Delivery that repeated it", required=True),
    },
    owner="extracts",
    databases=("vault",),
)

SHARED_KEYS = Table(
    "ops",
    "shared_keys",
    "One row per natural key under which a delivery brought different bookings.",
    {
        "table_name": Column("varchar", "Table of the contract", required=True),
        "firm": Column("varchar", "Identifier in the form scheme:value", required=True),
        "row_key": Column("uhugeint", "Digest of the natural key", required=True),
        "delivery_seq": Column("bigint", "Delivery that brought them", required=True),
    },
    owner="extracts",
    databases=("vault",),
)
