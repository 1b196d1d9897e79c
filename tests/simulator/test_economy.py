"""Properties of any economy, for all parameters."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from firmpulse.uscc import problem
from simulator import DeliveryCounts, Economy, truth
from simulator.dynamics import simulate
from simulator.tables import TABLES
from simulator.world import World, build_world
from tests.simulator.conftest import ECONOMY, delivered


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(ECONOMY, ECONOMY.months)


def rows(world: World, name: str) -> pl.DataFrame:
    """Return the good rows of a table over all months."""
    table = next(t for t in TABLES if t.name == name)
    return pl.concat([table.rows(world, month) for month in range(world.months)])


def test_all_codes_are_valid_and_distinct(world: World) -> None:
    codes = [code for code in world.net.parties.uscc.tolist() if code]
    assert len(codes) > 400
    assert [problem(code) for code in codes if problem(code)] == []
    assert len(set(codes)) == len(codes)


def test_balances_run_without_a_break(world: World) -> None:
    moves = rows(world, "bank_txn")
    signed = pl.when(pl.col("dc") == "贷").then(pl.col("amount")).otherwise(-pl.col("amount"))
    breaks = (
        moves.sort("account_no", "booked_at", "txn_no")
        .with_columns(
            expected=pl.col("balance").shift(1).over("account_no") + signed,
        )
        .filter(pl.col("expected").is_not_null() & (pl.col("expected") != pl.col("balance")))
    )
    assert len(moves) > 10_000
    assert len(breaks) == 0
    assert moves["balance"].min() >= Decimal(0)
    assert moves["amount"].min() > Decimal(0)


def test_the_month_ends_with_the_cash_of_the_books(world: World) -> None:
    month = world.months - 1
    table = next(t for t in TABLES if t.name == "bank_txn")
    moves = table.rows(world, month).filter(~pl.col("account_no").str.starts_with("6010"))
    last = moves.sort("_firm", "booked_at", "txn_no").group_by("_firm").agg(pl.last("balance"))
    books = world.paths.cash_close[world.paths.row(month)].tolist()
    told = {firm: int(balance * 100) for firm, balance in last.iter_rows()}
    assert len(told) > 60
    assert told == {firm: books[firm] for firm in told}


def test_invoices_add_up(world: World) -> None:
    invoices = rows(world, "tax_invoice")
    assert len(invoices.filter(pl.col("amount") + pl.col("tax") != pl.col("total"))) == 0


def test_net_invoices_are_what_customers_owe(world: World) -> None:
    """Void and red invoices cancel to the cent: the rest is billed, and received later."""
    invoices = rows(world, "tax_invoice").filter(pl.col("direction") == "销项")
    voided = invoices.filter(pl.col("status") == "作废").select("invoice_code", "invoice_no")
    valid = invoices.filter(pl.col("status") == "正常").join(
        voided, on=["invoice_code", "invoice_no"], how="anti", nulls_equal=True
    )
    net = dict(valid.group_by("_firm").agg(pl.col("total").sum()).iter_rows())
    paths = world.paths
    months = slice(paths.row(0), paths.row(world.months))
    billed = (paths.sold[months] + paths.fake[months]).sum(axis=0)
    known = np.flatnonzero(world.firms.has_tax & (billed > 0)).tolist()
    # Red invoices of the last month may be dated in the next one, but belong to it.
    assert [int(net[firm] * 100) for firm in known] == [int(billed[firm]) for firm in known]


def test_the_bank_sees_what_the_platform_says_was_paid(world: World) -> None:
    paid = rows(world, "sc_receivable").filter(pl.col("paid_at").is_not_null())
    moves = rows(world, "bank_txn").filter((pl.col("summary") == "货款") & (pl.col("dc") == "贷"))
    received = moves.group_by("uscc", "cp_tax_no").agg(pl.col("amount").sum().alias("received"))
    told = paid.filter(pl.col("paid_at") < world.economy.month(world.months)).group_by(
        pl.col("supplier_uscc").alias("uscc"), pl.col("buyer_uscc").alias("cp_tax_no")
    ).agg(pl.col("paid_amount").sum())  # fmt: skip
    both = told.join(received, on=["uscc", "cp_tax_no"])
    assert len(both) > 30
    # Receipts of the first months also pay bills from before the first month.
    assert (both["received"] >= both["paid_amount"]).all()


def test_a_longer_simulation_has_the_same_months_in_front() -> None:
    _, _, short = simulate(ECONOMY, 5)
    _, _, long = simulate(ECONOMY, 9)
    rows_of_both = ECONOMY.burn_in + 5
    for name in ("cash_close", "sold", "relation_billed", "loan_balance", "days_past_due", "kwh"):
        ours, theirs = getattr(short, name), getattr(long, name)
        np.testing.assert_array_equal(ours[:rows_of_both], theirs[:rows_of_both], err_msg=name)


def test_every_cent_of_the_books_is_accounted_for(world: World) -> None:
    p = world.paths
    came = p.receipts + p.drawdown + p.injected + p.earned_interest
    went = (
        p.paid_inside + p.paid_outside + p.payroll + p.social + p.overhead + p.seized
        + p.tax_paid + p.power_paid + p.principal + p.interest + p.withdrawn
    )  # fmt: skip
    np.testing.assert_array_equal(p.cash_open + came - went, p.cash_close)
    assert p.cash_close.min() >= 0


@pytest.mark.parametrize("seed", [7, 21])
def test_three_to_five_percent_default_within_a_year(seed: int) -> None:
    economy = Economy(seed=seed, firms=1500)
    firms, _, paths = simulate(economy, 36)
    bad = paths.days_past_due[paths.row(0) : paths.row(36)] >= 90
    first = np.where(bad.any(axis=0), bad.argmax(axis=0), 99)
    rates = []
    for month in (0, 6, 12, 18, 23):
        good = (first > month) & (firms.born <= month - 3)
        rates.append(float((first[good] <= month + 12).mean()))
    assert 0.025 < float(np.mean(rates)) < 0.055
    assert max(rates) < 2.5 * min(rates)  # spread over the months, including late ones


def test_low_quality_defaults_more_and_truth_knows_it() -> None:
    economy = Economy(firms=1500)
    known = truth(economy, economy.last_day).with_columns(
        bad=pl.col("default_month").is_not_null(),
        weak=pl.col("quality") < pl.col("quality").median(),
    )
    rates = dict(known.group_by("weak").agg(pl.col("bad").mean()).iter_rows())
    assert rates[True] > 1.3 * rates[False]
    kinds = set(known["archetype"])
    assert kinds == {"champion", "cheat", "thin", "light", "retail", "standard"}
    assert known["uscc"].n_unique() == len(known)


def test_defaults_of_the_truth_are_in_the_loans(history: tuple[Path, DeliveryCounts]) -> None:
    loans = delivered(history[0], "loan_performance")
    told = set(loans.filter(pl.col("days_past_due") >= 90)["uscc"])
    reported = date(2024, 11, 30)  # the month of December is reported in January
    known = truth(ECONOMY, reported).drop_nulls("default_month")
    assert told == set(known["uscc"])


def test_cheats_invoice_without_transfers_and_power() -> None:
    world = build_world(Economy(firms=600), 36)
    paths = world.paths
    faking = paths.fake.sum(axis=0) > 0
    assert 5 < faking.sum() < 60
    assert set(np.flatnonzero(faking)) <= set(np.flatnonzero(world.firms.cheats))
    shells = world.uscc.slice(world.net.parties.first_shell, 12).to_list()
    assert rows(world, "bank_txn").filter(pl.col("cp_tax_no").is_in(shells)).is_empty()
    assert not rows(world, "tax_invoice").filter(pl.col("buyer_tax_no").is_in(shells)).is_empty()


def test_sales_fall_in_the_month_of_the_spring_festival() -> None:
    _, _, paths = simulate(replace(ECONOMY, firms=400), 16)
    sold = paths.sold[paths.row(0) :].sum(axis=1)
    january, february, march = sold[2:5]  # 2024, festival on 10 February
    assert february < 0.8 * january
    assert february < 0.8 * march
