"""The outcomes that a model learns from: by month, by loan, or without a date."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import duckdb
import polars as pl

from firmpulse import warehouse
from firmpulse.calendar import add_months
from firmpulse.errors import NotReadyError
from firmpulse.known_at import known_at, known_by
from training.config import LOANS, MONTHLY, UNDATED, TrainingConfig

IN_WORDS: Mapping[str, str] = MappingProxyType(
    {
        MONTHLY: "monthly days past due",
        LOANS: "outcomes of single loans",
        UNDATED: "outcomes without a date",
    }
)
_YEAR_OF_QUARTERS = 4
_MONTHLY = "labels.default_12m"
_LOANS, _OUTCOMES = "staging.stg_lender__loan", "labels.loan_outcome_12m"
# Every loan as its newest known version says.
_DECIDED = f"""
    select
        firm_id,
        loan_id,
        arg_max(decided_on, record_version) as decided_on,
        arg_max(decision, record_version) as decision
    from warehouse.{_LOANS}
    where {known_by()}
    group by firm_id, loan_id
"""  # noqa: S608 - our own names
# The granted ones, with their outcome if that is known.
_GRANTED = f"""
    with decided as ({_DECIDED}),
    known as (
        select * from warehouse.{_OUTCOMES} where {known_at()}
    )
    select
        cast(decided.firm_id as varchar) as firm_id,
        decided.decided_on as as_of,
        known.outcome,
        known.defaulted_on,
        known.matured_at
    from decided
    left join known
        on
            decided.firm_id = known.firm_id
            and decided.loan_id = known.loan_id
            and decided.decided_on = known.as_of
    where decided.decision = 'GRANTED'
    order by all
"""  # noqa: S608 - our own names
_REFUSED = f"""
    select distinct cast(firm_id as varchar) as firm_id, decided_on as as_of
    from ({_DECIDED})
    where decision = 'REFUSED' and decided_on >= $since
    order by all
"""  # noqa: S608 - our own names
_FUNNEL = ("decided_in", "granted", "unknown", "already_defaulted", "good", "bad", "complete")


@dataclass(frozen=True)
class LoanOutcomes:
    """Outcomes of loans, and what became of all that were granted."""

    # One row per firm and day of decision: firm_id, as_of, cohort, outcome, matured_at.
    rows: pl.DataFrame
    # One row per granted loan of these quarters: firm_id, as_of, cohort, outcome (null: unknown),
    # defaulted_on, matured_at, already_defaulted.
    loans: pl.DataFrame
    # One row per quarter: decided_in, granted, unknown, already_defaulted, good, bad (all loans),
    # complete (the quarter may train and test).
    funnel: pl.DataFrame


def monthly(connection: duckdb.DuckDBPyConnection, as_of: date) -> pl.DataFrame:
    """Return firm_id, as_of, outcome and matured_at of the quarterly outcomes known on a date.

    Raises:
        NotReadyError: there are none.
    """
    labels = pl.DataFrame()
    if warehouse.is_built(connection, "labels.default_12m"):
        labels = connection.execute(
            "select cast(firm_id as varchar) as firm_id, as_of, outcome, matured_at "  # noqa: S608 - our own names
            "from warehouse.labels.default_12m "
            f"where {known_at()} order by firm_id, as_of",
            {"as_of": as_of},
        ).pl()
    if labels.is_empty():
        raise NotReadyError(
            f"no outcomes in labels.default_12m for {as_of}; land loan performance and run: "
            f"firmpulse night --as-of {as_of}"
        )
    return labels


def of_loans(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    granted: pl.DataFrame,
    config: TrainingConfig,
) -> LoanOutcomes:
    """Return the outcomes of loans known on a date, in cohorts by quarter of the decision.

    Several loans of a firm on one day are one row, bad if one of them is. A firm that had defaulted
    on another loan by the day of the decision is left out. A quarter of which too few outcomes are
    known is left out whole: those known early are the bad ones.

    Args:
        connection: a session with the warehouse.
        as_of: only what was known on this day is used.
        granted: firm_id of the firms that allow training.
        config: horizon, and the share of a quarter's outcomes that has to be known.

    Raises:
        NotReadyError: no granted loan, no outcome or no quarter that is known well enough.
    """
    loans = _granted(connection, as_of).join(granted, on="firm_id", how="semi")
    if loans["outcome"].is_null().all():
        raise NotReadyError(
            f"{loans.height} granted loans of firms that allow training are known on {as_of}, and "
            f"none has an outcome; land loan and loan_outcome and run: "
            f"firmpulse night --as-of {as_of}"
        )
    loans = in_cohorts(_with_earlier_default(loans))
    funnel = _funnel(loans, as_of, config)
    if not funnel["complete"].any():
        raise NotReadyError(_too_little_known(funnel, as_of, config))
    complete = pl.col("cohort").is_in(funnel.filter("complete")["decided_in"].to_list())
    sound = loans.filter(complete & ~pl.col("already_defaulted"))
    usable = sound.filter(pl.col("outcome").is_not_null())
    worst = (pl.col("outcome") == "bad").any()
    rows = usable.group_by("firm_id", "as_of").agg(
        pl.col("cohort").first(),
        pl.when(worst).then(pl.lit("bad")).otherwise(pl.lit("good")).alias("outcome"),
        pl.col("matured_at").max(),
    )
    return LoanOutcomes(rows.sort("firm_id", "as_of"), sound, funnel)


def default_dates(connection: duckdb.DuckDBPyConnection, as_of: date) -> pl.DataFrame:
    """Return firm_id and defaulted_on, the first day of a bad outcome among a firm's loans."""
    loans = _granted(connection, as_of).filter(pl.col("defaulted_on").is_not_null())
    return loans.group_by("firm_id").agg(pl.col("defaulted_on").min()).sort("firm_id")


