"""Rows of CSV files are loaded in the order of their lines, which their numbers come from."""

import hashlib
import json
from pathlib import Path

import duckdb
import pytest

from extracts import contracts
from extracts.manifest import DeliveryRef, Manifest
from extracts.reading import chunks, macros, row_sql


@pytest.mark.parametrize("table", contracts.load())
def test_no_formula_of_a_contract_loses_the_order_of_rows(tmp_path: Path, table: str) -> None:
    """DuckDB keeps it through scans and expressions; a long `in` list would become a join."""
    contract = contracts.load()[table]
    header = ",".join(column.headers[0] for column in contract.columns).encode() + b"\n"
    (tmp_path / "a.csv").write_bytes(header)
    document = {
        "manifest_version": 1, "delivery_id": "a-1", "source": contract.source, "provider": "test",
        "kind": "history", "period_start": "2024-01-01", "period_end": "2024-03-31",
        "delivered_at": "2024-03-31T22:00:00+08:00",
        "files": [{"name": "a.csv", "table": table, "format": "csv", "rows": 0,
                   "sha256": hashlib.sha256(header).hexdigest()}],
    }  # fmt: skip
    manifest = Manifest.model_validate_json(json.dumps(document))
    ref = DeliveryRef(contract.source, "a-1", tmp_path, "", manifest, None)
    (chunk,) = chunks.inspect(ref, manifest, contract, tmp_path / "scratch", 2).chunks
    rows = row_sql.to_load(contract, manifest, chunk.files)
    with duckdb.connect() as connection:
        connection.execute("set threads = 2")
        macros.install(connection)
        plan = connection.execute(f"explain create temp table loaded as {rows}").fetchall()[0][1]
    assert "BATCH_CREATE_TABLE_AS" in plan
    assert "JOIN" not in plan
