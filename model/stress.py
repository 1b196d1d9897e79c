"""Stress scenarios of a scoring model: features are moved, firms scored again, grades compared.

How a feature responds to a fall of sales is defined in its YAML (`under_sales`) and is exact:
invoices, declared sales, orders and receipts of the last 12 months fall alike; payments, power use,
the previous year, counts and days stay. Features without the key stay too. Some of them would move
in a way that cannot be derived from the feature alone, and a stressed PD leaves that out:

- slopes and correlations of ln(1 + amount): a month without sales stays zero while others fall;
- windows that reach back beyond the 12 months (`tax_sales_mean_month`, `tax_sales_shock_13m`,
  `cross_newest_sales_to_usual_14m`, `cross_sales_up_power_down`, the power elasticity, red invoices
  after a quarter's end);
- balances, which fall by all receipts lost so far; VAT burden and credit, which follow from
  purchases too; the income margin, whose return may be of an earlier year;
- shares of a whole of which sales are an unknown part: cash, two-way trade;
- positions in the trade graph, which depend on the other firms.

A higher power price and a higher prime rate are not scenarios: no feature has the share of power in
a firm's costs, or the balance and terms of its loans.

Source: European Banking Authority, Guidelines on institutions' stress testing (2018), sensitivity
analysis.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from features.registry import FeatureMeta, UnderSales
from firmpulse import scale
from firmpulse.errors import NotReadyError
from firmpulse.scale import FloatArray

Predict = Callable[[pl.DataFrame], FloatArray]
Moves = dict[str, pl.Expr]

_TOP_SHARE = "tax_top_customer_share_12m"
_WINDOW_DAYS, _MONTH_DAYS, _YEAR_DAYS = 180, 365.25 / 12, 365
_INFINITE = float("inf")
# Where the SQL of a feature clips it. How far beyond the limit a clipped value was is unknown.
_LIMITS = {
    "tax_sales_growth_3m_yoy": (-_INFINITE, 10.0),
    "tax_sales_growth_12m_yoy": (-_INFINITE, 10.0),
    "bank_net_flow_ratio_6m": (-5.0, _INFINITE),
    "bank_debt_service_ratio_6m": (-_INFINITE, 10.0),
    "bank_days_cash_6m": (-3650.0, 3650.0),
}
# Losing a customer also removes its invoices, and the mean of the others is not known.
_PER_INVOICE = ("tax_ticket_mean_12m",)
# Times 1 / kept: Polars divides by a constant differently for a single row.
_RESPONSES: Mapping[UnderSales, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "proportional": lambda value, kept: value * kept,
    "inverse": lambda value, kept: value * (1 / kept),
    "growth": lambda value, kept: (1 + value) * kept - 1,
    "margin": lambda value, kept: 1 - (1 - value) * (1 / kept),
    "inverse_share": lambda value, kept: value / (value + (1 - value) * kept),
}


@dataclass(frozen=True)
class SalesFall:
    """Every firm sells less over the last 12 months, by a share of its sales in (0, 1)."""

    share: float

    @property
    def name(self) -> str:
        """Its name in tables, such as 'sales -10 %'."""
        return f"sales -{self.share * 100:.0f} %"

    @property
    def name_zh(self) -> str:
        """Its name in Chinese."""
        return f"销售下降 {self.share * 100:.0f}%"

    @property
    def size(self) -> float:
        """Number of tenths of sales lost."""
        return self.share * 10


@dataclass(frozen=True)
class TopCustomerLost:
    """Each firm loses its largest customer of the last 12 months."""

    name: str = "top customer lost"
    name_zh: str = "失去最大客户"
    size: float = 1.0


@dataclass(frozen=True)
class PaymentsLater:
    """Buyers pay later than now, by a number of days up to the 180 of the bank's window."""

    days: int

    @property
    def name(self) -> str:
        """Its name in tables, such as 'DSO +30 days'."""
        return f"DSO +{self.days} days"

    @property
    def name_zh(self) -> str:
        """Its name in Chinese."""
        return f"回款延长 {self.days} 天"

    @property
    def size(self) -> float:
        """Number of 30-day steps by which buyers pay later."""
        return self.days / 30


