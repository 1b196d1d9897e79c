"""Hidden champions among a few firms with percentiles counted by hand."""

from datetime import date

import polars as pl
import pytest

from scoring.hidden_champions import FEATURES, ChampionTerms, champions

AS_OF = date(2026, 10, 31)
TERMS = ChampionTerms(fewest_peers=5)
LEVELS = pl.DataFrame({"firm_id": ["watched"], "level": ["orange"]})


def _firm(name: str, place: float, **other: object) -> dict[str, object]:
    """Return a firm with all three parts of strength equal to `place`."""
    values = {
        "graph_large_buyer_share_12m": place,
        "supply_core_buyer_share_12m": place,
        "supply_on_time_share_12m": place,
        "graph_supplier_rank_12m": -place,
        "graph_sole_supplier_share_12m": None,
        "profile_industry": "34",
        "tax_sales_mean_12m": 1e5,
        "tax_customer_retention_24m": 0.9,
    }
    return {"firm_id": name, "as_of": AS_OF, **values, **other}


def _found(*firms: dict[str, object]) -> pl.DataFrame:
    schema = {name: pl.Float64 for name in FEATURES} | {"profile_industry": pl.String}
    rows = pl.DataFrame(firms, schema_overrides=schema)
    return champions(rows, LEVELS, TERMS)


# Ten firms of one division; the strongest has the percentile 1, the next one 0.9.
PEERS = [_firm(f"f{place}", place / 10) for place in range(1, 9)]


def test_the_strong_of_an_industry_are_found_strongest_first() -> None:
    found = _found(*PEERS, _firm("second", 0.9), _firm("first", 1.0))
    assert found["firm_id"].to_list() == ["first", "second", "f8"]
    assert found["strength"].to_list() == pytest.approx([1.0, 0.9, 0.8])
    assert found["supplier_rank_percentile"].to_list() == pytest.approx([0.1, 0.2, 0.3])
    assert found["sole_supplier_percentile"].to_list() == [None] * 3
    assert found["evidence_en"][1].endswith("above 90 % of the firms of its industry")
    assert found["evidence_zh"][1].endswith("高于同行业90%的企业")


@pytest.mark.parametrize(
    ("other", "is_one"),
    [
        ({}, True),
        # 20 million CNY per year make a firm of division 34 medium-sized.
        ({"tax_sales_mean_12m": 20e6 / 12}, False),
        ({"tax_sales_mean_12m": None}, False),
        ({"tax_customer_retention_24m": 0.69}, False),
        # Too young for two years of customers.
        ({"tax_customer_retention_24m": None}, True),
        ({"supply_on_time_share_12m": None}, False),
        ({"firm_id": "watched"}, False),
    ],
)
def test_what_makes_one(other: dict[str, object], is_one: bool) -> None:
    found = _found(*PEERS, _firm("second", 0.9), _firm("first", 1.0, **other))
    name = other.get("firm_id", "first")
    assert (name in found["firm_id"].to_list()) is is_one


def test_a_division_of_few_firms_is_held_against_its_section() -> None:
    """Alone in division 35, but ninth of ten in manufacturing."""
    found = _found(*PEERS, _firm("first", 1.0), _firm("alone", 0.85, profile_industry="35"))
    strengths = dict(found.select("firm_id", "strength").iter_rows())
    assert strengths["alone"] == pytest.approx(0.9)


def test_bounds_of_size_differ_between_industries() -> None:
    trade = [{**firm, "profile_industry": "52"} for firm in PEERS]
    first = _firm("first", 1.0, profile_industry="52", tax_sales_mean_12m=5e6 / 12)
    assert "first" not in _found(*trade, first)["firm_id"].to_list()
    smaller = {**first, "tax_sales_mean_12m": 4.9e6 / 12}
    assert "first" in _found(*trade, smaller)["firm_id"].to_list()
