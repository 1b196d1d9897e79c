"""Providers of the tests: a folder, an SFTP server and an S3 server with the same deliveries."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from firmpulse.settings import Settings
from tests.connectors.servers import HOST, SshServer, ssh_server

SECRET = "SecretThatNobodyMaySee0123456789"  # noqa: S105 — of a server that the tests start
BUCKET = "provider-drop"


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """Run one sshd for all tests of a process."""
    with ssh_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """Run moto's S3 for all tests of a process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()


@pytest.fixture
def bucket(s3_port: int) -> Iterator[Any]:
    """Return an empty bucket of boto3."""
    import boto3

    client = boto3.resource(
        "s3",
        endpoint_url=f"http://{HOST}:{s3_port}",
        aws_access_key_id="tests",
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    made = client.create_bucket(Bucket=BUCKET)
    yield made
    made.objects.all().delete()
    made.delete()


@dataclass(frozen=True)
class There:
    """The provider's side: a folder with deliveries, and the settings that write into it."""

    settings: Settings

    @property
    def root(self) -> Path:
        """The folder of the deliveries of tax."""
        return self.settings.inbox / "tax"

    def upload(self, bucket: Any, prefix: str = "out") -> None:
        """Put everything into a bucket, manifests last."""
        files = sorted(
            (path for path in self.root.rglob("*") if path.is_file()),
            key=lambda path: path.name == "manifest.json",
        )
        for path in files:
            bucket.upload_file(str(path), f"{prefix}/{path.relative_to(self.root)}")


@pytest.fixture
def there(tmp_path: Path) -> There:
    """Return an empty provider."""
    found = There(Settings(home=tmp_path / "provider"))
    found.root.mkdir(parents=True)
    return found


Configure = Callable[..., None]


@pytest.fixture
def configure(settings: Settings) -> Configure:
    """Return a function that writes providers.yml; entries get quick retries by default."""

    def write(*entries: dict[str, Any]) -> None:
        defaults = {"name": "test", "source": "tax", "attempts": 2, "first_wait_seconds": 0.01}
        document = {"version": 1, "providers": [defaults | entry for entry in entries]}
        settings.root.mkdir(parents=True, exist_ok=True)
        settings.providers_path.write_text(yaml.safe_dump(document), encoding="utf-8")

    return write


Connect = Callable[..., str]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a function that makes an Airflow connection; returns its id."""

    def make(name: str, **fields: Any) -> str:
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
        return name

    return make


@pytest.fixture
def sftp(sshd: SshServer, connect: Connect) -> str:
    """Return the id of a connection that may log in."""
    extra = {"private_key": sshd.private_key, "host_key": sshd.host_key}
    return connect("test_sftp", conn_type="sftp", login=sshd.user, extra=extra)


@pytest.fixture
def s3(s3_port: int, connect: Connect) -> str:
    """Return the id of a connection to the S3 server."""
    extra = {"endpoint_url": f"http://{HOST}:{s3_port}", "region_name": "us-east-1"}
    return connect("test_s3", conn_type="aws", login="tests", password=SECRET, extra=extra)
