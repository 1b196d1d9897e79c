"""Pages about simulated firms: they show what the tables contain, and nothing else."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from consent import directory
from consent.ledger import Ledger
from firmpulse import scale, warehouse
from firmpulse.calendar import CHINA, last_complete_month
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.pages import page, pdf
from firmpulse.settings import Settings
from scoring import overrides
from scoring.pages import dossier, firm, months, portfolio, reports, write
from tests.integration.conftest import Assessed

READER = write.Reader("analyst", datetime(2026, 11, 1, 9, 30, tzinfo=CHINA))
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def dossiers(assessed: Assessed) -> dict[str, dossier.Dossier]:
    return {one.firm_id: one for one in dossier.read(assessed.settings, assessed.as_of)}


@pytest.fixture(scope="module")
def everything(dossiers: dict[str, dossier.Dossier]) -> dossier.Dossier:
    """Return a firm that granted all four sources and has warnings."""
    return next(
        one
        for one in dossiers.values()
        if all(one.has(source) for source in ("tax", "bank", "supply_chain", "power"))
        and one.warnings and one.stressed
    )  # fmt: skip


def _page(
    one: dossier.Dossier, language: page.Language = "en", identifier: str | None = None
) -> str:
    cover = firm.Cover(identifier, "analyst", READER.at, "demo-bank", "simulated firms")
    return firm.render(one, cover, language)


def _cells(html: str, label: str) -> list[str]:
    """Return the texts of the cells after the one with this label."""
    row = re.search(rf"<td>{re.escape(label)}</td>(.*?)</tr>", html, re.S)
    assert row, label
    return [
        re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row[1], re.S)
    ]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_report_has_twelve_sections_and_needs_nothing_beside_it(
    everything: dossier.Dossier, language: page.Language
) -> None:
    html = _page(everything, language)
    assert [int(number) for number in re.findall(r'id="s(\d+)"', html)] == list(range(1, 13))
    assert len(re.findall("<svg", html)) >= 9
    assert not re.search(r"""(src|href)=["'](?!#|[0-9a-f-]{36}-(zh|en)\.html)""", html)
    assert "<script" not in html
    text = re.sub("<[^>]*>", " ", html)
    assert not re.search(r"\b(None|nan|NaN)\b", text)


def test_the_numbers_are_those_of_the_tables(
    assessed: Assessed, everything: dossier.Dossier
) -> None:
    html = _page(everything)
    last = last_complete_month(assessed.as_of)
    with warehouse.connect(assessed.settings) as connection:
        ((sales,),) = connection.execute(
            "select sum(net_cny) from warehouse.staging.stg_tax__invoice "
            "where firm_id = cast(? as uuid) and direction = 'OUT' and status <> 'VOID' "
            "and date_trunc('month', issued_on) = ? and available_at <= ? "
            "qualify row_number() over () = 1",
            [everything.firm_id, last, assessed.as_of],
        ).fetchall()
        ((score, prob, rules),) = connection.execute(
            "select score, default_prob, (select count(*) from warehouse.scoring.warnings as w "
            "where w.firm_id = s.firm_id and w.as_of = s.as_of) "
            "from warehouse.scoring.scores as s where firm_id = ? and as_of = ?",
            [everything.firm_id, assessed.as_of],
        ).fetchall()
    assert _cells(html, "Invoiced")[-1] == f"{float(sales) / 10_000:,.1f}"
    assert f'<div class="value">{score}</div>' in html
    assert f"{100 * prob:.2f}%" in html
    assert html.count('class="soft small">') > 0
    assert f"{rules} rules hold" in html


def test_what_was_not_granted_is_not_shown(
    assessed: Assessed, dossiers: dict[str, dossier.Dossier]
) -> None:
    live = Ledger(assessed.settings).live(assessed.as_of)
    granted = {f: set(g["source"]) for (f,), g in live.group_by("firm_id")}
    without = next(one for one in dossiers.values() if "bank" not in granted[one.firm_id])
    html = _page(without)
    assert "Bank transactions: not granted, or nothing was collected" in html
    assert "Days of cash" not in html
    assert without.balances == []


