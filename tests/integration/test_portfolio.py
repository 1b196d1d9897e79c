"""A bank's whole portfolio, by the commands of docs/onboarding.md, from files to a scored night."""

import re
import shlex
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cli.simulate import PORTFOLIO_MONTHS, SEED
from extracts.vault import nightly
from firmpulse import warehouse
from firmpulse.settings import PROJECT_ROOT, Settings
from simulator import Economy, bank, invoices, power
from simulator.world import World, build_world
from tests.homes import know_tokens
from tests.integration.conftest import command, firmpulse
from tests.sizes import EXHAUSTIVE, sized
from training import versions

PAGE = PROJECT_ROOT / "docs" / "onboarding.md"
SECTION = "A bank's whole portfolio"
# In small, the first bank's model learns and scores, but has too few loans for the gates.
FIRMS = {"first": sized(40, 400), "second": sized(30, 400)}
# Commands whose DAG needs a process of its own.
IN_PROCESS = ("night", "train")
DAY = date(2026, 11, 1)


def commands(bank_name: str) -> list[list[str]]:
    """Return the commands of the page for one of its banks: a block each."""
    (section,) = (
        part for part in PAGE.read_text(encoding="utf-8").split("\n## ") if part.startswith(SECTION)
    )
    blocks = re.findall(r"```sh\n(.*?)```", section, re.S)
    (block,) = (block for block in blocks if f"--bank {bank_name}" in block)
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    # Delivering checks too; workbooks are read once less.
    return [words for words in lines if words[-1] != "--check" or words[2].endswith("/bank")]


def run(settings: Settings, folder: Path, bank_name: str, words: list[str]) -> str:
    """Run a command of the page in the home of a test, with fewer firms."""
    files, home = f"var/{bank_name}/files", f"var/{bank_name}/home"
    words = [word.replace(files, str(folder)).replace(home, str(settings.root)) for word in words]
    program, *arguments = words
    if program == "export":
        return ""
    if program == "cp":
        source, target = arguments
        shutil.copy(PROJECT_ROOT / source, target)
        return ""
    assert program == ".venv/bin/firmpulse"
    if arguments[:2] == ["simulate", "portfolio"]:
        arguments += ["--firms", str(FIRMS[bank_name])]
    called = firmpulse if arguments[0] in IN_PROCESS else command
    return called(settings, *arguments)


