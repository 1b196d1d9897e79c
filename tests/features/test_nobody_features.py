"""Sales to nobody make no customer: counts, shares, retention, graph, from file to feature."""

from collections.abc import Iterator
from datetime import date

import polars as pl
import pytest

from extracts.vault import nightly
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests import vault_rows
from tests.extracts.inbox import FIRM, OTHER, csv, deliver, grant, permit
from tests.extracts.test_nobody import INVOICE_HEADER, ORDER_HEADER, RESIDENT

AS_OF = date(2024, 12, 31)
CUSTOMER, SUPPLIER = "91350200MA00X1AB3Y", "C-SUPPLIER"
# One for each month of a year, and again in the next.
NOBODIES = ("000000000000000", "0", "999999999999999999", "个人", "无", "NULL", "—", "****",
            "现金", RESIDENT, RESIDENT + "00", "零售")  # fmt: skip
VIEWS = ("feat_customer_monthly", "feat_tax_monthly", "feat_graph_monthly", "feat_supply_monthly")


def _invoices() -> Iterator[str]:
    months = [(year, month) for year in (2023, 2024) for month in range(1, 13)]
    for number, (year, month) in enumerate(months):
        nobody = NOBODIES[month - 1]
        for place, (way, seller, buyer, net) in enumerate((
            ("销项", FIRM, CUSTOMER, 100),
            ("销项", FIRM, nobody, 900),
            ("销项", FIRM, "999999999999999", 5000 if year == 2023 else 0),
            ("销项", FIRM, "000000000000000", 2000),
            ("销项", FIRM, FIRM, 700),
            ("进项", SUPPLIER, FIRM, 50),
            ("进项", nobody, FIRM, 60),
            ("进项", "000000000000000", OTHER, 800),
            ("销项", OTHER, FIRM, 400),
        )):  # fmt: skip
            if net:
                yield (
                    f"{way},{number * 10 + place + 1:020d},{year}-{month:02d}-15,{seller},,{buyer}"
                    f",,{net}.00,0.00,{net}.00,正常"
                )


def _orders() -> Iterator[str]:
    for month, nobody in enumerate(NOBODIES, 1):
        for buyer, cny in ((CUSTOMER, 100), (nobody, 900), (FIRM, 500)):
            number = f"O{month}-{cny}"
            yield f"{number},{FIRM},{buyer},2024-{month:02d}-10,{cny}.00,1,2024-12-30,完成"


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float | None]:
    """Return the features of FIRM."""
    settings = Settings(home=tmp_path_factory.mktemp("nobody"), memory_limit="2GB")
    other = f"uscc:{OTHER}"
    permit(settings, grant(), grant(source="supply_chain"), grant(other))
    deliver(settings, {"a.csv": csv(list(_invoices()), INVOICE_HEADER)}, table="tax_invoice",
            delivered=AS_OF)  # fmt: skip
    deliver(settings, {"a.csv": csv(list(_orders()), ORDER_HEADER)}, table="sc_order",
            source="supply_chain", delivery_id="sc-1", delivered=AS_OF)  # fmt: skip
    for source in ("tax", "supply_chain"):
        totals = nightly.land(settings, source, AS_OF).totals
        assert totals.landed == totals.read
    vault_rows.build_views(settings, AS_OF, *VIEWS)
    firm = str(tokens.firm_token(keyring.load(settings, "token_key"), f"uscc:{FIRM}"))
    found: dict[str, float | None] = {}
    for view in VIEWS:
        rows = vault_rows.features_of(settings, view)
        found |= rows.filter(pl.col("firm_id") == firm, pl.col("as_of") == AS_OF).to_dicts()[0]
    return found


def test_nobody_and_the_firm_itself_are_no_customers(features: dict[str, float | None]) -> None:
    assert features["tax_customer_count_12m"] == 1
    assert features["tax_customer_count_6m"] == 1
    assert features["supply_buyer_count_12m"] == 1
    # SUPPLIER and OTHER; only FIRM's own rows show their sales to it, so one.
    assert features["tax_supplier_count_12m"] == 1


def test_shares_are_among_named_customers(features: dict[str, float | None]) -> None:
    for name in ("tax_top5_customer_share_12m", "tax_customer_hhi_12m", "tax_supplier_hhi_12m",
                 "tax_top_customer_share_12m", "supply_buyer_hhi_12m"):  # fmt: skip
        assert features[name] == 1, name
    assert features["tax_two_way_share_12m"] == 0
    # All sales count, to any buyer: 100 + 900 + 2000 + 700 and 100 + 900 + 500 per month.
    assert features["tax_sales_mean_12m"] == 3700
    assert features["supply_ordered_mean_12m"] == 1500


def test_nobody_is_neither_new_nor_kept_nor_lost(features: dict[str, float | None]) -> None:
    assert features["tax_new_customer_share_12m"] == 0
    assert features["tax_customer_retention_24m"] == 1
    # The previous year's largest buyer was nobody, so it is not lost.
    assert features["tax_lost_top_customer_share_24m"] == 0
    assert features["tax_repeat_customer_share_12m"] == 1


def test_nobody_is_no_node_of_the_graph(features: dict[str, float | None]) -> None:
    """FIRM sells to nobody, nobody to OTHER, OTHER to FIRM: no ring."""
    assert features["graph_ring_share_12m"] == 0
