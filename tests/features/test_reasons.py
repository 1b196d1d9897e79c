from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import yaml

from features.registry import FeatureMeta
from firmpulse.dbt_runner import DBT_PROJECT
from firmpulse.errors import ContractError
from model import coverage
from model.reasons import DIMENSIONS, Explained, sub_scores, top_reasons


def _feature(name: str, source: str, dimension: str, sign: str) -> FeatureMeta:
    return FeatureMeta(
        name=name,
        view="v",
        source=source,
        dimension=dimension,
        window="12m",
        unit="1",
        expected_sign=sign,
        null_means="not observed",
        kind="number",
        name_zh=f"中{name}",
        name_en=name,
    )


FEATURES = (
    _feature("sales", "tax", "scale", "-"),
    _feature("invoices", "tax", "scale", "-"),
    _feature("red", "tax", "compliance", "U"),
    _feature("cash", "bank", "liquidity", "-"),
    _feature("hhi", "tax", "concentration", "+"),
    _feature("late", "power", "compliance", "+"),
)
LOG_ODDS = np.array(
    [
        [0.30, 0.25, 0.10, -0.40, 0.50, 0.20],
        [-0.1, -0.1, -0.1, -0.1, -0.1, 0.05],
    ]
)
FIRMS = pl.DataFrame(
    {
        "firm_id": ["b", "a"],
        **{feature.name: [1.0, 2.0] for feature in FEATURES if feature.name != "late"},
        "late": [3.0, None],
    }
)


def test_reasons_group_by_source_and_dimension() -> None:
    found = top_reasons(Explained(FEATURES, LOG_ODDS), FIRMS, date(2026, 10, 31))
    rows = found.select("firm_id", "rank", "code", "feature", "text_zh", "text_en").rows()
    assert rows == [
        ("b", 1, "tax.scale", "sales", "中sales偏低", "sales: low"),
        ("b", 2, "tax.concentration", "hhi", "中hhi偏高", "hhi: high"),
        ("b", 3, "power.compliance", "late", "中late偏高", "late: high"),
        ("b", 4, "tax.compliance", "red", "中red处于风险较高区间", "red: in a riskier range"),
    ]
    assert found["log_odds"].to_list() == pytest.approx([0.55, 0.5, 0.2, 0.1])


def _reasons_of(
    pushes: dict[str, float], values: dict[str, float | str | None], *features: FeatureMeta
) -> list[tuple[object, ...]]:
    firm = pl.DataFrame(
        {"firm_id": ["f"]} | {name: [value] for name, value in values.items()},
        schema_overrides={coverage.INDUSTRY: pl.String},
    )
    log_odds = np.array([[pushes[feature.name] for feature in features]])
    found = top_reasons(Explained(features, log_odds), firm, date(2026, 10, 31))
    return found.select("rank", "feature", pl.col("log_odds").round(9)).rows()


def test_what_is_not_observed_is_no_reason_and_adds_to_none() -> None:
    """The group's strongest feature is missing: an observed one names it, with its own weight."""
    pushes, values = {"sales": 0.9, "invoices": 0.2, "cash": 0.4}, {"invoices": 1.0, "cash": None}
    metas = {feature.name: feature for feature in FEATURES}
    features = [metas[name] for name in pushes]
    assert _reasons_of(pushes, {"sales": None} | values, *features) == [(1, "invoices", 0.2)]
    assert _reasons_of(pushes, {"sales": 5.0} | values, *features) == [(1, "sales", 1.1)]


@pytest.mark.parametrize(
    ("industry", "said"), [("65", True), ("74", True), ("34", False), (None, False)]
)
def test_projects_are_reasons_for_light_firms_alone(industry: str | None, said: bool) -> None:
    late = _feature("project_penalty_share_12m", "project_contracts", "compliance", "+")
    values = {late.name: 0.5, coverage.INDUSTRY: industry}
    expected = [(1, late.name, 0.3)] if said else []
    assert _reasons_of({late.name: 0.3}, values, late) == expected


def test_which_sources_there_are_is_no_reason() -> None:
    flag = _feature("profile_has_power", "profile", "profile", "-")
    age = _feature("profile_firm_age_months", "profile", "profile", "-")
    found = _reasons_of({flag.name: 0.5, age.name: 0.1}, {flag.name: 0.0, age.name: 3.0}, flag, age)
    assert found == [(1, age.name, 0.1)]
    assert coverage.ABOUT_THE_DATA <= {
        column["name"]
        for model in yaml.safe_load(
            (DBT_PROJECT / "models" / "features" / "feat_profile_monthly.yml").read_text("utf-8")
        )["models"]
        for column in model["columns"]
    }


