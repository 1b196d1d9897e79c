"""Deliveries of invented invoices and bank transactions, for the landing benchmark."""

import codecs
import hashlib
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from consent.grants import Grant
from firmpulse.settings import Settings
from simulator.codes import uscc_codes
from simulator.industries import INDUSTRIES, company_names

# Table to its source.
TABLES = {"tax_invoice": "tax", "bank_txn": "bank"}
_FIRMS, _PARTIES = 2_000, 8_000
_REGIONS = 110_100
# One row is repeated per this many rows.
_REPEAT = 200

_INVOICE = """
    select
        if(i % 3 = 0, '进项', '销项') as 进销方向,
        if(i % 5 = 0, lpad(cast(i % 4000 as varchar), 12, '0'), null) as 发票代码,
        if(i % 5 = 0, lpad(cast(i as varchar), 8, '0'), '26' || lpad(cast(i as varchar), 18, '0'))
            as 发票号码,
        if(i % 2 = 0, '数电专', '数电普') as 票种,
        timestamp '2023-01-01' + to_seconds(cast(hash(i, 2) % 94608000 as bigint)) as 开票日期,
        if(i % 3 = 0, other.code, firm.code) as 销方税号,
        if(i % 3 = 0, other.name, firm.name) as 销方名称,
        if(i % 3 = 0, firm.code, other.code) as 购方税号,
        if(i % 3 = 0, firm.name, other.name) as 购方名称,
        cast((hash(i) % 9999999 + 1) / 100 as decimal(18, 2)) as 金额,
        cast(金额 * 0.13 as decimal(18, 2)) as 税额,
        cast(金额 + 税额 as decimal(18, 2)) as 价税合计,
        if(i % 50 = 0, '作废', '正常') as 发票状态,
        if(i % 50 = 0, 开票日期 + interval 2 day, null) as 作废时间
"""
_TXN = """
    select
        firm.code as 客户证件号,
        '20260' || lpad(cast(i as varchar), 13, '0') as 流水号,
        '62' || lpad(cast(firm.id * 7 as varchar), 17, '3') as 账号,
        timestamp '2023-01-01' + to_seconds(cast(hash(i, 2) % 94608000 as bigint)) as 交易时间,
        if(i % 3 = 0, '借', '贷') as 借贷标志,
        cast((hash(i) % 9999999 + 1) / 100 as decimal(18, 2)) as 发生额,
        cast(hash(i, 1) % 1000000000 / 100 as decimal(18, 2)) as 余额,
        other.name as 对方户名,
        '62' || lpad(cast(other.id * 7 as varchar), 17, '5') as 对方账号,
        other.code as 对方证件号,
        ['货款', '工资代发', '电费', '手续费', '往来款', '增值税', '还款', '利息'][i % 8 + 1]
            as 摘要,
        i % 400 = 0 as 冲正
"""
_SELECTS = {"tax_invoice": _INVOICE, "bank_txn": _TXN}
# The same rows as an export with other headers, texts and dates, and with lines that are no rows.
_EXPORTED = {
    "tax_invoice": """
        select
            if(进销方向 = '进项', '收到', '开出') as 方向, 发票代码 as 代码, 发票号码 as 号码,
            if(票种 = '数电专', '专票', '普票') as 种类,
            strftime(开票日期, '%d/%m/%Y %H:%M:%S') as 开具, 销方税号 as 卖方, 销方名称 as 卖方名,
            购方税号 as 买方, 购方名称 as 买方名, 金额 as 净额, 税额 as 税, 价税合计 as 总额,
            if(row_number() over () % 1000 = 500, '小计', if(发票状态 = '作废', '废', '有效'))
                as 效力,
            strftime(作废时间, '%d/%m/%Y %H:%M:%S') as 废于
        from ({rows})
    """,
    "bank_txn": """
        select
            客户证件号 as 客户, 流水号 as 编号, 账号 as 卡,
            strftime(交易时间, '%d/%m/%Y %H:%M:%S') as 时刻,
            if(借贷标志 = '借', '付', '进') as 进出, 发生额 as 款, 余额 as 存,
            对方户名 as 对手, 对方账号 as 对手账号码, 对方证件号 as 对手代码,
            if(row_number() over () % 1000 = 500, '小计', 摘要) as 说明, 冲正 as 撤销
        from ({rows})
    """,
}
_MAPPED: dict[str, dict[str, Any]] = {
    "tax_invoice": {
        "headers": {
            "方向": "direction", "代码": "invoice_code", "号码": "invoice_no",
            "种类": "invoice_kind", "开具": "issue_time", "卖方": "seller_tax_no",
            "卖方名": "seller_name", "买方": "buyer_tax_no", "买方名": "buyer_name",
            "净额": "amount", "税": "tax", "总额": "total", "效力": "status", "废于": "void_time",
        },
        "readings": {
            "direction": {"values": {"收到": "IN", "开出": "OUT"}},
            "invoice_kind": {"values": {"专票": "数电专", "普票": "数电普"}},
            "issue_time": {"format": "%d/%m/%Y %H:%M:%S"},
            "status": {"values": {"有效": "正常", "废": "作废"}},
            "void_time": {"format": "%d/%m/%Y %H:%M:%S"},
        },
        "not_rows": {"效力": ["小计"]},
    },
    "bank_txn": {
        "headers": {
            "客户": "uscc", "编号": "txn_no", "卡": "account_no", "时刻": "booked_at", "进出": "dc",
            "款": "amount", "存": "balance", "对手": "cp_name", "对手账号码": "cp_account",
            "对手代码": "cp_tax_no", "说明": "summary", "撤销": "reversal_flag",
        },
        "readings": {
            "booked_at": {"format": "%d/%m/%Y %H:%M:%S"},
            "dc": {"values": {"付": "OUT", "进": "IN"}},
        },
        "not_rows": {"说明": ["小计"]},
    },
}  # fmt: skip


