"""The lock is complete, and the package list made from it names each package."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from firmpulse.settings import PROJECT_ROOT

LOCK = PROJECT_ROOT / "requirements.lock"


def _locked() -> dict[str, list[tuple[str, set[str]]]]:
    """Return package → (version, hashes) for each of its entries."""
    found: dict[str, list[tuple[str, set[str]]]] = {}
    for entry in re.split(r"\n(?=\S)", LOCK.read_text("utf-8")):
        if named := re.match(r"([\w.-]+)(?:\[[\w,]+\])?==([^\s;\\]+)", entry):
            hashes = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
            found.setdefault(named[1], []).append((named[2], hashes))
    return found


def test_every_package_has_a_version_and_a_hash_and_no_address() -> None:
    locked = _locked()
    assert len(locked) > 200
    assert {"apache-airflow", "duckdb", "catboost", "mlflow"} <= set(locked)
    assert all(hashes for entries in locked.values() for _, hashes in entries)
    assert "://" not in LOCK.read_text("utf-8")


def _from_the_makefile(pattern: str) -> list[str]:
    """Return the arguments of a command in the Makefile."""
    recipes = (PROJECT_ROOT / "Makefile").read_text("utf-8").replace("\\\n", "")
    command = re.search(pattern, recipes)
    assert command
    return command[1].split()


def test_the_list_of_packages_is_the_lock(tmp_path: Path) -> None:
    made = tmp_path / "sbom.cdx.json"
    arguments = _from_the_makefile(r"-m (cyclonedx_py requirements .*?)--output-file")
    subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-W", "ignore", "-m", *arguments, "--output-file", str(made)],
        cwd=PROJECT_ROOT,
        check=True,
        timeout=300,
    )
    listed = json.loads(made.read_text("utf-8"))
    assert listed["metadata"]["component"]["name"] == "firmpulse"
    names = {component["name"] for component in listed["components"]}
    assert names == set(_locked())
    for component in listed["components"]:
        (dist,) = component["externalReferences"]
        hashes = {found["content"] for found in dist["hashes"]}
        assert (component["version"], hashes) in _locked()[component["name"]]
        assert dist["url"].startswith("urn:")


class _Advisories(BaseHTTPRequestHandler):
    """A fake OSV API with one vulnerability of one package."""

    asked: list[dict[str, str]]
    weak = "duckdb"

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.asked.append({"name": name, "version": query["version"]})
        package = {"name": name, "ecosystem": "PyPI"}
        repaired = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999.0"}]}]
        day = "2026-01-01T00:00:00Z"
        advisory = {
            "id": "OSV-2026-1", "summary": "made up", "details": "made up", "modified": day,
            "published": day, "affected": [{"package": package, "ranges": repaired}],
        }  # fmt: skip
        told = json.dumps({"vulns": [advisory]} if name == self.weak else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def advisories() -> Iterator[ThreadingHTTPServer]:
    """Return an advisory service on this machine."""
    _Advisories.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Advisories)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_the_audit_asks_for_every_package_and_fails_on_a_weak_one(
    advisories: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    arguments = _from_the_makefile(r"pip-audit (--requirement .*?osv) ")
    address = f"http://127.0.0.1:{advisories.server_port}/v1/query"
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pip_audit", *arguments, "--osv-url", address, "--format", "json"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    found = {d["name"]: d["vulns"] for d in json.loads(done.stdout)["dependencies"] if d["vulns"]}
    assert [v["id"] for v in found.pop(_Advisories.weak)] == ["OSV-2026-1"]
    assert found == {}
    locked = {(name, version) for name, entries in _locked().items() for version, _ in entries}
    asked = {(package["name"], package["version"]) for package in _Advisories.asked}
    assert asked <= locked
    # The others are for other systems and versions of Python.
    assert len(asked) > 200
