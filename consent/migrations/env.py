"""Run the migrations on the connection that `consent.store` opened, in its transaction."""

from alembic import context

from consent.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    compare_type=True,
)
context.run_migrations()
