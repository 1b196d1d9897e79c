"""What a firm is apart from its features: in default already, or a person's own business."""

from datetime import date

import duckdb
import polars as pl

from firmpulse.bounds import DEFAULT_DAYS
from firmpulse.known_at import known_at, known_by

_LOANS = f"""
    select firm_id, max_by(days_past_due, month) >= $default_days as in_default
    from (
        -- A month has several parts where some of its loans became known later.
        select firm_id, month, max(days_past_due) as days_past_due
        from warehouse.facts.fct_loan_monthly
        where {known_at()}
        group by firm_id, month
    )
    group by firm_id
"""  # noqa: S608 - our own names
# Legal forms of 个体工商户 and 个人合伙 are text or, as codes, begin with 4.
_REGISTRATIONS = f"""
    select
        firm_id,
        max_by(
            contains(registration_type, '个体') or contains(registration_type, '个人')
                or regexp_full_match(registration_type, '4[0-9]{{2}}'),
            (available_at, record_version)
        ) as is_individual
    from warehouse.staging.stg_tax__registration
    where {known_by()}
    group by firm_id
"""  # noqa: S608 - our own names
_STANDING = f"""
    select
        cast(coalesce(loans.firm_id, registrations.firm_id) as varchar) as firm_id,
        coalesce(in_default, false) as in_default,
        coalesce(is_individual, false) as is_individual
    from ({_LOANS}) as loans
    full join ({_REGISTRATIONS}) as registrations using (firm_id)
    order by firm_id
"""  # noqa: S608 - our own names


def standing(connection: duckdb.DuckDBPyConnection, as_of: date) -> pl.DataFrame:
    """Return firm_id, in_default and is_individual of each firm, as known at `as_of`.

    A firm is in default where the newest month of its loans that is known shows `DEFAULT_DAYS`
    past due or more.
    """
    values = {"as_of": as_of, "default_days": DEFAULT_DAYS}
    return connection.execute(_STANDING, values).pl()