def test_a_month_without_a_row_is_zero_unless_its_source_is_overdue(
    everything: dossier.Dossier,
) -> None:
    rows = everything.monthly[months.INVOICES]
    kept = {month: row for month, row in rows.items() if month < everything.months[-3]}
    quiet = replace(everything, monthly={**everything.monthly, months.INVOICES: kept})
    overdue = replace(quiet, levels=[{**everything.levels[-1], "stale_sources": ["tax"]}])
    assert months.series(quiet, months.INVOICES, "sales_cny")[-3:] == [0, 0, 0]
    assert months.series(overdue, months.INVOICES, "sales_cny")[-3:] == [None, None, None]
    # A missing return was not filed yet; it is not zero.
    unfiled = replace(everything, monthly={months.RETURNS: {}})
    assert set(months.series(unfiled, months.RETURNS, "declared_cny")) == {None}


def test_before_the_rules_were_asked_there_is_no_level(everything: dossier.Dossier) -> None:
    html = _page(replace(everything, levels=[], warnings=[]))
    assert html.count("the rules were not checked yet") == 2
    assert "No rule holds" not in html
    assert "speaks for<" not in html


def test_a_page_names_no_other_firm_and_no_partner(
    assessed: Assessed, everything: dossier.Dossier
) -> None:
    html = _page(everything)
    tokens = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", html))
    assert tokens == {everything.firm_id}
    assert not re.search(r"\b9[123][0-9]{6}[0-9A-Z]{10}\b", html)
    assert "customer A" in html


def test_texts_cannot_become_markup(everything: dossier.Dossier) -> None:
    cover = firm.Cover(HOSTILE, HOSTILE, READER.at, HOSTILE, "delivered data")
    html = firm.render(everything, cover, "zh")
    assert HOSTILE not in html
    assert html.count("&lt;script&gt;") >= 3


def test_the_same_report_is_the_same_bytes(everything: dossier.Dossier) -> None:
    assert _page(everything, "zh") == _page(everything, "zh")


def test_a_simulated_firm_is_told_so(everything: dossier.Dossier) -> None:
    assert "says nothing about the market" in _page(everything)
    cover = firm.Cover(None, "analyst", READER.at, "demo-bank", "delivered data")
    assert "says nothing about the market" not in firm.render(everything, cover, "en")


def test_a_pdf_is_a4_and_numbered(everything: dossier.Dossier, tmp_path: Path) -> None:
    try:
        laid_out = pdf.pages(_page(everything, "zh"))
    except ConfigurationError as error:
        pytest.skip(str(error))
    sizes = {(round(one.width), round(one.height)) for one in laid_out.pages}
    assert sizes == {(794, 1123)}  # 210 x 297 mm in CSS pixels
    assert 4 <= len(laid_out.pages) <= 8
    target = pdf.write("<p>企业信用报告</p>", tmp_path / "report.pdf")
    assert target.read_bytes().startswith(b"%PDF-")
    plain = laid_out.write_pdf(uncompressed_pdf=True)
    assert re.search(rb"/FontName\s*/[A-Z]+\+Noto-?Sans-?SC", plain)


def test_every_id_of_a_page_is_its_own(everything: dossier.Dossier) -> None:
    html = _page(everything)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids)) > 20
    assert set(re.findall(r"""(?:url\(|href=")#([^)"]+)""", html)) <= set(ids)


def test_a_page_may_fetch_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"x")
    try:
        laid_out = pdf.pages(f'<img src="file://{secret}" alt="absent">')
    except ConfigurationError as error:
        pytest.skip(str(error))
    assert len(laid_out.pages) == 1


@pytest.fixture
def written(assessed: Assessed, everything: dossier.Dossier) -> Iterator[list[Path]]:
    """Write the reports of one firm, and remove them afterwards."""
    yield list(
        write.firms(assessed.settings, assessed.as_of, READER, firm_ids=[everything.firm_id])
    )
    reports.remove(assessed.settings, [everything.firm_id])


