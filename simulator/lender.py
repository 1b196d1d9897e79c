"""The lender's own data: loan performance and the borrowers' annual statements."""

import numpy as np
import polars as pl

from firmpulse.calendar import month_end
from simulator.columns import dates, money, numbered, texts
from simulator.economy import Stage, epoch_day
from simulator.population import Floats, Ints
from simulator.world import World

_REPORTING_DAYS = 5  # after the end of the month
STATEMENT_MONTH = 4  # statements of the last year arrive from April on


def loan_performance(world: World, month: int) -> pl.DataFrame:
    """Return every running loan at the end of one month, and those repaid in it."""
    paths, row = world.paths, world.paths.row(month)
    running = (paths.loan_balance[row] > 0) | (paths.loan_balance[row - 1] > 0)
    (firm,) = np.nonzero(running & (paths.loan_number[row] > 0))
    (repaid,) = np.nonzero(paths.repaid_number[row])
    both = np.concatenate((firm, repaid))
    old = np.arange(len(both)) >= len(firm)
    number = np.where(old, paths.repaid_number[row][both], paths.loan_number[row][both])
    past_due = np.where(old, 0, paths.days_past_due[row][both])
    end = epoch_day(month_end(world.economy.month(month)))
    return pl.DataFrame({
        "uscc": texts(world.uscc, both),
        "loan_no": numbered("LN", (10_000_000 + both) * 100 + number),
        "month": dates(np.full(len(both), world.day(month))),
        "balance": money(np.where(old, 0, paths.loan_balance[row][both])),
        "days_past_due": pl.Series(past_due.astype(np.int32)),
        "_firm": both,
        "_event": np.full(len(both), world.day(month)),
        "_available": np.full(len(both), end + _REPORTING_DAYS),
    })  # fmt: skip


def annual_statement(world: World, month: int) -> pl.DataFrame:
    """Return the statements of the year before `month`, an April: noisy, flattering, late."""
    economy, firms, paths = world.economy, world.firms, world.paths
    rng = economy.rng(Stage.STATEMENTS, month)
    noise, flattery, late = rng.standard_normal((3, len(firms)))
    first = paths.row(month) - STATEMENT_MONTH + 1 - 12
    year = slice(max(first, 0), first + 12)
    december = first + 11
    (firm,) = np.nonzero(paths.sold_net[year].sum(axis=0) > 0)
    stretch = np.exp(0.05 + 0.10 * np.maximum(flattery, 0) + 0.12 * noise)
    revenue = paths.sold_net[year].sum(axis=0) / 100 * stretch
    usual = revenue / 12
    cash = paths.cash_close[december] / 100 * np.exp(0.35 * noise) + 0.25 * usual
    claims = np.maximum(paths.receivables[december], 0) / 100 + 0.3 * usual
    stock = firms.purchase_share * usual * np.exp(0.5 * flattery)
    plant = firms.sales * (1.0 + 40 * firms.power_share) * np.exp(0.4 * late)
    payables = paths.payables[december] / 100 * np.exp(-0.1 * np.maximum(flattery, 0))
    debt = paths.loan_balance[december] / 100
    day = world.day(month) + np.clip(np.rint(52 + 22 * late), 3, 90).astype(np.int64)
    profit = revenue * (0.02 + firms.margin * 0.5 + 0.035 * flattery)
    current = cash + claims + stock
    amounts = {
        "revenue": revenue,
        "profit": profit,
        "total_assets": current + plant,
        "total_liabilities": payables + debt + 0.4 * usual,
        "current_assets": current,
        "current_liabilities": payables + 0.5 * debt + 0.4 * usual,
        "cash": cash,
    }
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "fiscal_year": pl.Series(np.full(len(firm), economy.month(month).year - 1)),
        "published_at": dates(day[firm]),
        **{name: money(_cents(values[firm])) for name, values in amounts.items()},
        "staff": pl.Series(_staff(firms.staff, usual, firms.sales)[firm]),
        "_firm": firm,
        "_event": day[firm],
        "_available": day[firm] + 1,
    })  # fmt: skip


def _cents(yuan: Floats) -> Ints:
    return np.rint(yuan * 100).astype(np.int64)


def _staff(staff: Ints, usual: Floats, planned: Floats) -> Ints:
    scaled = np.rint(staff * np.clip(usual / planned, 0.3, 3.0))
    return np.maximum(1, scaled).astype(np.int64)
