"""Alembic migrations of the control store; `consent.store` runs them on first use."""