def test_reports_lie_where_only_the_owner_reads_and_go_with_the_firm(
    assessed: Assessed, everything: dossier.Dossier, written: list[Path]
) -> None:
    assert [path.name for path in written] == [
        f"{everything.firm_id}-{language}.html" for language in ("zh", "en")
    ]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    assert written[0].parent.stat().st_mode & 0o777 == 0o700
    assert reports.remove(assessed.settings, ["another"]) == {}
    assert reports.remove(assessed.settings, [everything.firm_id]) == {everything.firm_id: 2}
    assert not written[0].exists()


def test_a_report_that_was_requested_by_code_shows_it_in_its_one_form(
    assessed: Assessed, everything: dossier.Dossier
) -> None:
    token = everything.firm_id
    code = directory.identifiers(assessed.settings, [token])[token].removeprefix("uscc:")
    result = CliRunner().invoke(
        app,
        ["report", "firm", f" {code[:6].lower()}-{code[6:].lower()}", "--language", "en",
         "--as-of", assessed.as_of.isoformat()],
        env={"FIRMPULSE_HOME": str(assessed.settings.root), "COLUMNS": "300"},
    )  # fmt: skip
    assert result.exit_code == 0, result.exception
    try:
        assert code in Path(result.stdout.strip()).read_text(encoding="utf-8")
    finally:
        reports.remove(assessed.settings, [token])


def test_an_override_counts_while_the_model_gives_the_grade_it_answers(
    assessed: Assessed, everything: dossier.Dossier
) -> None:
    settings, day, token = assessed.settings, assessed.as_of, everything.firm_id
    order = [*scale.GRADE_UPPER_PD]
    given = order.index(everything.score["grade"])
    other = order[given - 1 if given else 1]

    def final_grade() -> str:
        return dossier.read(settings, day, [token])[0].final_grade

    def set_grade(grade: str) -> None:
        with warehouse.connect(settings) as connection:
            connection.execute(
                "update warehouse.scoring.scores set grade = ? where firm_id = ? and as_of = ?",
                [grade, token, day],
            )

    made = overrides.propose(settings, token, day, other, next(iter(overrides.REASONS)), "li")
    try:
        assert final_grade() == order[given]
        overrides.decide(settings, made.override_id, "wang", approve=True)
        assert final_grade() == other
        changed = next(grade for grade in order if grade not in (order[given], other))
        set_grade(changed)
        assert final_grade() == changed
    finally:
        set_grade(order[given])
        with warehouse.connect(settings) as connection:
            connection.execute("delete from warehouse.scoring.overrides")


def test_a_firm_without_a_score_gets_no_report(assessed: Assessed) -> None:
    unknown = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(NotReadyError, match="no grant in force that names this recipient"):
        dossier.read(assessed.settings, assessed.as_of, [unknown])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_portfolio_counts_what_is_published(
    assessed: Assessed, language: page.Language
) -> None:
    html = portfolio.render(assessed.settings, assessed.as_of, language)
    with warehouse.connect_published(assessed.settings) as connection:
        ((scored, red),) = connection.execute(
            "select (select count(*) from latest_scores), "
            "(select count(*) from latest_warning_levels where level in ('orange', 'red'))"
        ).fetchall()
    values = re.findall(r'<div class="value">(.*?)</div>', html)
    assert values[0] == f"{scored:,}"
    assert values[2] == f"{red:,}"
    assert re.findall(r'id="s(\d+)"', html) == list("123456")
    assert not re.search(r"\b(None|nan)\b", re.sub("<[^>]*>", " ", html))
    assert not re.search(r"""(src|href)=["'](?!portfolio-)""", html)


def test_a_portfolio_without_a_night_names_the_command(settings: Settings) -> None:
    from datetime import date

    with pytest.raises(NotReadyError, match="firmpulse night --as-of 2026-10-31"):
        portfolio.render(settings, date(2026, 10, 31), "en")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(123456.0, "12.35"), (-50_000.0, '<span class="neg">-5.00</span>'), (0.0, "0.00"),
     (-1e-9, "0.00"), (None, "—")],
)  # fmt: skip
def test_amounts_are_in_ten_thousands(value: float | None, shown: str) -> None:
    assert str(page.wan(value)) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.1234, "12.3%"), (-0.05, '<span class="neg">-5.0</span>%'), (None, "—")]
)
def test_shares_are_in_per_cent(value: float | None, shown: str) -> None:
    assert str(page.percent(value)) == shown
