"""A published score is recomputed to the last bit."""

import numpy as np
import pytest

from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from scoring import batch, publish, replay
from tests.credit_economy import AS_OF, SNAPSHOTS, Trained, firm_id
from training import pipeline

FIRM = firm_id(10)


@pytest.fixture
def home(trained: Trained) -> Settings:
    """Score and publish a night."""
    pipeline.promote(trained.settings, AS_OF, trained.candidate.version, "Li Wei")
    batch.score(trained.settings, AS_OF)
    publish.publish(trained.settings, AS_OF)
    return trained.settings


def test_a_score_is_replayed_to_the_bit(home: Settings) -> None:
    done = replay.replay(home, FIRM, AS_OF)
    assert done.is_same
    assert done.differences == ()
    assert done.moved_features == ()
    assert done.model_version == "1"


def test_a_firm_in_default_is_replayed_too(home: Settings) -> None:
    assert replay.replay(home, firm_id(3), AS_OF).is_same


def test_a_feature_that_moved_is_named(home: Settings) -> None:
    """The last bit of one feature differs; so do the digest and all that depends on it."""
    where = "where firm_id = cast(? as uuid) and as_of = ?"
    column = "bank_days_cash_6m"
    with warehouse.connect(home) as connection:
        (value,) = connection.execute(
            f"select {column} from warehouse.features.feat_bank_monthly {where}", [FIRM, AS_OF]
        ).fetchall()[0]
        change = f"update warehouse.features.feat_bank_monthly set {column} = ? {where}"
        connection.execute(change, [float(np.nextafter(value, np.inf)), FIRM, AS_OF])
    try:
        done = replay.replay(home, FIRM, AS_OF)
    finally:
        with warehouse.connect(home) as connection:
            connection.execute(change, [value, FIRM, AS_OF])
    assert not done.is_same
    assert done.moved_features == (column,)
    assert "feature_digest" in {found.part for found in done.differences}
    assert replay.replay(home, FIRM, AS_OF).is_same


def test_other_code_is_told_and_is_no_difference_of_the_score(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "code_version", lambda: "0.0.0+other")
    done = replay.replay(home, FIRM, AS_OF)
    assert done.is_same
    assert [(found.part, found.replayed) for found in done.differences] == [
        ("code_version", "0.0.0+other")
    ]


def test_a_date_without_a_score_names_those_that_there_are(home: Settings) -> None:
    with pytest.raises(NotReadyError, match=f"no score .* for {SNAPSHOTS[0]}; its dates: {AS_OF}"):
        replay.replay(home, FIRM, SNAPSHOTS[0])
