"""Logins at providers, and that credentials are never shown."""

import base64
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest

from extracts.connectors import credentials, providers
from extracts.connectors.folders import Store
from extracts.connectors.pull import pull
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from tests.connectors.conftest import BUCKET, SECRET, Configure, Connect, There
from tests.connectors.servers import HOST, SshServer
from tests.extracts.inbox import AS_OF, csv, deliver, payment


@pytest.fixture
def sftp_problem(
    settings: Settings, there: There, sshd: SshServer, connect: Connect, configure: Configure
) -> Any:
    """Return a function that pulls with a connection and returns its problem, empty for none."""
    deliver(there.settings, {"a.csv": csv([payment()])})

    def run(login: str | None = None, **extra: Any) -> str:
        name = connect("own", conn_type="sftp", login=login or sshd.user, extra=extra)
        configure({"uri": f"sftp://{HOST}:{sshd.port}{there.root}", "connection": name})
        return "; ".join(pull(settings, "tax", AS_OF).problems)

    return run


def test_a_host_without_a_known_key_is_not_even_called(sftp_problem: Any, sshd: SshServer) -> None:
    problem = sftp_problem(private_key=sshd.private_key)
    assert f"connection own: it names no host key of {HOST}" in problem
    assert f"ssh-keyscan -p {sshd.port} {HOST}" in problem


def test_a_host_with_another_key_is_refused(
    sftp_problem: Any, sshd: SshServer, tmp_path: Path
) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    problem = sftp_problem(private_key=sshd.private_key, host_key=other)
    assert "differs from the one that connection own names" in problem
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"[{HOST}]:{sshd.port + 1} {sshd.host_key}\n")
    problem = sftp_problem(private_key=sshd.private_key, known_hosts=str(known_hosts))
    assert "differs from the one that connection own names" in problem


@pytest.mark.parametrize("form", ["typed", "bare", "lines", "file", "unchecked", "unchecked text"])
def test_every_way_to_name_the_host_key_works(
    sftp_problem: Any, sshd: SshServer, tmp_path: Path, form: str
) -> None:
    line = f"[{HOST}]:{sshd.port} {sshd.host_key}\n"
    (tmp_path / "known_hosts").write_text(line)
    extra = {
        "typed": {"host_key": sshd.host_key},
        "bare": {"host_key": sshd.host_key.split()[1]},
        "lines": {"known_hosts": line},
        "file": {"known_hosts": str(tmp_path / "known_hosts")},
        "unchecked": {"no_host_key_check": True},
        "unchecked text": {"no_host_key_check": "true"},
    }[form]
    assert sftp_problem(private_key=sshd.private_key, **extra) == ""


def test_a_key_file_with_a_passphrase_logs_in(
    sftp_problem: Any, sshd: SshServer, tmp_path: Path
) -> None:
    import asyncssh

    locked = tmp_path / "locked"
    key = asyncssh.import_private_key(sshd.private_key)
    locked.write_bytes(key.export_private_key("pkcs8-pem", passphrase=SECRET))
    extra = {"key_file": str(locked), "host_key": sshd.host_key}
    assert sftp_problem(**extra, private_key_passphrase=SECRET) == ""
    problem = sftp_problem(**extra, private_key_passphrase=SECRET[1:])
    assert "or private_key_passphrase is wrong" in problem


def test_a_wrong_login_says_so(sftp_problem: Any, sshd: SshServer) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    problem = sftp_problem(private_key=other, host_key=sshd.host_key)
    assert "the provider refuses the login or the access" in problem


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"login": None, "password": SECRET}, "login is missing"),
        ({"login": "u"}, "neither password nor key_file nor private_key"),
        ({"login": "u", "password": SECRET, "host": "other.example"}, "its host is not"),
        ({"login": "u", "extra": {"private_key": SECRET}}, "neither in OpenSSH nor PEM form"),
        ({"login": "u", "extra": {"key_file": "/none"}}, "key_file cannot be read"),
        ({"login": "u", "password": SECRET, "extra": {"host_key": SECRET}}, "is not a public key"),
        ({"login": "u", "password": SECRET, "extra": {"known_hosts": "/none"}}, "known_hosts"),
        ({"login": "u", "password": SECRET, "extra": f'"{SECRET}"'}, "not a JSON object"),
    ],
)
def test_a_wrong_sftp_connection_is_named_without_its_values(
    settings: Settings,
    connect: Connect,
    configure: Configure,
    fields: dict[str, Any],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    name = connect("own", conn_type="sftp", **fields)
    configure({"uri": f"sftp://{HOST}:9/out", "connection": name})
    (problem,) = pull(settings, "tax", AS_OF).problems
    assert words in problem
    assert SECRET not in problem
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"login": "k"}, "only one of access key (login) and secret (password)"),
        ({"extra": {"role_arn": SECRET}}, "extra.role_arn is not supported"),
        ({"extra": {"endpoint_url": "http://store.example"}}, "plain http"),
        ({"extra": {"endpoint_url": f"https://u:{SECRET}@store.example"}}, "without a user"),
        ({"extra": {"verify": False}}, "extra.verify must be the path"),
    ],
)
def test_a_wrong_s3_connection_is_named_without_its_values(
    settings: Settings, connect: Connect, configure: Configure, fields: dict[str, Any], words: str
) -> None:
    name = connect("own", conn_type="aws", **fields)
    configure({"uri": "s3://bucket/out", "connection": name})
    (problem,) = pull(settings, "tax", AS_OF).problems
    assert words in problem
    assert SECRET not in problem


def test_errors_and_logs_hold_no_secret(
    settings: Settings,
    s3_port: int,
    connect: Connect,
    configure: Configure,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    extra = {"endpoint_url": f"http://{HOST}:{s3_port}"}
    name = connect("own", conn_type="aws", login="tests", password=SECRET, extra=extra)
    configure({"uri": f"s3://{BUCKET}-absent/out", "connection": name})
    (provider,) = providers.load(settings, "tax")
    with pytest.raises(ConfigurationError) as caught:
        Store(settings, provider, provider.place).folders()
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "there is no such folder or bucket" in text
    found = credentials.read(settings, name)
    assert repr(found) == "Credentials(connection='own')"
    assert SECRET not in text + caplog.text + str(found)


def test_a_missing_connection_says_where_to_put_it(
    settings: Settings, configure: Configure
) -> None:
    configure({"uri": f"sftp://{HOST}/out", "connection": "not_there"})
    (problem,) = pull(settings, "tax", AS_OF).problems
    assert "set AIRFLOW_CONN_NOT_THERE" in problem


def test_connections_may_be_uris(
    settings: Settings, sshd: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from urllib.parse import quote

    key = quote(sshd.host_key, safe="")
    monkeypatch.setenv("AIRFLOW_CONN_AS_URI", f"sftp://me:p%40ss@{HOST}:2222/?host_key={key}")
    found = credentials.read(settings, "as_uri")
    assert (found.login, found.password, found.port) == ("me", "p@ss", 2222)
    assert found.text("host_key") == sshd.host_key
    assert base64.b64decode(found.extra["host_key"].split()[1])
