"""Tables of signed authorisations, as banks keep them: what is recorded and what is refused."""

import csv
import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from cli import app
from consent import audit, datasets
from consent.ledger import Ledger
from extracts.grants import columns, files, firm_lists, template
from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.errors import DeliveryRefused, FirmpulseError, GrantError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, FIRM, OTHER, deliver, payment, query
from tests.extracts.inbox import csv as rows_of

HEADER = "授权编号,统一社会信用代码,授权数据来源,授权目的,授权起始日,授权截止日,授权书版本,单独同意"
CODE_17 = FIRM[:17]


def row(number: str = "S-1", firm: str = FIRM, **changes: str) -> str:
    cells = {
        "sources": "税务", "purposes": "贷后监测", "begin": "2024-01-01", "end": "2026-12-31",
        "text": "2026-01", "separate": "", **changes,
    }  # fmt: skip
    return ",".join([number, firm, *cells.values()])


def table(
    folder: Path, *lines: str, header: str = HEADER, encoding: str = "utf-8", name: str = "g.csv"
) -> Path:
    path = folder / name
    path.write_bytes("\n".join([header, *lines, ""]).encode(encoding))
    return path


def take(settings: Settings, path: Path, scheme: str = "uscc") -> files.Imported:
    return files.import_file(settings, path, actor="user test", scheme=scheme)


def live(settings: Settings) -> list[tuple[str, ...]]:
    found = Ledger(settings).live(date(2024, 6, 30)).sort("authorization_id")
    return [tuple(map(str, r)) for r in found.drop("firm_id", "recipient").rows()]


def token(settings: Settings, firm: str) -> str:
    return str(tokens.firm_token(keyring.load(settings, "token_key"), firm))


def test_a_form_with_several_sources_and_purposes_becomes_one_grant_each(
    settings: Settings, tmp_path: Path
) -> None:
    lines = [row("S-1", sources="税务、银行流水", purposes="一次信用评估；贷后监测", separate="是")]
    for recorded, known, grants in ((1, 0, 4), (0, 1, 0)):
        done = take(settings, table(tmp_path, *lines))
        report = done.report
        assert (report.recorded, report.known, report.refused) == (recorded, known, 0)
        assert (report.grants, report.problems, done.ignored) == (grants, (), ())
    begin, end = "2024-01-01", "2026-12-31"
    # Window of the usual history: 6 months of the bank, 36 of others.
    assert live(settings) == [
        ("S-1-bank-CREDIT_EVAL", "bank", "CREDIT_EVAL", "2023-07-01", begin, end, "False"),
        ("S-1-bank-POST_LOAN_MONITOR", "bank", "POST_LOAN_MONITOR", "2023-07-01", begin, end,
         "False"),
        ("S-1-tax-CREDIT_EVAL", "tax", "CREDIT_EVAL", "2021-01-01", begin, end, "False"),
        ("S-1-tax-POST_LOAN_MONITOR", "tax", "POST_LOAN_MONITOR", "2021-01-01", begin, end,
         "False"),
    ]  # fmt: skip
    assert query(settings, "select firm from vault.ops.firm_directory") == [(f"uscc:{FIRM}",)]
    entries = audit.entries(settings, action="GRANT")
    assert {entry.actor for entry in entries} == {"user test"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_encodings_and_delimiters(
    settings: Settings, tmp_path: Path, encoding: str, delimiter: str
) -> None:
    lines = [line.replace(",", delimiter) for line in (HEADER, row(sources="税务 电力"))]
    path = table(tmp_path, lines[1], header=lines[0], encoding=encoding)
    assert take(settings, path).report.grants == 2


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ("tax", ["tax"]),
        ("Tax; supply chain", ["tax", "supply_chain"]),
        ("supply_chain/power", ["supply_chain", "power"]),
        ("税务 供应链 电力", ["tax", "supply_chain", "power"]),
        ("税务,税务，电力", ["tax", "power"]),
        ("项目合同\n电力", ["project_contracts", "power"]),
    ],
)
def test_several_sources_in_one_cell(
    settings: Settings, tmp_path: Path, sources: str, found: list[str]
) -> None:
    report = take(settings, table(tmp_path, row(sources=f'"{sources}"'))).report
    assert report.problems == ()
    assert sorted(r[1] for r in live(settings)) == sorted(found)


@pytest.mark.parametrize(
    "day", ["2024-01-01", "2024/1/1", "2024.01.01", "20240101", "2024年1月1日", "２０２４－１－１"]
)
def test_usual_forms_of_a_day(settings: Settings, tmp_path: Path, day: str) -> None:
    assert take(settings, table(tmp_path, row(begin=day))).report.recorded == 1
    assert live(settings)[0][4] == "2024-01-01"