def test_sub_scores_of_known_pushes() -> None:
    doubled = np.array([[np.log(2), 0.0, 0.0, -np.log(2), np.log(4), np.log(2)]])
    found = {
        name: float(values[0])
        for name, values in sub_scores(Explained(FEATURES, doubled)).items()
        if not np.isclose(values[0], 50)
    }
    # A dimension that multiplies the odds by k scores 100 / (1 + k²).
    assert found == pytest.approx(
        {
            "dimension_scale": 20.0,
            "dimension_liquidity": 80.0,
            "dimension_concentration": 100 / 17,
            "dimension_compliance": 20.0,
            "pillar_tax": 20.0,
            "pillar_supply_chain": 100 / 17,
        }
    )


def test_a_pillar_is_the_sum_of_its_dimensions() -> None:
    found = sub_scores(Explained(FEATURES, LOG_ODDS))

    def push(name: str) -> npt.NDArray[np.float64]:
        return np.asarray(np.log(100 / found[name] - 1) / 2)

    pushes = {name: push(name) for name in found}
    # All contributions of a firm, in any grouping, are its features' log odds.
    for kind in ("dimension_", "pillar_"):
        total = sum(value for name, value in pushes.items() if name.startswith(kind))
        assert total == pytest.approx(LOG_ODDS.sum(axis=1))
    parts = ("scale", "growth", "liquidity", "profile")
    operations = sum(pushes[f"dimension_{part}"] for part in parts)
    assert pushes["pillar_operations"] == pytest.approx(operations)


def test_an_unknown_dimension_is_refused() -> None:
    stray = Explained((_feature("mood", "tax", "weather", "+"),), np.array([[0.1]]))
    with pytest.raises(ContractError, match="mood has dimension 'weather'"):
        sub_scores(stray)


def test_every_dimension_of_the_features_has_a_sub_score() -> None:
    used = {
        column["config"]["meta"]["dimension"]
        for file in (DBT_PROJECT / "models" / "features").glob("feat_*.yml")
        for model in yaml.safe_load(file.read_text(encoding="utf-8")).get("models", ())
        for column in model["columns"]
        if "dimension" in column.get("config", {}).get("meta", {})
    }
    assert len(used) >= 5
    assert used <= set(DIMENSIONS)
    assert len(DIMENSIONS) == len(set(DIMENSIONS)) == 10


@pytest.mark.parametrize(
    ("months", "sources", "industry", "contracts", "tier"),
    [
        (2, 4, "14", None, "insufficient"), (None, 4, "14", None, "insufficient"),
        (3, 4, "14", None, "thin"), (5, 4, "14", None, "thin"), (6, 1, "14", None, "thin"),
        (24, 0, "14", None, "thin"), (6, 2, "14", None, "partial"), (24, 3, "14", None, "partial"),
        (6, 4, "14", None, "full"),
        # Projects replace goods and power for firms without them.
        (24, 1, "65", 3.0, "light_asset"), (24, 3, "74", 0.0, "light_asset"),
        (24, 4, "65", 3.0, "full"), (5, 2, "65", 3.0, "thin"), (24, 2, "65", None, "partial"),
        (24, 2, "14", 3.0, "partial"), (24, 2, None, 3.0, "partial"),
    ],
)  # fmt: skip
def test_coverage_tiers(
    months: int | None, sources: int, industry: str | None, contracts: float | None, tier: str
) -> None:
    assert _covered(months, sources, industry, contracts).select(coverage.tier()).item() == tier


def _covered(
    months: int | None,
    sources: int,
    industry: str | None = "14",
    contracts: float | None = None,
    report_age: float | None = None,
) -> pl.DataFrame:
    values = (months, sources, industry, report_age, contracts)
    return pl.DataFrame(
        {name: [value] for name, value in zip(coverage.COVERAGE_FEATURES, values, strict=True)},
        schema={
            name: pl.String if name == coverage.INDUSTRY else pl.Float64
            for name in coverage.COVERAGE_FEATURES
        },
    )


@pytest.mark.parametrize(
    ("contracts", "report_age", "used"),
    [
        (None, None, []), (None, 0.0, ["founder_credit"]), (0.0, None, ["project_contracts"]),
        (2.0, 1.0, ["founder_credit", "project_contracts"]),
    ],
)  # fmt: skip
def test_supplements_are_those_that_were_observed(
    contracts: float | None, report_age: float | None, used: list[str]
) -> None:
    firm = _covered(4, 2, "65", contracts, report_age)
    assert firm.select(coverage.supplements()).item().to_list() == used
