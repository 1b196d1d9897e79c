"""What is proposed for files of which nothing is known, and that it reads them as it says."""

import json
import random
from pathlib import Path

import openpyxl
import pytest

from extracts import contracts
from extracts.mappings import files, patterns, proposal, trial, yaml_text
from extracts.mappings.proposal import Block, Proposal
from extracts.mappings.trial import Tried
from firmpulse.errors import ConfigurationError, ContractError, NotReadyError
from firmpulse.settings import PROJECT_ROOT, Settings
from tests.extracts import corpus
from tests.extracts.exports import ACCOUNT, BANKS, sheet, text
from tests.extracts.inbox import FIRM, OTHER
from tests.sizes import sized

CASES = PROJECT_ROOT.parents[1] / "shared" / "cases"


def propose(settings: Settings, folder: Path, table: str | None = None) -> Proposal:
    with trial.scratch_of(settings) as scratch:
        return proposal.propose(folder, scratch, table)


def put(folder: Path, **content: bytes | str) -> Path:
    for name, cells in content.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cells if isinstance(cells, bytes) else cells.encode())
    return folder


def columns(block: Block) -> dict[str, str | None]:
    return {guess.header: guess.to for guess in block.guesses}


def confirmed(
    settings: Settings, folder: Path, found: Proposal, *answers: tuple[str, str]
) -> Tried:
    """Fill in what a person must say, in order, and read the files by the mapping."""
    written = yaml_text.write(found, "example")
    for place, answer in answers:
        assert f'{place}: "?"' in written, written
        written = written.replace(f'{place}: "?"', f"{place}: {json.dumps(answer)}", 1)
    assert '"?"' not in written, written
    path = settings.mappings_dir / "example.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written, encoding="utf-8")
    return trial.run(settings, files.read(path), folder)


def test_the_account_of_the_other_side_is_not_the_firms_own(
    settings: Settings, tmp_path: Path
) -> None:
    """Nor is a time of day lost beside a header that the contract knows as a day."""
    lines = [
        "交易日,时刻,借方(支),贷方(收),结存额,对手方,对手方账号,交易序号",
        "20240102,101112,5.00,,9.00,乙公司,1001,S1",
        "20240103,,,1.00,10.00,丙公司,1002,S2",
    ]
    put(tmp_path, **{f"{FIRM}__a.csv": text([f"账号：{ACCOUNT}", *lines])})
    (block,) = propose(settings, tmp_path).blocks
    assert columns(block) == {
        "交易日": "booked_day", "时刻": "booked_clock", "借方(支)": "amount_out",
        "贷方(收)": "amount_in", "结存额": "balance", "对手方": "cp_name",
        "对手方账号": "cp_account", "交易序号": "txn_no",
    }  # fmt: skip
    assert (block.above, block.missing) == ({"账号": "account_no"}, ())


def test_a_sheet_of_loans_and_one_of_their_outcomes(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path, **{
        "a.xlsx": sheet([
            ["审批台账"],
            "申请流水号 客户证照号 终审日 终审意见 批复额度(元) 期限(月) 月供(元)".split(),
            ["2024000001", FIRM, "2024-01-05", "放款", 500000, 12, 43000.5],
        ]),
        "b.xlsx": sheet([
            ["申请流水号", "客户证照号", "台账状态", "转不良日期", "数据日期"],
            ["2024000001", FIRM, "次级", "2024-09-05", "2024-12-31"],
        ]),
    })  # fmt: skip
    loans, outcomes = propose(settings, tmp_path).blocks
    assert (loans.table, loans.missing) == ("loan", ())
    assert columns(loans) == {
        "申请流水号": "loan_no", "客户证照号": "uscc", "终审日": "decided_at",
        "终审意见": "decision", "批复额度(元)": "amount", "期限(月)": "term_months",
        "月供(元)": "instalment",
    }  # fmt: skip
    assert (outcomes.table, outcomes.missing) == ("loan_outcome", ())
    assert columns(outcomes) == {
        "申请流水号": "loan_no", "客户证照号": "uscc", "台账状态": "outcome",
        "转不良日期": "outcome_at", "数据日期": "observed_until",
    }  # fmt: skip


