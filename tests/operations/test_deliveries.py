"""Why a delivery was refused or a row quarantined: one command, one query, one answer to send."""

import csv as csv_files
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app
from expectations import handover
from extracts.connectors import pull_delivery
from extracts.vault import nightly
from features.build import build
from firmpulse import warehouse
from firmpulse.errors import ExpectationFailed, NotReadyError
from firmpulse.settings import Settings
from operations import answer, quarantine
from operations.deliveries import find, known
from operations.delivery import Delivery
from scoring import publish
from tests.extracts.inbox import AS_OF, FIRM, OTHER, csv, deliver, grant, payment, permit, query

# An unreadable amount in line 3 and no start of the period in line 4; zz.csv lacks columns.
GOOD_AND_BAD = csv(
    [
        payment(item="增值税"),
        payment(item="城建税", amount="一百元整"),
        payment(item="教育费附加", start=""),
        payment(item="印花税", amount="七十"),
    ]
)
LACKING = "纳税人识别号,征收项目\n914403001922038216,增值税\n".encode()


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return a home with a delivery that landed in part, one refused whole, one that waits."""
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    permit(settings)
    deliver(settings, {"good.csv": GOOD_AND_BAD, "zz.csv": LACKING}, delivery_id="tax-part")
    folder = settings.inbox / "tax" / "tax-broken"
    folder.mkdir()
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    nightly.land(settings, "tax", AS_OF)
    deliver(
        settings, {"next.csv": csv([payment()])}, delivery_id="tax-next", delivered=date(2024, 4, 2)
    )
    return settings


@contextmanager
def _held(settings: Settings, *, vault: bool) -> Iterator[None]:
    """Hold the files in another process, like a task of a night."""
    code = (
        "import sys; from firmpulse import warehouse; from firmpulse.settings import Settings\n"
        f"with warehouse.connect(Settings(), vault={vault}, warehouse={not vault}):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        yield
    finally:
        holder.communicate("")


def _by_id(settings: Settings) -> dict[str, Delivery]:
    return {one.delivery_id: one for one in known(settings).deliveries}


def _said(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["deliveries", *arguments])


def test_each_delivery_has_its_verdict_and_sentence(home: Settings) -> None:
    found = _by_id(home)
    assert {name: one.verdict for name, one in found.items()} == {
        "tax-part": "landed in part", "tax-broken": "refused", "tax-next": "waiting",
    }  # fmt: skip
    assert found["tax-part"].sentence == (
        "landed in the night of 2024-03-31: 1 of 5 rows are stored, 3 in quarantine, 1 in refused "
        "files"
    )
    assert found["tax-broken"].sentence == (
        "refused in the night of 2024-03-31: the manifest is not JSON in UTF-8; send it again; it "
        "stays in the inbox and is tried again every night"
    )
    assert found["tax-next"].sentence == (
        "not landed yet: it waits in the inbox and lands in the night of 2024-04-02 or the next one"
    )
    # What waits comes first.
    assert known(home).deliveries[0].delivery_id == "tax-next"


def test_a_delivery_of_bookings_says_how_many_texts_are_not_recognised(home: Settings) -> None:
    permit(home, grant(source="bank"))
    lines = [
        f"{FIRM},{n},621,2024-02-01,借,{amount},5,{kind},{summary}"
        for n, (amount, kind, summary) in enumerate(
            [(100, "", "货款"), (200, "转账", "转账"), (100, "手续费", ""), (400, "", "")]
        )
    ]
    header = "客户证件号,流水号,账号,交易时间,借贷标志,发生额,余额,交易类型,摘要"
    deliver(
        home, {"a.csv": csv(lines, header)}, table="bank_txn", source="bank", delivery_id="bank-1"
    )
    nightly.land(home, "bank", AS_OF)
    assert "no rule recognises" not in _said("bank-1").output
    build(home, AS_OF, "mask")
    assert (
        "2 of 4 bookings (50.0%, 75.0% of the amount) have a text that no rule recognises"
        in _said("bank-1").output
    )
    assert json.loads(_said("bank-1", "--json").output)["texts"] == {
        "bookings": 4, "unknown": 2, "unknown_amount_share": 0.75,
    }  # fmt: skip


def test_lines_files_columns_and_rules_are_named_and_no_value(home: Settings) -> None:
    found = quarantine.located(home, _by_id(home)["tax-part"])
    told = [
        (one.problem, one.file_no, one.file, one.column, one.rule, one.value_class, one.rows,
         one.lines)
        for one in found.problems
    ]  # fmt: skip
    assert told == [
        ("quarantined", 1, "good.csv", "amount", "decimal", "chinese", 2, (3, 5)),
        ("quarantined", 1, "good.csv", "period_start", "required", "empty", 1, (4,)),
        ("refused", 2, "zz.csv", None, None, None, 1, ()),
    ]
    page = _said("tax-part").output
    assert "lines 3, 5" in page
    assert "zz.csv" in page
    for value in ("一百元整", "七十", "914403001922038216", "印花税"):
        assert value not in page
        assert value not in _said("tax-part", "--json").output


def test_a_list_is_filtered_and_printed_for_machines(home: Settings) -> None:
    def ids(*arguments: str) -> list[str]:
        told = _said("--json", *arguments)
        assert told.exit_code == 0, told.output
        return [one["delivery_id"] for one in json.loads(told.output)]

    assert ids() == ["tax-next", "tax-part", "tax-broken"]
    assert ids("--status", "refused") == ["tax-broken"]
    assert ids("--provider", "test", "--night", "2024-03-31") == ["tax-part"]
    assert ids("--source", "bank") == []
    assert "unknown status 'gone'" in str(_said("--status", "gone").exception)
    assert "landed in part" in _said().output


def test_an_unknown_id_comes_with_those_like_it(home: Settings) -> None:
    with pytest.raises(NotReadyError, match="did you mean tax-part"):
        find(known(home).deliveries, "tax-prat")
    deliver(home, {}, delivery_id="tax-part", source="bank", table="bank_txn")
    with pytest.raises(NotReadyError, match="a delivery of bank, tax; name one with --source"):
        find(known(home).deliveries, "tax-part")
    assert find(known(home).deliveries, "tax-part", "tax").verdict == "landed in part"


def test_a_delivery_that_is_still_pulled_and_one_without_files_are_told(home: Settings) -> None:
    folder = pull_delivery.working_folder(home, "tax") / "tax-half"
    whole = deliver(
        home, {"a.csv": csv([payment()]), "b.csv": csv([payment()])}, delivery_id="tax-half"
    )
    folder.parent.mkdir()
    whole.rename(folder)
    (folder / "b.csv").unlink()
    found = _by_id(home)["tax-half"]
    assert found.verdict == "incomplete"
    assert "1 of 2 files are here" in found.sentence
    shutil.rmtree(folder)
    deliver(home, {}, delivery_id="tax-empty")
    nightly.land(home, "tax", AS_OF)
    told = _said("tax-empty")
    assert told.exit_code == 0
    assert "tax-empty (tax) has landed; it contained no file" in told.output


def test_a_delivery_that_broke_its_checks_says_which_with_value_and_bound(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    firms = (FIRM, OTHER, "91440300192317458F")
    permit(settings, *(grant(f"uscc:{firm}") for firm in firms))
    lines = [
        payment(firms[n % 3], start=f"20{n // 12:02}-{n % 12 + 1:02}-01", amount="x")
        for n in range(60)
    ]
    deliver(settings, {"a.csv": csv([*lines, payment()])}, delivery_id="tax-bad")
    nightly.land(settings, "tax", AS_OF)
    with pytest.raises(ExpectationFailed) as stopped:
        handover.deliveries(settings, AS_OF)
    assert 'firmpulse accept tax-bad --because "..."' in str(stopped.value)
    found = _by_id(settings)["tax-bad"]
    assert found.verdict == "broke its checks"
    (check,) = found.checks
    assert check.suite == "delivery"
    assert check.broke == (
        "at most 5 % of a table's rows go to quarantine, or fewer than 50 rows, or those of 1 or 2 "
        "firms; seen: tax-bad / tax_payment 0.9836"
    )
    assert check.broke in found.sentence
    accepted = CliRunner().invoke(app, ["accept", "tax-bad", "--because", "confirmed by phone"])
    assert accepted.exit_code == 0
    found = _by_id(settings)["tax-bad"]
    assert found.verdict == "landed in part"
    assert found.sentence.endswith("had broken delivery and was accepted: confirmed by phone")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ["部分入库", "good.csv / amount (", "无法识别为：数值", "2 行", "行号：3, 5",
                "必填，但为空", "zz.csv：文件缺少必填列", "新的 delivery_id"]),
        ("en", ["stored in part", "good.csv / amount (", "cannot be read as: Number", "2 rows",
                "lines 3, 5", "is required and empty", "zz.csv: the file lacks", "new delivery"]),
    ],
)  # fmt: skip
def test_the_answer_says_what_to_repair_and_nothing_of_others(
    home: Settings, language: str, words: list[str]
) -> None:
    path = home.root / "answer.md"
    told = _said("tax-part", "--answer", str(path), "--language", language)
    assert told.exit_code == 0, told.output
    text = path.read_text("utf-8")
    for word in words:
        assert word in text
    for foreign in ("tax-broken", "tax-next", "一百元整", "七十", "914403001922038216", "test"):
        assert foreign not in text
    audited = CliRunner().invoke(app, ["audit", "list", "--action", "ANSWER"])
    assert "tax-part" in audited.output


def test_the_lines_go_to_the_provider_as_a_table_too(home: Settings) -> None:
    path = home.root / "answer.csv"
    assert _said("tax-part", "--answer", str(path)).exit_code == 0
    rows = list(csv_files.DictReader(path.read_text("utf-8-sig").splitlines()))
    assert [(row["file"], row["line"], row["column"], row["rule"]) for row in rows[:3]] == [
        ("good.csv", "3", "amount", "decimal"), ("good.csv", "5", "amount", "decimal"),
        ("good.csv", "4", "period_start", "required"),
    ]  # fmt: skip
    assert rows[3]["file"] == "zz.csv"
    assert rows[3]["rule"].startswith("the file lacks the required column")


def test_many_lines_are_named_up_to_a_bound_with_their_number(home: Settings) -> None:
    lines = [payment(item=f"项目{n}", amount="x") for n in range(80)]
    deliver(home, {"a.csv": csv(lines)}, delivery_id="tax-many")
    nightly.land(home, "tax", AS_OF)
    found = quarantine.located(home, _by_id(home)["tax-many"])
    assert " and 30 more" in answer.text(found, "en")
    assert "51 and 30 more" in answer.text(found, "en").replace(", ", " ")


def test_a_warning_of_a_contract_is_shown_and_needs_no_repair(home: Settings) -> None:
    permit(home, grant(source="power"))
    header = "用户证件号,户号,户名,合同容量,运行容量,电压等级,用电类别,状态,立户日期"
    line = f"{FIRM},0001,甲,100,{{}},10kV,大工业,正常,2020-01-01"
    lines = [line.format(250), line.format(90).replace("0001", "0002")]
    deliver(
        home, {"a.csv": csv(lines, header)}, table="power_account", source="power",
        delivery_id="power-1",
    )  # fmt: skip
    nightly.land(home, "power", AS_OF)
    found = quarantine.located(home, _by_id(home)["power-1"])
    assert found.verdict == "landed"
    assert "warning: power_account: running_above_contract: 1 rows" in _said("power-1").output
    assert "running_above_contract" not in answer.text(found, "en")


def test_one_query_says_it_too_and_names_no_file(home: Settings) -> None:
    publish.publish_again(home)
    with warehouse.connect_published(home) as connection:
        found = connection.execute(
            "select table_name, file_no, problem, rule, column_name, row_count, reason "
            "from delivery_problems where delivery_id = 'tax-part' order by file_no, row_count desc"
        ).fetchall()
        everything = str(connection.execute("from delivery_problems").fetchall())
    assert found[:2] == [
        ("tax_payment", 1, "quarantined", "decimal", "amount", 2, None),
        ("tax_payment", 1, "quarantined", "required", "period_start", 1, None),
    ]
    assert found[2][:3] == ("tax_payment", 2, "refused")
    assert found[2][6].startswith("the file lacks the required column")
    for text in ("good.csv", "zz.csv", "一百元整", "9144"):
        assert text not in everything


def test_while_a_task_holds_the_vault_the_rest_is_shown(home: Settings) -> None:
    with _held(home, vault=True):
        told = _said("tax-part")
        refused = _said("tax-part", "--answer", str(home.root / "x.md"))
    assert told.exit_code == 0
    assert "A task holds the vault" in told.output
    assert "quarantined: tax_payment, file 1: amount, decimal, chinese: 2 rows" in told.output
    assert "an answer needs lines from the vault" in str(refused.exception)


def test_while_a_task_holds_the_warehouse_what_was_published_is_shown(home: Settings) -> None:
    publish.publish_again(home)
    with _held(home, vault=False):
        found = known(home)
        told = _said("tax-part")
    assert found.is_published
    assert {one.delivery_id: one.verdict for one in found.deliveries} == {
        "tax-part": "landed in part", "tax-broken": "refused", "tax-next": "waiting",
    }  # fmt: skip
    assert "this is what was published last" in " ".join(told.output.split())


def test_a_landing_that_is_repeated_says_each_problem_once(home: Settings) -> None:
    before = query(home, "select count(*) from warehouse.ops.delivery_problems")
    nightly.land(home, "tax", AS_OF)
    assert query(home, "select count(*) from warehouse.ops.delivery_problems") == before


BANK_HEADER = "客户证件号,账号,交易时间,借方发生额,贷方发生额,余额,币种,流水号"
# Three bookings under one number; a line with both amounts; a title above and a total below.
BANK = "\n".join([
    "账户交易明细",
    BANK_HEADER,
    f"{FIRM},6222000000000001,2024-03-01 09:00:00,10.00,,90.00,CNY,1",
    f"{FIRM},6222000000000001,2024-03-01 09:01:00,20.00,,70.00,CNY,1",
    f"{FIRM},6222000000000001,2024-03-01 09:02:00,,30.00,100.00,CNY,1",
    f"{FIRM},6222000000000001,2024-03-02 09:00:00,5.00,5.00,100.00,CNY,2",
    "合计,,,35.00,35.00,,,",
]).encode() + b"\n"  # fmt: skip


def test_titles_shared_numbers_and_cells_that_exclude_each_other_are_shown(home: Settings) -> None:
    permit(home, grant(source="bank"))
    deliver(home, {"a.csv": BANK}, table="bank_txn", source="bank", delivery_id="bank-1", rows=4)
    nightly.land(home, "bank", AS_OF)
    said = " ".join(_said("bank-1").output.split())
    assert "no rows: file 1: line 1 above the header skipped, line 7 below the rows" in said
    assert "3 of 4 rows share their key (account_no + txn_no)" in said
    assert "amount (借方发生额, 贷方发生额), several_filled, several: 1 rows" in said
    found = quarantine.located(home, _by_id(home)["bank-1"])
    told = answer.text(found, "zh")
    assert (
        "- bank_txn / a.csv / amount (借方发生额, 贷方发生额)："
        "同一行中这些列只能填写一列；1 行（内容类型：多列有值）" in told
    )
    assert "行号：6" in told


def test_a_code_that_could_be_accepted_comes_with_the_command(home: Settings) -> None:
    off_standard = FIRM[:-1] + "7"
    deliver(home, {"a.csv": csv([payment(off_standard)])}, delivery_id="tax-code")
    nightly.land(home, "tax", AS_OF)
    said = " ".join(_said("tax-code").output.split())
    assert "firmpulse firms accept-code" in said
    assert off_standard not in said
