"""The command on daily power use of real enterprises; skipped if the data are absent."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from firmpulse import warehouse
from firmpulse.settings import Settings
from tests.integration.conftest import firmpulse
from tests.sizes import exhaustive

pytestmark = [
    pytest.mark.slow,
    exhaustive("tests/extracts/test_data_sets.py lands the file, tests/features have its features"),
]


@pytest.fixture(scope="module")
def features(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Return the power features of the last day."""
    settings = Settings(home=tmp_path_factory.mktemp("real-power"), memory_limit="4GB")
    folder = shared_data / "yangzhong_power"
    firmpulse(settings, "real", "yangzhong-power", "--from", str(folder))
    home = settings.model_copy(update={"home": settings.root / "real" / "yangzhong_power"})
    with warehouse.connect(home) as connection:
        return connection.execute(
            "select * from warehouse.features.feat_power_monthly where as_of = ?",
            [date(2016, 9, 30)],
        ).pl()


def test_every_enterprise_has_sane_features(features: pl.DataFrame) -> None:
    assert features.height == 1454
    numbers = features.select(pl.col(pl.Float64))
    assert all(column.drop_nulls().is_finite().all() for column in numbers)
    assert features["power_energy_mean_12m"].null_count() == 0
    # It is the city's power: among them some of the largest consumers, and none below zero.
    assert features["power_energy_mean_12m"].min() >= 0  # type: ignore[operator]
    assert features["power_energy_mean_12m"].max() > 5e6  # type: ignore[operator]
    assert 0.2 < features["power_cv_12m"].median() < 0.5  # type: ignore[operator]


def test_work_starts_again_a_week_after_spring_festival(features: pl.DataFrame) -> None:
    """The public holiday of 2016 lasted from 7 to 13 February; the festival was on the 8th."""
    lag = features["power_restart_lag_days"].drop_nulls()
    assert len(lag) == 1454
    assert 5 <= lag.median() <= 9  # type: ignore[operator]
    assert lag.quantile(0.95) <= 20  # type: ignore[operator]
