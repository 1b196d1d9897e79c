"""What the warehouse records of nights and deliveries; while a task holds it, what was published.

Whatever reads here asks for tables by their names in the warehouse; the published ones stand in for
them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import duckdb

from firmpulse import warehouse
from firmpulse.errors import FileHeldError
from firmpulse.settings import Settings


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[duckdb.DuckDBPyConnection, bool]]:
    """Open the record; the second value is whether it is that of the last publication."""
    with ExitStack() as stack:
        try:
            connection, is_published = stack.enter_context(warehouse.connect(settings)), False
        except FileHeldError:
            stand_in = warehouse.connect_stand_in(settings)
            connection, is_published = stack.enter_context(stand_in), True
        yield connection, is_published