def test_what_a_row_leaves_out_is_as_in_the_command(settings: Settings, tmp_path: Path) -> None:
    header = (
        "Authorisation number,Firm,Sources,Purposes,Valid from,Text version,备注,Signed by,保留结果"
    )
    lines = [
        f"S-1,uscc:{FIRM},tax,CREDIT_EVAL,2024-06-15,2026-01,x,经营者,是",
        f"S-2,{FIRM.lower()},tax,POST_LOAN_MONITOR,2024-06-15,2026-01,x,,",
    ]
    done = take(settings, table(tmp_path, *lines, header=header))
    assert (done.report.recorded, done.report.problems, done.ignored) == (2, (), (7,))
    found = Ledger(settings).status(token(settings, f"uscc:{FIRM}"), date(2024, 6, 30))
    told = found.sort("authorization_id").select(
        "recipient", "valid_to", "grantor_role", "keep_results", "separate_consent"
    )
    assert told.rows() == [
        ("demo-bank", date(2024, 7, 14), "proprietor", True, False),
        ("demo-bank", date(2025, 6, 14), "legal_representative", False, False),
    ]


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        (row(firm=f"{CODE_17}7"),
         ["line 3, 统一社会信用代码 firm: the code does not match its check character: one of the "
          "characters is mistyped; if the licence shows it like this, record it with: firmpulse "
          "firms accept-code CODE --because REASON"]),
        (row(firm="9.14403E+17"),
         ["line 3, 统一社会信用代码 firm: was turned into a number by a spreadsheet, which loses "
          "digits; make the column text and type it again"]),
        (row(firm=""), ["line 3, 统一社会信用代码 firm: is empty; fill it"]),
        (row(number=""), ["line 3, 授权编号 authorization_id: is empty; fill it"]),
        (row(number=f"A-{FIRM}"),
         ["line 3: authorization_id contains a firm's code; number grants without it"]),
        (row(sources="税务、八卦"),
         ["line 3, 授权数据来源 sources: has a word that is none of 税务 tax, 银行流水 bank, "
          "供应链 supply_chain, 电力 power, 创业者信用 founder_credit, 项目合同 project_contracts, "
          "工商与司法公开信息 public_records; correct it"]),
        (row(purposes="好奇", begin="2024-02-30"),
         ["line 3, 授权目的 purposes: has a word that is none of 一次信用评估 CREDIT_EVAL, "
          "贷后持续监测 POST_LOAN_MONITOR, 模型训练 MODEL_TRAINING; correct it",
          "line 3, 授权起始日 valid_from: is not a day of the calendar; write it like 2026-10-31"]),
        (row(end="长期"),
         ["line 3, 授权截止日 valid_to: is not a day of the calendar; write it like 2026-10-31"]),
        (row(end="2023-12-31"),
         ["line 3, 授权截止日 valid_to: 2023-12-31 is before the first day 2024-01-01; correct one "
          "of them"]),
        (row(sources="税务、银行流水"),
         ["line 3, 单独同意 separate_consent: 银行流水 bank needs separate consent; write 是 yes "
          "if the grantor gave it, or leave it out of this row"]),
        (row(separate="大概"),
         ["line 3, 单独同意 separate_consent: is neither 是 yes nor 否 no; write one of them"]),
        (row(text="ours"),
         ["line 3: the grant refers to a text ours that is not known here; add its text_sha256"]),
        (row() + ",x", ["line 3: the row has 9 cells and the header 8; move them back"]),
    ],
)  # fmt: skip
def test_a_wrong_row_is_refused_as_a_whole_and_the_others_are_recorded(
    settings: Settings, tmp_path: Path, line: str, problems: list[str]
) -> None:
    path = table(tmp_path, row("S-0"), line, "", row("S-2", OTHER))
    report = take(settings, path).report
    assert (report.recorded, report.known, report.refused) == (2, 0, 1)
    assert list(report.problems) == problems
    assert CODE_17 not in "".join(report.problems)
    assert [r[0] for r in live(settings)] == [
        "S-0-tax-POST_LOAN_MONITOR",
        "S-2-tax-POST_LOAN_MONITOR",
    ]


def test_a_row_that_changes_a_known_grant_is_refused_with_all_its_grants(
    settings: Settings, tmp_path: Path
) -> None:
    take(settings, table(tmp_path, row("S-1"), row("S-2", OTHER)))
    changed = [row("S-1", OTHER, sources="税务、电力"), row("S-2", OTHER), row("S-3")]
    report = take(settings, table(tmp_path, *changed)).report
    assert (report.recorded, report.known, report.refused) == (1, 1, 1)
    assert report.problems == (
        "line 2: the grant is known with another firm; a firm that changes its mind revokes the "
        "grant and gives a new one",
    )
    assert [r[1] for r in live(settings)] == ["tax"] * 3


