"""Non-standard codes that a person has accepted for a firm."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of accepted codes."""
    op.create_table(
        "accepted_codes",
        sa.Column("firm_id", sa.String(36), nullable=False),
        sa.Column("accepted_on", sa.Date, nullable=False),
        sa.Column("accepted_by", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("firm_id", name="pk_accepted_codes"),
    )
