"""The lock is whole, and the list of packages that is made of it names each of them."""

import json
import re
import subprocess
import sys
from pathlib import Path

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


def test_the_list_of_packages_is_the_lock(tmp_path: Path) -> None:
    made = tmp_path / "sbom.cdx.json"
    command = re.search(
        r"-m (cyclonedx_py requirements .*?)--output-file",
        (PROJECT_ROOT / "Makefile").read_text("utf-8").replace("\\\n", ""),
    )
    assert command
    subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-W", "ignore", "-m", *command[1].split(), "--output-file", str(made)],
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
