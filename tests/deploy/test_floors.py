"""Every package has its floor, and whatever is beside its code is packed with it."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from firmpulse.settings import PROJECT_ROOT

# Beside the packages: tests, and what is run from a checkout alone.
NOT_INSTALLED = {"tests", "benchmarks", "docs"}


def _packages() -> set[str]:
    return {path.parent.name for path in PROJECT_ROOT.glob("*/__init__.py")} - NOT_INSTALLED


def test_every_package_is_on_a_floor() -> None:
    """Where import-linter did not know a package, nothing would hold it."""
    content = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text("utf-8"))
    linter = content["tool"]["importlinter"]
    (floors,) = (found for found in linter["contracts"] if found["type"] == "layers")
    on_floors = [name for floor in floors["layers"] for name in floor.split(" | ")]
    assert sorted(on_floors) == sorted(_packages()) == sorted(linter["root_packages"])
    # Its types are checked too; DAG files are made of decorators that have none.
    assert {*content["tool"]["mypy"]["packages"], "dags"} == _packages()


def test_what_is_beside_the_code_is_packed_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run(  # noqa: S603 - our own command
        [*command, "--no-index", "--wheel-dir", str(tmp_path), str(_copy(tmp_path / "source"))],
        check=True, timeout=300, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", *sorted(_packages())],  # noqa: S607 - from the path
        cwd=PROJECT_ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert len(tracked) > 300
    assert names == set(tracked)


def _copy(to: Path) -> Path:
    """Return a copy of what is tracked: building writes into the folder that it builds."""
    to.mkdir()
    archive = subprocess.run(
        ["git", "archive", "HEAD"],  # noqa: S607 - from the path
        cwd=PROJECT_ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    subprocess.run(["tar", "-x", "-C", str(to)], input=archive, check=True)  # noqa: S603, S607
    return to
