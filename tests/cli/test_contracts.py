"""The contracts as shown to users and providers."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.contracts import app
from extracts import contract_page, contracts
from extracts.manifest import Manifest
from firmpulse.errors import ConfigurationError

RUNNER = CliRunner(env={"COLUMNS": "220"})


class _Page(HTMLParser):
    """Texts by section, and what the page would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.loads: list[str] = []
        self.anchors: list[str] = []
        self._section = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record where a section begins and what a tag points to."""
        found = dict(attrs)
        if tag == "section":
            self._section = found["id"] or ""
        if tag in ("script", "link", "img", "iframe") or "src" in found:
            self.loads.append(tag)
        if tag == "a":
            self.anchors.append(found["href"] or "")

    def handle_data(self, data: str) -> None:
        """Collect the text of the section."""
        self.texts[self._section] = self.texts.get(self._section, "") + " " + data.strip()


@pytest.fixture(scope="module")
def html() -> str:
    return contract_page.render(contracts.load())


def test_list_names_every_table_with_its_chinese_name() -> None:
    result = RUNNER.invoke(app, ["list"])
    assert result.exit_code == 0
    for name, contract in contracts.load().items():
        assert re.search(rf"\b{name}\b.*{contract.name_zh}", result.stdout), name
    power = RUNNER.invoke(app, ["list", "--source", "power"])
    assert "power_event" in power.stdout
    assert "tax_invoice" not in power.stdout


def test_show_tells_headers_and_what_becomes_of_a_column() -> None:
    result = RUNNER.invoke(app, ["show", "tax_arrears"])
    assert result.exit_code == 0
    assert "欠税发生次日" in result.stdout
    assert "key: uscc + tax_item + period_start + since" in result.stdout
    (amount,) = [line for line in result.stdout.splitlines() if re.search(r"\bamount\b", line)]
    assert "decimal(18,2)" in amount
    assert "CNY" in amount
    assert "kept" in amount


def test_show_tells_what_may_stand_for_a_column() -> None:
    shown = " ".join(RUNNER.invoke(app, ["show", "bank_txn"]).stdout.split())
    assert "or two columns, one of them filled: OUT = 借方发生额, 借方金额" in shown
    assert "or without dc and with a sign: + is IN, - is OUT" in shown
    assert "(booked_clock)" in shown
    invoice = RUNNER.invoke(app, ["show", "tax_invoice"]).stdout
    assert "or several of these headers side by side, one of them filled" in invoice


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "tax_grad"], "no table 'tax_grad'; list them with: firmpulse contracts list"),
        (["list", "--source", "water"], "no source 'water'; use one of tax, bank"),
        (["page", "--to", "/proc/nope/x.html"], "set --to to a writable file or folder"),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], message: str) -> None:
    result = RUNNER.invoke(app, arguments)
    assert isinstance(result.exception, ConfigurationError)
    assert message in str(result.exception)


@pytest.mark.parametrize(
    ("to", "written"), [("page.html", "page.html"), ("new/folder", "new/folder/contracts.html")]
)
def test_page_is_written_to_a_file_or_into_a_folder(
    tmp_path: Path, html: str, to: str, written: str
) -> None:
    result = RUNNER.invoke(app, ["page", "--to", str(tmp_path / to)])
    assert result.exit_code == 0
    assert "33 tables" in result.stdout
    assert (tmp_path / written).read_text(encoding="utf-8") == html


def test_page_needs_no_network_and_its_links_lead_somewhere(html: str) -> None:
    page = _Page(html)
    assert page.loads == []
    assert "http" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert len(page.anchors) == 33 + 5
    assert {anchor.removeprefix("#") for anchor in page.anchors} <= set(page.texts)


def test_page_tells_everything_about_every_column(html: str) -> None:
    page = _Page(html)
    for table, contract in contracts.load().items():
        text = page.texts[table]
        for both in (contract.grain, contract.publication_lag):
            assert both.zh in text
            assert both.en in text
        for column in contract.columns:
            told = [column.name, column.description, *column.headers, *column.scaled_headers]
            told += [*column.values, *column.values.values()]
            other = column.alternatives
            told += [*other.fallback_headers, *(part.name for part in other.parts)]
            told += [header for part in other.parts for header in part.headers]
            assert [part for part in told if part not in text] == [], column.name
    assert "换成代号" in page.texts["bank_account"]
    assert "或不带 dc，以正负号表示方向：正为 IN，负为 OUT" in page.texts["bank_txn"]
    assert "只在加密区短期留存" in page.texts["legend"]


def test_example_on_the_page_is_a_manifest_that_is_taken(html: str) -> None:
    (shown,) = re.findall(r"<pre>(.*?)</pre>", html, re.DOTALL)
    text = shown.replace("&#34;", '"')
    manifest = Manifest.model_validate(json.loads(text))
    known = contracts.load()
    for file in manifest.files:
        columns = {column.name for column in known[file.table].columns}
        assert known[file.table].source == manifest.source
        assert {*file.headers.values(), *file.constants} <= columns
    for name in contract_page.formats():
        assert name in _Page(html).texts["deliver"]


def test_text_of_a_contract_cannot_become_markup() -> None:
    grain = contracts.Bilingual("<script>alert(1)</script>", "一行")
    contract = contracts.load()["tax_grade"]
    changed = contract.__class__(**{**contract.__dict__, "grain": grain})
    html = contract_page.render({"tax_grade": changed})
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
