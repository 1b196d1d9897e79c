"""The checks of a night, on the warehouse's own record of deliveries."""

import json
from datetime import date, timedelta

import duckdb
import pytest

from consent import audit
from expectations import acceptance, handover, quarantine, verdicts
from expectations.acceptance import Accepted
from firmpulse import warehouse
from firmpulse.errors import ConfigurationError, ExpectationFailed, NotReadyError
from firmpulse.settings import Settings
from tests import delivery_rows

NIGHT = date(2026, 10, 31)


def record(settings: Settings, delivery_id: str, as_of: date = NIGHT, **values: object) -> None:
    """Record one table of a delivery; counts are 0 by default."""
    row = {
        "as_of": as_of, "delivery_id": delivery_id, "source": "tax", "table_name": "tax_invoice",
        "kind": "increment", "delivered_at": f"{as_of}T22:00:00+08:00",
    } | values  # fmt: skip
    with warehouse.connect(settings) as connection:
        delivery_rows.record(connection, **row)


def test_refused_and_empty_deliveries_leave_the_others_alone(settings: Settings) -> None:
    record(settings, "tax-bad", status="refused", table_name=None)
    record(settings, "tax-empty", delivery_seq=1)
    record(settings, "tax-good", delivery_seq=2, rows_read=10, rows_landed=10)

    assert handover.deliveries(settings, NIGHT)["warnings"] == [
        "no delivery was refused; seen: tax-bad refused",
        "a landed delivery has at least one row; seen: tax-empty / tax_invoice 0",
    ]


def test_a_delivery_that_failed_stops_every_night_until_it_is_accepted(settings: Settings) -> None:
    record(settings, "tax-rotten", delivery_seq=1, rows_read=100, rows_quarantined=100)
    record(settings, "tax-good", delivery_seq=2, rows_read=10, rows_landed=10)
    next_night = NIGHT + timedelta(days=1)
    record(settings, "tax-next", next_night, delivery_seq=3, rows_read=5, rows_landed=5)

    for night in (NIGHT, next_night, NIGHT):
        with pytest.raises(ExpectationFailed, match="go to quarantine") as caught:
            handover.deliveries(settings, night)
        assert "tax-rotten / tax_invoice 1" in str(caught.value)
        assert 'firmpulse accept tax-rotten --because "..."' in str(caught.value)
        assert "accept tax-good" not in str(caught.value)
    assert verdicts.accept(settings, "tax-rotten", "seen with the provider") == ("delivery",)

    for night in (next_night, NIGHT):
        assert handover.deliveries(settings, night)["rows"] == 1
    with warehouse.connect(settings) as connection:
        kept = connection.execute(
            "select delivery_seq, passed, accepted_because from warehouse.ops.verdicts order by all"
        ).fetchall()
    assert kept == [(1, True, "seen with the provider"), (2, True, None), (3, True, None)]


def test_only_what_failed_can_be_accepted(settings: Settings) -> None:
    record(settings, "tax-good", delivery_seq=2, rows_read=10, rows_landed=10)
    handover.deliveries(settings, NIGHT)

    for delivery_id in ("tax-good", "tax-unknown"):
        with pytest.raises(NotReadyError, match="has failed a check"):
            verdicts.accept(settings, delivery_id, "why not")


def test_rows_lost_on_the_way_to_the_warehouse_stop_the_next_night_too(settings: Settings) -> None:
    record(settings, "tax-lost", delivery_seq=1, rows_read=10, rows_landed=10)
    with warehouse.connect(settings) as connection:
        connection.execute("create schema warehouse.staging")
        connection.execute(
            "create table warehouse.staging.stg_tax__invoice as "
            "select 1 as delivery_seq, date '2026-10-31' as available_at from range(9)"
        )
    for night in (NIGHT, NIGHT + timedelta(days=1)):
        with pytest.raises(ExpectationFailed, match="tax-lost 1"):
            handover.features(settings, night)


def _verdict(settings: Settings) -> list[tuple[object, ...]]:
    with warehouse.connect(settings) as connection:
        return connection.execute(
            "select as_of, passed, broke from warehouse.ops.verdicts where suite = 'scores'"
        ).fetchall()


