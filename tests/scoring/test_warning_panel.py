"""Inputs of the rules other than features, as known then; peers; the model at earlier dates."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from consent.grants import ASSESSMENT
from consent.ledger import Ledger
from features import registry
from features.frame import frame
from firmpulse import tracking, warehouse
from firmpulse.settings import Settings
from model import bundle
from scoring.warnings import conditions, measures, panel, peers, rules
from scoring.warnings.rules import RuleBook
from tests import watch_tables
from tests.credit_economy import INSUFFICIENT, SNAPSHOTS, Trained, firm_id
from tests.scoring.test_warning_night import A, B, C, put

AS_OF = date(2026, 7, 31)
M1, M2 = "00000000-0000-0000-0000-0000000000a1", "00000000-0000-0000-0000-0000000000a2"
L1, L2, L3 = (f"00000000-0000-0000-0000-0000000000c{number}" for number in (1, 2, 3))


def rows_of(columns: str, *rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=columns.split(), orient="row", infer_schema_length=None)


def read(settings: Settings, as_of: date, *sources: str) -> dict[str, dict[str, Any]]:
    firms = pl.DataFrame({"firm_id": [A, B]})
    put(settings, "features.firm_snapshots", firms.with_columns(as_of=pl.lit(as_of)))
    watch_tables.build(settings)
    granted = firms.join(pl.DataFrame({"source": list(sources)}), how="cross")
    with warehouse.connect(settings) as connection:
        found = measures.read(connection, as_of, firms, granted)
    return {row["firm_id"]: row for row in found.to_dicts()}


def test_a_late_bill_is_known_while_open_and_for_a_month(settings: Settings) -> None:
    never, paid = date(9999, 12, 31), date(2026, 7, 20)
    put(settings, "facts.fct_power_payment", rows_of(
        "available_at superseded_at firm_id month due_date paid_on arrears_cny",
        (date(2026, 6, 9), paid, A, date(2026, 5, 1), date(2026, 6, 25), None, None),
        (paid, never, A, date(2026, 5, 1), date(2026, 6, 25), date(2026, 7, 19), None),
        (date(2026, 7, 9), never, B, date(2026, 6, 1), date(2026, 7, 25), None, None),
    ))  # fmt: skip

    def late(as_of: date) -> tuple[Any, Any]:
        found = read(settings, as_of, "power")
        return found[A]["power_late_days"], found[B]["power_late_days"]

    assert late(date(2026, 6, 1)) == (None, None)
    assert late(date(2026, 6, 25)) == (0, None)
    assert late(date(2026, 7, 10)) == (15, 0)
    assert late(AS_OF) == (24, 6)
    # Paid over a month ago: it is over.
    assert late(date(2026, 8, 19))[0] == 0
    assert read(settings, AS_OF, "bank")[A]["power_late_days"] is None


def test_power_events_count_while_they_last_and_a_month_longer(settings: Settings) -> None:
    columns = "row_id record_version available_at firm_id meter_id event_type started_on ended_on"
    put(settings, "staging.stg_power__account", rows_of(
        "available_at firm_id meter_id", (date(2025, 1, 1), A, M1), (date(2025, 1, 1), B, M1),
        (date(2025, 1, 1), B, M2)))  # fmt: skip
    put(settings, "staging.stg_power__event", rows_of(
        columns,
        (1, 1, date(2026, 5, 2), A, M1, "CUT_OFF_FOR_ARREARS", date(2026, 5, 1), None),
        (1, 2, date(2026, 6, 11), A, M1, "CUT_OFF_FOR_ARREARS", date(2026, 5, 1),
         date(2026, 6, 10)),
        (2, 1, date(2026, 7, 2), A, M1, "CLOSED", date(2026, 7, 1), None),
        (3, 1, date(2026, 7, 2), B, M1, "CLOSED", date(2026, 7, 1), None),
        (4, 1, date(2026, 4, 1), B, M2, "PLANNED_OUTAGE", date(2026, 4, 25), date(2026, 5, 4)),
    ))  # fmt: skip
    june, july = read(settings, date(2026, 6, 9), "power"), read(settings, AS_OF, "power")
    assert june[A]["power_cut_off"] == 1
    assert july[A]["power_cut_off"] == 0
    assert (june[A]["power_closed"], july[A]["power_closed"]) == (0, 1)
    # One of B's two meters is closed.
    assert july[B]["power_closed"] == 0
    # From 30 April to 4 May.
    assert july[B][measures.OUTAGE_DAYS] == 5


def test_new_lenders_are_those_not_seen_in_the_three_months_before(settings: Settings) -> None:
    put(settings, "staging.stg_bank__txn", rows_of(
        "firm_id counterparty_id category booked_on available_at",
        (A, L1, "loan_in", date(2026, 3, 1), date(2026, 3, 2)),
        (A, L1, "loan_in", date(2026, 7, 1), date(2026, 7, 2)),
        (A, L2, "loan_in", date(2026, 6, 1), date(2026, 6, 2)),
        (A, L3, "loan_in", date(2026, 7, 30), date(2026, 8, 1)),
        (A, L3, "op_in", date(2026, 6, 1), date(2026, 6, 2)),
    ))  # fmt: skip
    assert read(settings, AS_OF, "bank")[A]["bank_new_lenders_3m"] == 1
    assert read(settings, date(2026, 8, 1), "bank")[A]["bank_new_lenders_3m"] == 2
    assert read(settings, AS_OF, "tax")[A]["bank_new_lenders_3m"] is None


def test_a_firm_that_left_the_book_is_not_past_due(settings: Settings) -> None:
    never = date(9999, 12, 31)
    put(settings, "facts.fct_loan_monthly", rows_of(
        "firm_id month days_past_due available_at superseded_at",
        (A, date(2026, 1, 1), 40, date(2026, 2, 5), never),
        (B, date(2026, 6, 1), 10, date(2026, 7, 5), date(2026, 7, 20)),
        (B, date(2026, 6, 1), 31, date(2026, 7, 20), never),
    ))  # fmt: skip
    found = read(settings, AS_OF)
    assert found[A]["days_past_due"] is None
    assert found[B]["days_past_due"] == 31
    assert read(settings, date(2026, 7, 10))[B]["days_past_due"] == 10


@pytest.mark.parametrize(
    ("as_of", "lags"),
    [
        (date(2026, 10, 31), {0: date(2026, 10, 31), 1: date(2026, 9, 30), 12: date(2025, 10, 31)}),
        (date(2026, 10, 30), {0: date(2026, 10, 30), 1: date(2026, 8, 31), 8: date(2026, 1, 31)}),
        (date(2026, 3, 1), {0: date(2026, 3, 1), 1: date(2026, 1, 31), 2: date(2025, 12, 31)}),
    ],
)
def test_a_lag_counts_from_the_newest_complete_month(as_of: date, lags: dict[int, date]) -> None:
    assert {lag: panel.day_of(as_of, lag) for lag in lags} == lags


def _book(line: str, known: registry.Registry, source: str = "tax") -> RuleBook:
    return rules.parse(
        "freshness: {}\nleast_peers: 20\nrules:\n"
        f"  - {{id: R, level: blue, source: {source}, unit: share, zh: 文, en: t, when: [{line}]}}",
        known,
    )


def test_peers_are_of_the_division_or_else_of_the_section() -> None:
    known = registry.Registry((_feature(),))
    book = _book("{value: sales, at_most: 0}", known)
    # 21 firms of division 13, 5 of 14; all in section C and one province; one outside both.
    rows = pl.DataFrame(
        {
            "firm_id": [f"f{place}" for place in range(27)],
            "industry": ["13"] * 21 + ["14"] * 5 + ["13"],
            "province": ["33"] * 26 + ["44"],
            "sales@0": [float(place) for place in range(26)] + [0.0],
        }
    )
    found = peers.with_peers(rows, book)[conditions.peers_column(book.rules[0].shown)]
    # Low sales are bad: of 20 peers all do better than the lowest, none better than the highest.
    assert (found[0], found[20], found[10]) == (1.0, 0.0, 0.5)
    # Division 14 is too small: of the 25 others in the section, 4 do better than the 22nd.
    assert (found[21], found[25]) == (4 / 25, 0.0)
    assert found[26] is None


def test_firms_as_bad_as_oneself_are_not_better_off() -> None:
    book = _book("{value: sales, at_most: 0}", registry.Registry((_feature(),)))
    rows = pl.DataFrame(
        {
            "firm_id": [f"f{place}" for place in range(22)],
            "industry": ["13"] * 22,
            "province": ["33"] * 22,
            "sales@0": [0.0] * 11 + [1.0] * 10 + [None],
        }
    )
    found = peers.with_peers(rows, book)[conditions.peers_column(book.rules[0].shown)]
    assert (found[0], found[20], found[21]) == (0.5, 0.0, None)


def _feature() -> registry.FeatureMeta:
    return registry.FeatureMeta(
        name="sales", view="feat_tax_monthly", source="tax", dimension="growth", window="12m",
        unit="ratio", expected_sign="-", null_means="–", kind="number", name_zh="销售",
        name_en="sales", sources=("tax",),
    )  # fmt: skip


def test_the_model_looks_back_at_what_was_known_then(trained: Trained) -> None:
    settings, as_of = trained.settings, SNAPSHOTS[7]
    assert as_of == date(2025, 10, 31)
    folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, trained.candidate.version)
    model = bundle.load(folder / "artifacts" / "bundle")
    known = registry.load(settings)
    line = "{value: default_prob, at_least: 2, change: {months: 3, as: ratio}}"
    granted = Ledger(settings).live(as_of, purposes=ASSESSMENT, recipient=settings.recipient)
    book = _book(line, known, "model")
    seen = panel.read(settings, as_of, known, book, granted, model)
    firms = [firm_id(17), firm_id(18)]
    for lag, day in ((0, as_of), (3, date(2025, 7, 31))):
        spine = pl.DataFrame({"firm_id": firms, "as_of": [day] * 2})
        with warehouse.connect(settings) as connection:
            expected = model.default_prob(frame(connection, known, spine))
        found = seen.rows.filter(pl.col("firm_id").is_in(firms)).sort("firm_id")
        order = sorted(range(2), key=lambda place: firms[place])
        assert found[f"default_prob@{lag}"].to_list() == [expected[place] for place in order]
    short = seen.rows.filter(pl.col("firm_id") == firm_id(INSUFFICIENT))
    assert short["default_prob@0"].to_list() == [None]


def test_the_third_firm_is_no_firm_of_the_first_two(settings: Settings) -> None:
    put(settings, "staging.stg_tax__registration", rows_of(
        "firm_id province_code available_at record_version",
        (A, "33", date(2026, 1, 1), 1), (A, "44", date(2026, 6, 1), 2),
        (A, "11", date(2026, 8, 1), 3), (C, "51", date(2026, 1, 1), 1)))  # fmt: skip
    found = read(settings, AS_OF, "tax")
    assert (found[A]["province"], found[B]["province"]) == ("44", None)
    assert set(found) == {A, B}
