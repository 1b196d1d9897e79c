"""Which firm a token is for: the vault's directory."""

from collections.abc import Sequence

from firmpulse import warehouse
from firmpulse.settings import Settings


def identifiers(settings: Settings, firm_ids: Sequence[str]) -> dict[str, str]:
    """Return token → identifier `scheme:value` of the firms in the directory."""
    if not firm_ids:
        return {}
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        rows = connection.execute(
            "select firm_id::varchar, firm from vault.ops.firm_directory "
            "where firm_id in (select unnest($ids)::uuid)",
            {"ids": list(firm_ids)},
        ).fetchall()
    return dict(rows)