def portfolio_rate(connection: duckdb.DuckDBPyConnection, as_of: date) -> float:
    """Return the share of defaults among all firms on the book, of the newest four quarters known.

    Raises:
        NotReadyError: no monthly figure is known, or none of them is a default.
    """
    known = monthly(connection, as_of).filter(
        (pl.col("matured_at") <= as_of) & pl.col("outcome").is_in(["good", "bad"])
    )
    newest = known["as_of"].unique().sort().tail(_YEAR_OF_QUARTERS)
    outcomes = known.filter(pl.col("as_of").is_in(newest.to_list()))["outcome"]
    bads = int((outcomes == "bad").sum())
    if not 0 < bads < len(outcomes):
        raise NotReadyError(
            f"{bads} of the {len(outcomes)} monthly outcomes known on {as_of} are defaults, from "
            f"which no rate follows; give a share such as --portfolio-default-rate 0.02"
        )
    return bads / len(outcomes)


def any_loans(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether loans were ever landed."""
    if not all(warehouse.is_built(connection, table) for table in (_LOANS, _OUTCOMES)):
        return False
    return connection.execute(f"select 1 from warehouse.{_LOANS} limit 1").fetchone() is not None  # noqa: S608 - our own name


def refused(connection: duckdb.DuckDBPyConnection, as_of: date, since: date) -> pl.DataFrame:
    """Return firm_id and as_of of the applications refused from a day on, known on a date."""
    found: pl.DataFrame = connection.execute(_REFUSED, {"as_of": as_of, "since": since}).pl()
    return found


def borrowers(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return firm_id of every firm with a loan."""
    found: pl.DataFrame = connection.execute(
        f"select distinct cast(firm_id as varchar) as firm_id from warehouse.{_LOANS}"  # noqa: S608 - our own name
    ).pl()
    return found


def are_monthly_known(connection: duckdb.DuckDBPyConnection, as_of: date) -> bool:
    """Return whether any monthly outcome is known."""
    return _is_any_known(connection, as_of, _MONTHLY)


def are_dated_known(connection: duckdb.DuckDBPyConnection, as_of: date) -> bool:
    """Return whether any monthly outcome, or one of a loan, is known."""
    return any(_is_any_known(connection, as_of, table) for table in (_MONTHLY, _OUTCOMES))


def are_undated_known(connection: duckdb.DuckDBPyConnection, as_of: date) -> bool:
    """Return whether any outcome without a date is known."""
    return _is_any_known(connection, as_of, "labels.undated_outcome")


def _is_any_known(connection: duckdb.DuckDBPyConnection, as_of: date, table: str) -> bool:
    if not warehouse.is_built(connection, table):
        return False
    found = connection.execute(
        f"select 1 from warehouse.{table} where {known_at()} limit 1",  # noqa: S608 - our own names
        {"as_of": as_of},
    ).fetchone()
    return found is not None


def _granted(connection: duckdb.DuckDBPyConnection, as_of: date) -> pl.DataFrame:
    if not any_loans(connection):
        raise NotReadyError(
            f"no loans were ever landed; deliver loan and loan_outcome and run: "
            f"firmpulse night --as-of {as_of}"
        )
    found: pl.DataFrame = connection.execute(_GRANTED, {"as_of": as_of}).pl()
    return found


def _with_earlier_default(loans: pl.DataFrame) -> pl.DataFrame:
    """Return the loans with `already_defaulted`: the firm had defaulted by the decision."""
    first = loans.group_by("firm_id").agg(pl.col("defaulted_on").min().alias("first_default"))
    return loans.join(first, on="firm_id", how="left", maintain_order="left").with_columns(
        (pl.col("first_default") <= pl.col("as_of"))
        .fill_null(value=False)
        .alias("already_defaulted")
    )


def in_cohorts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with `cohort`, the last day of the quarter of their as_of."""
    quarter_end = pl.col("as_of").dt.truncate("1q").dt.offset_by("1q").dt.offset_by("-1d")
    return rows.with_columns(quarter_end.alias("cohort"))


def _funnel(loans: pl.DataFrame, as_of: date, config: TrainingConfig) -> pl.DataFrame:
    days = loans["cohort"].unique().to_list()
    closed = [day for day in days if add_months(day, config.horizon_months) < as_of]
    known = pl.col("outcome").is_not_null()
    counts = loans.group_by(pl.col("cohort").alias("decided_in")).agg(
        pl.len().alias("granted"),
        (~known).sum().alias("unknown"),
        (known & pl.col("already_defaulted")).sum().alias("already_defaulted"),
        *(
            ((pl.col("outcome") == kind) & ~pl.col("already_defaulted")).sum().alias(kind)
            for kind in ("good", "bad")
        ),
    )
    share = 1 - pl.col("unknown") / pl.col("granted")
    whole = pl.col("decided_in").is_in(closed) & (share >= config.least_known_loans)
    return counts.with_columns(whole.alias("complete")).select(_FUNNEL).sort("decided_in")


def _too_little_known(funnel: pl.DataFrame, as_of: date, config: TrainingConfig) -> str:
    granted, unknown = int(funnel["granted"].sum()), int(funnel["unknown"].sum())
    return (
        f"no quarter of decisions has known outcomes of {config.least_known_loans:.0%} of its "
        f"loans after {config.horizon_months} months on {as_of}; of {granted} granted loans "
        f"{unknown} have none. Deliver loan_outcome again with later last days observed"
    )
