"""Cut connections, killed processes, silent providers: nothing is lost or fetched twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from extracts.connectors.pull import pull
from firmpulse.errors import FileHeldError
from firmpulse.settings import Settings
from tests.connectors.conftest import BUCKET, SECRET, Configure, Connect, There
from tests.connectors.servers import HOST, Proxy, SshServer, free_port
from tests.extracts.inbox import AS_OF, csv, deliver, payment

pytestmark = pytest.mark.slow

BIG = random.Random(7).randbytes(24 << 20)  # noqa: S311 — incompressible, not secret
COMMAND = "import sys; from cli import main; sys.argv[0] = 'firmpulse'; main()"


@pytest.fixture(params=["sftp", "s3"])
def behind(
    request: pytest.FixtureRequest, there: There, sshd: SshServer, connect: Connect
) -> Iterator[tuple[Proxy, dict[str, str]]]:
    """Return a proxy before a server with one big delivery, and the entry of its provider."""
    deliver(there.settings, {"a.csv": BIG, "b.csv": csv([payment()])})
    if request.param == "sftp":
        proxy = Proxy(sshd.port)
        extra = {"private_key": sshd.private_key, "host_key": sshd.host_key}
        name = connect("test_proxy", conn_type="sftp", login=sshd.user, extra=extra)

        def make() -> dict[str, str]:
            return {"uri": f"sftp://{HOST}:{proxy.port}{there.root}", "connection": name}

    else:
        there.upload(request.getfixturevalue("bucket"))
        proxy = Proxy(request.getfixturevalue("s3_port"))

        def make() -> dict[str, str]:
            extra = {"endpoint_url": f"http://{HOST}:{proxy.port}", "region_name": "us-east-1"}
            name = connect(
                "test_proxy", conn_type="aws", login="tests", password=SECRET, extra=extra
            )
            return {"uri": f"s3://{BUCKET}/out", "connection": name}

    with proxy.running():
        yield proxy, make()


def _partial(settings: Settings) -> Path:
    return settings.inbox / "tax" / ".pulling" / "tax-1" / "a.csv"


def _is_complete(settings: Settings) -> bool:
    return (settings.inbox / "tax" / "tax-1" / "a.csv").read_bytes() == BIG


def test_a_cut_line_is_taken_up_where_it_broke(
    settings: Settings, configure: Configure, behind: tuple[Proxy, dict[str, str]]
) -> None:
    proxy, entry = behind
    proxy.cuts = [9 << 20, 18 << 20]
    configure(entry | {"attempts": 4})
    (delivery,) = pull(settings, "tax", AS_OF).pulled
    assert delivery.bytes_fetched == delivery.bytes_total
    assert _is_complete(settings)
    assert proxy.cuts == []
    # At most two pieces, of 24 MB, were lost in transfer.
    assert len(BIG) < proxy.bytes_sent < len(BIG) + (10 << 20)


def test_what_a_run_left_is_gone_on_with_by_the_next(
    settings: Settings, configure: Configure, behind: tuple[Proxy, dict[str, str]]
) -> None:
    proxy, entry = behind
    proxy.cuts, proxy.stays_down = [9 << 20], True
    configure(entry)
    report = pull(settings, "tax", AS_OF)
    assert "does not answer" in report.problems[0]
    assert "firmpulse pull --source tax --as-of 2024-03-31" in report.problems[0]
    assert not (settings.inbox / "tax" / "tax-1").exists()
    kept = _partial(settings).stat().st_size
    assert kept >= 4 << 20
    proxy.is_down, proxy.bytes_sent = False, 0
    (delivery,) = pull(settings, "tax", AS_OF).pulled
    assert delivery.bytes_fetched == delivery.bytes_total - kept
    assert proxy.bytes_sent < len(BIG) - kept + (1 << 20)
    assert _is_complete(settings)


def test_a_spoilt_beginning_is_fetched_anew(
    settings: Settings, there: There, configure: Configure
) -> None:
    deliver(there.settings, {"a.csv": BIG})
    configure({"uri": there.root.as_uri()})
    folder = _partial(settings).parent
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes((there.root / "tax-1" / "manifest.json").read_bytes())
    _partial(settings).write_bytes(b"x" * (5 << 20))
    (delivery,) = pull(settings, "tax", AS_OF).pulled
    assert delivery.bytes_fetched == len(BIG) - (5 << 20) + len(BIG)
    assert _is_complete(settings)


def test_a_killed_pull_leaves_nothing_to_land_and_is_completed(
    settings: Settings, configure: Configure, behind: tuple[Proxy, dict[str, str]]
) -> None:
    proxy, entry = behind
    proxy.bytes_per_second = 6 << 20
    configure(entry)
    environment = os.environ | {"FIRMPULSE_HOME": str(settings.root)}
    command = [sys.executable, "-c", COMMAND, "pull", "--source", "tax", "--as-of", str(AS_OF)]
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603 — ours
        deadline = time.monotonic() + 240
        while not (_partial(settings).exists() and _partial(settings).stat().st_size > 4 << 20):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(FileHeldError, match="another run pulls tax"):
            pull(settings, "tax", AS_OF)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    kept = _partial(settings).stat().st_size
    assert 4 << 20 < kept < len(BIG)
    assert [path.name for path in (settings.inbox / "tax").glob("[!.]*")] == []
    proxy.bytes_per_second = None
    (delivery,) = pull(settings, "tax", AS_OF).pulled
    assert delivery.bytes_fetched == delivery.bytes_total - kept
    assert _is_complete(settings)


def test_a_provider_that_is_down_stops_no_other(
    settings: Settings, there: There, configure: Configure, sftp: str, s3: str, connect: Connect
) -> None:
    deliver(there.settings, {"a.csv": csv([payment()])})
    port = free_port()
    extra = {"endpoint_url": f"http://{HOST}:{port}"}
    dead = connect("dead_s3", conn_type="aws", login="tests", password=SECRET, extra=extra)
    configure(
        {"name": "down", "uri": f"sftp://{HOST}:{port}/out", "connection": sftp},
        {"name": "dead", "uri": "s3://nowhere/out", "connection": dead},
        {"name": "absent", "uri": "s3://no-such-bucket/out", "connection": s3},
        {"name": "moved", "uri": (there.root / "elsewhere").as_uri()},
        {"name": "test", "uri": there.root.as_uri()},
    )
    report = pull(settings, "tax", AS_OF)
    assert [one.provider for one in report.pulled] == ["test"]
    down, dead_one, absent, moved = report.problems
    assert down.startswith("down: it does not answer (ConnectionRefusedError, 2 tries)")
    assert dead_one.startswith("dead: it does not answer (EndpointConnectionError, 2 tries)")
    assert absent.startswith("absent: there is no such folder or bucket; check its uri")
    assert moved.startswith("moved: there is no such folder or bucket; check its uri")
    assert report.summary()["problems"] == 4


def test_a_begun_delivery_that_is_offered_no_more_is_forgotten(
    settings: Settings, there: There, configure: Configure
) -> None:
    stale = settings.inbox / "tax" / ".pulling" / "tax-0"
    stale.mkdir(parents=True)
    (stale / "a.csv").write_bytes(b"left over")
    configure({"uri": (there.root / "elsewhere").as_uri()})
    pull(settings, "tax", AS_OF)
    # Its provider may be the one that did not answer.
    assert stale.exists()
    configure({"uri": there.root.as_uri()})
    pull(settings, "tax", AS_OF)
    assert not stale.exists()
