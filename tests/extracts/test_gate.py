"""What the gate lets in, and that none of the rest is stored anywhere."""

from datetime import date
from typing import Any

import pytest

from consent.grants import identifier
from consent.ledger import Ledger
from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, FIRM, OTHER, csv, deliver, grant, payment, permit, query


@pytest.mark.parametrize(
    "terms",
    [
        pytest.param({"firm": f"uscc:{OTHER}"}, id="another firm"),
        pytest.param({"source": "bank"}, id="another source"),
        pytest.param({"valid_to": date(2024, 3, 30)}, id="expired"),
        pytest.param({"valid_from": date(2024, 4, 1)}, id="not yet"),
        pytest.param({"window_start": date(2024, 2, 11)}, id="event before the window"),
        pytest.param({"firm": f"other:{FIRM}"}, id="another scheme"),
    ],
)
def test_a_row_outside_a_live_grant_is_stored_nowhere(
    settings: Settings, terms: dict[str, Any]
) -> None:
    permit(settings, grant(**terms))
    deliver(settings, {"a.csv": csv([payment(), payment(amount="unreadable")])})
    report = nightly.land(settings, "tax", AS_OF)
    assert report.totals == Counts(read=2, refused_by_gate=2)
    assert query(settings, "from vault.raw.tax_payment") == []
    assert query(settings, "from vault.ops.quarantine") == []


def test_first_and_last_day_of_a_grant_and_its_window_count(settings: Settings) -> None:
    permit(
        settings,
        grant(valid_from=AS_OF, valid_to=AS_OF, window_start=date(2024, 2, 10)),
    )
    deliver(settings, {"a.csv": csv([payment(paid="2024-02-10"), payment(paid="2024-02-09")])})
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(
        read=2, landed=1, refused_by_gate=1
    )


def test_the_widest_window_of_several_grants_counts(settings: Settings) -> None:
    narrow = grant(authorization_id="A-1", window_start=date(2024, 3, 1))
    wide = grant(authorization_id="A-2", window_start=date(2024, 1, 1), purpose="MODEL_TRAINING")
    permit(settings, narrow, wide)
    deliver(settings, {"a.csv": csv([payment()])})
    assert nightly.land(settings, "tax", AS_OF).totals.landed == 1


def test_a_revoked_grant_opens_nothing(settings: Settings) -> None:
    permit(settings)
    ledger = Ledger(settings)
    firm_id = ledger.live(AS_OF)["firm_id"].item()
    assert ledger.revoke(firm_id, on=AS_OF, actor="test") == [grant().authorization_id]
    deliver(settings, {"a.csv": csv([payment()])})
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=1, refused_by_gate=1)


def test_a_table_without_window_takes_older_rows(settings: Settings) -> None:
    header = "客户证件号,账号,开户行,性质,币种,开户日,状态"
    permit(settings, grant(source="bank"))
    line = f"{FIRM},62220001,某银行,基本,CNY,2001-05-01,正常"
    deliver(settings, {"a.csv": csv([line], header)}, table="bank_account", source="bank")
    assert nightly.land(settings, "bank", AS_OF).totals == Counts(read=1, landed=1)
    assert query(settings, "select available_at from vault.raw.bank_account") == [
        (date(2001, 5, 2),)
    ]


def test_the_lenders_own_data_needs_no_grant_but_a_right_code(settings: Settings) -> None:
    header = "借款人证件号,借据号,月份,余额,逾期天数"
    lines = [f"{FIRM},L1,2024年1月,100,0", f"{FIRM[:17]}7,L2,202401,100,0"]
    deliver(settings, {"a.csv": csv(lines, header)}, table="loan_performance", source="lender")
    assert nightly.land(settings, "lender", AS_OF).totals == Counts(read=2, landed=1, quarantined=1)
    assert query(settings, "select month, available_at from vault.raw.loan_performance") == [
        (date(2024, 1, 1), date(2024, 2, 5))
    ]
    assert query(settings, "select rule from vault.ops.quarantine") == [("uscc",)]


def test_numbers_of_another_scheme_keep_case_and_hyphens_in_rows_and_grants(
    settings: Settings,
) -> None:
    typed = ["ab-1", "A-1", "A1", "AB1"]
    grants = [grant(identifier(f"cumcm: {name} "), authorization_id=name) for name in typed[:3]]
    permit(settings, *grants)
    # The last is the upper case of the first without its hyphen, and no firm with a grant.
    lines = [payment(" ab-1"), payment("Ａ－１"), payment("A1"), payment("AB1"), payment("--")]
    deliver(settings, {"a.csv": csv(lines)}, id_scheme="cumcm")
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(
        read=5, landed=3, refused_by_gate=1, quarantined=1
    )
    assert query(settings, "select firm, uscc from vault.raw.tax_payment order by firm") == [
        ("cumcm:A-1", "A-1"),
        ("cumcm:A1", "A1"),
        ("cumcm:ab-1", "ab-1"),
    ]
    assert query(settings, "select rule from vault.ops.quarantine") == [("identifier",)]


def test_history_from_1990_on_lands(settings: Settings) -> None:
    permit(settings, grant(window_start=date(1990, 1, 1)))
    old = payment(start="1990-01-01", paid="1990-02-10").replace("2024-02-15", "1990-02-15")
    deliver(settings, {"a.csv": csv([old])}, period_start="1990-01-01", period_end="1990-12-31")
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=1, landed=1)
    assert query(settings, "select period_start, available_at from vault.raw.tax_payment") == [
        (date(1990, 1, 1), date(1990, 2, 11))
    ]
