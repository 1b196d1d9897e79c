"""The warehouse's record of nights and deliveries, or the published one while a task holds it.

Readers use the names of tables in the warehouse; the published tables replace them if needed.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import duckdb

from firmpulse import warehouse
from firmpulse.errors import FileHeldError
from firmpulse.settings import Settings


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[duckdb.DuckDBPyConnection, bool]]:
    """Open the record; the second value says whether it is that of the last publication."""
    with ExitStack() as stack:
        try:
            connection, is_published = stack.enter_context(warehouse.connect(settings)), False
        except FileHeldError:
            stand_in = warehouse.connect_stand_in(settings)
            connection, is_published = stack.enter_context(stand_in), True
        yield connection, is_published