def world_of_all(firms: int) -> World:
    """Return the economy of which the bank's firms are a part."""
    start = date(2026, 11 - PORTFOLIO_MONTHS % 12, 1).replace(year=2026 - PORTFOLIO_MONTHS // 12)
    return build_world(Economy(SEED, firms * 3, start, PORTFOLIO_MONTHS), PORTFOLIO_MONTHS)


def months_of(world: World, rows: object, firms: set[str]) -> pl.DataFrame:
    """Return the rows of firms that are known on the last day, as the simulator makes them."""
    assert callable(rows)
    every = pl.concat([rows(world, month) for month in range(world.months)])
    last = world.economy.last_day.toordinal() - date(1970, 1, 1).toordinal()
    codes = world.uscc.gather(every["_firm"])
    return every.with_columns(uscc=codes).filter(
        pl.col("uscc").is_in(list(firms)) & (pl.col("_available") <= last)
    )


def landed(settings: Settings, table: str, columns: str) -> pl.DataFrame:
    with warehouse.connect(settings, vault=True) as connection:
        found: pl.DataFrame = connection.execute(
            f"select substr(firm, 6) as uscc, {columns} from vault.raw.{table}"
        ).pl()
    return found


def assert_same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    expected = expected.select(found.columns).cast(dict(found.schema))
    assert_frame_equal(found, expected, check_row_order=False)


def signed_by(rows: list[list[str]], header: str) -> set[str]:
    """Return the firms of a table of authorisations."""
    at = next(n for n, row in enumerate(rows) if header in row)
    place = rows[at].index(header)
    return {row[place] for row in rows[at + 1 :] if len(row) > place}


def assert_landed_as_simulated(
    settings: Settings, folder: Path, signed: set[str], firms_of_bank: int
) -> None:
    """Every row of the firms that signed is in the vault, with its content, and no other row."""
    world = world_of_all(firms_of_bank)
    firms = {path.name for path in (folder / "bank").iterdir() if path.is_dir()} & signed
    assert len(firms) > 0.8 * firms_of_bank

    bookings = months_of(world, bank.bank_txn, firms).with_columns(
        dc=pl.col("dc").replace_strict({"借": "OUT", "贷": "IN"})
    )
    assert_same(
        landed(settings, "bank_txn",
               "account_no, txn_no, booked_at, dc, amount, balance, summary"),
        bookings,
    )  # fmt: skip

    key = ["uscc", "direction", "invoice_code", "invoice_no"]
    sides = months_of(world, invoices.tax_invoices, signed).with_columns(
        direction=pl.col("direction").replace_strict({"进项": "IN", "销项": "OUT"}),
        status=pl.col("status").replace_strict({"正常": "NORMAL", "作废": "VOID"}),
    )
    # An invoice is in an export once, in its last state.
    last = sides.group_by(key).agg(pl.col("status").max(), pl.exclude("status").last())
    known = {path.name for path in (folder / "invoices").iterdir()}
    assert_same(
        landed(settings, "tax_invoice",
               "direction, invoice_code, invoice_no, issue_time, amount, tax, total, status"),
        last.filter(pl.col("uscc").is_in(list(known))),
    )  # fmt: skip

    bills = months_of(world, power.power_bill, signed).sort("updated_at")
    holders = landed(settings, "power_bill", "cons_no")["uscc"].unique().to_list()
    assert_same(
        landed(settings, "power_bill",
               "cons_no, bill_month, kwh_total, kwh_peak, amount, penalty, paid_at, updated_at"),
        bills.filter(pl.col("uscc").is_in(holders)).unique(["cons_no", "bill_month"], keep="last"),
    )  # fmt: skip

    everyone = {path.name for path in (folder / "bank").iterdir() if path.is_dir()}
    assert_loans_landed(settings, world, everyone)


def assert_loans_landed(settings: Settings, world: World, everyone: set[str]) -> None:
    """Every draw-down of the simulated books is a loan, and every default ends one."""
    first, codes = world.paths.row(0), world.uscc.to_list()
    rows = slice(first, first + world.months)
    drawn = {
        (codes[firm], world.economy.month(month), int(world.paths.drawdown[first + month, firm]))
        for month, firm in np.argwhere(world.paths.refinanced[rows])
        if codes[firm] in everyone
    }
    loans = landed(settings, "loan", "loan_no, decided_at, decision, amount")
    assert loans["loan_no"].n_unique() == len(loans)
    granted = loans.filter(pl.col("decision") == "GRANTED")
    months = granted["decided_at"].dt.month_start()
    cents = granted["amount"] * 100
    assert drawn <= set(zip(granted["uscc"], months, map(int, cents), strict=True))
    bad = landed(settings, "loan_outcome", "outcome").filter(
        pl.col("outcome").is_in(["DEFAULTED", "WRITTEN_OFF", "SOLD"])
    )
    late = (world.paths.days_past_due[rows] >= 90).any(axis=0)
    defaulted = {code for code, is_late in zip(codes, late, strict=False) if is_late}
    assert set(bad["uscc"]) & everyone == defaulted & everyone & set(granted["uscc"])


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path / "home", threads=2, memory_limit="2GB")
    know_tokens(settings)
    return settings


def test_from_a_banks_files_to_a_scored_night(home: Settings, tmp_path: Path) -> None:
    """The first bank's way; with all firms, the model passes its gates."""
    folder = tmp_path / "files"
    for words in commands("first"):
        if words[1:2] == ["train"] and not EXHAUSTIVE:
            words = words[: words.index("--approver")]
        if words[1:3] == ["report", "firm"]:
            words = [*words[:3], scored_firm(home)]
        run(home, folder, "first", words)
        if words[1:2] == ["train"] and not EXHAUSTIVE:
            versions.make_champion(home, "1", "Li Wei")
    sheet = openpyxl.load_workbook(folder / "authorisations.xlsx").worksheets[0]
    rows = [[str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    signed = signed_by(rows, "统一社会信用代码")
    assert_landed_as_simulated(home, folder, signed, FIRMS["first"])
    with warehouse.connect_published(home) as connection:
        ((scored, grades),) = connection.execute(
            "select count(*), count(distinct grade) from scores where as_of = ?", [DAY]
        ).fetchall()
    assert 0.9 * len(signed) <= scored <= len(signed)
    assert grades > 1
    assert list(home.reports_dir.glob("*.html"))


def scored_firm(home: Settings) -> str:
    """Return the code of a firm that has a score."""
    with warehouse.connect(home, vault=True) as connection:
        ((firm,),) = connection.execute(
            "select min(firm) from vault.ops.firm_directory "
            "where firm_id in (select firm_id::uuid from warehouse.scoring.scores)"
        ).fetchall()
    return str(firm).removeprefix("uscc:")


def test_a_second_bank_of_other_shapes_lands_with_equal_content(
    home: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    for words in commands("second"):
        if words[1:2] == ["night"]:
            break
        run(home, folder, "second", words)
    text = (folder / "authorisations.csv").read_text("gb18030")
    signed = signed_by([line.split(",") for line in text.splitlines()], "企业代码")
    for source in ("bank", "tax", "power", "lender"):
        assert nightly.land(home, source, DAY).problems == ()
    assert_landed_as_simulated(home, folder, signed, FIRMS["second"])
