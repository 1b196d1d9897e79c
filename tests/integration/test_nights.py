"""Two nights of simulated firms through the real DAG: what must hold afterwards."""

import json
import re
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from firmpulse import warehouse
from firmpulse.settings import Settings
from tests.integration.conftest import Nights

_DIRT_IN_QUARANTINE = (
    "missing_required", "bad_date", "bad_amount", "scientific_id", "invalid_uscc",
)  # fmt: skip


def _deliveries(settings: Settings, as_of: date) -> pl.DataFrame:
    with warehouse.connect(settings) as connection:
        return connection.execute(
            "select * from warehouse.ops.deliveries where as_of = ? order by table_name", [as_of]
        ).pl()


def test_every_delivered_row_is_accounted_for(nights: Nights) -> None:
    rows = _deliveries(nights.settings, nights.first)
    assert set(rows["status"]) == {"landed"}
    unaccounted = rows.select(
        pl.col("rows_read")
        - pl.col("rows_landed")
        - pl.col("rows_duplicate")
        - pl.col("rows_refused_by_gate")
        - pl.col("rows_quarantined")
    )
    assert unaccounted.to_series().to_list() == [0] * rows.height


def test_all_dirt_that_was_mixed_in_is_caught(nights: Nights) -> None:
    caught = {
        row["table_name"]: row for row in _deliveries(nights.settings, nights.first).to_dicts()
    }
    for table, rows in nights.counts.rows.items():
        dirt = nights.counts.dirt.get(table, {})
        got = caught[table]
        assert got["rows_read"] == rows, table
        assert got["rows_duplicate"] == dirt.get("exact_duplicate", 0), table
        assert got["rows_quarantined"] == sum(dirt.get(k, 0) for k in _DIRT_IN_QUARANTINE), table
        refused = dirt.get("ungranted", 0) + dirt.get("outside_window", 0)
        assert got["rows_refused_by_gate"] == refused, table
    assert sum(row["rows_quarantined"] for row in caught.values()) > 50
    assert sum(row["rows_refused_by_gate"] for row in caught.values()) > 50


def test_firms_without_a_grant_are_stored_nowhere(nights: Nights) -> None:
    """Their providers delivered rows; neither vault nor warehouse has any."""
    granted = {
        (grant["firm"], grant["source"])
        for grant in map(
            json.loads,
            nights.grants,
        )
    }
    with warehouse.connect(nights.settings, vault=True) as connection:
        for table, source in (
            ("tax_invoice", "tax"),
            ("bank_txn", "bank"),
            ("power_bill", "power"),
        ):
            stored = connection.execute(f"select distinct firm from vault.raw.{table}").fetchall()
            assert len(stored) > 10
            assert {(firm, source) for (firm,) in stored} <= granted


def test_a_second_run_of_a_night_changes_nothing(nights: Nights) -> None:
    assert len(nights.once) > 50
    assert list(nights.once) == list(nights.repeated)
    for table, checksum in nights.once.items():
        assert checksum == nights.repeated[table], table


def test_the_next_night_adds_one_snapshot_per_firm_and_keeps_the_old_ones(nights: Nights) -> None:
    with warehouse.connect(nights.settings) as connection:
        counts = dict(
            connection.execute(
                "select as_of, count(*) from warehouse.features.feat_tax_monthly "
                "where as_of >= ? group by as_of",
                [nights.first],
            ).fetchall()
        )
    assert set(counts) == {nights.first, nights.second}
    assert counts[nights.second] >= counts[nights.first] > 40


# Nothing that names a firm, a person, an account, a meter or an invoice leaves vault and inbox.


@pytest.fixture(scope="module")
def identifiers(nights: Nights) -> set[str]:
    """Return names and identifiers of the vault, long enough not to occur by chance."""
    columns = {
        "tax_registration": ("uscc", "name", "legal_rep_name", "address"),
        "tax_invoice": ("seller_tax_no", "buyer_tax_no", "buyer_name", "invoice_no"),
        "bank_txn": ("account_no", "cp_name", "cp_account", "cp_tax_no", "txn_no"),
        "power_account": ("cons_no", "holder_name"),
        "loan_performance": ("loan_no",),
    }
    found: set[str] = set()
    with warehouse.connect(nights.settings, vault=True, warehouse=False) as connection:
        for table, names in columns.items():
            for name in names:
                values = connection.execute(
                    f"select distinct {name} from vault.raw.{table} "
                    f"where strlen({name}) >= 9 order by hash({name}) limit 60"
                ).fetchall()
                found |= {value for (value,) in values}
    assert len(found) > 300
    return found


def test_no_raw_identifier_in_any_file_outside_vault_and_inbox(
    nights: Nights, identifiers: set[str]
) -> None:
    root = nights.settings.root
    files = [
        path
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] not in ("vault", "inbox")
    ]
    assert {path.relative_to(root).parts[0] for path in files} >= {
        "warehouse", "scores", "control", "data_docs", "dbt", "airflow",
    }  # fmt: skip
    spelt = {value.encode(encoding) for value in identifiers for encoding in ("utf-8", "gb18030")}
    # A character a byte, and all of them looked for at once.
    needles = [needle.decode("latin-1") for needle in sorted(spelt)]
    assert _hits("".join(needles), needles) == set(needles)
    for path in files:
        hits = _hits(path.read_bytes().decode("latin-1"), needles)
        assert not hits, f"{path.relative_to(root)} holds {sorted(hits)[:3]}"


def _hits(text: str, needles: list[str]) -> set[str]:
    found = pl.Series([text]).str.extract_many(needles, overlapping=True)
    return set(found[0])


def test_no_raw_identifier_in_any_text_column_of_warehouse_and_scores(
    nights: Nights, identifiers: set[str]
) -> None:
    with warehouse.connect(nights.settings) as connection:
        connection.execute(f"attach '{nights.settings.scores_path}' as published (read_only)")
        seen = 0
        for database in ("warehouse", "published"):
            columns = connection.execute(
                "select schema_name, table_name, column_name from duckdb_columns() "
                "where database_name = ? and data_type like '%VARCHAR%' and not internal",
                [database],
            ).fetchall()
            for schema, table, column in columns:
                seen += _check_column(
                    connection, f"{database}.{schema}.{table}", column, identifiers
                )
    assert seen > 50


def _check_column(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, identifiers: set[str]
) -> int:
    values = connection.execute(f'select distinct "{column}"::varchar from {table}').fetchall()
    texts = [text for (text,) in values if text is not None]
    words = {word for text in texts for word in re.split(r"[\s,:;\"'=\[\]{}]+", text)}
    hits = words & identifiers
    assert not hits, f"{table}.{column} holds {sorted(hits)[:3]}"
    return len(texts)


def test_keys_are_readable_by_the_owner_alone(nights: Nights) -> None:
    keys = list((nights.settings.root / "keys").iterdir())
    assert {path.name for path in keys} == {"vault_key", "warehouse_key", "token_key", "audit_key"}
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    secrets = [path.read_bytes().strip() for path in keys]
    for path in Path(nights.settings.root).rglob("*"):
        if path.is_file() and path.parent.name != "keys":
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path


def test_nothing_is_for_other_users_of_the_machine(nights: Nights) -> None:
    """Except the inbox, which belongs to the providers."""
    root = nights.settings.root
    opened = [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if not path.is_symlink()
        and path.relative_to(root).parts[0] != "inbox"
        and path.stat().st_mode & 0o077
    ]
    assert opened == []