def test_a_withdrawn_grant_does_not_come_back(settings: Settings, tmp_path: Path) -> None:
    path = table(tmp_path, row())
    take(settings, path)
    firm_id = token(settings, f"uscc:{FIRM}")
    Ledger(settings).revoke(firm_id, on=date(2024, 6, 1), actor="test")
    assert take(settings, path).report.known == 1
    assert live(settings) == []


def test_numbers_of_another_scheme(settings: Settings, tmp_path: Path) -> None:
    lines = [row("S-1", " ab-1 "), row("S-2", "AB-1"), row("S-3", f"uscc:{FIRM}"), row("S-4", "-")]
    report = take(settings, table(tmp_path, *lines), scheme="cumcm").report
    assert (report.recorded, report.refused) == (3, 1)
    assert query(settings, "select firm from vault.ops.firm_directory order by 1") == [
        ("cumcm:AB-1",),
        ("cumcm:ab-1",),
        (f"uscc:{FIRM}",),
    ]


@pytest.mark.parametrize(
    ("header", "lines", "words"),
    [
        ("授权编号,税号", [], "no column for 授权数据来源 sources, 授权目的 purposes, "),
        (
            HEADER + ",税号",
            [row() + ",x"],
            "two columns for 统一社会信用代码 firm: columns 2 and 9",
        ),
        ("", [], "is empty; it needs a header and a row per authorisation"),
        (row(), [HEADER, row("S-2")], "its header below row 1, which could be an authorisation"),
    ],
)
def test_a_table_that_cannot_be_taken_is_refused(
    settings: Settings, tmp_path: Path, header: str, lines: Sequence[str], words: str
) -> None:
    with pytest.raises(DeliveryRefused, match=words):
        take(settings, table(tmp_path, *lines, header=header))
    assert live(settings) == []


def test_no_header_belongs_to_two_columns() -> None:
    for field in columns.FIELDS:
        for header in (field.name, field.header.zh, field.header.en, *field.others):
            assert columns.field_of(f" {header}* ") is field, header


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_template_is_filled_in_and_taken(
    settings: Settings, tmp_path: Path, language: template.Language
) -> None:
    path = tmp_path / "grants.xlsx"
    template.write(path, language)
    book = openpyxl.load_workbook(path)
    sheet, notes = book.worksheets
    assert [notes.cell(n, 1).value for n in range(2, 15)] == [
        str(cell.value).removesuffix("*") for cell in sheet[1]
    ]
    numeric = "914403001922038216"
    filled = {
        "authorization_id": 1001, "firm": numeric, "sources": "tax、电力", "purposes": "贷后监测",
        "valid_from": date(2024, 1, 1), "valid_to": "2026年12月31日", "text_version": "2026-01",
        "grantor_role": "法定代表人" if language == "zh" else "legal_representative",
    }  # fmt: skip
    for place, field in enumerate(columns.FIELDS, 1):
        sheet.cell(2, place, filled.get(field.name))
    book.save(path)
    done = take(settings, path)
    assert (done.report.problems, done.report.grants, done.ignored) == ((), 2, ())
    assert [r[0] for r in live(settings)] == [
        "1001-power-POST_LOAN_MONITOR",
        "1001-tax-POST_LOAN_MONITOR",
    ]


def test_the_template_as_csv_has_the_same_headers(tmp_path: Path) -> None:
    template.write(tmp_path / "g.csv", "zh")
    text = (tmp_path / "g.csv").read_text(encoding="utf-8-sig")
    (header,) = csv.reader(io.StringIO(text))
    assert header[:3] == ["授权编号*", "统一社会信用代码*", "授权数据来源*"]
    assert len(columns.places("g.csv", tuple(header))) == len(columns.FIELDS)