@pytest.fixture
def twice(settings: Settings) -> Settings:
    """Return a home in which the only firm is scored twice."""
    with warehouse.connect(settings) as connection:
        _make_scores(connection)
        connection.execute(
            "update warehouse.scoring.scores set score = 560; "
            "insert into warehouse.scoring.scores from warehouse.scoring.scores"
        )
    return settings


def test_the_scores_of_a_night_have_a_verdict(twice: Settings) -> None:
    with pytest.raises(ExpectationFailed, match="a firm is scored once") as caught:
        handover.scores(twice, NIGHT, "1")
    command = 'firmpulse checks accept scores firms_once --as-of 2026-10-31 --because "..."'
    assert command in str(caught.value)
    assert _verdict(twice) == [(NIGHT, False, "all_firms, firms_once")]

    with warehouse.connect(twice) as connection:
        connection.execute("delete from warehouse.scoring.scores where rowid = 0")
    handover.scores(twice, NIGHT, "1")
    assert _verdict(twice) == [(NIGHT, True, None)]


def test_an_accepted_rule_lets_its_nights_go_on_and_no_other(twice: Settings) -> None:
    def accept(rule: str, first: date = NIGHT, last: date = NIGHT, suite: str = "scores") -> None:
        wanted = Accepted(suite, rule, first, last, "a test", "Li Wei")
        acceptance.accept(twice, wanted)

    with pytest.raises(NotReadyError, match="firms_once did not stop the night of 2026-10-31"):
        accept("firms_once")
    with pytest.raises(ExpectationFailed):
        handover.scores(twice, NIGHT, "1")
    next_night = NIGHT + timedelta(days=1)
    for wrong, said in (
        ({"rule": "firm_once"}, "the suite scores has no rule 'firm_once'; use one of all_firms,"),
        ({"rule": "mean_plausible"}, "only warns and stops no night"),
        ({"rule": "firms_once", "suite": "delivery"}, "firmpulse accept DELIVERY --because REASON"),
        ({"rule": "firms_once", "first": next_night}, "--until 2026-10-31 is before --as-of"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            accept(**wrong)  # type: ignore[arg-type] # one of them is no rule
    accept("firms_once", last=next_night)
    with pytest.raises(ExpectationFailed, match="broke 1 of its expectations"):
        handover.scores(twice, NIGHT, "1")
    accept("all_firms")

    (warning, _) = handover.scores(twice, NIGHT, "1")["warnings"]
    assert warning.endswith("accepted by Li Wei: a test")
    with warehouse.connect(twice) as connection:
        nights = (NIGHT, next_night, next_night + timedelta(days=1))
        accepted = [set(acceptance.of_night(connection, "scores", night)) for night in nights]
    assert accepted == [{"all_firms", "firms_once"}, {"firms_once"}, set()]
    (entry,) = audit.entries(twice, action="ACCEPT", limit=1)
    assert json.loads(entry.details)["rule"] == "all_firms"


def test_a_firm_with_an_impossible_score_is_quarantined_until_it_is_possible(
    settings: Settings,
) -> None:
    def held() -> list[tuple[object, ...]]:
        with warehouse.connect(settings) as connection:
            return quarantine.held(connection, NIGHT, ["scores"])["text_en", "text_zh"].rows()

    with warehouse.connect(settings) as connection:
        _make_scores(connection)
    handover.scores(settings, NIGHT, "1")
    assert held() == [("score is 901, which cannot be", "score 为 901，不应出现")]
    assert _verdict(settings) == [(NIGHT, True, None)]

    with warehouse.connect(settings) as connection:
        connection.execute("update warehouse.scoring.scores set score = 560")
    handover.scores(settings, NIGHT, "1")
    assert held() == []


def _make_scores(connection: duckdb.DuckDBPyConnection) -> None:
    """Make one firm with a score of 901."""
    connection.execute("create schema warehouse.features")
    connection.execute(
        "create table warehouse.features.firm_snapshots as "
        "select gen_random_uuid() as firm_id, date '2026-10-31' as as_of"
    )
    connection.execute(
        "insert into warehouse.scoring.scores by name select firm_id, as_of, "
        "0.02 as default_prob, 901 as score, 'BBB' as grade from warehouse.features.firm_snapshots"
    )
