"""What a mapping would bring, and what is put into the inbox by it."""

import json
import random
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from extracts import contracts
from extracts.manifest import read as read_manifest
from extracts.mappings import delivering, files, manifests, trial
from extracts.mappings.delivering import Delivered
from extracts.mappings.trial import Tried
from extracts.reading import chunks
from extracts.vault import nightly
from firmpulse.calendar import CHINA
from firmpulse.errors import (  # fmt: skip
    ConfigurationError,
    ContractError,
    FileHeldError,
    NotReadyError,
)
from firmpulse.settings import Settings
from tests.extracts import exports
from tests.extracts.exports import BANKS, Export, text
from tests.extracts.inbox import FIRM, OTHER, deliver, grant, permit, query
from tests.extracts.test_mapping_files import _mutated
from tests.sizes import sized

DAY = date(2024, 3, 31)
MAPPING = """\
version: 1
provider: example bank
files:
  - pattern: "{uscc}/*.csv"
    table: bank_txn
    columns:
      日: {to: booked_at, format: "%d.%m.%Y"}
      进出: {to: dc, values: {进: IN, 出: OUT}}
      款: amount
      存: {to: balance, unit: 万元}
      对手: cp_name
    constants: {account_no: "0062"}
    not_rows: {对手: [小计]}
"""
HEADER = "日,进出,款,存,对手"
ROWS = [
    "02.01.2024,进,5.00,1.5,乙公司",
    "03.01.2024,出,1.00,1.5,丙公司",
    ",,6.00,,小计",
    "04.01.2024,退,2.00,1.5,张三",
    "05.01.2024,退,2.00,1.5,张三",
    "2024-01-06,进,3.00,1.5,李四",
    "07.01.2024,进,x,1.5,王五",
    "08.01.2024,进,-1.00,1.5,王五",
]


def write(settings: Settings, text_of_it: str = MAPPING, name: str = "bank") -> str:
    settings.mappings_dir.mkdir(parents=True, exist_ok=True)
    (settings.mappings_dir / f"{name}.yml").write_text(text_of_it, encoding="utf-8")
    return name


def put(folder: Path, name: str, rows: list[str], header: str = HEADER) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text([header, *rows]))
    return path


def tried(settings: Settings, folder: Path, name: str = "bank") -> Tried:
    return trial.run(settings, files.load(settings, name), folder)


def hand_over(settings: Settings, folder: Path, **options: Any) -> list[Delivered]:
    mapping = files.load(settings, "bank")
    options = {"delivered_on": DAY, **options}
    return delivering.deliver(settings, "bank", mapping, tried(settings, folder), **options)


def manifest(settings: Settings, delivery: Delivered) -> dict[str, Any]:
    path = settings.inbox / delivery.source / delivery.delivery_id / "manifest.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_counts_per_rule(settings: Settings, tmp_path: Path) -> None:
    write(settings)
    tmp_path /= "in"
    put(tmp_path, f"{FIRM}/a.csv", ROWS)
    put(tmp_path, f"{OTHER}/b.csv", ROWS[:2])
    put(tmp_path, "readme.txt", [])
    found = tried(settings, tmp_path)
    (table,) = found.tables
    assert (table.files, table.rows, table.good, table.not_rows, table.firms) == (2, 9, 4, 1, 2)
    assert (table.first_day, table.last_day) == (date(2024, 1, 2), date(2024, 1, 3))
    assert [
        (p.column, p.rule, p.rows, Path(p.file).name, p.line, p.texts) for p in table.problems
    ] == [
        ("dc", "enum", 2, "a.csv", 5, {"退": 2}),
        ("booked_at", "timestamp", 1, "a.csv", 7, None),
        ("amount", "decimal", 1, "a.csv", 8, None),
        ("amount", "bound", 1, "a.csv", 9, None),
    ]
    assert found.others == ("readme.txt",)
    assert table.preview["balance"] == ("15000.00",) * 4
    assert table.preview["dc"] == ("IN", "OUT", "IN", "OUT")
    # Names, codes and accounts stay in the vault.
    assert {name for name, cells in table.preview.items() if cells is None} == {
        "uscc", "account_no", "cp_name",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["退", "退"], {"退": 2}),
        ([FIRM], None),
        (["退", FIRM], {"退": 1}),
        (["6222000000", "x" * 30], None),
        ([f"名{n}" for n in "甲乙丙丁戊己庚辛壬癸子丑寅"], None),
    ],
)
def test_unknown_texts_that_could_identify_are_not_shown(
    settings: Settings, tmp_path: Path, texts: list[str], shown: dict[str, int] | None
) -> None:
    """A wrong mapping may take codes or names for a direction."""
    write(settings)
    put(tmp_path, f"{FIRM}/a.csv", [f"02.01.2024,{text},5.00,1.5," for text in texts])
    problems = tried(settings, tmp_path).tables[0].problems
    found = {text: n for problem in problems for text, n in (problem.texts or {}).items()}
    assert (found or None) == shown
    assert sum(problem.rows for problem in problems) == len(texts)


