"""Grants, their events, certificates and the audit chain."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_APPEND_ONLY = ("events", "certificates", "audit", "audit_key")
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables and forbid changes where only additions are right."""
    _grants()
    _records()
    _chain()
    protect = _protect_sqlite if op.get_bind().dialect.name == "sqlite" else _protect_postgresql
    for table in _APPEND_ONLY:
        protect(table)


def _grants() -> None:
    op.create_table(
        "grants",
        sa.Column("authorization_id", sa.String, nullable=False),
        sa.Column("firm_id", sa.String(36), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("recipient", sa.String, nullable=False),
        sa.Column("window_start", sa.Date, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_to", sa.Date, nullable=False),
        sa.Column("keep_results", sa.Boolean, nullable=False),
        sa.Column("grantor_role", sa.String(32), nullable=False),
        sa.Column("separate_consent", sa.Boolean, nullable=False),
        sa.Column("text_version", sa.String, nullable=False),
        sa.Column("text_sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ended_as", sa.String(16)),
        sa.Column("ended_on", sa.Date),
        sa.Column("purged_on", sa.Date),
        sa.Column("certificate_id", sa.String(32)),
        sa.PrimaryKeyConstraint("authorization_id", name="pk_grants"),
    )
    for column in ("firm_id", "text_version", "state"):
        op.create_index(f"ix_grants_{column}", "grants", [column])


def _records() -> None:
    op.create_table(
        "events",
        sa.Column("seq", _SEQUENCE, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("authorization_id", sa.String, nullable=False),
        sa.Column("firm_id", sa.String(36), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
    )
    op.create_index("ix_events_authorization_id", "events", ["authorization_id"])
    op.create_table(
        "certificates",
        sa.Column("certificate_id", sa.String(32), nullable=False),
        sa.Column("firm_id", sa.String(36), nullable=False),
        sa.Column("issued_on", sa.Date, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("audit_hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("certificate_id", name="pk_certificates"),
    )
    op.create_index("ix_certificates_firm_id", "certificates", ["firm_id"])


def _chain() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", _SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(36)),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    for column in ("action", "subject"):
        op.create_index(f"ix_audit_{column}", "audit", [column])
    op.create_table(
        "audit_key",
        sa.Column("fixed_text_hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("fixed_text_hash", name="pk_audit_key"),
    )
    op.create_table(
        "token_key",
        sa.Column("fixed_text_token", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("fixed_text_token", name="pk_token_key"),
    )


def _protect_sqlite(table: str) -> None:
    for verb in ("update", "delete"):
        op.execute(
            f"create trigger {table}_no_{verb} before {verb} on {table} "
            f"begin select raise(abort, 'rows of {table} are never changed'); end"
        )


def _protect_postgresql(table: str) -> None:
    op.execute(
        f"create function {table}_is_append_only() returns trigger language plpgsql as "
        f"$$ begin raise exception 'rows of {table} are never changed'; end $$"
    )
    op.execute(
        f"create trigger {table}_append_only before update or delete or truncate on {table} "
        f"for each statement execute function {table}_is_append_only()"
    )