def write_delivery(
    settings: Settings, table: str, form: str, rows: int, file_rows: int
) -> tuple[int, list[Grant]]:
    """Write one history delivery into the inbox.

    Args:
        settings: home folder of the inbox.
        table: one of TABLES.
        form: parquet, csv (UTF-8), mapped (the same rows as an export, read by a mapping) or
            gb18030 (CSV).
        rows: rows of the delivery.
        file_rows: rows of each file.

    Returns:
        The bytes of its files, and the grants of its firms.
    """
    source = TABLES[table]
    folder = settings.inbox / source / f"{source}-1"
    folder.mkdir(parents=True)
    parties = _parties()
    entries = []
    for number, first in enumerate(range(0, rows, file_rows)):
        suffix = "parquet" if form == "parquet" else "csv"
        path = folder / f"{table}_{number:03}.{suffix}"
        count = min(file_rows, rows - first)
        _write(parties, table, path, first, count, is_mapped=form == "mapped")
        if form == "gb18030":
            _recode(path)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        mapping = _MAPPED[table] if form == "mapped" else {}
        entries.append({"name": path.name, "table": table, "format": suffix, "sha256": digest,
                        "rows": count, **mapping})  # fmt: skip
    manifest = {
        "manifest_version": 1, "delivery_id": f"{source}-1", "source": source,
        "provider": "benchmark",
        "kind": "history", "period_start": "2023-01-01", "period_end": "2026-01-31",
        "delivered_at": "2026-01-31T22:00:00+08:00", "files": entries,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    written = sum(path.stat().st_size for path in folder.iterdir())
    return written, list(_grants(parties, source))


def _parties() -> pl.DataFrame:
    rng = np.random.default_rng(7)
    names = company_names(
        rng, rng.integers(0, 5, _PARTIES), rng.integers(0, len(INDUSTRIES), _PARTIES)
    )
    # Half of all firms have a bracket in their name.
    names = np.where(np.arange(_PARTIES) % 2 == 0, np.char.add("（集团）", names), names)
    codes = uscc_codes(np.full(_PARTIES, _REGIONS), offset=11)
    return pl.DataFrame({"id": np.arange(_PARTIES), "code": codes, "name": names})


def _write(
    parties: pl.DataFrame, table: str, path: Path, first: int, count: int, *, is_mapped: bool
) -> None:
    form = "format parquet, compression zstd" if path.suffix == ".parquet" else "format csv, header"
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        connection.register("parties", parties)
        rows = f"""
            with numbers as (
                select if(n % {_REPEAT} = 1, n - 1, n) as i
                from range({first}, {first + count}) as numbers(n)
            )
            {_SELECTS[table]}
            from numbers
            inner join parties as firm on firm.id = hash(i, 4) % {_FIRMS}
            inner join parties as other on other.id = hash(i, 3) % {_PARTIES}
        """
        rows = _EXPORTED[table].format(rows=rows) if is_mapped else rows
        connection.execute(f"copy ({rows}) to '{path}' ({form})")


def _recode(path: Path) -> None:
    copy = path.with_suffix(".copy")
    with (
        path.open(encoding="utf-8", newline="") as text,
        codecs.open(str(copy), "w", "gb18030") as target,
    ):
        while block := text.read(1 << 22):
            target.write(block)
    copy.replace(path)


def _grants(parties: pl.DataFrame, source: str) -> Iterator[Grant]:
    for number, code in enumerate(parties["code"][:_FIRMS]):
        yield Grant(
            authorization_id=f"benchmark-{source}-{number}",
            firm=f"uscc:{code}",
            source=source,
            purpose="POST_LOAN_MONITOR",
            recipient="demo-bank",
            window_start=date(2020, 1, 1),
            valid_from=date(2020, 1, 1),
            valid_to=date(2030, 1, 1),
            text_version="2026-01",
        )
