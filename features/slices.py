"""How many rows a statement may read at once, so that a build stays within the memory limit.

`dbt_project/macros/slices.sql` cuts a build into slices of about so many rows.
"""

from pydantic import ByteSize, TypeAdapter

from firmpulse.settings import Settings

# What a statement needs per row that it reads. dbt runs two side by side.
_BYTES_PER_ROW = 100
# A home is built as a whole if its databases are smaller than this part of the limit.
_SMALL = 0.1


def rows_at_once(settings: Settings) -> int:
    """Return about how many rows a statement may read; 0 for all."""
    limit = TypeAdapter(ByteSize).validate_python(settings.memory_limit)
    databases = (settings.vault_path, settings.warehouse_path)
    stored = sum(path.stat().st_size for path in databases if path.exists())
    return 0 if stored < _SMALL * limit else int(limit / _BYTES_PER_ROW)
