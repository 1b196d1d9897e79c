"""The tables of the control store; `migrations/` makes them, a test compares both."""

import sqlalchemy as sa

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# One row per authorisation. Its terms never change, its state only moves forward.
GRANTS = sa.Table(
    "grants",
    METADATA,
    sa.Column("authorization_id", sa.String, primary_key=True),
    sa.Column("firm_id", sa.String(36), nullable=False, index=True),
    sa.Column("source", sa.String(32), nullable=False),
    sa.Column("purpose", sa.String(32), nullable=False),
    sa.Column("recipient", sa.String, nullable=False),
    sa.Column("window_start", sa.Date, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=False),
    sa.Column("keep_results", sa.Boolean, nullable=False),
    sa.Column("grantor_role", sa.String(32), nullable=False),
    # Separate consent: bank accounts and natural persons need it.
    sa.Column("separate_consent", sa.Boolean, nullable=False),
    sa.Column("text_version", sa.String, nullable=False, index=True),
    sa.Column("text_sha256", sa.String(64), nullable=False),
    # DRAFT, GRANTED, REVOKED, CONSUMED or PURGED; ACTIVE and EXPIRED follow from the dates.
    sa.Column("state", sa.String(16), nullable=False, index=True),
    # REVOKED, CONSUMED or EXPIRED, and the first day without the grant; kept when it is purged.
    sa.Column("ended_as", sa.String(16)),
    sa.Column("ended_on", sa.Date),
    # The night for whose scores a one-off grant was used.
    sa.Column("used_for", sa.Date),
    sa.Column("purged_on", sa.Date),
    sa.Column("certificate_id", sa.String(32)),
)

# One row per change of a grant; never changed.
EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("seq", _SEQUENCE, primary_key=True),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("authorization_id", sa.String, nullable=False, index=True),
    # Token of that day; the grant has the newest one.
    sa.Column("firm_id", sa.String(36), nullable=False),
    sa.Column("event", sa.String(16), nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("reason", sa.String),
)

# One row per deletion certificate; never changed.
CERTIFICATES = sa.Table(
    "certificates",
    METADATA,
    sa.Column("certificate_id", sa.String(32), primary_key=True),
    sa.Column("firm_id", sa.String(36), nullable=False, index=True),
    sa.Column("issued_on", sa.Date, nullable=False),
    sa.Column("details", sa.Text, nullable=False),
    # Hash of the audit entry that contains the digest of `details`.
    sa.Column("audit_hash", sa.String(64), nullable=False),
)

# One row per entry of the audit chain; never changed.
AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("action", sa.String(16), nullable=False, index=True),
    sa.Column("subject", sa.String(36), index=True),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# One row: HMAC of a fixed text under the audit key, to distinguish a wrong key from tampering.
AUDIT_KEY = sa.Table(
    "audit_key",
    METADATA,
    sa.Column("fixed_text_hash", sa.String(64), primary_key=True),
)
# One row: token of a fixed text, made with the token key of the grants' tokens.
TOKEN_KEY = sa.Table(
    "token_key",
    METADATA,
    sa.Column("fixed_text_token", sa.String(36), primary_key=True),
)
# One row per firm whose code violates GB 32100 and was accepted by a person.
ACCEPTED_CODES = sa.Table(
    "accepted_codes",
    METADATA,
    sa.Column("firm_id", sa.String(36), primary_key=True),
    sa.Column("accepted_on", sa.Date, nullable=False),
    sa.Column("accepted_by", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
)
APPEND_ONLY = ("events", "certificates", "audit", "audit_key")
