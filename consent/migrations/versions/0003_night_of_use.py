"""The night that a one-off grant was used for."""

from datetime import date, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the night to grants; one that was used before ended on the day after its night."""
    op.add_column("grants", sa.Column("used_for", sa.Date))
    grants = sa.table(
        "grants", sa.column("ended_as", sa.String), sa.column("ended_on", sa.Date),
        sa.column("used_for", sa.Date),
    )  # fmt: skip
    connection = op.get_bind()
    ends = sa.select(grants.c.ended_on).where(grants.c.ended_as == "CONSUMED").distinct()
    days: list[date] = list(connection.scalars(ends))
    for ended_on in days:
        night = ended_on - timedelta(days=1)
        mine = sa.and_(grants.c.ended_as == "CONSUMED", grants.c.ended_on == ended_on)
        connection.execute(sa.update(grants).where(mine).values(used_for=night))