def test_a_data_set_is_granted_with_a_reason_that_the_chain_keeps(
    settings: Settings, tmp_path: Path
) -> None:
    listed = table(tmp_path, "ab-1", "A-1", "", "ab-1", "--", header="company_id")
    firms = firm_lists.read(listed, "cumcm")
    because, actor = "bought for research", "Li Wei"
    for recorded, known in ((2, 0), (0, 2)):
        report = datasets.grant(settings, firms, ["tax"], because=because, actor=actor)
        assert (report.recorded, report.known, report.refused) == (recorded, known, 1)
    assert report.problems == (
        "line 6: firm: the identifier has no letter and no digit after its scheme; write it like "
        "cumcm:E7",
    )
    deliver(settings, {"a.csv": rows_of([payment("ab-1", paid="1991-02-10")])}, id_scheme="cumcm")
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=1, landed=1)
    entries = [e for e in audit.entries(settings, action="GRANT") if e.subject is None]
    assert [(e.actor, e.details) for e in entries] == [
        (actor, '{"because":"bought for research","firms":2,"grants":4,'
                '"purposes":"CREDIT_EVAL, MODEL_TRAINING","sources":"tax","what":"data set"}'),
    ]  # fmt: skip
    history = Ledger(settings).history(token(settings, "cumcm:A-1"))
    assert set(history["reason"]) == {because}
    status = Ledger(settings).status(token(settings, "cumcm:A-1"), AS_OF)
    assert set(status["text_version"]) == {"data-set"}
    assert not any(firm in name for name in status["authorization_id"] for firm in ("A-1", "ab-1"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"because": " "}, "say who grants the data set and why"),
        ({"because": f"firm {FIRM}"}, "long number or code"),
        ({"actor": ""}, "say who grants"),
        ({"sources": ["lender"]}, "there is no source lender"),
        ({"sources": []}, "name what the data set contains"),
        ({"purposes": ["FUN"]}, "there is no purpose FUN"),
    ],
)
def test_a_data_set_is_not_granted_without_a_reason(
    settings: Settings, changes: dict[str, object], words: str
) -> None:
    terms = {"sources": ["tax"], "because": "published", "actor": "Li Wei", **changes}
    with pytest.raises(GrantError, match=words):
        datasets.grant(settings, {1: "cumcm:E1"}, **terms)  # type: ignore[arg-type]
    assert audit.entries(settings) == []


def test_firms_of_a_parquet_file(tmp_path: Path) -> None:
    import polars as pl

    path = tmp_path / "firms.parquet"
    pl.DataFrame({"enterprise": [3, 1, 3], "kwh": [1, 2, 3]}).write_parquet(path)
    assert list(firm_lists.read(path, "yz", "Enterprise").values()) == ["yz:3", "yz:1"]
    with pytest.raises(DeliveryRefused, match="no columns for firms, such as 信用代码 or firm"):
        firm_lists.read(path, "yz")


def test_the_commands(settings: Settings, tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(
            app, ["consent", *arguments],
            env={"FIRMPULSE_HOME": str(settings.root), "COLUMNS": "160"},
        )  # fmt: skip
        if isinstance(result.exception, FirmpulseError):
            return 1, str(result.exception)
        return result.exit_code, result.stdout

    unknown = [row(f"S-{number}", purposes="监测") for number in range(3, 8)]
    code, said = run("import", str(table(tmp_path, *unknown, name="unknown.csv")))
    # One word that is wrong on every row is one mistake.
    assert said.count("has a word that is none of") == 1
    assert "2, 3, 4 … (5)" in said
    assert "5 refused" in said
    path = table(tmp_path, row(), row("S-2", f"{CODE_17}7"))
    code, said = run("import", str(path))
    assert code == 1
    assert (
        "rows 行: 1 recorded 已登记 (1 grants 项授权), 0 known already 此前已登记, 1 refused"
        in said
    )
    assert "统一社会信用代码 firm" in said
    assert CODE_17 not in said
    code, said = run("import", str(path), "--to", str(tmp_path / "refused.csv"))
    assert "0 recorded 已登记 (0 grants 项授权), 1 known already 此前已登记, 1 refused" in said
    written = (tmp_path / "refused.csv").read_text(encoding="utf-8-sig").splitlines()
    assert written[0] == "row,column,problem"
    assert written[1].startswith("3,统一社会信用代码 firm,")
    assert run("import", str(path), "--to", "x.txt") == (1, "--to x.txt must end in .csv")
    code, said = run("import", str(path), "--scheme", "税号")
    assert (code, said[:20]) == (1, "--scheme 税号 is not a")
    assert run("template", "--to", str(tmp_path / "t.xlsx"))[0] == 0
    firms = table(tmp_path, "E1", "E2", header="firm", name="firms.csv")
    granted = ("grant-dataset", "--firms", str(firms), "--scheme", "cumcm", "--source", "tax",
               "--because", "published", "--by", "Li Wei")  # fmt: skip
    code, said = run(*granted)
    assert (code, "2 recorded 已登记 (4 grants 项授权)" in said) == (0, True)
    assert "2 known already" in run(*granted)[1]
    environment = {"FIRMPULSE_HOME": str(settings.root)}
    rotated = CliRunner().invoke(app, ["vault", "rotate", "--tokens"], env=environment)
    assert rotated.exit_code == 0, rotated.exception
    # The numbers of these grants are the same under the new tokens.
    assert "0 recorded 已登记 (0 grants 项授权), 2 known already" in run(*granted)[1]
