"""Real servers on the loopback: OpenSSH with its own keys, and a proxy that cuts or slows."""

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HOST = "127.0.0.1"
_SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass(frozen=True)
class SshServer:
    """A running sshd that only serves files."""

    port: int
    user: str
    # Key of the client that may log in.
    private_key: str
    # `type data` of the host key.
    host_key: str


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Run sshd with new keys; without sshd skip, or fail in the gate."""
    if not Path(_SSHD).exists():
        reason = "no sshd here; install it with: apt-get install openssh-server"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, kind in (("host", "ed25519"), ("other_host", "ecdsa"), ("client", "ed25519")):
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)  # noqa: S603 — our own arguments
    shutil.copy(folder / "client.pub", folder / "authorized_keys")
    port = free_port()
    (folder / "config").write_text(
        f"""
        ListenAddress {HOST}:{port}
        HostKey {folder}/host
        HostKey {folder}/other_host
        AuthorizedKeysFile {folder}/authorized_keys
        PidFile none
        StrictModes no
        UsePAM no
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        PermitRootLogin prohibit-password
        ForceCommand internal-sftp
        Subsystem sftp internal-sftp
        """
    )
    with (folder / "log").open("wb") as log:
        command = [_SSHD, "-D", "-e", "-f", str(folder / "config")]
        process = subprocess.Popen(command, stderr=log)  # noqa: S603 — our own arguments
    try:
        _wait_for(port, process, folder / "log")
        yield SshServer(
            port,
            getpass.getuser(),
            (folder / "client").read_text(),
            " ".join((folder / "host.pub").read_text().split()[:2]),
        )
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    """Return an unused port of the loopback."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"sshd did not start: {log.read_text()}")


@dataclass
class Proxy:
    """A proxy before a server: counts what it sends, cuts connections, slows them down."""

    target: int
    # The connection breaks each time this many more bytes have been sent.
    cuts: list[int] = field(default_factory=list)
    # And then there are no more answers.
    stays_down: bool = False
    is_down: bool = False
    bytes_per_second: int | None = None
    bytes_sent: int = 0
    connections: int = 0
    port: int = 0

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Listen until the context ends."""
        listener = socket.create_server((HOST, 0))
        self.port = int(listener.getsockname()[1])
        self._listener = listener
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_down:
                client.close()
                continue
            self.connections += 1
            server = socket.create_connection((HOST, self.target))
            for source, sink, is_answer in ((client, server, False), (server, client, True)):
                threading.Thread(
                    target=self._copy, args=(source, sink, is_answer), daemon=True
                ).start()

    def _copy(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        try:
            while chunk := source.recv(1 << 14):
                sink.sendall(chunk)
                if is_answer:
                    self.bytes_sent += len(chunk)
                    if self.cuts and self.bytes_sent >= self.cuts[0]:
                        self.cuts.pop(0)
                        self.is_down = self.stays_down
                        break
                    if self.bytes_per_second:
                        time.sleep(len(chunk) / self.bytes_per_second)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
