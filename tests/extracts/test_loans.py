"""A bank's spreadsheet of old loans: landed without a grant, masked, and turned into outcomes."""

from datetime import date
from typing import Any

import pytest

from erasure import places
from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests import vault_rows
from tests.extracts.inbox import FIRM, csv, deliver, query

NIGHT = date(2026, 3, 31)
LOAN = "借款人证件号,借据号,审批日期,审批结果,贷款金额(万元),贷款期限(月),贷款用途,贷款产品"
OUTCOME = "借款人证件号,借据号,贷款结果,结果日期,最后观察日"
LOANS = [
    f"{FIRM},L1,2024-01-15,通过,50,12,流动资金,税e贷",
    f"{FIRM},L2,2024-02-20,同意,80,24,购置设备,税e贷",
    f"{FIRM},L3,2024-03-01,拒绝,30,,,",
    # A code with a wrong check character, and a decision that no contract knows.
    f"{FIRM[:17]}7,L4,2024-03-01,通过,30,12,,",
    f"{FIRM},L5,2024-03-01,待定,30,12,,",
]
OUTCOMES = [
    f"{FIRM},L1,核销,2024-11-30,2025-12-31",
    f"{FIRM},L2,正常,,2024-12-31",
    f"{FIRM},L9,结清,2024-02-30,2024-12-31",
]


def _deliver(settings: Settings, table: str, lines: list[str], name: str) -> None:
    content = {f"{name}.csv": csv(lines, LOAN if table == "loan" else OUTCOME)}
    deliver(settings, content, table=table, source="lender", delivery_id=name, delivered=NIGHT)


def _labels(settings: Settings) -> list[tuple[Any, ...]]:
    vault_rows.build_views(settings, NIGHT, "loan_outcome_12m")
    return query(
        settings,
        "select as_of, outcome, defaulted_on, matured_at, available_at "
        "from warehouse.labels.loan_outcome_12m where superseded_at = date '9999-12-31' order by 1",
    )


@pytest.mark.slow
def test_a_spreadsheet_of_loans_becomes_outcomes(settings: Settings) -> None:
    _deliver(settings, "loan", LOANS, "loans")
    _deliver(settings, "loan_outcome", OUTCOMES, "outcomes")
    report = nightly.land(settings, "lender", NIGHT)
    assert report.totals == Counts(read=8, landed=5, quarantined=3)
    assert query(settings, "select rule from vault.ops.quarantine order by 1") == [
        ("date",), ("enum",), ("uscc",),
    ]  # fmt: skip
    # The performing one was last seen two months before its window ended: unknown, never good.
    assert _labels(settings) == [
        (date(2024, 1, 15), "bad", date(2024, 11, 30), date(2025, 1, 16), date(2026, 1, 1)),
    ]
    _deliver(settings, "loan_outcome", [f"{FIRM},L2,正常,,2025-12-31"], "later")
    assert nightly.land(settings, "lender", NIGHT).totals.landed == 1
    assert [row[:2] for row in _labels(settings)] == [
        (date(2024, 1, 15), "bad"), (date(2024, 2, 20), "good"),
    ]  # fmt: skip

    key = keyring.load(settings, "token_key")
    masked = query(
        settings,
        "select loan_id, firm_id, amount_cny::varchar, purpose, decision "
        "from warehouse.staging.stg_lender__loan order by decided_on",
    )
    firm = tokens.firm_token(key, f"uscc:{FIRM}")
    assert masked == [
        (tokens.token(key, "loan", "L1"), firm, "500000.00", "WORKING_CAPITAL", "GRANTED"),
        (tokens.token(key, "loan", "L2"), firm, "800000.00", "FIXED_ASSETS", "GRANTED"),
        (tokens.token(key, "loan", "L3"), firm, "300000.00", None, "REFUSED"),
    ]
    # An erasure of the firm reaches every table of them by these entries and by firm_id.
    reached = places.masked_tables(settings)
    for table in ("staging.stg_lender__loan", "staging.stg_lender__loan_outcome",
                  "labels.loan_outcome_12m"):  # fmt: skip
        assert reached[table] == "lender"
