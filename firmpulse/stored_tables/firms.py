"""Which firm a token is for, and what was erased of whom."""

from firmpulse.stored_tables.table import Column, Table

FIRM_DIRECTORY = Table(
    "ops",
    "firm_directory",
    "One row per firm that has ever given a grant and is not erased: which firm its token is for.",
    {
        "firm_id": Column("uuid", "Token of the firm"),
        "firm": Column("varchar", "Identifier in the form scheme:value", required=True),
    },
    owner="consent",
    key=("firm_id",),
    unique=True,
    databases=("vault",),
)

TOKEN_KEY = Table(
    "ops",
    "token_key",
    "At most one row: identifies the token key with which the tokens of the file were made.",
    {"fixed_text_token": Column("uuid", "Token of a fixed text", required=True)},
    owner="firmpulse",
    databases=("warehouse", "vault"),
)

ERASING = Table(
    "ops",
    "erasing",
    "One row per firm that is being erased: the decision, kept until its certificate in case the "
    "firm grants again in between.",
    {
        "firm_id": Column("uuid", "Token of the firm"),
        "sources": Column("varchar[]", "Sources whose rows are erased", required=True),
        "training": Column(
            "boolean", "Whether its rows of training frames are erased", required=True
        ),
        "results": Column("boolean", "Whether its scores and warnings are erased", required=True),
        "whole": Column("boolean", "Whether everything is erased", required=True),
    },
    owner="erasure",
    key=("firm_id",),
    unique=True,
    databases=("vault",),
)

ERASED = Table(
    "ops",
    "erased",
    "One row per erasure, firm, place and delivery: how many rows were erased.",
    {
        "on_date": Column("date", "Day of the erasure", required=True),
        "firm_id": Column(
            "uuid",
            "Token of the firm; null once the certificate is written, when only the counts of "
            "deliveries stay",
        ),
        "place": Column("varchar", "Table or folder that lost the rows", required=True),
        "delivery_seq": Column("bigint", "Delivery that brought the rows; null elsewhere"),
        "rows": Column("bigint", "Rows that were erased", required=True),
    },
    owner="erasure",
    databases=("warehouse", "vault"),
)

ERASED_DELIVERIES = Table(
    "ops",
    "erased_deliveries",
    "One row per delivery with erased landed rows: it has this many fewer masked rows.",
    {
        "delivery_seq": Column("bigint", "Number of the delivery"),
        "rows": Column("bigint", "Landed rows that were erased since", required=True),
    },
    owner="erasure",
    key=("delivery_seq",),
    unique=True,
)
