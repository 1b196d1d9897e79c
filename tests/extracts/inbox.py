"""Writes deliveries like a provider, and reads the vault."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from consent import wording
from consent.grants import Grant
from consent.intake import admit
from firmpulse import warehouse
from firmpulse.settings import Settings

# Published codes of well-known firms; both pass the check of GB 32100-2015.
FIRM, OTHER = "914403001922038216", "9152000071430580XT"
AS_OF = date(2024, 3, 31)

PAYMENT_HEADER = "纳税人识别号,征收项目,所属期起,缴款期限,入库日期,已缴,税款种类"
RETURN_HEADER = (
    "纳税人识别号,所属期起,所属期止,申报期限,申报日期,按适用税率销售额,销项税额,进项税额,"
    "应纳税额,更正,版本"
)


def payment(
    uscc: str = FIRM,
    *,
    item: str = "增值税",
    start: str = "2024-01-01",
    paid: str = "2024-02-10",
    amount: str = "100.00",
) -> str:
    """Return a line of tax_payment."""
    return f"{uscc},{item},{start},2024-02-15,{paid},{amount},正税"


def csv(lines: Sequence[str], header: str = PAYMENT_HEADER, encoding: str = "utf-8-sig") -> bytes:
    """Return a CSV file."""
    return ("\n".join([header, *lines]) + "\n").encode(encoding)


def deliver(
    settings: Settings,
    files: Mapping[str, bytes],
    *,
    table: str = "tax_payment",
    delivery_id: str = "tax-1",
    source: str = "tax",
    delivered: date = AS_OF,
    rows: int | None = None,
    entry: Mapping[str, Any] | None = None,
    **manifest: Any,
) -> Path:
    """Write a delivery of one table; return its folder.

    `rows` replaces the true number of rows in the manifest, `entry` changes every file's entry,
    and other arguments the manifest.
    """
    folder = settings.inbox / source / delivery_id
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        true_rows = content.count(b"\n") - 1 if name.endswith(".csv") else 0
        entries.append(
            {
                "name": name,
                "table": table,
                "format": name.rpartition(".")[2],
                "sha256": hashlib.sha256(content).hexdigest(),
                "rows": true_rows if rows is None else rows,
                **(entry or {}),
            }
        )
    document = {
        "manifest_version": 1,
        "delivery_id": delivery_id,
        "source": source,
        "provider": "test",
        "kind": "history",
        "period_start": "2024-01-01",
        "period_end": delivered.isoformat(),
        "delivered_at": f"{delivered.isoformat()}T22:00:00+08:00",
        "id_scheme": "uscc",
        "files": entries,
        **manifest,
    }
    (folder / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def grant(firm: str = f"uscc:{FIRM}", source: str = "tax", **changes: Any) -> Grant:
    """Return a grant that covers everything in these tests."""
    terms = {
        "authorization_id": f"A-{firm[-4:]}-{source}",
        "firm": firm,
        "source": source,
        "purpose": "POST_LOAN_MONITOR",
        "recipient": "demo-bank",
        "window_start": date(2023, 1, 1),
        "valid_from": date(2023, 1, 1),
        "valid_to": date(2026, 12, 31),
        "text_version": wording.CURRENT,
    }
    return Grant(**(terms | changes))


def permit(settings: Settings, *grants: Grant) -> None:
    """Record grants; the plain one of FIRM for tax if none is given."""
    admit(settings, grants or [grant()])


def query(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Return the result of a query on vault and warehouse."""
    with warehouse.connect(settings, vault=True) as connection:
        return connection.execute(sql).fetchall()
