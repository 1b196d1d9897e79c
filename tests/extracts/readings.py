"""Reads files like landing, but without a vault, so that property tests can use many."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from extracts import contracts
from extracts.manifest import DeliveryRef, Manifest
from extracts.reading import chunks, macros, staging

_SEEN = (
    "select file_no, line, tax_item, amount::varchar, uscc, period_start::varchar, "
    "due_date::varchar, paid_at::varchar, kind from staged where finding is null order by 1, 2"
)


@dataclass(frozen=True)
class Read:
    """The result of reading files of tax_payment."""

    # file_no, line, item, amount, and the other columns of PAYMENT_HEADER.
    rows: list[tuple[Any, ...]]
    # file_no and line of rows and lines that go to quarantine.
    bad: list[tuple[int, int]]
    refusals: list[str]


def read(folder: Path, files: Mapping[str, bytes], rows: int, **entry: Any) -> Read:
    """Read files of tax_payment; each manifest entry promises `rows`."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    document = {
        "manifest_version": 1, "delivery_id": "tax-1", "source": "tax", "provider": "test",
        "kind": "history", "period_start": "2024-01-01", "period_end": "2024-03-31",
        "delivered_at": "2024-03-31T22:00:00+08:00",
        "files": [
            {"name": name, "table": "tax_payment", "format": name.rpartition(".")[2],
             "sha256": hashlib.sha256(content).hexdigest(), "rows": rows, **entry}
            for name, content in files.items()
        ],
    }  # fmt: skip
    manifest = Manifest.model_validate_json(json.dumps(document))
    ref = DeliveryRef("tax", "tax-1", folder, "", manifest, None)
    contract = contracts.load()["tax_payment"]
    delivered = chunks.inspect(ref, manifest, contract, folder / "scratch", 2)
    refusals = [file.reason for file in delivered.refused]
    good: list[tuple[Any, ...]] = []
    bad: list[tuple[int, int]] = []
    with duckdb.connect() as connection:
        macros.install(connection)
        for chunk in delivered.chunks:
            staged = staging.read(connection, manifest, delivered, chunk)
            refusals += [file.reason for file in staged.refused]
            good += connection.execute(_SEEN).fetchall()
            bad += connection.execute(
                "select file_no, line from staged where finding is not null "
                "union all select file_no, line from broken"
            ).fetchall()
    return Read(sorted(good), sorted(bad), refusals)
