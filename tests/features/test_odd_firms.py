"""Firms that behave oddly, but really: their features are bounded, and others do not feel it."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from expectations import profiles
from features import build, registry
from features.frame import frame
from features.registry import Registry
from firmpulse import warehouse
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests import vault_rows
from tests.features import odd_rows, random_rows
from tests.features.conftest import RANDOM_NIGHT
from tests.homes import know_tokens

pytestmark = pytest.mark.slow

_FIRST_ODD_ROW = 100_000


@pytest.fixture(scope="module")
def odd_home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the home of the random firms with odd ones beside them."""
    settings = Settings(home=tmp_path_factory.mktemp("odd") / "home", memory_limit="2GB")
    know_tokens(settings)
    rows = random_rows.make(3)
    for table, odd in odd_rows.make(_FIRST_ODD_ROW).items():
        rows.setdefault(table, []).extend(odd)
    vault_rows.fill(settings, rows)
    build.build(settings, RANDOM_NIGHT, "all")
    return settings


@pytest.fixture(scope="module")
def known(odd_home: Settings) -> Registry:
    return registry.load(odd_home)


def _firms(settings: Settings) -> dict[str, str]:
    """Return firm_id → name of the odd firms."""
    key = keyring.load(settings, "token_key")
    names = {str(row["firm"]) for rows in odd_rows.make(1).values() for row in rows}
    return {str(tokens.firm_token(key, name)): name.removeprefix("uscc:") for name in names}


def _frame(settings: Settings, known: Registry) -> pl.DataFrame:
    """Return all features at every date, ordered by firm and date."""
    with warehouse.connect(settings) as connection:
        spine = connection.execute(
            "select firm_id::varchar as firm_id, as_of from warehouse.features.firm_snapshots "
            "order by firm_id, as_of"
        ).pl()
        return frame(connection, known, spine)


def test_no_feature_of_any_firm_is_beyond_its_bounds(odd_home: Settings, known: Registry) -> None:
    rows = _frame(odd_home, known)
    names = set(_firms(odd_home).values())
    assert len(names) == 19
    # Nothing but a relation has no month, so there is no row of features to be odd.
    assert rows["firm_id"].n_unique() == 3 + len(names - {"RELATION ALONE"})
    found = profiles.features(rows, known).findings
    assert [one.text_en for broken in found.values() for one in broken] == []


def test_bounds_are_reached_by_odd_firms(odd_home: Settings, known: Registry) -> None:
    """Without the clipping in the models these values would be far beyond."""
    names = _firms(odd_home)
    rows = {
        names[row["firm_id"]]: row
        for row in _frame(odd_home, known).filter(pl.col("as_of") == RANDOM_NIGHT).to_dicts()
        if row["firm_id"] in names
    }
    expected = {
        ("OVERDRAWN", "bank_lowest_balance_to_outflow_6m"): -120,
        ("OVERDRAWN", "bank_days_cash_6m"): -3650,
        ("PAID BACK", "bank_returned_share_6m"): 1,
        ("CENT", "tax_red_share_12m"): pytest.approx(11.9999999 / 12, rel=1e-6),
        ("CENT", "tax_purchase_to_sales_12m"): -100,
        ("CENT", "tax_sales_cv_12m"): pytest.approx(11**0.5),
        ("VOID", "tax_void_amount_share_12m"): 0,
        ("RED", "tax_sales_drawdown_12m"): 2.375,
        ("RETURNS ALONE", "tax_vat_burden_12m"): -1,
        ("RETURNS ALONE", "tax_credit_to_sales_12m"): 100,
        ("RETURNS ALONE", "profile_observed_months"): 0,
        ("REFUNDS ALONE", "tax_arrears_share_12m"): 0,
        ("REFUNDS ALONE", "tax_months_since_payment"): None,
        ("ORDERS BACK", "supply_return_share_12m"): 1,
        ("ORDERS BACK", "supply_overdue_share_12m"): 0,
        ("VALLEY", "power_arrears_to_bills_12m"): None,
        ("ONE ROW", "profile_firm_age_months"): None,
        ("ONE ROW", "project_collected_share_12m"): 0,
        ("RED", "profile_firm_age_months"): 1259,
        ("RED", "statement_debt_ratio"): -100,
    }
    assert {place: rows[place[0]][place[1]] for place in expected} == expected


def test_other_firms_do_not_feel_them(
    odd_home: Settings, random_home: Settings, known: Registry
) -> None:
    alone = _frame(random_home, known)
    beside = _frame(odd_home, known).join(
        alone, on=["firm_id", "as_of"], how="semi", maintain_order="left"
    )
    assert alone.height > 50
    assert_frame_equal(beside, alone, check_exact=True)


def test_a_feature_beyond_its_bounds_is_found_and_told(odd_home: Settings, known: Registry) -> None:
    rows = _frame(odd_home, known).filter(pl.col("as_of") == RANDOM_NIGHT).with_columns(
        pl.when(pl.col("firm_id") == pl.col("firm_id").min())
        .then(-120.5).otherwise("bank_lowest_balance_to_outflow_6m")
        .alias("bank_lowest_balance_to_outflow_6m"),
        pl.when(pl.col("firm_id") == pl.col("firm_id").max())
        .then(float("nan")).otherwise("tax_void_share_12m").alias("tax_void_share_12m"),
    )  # fmt: skip
    found = profiles.features(rows, known).findings
    told = {name: [(one.firm_id, one.text_en) for one in broken] for name, broken in found.items()}
    assert told == {
        "out_of_range_values": [(
            rows["firm_id"].min(),
            "bank_lowest_balance_to_outflow_6m is -120.5, its bounds are -120 to 120",
        )],
        "infinite_values": [(
            rows["firm_id"].max(), "tax_void_share_12m is nan, its bounds are 0 to 1",
        )],
    }  # fmt: skip
