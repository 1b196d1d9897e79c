from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from firmpulse.settings import Settings
from tests.consent import postgresql


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Return the URL of a running PostgreSQL server."""
    with postgresql.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Return settings with an empty control store, once per kind of store."""
    if request.param == "sqlite":
        return settings
    url: str = request.getfixturevalue("postgresql_url")
    admin = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool
    )
    with admin.begin() as connection:
        connection.exec_driver_sql("drop schema public cascade; create schema public")
    return settings.model_copy(update={"control_url": url})
