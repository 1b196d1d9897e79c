"""The documentation builds without warnings and is complete."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli import COMMANDS
from cli.lazy import walk
from extracts import contracts
from features import registry
from firmpulse import stored_tables
from firmpulse.settings import PROJECT_ROOT, Settings
from scoring import publish
from scoring.warnings import rules

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site; any warning stops the build."""
    folder = tmp_path_factory.mktemp("site")
    made = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=PROJECT_ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> registry.Registry:
    """Return the features."""
    return registry.load(Settings(home=tmp_path_factory.mktemp("known")))


def _text(site: Path, page: str) -> str:
    raw = (site / page / "index.html").read_text("utf-8")
    return html.unescape(re.sub(r"<[^>]+>", " ", raw))


def _words(text: str) -> set[str]:
    return set(re.split(r"[\s,]+", text))


def test_every_command_and_option_is_in_it(site: Path) -> None:
    text = _text(site, "reference/commands")
    found = list(walk(COMMANDS))
    assert len(found) > 50
    for path, command in found:
        assert " ".join(("firmpulse", *path)) in text, path
        for parameter in command.params:
            if parameter.name != "help" and parameter.param_type_name == "option":
                assert set(parameter.opts) <= _words(text), (path, parameter.opts)


# A command line in a page, such as `firmpulse vault rotate --master`.
_CALL = re.compile(r"(?:^|[`\s/])firmpulse (?!import )([a-z][^`\n#|]*)", re.M)


def test_every_command_and_option_that_the_pages_call_exists() -> None:
    pages = [*PROJECT_ROOT.glob("*.md"), *(PROJECT_ROOT / "docs").rglob("*.md")]
    called = [
        (page.name, call.split())
        for page in pages
        if page.name != "CHANGELOG.md"
        for call in _CALL.findall(page.read_text("utf-8"))
    ]
    assert len(called) > 200
    commands = dict(walk(COMMANDS))
    for page, words in called:
        path: tuple[str, ...] = ()
        while words and (*path, words[0]) in commands:
            path = (*path, words.pop(0))
        assert path, (page, words)
        command = commands[path]
        assert not hasattr(command, "commands") or not words, (page, command.name, words)
        known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        used = {option for word in words for option in re.findall(r"^\[?(--[a-z-]+)", word)}
        assert command.name == "airflow" or used <= known, (page, command.name, used - known)


def test_every_setting_is_in_it(site: Path) -> None:
    words = _words(_text(site, "reference/settings"))
    assert {f"FIRMPULSE_{name.upper()}" for name in Settings.model_fields} <= words


def test_every_table_and_column_that_is_delivered_is_in_it(site: Path) -> None:
    words = _words(_text(site, "reference/contracts"))
    assert len(contracts.load()) > 20
    for table, contract in contracts.load().items():
        assert {table, *(column.name for column in contract.columns)} <= words, table


def test_every_feature_is_in_it(site: Path, known: registry.Registry) -> None:
    assert len(known.features) > 150
    assert {*known.names(), *known.views()} <= _words(_text(site, "reference/features"))


def test_every_published_table_column_and_view_is_in_it(site: Path) -> None:
    words = _words(_text(site, "reference/tables"))
    for table in stored_tables.PUBLISHED:
        assert {table.published_name, *table.published_columns} <= words, table.name
    assert set(publish.VIEWS) <= words


def test_every_stored_table_and_column_is_in_it(site: Path) -> None:
    words = _words(_text(site, "reference/stored-tables"))
    for table in stored_tables.ALL:
        if table.databases:
            assert {f"{table.schema}.{table.name}", *table.columns} <= words, table.name


def test_every_rule_is_in_it(site: Path, known: registry.Registry, settings: Settings) -> None:
    book = rules.load(settings, known)
    assert {rule.id for rule in book.rules} <= _words(_text(site, "reference/rules"))


def test_every_page_of_the_folder_is_in_it(site: Path) -> None:
    for path in (PROJECT_ROOT / "docs").rglob("*.md"):
        page = path.relative_to(PROJECT_ROOT / "docs").with_suffix("")
        assert (site / page / "index.html").exists(), page


def test_it_needs_nothing_from_elsewhere(site: Path) -> None:
    loads = re.compile(r'<(?:script|img|link)\b[^>]*(?:src|href)="(https?:)?//')
    for path in site.rglob("*.html"):
        assert not loads.search(path.read_text("utf-8")), path.name