Scenario = SalesFall | TopCustomerLost | PaymentsLater

SCENARIOS: tuple[Scenario, ...] = (
    SalesFall(0.1),
    SalesFall(0.2),
    SalesFall(0.3),
    TopCustomerLost(),
    PaymentsLater(30),
    PaymentsLater(60),
)


@dataclass(frozen=True)
class StressResult:
    """The effect of a scenario on the PDs, scores and grades of the same firms."""

    scenario: str
    firms: int
    # Firms with any changed feature.
    firms_moved: int
    mean_prob_before: float
    mean_prob_after: float
    # Share of firms whose grade falls by one or more.
    downgraded_share: float
    mean_score_change: float
    # Relative rise of the mean PD per tenth of sales, per customer, per 30 days.
    sensitivity: float
    # Counts of firms: `grade` before, and one column per grade after; best grade first.
    migration: pl.DataFrame


def measure(
    rows: pl.DataFrame,
    metas: Sequence[FeatureMeta],
    predict: Predict,
    scenarios: Iterable[Scenario] = SCENARIOS,
) -> tuple[StressResult, ...]:
    """Return one result per scenario, in order.

    Args:
        rows: features of firms, one row per firm, with all that the model reads.
        metas: their definitions.
        predict: gives calibrated PDs of rows.
        scenarios: the scenarios.

    Raises:
        NotReadyError: there is no row.
    """
    if rows.is_empty():
        raise NotReadyError("no firm to stress: the frame has no row; take a date with features")
    before = predict(rows)
    return tuple(_result(rows, before, metas, predict, scenario) for scenario in scenarios)


def table(results: Sequence[StressResult]) -> pl.DataFrame:
    """Return one row per result with all its numbers; the migration stays with the result."""
    return pl.DataFrame(
        {name: value for name, value in vars(result).items() if name != "migration"}
        for result in results
    )


def shocked(rows: pl.DataFrame, metas: Sequence[FeatureMeta], scenario: Scenario) -> pl.DataFrame:
    """Return the rows with the features moved by a scenario; nulls and absent features stay.

    A firm without sales gets null if a feature divides by them, as in its SQL.
    """
    present = [meta for meta in metas if meta.name in rows.columns]
    match scenario:
        case SalesFall(share):
            moves = _less_sales(present, pl.lit(1 - share))
        case TopCustomerLost():
            moves = _without_top_customer(present) if _TOP_SHARE in rows.columns else {}
        case PaymentsLater(days):
            moves = _paid_later(present, days)
    return rows.with_columns(**{name: move for name, move in moves.items() if name in rows.columns})


def _less_sales(metas: Iterable[FeatureMeta], kept: pl.Expr) -> Moves:
    """Return the features that respond when `kept` times the sales are left."""
    moves: Moves = {}
    for meta in metas:
        if meta.under_sales is not None:
            moved = _RESPONSES[meta.under_sales](pl.col(meta.name), kept)
            moves[meta.name] = (
                pl.when(kept == 1)
                .then(meta.name)
                .when(kept > 0)
                .then(_limited(meta.name, moved))
                # Division by zero sales gives null.
                .when(moved.is_finite())
                .then(moved)
            )
    return moves


def _limited(name: str, moved: pl.Expr) -> pl.Expr:
    """Return a moved feature within its limits; one at a limit stays there."""
    lower, upper = _LIMITS.get(name, (-_INFINITE, _INFINITE))
    is_within = pl.col(name).is_between(lower, upper, closed="none")
    return pl.when(is_within).then(moved.clip(lower, upper)).otherwise(name)


