"""Each role tries to access what it must not; the table in docs/security.md lists the same."""

import re
import shutil
from pathlib import Path

import duckdb
import pytest

from firmpulse import warehouse
from firmpulse.errors import ConfigurationError
from firmpulse.keys import keyring
from firmpulse.settings import PROJECT_ROOT, Settings
from tests.integration.conftest import Assessed, firmpulse

SECURITY = PROJECT_ROOT / "docs" / "security.md"


@pytest.fixture(scope="module")
def scores(assessed: Assessed) -> Path:
    """Return the published file."""
    return assessed.settings.scores_path


# The analyst, with `firmpulse query`.


@pytest.mark.parametrize(
    "query",
    [
        "from read_text('/etc/passwd')",
        "from glob('/*')",
        "attach '{vault}' as vault",
        "attach '{warehouse}' as warehouse (type duckdb)",
        "copy scores to '{folder}/copied.csv'",
        "export database '{folder}/exported'",
        "install httpfs",
        "load '{folder}/x.duckdb_extension'",
        "set enable_external_access = true",
        "pragma enable_external_access = true",
        "delete from scores",
        "update scores set grade = 'A'",
        "create table mine as from scores",
        "drop view latest_scores",
        "from read_csv('http://127.0.0.1:9/x.csv')",
    ],
)
def test_an_analyst_reads_scores_and_reaches_nothing_else(
    assessed: Assessed, scores: Path, tmp_path: Path, query: str
) -> None:
    before = scores.read_bytes()
    settings = assessed.settings
    text = query.format(
        vault=settings.vault_path, warehouse=settings.warehouse_path, folder=tmp_path
    )
    with warehouse.connect_published(settings) as connection, pytest.raises(duckdb.Error):
        connection.execute(text).fetchall()
    assert scores.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_the_command_for_queries_refuses_in_a_sentence(assessed: Assessed) -> None:
    for query in ("from read_text('/etc/passwd')", "delete from scores"):
        with pytest.raises(AssertionError) as refused:
            firmpulse(assessed.settings, "query", query)
        assert "Traceback" not in str(refused.value)
        assert "root:" not in str(refused.value)


# The analyst with another client, connected as in the docs.


def test_the_connection_of_the_docs_reads_and_reaches_nothing_else(
    scores: Path, tmp_path: Path
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", SECURITY.read_text("utf-8"), re.S)
    assert "enable_external_access" in example
    code = example.replace("/srv/firmpulse/scores/scores.duckdb", str(scores))
    names: dict[str, object] = {}
    exec(compile(code, "docs/security.md", "exec"), names)  # noqa: S102 - our own example
    connection = names["connection"]
    assert isinstance(connection, duckdb.DuckDBPyConnection)
    assert connection.execute("select count(*) > 100 from latest_scores").fetchall() == [(True,)]
    for query in (
        "from read_text('/etc/passwd')",
        f"copy scores to '{tmp_path}/copied.csv'",
        "delete from scores",
        "set enable_external_access = true",
        "set lock_configuration = false",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(query).fetchall()
    connection.close()


def test_nothing_published_can_be_turned_back_without_the_token_key(
    assessed: Assessed, scores: Path, tmp_path: Path
) -> None:
    """With only the folder of scores: no name, no USCC, and no macro that makes tokens."""
    alone = tmp_path / "scores.duckdb"
    shutil.copyfile(scores, alone)
    with duckdb.connect(str(alone), read_only=True) as connection:
        columns = {
            name for (name,) in connection.execute("select column_name from duckdb_columns()"
                                                   " where not internal").fetchall()
        }  # fmt: skip
        assert "firm_id" in columns
        assert not columns & {"uscc", "firm", "name", "tax_no", "account_no"}
        with pytest.raises(duckdb.CatalogException):
            connection.execute("select token('firm', 'uscc:x')")
    secret = keyring.load(assessed.settings, "token_key").get_secret_value()
    assert secret.encode() not in scores.read_bytes()


# Someone with a copy of the disk, or of a backup, without the keys.


def test_the_files_open_with_no_key_and_with_no_other(assessed: Assessed, tmp_path: Path) -> None:
    settings = assessed.settings
    for path in (settings.vault_path, settings.warehouse_path):
        copied = tmp_path / path.name
        shutil.copyfile(path, copied)
        with duckdb.connect() as connection:
            with pytest.raises(duckdb.Error, match="encrypt"):
                connection.execute(f"attach '{copied}' as stolen")
            with pytest.raises(duckdb.Error):
                connection.execute(f"attach '{copied}' as stolen (encryption_key '{'0' * 64}')")


def test_a_home_without_its_keys_tells_what_is_missing_and_makes_none(
    assessed: Assessed, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    ignored = shutil.ignore_patterns("keys", "mlflow", "dbt", "inbox")
    shutil.copytree(assessed.settings.root, home, ignore=ignored, symlinks=True)
    stolen = Settings(home=home, memory_limit="2GB")
    with (
        pytest.raises(ConfigurationError, match="token_key is gone"),
        warehouse.connect(stolen, vault=True),
    ):
        pass
    assert not [path for path in home.rglob("*_key") if path.is_file()]
