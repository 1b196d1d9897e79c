"""Who a token stands for, and what was erased of whom."""

from firmpulse.stored_tables.table import Column, Table

FIRM_DIRECTORY = Table(
    "ops",
    "firm_directory",
    "One row per firm that has ever granted anything and is not erased: whom its token stands for.",
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
    "At most one row: what tells with which token key the tokens of the file were made.",
    {"fixed_text_token": Column("uuid", "Token of a fixed text", required=True)},
    owner="firmpulse",
    databases=("warehouse", "vault"),
)

ERASING = Table(
    "ops",
    "erasing",
    "One row per firm that is being erased: what was decided for it, kept until its certificate, "
    "should it grant again in between.",
    {
        "firm_id": Column("uuid", "Token of the firm"),
        "sources": Column("varchar[]", "Sources whose rows go", required=True),
        "training": Column("boolean", "Whether its rows of training frames go", required=True),
        "results": Column("boolean", "Whether its scores and warnings go", required=True),
        "whole": Column("boolean", "Whether everything goes", required=True),
    },
    owner="erasure",
    key=("firm_id",),
    unique=True,
    databases=("vault",),
)

ERASED = Table(
    "ops",
    "erased",
    "One row per erasure, firm, place and delivery: how many rows went.",
    {
        "on_date": Column("date", "Day of the erasure", required=True),
        "firm_id": Column(
            "uuid",
            "Token of the firm; null once the certificate is written, when only the counts of "
            "deliveries stay",
        ),
        "place": Column("varchar", "Table or folder that lost the rows", required=True),
        "delivery_seq": Column("bigint", "Delivery that had brought them; null elsewhere"),
        "rows": Column("bigint", "Rows that went", required=True),
    },
    owner="erasure",
    databases=("warehouse", "vault"),
)

ERASED_DELIVERIES = Table(
    "ops",
    "erased_deliveries",
    "One row per delivery of which landed rows were erased: what is masked is less by as many.",
    {
        "delivery_seq": Column("bigint", "Number of the delivery"),
        "rows": Column("bigint", "Landed rows that were erased since", required=True),
    },
    owner="erasure",
    key=("delivery_seq",),
    unique=True,
)
