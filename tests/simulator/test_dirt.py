import re
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from firmpulse.uscc import problem
from simulator import DeliveryCounts, Economy, deliver
from tests.simulator.conftest import delivered, manifests, read_file

KINDS = [
    "exact_duplicate", "missing_required", "bad_date", "bad_amount", "scientific_id",
    "invalid_uscc", "ungranted", "outside_window", "extra_column",
]  # fmt: skip


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DeliveryCounts]:
    inbox = tmp_path_factory.mktemp("dirty")
    economy = Economy(seed=5, firms=120, months=14)
    return inbox, deliver(economy, inbox, through=economy.last_day)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_dirt_is_there(kind: str, dirty: tuple[Path, DeliveryCounts]) -> None:
    assert dirty[1].kind(kind) > 0


def test_counted_dirt_is_in_the_files(dirty: tuple[Path, DeliveryCounts]) -> None:
    inbox, counts = dirty
    returns = delivered(inbox, "tax_vat_return")
    told = Counter(counts.dirt["tax_vat_return"])
    assert (returns["申报日期"] == "2024-13-45").sum() == told["bad_date"]
    assert (returns["按适用税率销售额"] == "abc").sum() == told["bad_amount"]
    assert returns["按适用税率销售额"].null_count() == told["missing_required"]
    assert (returns["纳税人识别号"] == "6.22E+18").sum() == told["scientific_id"]
    plain = returns["纳税人识别号"].str.contains(r"^[0-9A-Z]{18}$")
    codes = returns["纳税人识别号"].filter(plain).to_list()
    assert sum(problem(code) is not None for code in codes) == told["invalid_uscc"]
    assert int(returns.is_duplicated().sum()) == 2 * told["exact_duplicate"]


def test_parquet_has_duplicates_and_missing_values_only(
    dirty: tuple[Path, DeliveryCounts],
) -> None:
    inbox, counts = dirty
    moves = delivered(inbox, "bank_txn")
    told = counts.dirt["bank_txn"]
    assert set(told) <= {"exact_duplicate", "missing_required", "ungranted", "outside_window"}
    assert moves["amount"].null_count() == told["missing_required"]
    assert len(moves) - moves.n_unique() == told["exact_duplicate"]


def test_unknown_columns_are_counted(dirty: tuple[Path, DeliveryCounts]) -> None:
    inbox, counts = dirty
    assert "联系电话" in delivered(inbox, "tax_registration").columns
    assert counts.kind("extra_column") == 5  # registration, accounts, receivables, meters, reports


def test_encodings_differ_by_provider(dirty: tuple[Path, DeliveryCounts]) -> None:
    for folder, manifest in manifests(dirty[0]):
        for entry in manifest["files"]:
            if entry["format"] != "csv":
                continue
            raw = (folder / entry["name"]).read_bytes()
            has_bom = raw.startswith(b"\xef\xbb\xbf")
            assert has_bom == (manifest["source"] in {"power", "lender", "founder_credit"})
            assert len(read_file(folder / entry["name"])) == entry["rows"]


def test_odd_spelling_keeps_the_value(dirty: tuple[Path, DeliveryCounts]) -> None:
    """Every habit occurs, and each has the meaning of the plain rows by an independent reader."""
    inbox, counts = dirty
    paid = delivered(inbox, "tax_payment")
    odd_dates = paid["入库日期"].drop_nulls().str.contains(r"^\d{4}-\d\d-\d\d$").not_()
    spelled = set(paid["入库日期"].drop_nulls().filter(odd_dates).str.replace_all(r"\d+", "9"))
    assert spelled == {"9", "9/9/9", "9年9月9日"}
    amounts = paid["已缴"].drop_nulls().to_list()
    assert any("," in amount for amount in amounts)
    read = [_amount(amount) for amount in amounts if amount != "abc"]
    assert all(amount > 0 for amount in read)
    codes = paid["纳税人识别号"].drop_nulls().to_list()
    assert any(code.startswith('="') for code in codes)
    assert any(code.startswith("'") for code in codes)
    assert any(code[0] == "９" for code in codes)
    wrong = [code for code in map(_code, codes) if problem(code)]
    told = Counter(counts.dirt["tax_payment"])
    assert len(wrong) == told["invalid_uscc"] + told["scientific_id"]


def _amount(text: str) -> Decimal:
    return Decimal(text.strip().replace(",", ""))


def _code(text: str) -> str:
    narrow = "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else c for c in text)
    return re.sub(r"[=\"'\s\u3000]", "", narrow)


def test_late_rows_are_counted_in_increments(tmp_path: Path) -> None:
    economy = Economy(seed=5, firms=120, months=14)
    counts = deliver(economy, tmp_path, since=date(2024, 3, 31), through=date(2024, 6, 30))
    moves = delivered(tmp_path, "bank_txn").height
    late = counts.dirt["bank_txn"]["late"]
    assert 0 < late < 0.01 * moves


def test_refused_rows_are_those_without_a_grant(dirty: tuple[Path, DeliveryCounts]) -> None:
    inbox, counts = dirty
    lines = (inbox / "consent" / "grants.jsonl").read_text("utf-8").splitlines()
    grants = pl.concat([pl.read_json(line.encode()) for line in lines])
    live = grants.filter(
        (pl.col("source") == "supply_chain") & (pl.col("valid_from") <= "2024-12-31")
    )
    assert set(grants["purpose"]) == {"POST_LOAN_MONITOR", "MODEL_TRAINING"}
    firms = set(live["firm"].str.strip_prefix("uscc:"))
    orders = delivered(inbox, "sc_order")
    without = orders.filter(~pl.col("supplier_uscc").is_in(firms))
    assert len(without) == counts.dirt["sc_order"]["ungranted"]
