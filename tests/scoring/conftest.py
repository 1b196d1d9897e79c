import pytest

from tests.credit_economy import Trained, trained_copy


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return the trained economy, shared by the training and scoring tests."""
    return trained_copy(tmp_path_factory)
