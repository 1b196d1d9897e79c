"""How well models predict defaults in the simulated economy; prints AUC out of time.

Run: python -m benchmarks.simulator_learnability [firms] [seed]
The target is 0.78 to 0.85 on operating data and 0.60 to 0.68 on annual statements; above 0.90 the
simulator leaks.
"""

import sys
from collections.abc import Callable

import numpy as np
import polars as pl
from catboost import CatBoostClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from firmpulse.bounds import ARREARS_DAYS, DEFAULT_DAYS, FEWEST_MONTHS, OUTCOME_MONTHS
from simulator.economy import Economy
from simulator.lender import annual_statement, loan_performance
from simulator.tables import TABLES
from simulator.world import World, build_world

_TRAIN = (3, 6, 9, 11)  # snapshots at the end of these months; their outcomes end before the test
_TEST = (21, 23)
_MONTHS = 36


def main() -> None:
    """Print default rates and AUC."""
    firms, seed = (int(a) for a in [*sys.argv[1:], "4000", "7"][:2])
    world = build_world(Economy(firms=firms, seed=seed), _MONTHS)
    rows = _all_rows(world)
    past_due = _past_due(world)
    for label, features in (
        ("operating data", _operating),
        ("annual statement", _statement),
    ):
        train = _sample(world, rows, past_due, features, _TRAIN)
        test = _sample(world, rows, past_due, features, _TEST)
        _report(label, train, test)


def _report(label: str, train: pl.DataFrame, test: pl.DataFrame) -> None:
    names = [c for c in train.columns if not c.startswith("_")]
    x, z = (f.select(names).cast(pl.Float64).to_numpy() for f in (train, test))
    y, t = (f["_default"].to_numpy() for f in (train, test))
    trees = CatBoostClassifier(
        iterations=300, depth=5, learning_rate=0.04, l2_leaf_reg=8, verbose=0, random_seed=1
    )
    trees.fit(x, y)
    middle = np.nanmedian(x, axis=0)
    linear = make_pipeline(
        QuantileTransformer(n_quantiles=200), LogisticRegression(C=0.1, max_iter=500)
    )
    linear.fit(np.where(np.isnan(x), middle, x), y)
    auc = roc_auc_score(t, trees.predict_proba(z)[:, 1])
    auc_linear = roc_auc_score(t, linear.predict_proba(np.where(np.isnan(z), middle, z))[:, 1])
    print(f"{label}: {len(y)} + {len(t)} rows, default rate {y.mean():.3f} / {t.mean():.3f}")
    print(f"  AUC out of time: trees {auc:.3f}, logistic {auc_linear:.3f}")
    order = np.argsort(-trees.get_feature_importance())[:12]
    print("  " + ", ".join(f"{names[i]} {trees.get_feature_importance()[i]:.1f}" for i in order))


def _all_rows(world: World) -> dict[str, pl.DataFrame]:
    found: dict[str, pl.DataFrame] = {}
    for table in TABLES:
        if table.rows not in (annual_statement, loan_performance):
            months = [table.rows(world, m) for m in range(_MONTHS)]
            found[table.name] = pl.concat(months)
    aprils = [m for m in range(-world.economy.burn_in, _MONTHS)
              if world.economy.month(m).month == 4 and world.paths.row(m) >= 15]  # fmt: skip
    found["annual_statement"] = pl.concat([annual_statement(world, m) for m in aprils])
    return found


def _past_due(world: World) -> np.ndarray:
    """Return days past due at month ends, (months, firms)."""
    return world.paths.days_past_due[world.paths.row(0) :][:_MONTHS]


Features = Callable[[World, dict[str, pl.DataFrame], int], pl.DataFrame]


def _sample(
    world: World,
    rows: dict[str, pl.DataFrame],
    past_due: np.ndarray,
    features: Features,
    months: tuple[int, ...],
) -> pl.DataFrame:
    parts = []
    for month in months:
        worst = past_due[month + 1 : month + 1 + OUTCOME_MONTHS].max(axis=0)
        before = past_due[: month + 1].max(axis=0)
        kept = (before < DEFAULT_DAYS) & (past_due[month] < ARREARS_DAYS)
        kept &= world.firms.born <= month - FEWEST_MONTHS
        kept &= (worst < ARREARS_DAYS) | (worst >= DEFAULT_DAYS)
        label = pl.DataFrame(
            {"_firm": np.flatnonzero(kept), "_default": worst[kept] >= DEFAULT_DAYS}
        )
        frame = features(world, rows, month)
        parts.append(label.join(frame, on="_firm", how="left", maintain_order="left"))
    return pl.concat(parts)


