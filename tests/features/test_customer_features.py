"""Features of customers and suppliers against values computed by hand."""

from datetime import date
from typing import Any

import pytest

from firmpulse.settings import Settings
from tests import vault_rows
from tests.vault_rows import invoice

AS_OF = date(2024, 12, 31)
# Case → features.
Built = dict[str, dict[str, Any]]


def _two_years() -> list[vault_rows.Row]:
    return [
        # the year before: A 100, B 50, C 40, of which C is taken back, D 30
        invoice(1, "F1", date(2023, 1, 10), 100, other="A"),
        invoice(2, "F1", date(2023, 5, 10), 50, other="B"),
        invoice(3, "F1", date(2023, 6, 10), 40, other="C"),
        invoice(4, "F1", date(2023, 6, 20), -40, other="C"),
        invoice(5, "F1", date(2023, 7, 10), 30, other="D"),
        # the last year: A 3 invoices, the last in May; B one; E three, two of them lately
        invoice(11, "F1", date(2024, 3, 1), 100, other="A"),
        invoice(12, "F1", date(2024, 4, 1), 100, other="A"),
        invoice(13, "F1", date(2024, 5, 1), 100, other="A"),
        invoice(14, "F1", date(2024, 9, 1), 200, other="B"),
        invoice(15, "F1", date(2024, 6, 1), 100, other="E"),
        invoice(16, "F1", date(2024, 7, 1), 100, other="E"),
        invoice(17, "F1", date(2024, 8, 1), 100, other="E"),
        invoice(18, "F1", date(2024, 9, 2), 10, other="G"),
        invoice(19, "F1", date(2024, 9, 2), 20, other="H"),
        invoice(20, "F1", date(2024, 9, 2), 70, other="I"),
        # suppliers: S both years, T the year before, E, a customer too, the last year
        invoice(31, "F1", date(2023, 2, 1), 10, direction="IN", other="S"),
        invoice(32, "F1", date(2023, 2, 1), 10, direction="IN", other="T"),
        invoice(33, "F1", date(2024, 2, 1), 60, direction="IN", other="S"),
        invoice(34, "F1", date(2024, 2, 1), 20, direction="IN", other="E"),
        invoice(35, "F1", date(2024, 12, 9), 20, direction="IN", other="E"),
    ]


def test_two_years_of_customers_match_hand_computed_values(built: Built) -> None:
    got = built["two years"]
    # A 300, B 200, E 300, I 70, H 20, G 10
    assert got["tax_customer_count_12m"] == 6
    assert got["tax_top5_customer_share_12m"] == pytest.approx(890 / 900)
    assert got["tax_new_customer_share_12m"] == pytest.approx(400 / 900)
    assert got["tax_customer_retention_24m"] == pytest.approx(2 / 3)
    assert got["tax_repeat_customer_share_12m"] == pytest.approx(600 / 900)
    assert got["tax_stable_customer_share_12m"] == pytest.approx(300 / 900)
    # of A, B and D, the two without an invoice since July
    assert got["tax_lost_top_customer_share_24m"] == pytest.approx(2 / 3)
    assert got["tax_supplier_count_12m"] == 2
    assert got["tax_supplier_hhi_12m"] == pytest.approx(0.6**2 + 0.4**2)
    assert got["tax_supplier_retention_24m"] == pytest.approx(1 / 2)
    assert got["tax_two_way_share_12m"] == pytest.approx(40 / 900)


def _young() -> list[vault_rows.Row]:
    return [invoice(1, "F1", date(2024, 8, 10), 100, other="A")]


def test_of_a_young_firm_nothing_is_said_about_the_year_before(built: Built) -> None:
    got = built["young"]
    assert got["tax_customer_count_12m"] == 1
    assert got["tax_supplier_count_12m"] == 0
    assert got["tax_top5_customer_share_12m"] == 1
    assert got["tax_two_way_share_12m"] == 0
    unknown = ("new_customer_share_12m", "customer_retention_24m", "supplier_retention_24m",
               "stable_customer_share_12m", "lost_top_customer_share_24m",
               "supplier_hhi_12m")  # fmt: skip
    assert {got[f"tax_{name}"] for name in unknown} == {None}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return the features of each case at AS_OF."""
    settings = Settings(home=tmp_path_factory.mktemp("customers"), memory_limit="2GB")
    cases = {"two years": _two_years(), "young": _young()}
    return vault_rows.features_of_cases(
        settings, AS_OF, "feat_customer_monthly", "tax_invoice", cases
    )
