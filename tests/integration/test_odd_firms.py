"""One firm's oddity never stops the others: odd firms beside ordinary ones, and nights with nobody.

The odd firms' rows come in files, through the real DAG.
"""

import shutil
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from consent.intake import admit
from expectations import acceptance, handover
from expectations.acceptance import Accepted
from extracts import contracts
from firmpulse import warehouse
from firmpulse.calendar import add_months, month_end
from firmpulse.errors import ExpectationFailed
from firmpulse.settings import Settings
from operations import status
from scoring import batch, hidden_champions, publish
from scoring.pages import write
from scoring.warnings import night as warning
from simulator import deliver
from tests.extracts import inbox
from tests.homes import copied
from tests.integration.conftest import Assessed, firmpulse

# Published codes of large firms, whose check digits hold; the rows are invented.
OVERDRAWN, RED, RETURNS, PAYMENTS, ORDERS, RELATION, POWER, ONE_ROW = (
    "914403001922038216", "9144030071526726XG", "91440300708461136T", "9152000071430580XT",
    "91440300192317458F", "9144030010001686XA", "91350900587527783P", "91440400192548256N",
)  # fmt: skip
_SOURCES = {
    OVERDRAWN: "bank", RED: "tax", RETURNS: "tax", PAYMENTS: "tax", ORDERS: "supply_chain",
    RELATION: "supply_chain", POWER: "power", ONE_ROW: "bank",
}  # fmt: skip
Cells = dict[str, object]


def _hand_over(settings: Settings, night: date, rows: Mapping[str, list[Cells]]) -> None:
    """Put one delivery per table into the inbox, by a provider of odd firms, with their grants."""
    admit(settings, [
        inbox.grant(f"uscc:{code}", source, authorization_id=f"odd-{place}",
                    window_start=date(2000, 1, 1), valid_from=date(2024, 1, 1),
                    valid_to=date(2027, 12, 31))
        for place, (code, source) in enumerate(_SOURCES.items())
    ])  # fmt: skip
    for table, cells in rows.items():
        contract = contracts.load()[table]
        named = {column.name: column.headers[0] for column in contract.columns}
        header = ",".join(named[name] for name in cells[0])
        lines = [",".join(map(str, row.values())) for row in cells]
        inbox.deliver(
            settings, {"a.csv": inbox.csv(lines, header)}, table=table, source=contract.source,
            delivery_id=f"odd-{table.replace('_', '-')}", provider="sim-odd", delivered=night,
        )  # fmt: skip


def _odd_rows(night: date) -> dict[str, list[Cells]]:
    """Return rows by table; those of months long gone and of years to come are among them."""
    recent = [add_months(night.replace(day=1), -step) for step in range(1, 15)]
    long_gone = [add_months(date(2008, 1, 1), step) for step in range(30)]
    # Typing errors, and days that stand for never.
    ahead = [date(2036, 6, 1), date(2099, 1, 1)]
    months = recent + long_gone + ahead
    rows: dict[str, list[Cells]] = {
        "bank_txn": [
            _booking(OVERDRAWN, month + timedelta(days=day), way, amount, -900_000_000)
            for month in months
            for day, way, amount in ((3, "贷", 10_000), (4, "借", 10))
        ],
        "tax_invoice": [
            _invoice(f"{place:020d}", month, -5_000_000 if place % 2 else 4_999_999)
            for place, month in enumerate(months)
        ],
        "tax_vat_return": [_return(month) for month in months],
        "tax_payment": [
            {"uscc": PAYMENTS, "tax_item": "增值税", "period_start": month, "due_date": month,
             "paid_at": month, "amount": -70, "kind": "正税"}
            for month in months
        ],
        "sc_order": [
            {"order_no": f"O{month:%Y%m}", "supplier_uscc": ORDERS, "buyer_uscc": "",
             "order_date": month, "amount": -3, "due_date": date(2049, 1, 1), "status": "生效"}
            for month in months
        ],
        "sc_relation": [
            {"supplier_uscc": RELATION, "buyer_uscc": "91440300192181490G", "is_core": "是",
             "tier": 1, "since": date(2001, 1, 1)},
        ],
        "power_bill": [_bill(month) for month in months],
        "tax_grade": [
            {"uscc": RED, "year": year, "grade": "A", "published_at": date(year + 1, 4, 20)}
            for year in (2007, 2024)
        ],
    }  # fmt: skip
    rows["bank_txn"].append(_booking(ONE_ROW, recent[0], "借", 1, -1))
    rows["tax_payment"].append(
        rows["tax_payment"][0] | {"due_date": date(2099, 12, 31), "paid_at": ""}
    )
    for row in rows["sc_order"]:
        row["buyer_uscc"] = "91110000802100433B"
    return rows


def _booking(code: str, day: date, way: str, amount: int, balance: int) -> Cells:
    return {
        "uscc": code, "account_no": f"62220000{code[-6:]}", "booked_at": day, "dc": way,
        "amount": amount, "balance": balance, "summary": "货款",
    }  # fmt: skip


