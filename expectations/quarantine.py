"""Firms that a check has set aside for a night: `scoring.quarantined_firms`.

A firm is quarantined as long as a night's check finds something impossible about it, and returns by
itself with the first night that does not.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import polars as pl

from expectations.profiles import Finding
from firmpulse.stored_tables import QUARANTINED_FIRMS

# Suites whose firms are not scored; the scores themselves are checked afterwards.
BEFORE_SCORING = ("delivery", "features")
_HELD = """
    select
        firm_id,
        string_agg(distinct text_zh, '；' order by text_zh) as text_zh,
        string_agg(distinct text_en, '; ' order by text_en) as text_en
    from warehouse.scoring.quarantined_firms
    where as_of = $as_of and list_contains($suites, suite)
    group by firm_id
    order by firm_id
"""


def record(
    connection: duckdb.DuckDBPyConnection,
    suite: str,
    as_of: date,
    found: Mapping[str, Sequence[Finding]],
) -> None:
    """Replace what a suite found about the firms of a night: rule → findings."""
    rows = pl.DataFrame(
        [
            (one.firm_id, as_of, suite, rule, one.name, one.text_zh, one.text_en)
            for rule, findings in found.items()
            for one in findings
        ],
        schema=dict.fromkeys(QUARANTINED_FIRMS.columns, pl.String) | {"as_of": pl.Date},
        orient="row",
    )
    connection.execute("begin")
    connection.execute(
        "delete from warehouse.scoring.quarantined_firms where as_of = ? and suite = ?",
        [as_of, suite],
    )
    connection.register("found_firms", rows)
    connection.execute(
        "insert into warehouse.scoring.quarantined_firms by name select * from found_firms"
    )
    connection.unregister("found_firms")
    connection.execute("commit")


def held(
    connection: duckdb.DuckDBPyConnection, as_of: date, suites: Sequence[str] = BEFORE_SCORING
) -> pl.DataFrame:
    """Return firm_id, text_zh and text_en of each firm that these suites quarantined at `as_of`."""
    return connection.execute(_HELD, {"as_of": as_of, "suites": list(suites)}).pl()
