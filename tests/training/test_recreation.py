"""A frozen frame can be recreated, and differences are listed."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from tests.credit_economy import AS_OF, Trained
from training.recreation import recreate


@pytest.fixture
def home(trained: Trained, tmp_path: Path) -> Settings:
    """Return a copy of the trained economy."""
    copied = tmp_path / "copied"
    shutil.copytree(trained.settings.root, copied)
    return trained.settings.model_copy(update={"home": copied})


def test_the_same_knowledge_gives_the_same_digest(home: Settings, trained: Trained) -> None:
    made = recreate(home, AS_OF)
    assert made.same
    assert made.digest_now == trained.sample.digest
    assert (made.erased_rows, made.only_frozen, made.only_now) == (0, 0, 0)
    assert made.changed == {}
    assert made.frozen_rows == sum(trained.sample.rows.values())


def test_a_feature_that_moved_and_a_firm_that_is_gone_are_named(home: Settings) -> None:
    with warehouse.connect(home) as connection:
        (day,) = connection.execute(
            "select min(as_of) from warehouse.training.frame_20261031"
        ).fetchall()[0]
        moved = connection.execute(
            "update warehouse.features.feat_tax_monthly "
            "set tax_sales_12m = coalesce(tax_sales_12m, 0) + 1 "
            "where as_of = ? and (firm_id, as_of) in "
            "(select (firm_id, as_of) from warehouse.training.frame_20261031) returning firm_id",
            [day],
        ).fetchall()
        (firm,) = connection.execute(
            "select max(firm_id) from warehouse.training.frame_20261031 where as_of <> ?", [day]
        ).fetchall()[0]
        (gone,) = connection.execute(
            "delete from warehouse.training.frame_20261031 where firm_id = ? returning 1", [firm]
        ).fetchall()[:1]
    made = recreate(home, AS_OF)
    assert not made.same
    assert gone == (1,)
    assert made.erased_rows == made.only_now > 0
    assert made.only_frozen == 0
    expected = sum(1 for (moved_firm,) in moved if moved_firm != firm)
    assert made.changed == {"tax_sales_12m": expected}


def test_nothing_frozen_is_told(home: Settings) -> None:
    with pytest.raises(NotReadyError, match="no training frame was sampled for 2020-01-31"):
        recreate(home, date(2020, 1, 31))
