"""Hidden champions: small firms on which large buyers rely, though no balance sheet shows it.

A hidden champion is small, has a strong position in the trade of its industry, keeps its customers,
and has no warning of level orange or red in force. Strong means a high mean percentile in its
industry over three shares: sales to large buyers, orders from core enterprises, and deliveries
accepted on time. The rank in the trade graph is shown for information only: it grows with sales, so
a small firm never has a high one.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from expectations import quarantine
from features import registry
from features.frame import SNAPSHOTS, frame
from features.permitted import withhold
from firmpulse import industries, runlog, warehouse
from firmpulse.settings import Settings
from firmpulse.stored_tables import HIDDEN_CHAMPIONS, WARNING_LEVELS, stored
from scoring import store
from scoring.inputs import assessable

# Feature → column of its percentile; the first three make the strength.
_STRENGTH = {
    "graph_large_buyer_share_12m": "large_buyer_percentile",
    "supply_core_buyer_share_12m": "core_buyer_percentile",
    "supply_on_time_share_12m": "on_time_percentile",
}
_BESIDE = {
    "graph_supplier_rank_12m": "supplier_rank_percentile",
    "graph_sole_supplier_share_12m": "sole_supplier_percentile",
}
_INDUSTRY, _SALES, _RETENTION = (
    "profile_industry", "tax_sales_mean_12m", "tax_customer_retention_24m",
)  # fmt: skip
FEATURES = (*_STRENGTH, *_BESIDE, _INDUSTRY, _SALES, _RETENTION)
_EXCLUDED_LEVELS = ("orange", "red")
_EVIDENCE_ZH = "对大买家的销售占比、核心企业订单占比与按时交付率，平均高于同行业{}%的企业"
_EVIDENCE_EN = (
    "sales to large buyers, orders from core enterprises and deliveries on time: on average above "
    "{} % of the firms of its industry"
)


@dataclass(frozen=True)
class ChampionTerms:
    """What makes a hidden champion."""

    least_strength: float = 0.8
    least_retention: float = 0.7
    # If a division has fewer firms, percentiles are taken within its section.
    fewest_peers: int = 10
    # Annual sales up to which a firm is small, if its industry has no separate bound.
    small_up_to_cny: float = 20e6
    # Division → its bound.
    bounds_cny: dict[str, float] = field(default_factory=industries.medium_revenue_cny)


def find(settings: Settings, as_of: date, firm_ids: Collection[str] | None = None) -> int:
    """Write the hidden champions of `as_of` into the warehouse and return their number.

    With `firm_ids`, only rows of those firms change; percentiles are over all firms.
    """
    granted = assessable(settings, as_of)
    known = registry.load(settings)
    with runlog.step(
        settings, as_of, "champions",
        reads=[*known.tables(), *stored((WARNING_LEVELS,))],
        writes=stored((HIDDEN_CHAMPIONS,)),
    ) as step:  # fmt: skip
        with warehouse.connect(settings) as connection:
            spine = connection.execute(
                f"select cast(firm_id as varchar) as firm_id, as_of from {SNAPSHOTS} "  # noqa: S608 - constant
                "where as_of = ? order by firm_id",
                [as_of],
            ).pl()
            held = quarantine.held(connection, as_of)
            permitted = spine.join(granted, on="firm_id", how="semi", maintain_order="left").join(
                held, on="firm_id", how="anti", maintain_order="left"
            )
            firms = frame(connection, known, permitted, FEATURES)
            levels = connection.execute(
                f"select firm_id, level from warehouse.scoring.{WARNING_LEVELS.name} "  # noqa: S608 - constant
                "where as_of = ?",
                [as_of],
            ).pl()
            rows = champions(withhold(firms, known.features, granted), levels, ChampionTerms())
            if firm_ids is not None:
                rows = rows.filter(pl.col("firm_id").is_in(list(firm_ids)))
            connection.execute("begin")
            store.replace_firms(connection, HIDDEN_CHAMPIONS, rows, as_of, (), firm_ids)
            connection.execute("commit")
        step.rows_out = rows.height
    return rows.height


def champions(firms: pl.DataFrame, levels: pl.DataFrame, terms: ChampionTerms) -> pl.DataFrame:
    """Return the hidden champions among firms; a pure function.

    Args:
        firms: firm_id, as_of and `FEATURES`, one row per firm.
        levels: firm_id and warning level; a missing firm has no level.
        terms: the criteria.

    Returns:
        The columns of the table hidden_champions, strongest first.
    """
    section = pl.col(_INDUSTRY).replace_strict(
        {code: found.letter for code, found in industries.BY_DIVISION.items()},
        default=None,
        return_dtype=pl.String,
    )
    bound = pl.col(_INDUSTRY).replace_strict(
        terms.bounds_cny, default=terms.small_up_to_cny, return_dtype=pl.Float64
    )
    ranked = firms.with_columns(section.alias("section")).with_columns(
        _percentile(feature, terms.fewest_peers).alias(name)
        for feature, name in (_STRENGTH | _BESIDE).items()
    )
    is_one = (
        (12 * pl.col(_SALES) < bound)
        & (pl.col("strength") >= terms.least_strength)
        & (pl.col(_RETENTION).fill_null(1.0) >= terms.least_retention)
        & ~pl.col("warning_level").is_in(_EXCLUDED_LEVELS)
    )
    percent = (pl.col("strength") * 100).floor().cast(pl.Int64)
    return (
        ranked.join(levels.rename({"level": "warning_level"}), on="firm_id", how="left")
        .with_columns(
            pl.col("warning_level").fill_null("none"),
            # Null if one of the three is null: not observed is not strong.
            (pl.sum_horizontal(*_STRENGTH.values(), ignore_nulls=False) / len(_STRENGTH)).alias(
                "strength"
            ),
        )
        .filter(is_one)
        .with_columns(
            pl.col(_RETENTION).alias("customer_retention"),
            pl.col(_INDUSTRY).alias("industry"),
            pl.format(_EVIDENCE_ZH, percent).alias("evidence_zh"),
            pl.format(_EVIDENCE_EN, percent).alias("evidence_en"),
        )
        .select(list(HIDDEN_CHAMPIONS.columns))
        .sort("strength", "firm_id", descending=[True, False])
    )


def _percentile(feature: str, fewest_peers: int) -> pl.Expr:
    """Return the share of the industry's firms at or below each firm's value."""

    def within(group: str) -> tuple[pl.Expr, pl.Expr]:
        peers = pl.col(feature).count().over(group)
        return pl.col(feature).rank("average").over(group) / peers, peers

    (own, peers), (wider, _) = within(_INDUSTRY), within("section")
    return pl.when(peers >= fewest_peers).then(own).otherwise(wider)