def test_a_trial_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    write(settings)
    put(tmp_path, f"{FIRM}/a.csv", ROWS)
    tried(settings, tmp_path)
    assert [path for path in settings.inbox.rglob("*")] == []
    with trial.scratch_of(settings), pytest.raises(FileHeldError, match="another firmpulse onb"):
        tried(settings, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "the file has no header row (block 1 of the mapping, line 4)"),
        ("a.csv", text(["日,款,存", "02.01.2024,1.00,1"]), "no amount in the file has a sign"),
        ("a.csv", text(["日,进出,款", "02.01.2024,进,1"]), "required column balance (余额)"),
        ("a.csv", "日,进出\n".encode("utf-16"), "the file is UTF-16"),
        ("a.csv", b"\0\0\0\0", "NUL bytes"),
    ],
)
def test_a_file_that_cannot_be_taken(
    settings: Settings, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    write(settings)
    put(tmp_path, f"{FIRM}/good.csv", ROWS[:2])
    (tmp_path / FIRM / name).write_bytes(content)
    ((file, why),) = tried(settings, tmp_path).refused
    assert file == f"{FIRM}/{name}"
    assert told in why
    with pytest.raises(ContractError, match="nothing is delivered"):
        hand_over(settings, tmp_path)
    assert list(settings.inbox.glob("bank/*")) == []


def test_a_changed_header_is_refused_with_the_difference(
    settings: Settings, tmp_path: Path
) -> None:
    write(settings, MAPPING.replace("    columns:", f"    header: [{HEADER}]\n    columns:"))
    put(tmp_path, f"{FIRM}/a.csv", ROWS[:2])
    (delivery,) = hand_over(settings, tmp_path)
    assert not delivery.has_landed
    put(tmp_path, f"{FIRM}/a.csv", ["02.01.2024,进,5.00,1.5,乙"], "日,进出,款,存,对方户名")
    with pytest.raises(ContractError, match="new: 对方户名; gone: 对手; look at the file"):
        hand_over(settings, tmp_path)
    # Without its header the file's first row is no header, and is not repeated.
    (tmp_path / FIRM / "a.csv").write_bytes(text([f"02.01.2024,进,5.00,1.5,{FIRM}"]))
    with pytest.raises(ContractError, match="it lacks 5 of 5 headers") as error:
        hand_over(settings, tmp_path)
    assert FIRM not in str(error.value).replace(f"{FIRM}/a.csv", "")


def test_deliveries(settings: Settings, tmp_path: Path) -> None:
    """The first one is a history; a later one an increment, known from its day."""
    write(settings)
    permit(settings, grant(source="bank"))
    put(tmp_path, f"{FIRM}/a.csv", ROWS)
    (first,) = hand_over(settings, tmp_path)
    told = manifest(settings, first)
    assert told["kind"] == "history"
    assert told["delivered_at"] == "2024-03-31T22:00:00+08:00"
    assert (told["period_start"], told["period_end"]) == ("2024-01-02", "2024-01-03")
    # Seven rows: the subtotal is none.
    assert [file["rows"] for file in told["files"]] == [8]
    # Handed over again before the night, it is the same.
    assert hand_over(settings, tmp_path) == [first]
    assert manifest(settings, first) == told
    report = nightly.land(settings, "bank", DAY)
    assert report.problems == ()
    assert (report.totals.read, report.totals.landed, report.totals.quarantined) == (7, 2, 5)
    assert [d.has_landed for d in hand_over(settings, tmp_path)] == [True]

    put(tmp_path, f"{FIRM}/a.csv", [*ROWS[:2], "09.01.2024,进,7.00,1.5,乙公司"])
    later = date(2024, 4, 2)
    (second,) = hand_over(settings, tmp_path, delivered_on=later)
    assert manifest(settings, second)["kind"] == "increment"
    assert nightly.land(settings, "bank", later).totals.landed == 1
    assert query(
        settings, "select amount::varchar, available_at from vault.raw.bank_txn order by booked_at"
    ) == [("5.00", date(2024, 1, 3)), ("1.00", date(2024, 1, 4)), ("7.00", later)]


def test_a_corrected_mapping_makes_another_delivery(settings: Settings, tmp_path: Path) -> None:
    write(settings)
    put(tmp_path, f"{FIRM}/a.csv", ROWS)
    (first,) = hand_over(settings, tmp_path)
    write(settings, MAPPING.replace("出: OUT", "出: OUT, 退: IN"))
    (second,) = hand_over(settings, tmp_path)
    assert first.delivery_id != second.delivery_id


def test_a_pattern_without_files(settings: Settings, tmp_path: Path) -> None:
    write(settings, f'{MAPPING}  - {{pattern: "loans/*.csv", table: loan_performance}}\n')
    put(tmp_path, f"{FIRM}/a.csv", ROWS)
    with pytest.raises(NotReadyError, match=r"there is no loans/\*.csv; nothing is delivered"):
        hand_over(settings, tmp_path)
    assert len(hand_over(settings, tmp_path, partial=True)) == 1


def test_two_patterns_for_one_file(settings: Settings, tmp_path: Path) -> None:
    write(settings, f'{MAPPING}  - {{pattern: "*/a.csv", table: loan_performance}}\n')
    put(tmp_path, f"{FIRM}/a.csv", ROWS)
    with pytest.raises(ConfigurationError, match="fits block 1 and block 2 of the mapping"):
        tried(settings, tmp_path)


def test_files_of_many_firms_are_read_together(settings: Settings, tmp_path: Path) -> None:
    """The firm and the account are in the path: one statement reads all, each row under its own.

    The direction is a part of how a row is read, and separates the files.
    """
    text_of_it = (
        MAPPING.replace("{uscc}/*.csv", "{dc}/{uscc}/{account_no}.csv")
        .replace("      进出: {to: dc, values: {进: IN, 出: OUT}}\n", "      进出: null\n")
        .replace('    constants: {account_no: "0062"}\n', "")
    )
    write(settings, text_of_it)
    for direction, firm, account, amount in (
        ("贷", FIRM, "0062", "5.00"), ("贷", FIRM, "063", "6.00"), ("贷", OTHER, "0062", "7.00"),
        ("借", OTHER, "064", "8.00"),
    ):  # fmt: skip
        put(tmp_path, f"{direction}/{firm}/{account}.csv", [f"02.01.2024,,{amount},1.5,乙公司"])
    (delivery,) = hand_over(settings, tmp_path)
    folder = settings.inbox / "bank" / delivery.delivery_id
    ref = read_manifest(folder, "bank", contracts.load())
    assert ref.manifest is not None
    own = contracts.load()["bank_txn"]
    found = chunks.inspect(ref, ref.manifest, own, tmp_path / "scratch", 2)
    assert sorted(len(chunk.files) for chunk in found.chunks) == [1, 3]
    permit(settings, grant(source="bank"), grant(f"uscc:{OTHER}", source="bank"))
    assert nightly.land(settings, "bank", DAY).totals.landed == 4
    assert query(
        settings, "select firm, account_no, dc, amount::varchar from vault.raw.bank_txn order by 4"
    ) == [
        (f"uscc:{FIRM}", "0062", "IN", "5.00"), (f"uscc:{FIRM}", "063", "IN", "6.00"),
        (f"uscc:{OTHER}", "0062", "IN", "7.00"), (f"uscc:{OTHER}", "064", "OUT", "8.00"),
    ]  # fmt: skip


LOANS = """\
version: 1
provider: example bank
files:
  - pattern: "*.xlsx"
    table: loan
    columns:
      合同: {to: loan_no, digits: 6}
      客户: uscc
      决定日: decided_at
      状态: null
      截止: null
    constants: {decision: 通过}
  - pattern: "*.xlsx"
    table: loan_outcome
    columns:
      合同: {to: loan_no, digits: 6}
      客户: uscc
      状态: {to: outcome, values: {A: 正常, C: 违约}}
      截止: observed_until
    not_rows: {状态: [""]}
"""


def test_one_sheet_of_two_tables(settings: Settings, tmp_path: Path) -> None:
    """With one pattern two blocks read the same rows; numbers get back the zeros that they lost."""
    write(settings, LOANS)
    content = exports.sheet([
        ["合同", "客户", "决定日", "状态", "截止"],
        [62, FIRM, "2024-01-05", "A", "2024-03-30"],
        [123456, FIRM, "2024-01-06", "C", "2024-03-30"],
        ["000063", OTHER, "2024-01-07", None, None],
        [62.5, OTHER, "2024-01-08", None, None],
        [-7, OTHER, "2024-01-08", None, None],
        [1e15, OTHER, "2024-01-08", None, None],
    ])  # fmt: skip
    (tmp_path / "loans.xlsx").write_bytes(content)
    found = tried(settings, tmp_path)
    assert [(t.table, t.rows, t.good, t.not_rows) for t in found.tables] == [
        ("loan", 6, 3, 0), ("loan_outcome", 2, 2, 4),
    ]  # fmt: skip
    hand_over(settings, tmp_path)
    assert nightly.land(settings, "lender", DAY).totals.landed == 5
    assert query(settings, "select loan_no from vault.raw.loan order by 1") == [
        ("000062",), ("000063",), ("123456",),
    ]  # fmt: skip
    assert query(settings, "select loan_no, outcome from vault.raw.loan_outcome order by 1") == [
        ("000062", "PERFORMING"), ("123456", "DEFAULTED"),
    ]  # fmt: skip


def test_a_number_whose_digits_nobody_said_is_not_guessed(
    settings: Settings, tmp_path: Path
) -> None:
    write(settings, LOANS.replace("{to: loan_no, digits: 6}", "loan_no"))
    rows = [["合同", "客户", "决定日", "状态", "截止"], [62, FIRM, "2024-01-05", "A", "2024-03-30"]]
    (tmp_path / "loans.xlsx").write_bytes(exports.sheet(rows))
    loans, _ = tried(settings, tmp_path).tables
    (problem,) = loans.problems
    assert (problem.column, problem.rule, problem.value_class) == ("loan_no", "code", "scientific")


def test_the_same_pattern_for_the_same_table_twice(settings: Settings, tmp_path: Path) -> None:
    write(settings, LOANS.replace("loan_outcome", "loan").replace("not_rows", "# not_rows"))
    (tmp_path / "loans.xlsx").write_bytes(exports.sheet([["合同"], [62]]))
    with pytest.raises(ContractError, match="outcome"):
        tried(settings, tmp_path)


def test_a_day_after_today(
    settings: Settings, tmp_path: Path, clock_at: Callable[[date], None]
) -> None:
    clock_at(DAY)
    write(settings)
    put(tmp_path, f"{FIRM}/a.csv", ROWS)
    with pytest.raises(ConfigurationError, match="the day of the delivery 2024-04-01 is after"):
        hand_over(settings, tmp_path, delivered_on=date(2024, 4, 1))
    (delivery,) = hand_over(settings, tmp_path, delivered_on=None)
    assert "-20240331-" in delivery.delivery_id


def test_no_good_row(settings: Settings, tmp_path: Path) -> None:
    write(settings)
    put(tmp_path, f"{FIRM}/a.csv", ROWS[3:])
    with pytest.raises(NotReadyError, match="no row of the files is good; nothing is delivered"):
        hand_over(settings, tmp_path)
    with pytest.raises(NotReadyError, match=r"there is no \{uscc\}/\*.csv among the 0 files"):
        tried(settings, tmp_path / FIRM / "none")


def test_another_delivery_of_the_provider_waits(settings: Settings, tmp_path: Path) -> None:
    """A broken manifest in the inbox stops nothing."""
    write(settings)
    put(tmp_path, f"{FIRM}/a.csv", ROWS)
    broken = deliver(settings, {}, source="bank", delivery_id="broken")
    (broken / "manifest.json").write_text("{")
    assert manifests.kind_of(settings, "example bank", "bank", "x") == "history"
    deliver(settings, {}, source="bank", delivery_id="other", provider="example bank")
    (delivery,) = hand_over(settings, tmp_path)
    assert manifest(settings, delivery)["kind"] == "increment"


def test_days_that_no_manifest_has(settings: Settings, tmp_path: Path) -> None:
    write(settings, MAPPING.replace("%d.%m.%Y", "%Y-%m-%d"))
    put(tmp_path, f"{FIRM}/a.csv", ["1970-01-01,进,5.00,1.5,", "2150-01-01,进,5.00,1.5,"])
    (delivery,) = hand_over(settings, tmp_path)
    told = manifest(settings, delivery)
    assert (told["period_start"], told["period_end"]) == ("1990-01-01", "2100-12-31")


def test_a_data_file_called_manifest_is_none(settings: Settings, tmp_path: Path) -> None:
    write(settings, MAPPING.replace('"{uscc}/*.csv"', '"{uscc}/*"\n    format: csv'))
    put(tmp_path, f"{FIRM}/a.csv", ROWS)
    put(tmp_path, f"{FIRM}/manifest.json", ROWS)
    put(tmp_path, f"{FIRM}/.hidden.csv", ROWS)
    assert tried(settings, tmp_path).tables[0].files == 1


def test_the_evening_is_chinas() -> None:
    assert manifests.evening(DAY) == datetime(2024, 3, 31, 22, tzinfo=CHINA)


@pytest.mark.parametrize("export", BANKS, ids=lambda export: export.mapping)
def test_no_changed_mapping_crashes_on_files(
    settings: Settings, tmp_path: Path, export: Export
) -> None:
    folder = export.write(tmp_path / "files")
    original = (files.INCLUDED / f"{export.mapping}.yml").read_text(encoding="utf-8")
    draw = random.Random(export.mapping)  # noqa: S311 - test data, not a secret
    read = 0
    for _ in range(sized(60, 400)):
        write(settings, _mutated(draw, original), "changed")
        try:
            mapping = files.load(settings, "changed")
        except ContractError:
            continue
        read += 1
        try:
            trial.run(settings, mapping, folder)
        except (NotReadyError, ConfigurationError):
            continue
    assert read > 3


def test_every_kind_at_once(settings: Settings, tmp_path: Path) -> None:
    """Several tables of several sources become a delivery each."""
    text_of_it = """\
version: 1
provider: example
files:
  - {pattern: "销项/*.xlsx", table: tax_invoice, sheet: 发票基础信息, constants: {direction: OUT}}
  - {pattern: "进项/*.xlsx", table: tax_invoice, sheet: 发票基础信息, constants: {direction: IN}}
  - {pattern: "{uscc}/*.csv", table: bank_txn}
"""
    write(settings, text_of_it)
    folder = Export("", {**exports.ETAX, **exports.CCB.files}, ()).write(tmp_path / "files")
    found = hand_over(settings, folder)
    assert [delivery.source for delivery in found] == ["tax", "bank"]
    for delivery in found:
        permit(settings, grant(source=delivery.source))
        assert nightly.land(settings, delivery.source, DAY).problems == ()
    assert query(settings, "select count(*) from vault.raw.tax_invoice") == [(4,)]
    assert query(settings, "select count(*) from vault.raw.bank_txn") == [(2,)]