def test_english_headers_with_semicolons_and_decimal_commas(
    settings: Settings, tmp_path: Path
) -> None:
    lines = [
        "Posting Date;Debit;Credit;Running Balance;Beneficiary;Narrative;Reference No",
        "31/01/2024;1.234,50;;8.765,50;Alpha GmbH;Rechnung 7;R-1",
        "01/02/2024;;500,00;9.265,50;Beta AG;Zahlung;R-2",
    ]
    folder = put(tmp_path / "in", **{"Umsatz Januar.csv": "\r\n".join(lines) + "\r\n"})
    found = propose(settings, folder)
    (block,) = found.blocks
    assert (block.table, block.sights[0].delimiter) == ("bank_txn", ";")
    assert columns(block) == {
        "Posting Date": "booked_day", "Debit": "amount_out", "Credit": "amount_in",
        "Running Balance": "balance", "Beneficiary": "cp_name", "Narrative": "summary",
        "Reference No": "txn_no",
    }  # fmt: skip
    by_header = {guess.header: guess for guess in block.guesses}
    assert by_header["Posting Date"].formats == ("%d/%m/%Y",)
    assert by_header["Debit"].decimal == ","
    assert 0.8 < by_header["Debit"].confidence < 1
    tried = confirmed(settings, folder, found, ("uscc", FIRM), ("account_no", "0062"))
    (table,) = tried.tables
    assert (table.rows, table.good, table.problems) == (2, 2, ())
    assert table.preview["amount"] == ("1234.50", "500.00")
    assert table.preview["booked_at"] == ("2024-01-31 00:00:00", "2024-02-01 00:00:00")
    assert table.preview["account_no"] is None


def test_a_day_and_a_month_that_could_be_either_are_asked_for(
    settings: Settings, tmp_path: Path
) -> None:
    folder = put(tmp_path / "in", a="date,amount,balance\n02/03/2024,-1.00,9.00\n")
    (guess, *_) = propose(settings, folder, "bank_txn").blocks[0].guesses
    assert guess.formats == ("%d/%m/%Y", "%m/%d/%Y")
    assert 'format: "?"  # %d/%m/%Y or %m/%d/%Y' in yaml_text.write(
        propose(settings, folder, "bank_txn"), "x"
    )


def test_unknown_texts_of_a_direction_are_asked_for(settings: Settings, tmp_path: Path) -> None:
    lines = ["日期,金额,方向,余额", "2024-01-02,1.00,付,9.00", "2024-01-03,2.00,收,11.00"]
    found = propose(settings, put(tmp_path / "in", **{"a.csv": text(lines)}))
    (block,) = found.blocks
    assert columns(block)["方向"] == "dc"
    assert block.guesses[2].unknown_texts == ("付",)
    tried = confirmed(
        settings, tmp_path / "in", found,
        ('"付"' if '"付"' in yaml_text.write(found, "x") else "付", "OUT"),
        ("uscc", FIRM), ("account_no", "1"),
    )  # fmt: skip
    assert tried.tables[0].preview["dc"] == ("OUT", "IN")


def test_lines_of_junk_have_no_table(settings: Settings, tmp_path: Path) -> None:
    folder = put(tmp_path / "in", a="1,2,3\n4,5,6\n", b="")
    found = propose(settings, folder)
    assert [block.table for block in found.blocks] == [None]
    assert found.unreadable == (("b", "it has no table"),)
    written = yaml_text.write(found, "x")
    assert "# no table fits" in written
    with pytest.raises(NotReadyError, match="has no file with a table: b: it has no table"):
        propose(settings, put(tmp_path / "only", b=""))


def test_a_merged_header_of_two_lines(settings: Settings, tmp_path: Path) -> None:
    rows = [
        ["交易明细"],
        ["账号：", ACCOUNT],
        ["日期", "发生额", None, "余额", "摘要"],
        [None, "借方", "贷方"],
        ["2024-01-02", "1.00", None, "9.00", "货款"],
        ["2024-01-03", None, "2.00", "11.00", "货款"],
    ]
    folder = put(tmp_path / "in", **{"a.xlsx": sheet(rows, merged=["B3:C3"])})
    found = propose(settings, folder)
    (block,) = found.blocks
    assert (block.sights[0].header_lines, block.table) == (2, "bank_txn")
    assert columns(block)["发生额借方"] == "amount_out"
    assert columns(block)["发生额贷方"] == "amount_in"
    assert block.above == {"账号": "account_no"}
    tried = confirmed(settings, folder, found, ("uscc", FIRM))
    assert tried.tables[0].preview["dc"] == ("OUT", "IN")
    (entry,) = tried.entries["bank"]
    assert entry.constants["account_no"] == ACCOUNT


