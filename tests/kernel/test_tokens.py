"""Tokens: the SQL macro, Python's own HMAC and all key versions agree."""

import hashlib
import hmac
import uuid
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from firmpulse import warehouse
from firmpulse.errors import ConfigurationError, WrongKeyError
from firmpulse.keys import keyring, retoken, tokens
from firmpulse.settings import Settings
from tests.sizes import sized

FIRST, SECOND, THIRD = "ab" * 32, "01" * 32, "fe" * 32

# DuckDB accepts no NUL character and no lone surrogate in a text.
_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_keys = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4, unique=True)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open one session for all examples."""
    with duckdb.connect(":memory:") as session:
        yield session


def by_hand(secrets: list[bytes], domain: str, value: str) -> uuid.UUID:
    """Return the token by the standard library and the definition."""
    text = f"{domain}:{value}"
    for secret in secrets:
        digest = hmac.digest(secret, text.encode(), "sha256").hex()[:32]
        text = f"token:{uuid.UUID(digest)}"
    return uuid.UUID(digest)


def joined(secrets: list[bytes]) -> SecretStr:
    return SecretStr(",".join(secret.hex() for secret in secrets))


@given(secrets=_keys, domain=_texts, values=st.lists(_texts, min_size=1, max_size=20))
@hypothesis_settings(
    max_examples=sized(60, 300),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_sql_python_and_the_standard_library_agree(
    connection: duckdb.DuckDBPyConnection, secrets: list[bytes], domain: str, values: list[str]
) -> None:
    expected = [by_hand(secrets, domain, value) for value in values]
    key = joined(secrets)
    tokens.install(connection, key)
    found = connection.execute(
        "select token($domain, value) from (select unnest($values) as value)",
        {"domain": domain, "values": values},
    ).fetchall()
    assert [made for (made,) in found] == expected
    assert [tokens.token(key, domain, value) for value in values] == expected


@given(secrets=_keys, value=_texts, data=st.data())
@hypothesis_settings(
    max_examples=sized(40, 100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_token_is_brought_to_the_newest_version_without_its_value(
    connection: duckdb.DuckDBPyConnection, secrets: list[bytes], value: str, data: st.DataObject
) -> None:
    version = data.draw(st.integers(1, len(secrets)))
    old, newest = (by_hand(part, "firm", value) for part in (secrets[:version], secrets))
    key = joined(secrets)
    tokens.install_advance(connection, key, version)
    assert connection.execute("select advance($old)", {"old": old}).fetchall() == [(newest,)]
    assert tokens.advance(key, old, version) == newest


def test_a_known_token() -> None:
    """Made by `printf firm:uscc:1 | openssl dgst -sha256 -mac HMAC -macopt hexkey:…`."""
    digest = hmac.new(bytes.fromhex(FIRST), b"firm:uscc:1", hashlib.sha256).hexdigest()
    expected = uuid.UUID("ddf32c954deb9711a1b610c9404ead27")
    assert uuid.UUID(digest[:32]) == expected
    assert tokens.firm_token(SecretStr(FIRST), "uscc:1") == expected


def test_null_has_no_token(connection: duckdb.DuckDBPyConnection) -> None:
    tokens.install(connection, SecretStr(f"{FIRST},{SECOND}"))
    assert connection.execute("select token('firm', null)").fetchall() == [(None,)]


@given(
    value=_texts,
    other=_texts,
    domains=st.lists(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), min_size=2, unique=True),
)
def test_one_value_has_another_token_in_every_domain(
    value: str, other: str, domains: list[str]
) -> None:
    key = SecretStr(FIRST)
    made = [tokens.token(key, domain, text) for domain in domains for text in {value, other}]
    assert len(set(made)) == len(made)


def test_a_version_more_changes_every_token() -> None:
    older, newer = SecretStr(FIRST), SecretStr(f"{FIRST},{SECOND}")
    assert tokens.firm_token(older, "uscc:1") != tokens.firm_token(newer, "uscc:1")
    assert tokens.firm_token(newer, "uscc:1") != tokens.firm_token(SecretStr(SECOND), "uscc:1")


def test_a_key_file_has_a_line_per_version(settings: Settings) -> None:
    first = keyring.load(settings, "token_key")
    both = keyring.add_token_version(settings)
    path = settings.keys_dir / "token_key"
    assert path.read_text("ascii").splitlines() == both.get_secret_value().split(",")
    assert both.get_secret_value().startswith(f"{first.get_secret_value()},")
    assert path.stat().st_mode & 0o777 == 0o600
    from_environment = Settings(home=settings.home, token_key=SecretStr(f"{FIRST},{SECOND}"))
    assert keyring.load(from_environment, "token_key").get_secret_value() == f"{FIRST},{SECOND}"
    with pytest.raises(ConfigurationError, match="append a comma and a new key"):
        keyring.add_token_version(from_environment)


@pytest.mark.parametrize("value", ["", "12", f"{FIRST},", f"{FIRST},xyz", f"{FIRST},{FIRST}"])
def test_a_malformed_token_key_is_told_without_its_value(settings: Settings, value: str) -> None:
    wrong = settings.model_copy(update={"token_key": SecretStr(value)})
    with pytest.raises(ConfigurationError, match="FIRMPULSE_TOKEN_KEY") as error:
        keyring.load(wrong, "token_key")
    assert FIRST not in str(error.value)


def test_only_the_token_key_has_versions(settings: Settings) -> None:
    wrong = settings.model_copy(update={"vault_key": SecretStr(f"{FIRST},{SECOND}")})
    with pytest.raises(ConfigurationError, match="FIRMPULSE_VAULT_KEY"):
        keyring.load(wrong, "vault_key")


def _with(settings: Settings, *versions: str) -> Settings:
    return settings.model_copy(update={"token_key": SecretStr(",".join(versions))})


def test_a_database_tells_the_version_of_its_tokens(settings: Settings) -> None:
    first, second = _with(settings, FIRST), _with(settings, FIRST, SECOND)
    with warehouse.connect(first, vault=True) as connection:
        connection.execute("create table vault.ops.t as select token('firm', 'a') as firm_id")
        connection.execute(
            "create table warehouse.ops.t as select token('firm', 'a') as other, "
            "token('firm', 'a')::varchar as firm_id, 'a' as kept from range(3)"
        )
    assert [retoken.version(second, name) for name in ("vault", "warehouse")] == [1, 1]
    with (
        pytest.raises(WrongKeyError, match=r"of version 1 .* firmpulse vault rotate --tokens"),
        warehouse.connect(second, vault=True),
    ):
        pass
    for name in ("vault", "warehouse"):
        report = retoken.advance(second, name)
        assert report is not None
        assert report.generation == 2
        assert retoken.advance(second, name) is None
    expected = by_hand([bytes.fromhex(FIRST), bytes.fromhex(SECOND)], "firm", "a")
    with warehouse.connect(second, vault=True) as connection:
        assert connection.execute("from vault.ops.t").fetchall() == [(expected,)]
        assert (
            connection.execute("from warehouse.ops.t").fetchall()
            == [(expected, str(expected), "a")] * 3
        )
    with pytest.raises(WrongKeyError, match="no version of the token key"):
        retoken.version(_with(settings, THIRD, SECOND), "vault")


def test_a_warehouse_of_another_token_key_is_refused(settings: Settings) -> None:
    with warehouse.connect(_with(settings, FIRST), vault=True):
        pass
    settings.vault_path.unlink()
    (settings.vault_path.with_suffix(".key")).unlink()
    with (
        pytest.raises(WrongKeyError, match=r"not the key of the tokens in warehouse\.duckdb"),
        warehouse.connect(_with(settings, SECOND), vault=True),
    ):
        pass