def _invoice(number: str, day: date, amount: float) -> Cells:
    return {
        "direction": "销项", "invoice_no": number, "issue_time": day, "seller_tax_no": RED,
        "buyer_name": "零散客户", "amount": amount, "tax": 0, "total": amount, "status": "正常",
    }  # fmt: skip


def _return(month: date) -> Cells:
    filed = month_end(month) + timedelta(days=1)
    return {
        "uscc": RETURNS, "period_start": month, "period_end": month_end(month), "due_date": filed,
        "filed_at": filed, "sales_standard": -50, "output_tax": 0, "input_tax": 0, "payable": -9,
        "is_amended": "否", "version": 1,
    }  # fmt: skip


def _bill(month: date) -> Cells:
    read = month_end(month)
    return {
        "uscc": POWER, "cons_no": "3300001", "bill_month": month, "read_date": read,
        "kwh_total": 0, "kwh_sharp": 0, "kwh_peak": 0, "kwh_flat": 0, "kwh_valley": -5,
        "amount": -10, "due_date": date(2049, 1, 1), "penalty": 0, "arrears": 900,
        "pay_method": "代扣", "updated_at": read,
    }  # fmt: skip


def _scores(settings: Settings, night: date) -> pl.DataFrame:
    with duckdb.connect(str(settings.scores_path), read_only=True) as published:
        return published.execute(
            "from scores where as_of = ? order by firm_id", [night]
        ).pl().drop("code_version")  # fmt: skip


def _reasons(settings: Settings, night: date) -> dict[str, str]:
    with duckdb.connect(str(settings.scores_path), read_only=True) as published:
        rows = published.execute(
            "select firm_id, reason from unscored_history where as_of = ?", [night]
        ).fetchall()
    return dict(rows)


def _tokens(settings: Settings) -> dict[str, str]:
    """Return code → firm_id of the odd firms."""
    from firmpulse.keys import keyring, tokens

    key = keyring.load(settings, "token_key")
    return {code: str(tokens.firm_token(key, f"uscc:{code}")) for code in _SOURCES}


def test_odd_firms_get_a_score_or_a_reason_and_others_do_not_feel_them(
    assessed: Assessed, tmp_path: Path
) -> None:
    night = assessed.as_of + timedelta(days=1)
    alone = copied(assessed.settings, tmp_path / "alone")
    deliver(assessed.economy, alone.inbox, through=night, since=assessed.as_of)
    beside = copied(alone, tmp_path / "beside")
    rows = _odd_rows(night)
    _hand_over(beside, night, rows)

    for settings in (alone, beside):
        firmpulse(settings, "night", "--as-of", night.isoformat())

    with warehouse.connect(beside) as connection:
        landed = dict(connection.execute(
            "select table_name, rows_landed from warehouse.ops.deliveries "
            "where provider = 'sim-odd'"
        ).fetchall())  # fmt: skip
    assert landed == {table: len(cells) for table, cells in rows.items()}
    odd, expected = _tokens(beside), _scores(alone, night)
    found = _scores(beside, night)
    assert expected.height > 150
    assert_frame_equal(
        found.filter(~pl.col("firm_id").is_in(list(odd.values()))), expected, check_exact=True
    )
    scored = set(found["firm_id"])
    assert {code for code, firm_id in odd.items() if firm_id in scored} == {
        OVERDRAWN, RED, ORDERS, POWER
    }  # fmt: skip
    reasons = _reasons(beside, night)
    assert {code: reasons[odd[code]] for code in (RETURNS, PAYMENTS, RELATION, ONE_ROW)} == {
        RETURNS: "insufficient_history", PAYMENTS: "insufficient_history", RELATION: "no_rows",
        ONE_ROW: "insufficient_history",
    }  # fmt: skip
    assert "quarantined" not in reasons.values()


# What a night does after its features are built, without Airflow.


def _assess(settings: Settings, as_of: date) -> None:
    handover.features(settings, as_of)
    scored = batch.score(settings, as_of)
    warning.warn(settings, as_of)
    hidden_champions.find(settings, as_of)
    handover.scores(settings, as_of, scored.champion)
    publish.publish(settings, as_of)


@pytest.fixture
def home(assessed: Assessed, tmp_path: Path) -> Iterator[Settings]:
    """Return a copy of the assessed home."""
    yield copied(assessed.settings, tmp_path / "home")
    shutil.rmtree(tmp_path / "home")


def _spoil(settings: Settings, as_of: date, firms: int, value: str) -> list[str]:
    """Set one feature of the first scored firms; return their tokens."""
    firm_ids = _scores(settings, as_of)["firm_id"].to_list()[:firms]
    with warehouse.connect(settings) as connection:
        connection.execute(
            "update warehouse.features.feat_balance_monthly "
            "set bank_days_cash_6m = cast(? as double) "
            "where as_of = ? and list_contains(?, firm_id::varchar)",
            [value, as_of, firm_ids],
        )
    return firm_ids