def test_two_sheets_are_two_blocks(settings: Settings, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    first, second = book.worksheets[0], book.create_sheet("贷款")
    first.title = "流水"
    for row in (["日期", "借方", "贷方", "余额"], ["2024-01-02", 1, None, 9]):
        first.append(row)
    for row in (["日期", "借方", "贷方", "余额", "摘要"], ["2024-01-03", None, 2, 11, "货款"]):
        second.append(row)
    (tmp_path / "in").mkdir()
    book.save(tmp_path / "in" / "a.xlsx")
    found = propose(settings, tmp_path / "in")
    assert [block.sights[0].sheet for block in found.blocks] == ["流水", "贷款"]
    answers = [("uscc", FIRM), ("account_no", "1"), ("uscc", FIRM), ("account_no", "2")]
    tried = confirmed(settings, tmp_path / "in", found, *answers)
    assert [(entry.name, entry.sheet) for entry in tried.entries["bank"]] == [
        ("a.xlsx", "流水"), ("a~2.xlsx", "贷款"),
    ]  # fmt: skip
    assert tried.tables[0].good == 2


def test_codes_in_the_path(settings: Settings, tmp_path: Path) -> None:
    lines = ["账号,交易时间,借方,贷方,余额", "1,2024-01-02 10:00:00,1.00,,9.00"]
    folder = tmp_path / "in"
    put(folder, **{f"{FIRM}__a.csv": text(lines), f"{OTHER}__b.csv": text(lines)})
    found = propose(settings, folder)
    (block,) = found.blocks
    assert (block.pattern, block.missing) == ("{uscc}/*.csv", ())
    assert confirmed(settings, folder, found).tables[0].firms == 2


def test_carried_lines_are_no_rows(settings: Settings, tmp_path: Path) -> None:
    lines = [
        "客户证件号,账号,交易时间,借方,贷方,余额,摘要",
        f"{FIRM},1,2024-01-02,,,10.00,承前页",
        f"{FIRM},1,2024-01-02,1.00,,9.00,货款",
        f"{FIRM},1,2024-01-03,,,9.00,过次页",
    ]
    found = propose(settings, put(tmp_path / "in", **{"a.csv": text(lines)}))
    assert found.blocks[0].not_rows == {"摘要": ("承前页", "过次页")}
    (table,) = confirmed(settings, tmp_path / "in", found).tables
    assert (table.rows, table.good, table.not_rows) == (1, 1, 2)


@pytest.mark.parametrize(
    ("own", "others", "pattern"),
    [
        (["a.csv"], ["b.csv"], "a.csv"),
        (["a.csv", "b.csv"], ["c.xlsx"], "*.csv"),
        (["in/a.csv", "in/b.csv"], ["out/c.csv"], "in/*.csv"),
        (["in/t1.csv", "in/t2.csv"], ["in/u1.csv"], "in/t*.csv"),
        (["in/1_t.csv", "in/2_t.csv"], ["in/1_u.csv"], "in/*_t.csv"),
        (["x_sold/E1.csv", "y_sold/E1.csv"], ["x_bought/E1.csv"], "*_sold/*.csv"),
        (["a/E1.csv", "b/E1.csv"], ["c.csv"], "*/*.csv"),
        (["a/b/1.csv", "c/1.csv"], ["a/b/1.xlsx"], "**/*.csv"),
        (["a/b/1_t.csv", "c/2_t.csv"], ["a/b/1_u.csv"], "**/*_t.csv"),
        ([f"{FIRM}/1.csv"], ["a.csv"], f"{FIRM}/1.csv"),
    ],
)
def test_patterns(own: list[str], others: list[str], pattern: str) -> None:
    assert patterns.of_files(own, [*own, *others]) == pattern


@pytest.mark.parametrize(
    ("own", "others", "pattern"),
    [
        ([f"{FIRM}/1.csv"], ["a.csv"], "{uscc}/*.csv"),
        ([f"{FIRM}/1.csv", f"{OTHER}/2.csv"], [], "{uscc}/*.csv"),
        ([f"{FIRM}/1.csv"], [f"{FIRM}/other.csv"], "{uscc}/1.csv"),
        ([f"a/{FIRM}.csv", f"b/{OTHER}.csv"], [], "**/{uscc}.csv"),
        ([f"a/{FIRM}_bank.csv"], [], "a/{uscc}_bank.csv"),
        ([f"{FIRM}/{OTHER}.csv"], [], None),
        (["ABCDEFGHABCDEFGHAB/1.csv"], [], None),
    ],
)
def test_patterns_with_a_code(own: list[str], others: list[str], pattern: str | None) -> None:
    assert patterns.with_code(own, [*own, *others]) == pattern


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["交易时间", "记账日期"], {"交易时间": "booked_clock", "记账日期": "booked_day"}),
        (["交易日期", "记账日期"], {"交易日期": "booked_day", "记账日期": None}),
        (["交易日期"], {"交易日期": "booked_at"}),
    ],
)
def test_day_and_time_are_taken_as_the_reader_takes_them(
    settings: Settings, tmp_path: Path, header: list[str], expected: dict[str, str | None]
) -> None:
    cells = {"交易时间": "10:11:12", "记账日期": "20240102", "交易日期": "20240102"}
    lines = [",".join([*header, "借方", "贷方", "余额"]),
             ",".join([*(cells[text] for text in header), "1.00", "", "9.00"])]  # fmt: skip
    found = propose(settings, put(tmp_path / "in", **{"a.csv": text(lines)}))
    told = columns(found.blocks[0])
    assert {name: told[name] for name in header} == expected
    (table,) = confirmed(
        settings, tmp_path / "in", found, ("uscc", FIRM), ("account_no", "1")
    ).tables
    assert (table.good, table.refused) == (1, ())