def _known(frame: pl.DataFrame, as_of: int, months: int) -> pl.LazyFrame:
    days = int(months * 30.44)
    return frame.lazy().filter((pl.col("_available") <= as_of) & (pl.col("_event") > as_of - days))


def _operating(world: World, rows: dict[str, pl.DataFrame], month: int) -> pl.DataFrame:
    as_of = world.day(month + 1) - 1
    parts = [
        _sales(rows, as_of), _bank(rows, as_of), _power(rows, as_of), _chain(rows, as_of),
        _tax(rows, as_of),
    ]  # fmt: skip
    count = len(world.firms)
    frame = pl.DataFrame({
        "_firm": np.arange(count),
        "age": month - world.firms.born,
        "industry": world.firms.industry,
    }).lazy()  # fmt: skip
    for part in parts:
        frame = frame.join(part, on="_firm", how="left")
    f = frame.with_columns(
        in_to_sales=pl.col("op_in_12") / (pl.col("s12") + 1),
        in_to_sales_3=pl.col("op_in_3") / (pl.col("s3") + 1),
        balance_to_sales=pl.col("balance") / (pl.col("s12") + 1),
        trough_to_flow=pl.col("trough_3") / (pl.col("op_in_12") + 1),
        balance_to_flow=pl.col("balance") / (pl.col("op_in_12") + 1),
        average_to_flow=pl.col("average_3") / (pl.col("op_in_12") + 1),
        debt_service=pl.col("service_12") / (pl.col("op_in_12") + 1),
        owner_to_flow=pl.col("owner_in_12") / (pl.col("op_in_12") + 1),
        net_12=pl.col("net_12") / (pl.col("op_in_12") + 1),
        net_3=pl.col("net_3") / (pl.col("op_in_3") + 1),
        kwh_to_sales=pl.col("kwh_12") / (pl.col("s12") + 1),
        wages_to_sales=pl.col("wages_3") / (pl.col("s3") + 1),
        drawn=pl.col("drawn_12") / (pl.col("op_in_12") + 1),
    )
    return f.collect()


