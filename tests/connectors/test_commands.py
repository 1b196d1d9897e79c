"""`firmpulse pull` and `firmpulse request`, as called by a data engineer."""

import json
import os
import subprocess
import sys
from pathlib import Path

from firmpulse.settings import Settings
from tests.connectors.conftest import SECRET, Configure, There
from tests.connectors.servers import HOST, SshServer, free_port
from tests.extracts.inbox import FIRM, csv, deliver, payment, permit

COMMAND = "import sys; from cli import main; sys.argv[0] = 'firmpulse'; main()"
DAY = ("--as-of", "2024-03-31")


def _firmpulse(
    settings: Settings, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name}
    return subprocess.run(  # noqa: S603 — our own arguments
        [sys.executable, "-c", COMMAND, *arguments],
        env=inherited
        | {"FIRMPULSE_HOME": str(settings.root), "HOME": str(settings.root)}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_pull_reads_a_secrets_backend_and_writes_into_the_home_folder_alone(
    settings: Settings, there: There, configure: Configure, sshd: SshServer, tmp_path: Path
) -> None:
    deliver(there.settings, {"a.csv": csv([payment()])})
    uri = f"sftp://{HOST}:{sshd.port}{there.root}"
    configure({"uri": uri, "connection": "tax_sftp"})
    extra = {"private_key": sshd.private_key, "host_key": sshd.host_key}
    connections = tmp_path / "connections.json"
    connections.write_text(
        json.dumps({"tax_sftp": {"conn_type": "sftp", "login": sshd.user, "extra": extra}})
    )
    result = _firmpulse(
        settings,
        "pull",
        *DAY,
        AIRFLOW__SECRETS__BACKEND="airflow.secrets.local_filesystem.LocalFilesystemBackend",
        AIRFLOW__SECRETS__BACKEND_KWARGS=json.dumps({"connections_file_path": str(connections)}),
    )
    assert result.stderr == ""
    assert result.stdout.splitlines()[-2:] == [
        "tax: tax-1 from test: 1 files, 170 of 170 bytes fetched now",
        "tax: pulled 1, known 0, incomplete 0, handed over later 0",
    ]
    assert result.returncode == 0
    assert not (settings.root / "airflow.cfg").exists()
    assert {path.name for path in settings.root.iterdir()} <= {
        "airflow", "audit", "control", "inbox", "keys", "providers.yml", "spill", "vault",
    }  # fmt: skip


def test_a_problem_is_shown_and_the_command_fails(settings: Settings, configure: Configure) -> None:
    configure({"uri": f"sftp://{HOST}:{free_port()}/out", "connection": "tax_sftp"})
    connection = {"conn_type": "sftp", "login": "u", "password": SECRET}
    closed = json.dumps(connection | {"extra": {"no_host_key_check": True}})
    result = _firmpulse(settings, "pull", "--source", "tax", *DAY, AIRFLOW_CONN_TAX_SFTP=closed)
    assert result.returncode == 1
    assert "Problem: tax: test: it does not answer (ConnectionRefusedError" in result.stdout
    assert SECRET not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_request_puts_what_is_granted(
    settings: Settings, configure: Configure, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    configure({"uri": "file:///out", "request_uri": (tmp_path / "in").as_uri()})
    permit(settings)
    result = _firmpulse(settings, "request", *DAY)
    assert result.returncode == 0
    assert "tax: 1 firms; requests put 1, unchanged 0, of 1 providers" in result.stdout
    assert FIRM in (tmp_path / "in" / "2024-03-31" / "request.jsonl").read_text()
    assert FIRM not in result.stdout


def test_without_providers_the_commands_say_what_to_write(settings: Settings) -> None:
    for command in ("pull", "request"):
        result = _firmpulse(settings, command, *DAY)
        assert result.returncode == 1
        assert "no provider is configured in" in result.stderr
        assert "providers.yml" in result.stderr
