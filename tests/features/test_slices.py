"""How many rows a statement may read at once."""

from pathlib import Path

from features import slices
from firmpulse.settings import Settings


def test_a_small_home_is_built_as_a_whole(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, memory_limit="2GB")
    assert slices.rows_at_once(settings) == 0
    _stored(settings, 150_000_000)
    assert slices.rows_at_once(settings) == 0


def test_a_large_home_is_cut_by_the_memory_limit(tmp_path: Path) -> None:
    _stored(Settings(home=tmp_path), 1_000_000_000)
    found = {
        limit: slices.rows_at_once(Settings(home=tmp_path, memory_limit=limit))
        for limit in ("1GB", "2 gb", "1GiB", "500MB", "100GB")
    }
    assert found == {
        "1GB": 10_000_000, "2 gb": 20_000_000, "1GiB": 10_737_418, "500MB": 5_000_000, "100GB": 0,
    }  # fmt: skip


def _stored(settings: Settings, size: int) -> None:
    """Make both databases together take so many bytes, without writing them."""
    for path in (settings.vault_path, settings.warehouse_path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size // 2)