def _without_top_customer(metas: Sequence[FeatureMeta]) -> Moves:
    """Return what changes when the top customer is lost; firms without one stay.

    Exact if all sales are to named customers: sales and measures based on them over 12 months, the
    HHI, the customers of 12 months. Declared sales, orders, receipts and shorter windows are
    assumed to lose the same share. Known within bounds, of which the mildest is used: the next
    customer's share is at least the HHI of those left, the sixth's at least the mean of those
    after the fifth. The customers of 6 months fall if all bought in them. What depends on when the
    customer bought, since when, or the size of single purchases stays.
    """
    names = {meta.name for meta in metas}
    share = pl.col(_TOP_SHARE)
    kept = (1 - share).fill_null(1)
    moves = _less_sales([meta for meta in metas if meta.name not in _PER_INVOICE], kept)
    if "tax_customer_hhi_12m" in names:
        left = ((pl.col("tax_customer_hhi_12m") - share**2) / kept**2).clip(0, 1)
        left = pl.when(kept > 0).then(left)
        moves |= {"tax_customer_hhi_12m": left, _TOP_SHARE: left}
    if "tax_customer_count_12m" in names:
        count, recent = pl.col("tax_customer_count_12m"), pl.col("tax_customer_count_6m")
        first_five = pl.col("tax_top5_customer_share_12m")
        sixth = pl.when(count > 5).then((1 - first_five) / (count - 5)).otherwise(0)
        next_five = ((first_five - share + sixth) / kept).clip(0, 1)
        moves |= {
            "tax_customer_count_12m": (count - 1).clip(0),
            "tax_customer_count_6m": (recent - (recent == count).cast(pl.Float64)).clip(0),
            "tax_top5_customer_share_12m": pl.when(kept > 0).then(next_five),
        }
    return {
        name: pl.when(share.is_null()).then(pl.col(name)).otherwise(move)
        for name, move in moves.items()
        if name in names
    }


def _paid_later(metas: Sequence[FeatureMeta], days: int) -> Moves:
    """Return what changes when receipts and payments of receivables come `days` later.

    The delay is exact for paid receivables. All else is approximate: receipts and due dates are
    assumed to be even over the window, so that days/180 of the receipts of 6 months and days/365
    of the paid receivables of a year have not arrived yet; every balance lacks the receipts of
    `days`. The slope, the newest months, the days in a trough and comparisons of receipts with
    invoices stay: they depend on the day.
    """
    moves = _less_sales(
        (meta for meta in metas if meta.source == "bank"), pl.lit(1 - days / _WINDOW_DAYS)
    )
    names = {meta.name for meta in metas}
    overdue = pl.col("supply_overdue_share_12m")
    moves |= {
        "supply_payment_delay_days_12m": pl.col("supply_payment_delay_days_12m") + days,
        "supply_overdue_share_12m": overdue + (1 - overdue) * (days / _YEAR_DAYS),
    }
    if "bank_net_flow_ratio_6m" in names:
        # Receipts over payments; a firm without receipts has nothing to wait for.
        covered = (1 / (1 - pl.col("bank_net_flow_ratio_6m"))).fill_null(0)
        for name, unit_days in (
            ("bank_days_cash_6m", 1.0),
            ("bank_lowest_balance_to_outflow_6m", _MONTH_DAYS),
        ):
            moves[name] = _limited(name, pl.col(name) - covered * (days / unit_days))
    return moves


def _result(
    rows: pl.DataFrame,
    before: FloatArray,
    metas: Sequence[FeatureMeta],
    predict: Predict,
    scenario: Scenario,
) -> StressResult:
    moved = shocked(rows, metas, scenario)
    after = predict(moved)
    grades = np.array(list(scale.GRADE_UPPER_PD))
    then, now = (
        np.argmax(scale.grade(prob)[:, None] == grades, axis=1) for prob in (before, after)
    )
    counts = np.zeros((len(grades), len(grades)), dtype=np.int64)
    np.add.at(counts, (then, now), 1)
    changed = pl.any_horizontal(pl.col(name).ne_missing(moved[name]) for name in rows.columns)
    return StressResult(
        scenario=scenario.name,
        firms=rows.height,
        firms_moved=rows.filter(changed).height,
        mean_prob_before=float(before.mean()),
        mean_prob_after=float(after.mean()),
        downgraded_share=float((now > then).mean()),
        mean_score_change=float((scale.score(after) - scale.score(before)).mean()),
        sensitivity=float(after.mean() / before.mean() - 1) / scenario.size,
        migration=pl.DataFrame(
            {"grade": grades} | dict(zip(grades.tolist(), counts.T, strict=True))
        ),
    )