def test_names_that_a_pattern_would_read_otherwise(settings: Settings, tmp_path: Path) -> None:
    lines = ["客户证件号,账号,交易时间,借方,贷方,余额", f"{FIRM},1,2024-01-02,1.00,,9.00"]
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("流水[1]{a}*?.csv", "b\\c.csv", b"caf\xe9.csv".decode(errors="surrogateescape")):
        (folder / name).write_bytes(text(lines, "utf-8"))
        found = propose(settings, folder)
        tried = confirmed(settings, folder, found)
        assert (tried.refused, tried.tables[0].good) == ((), 1)
        (folder / name).unlink()


@pytest.mark.parametrize("export", BANKS, ids=lambda export: export.mapping)
def test_an_export_in_another_folder_needs_only_the_firm(
    settings: Settings, tmp_path: Path, export: object
) -> None:
    """The included mapping is copied, with what the path or a missing label would have said."""
    from tests.extracts.exports import Export

    assert isinstance(export, Export)
    (content,) = export.files.values()
    (name,) = (Path(name).name for name in export.files)
    folder = put(tmp_path / "in", **{name: content})
    found = propose(settings, folder)
    needed = found.blocks[0].missing
    assert set(needed) <= {"uscc", "account_no"}
    values = {"uscc": FIRM, "account_no": ACCOUNT}
    tried = confirmed(settings, folder, found, *((name, values[name]) for name in needed))
    assert (tried.tables[0].good, tried.refused) == (len(export.bookings), ())


def test_files_in_the_shapes_of_bug_reports(settings: Settings, tmp_path: Path) -> None:
    if not CASES.is_dir():
        pytest.skip(f"the inputs of earlier reports are not in {CASES.name} beside the project")
    known = {"01-etax-full-query": "etax", "02-ccb-two-columns": "ccb",
             "03-icbc-preamble": "icbc_transfers", "05-abc-date-time-apart": "abc_signed",
             "27-cmb-corporate": "cmb"}  # fmt: skip
    for case, name in known.items():
        (block,) = propose(settings, CASES / case).blocks
        assert block.like is not None, case
        assert block.like.name == name


def _folder_of_bad_files(folder: Path, draw: random.Random, count: int) -> None:
    folder.mkdir()
    for number, bad in enumerate(corpus.cases(draw.randrange(10**6), count)):
        suffix = draw.choice([bad.format, "csv", "xlsx", "txt", "dat"])
        (folder / f"{number}.{suffix}").write_bytes(bad.content)


def test_no_folder_of_broken_files_crashes(settings: Settings, tmp_path: Path) -> None:
    draw = random.Random(7)  # noqa: S311 - test data, not a secret
    known = list(contracts.load())
    for number in range(sized(3, 12)):
        folder = tmp_path / str(number)
        _folder_of_bad_files(folder, draw, 18)
        found = propose(settings, folder)
        yaml_text.write(found, "x")
        proposed = propose(settings, folder, draw.choice(known))
        written = yaml_text.write(proposed, "x").replace('"?"', '"1"')
        path = settings.mappings_dir / "x.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written, encoding="utf-8")
        try:
            tried = trial.run(settings, files.read(path), folder)
        except (ContractError, NotReadyError, ConfigurationError):
            continue
        assert len(tried.paths) + len(tried.refused) > 0
    assert list(settings.inbox.glob("**/*")) == []
