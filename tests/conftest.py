from pathlib import Path

import pytest

from firmpulse.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return the settings of an empty home folder."""
    return Settings(home=tmp_path / "home", memory_limit="2GB")