def test_firms_with_an_impossible_feature_are_quarantined_until_it_is_possible(
    home: Settings, assessed: Assessed
) -> None:
    as_of, before = assessed.as_of, _scores(home, assessed.as_of)
    odd = _spoil(home, as_of, 3, "inf")
    _assess(home, as_of)

    assert_frame_equal(
        _scores(home, as_of), before.filter(~pl.col("firm_id").is_in(odd)), check_exact=True
    )
    with duckdb.connect(str(home.scores_path), read_only=True) as published:
        told = published.execute(
            "select firm_id, reason_zh, reason_en from unscored "
            "where reason = 'quarantined' order by 1"
        ).fetchall()
        rules = published.execute(
            "select distinct suite, rule, column_name from quarantined_firms"
        ).fetchall()
    assert [firm_id for firm_id, *_ in told] == odd
    assert told[0][1:] == (
        "数据检查发现异常，本次不评分："
        "近6个月现金可维持天数（bank_days_cash_6m）为 inf，应为 -3650 至 3650",
        "set aside by a check of its data: bank_days_cash_6m is inf, its bounds are -3650 to 3650",
    )
    assert rules == [("features", "numbers", "bank_days_cash_6m")]
    with warehouse.connect(home) as connection:
        # As if the DAG had run these steps.
        connection.execute(
            "update warehouse.ops.steps set dag = 'run_nightly', run_id = 'manual__1'"
        )
    (finding,) = [one for one in status.look(home, as_of).findings if one.subject == "firms"]
    assert finding.text.startswith("3 firms are quarantined and not scored on")

    _spoil(home, as_of, 0, "0")
    with warehouse.connect(home) as connection:
        connection.execute(
            "update warehouse.features.feat_balance_monthly set bank_days_cash_6m = 5 "
            "where not isfinite(bank_days_cash_6m)"
        )
    _assess(home, as_of)
    assert set(_scores(home, as_of)["firm_id"]) == set(before["firm_id"])
    assert "quarantined" not in _reasons(home, as_of).values()


def test_an_impossible_feature_of_many_firms_stops_the_night_until_it_is_accepted(
    home: Settings, assessed: Assessed
) -> None:
    as_of = assessed.as_of
    _spoil(home, as_of, 30, "4000")
    with pytest.raises(ExpectationFailed, match="bank_days_cash_6m 30") as caught:
        _assess(home, as_of)
    command = f"firmpulse checks accept features within_bounds --as-of {as_of} --because"
    assert command in str(caught.value)

    said = firmpulse(
        home, "checks", "accept", "features", "within_bounds", "--as-of", as_of.isoformat(),
        "--because", "the bank lends against deposits", "--by", "Li Wei",
    )  # fmt: skip
    assert "accepted features within_bounds" in said
    assert acceptance.listed(home) == [
        Accepted(
            "features", "within_bounds", as_of, as_of, "the bank lends against deposits", "Li Wei"
        )
    ]
    listed = " ".join(firmpulse(home, "checks", "list").split())
    assert "features within_bounds, by Li Wei: the bank lends against deposits" in listed
    _assess(home, as_of)
    assert "quarantined" not in _reasons(home, as_of).values()


def test_a_night_without_a_grant_for_this_recipient_publishes_nobody(
    home: Settings, assessed: Assessed
) -> None:
    other = home.model_copy(update={"recipient": "another-bank"})
    as_of = assessed.as_of
    report = batch.score(other, as_of)
    assert report.message == "no firm is scored: none has a grant in force for an assessment"
    _assess(other, as_of)
    for language in ("zh", "en"):
        assert write.portfolio(other, as_of, language).exists()
    assert _scores(other, as_of).is_empty()
    assert _reasons(other, as_of) == {}


def test_a_night_in_which_nobody_is_known_for_long_enough_lists_everybody(
    home: Settings, assessed: Assessed
) -> None:
    as_of = assessed.as_of
    granted = {*_scores(home, as_of)["firm_id"], *_reasons(home, as_of)}
    with warehouse.connect(home) as connection:
        connection.execute(
            "update warehouse.features.feat_profile_monthly set profile_observed_months = 2"
        )
    report = batch.score(home, as_of)
    _assess(home, as_of)
    assert report.message.startswith("no firm is scored; why, for each of the ")
    assert _scores(home, as_of).is_empty()
    assert set(_reasons(home, as_of)) == granted


def test_a_relation_alone_is_a_night(tmp_path: Path) -> None:
    settings, night = Settings(home=tmp_path / "home", memory_limit="2GB"), date(2026, 10, 31)
    _hand_over(settings, night, {"sc_relation": _odd_rows(night)["sc_relation"]})
    said = firmpulse(settings, "night", "--as-of", night.isoformat())
    assert "firmpulse train" in said
    assert _scores(settings, night).is_empty()
    found = status.look(settings, night + timedelta(days=1)).findings
    assert [one.text for one in found if one.severity == status.PROBLEM] == []
