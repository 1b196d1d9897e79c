import os
from pathlib import Path

import hypothesis
import pytest

from firmpulse.settings import Settings

# Small matrices are no faster on two threads, which spin where workers share the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return the settings of an empty home folder."""
    return Settings(home=tmp_path / "home", memory_limit="2GB")