def _sales(rows: dict[str, pl.DataFrame], as_of: int) -> pl.LazyFrame:
    known = _known(rows["tax_invoice"], as_of, 24)
    age = as_of - pl.col("_event")
    voided = known.filter(pl.col("status") == "作废").select("invoice_code", "invoice_no")
    sold = known.filter((pl.col("direction") == "销项") & (pl.col("status") == "正常")).join(
        voided, on=["invoice_code", "invoice_no"], how="anti", nulls_equal=True
    )
    amount = pl.col("amount").cast(pl.Float64)
    cut = lambda a, b: amount.filter((age >= a) & (age < b)).sum()  # noqa: E731
    year = age < 365
    base = sold.group_by("_firm").agg(
        s12=cut(0, 365), s6=cut(0, 182), s3=cut(0, 91), s3_before=cut(365, 456),
        s6_before=cut(182, 365), s24=cut(365, 730),
        invoices=year.sum(),
        red=((amount < 0) & year).sum(),
        last=age.min(),
        days=pl.col("_event").filter(year).n_unique(),
    )  # fmt: skip
    buyers = (
        sold.filter(year)
        .group_by("_firm", "buyer_tax_no")
        .agg(a=amount.sum(), recent=amount.filter(age < 91).sum())
        .group_by("_firm")
        .agg(
            top=pl.col("a").max() / pl.col("a").sum(),
            hhi=((pl.col("a") / pl.col("a").sum()) ** 2).sum(),
            customers=(pl.col("a") > 0).sum(),
            customers_3=(pl.col("recent") > 0).sum(),
        )
    )
    months = (
        sold.filter(year)
        .group_by("_firm", (age // 30).alias("m"))
        .agg(a=amount.sum())
        .group_by("_firm")
        .agg(cv=pl.col("a").std() / pl.col("a").mean(), active=pl.len())
    )
    out = base.join(buyers, on="_firm").join(months, on="_firm")
    return out.with_columns(
        g6=pl.col("s6") / (pl.col("s6_before") + 1),
        yoy3=pl.col("s3") / (pl.col("s3_before") + 1),
        yoy12=pl.col("s12") / (pl.col("s24") + 1),
        kept=pl.col("customers_3") / pl.col("customers"),
    )


def _bank(rows: dict[str, pl.DataFrame], as_of: int) -> pl.LazyFrame:
    known = _known(rows["bank_txn"], as_of, 12).sort("booked_at")
    age = as_of - pl.col("_event")
    amount = pl.col("amount").cast(pl.Float64)
    inflow = pl.col("dc") == "贷"
    is_ = lambda *w: pl.col("summary").is_in(w)  # noqa: E731
    trade = is_("货款")
    cost = is_("货款", "代发工资", "缴税", "社保", "电费", "房租", "报销", "运费", "手续费")
    signed = pl.when(inflow).then(amount).otherwise(-amount)
    main = ~pl.col("account_no").str.starts_with("6010")
    balance = pl.col("balance").cast(pl.Float64)
    return known.group_by("_firm").agg(
        op_in_12=amount.filter(trade & inflow).sum(),
        op_in_3=amount.filter(trade & inflow & (age < 91)).sum(),
        net_12=signed.filter(cost).sum(),
        net_3=signed.filter(cost & (age < 91)).sum(),
        balance=balance.filter(main).last(),
        trough_3=balance.filter(main & (age < 91)).min(),
        average_3=balance.filter(main & (age < 91)).mean(),
        service_12=amount.filter(is_("还本", "利息")).sum(),
        drawn_12=amount.filter(is_("贷款发放")).sum(),
        months_repaid=(is_("还本") & (age < 182)).sum(),
        owner_in_12=amount.filter(is_("股东往来") & inflow).sum(),
        owner_out_6=(is_("股东往来") & ~inflow & (age < 182)).sum(),
        seized=is_("扣划").sum(),
        wages_3=amount.filter(is_("代发工资") & (age < 91)).sum(),
        wages_growth=amount.filter(is_("代发工资") & (age < 91)).sum()
        / amount.filter(is_("代发工资")).sum(),
    )


def _power(rows: dict[str, pl.DataFrame], as_of: int) -> pl.LazyFrame:
    known = _known(rows["power_bill"], as_of, 15)
    last = known.sort("_available").unique(["_firm", "bill_month"], keep="last")
    age = as_of - pl.col("_event")
    kwh = pl.col("kwh_total").cast(pl.Float64)
    return last.group_by("_firm").agg(
        kwh_12=kwh.filter(age < 400).sum(),
        kwh_growth=kwh.filter(age < 125).mean() / kwh.mean(),
        unpaid=pl.col("paid_at").is_null().sum(),
        penalties=(pl.col("penalty").cast(pl.Float64) > 0).sum(),
    )


def _chain(rows: dict[str, pl.DataFrame], as_of: int) -> pl.LazyFrame:
    late = (pl.col("shipped_at") > pl.col("due_date")).mean()
    return (
        _known(rows["sc_delivery"], as_of, 6)
        .group_by("_firm")
        .agg(late_deliveries=late, returns=(pl.col("returned_qty").cast(pl.Float64) > 0).mean())
    )


def _tax(rows: dict[str, pl.DataFrame], as_of: int) -> pl.LazyFrame:
    filed = (
        _known(rows["tax_vat_return"], as_of, 12)
        .filter(~pl.col("is_amended"))
        .group_by("_firm")
        .agg(late_filings=(pl.col("filed_at") > pl.col("due_date")).sum())
    )
    paid = (
        _known(rows["tax_payment"], as_of, 12)
        .group_by("_firm")
        .agg(late_taxes=(pl.col("paid_at") > pl.col("due_date")).sum(),
             surcharges=(pl.col("kind") == "滞纳金").sum(), last_tax=as_of - pl.col("_event").max())
    )  # fmt: skip
    return filed.join(paid, on="_firm", how="full", coalesce=True)


def _statement(world: World, rows: dict[str, pl.DataFrame], month: int) -> pl.DataFrame:
    as_of = world.day(month + 1) - 1
    last = (
        _known(rows["annual_statement"], as_of, 30)
        .sort("_available")
        .unique("_firm", keep="last")
        .with_columns(pl.col(pl.Decimal).cast(pl.Float64))
        .select(
            "_firm",
            margin=pl.col("profit") / (pl.col("revenue") + 1),
            leverage=pl.col("total_liabilities") / pl.col("total_assets"),
            current=pl.col("current_assets") / (pl.col("current_liabilities") + 1),
            cash_ratio=pl.col("cash") / (pl.col("current_liabilities") + 1),
            turnover=pl.col("revenue") / (pl.col("total_assets") + 1),
            return_on_assets=pl.col("profit") / (pl.col("total_assets") + 1),
            revenue="revenue",
            assets="total_assets",
            staff="staff",
        )
        .collect()
    )
    ages = pl.DataFrame({"_firm": np.arange(len(world.firms)), "age": month - world.firms.born})
    return ages.join(last, on="_firm", how="left")


if __name__ == "__main__":
    main()
